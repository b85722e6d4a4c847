//! Indices that the shape of the block bounds need no check.

use firesteel::prelude::*;

#[gpu_kernel(block_size = (16, 16))]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let tile = shared_mem![f32; 272];
    let (row, col) = (thread_idx_y(), thread_idx_x());
    tile[row * 17 + col] = x[row * n + col];
    bar_sync();
    y[row * n + col] = tile[col * 17 + row];
}
