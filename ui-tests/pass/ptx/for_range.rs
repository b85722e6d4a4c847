//! A range up to a bound that is excluded.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut sum = 0.0;
    for k in 0..n {
        sum += x[k];
    }
    y[i] = sum;
}
