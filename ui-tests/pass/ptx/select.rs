//! Cheap arms are both computed.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        let v = x[i];
        y[i] = if v > 0.0 { v } else { v * 0.01 };
    }
}
