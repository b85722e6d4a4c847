//! Constants are offsets, and the longest one is checked first only if it comes first.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    y[1] = x[0] + x[3] + x[2];
}
