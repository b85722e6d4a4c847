use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    for v in x {
        y[0] += v;
    }
}

fn main() {}
