use firesteel::prelude::*;

#[gpu_fn]
fn double(x: f32) -> f32 {
    2.0 * x
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    y[0] = double(|v: f32| v);
}

fn main() {}
