//! Floats saturate and NaN is 0.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, unchecked)]
pub fn kernel(x: &[f32], d: &[f64], a: &mut [i32], b: &mut [u8], c: &mut [i64]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    a[i] = x[i] as i32;
    b[i] = x[i] as u8;
    c[i] = d[i] as i64;
}
