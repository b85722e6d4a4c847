//! `%` of floats is exact: a loop.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, unchecked)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = x[i] % y[i];
}
