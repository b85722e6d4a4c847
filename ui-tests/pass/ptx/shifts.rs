//! The amount is masked, as Rust's wrapping shifts do.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = (x[i] << n) ^ (x[i] >> n) ^ (x[i] >> 5);
}
