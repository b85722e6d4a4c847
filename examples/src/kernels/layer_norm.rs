//! Layer norm. Ba, Kiros and Hinton, 2016, equation 4.

use firesteel::prelude::*;

use crate::{Outcome, data};

const EPS: f32 = 1e-5;

/// Row `b`: `out = (x - mean) / sqrt(var + eps) * weight + bias`; block `b` does it.
#[gpu_kernel(block_size = 256)]
pub fn layer_norm(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    out: &mut [f32],
    eps: f32,
    columns: u32,
) {
    let row = block_idx_x() * columns;
    let mut sum = 0.0;
    for column in (thread_idx_x()..columns).step_by(256) {
        sum += x[row + column];
    }
    let mean = block_reduce_sum(sum) / columns as f32;
    let mut squares = 0.0;
    for column in (thread_idx_x()..columns).step_by(256) {
        let centred = x[row + column] - mean;
        squares = centred.mul_add(centred, squares);
    }
    let scale = 1.0 / (block_reduce_sum(squares) / columns as f32 + eps).sqrt();
    for column in (thread_idx_x()..columns).step_by(256) {
        out[row + column] = (x[row + column] - mean) * scale * weight[column] + bias[column];
    }
}

/// Applies `reference` to each row of `x`, in `f64`.
pub(super) fn rows(x: &[f32], columns: usize, reference: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let wide: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
    wide.chunks_exact(columns).flat_map(reference).collect()
}

/// Runs the kernel and its reference.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let (n_rows, columns) = (48, 768);
    let x = data::floats(11, n_rows * columns);
    let (weight, bias) = (data::floats(12, columns), data::floats(13, columns));
    let want = rows(&x, columns, |row| {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let scale = 1.0 / (variance + f64::from(EPS)).sqrt();
        let affine = |((x, w), b): ((&f64, &f32), &f32)| {
            (x - mean) * scale * f64::from(*w) + f64::from(*b)
        };
        row.iter().zip(&weight).zip(&bias).map(affine).collect()
    });
    let (x, weight) = (device.alloc_from(&x)?, device.alloc_from(&weight)?);
    let bias = device.alloc_from(&bias)?;
    let mut out = device.alloc_zeros::<f32>(n_rows * columns)?;
    let config = LaunchConfig::new([n_rows as u32, 1, 1]);
    let stream = &device.stream();
    layer_norm::launch_on(stream, config, &x, &weight, &bias, &mut out, EPS, columns as u32)?;
    // 3 terms a thread and 8 levels of the tree, halved by the root, and five roundings.
    Ok(Outcome::close(&out.to_host(device)?, &want, 16.0 * f64::from(f32::EPSILON)))
}
