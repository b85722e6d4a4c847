//! `f16` has its own instructions but for division.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f16], y: &mut [f16]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let v = x[i];
    y[i] = v * v + v / y[i];
}
