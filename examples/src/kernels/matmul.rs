//! Matrix product through tiles of 16 by 16 in shared memory.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// `C = A B`, row major, with `A` of `m` by `k` and `B` of `k` by `n`; one thread an element.
#[gpu_kernel(block_size = (16, 16))]
pub fn matmul(a: &[f32], b: &[f32], c: &mut [f32], m: u32, n: u32, k: u32) {
    let a_tile = shared_mem![f32; 256];
    let b_tile = shared_mem![f32; 256];
    let (tx, ty) = (thread_idx_x(), thread_idx_y());
    let row = block_idx_y() * 16 + ty;
    let column = block_idx_x() * 16 + tx;
    let mut sum = 0.0;
    for start in (0..k).step_by(16) {
        let inside_a = row < m && start + tx < k;
        let inside_b = start + ty < k && column < n;
        a_tile[ty * 16 + tx] = if inside_a { a[row * k + start + tx] } else { 0.0 };
        b_tile[ty * 16 + tx] = if inside_b { b[(start + ty) * n + column] } else { 0.0 };
        bar_sync();
        for i in 0..16 {
            sum = a_tile[ty * 16 + i].mul_add(b_tile[i * 16 + tx], sum);
        }
        bar_sync();
    }
    if row < m && column < n {
        c[row * n + column] = sum;
    }
}

fn reference(a: &[f32], b: &[f32], (m, n, k): (usize, usize, usize)) -> Vec<f64> {
    let element = |i: usize| {
        let (row, column) = (i / n, i % n);
        let products = (0..k).map(|j| f64::from(a[row * k + j]) * f64::from(b[j * n + column]));
        products.sum()
    };
    (0..m * n).map(element).collect()
}

/// Runs the kernel and its reference on sizes that tiles do not divide.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let (m, n, k) = (100, 75, 130);
    let (a, b) = (data::floats(17, m * k), data::floats(18, k * n));
    let want = reference(&a, &b, (m, n, k));
    let (a, b) = (device.alloc_from(&a)?, device.alloc_from(&b)?);
    let mut c = device.alloc_zeros::<f32>(m * n)?;
    let grid = (n.div_ceil(16) as u32, m.div_ceil(16) as u32, 1);
    matmul::launch(device, &a, &b, &mut c, m as u32, n as u32, k as u32, grid)?;
    // k fused steps, each rounding a sum that stays below 32.
    let allowed = k as f64 * 32.0 * f64::from(f32::EPSILON) / 2.0;
    Ok(Outcome::close(&c.to_host(device)?, &want, allowed))
}
