use firesteel::prelude::*;

#[gpu_fn]
fn pick(sums: &[f32; 2], i: u32) -> f32 {
    sums[i]
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32]) {
    let sums = [1.0, 2.0];
    y[0] = pick(&sums, thread_idx_x());
}

fn main() {}
