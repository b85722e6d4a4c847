use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    let tile = shared_mem![f64; 32768];
    y[0] = tile[0] as f32;
}

fn main() {}
