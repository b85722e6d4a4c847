use firesteel::prelude::*;

#[gpu_struct]
#[repr(C)]
#[derive(Clone, Copy)]
struct Block {
    q: [u8; 4],
}

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[Block], y: &mut [u8]) {
    y[0] = x[0].q[2 + 2];
}

fn main() {}
