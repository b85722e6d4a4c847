//! Powers of two are shifts and masks.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(y: &mut [u32], d: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = i / 32 + i % 32 + i / d;
}
