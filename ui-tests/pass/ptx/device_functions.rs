//! Device functions and constants.

use firesteel::prelude::*;

#[gpu_const]
const WIDTH: usize = 4;

#[gpu_fn]
fn dot(a: [f32; WIDTH], b: [f32; WIDTH]) -> f32 {
    let mut sum = 0.0;
    for i in 0..WIDTH {
        sum = a[i].mul_add(b[i], sum);
    }
    sum
}

#[gpu_fn]
fn row(x: &[f32], i: u32) -> [f32; WIDTH] {
    [x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]]
}

#[gpu_kernel(block_size = 128)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        let row = row(x, i);
        y[i] = dot(row, row);
    }
}
