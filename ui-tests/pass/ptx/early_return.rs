//! A return under a condition of two parts is two jumps to the end.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32, rows: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i >= n || block_idx_y() >= rows {
        return;
    }
    y[i] = x[i];
}
