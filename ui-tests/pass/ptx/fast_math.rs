//! No rounding is stated, denormals are zero, division is approximate.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, fast_math)]
pub fn kernel(x: &[f32], y: &mut [f32], a: f32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = a * x[i] + y[i] / a;
}
