//! A chain of comparisons.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = match x[i] {
        0 => 7,
        1 | 2 => 8,
        10..=20 => x[i] * 2,
        n if n < 0 => -n,
        _ => 0,
    };
}
