use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, instances(T = [f32, i32]))]
fn kernel<T: Number>(y: &mut [T]) {
    y[thread_idx_x()] = T::INFINITY;
}

fn main() {}
