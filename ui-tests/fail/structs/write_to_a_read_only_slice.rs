use firesteel::prelude::*;

#[gpu_struct]
#[repr(C)]
#[derive(Clone, Copy)]
struct Block {
    q: [u8; 4],
}

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[Block]) {
    x[0].q[1] = 0;
}

fn main() {}
