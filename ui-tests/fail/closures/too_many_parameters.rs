use firesteel::prelude::*;

#[gpu_fn]
fn apply(x: f32, f: impl Fn(f32) -> f32) -> f32 {
    f(x)
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    y[0] = apply(1.0, |v, column| v + column);
}

fn main() {}
