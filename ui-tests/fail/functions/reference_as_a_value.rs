use firesteel::prelude::*;

#[gpu_fn]
fn add(sum: &mut f32, x: f32) {
    sum = x + 1.0;
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32]) {
    let mut sum = 1.0;
    add(&mut sum, 2.0);
    y[0] = sum;
}

fn main() {}
