//! Tuples are registers.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut best = (x[0], 0);
    if x[i] > best.0 {
        best = (x[i], i);
    }
    let (value, at) = best;
    y[at] = value;
}
