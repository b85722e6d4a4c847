//! Predicates in registers, bytes in memory.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[bool], y: &mut [bool], flag: bool) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    y[i] = x[i] & flag | !y[i];
}
