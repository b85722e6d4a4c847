//! Places are checked like any other.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[u32], y: &mut [u32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let old = atomic_add(&mut y[x[i] % 16], 1);
    atomic_max(&mut y[16], old);
}
