//! Arms with effects: the value meets in one register.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        y[i] = if x[i] > 0.0 { x[i] } else { x[0] };
    }
}
