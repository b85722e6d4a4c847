use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, instances(T = [f16, u32]))]
fn kernel<T: Float>(y: &mut [T]) {
    y[thread_idx_x()] = T::ONE;
}

fn main() {}
