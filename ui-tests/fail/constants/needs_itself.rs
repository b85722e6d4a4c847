use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    const A: u32 = B + 1;
    const B: u32 = A;
    y[A] = 0.0;
}

fn main() {}
