use firesteel::prelude::*;

#[gpu_kernel(block_sise = 256)]
fn kernel(y: &mut [f32]) {
    y[thread_idx_x()] = 0.0;
}

fn main() {}
