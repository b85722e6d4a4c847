//! Loops over registers unroll by themselves.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, unchecked)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut acc = [0.0f32; 4];
    for r in 0..8 {
        for k in 0..4 {
            acc[k] += x[r * 4 + k];
        }
    }
    for k in 0..4 {
        y[i * 4 + k] = acc[3 - k];
    }
}
