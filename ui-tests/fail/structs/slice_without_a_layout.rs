use firesteel::prelude::*;

#[gpu_struct]
#[derive(Clone, Copy)]
struct Block {
    d: f32,
}

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[Block], y: &mut [f32]) {
    y[0] = x[0].d;
}

fn main() {}
