//! `f64`.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f64], y: &mut [f64]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = x[i] * 0.5 - y[i] / x[i];
}
