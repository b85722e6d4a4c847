use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32]) -> f32 {
    return 1.0;
}

fn main() {}
