use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let pair = (1.0, 2.0);
    pair.0 = 3.0;
}

fn main() {}
