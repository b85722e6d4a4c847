use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let v = f32x4::new(1.0, 2.0);
}

fn main() {}
