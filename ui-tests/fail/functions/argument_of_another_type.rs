use firesteel::prelude::*;

#[gpu_fn]
fn scale(x: f32, by: f32) -> f32 {
    x * by
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32], n: u32) {
    y[0] = scale(y[0], n);
}

fn main() {}
