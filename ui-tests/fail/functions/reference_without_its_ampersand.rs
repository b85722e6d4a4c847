use firesteel::prelude::*;

#[gpu_fn]
fn add(sum: &mut f32, x: f32) {
    *sum += x;
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32]) {
    let mut sum = 1.0;
    add(sum, 2.0);
    y[0] = sum;
}

fn main() {}
