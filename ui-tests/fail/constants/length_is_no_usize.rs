use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    const N: u32 = 4;
    let a = [0.0; N];
    y[0] = a[0];
}

fn main() {}
