use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    match n {
        0 | m => y[0] = m as f32,
    }
}

fn main() {}
