use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let v: f32 = if n > 1 { 1.0 };
}

fn main() {}
