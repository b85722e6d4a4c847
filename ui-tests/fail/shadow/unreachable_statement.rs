#![deny(unreachable_code)]

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    y[n] = 1.0;
    return;
    y[n] = 2.0;
}

fn main() {}
