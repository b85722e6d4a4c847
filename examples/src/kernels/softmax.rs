//! Softmax of each row: one block a row, two reductions over the block.

use firesteel::prelude::*;

use super::layer_norm::rows;
use crate::{Outcome, data};

/// Row `b` of `out` is the softmax of row `b` of `x`; block `b` does it. Rows have `columns`.
#[gpu_kernel(block_size = 256)]
pub fn softmax(x: &[f32], out: &mut [f32], columns: u32) {
    let row = block_idx_x() * columns;
    let mut largest = f32::NEG_INFINITY;
    for column in (thread_idx_x()..columns).step_by(256) {
        largest = largest.max(x[row + column]);
    }
    let largest = block_reduce_max(largest);
    let mut sum = 0.0;
    for column in (thread_idx_x()..columns).step_by(256) {
        let e = (x[row + column] - largest).exp();
        out[row + column] = e;
        sum += e;
    }
    let sum = block_reduce_sum(sum);
    // Each thread scales what it wrote itself.
    for column in (thread_idx_x()..columns).step_by(256) {
        out[row + column] = out[row + column] / sum;
    }
}

fn reference(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - largest).exp()).sum();
    row.iter().map(|x| (x - largest).exp() / sum).collect()
}

/// Runs the kernel and its reference.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let (n_rows, columns) = (64, 1000);
    let x: Vec<f32> = data::floats(8, n_rows * columns).into_iter().map(|x| 10.0 * x).collect();
    let want = rows(&x, columns, reference);
    let x = device.alloc_from(&x)?;
    let mut out = device.alloc_zeros::<f32>(n_rows * columns)?;
    let config = LaunchConfig::new([n_rows as u32, 1, 1]);
    softmax::launch_on(&device.stream(), config, &x, &mut out, columns as u32)?;
    // Differences up to 20 round at 20 eps / 2 in the exponent; all results are below 1.
    Ok(Outcome::close(&out.to_host(device)?, &want, 16.0 * f64::from(f32::EPSILON)))
}
