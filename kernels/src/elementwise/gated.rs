//! Activations, with a gate or alone, and the residual sum.

use firesteel::prelude::*;

use crate::rows::{Element, Rows, fetch, numbers, packed, put};
use crate::shape::{self, Error, Result};

/// What a feed-forward layer does to its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x sigmoid(x)`. Hendrycks and Gimpel, 2016, <https://arxiv.org/abs/1606.08415>, section 2.
    Silu,
    /// `x Φ(x)`, Φ being the distribution function of the normal distribution. The same, section 2.
    Gelu,
    /// `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`. The same, section 2.
    GeluTanh,
}

/// What the kernel does: an activation of its first operand, 1 more for that times the second one, or
/// the sum of the first and what is there.
#[gpu_const]
const SILU: u32 = 0;
#[gpu_const]
const GELU: u32 = 2;
#[gpu_const]
const GELU_TANH: u32 = 4;
#[gpu_const]
const SUM: u32 = 6;

/// Pieces of a thread.
#[gpu_const]
const PER: usize = 2;
/// Pieces of a block.
#[gpu_const]
const PIECES: u32 = 512;

/// The function in `f64`. `erf` is from its series and its continued fraction.
#[must_use]
pub fn activation_reference(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => x * 0.5 * erfc(-x / std::f64::consts::SQRT_2),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            // `1 + tanh(u)` loses all digits of a negative `u`.
            x / (1.0 + (-2.0 * inner).exp())
        }
    }
}

/// `erfc`, from Abramowitz and Stegun, equations 7.1.5 and 7.1.14.
fn erfc(x: f64) -> f64 {
    let root = std::f64::consts::PI.sqrt();
    if x < 0.0 {
        2.0 - erfc(-x)
    } else if x < 2.5 {
        let term = |n: i32, power: f64| power / f64::from(2 * n + 1);
        let (mut power, mut sum) = (x, x);
        for n in 1..100 {
            power *= -x * x / f64::from(n);
            sum += term(n, power);
        }
        1.0 - 2.0 / root * sum
    } else {
        let fraction = (1..200).rev().fold(x, |below, n| x + f64::from(n) / 2.0 / below);
        (-x * x).exp() / root / fraction
    }
}

#[gpu_fn]
fn activate_one<const OP: u32>(x: f32) -> f32 {
    if OP / 2 == SILU / 2 {
        // A quotient beyond 2^126 is 0, as it should be.
        fast::div(x, 1.0 + fast::exp(-x))
    } else if OP / 2 == GELU / 2 {
        x * normal_distribution(x)
    } else if OP / 2 == GELU_TANH / 2 {
        let inner = 0.797_884_56 * x * (0.044_715 * x).mul_add(x, 1.0);
        fast::div(x, 1.0 + fast::exp(-2.0 * inner))
    } else {
        x
    }
}

/// Φ(x), without loss of digits where it is small: `erfc(z) exp(z²)` is nearly a polynomial in
/// `t = 1 / (1 + z / 2)`, here interpolated at Chebyshev's points for `z` up to 12, to 6e-8.
#[gpu_fn]
fn normal_distribution(x: f32) -> f32 {
    let t = fast::recip((x.abs() * 0.5).mul_add(0.707_106_77, 1.0));
    let mut p = -0.060_558_96f32;
    p = p.mul_add(t, 0.291_656_93);
    p = p.mul_add(t, -0.501_393_1);
    p = p.mul_add(t, 0.293_658_6);
    p = p.mul_add(t, -0.036_838_844);
    p = p.mul_add(t, 0.206_748_27);
    p = p.mul_add(t, 0.242_151_93);
    p = p.mul_add(t, 0.282_494_87);
    p = p.mul_add(t, 0.282_080_27);
    // exp(-x² / 2)
    let tail = 0.5 * p * t * fast::exp2(-0.721_347_5 * x * x);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// `PER` pieces a thread: of each row, block y by block y.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_90",
    unchecked,
    instances(
        (KIND = 0, W = 8, T = f32), (KIND = 1, W = 4, T = f16), (KIND = 2, W = 4, T = bf16),
        (KIND = 0, W = 1, T = f32), (KIND = 1, W = 1, T = f16), (KIND = 2, W = 1, T = bf16),
        OP = [0, 1, 2, 3, 4, 5, 6]
    )
)]
fn gated_kernel<const KIND: u32, const W: usize, const OP: u32, T: Float>(
    out: &mut [T],
    gate: &[T],
    up: &[T],
    rows: u32,
    n: u32,
    stride: u32,
    up_first: u32,
) {
    grid_dependency_launch();
    grid_dependency_wait();
    let len = if W == 1 { 1usize } else { 8usize };
    let first = block_idx_x() as usize * PIECES as usize + thread_idx_x() as usize;
    for row in (block_idx_y()..rows).step_by(grid_dim_y() as usize) {
        let from = row as usize * stride as usize;
        let mut x = [[0u32; W]; PER];
        let mut y = [[0u32; W]; PER];
        #[unroll]
        for i in 0..PER {
            let at = (first + i * 256) * len;
            if at < n as usize {
                x[i] = fetch::<W, T>(gate, from + at);
                if OP % 2 == 1 {
                    y[i] = fetch::<W, T>(up, from + up_first as usize + at);
                }
                if OP == SUM {
                    y[i] = fetch::<W, T>(out, from + at);
                }
            }
        }
        #[unroll]
        for i in 0..PER {
            let at = (first + i * 256) * len;
            if at < n as usize {
                let mut v = numbers::<KIND, W>(x[i]);
                let more = numbers::<KIND, W>(y[i]);
                for j in 0..8 {
                    v[j] = activate_one::<OP>(v[j]);
                    if OP % 2 == 1 {
                        v[j] *= more[j];
                    }
                    if OP == SUM {
                        v[j] += more[j];
                    }
                }
                put::<W, T>(out, row as usize * n as usize + at, packed::<KIND, W>(v));
            }
        }
    }
}

/// The operands of the kernel. `up` is empty without one.
#[derive(Debug)]
pub struct Call<'a, T> {
    out: &'a mut GpuBuffer<T>,
    gate: &'a GpuBuffer<T>,
    up: &'a GpuBuffer<T>,
    activation: Option<Activation>,
    alone: bool,
    rows: u32,
    n: u32,
    stride: u32,
    up_first: u32,
}

/// The kernels for a type of elements.
#[doc(hidden)]
pub trait Launch: Sized {
    /// Launches; lengths are right.
    fn gated(stream: &Stream, config: LaunchConfig, wide: bool, call: Call<'_, Self>)
    -> Result<()>;
}

macro_rules! types {
    ($($ty:ident, $kind:literal, $w:literal;)*) => {$(
        impl Launch for $ty {
            fn gated(
                stream: &Stream,
                config: LaunchConfig,
                wide: bool,
                call: Call<'_, Self>,
            ) -> Result<()> {
                use Activation::{Gelu, GeluTanh, Silu};
                use gated_kernel::launch_on as on;
                let launch = match (wide, call.activation, call.alone) {
                    (true, Some(Silu), true) => on::<$kind, $w, SILU, $ty>,
                    (true, Some(Silu), false) => on::<$kind, $w, { SILU + 1 }, $ty>,
                    (true, Some(Gelu), true) => on::<$kind, $w, GELU, $ty>,
                    (true, Some(Gelu), false) => on::<$kind, $w, { GELU + 1 }, $ty>,
                    (true, Some(GeluTanh), true) => on::<$kind, $w, GELU_TANH, $ty>,
                    (true, Some(GeluTanh), false) => on::<$kind, $w, { GELU_TANH + 1 }, $ty>,
                    (true, None, _) => on::<$kind, $w, SUM, $ty>,
                    (false, Some(Silu), true) => on::<$kind, 1, SILU, $ty>,
                    (false, Some(Silu), false) => on::<$kind, 1, { SILU + 1 }, $ty>,
                    (false, Some(Gelu), true) => on::<$kind, 1, GELU, $ty>,
                    (false, Some(Gelu), false) => on::<$kind, 1, { GELU + 1 }, $ty>,
                    (false, Some(GeluTanh), true) => on::<$kind, 1, GELU_TANH, $ty>,
                    (false, Some(GeluTanh), false) => on::<$kind, 1, { GELU_TANH + 1 }, $ty>,
                    (false, None, _) => on::<$kind, 1, SUM, $ty>,
                };
                let Call { out, gate, up, rows, n, stride, up_first, .. } = call;
                // SAFETY: `out` has `rows * n` elements, and the rows of `gate` and `up`, which
                // begin `stride` apart and have `n` elements, are within them; every index is
                // compared with `n`, and an element has one writer.
                unsafe { launch(stream, config, out, gate, up, rows, n, stride, up_first)? };
                Ok(())
            }
        }
    )*};
}

types! {
    f32, 0, 8;
    f16, 1, 4;
    bf16, 2, 4;
}

/// Launches, if there is anything to do.
fn run<T: Element>(stream: &Stream, call: Call<'_, T>) -> Result<()> {
    let info = stream.device().info()?;
    if info.compute_capability.0 < 9 {
        let got = info.compute_capability;
        return Err(Error::Machine { what: "an activation", needs: (9, 0), got });
    }
    if call.rows == 0 || call.n == 0 {
        return Ok(());
    }
    let rows = |of: &GpuBuffer<T>, first: u32| {
        let rows = Rows::strided(call.n as usize, first as usize, call.stride as usize);
        rows.are_wide(of, call.n as usize)
    };
    let wide = rows(call.out, 0) && rows(call.gate, 0) && rows(call.up, call.up_first);
    let pieces = if wide { call.n / 8 } else { call.n };
    let grid = [pieces.div_ceil(PIECES), call.rows.min(65535), 1];
    let config = LaunchConfig::new(grid).with_programmatic_dependent_launch();
    T::gated(stream, config, wide, call)
}

/// `out = activation(gate) * up`: the middle of a gated feed-forward layer, SwiGLU or GeGLU. Shazeer,
/// <https://arxiv.org/abs/2002.05202>, section 2.
///
/// ```
/// use firesteel::prelude::*;
/// use firesteel_kernels::elementwise::{Activation, gated};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = Device::sim();
/// let (gate, up) = (device.alloc_from(&[0.0f32, 100.0])?, device.alloc_from(&[2.0f32, 2.0])?);
/// let mut out = device.alloc_zeros::<f32>(2)?;
/// gated(&device.stream(), &mut out, &gate, &up, Activation::Silu)?;
/// assert_eq!(out.to_host(&device)?, [0.0, 200.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If lengths differ, or the device cannot.
pub fn gated<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    gate: &GpuBuffer<T>,
    up: &GpuBuffer<T>,
    activation: Activation,
) -> Result<()> {
    shape::eq("gate", out.len(), gate.len())?;
    shape::eq("up", out.len(), up.len())?;
    let n = shape::count("out", out.len())?;
    let activation = Some(activation);
    let (rows, stride, up_first) = (1, n, 0);
    run(stream, Call { out, gate, up, activation, alone: false, rows, n, stride, up_first })
}

/// `out [rows, n] = activation(x[.., ..n]) * x[.., n..]`, of `x [rows, 2n]`: [`gated`] of what one
/// fused product made, the gate's columns first.
///
/// # Errors
/// If `out` is no multiple of `n`, `x` is not twice as long, or the device cannot.
pub fn gated_halves<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    n: usize,
    activation: Activation,
) -> Result<()> {
    shape::eq("out", if n == 0 { 0 } else { out.len().next_multiple_of(n) }, out.len())?;
    shape::eq("x", out.len() * 2, x.len())?;
    let rows = shape::count("rows", out.len().checked_div(n).unwrap_or(0))?;
    let stride = shape::count("elements of a row", n * 2)?;
    let (n, activation) = (n as u32, Some(activation));
    let (gate, up) = (x, x);
    run(stream, Call { out, gate, up, activation, alone: false, rows, n, stride, up_first: n })
}

/// `out = activation(x)`.
///
/// # Errors
/// If lengths differ, or the device cannot.
pub fn activate<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    activation: Activation,
) -> Result<()> {
    shape::eq("x", out.len(), x.len())?;
    let n = shape::count("out", out.len())?;
    let (up, activation) = (&GpuBuffer::empty(stream)?, Some(activation));
    let (gate, rows, stride, up_first) = (x, 1, n, 0);
    run(stream, Call { out, gate, up, activation, alone: true, rows, n, stride, up_first })
}

/// `sum = sum + x`, rounded to the type.
///
/// # Errors
/// If lengths differ, or the device cannot.
pub fn add<T: Element>(stream: &Stream, sum: &mut GpuBuffer<T>, x: &GpuBuffer<T>) -> Result<()> {
    shape::eq("x", sum.len(), x.len())?;
    let n = shape::count("sum", sum.len())?;
    let (up, activation) = (&GpuBuffer::empty(stream)?, None);
    let (out, gate, rows, stride, up_first) = (sum, x, 1, n, 0);
    run(stream, Call { out, gate, up, activation, alone: true, rows, n, stride, up_first })
}

/// The PTX of the kernels of activations and sums.
pub fn gated_ptx() -> impl Iterator<Item = &'static str> {
    gated_kernel::INSTANCES.iter().map(|kernel| kernel.ptx())
}
