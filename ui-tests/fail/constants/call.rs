use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    const R: f32 = sqrt(2.0);
    y[0] = R;
}

fn main() {}
