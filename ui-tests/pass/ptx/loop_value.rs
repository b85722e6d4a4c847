//! `break` carries the value.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[i32], y: &mut [u32], key: i32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let mut k = 0;
    y[i] = loop {
        if x[k] == key {
            break k;
        }
        k += 1;
    };
}
