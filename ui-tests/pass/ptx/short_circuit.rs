//! The right side is evaluated only if the left one does not decide.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n && x[i] > 0 {
        y[i] = 1;
    }
    let both = n > 3 && i > 1;
    if both {
        y[0] = 2;
    }
}
