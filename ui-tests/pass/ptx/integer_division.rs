//! By a variable: zero faults, the smallest by -1 wraps. By constants: neither.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32], d: i32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let v = x[i];
    y[i] = v / d + v % d + v / 10 + v % 8;
}
