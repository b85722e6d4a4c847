//! A variable that gets its value later.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32], k: i32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let v;
    if k > 3 {
        v = x[i];
    } else {
        v = 2;
    }
    y[i] = v;
}
