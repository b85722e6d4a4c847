use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    const BIG: u32 = 1 << 31;
    const BIGGER: u32 = BIG * 2;
    y[BIGGER] = 0.0;
}

fn main() {}
