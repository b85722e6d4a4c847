#![deny(unused_variables)]

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    y[0] = 1.0;
}

fn main() {}
