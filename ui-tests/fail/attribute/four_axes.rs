use firesteel::prelude::*;

#[gpu_kernel(block_size = (2, 2, 2, 2))]
fn kernel(y: &mut [f32]) {
    y[thread_idx_x()] = 0.0;
}

fn main() {}
