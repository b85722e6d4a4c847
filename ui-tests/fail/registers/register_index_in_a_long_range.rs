use firesteel::prelude::*;

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32], n: u32) {
    let mut acc = [0.0f32; 4];
    for k in 0..n {
        acc[k] += 1.0;
    }
    y[thread_idx_x()] = acc[0];
}

fn main() {}
