//! A record in the log, claimed with one addition.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, unchecked)]
pub fn kernel(y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    gpu_println!("y[{}] = {} of {}", i, y[i], n);
    y[i] = 0.0;
}
