//! Five shuffles.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let sum = warp_reduce_sum(x[i]);
    if lane_id() == 0 {
        y[i / 32] = sum;
    }
}
