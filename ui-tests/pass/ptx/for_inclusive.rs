//! The end is compared before the step, so the largest value does not wrap.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut sum = 0;
    for k in 1..=n {
        sum += x[k];
    }
    y[i] = sum;
}
