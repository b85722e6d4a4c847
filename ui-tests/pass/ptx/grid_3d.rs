//! Ranks in a block of three axes.

use firesteel::prelude::*;

#[gpu_kernel(block_size = (8, 8, 4))]
pub fn kernel(y: &mut [u32]) {
    y[thread_rank()] = warp_id() + grid_dim_z() * block_idx_z();
}
