use firesteel::prelude::*;

#[gpu_kernel(block_size = BLOCK)]
fn kernel(y: &mut [f32]) {
    y[thread_idx_x()] = 0.0;
}

fn main() {}
