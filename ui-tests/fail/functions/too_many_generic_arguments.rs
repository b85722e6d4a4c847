use firesteel::prelude::*;

#[gpu_fn]
fn first<const N: usize>(x: [f32; N]) -> f32 {
    x[0]
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    y[0] = first::<2, 3>([1.0, 2.0]);
}

fn main() {}
