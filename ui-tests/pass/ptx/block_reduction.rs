//! Warps, then one warp over their sums.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let sum = block_reduce_sum(x[i]);
    if thread_idx_x() == 0 {
        y[block_idx_x()] = sum;
    }
}
