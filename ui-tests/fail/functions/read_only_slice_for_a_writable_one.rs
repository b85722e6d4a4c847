use firesteel::prelude::*;

#[gpu_fn]
fn clear(y: &mut [f32]) {
    y[0] = 0.0;
}

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[f32]) {
    clear(x);
}

fn main() {}
