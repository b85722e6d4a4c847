use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    let a = [1.0, 2.0];
    y[0] = a[n];
}

fn main() {}
