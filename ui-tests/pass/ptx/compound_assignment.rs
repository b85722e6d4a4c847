//! The value is evaluated before the place, and the place once.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[x[i]] += x[0];
    y[i] <<= 3;
}
