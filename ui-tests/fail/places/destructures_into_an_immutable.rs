use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    let a = y[0];
    let mut b = y[1];
    (a, b) = (b, a);
    y[2] = a - b;
}

fn main() {}
