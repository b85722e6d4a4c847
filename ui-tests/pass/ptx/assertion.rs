//! Stays in unchecked kernels.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, unchecked)]
pub fn kernel(y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    assert!(n > 3 && i < n, "n is large enough");
    y[i] = 0.0;
}
