//! `y = a x + y`: the first kernel of everybody.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// `y[i] = a * x[i] + y[i]` for `i < n`.
#[gpu_kernel(block_size = 256)]
pub fn saxpy(x: &[f32], y: &mut [f32], a: f32, n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        y[i] = a * x[i] + y[i];
    }
}

/// Runs the kernel and its reference on a million elements.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let (n, a) = (1 << 20, 2.5);
    let (x, y) = (data::floats(1, n), data::floats(2, n));
    let want: Vec<f64> = (x.iter().zip(&y))
        .map(|(x, y)| f64::from(a) * f64::from(*x) + f64::from(*y))
        .collect();
    let x = device.alloc_from(&x)?;
    let mut y = device.alloc_from(&y)?;
    saxpy::launch(device, &x, &mut y, a, n as u32)?;
    // A product and a sum round once each; both are below 4.
    Ok(Outcome::close(&y.to_host(device)?, &want, 2.0 * f64::from(f32::EPSILON) * 4.0))
}
