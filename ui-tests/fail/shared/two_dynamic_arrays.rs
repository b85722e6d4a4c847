use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let a = dynamic_shared![f32];
    let b = dynamic_shared![f32];
    y[0] = a[0] + b[0];
}

fn main() {}
