use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    const TWICE: u32 = n * 2;
    y[TWICE] = 0.0;
}

fn main() {}
