use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(b: &mut [u8]) {
    atomic_add(&mut b[0], 1);
}

fn main() {}
