//! The condition is at the head; nothing known about `k` survives from before.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut sum = 0.0;
    let mut k = i;
    while k < n {
        sum += x[k];
        k += 256;
    }
    y[i] = sum;
}
