use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    atomic_add_with(&mut y[0], 1.0, Scope::Block, 3);
}

fn main() {}
