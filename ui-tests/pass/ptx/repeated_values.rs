//! What is computed once is at hand, but not across a write of its variable.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32], k: i32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut m = k;
    y[i] = m * 3 + x[m * 3];
    m += 1;
    y[i] += m * 3 + x[m * 3];
}
