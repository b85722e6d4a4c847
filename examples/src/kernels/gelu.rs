//! GELU in the form that transformers compute. Hendrycks and Gimpel, 2016, section 2.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// `out[i] = x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))` with `x = x[i]`, for `i < n`.
#[gpu_kernel(block_size = 256)]
pub fn gelu(x: &[f32], out: &mut [f32], n: u32) {
    const SQRT_2_OVER_PI: f32 = 0.797_884_56;
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        let v = x[i];
        let inner = SQRT_2_OVER_PI * (v + 0.044715 * v * v * v);
        out[i] = 0.5 * v * (1.0 + inner.tanh());
    }
}

fn reference(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
    0.5 * x * (1.0 + inner.tanh())
}

/// Runs the kernel and its reference on inputs in `[-20, 20)`, where a careless `tanh` overflows.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let n = 1 << 18;
    let x: Vec<f32> = data::floats(5, n).into_iter().map(|x| 20.0 * x).collect();
    let want: Vec<f64> = x.iter().map(|x| reference(f64::from(*x))).collect();
    let x = device.alloc_from(&x)?;
    let mut out = device.alloc_zeros::<f32>(n)?;
    gelu::launch(device, &x, &mut out, n as u32)?;
    // Where tanh is near -1, `1 + tanh` keeps its absolute error: 10 * 2 eps.
    Ok(Outcome::close(&out.to_host(device)?, &want, 20.0 * f64::from(f32::EPSILON)))
}
