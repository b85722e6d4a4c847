use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    const ZERO: u32 = 0;
    const BAD: u32 = 4 / ZERO;
    y[BAD] = 0.0;
}

fn main() {}
