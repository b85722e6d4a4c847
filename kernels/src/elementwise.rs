//! Operations on each element alone. They move memory: 12 bytes an element, all else hides
//! behind that.

mod gated;

use firesteel::prelude::*;

pub use gated::{
    Activation, Launch, activate, activation_reference, add, gated, gated_halves, gated_ptx,
};

use crate::shape::{self, Result};

/// `y = a x + y`, the product and the sum rounded each. BLAS level 1, `saxpy`.
#[must_use]
pub fn saxpy_reference(a: f32, x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(x, y)| a * x + y).collect()
}

/// Four elements a thread in accesses of 16 bytes; the last thread takes what is left.
#[gpu_kernel(block_size = 256)]
pub(crate) fn saxpy_kernel(y: &mut [f32], x: &[f32], a: f32, threads: u32) {
    let thread = thread_idx_x() + block_idx_x() * block_dim_x();
    if thread >= threads {
        return;
    }
    let first = thread as usize * 4;
    if first + 4 <= y.len() {
        let (u, v) = (load_vec4(x, first), load_vec4(y, first));
        let sum = f32x4::new(a * u.x + v.x, a * u.y + v.y, a * u.z + v.z, a * u.w + v.w);
        store_vec4(y, first, sum);
    } else {
        for i in first..y.len() {
            y[i] = a * x[i] + y[i];
        }
    }
}

/// `y = a x + y`, equal to [`saxpy_reference`] to the bit.
///
/// # Errors
/// If the lengths of `x` and `y` differ, or the device cannot.
pub fn saxpy(stream: &Stream, y: &mut GpuBuffer<f32>, a: f32, x: &GpuBuffer<f32>) -> Result<()> {
    shape::eq("x", y.len(), x.len())?;
    let threads = shape::count("y", y.len().div_ceil(4))?;
    let config = Grid::cover(threads, saxpy_kernel::BLOCK[0]);
    Ok(saxpy_kernel::launch_on(stream, config, y, x, a, threads)?)
}

/// `out = x sigmoid(x) gate`. Shazeer, 2020, "GLU variants improve transformer", equation 6.
#[must_use]
pub fn silu_gate_reference(x: &[f32], gate: &[f32]) -> Vec<f64> {
    let silu = |x: f64| x / (1.0 + (-x).exp());
    x.iter().zip(gate).map(|(x, gate)| silu(f64::from(*x)) * f64::from(*gate)).collect()
}

/// Four elements a thread in accesses of 16 bytes; the last thread takes what is left.
#[gpu_kernel(block_size = 256)]
pub(crate) fn silu_gate_kernel(out: &mut [f32], x: &[f32], gate: &[f32], threads: u32) {
    let thread = thread_idx_x() + block_idx_x() * block_dim_x();
    if thread >= threads {
        return;
    }
    let first = thread as usize * 4;
    if first + 4 <= out.len() {
        let (u, g) = (load_vec4(x, first), load_vec4(gate, first));
        let product = f32x4::new(
            u.x / (1.0 + fast::exp(-u.x)) * g.x,
            u.y / (1.0 + fast::exp(-u.y)) * g.y,
            u.z / (1.0 + fast::exp(-u.z)) * g.z,
            u.w / (1.0 + fast::exp(-u.w)) * g.w,
        );
        store_vec4(out, first, product);
    } else {
        for i in first..out.len() {
            out[i] = x[i] / (1.0 + fast::exp(-x[i])) * gate[i];
        }
    }
}

/// `out = x sigmoid(x) gate`, computed in `f32`.
///
/// The relative error is at most `(2 + |x|) * 2^-22` of the result: the approximate exponential
/// rounds its scaled argument.
///
/// # Errors
/// If the lengths differ, or the device cannot.
pub fn silu_gate(
    stream: &Stream,
    out: &mut GpuBuffer<f32>,
    x: &GpuBuffer<f32>,
    gate: &GpuBuffer<f32>,
) -> Result<()> {
    shape::eq("x", out.len(), x.len())?;
    shape::eq("gate", out.len(), gate.len())?;
    let threads = shape::count("out", out.len().div_ceil(4))?;
    let config = Grid::cover(threads, silu_gate_kernel::BLOCK[0]);
    Ok(silu_gate_kernel::launch_on(stream, config, out, x, gate, threads)?)
}
