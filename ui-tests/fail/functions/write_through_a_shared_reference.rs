use firesteel::prelude::*;

#[gpu_fn]
fn clear(sums: &[f32; 2]) {
    sums[0] = 0.0;
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32]) {
    let sums = [1.0, 2.0];
    clear(&sums);
    y[0] = sums[0];
}

fn main() {}
