use firesteel::prelude::*;

#[gpu_fn]
fn zeros<const N: usize>(x: f32) -> f32 {
    let zeros = [x; N];
    zeros[0]
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    y[0] = zeros(1.0);
}

fn main() {}
