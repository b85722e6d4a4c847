//! A block that is left with a value.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32], n: i32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = 'value: {
        if n < 0 {
            break 'value 0;
        }
        let first = x[i];
        if first > n {
            break 'value n;
        }
        first
    };
}
