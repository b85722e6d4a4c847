//! Neither bounds nor divisors are checked.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, unchecked)]
pub fn kernel(x: &[i32], y: &mut [i32], d: i32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = x[i] / d;
}
