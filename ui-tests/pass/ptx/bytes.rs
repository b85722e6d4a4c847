//! Integers of 8 bits live in 16 and are extended again where they may overflow.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i8], y: &mut [u8]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let v = x[i] + 100;
    y[i] = (v as u8 >> 1) * 3 | 1;
}
