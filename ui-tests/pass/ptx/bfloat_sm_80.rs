//! From sm_80 on there is an instruction that rounds.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, arch = "sm_80")]
pub fn kernel(x: &[bf16], y: &mut [bf16]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = x[i] * y[i];
}
