//! Root mean square norm. Zhang and Sennrich, 2019, equation 4.

use firesteel::prelude::*;

use super::layer_norm::rows;
use crate::{Outcome, data};

const EPS: f32 = 1e-6;

/// Row `b`: `out = x / sqrt(mean(x²) + eps) * weight`; block `b` does it. Rows have `columns`.
#[gpu_kernel(block_size = 256)]
pub fn rms_norm(x: &[f32], weight: &[f32], out: &mut [f32], eps: f32, columns: u32) {
    let row = block_idx_x() * columns;
    let mut squares = 0.0;
    for column in (thread_idx_x()..columns).step_by(256) {
        let v = x[row + column];
        squares = v.mul_add(v, squares);
    }
    let mean = block_reduce_sum(squares) / columns as f32;
    let scale = 1.0 / (mean + eps).sqrt();
    for column in (thread_idx_x()..columns).step_by(256) {
        out[row + column] = x[row + column] * scale * weight[column];
    }
}

/// Runs the kernel and its reference.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let (n_rows, columns) = (64, 1536);
    let (x, weight) = (data::floats(9, n_rows * columns), data::floats(10, columns));
    let want = rows(&x, columns, |row| {
        let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
        let scale = 1.0 / (mean + f64::from(EPS)).sqrt();
        row.iter().zip(&weight).map(|(x, w)| x * scale * f64::from(*w)).collect()
    });
    let (x, weight) = (device.alloc_from(&x)?, device.alloc_from(&weight)?);
    let mut out = device.alloc_zeros::<f32>(n_rows * columns)?;
    let config = LaunchConfig::new([n_rows as u32, 1, 1]);
    rms_norm::launch_on(&device.stream(), config, &x, &weight, &mut out, EPS, columns as u32)?;
    // 6 terms a thread and 8 levels of the tree, halved by the root, and four roundings.
    Ok(Outcome::close(&out.to_host(device)?, &want, 16.0 * f64::from(f32::EPSILON)))
}
