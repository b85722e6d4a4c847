use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let wide = n as u64;
    let sum = wide + n;
}

fn main() {}
