use firesteel::prelude::*;

#[gpu_fn]
fn first(x: &[f32]) -> f32 {
    x[0]
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32]) {
    y[0] = first(1.0);
}

fn main() {}
