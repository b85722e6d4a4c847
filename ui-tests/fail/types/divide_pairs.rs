use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f16x2], y: &mut [f16x2]) {
    y[0] = x[0] / x[1];
}

fn main() {}
