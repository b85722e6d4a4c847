//! Rounded once, to the short formats too.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, unchecked)]
pub fn kernel(x: &[i64], a: &mut [f32], b: &mut [f16], c: &mut [bf16]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    a[i] = x[i] as f32;
    b[i] = x[i] as f16;
    c[i] = x[i] as bf16;
}
