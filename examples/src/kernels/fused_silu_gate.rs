//! The gated activation of a Llama-style feed-forward layer, in one pass over memory.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// `out[i] = x[i] * sigmoid(x[i]) * gate[i]` for `i < n`.
#[gpu_kernel(block_size = 256)]
pub fn fused_silu_gate(x: &[f32], gate: &[f32], out: &mut [f32], n: u32) {
    let idx = thread_idx_x() + block_idx_x() * block_dim_x();
    if idx < n {
        let xi = x[idx];
        let sig = 1.0f32 / (1.0f32 + exp(-xi));
        out[idx] = xi * sig * gate[idx];
    }
}

fn reference(x: &[f32], gate: &[f32]) -> Vec<f64> {
    let silu = |x: f64| x / (1.0 + (-x).exp());
    x.iter().zip(gate).map(|(x, gate)| silu(f64::from(*x)) * f64::from(*gate)).collect()
}

/// Runs the kernel and its reference on inputs in `[-8, 8)`.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let n = 1 << 20;
    let x: Vec<f32> = data::floats(3, n).into_iter().map(|x| 8.0 * x).collect();
    let gate = data::floats(4, n);
    let want = reference(&x, &gate);
    let (x, gate) = (device.alloc_from(&x)?, device.alloc_from(&gate)?);
    let mut out = device.alloc_zeros::<f32>(n)?;
    fused_silu_gate::launch(device, &x, &gate, &mut out, n as u32)?;
    // `exp` is approximate: its argument, scaled by log2(e), rounds at up to 12, which is
    // 12 * eps * ln 2 of its value; four more roundings follow.
    Ok(Outcome::close(&out.to_host(device)?, &want, 16.0 * f64::from(f32::EPSILON)))
}
