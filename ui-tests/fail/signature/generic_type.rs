use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel<T>(y: &mut [f32], n: T) {
    y[thread_idx_x()] = 0.0;
}

fn main() {}
