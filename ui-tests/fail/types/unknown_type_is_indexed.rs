use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let mut a;
    a[0] = 1.0;
    a = [2.0, 3.0];
}

fn main() {}
