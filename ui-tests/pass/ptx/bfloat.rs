//! `bf16` below sm_80: computed in `f32`, rounded with integers.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[bf16], y: &mut [bf16]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = x[i] * y[i];
}
