use firesteel::prelude::*;

#[gpu_fn]
fn bytes<T: Number>() -> u32 {
    T::BYTES
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [u32]) {
    y[0] = bytes();
}

fn main() {}
