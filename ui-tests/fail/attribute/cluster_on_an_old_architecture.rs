use firesteel::prelude::*;

#[gpu_kernel(block_size = 128, cluster = 2, arch = "sm_80")]
fn kernel(y: &mut [f32]) {
    y[thread_idx_x()] = 0.0;
}

fn main() {}
