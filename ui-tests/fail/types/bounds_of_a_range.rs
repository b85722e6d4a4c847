use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let end = n as u64;
    for i in n..end {
        y[i] = x[i];
    }
}

fn main() {}
