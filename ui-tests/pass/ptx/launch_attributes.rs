//! A cluster of two blocks, one of them on a multiprocessor.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 384, cluster = (2, 1), min_blocks = 1, arch = "sm_90")]
pub fn kernel(y: &mut [u32]) {
    y[thread_idx_x()] = block_idx_x();
}
