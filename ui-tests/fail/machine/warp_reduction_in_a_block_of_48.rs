use firesteel::prelude::*;

#[gpu_kernel(block_size = 48)]
fn kernel(x: &[f32], y: &mut [f32]) {
    y[0] = warp_reduce_sum(x[0]);
}

fn main() {}
