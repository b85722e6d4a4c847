use firesteel::prelude::*;

#[gpu_fn]
fn half(x: f32) -> u32 {
    if x < 0.0 {
        return 0;
    }
    x * 0.5
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [u32]) {
    y[0] = half(1.0);
}

fn main() {}
