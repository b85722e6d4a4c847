#![deny(unused_mut)]

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    let mut scale = 2.0;
    y[n] = scale;
}

fn main() {}
