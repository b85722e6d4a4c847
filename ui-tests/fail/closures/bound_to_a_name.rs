use firesteel::prelude::*;

#[gpu_fn]
fn apply(x: f32, f: impl Fn(f32) -> f32) -> f32 {
    f(x)
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    let double = |v: f32| 2.0 * v;
    y[0] = apply(1.0, double);
}

fn main() {}
