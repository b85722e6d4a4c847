use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let tile = shared_mem![f32];
    y[0] = tile[0];
}

fn main() {}
