use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    const N: u32 = 1.5;
    y[N] = 0.0;
}

fn main() {}
