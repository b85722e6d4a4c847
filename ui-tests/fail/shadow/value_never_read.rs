#![deny(unused_assignments)]

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    let mut v = 1.0;
    v = 2.0;
    y[n] = v;
}

fn main() {}
