use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    let mut a = [0.0; 4];
    a[n] = 1.0;
    y[0] = a[0];
}

fn main() {}
