//! Constants and what follows from the shape of the block are folded.

use firesteel::prelude::*;

#[gpu_kernel(block_size = (32, 8))]
pub fn kernel(y: &mut [u32]) {
    const WIDTH: u32 = 1 << 5;
    const TABLE: [u32; 3] = [1, 10, 100];
    let per_warp = block_dim_x() * block_dim_y() / warps_per_block();
    y[thread_idx_x()] = TABLE[2] * WIDTH + per_warp;
}
