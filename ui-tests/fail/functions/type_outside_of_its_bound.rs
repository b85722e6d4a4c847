use firesteel::prelude::*;

#[gpu_fn]
fn half<T: Float>(x: T) -> T {
    x * T::from_f32(0.5)
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    y[0] = half(n) as f32;
}

fn main() {}
