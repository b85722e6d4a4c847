//! `break` and `continue` of an outer loop.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [i32], n: i32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut found = 0;
    'rows: for r in 0..n {
        for c in 0..n {
            if x[r * n + c] < 0 {
                continue 'rows;
            }
            if x[r * n + c] == 7 {
                break 'rows;
            }
        }
        found += 1;
    }
    y[i] = found;
}
