use firesteel::prelude::*;

#[gpu_fn]
fn first<const N: usize>(x: [f32; N], y: [f32; N]) -> f32 {
    x[0] + y[0]
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    y[0] = first([1.0, 2.0], [1.0; 3]);
}

fn main() {}
