//! Two turns at once, and a loop for the one that may be left.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, unchecked)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut sum = 0.0;
    #[unroll(2)]
    for k in i..n {
        sum += x[k];
    }
    y[i] = sum;
}
