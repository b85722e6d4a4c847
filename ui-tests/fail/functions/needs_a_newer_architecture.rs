use firesteel::prelude::*;

#[gpu_fn]
fn total(x: u32) -> u32 {
    redux_add(x)
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [u32]) {
    y[0] = total(y[0]);
}

fn main() {}
