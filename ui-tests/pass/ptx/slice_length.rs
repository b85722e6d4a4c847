//! `len` is a parameter.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if (i as usize) < x.len() {
        y[i] = x[x.len() - 1 - i as usize];
    }
}
