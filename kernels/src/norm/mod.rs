//! Norms of rows: RMSNorm, with what a transformer does before and after it, and LayerNorm.
//!
//! | function | result |
//! | --- | --- |
//! | [`rms_norm`] | `x / sqrt(mean(x²) + eps) * w` |
//! | [`add_rms_norm`] | `sum += x`, and the norm of `sum` |
//! | [`gated_rms_norm`] | the norm of `x`, times `silu(gate)` |
//! | [`layer_norm`] | `(x - mean(x)) / sqrt(var(x) + eps) * w + b` |
//! | [`rms_norm_quantized`], [`add_rms_norm_quantized`] | the norm in 8 bits, for the [`gemv`](crate::gemv) behind it |
//!
//! Rows are `f32`, `f16` or `bf16`; weights are `f32`, which holds those of 16 bits exactly. All is
//! computed in `f32` and rounded once, in a fixed order, so that a result is the same in every run.
//! With [`Norm::one_plus_weight`] the factor is `1 + w`, as in Qwen3-Next and Gemma.
//!
//! Sources: RMSNorm, Zhang and Sennrich, <https://arxiv.org/abs/1910.07467>, equation 4; LayerNorm,
//! Ba et al., <https://arxiv.org/abs/1607.06450>, equation 4; the gated norm as
//! `Qwen3NextRMSNormGated` of transformers.

mod kernel;
mod launch;
mod quantize;
mod reference;

use firesteel::prelude::*;

pub use launch::Launch;
pub use reference::{gated_rms_norm_reference, layer_norm_reference, rms_norm_reference};

use self::launch::Call;
use crate::gemv::Activations;
use crate::rows::{Element, Rows};
use crate::shape::{self, Error, Result};

/// What is normed: rows, the number below the root, and where the operands' rows lie.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    rows: usize,
    n: usize,
    heads: usize,
    eps: f32,
    plus: f32,
    x: Option<Rows>,
    out: Option<Rows>,
    beside: Option<Rows>,
}

impl Norm {
    /// Of `rows` rows of `n` elements, one behind the other in every operand.
    #[must_use]
    pub const fn new(rows: usize, n: usize, eps: f32) -> Self {
        Self { rows, n, heads: 1, eps, plus: 0.0, x: None, out: None, beside: None }
    }

    /// The factor of an element is 1 more than its weight.
    #[must_use]
    pub const fn one_plus_weight(self) -> Self {
        Self { plus: 1.0, ..self }
    }

    /// The rows are those of `heads` heads for each token.
    #[must_use]
    pub const fn heads(self, heads: usize) -> Self {
        Self { heads, ..self }
    }

    /// Where the rows of `x` lie; those of both where it is normed in place.
    #[must_use]
    pub const fn x(self, rows: Rows) -> Self {
        Self { x: Some(rows), ..self }
    }

    /// Where the rows of the result lie.
    #[must_use]
    pub const fn out(self, rows: Rows) -> Self {
        Self { out: Some(rows), ..self }
    }

    /// Where the rows of the gate, or of the sum, lie.
    #[must_use]
    pub const fn beside(self, rows: Rows) -> Self {
        Self { beside: Some(rows), ..self }
    }

    fn place(&self, rows: Option<Rows>) -> Rows {
        rows.unwrap_or_else(|| Rows::dense(self.n, self.heads))
    }

    /// Compares the rows of an operand with its length.
    fn check<T>(&self, what: &'static str, rows: Option<Rows>, of: &GpuBuffer<T>) -> Result<()> {
        self.place(rows).check(what, (self.rows, self.heads, self.n), of.len())
    }

    /// What holds for every norm.
    fn check_all(&self, weight: &GpuBuffer<f32>) -> Result<()> {
        if self.heads == 0 || !self.rows.is_multiple_of(self.heads) {
            return Err(Error::RowsOfHeads { rows: self.rows, heads: self.heads });
        }
        shape::count("rows", self.rows)?;
        shape::count("elements of a row", self.n)?;
        shape::eq("weight", self.n, weight.len())
    }
}

/// Compares lengths and launches.
fn run<T: Element>(stream: &Stream, call: Call<'_, T>) -> Result<()> {
    let norm = call.norm;
    norm.check_all(call.weight)?;
    norm.check("x", norm.x, call.x)?;
    norm.check("out", norm.out, call.out)?;
    if let Some(bias) = call.bias {
        shape::eq("bias", norm.n, bias.len())?;
    }
    if norm.rows == 0 || norm.n == 0 {
        return Ok(());
    }
    launch::launch(stream, call)
}

/// `out = x / sqrt(mean(x²) + eps) * weight`, row by row.
///
/// # Errors
/// If an operand is too short for its rows or they overlap, `weight` is not a row long, or the device
/// cannot.
pub fn rms_norm<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    weight: &GpuBuffer<f32>,
    norm: &Norm,
) -> Result<()> {
    let (none, mut no_sum) = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
    let (gate, sum) = (&none, &mut no_sum);
    let call = Call { mode: kernel::PLAIN, norm, out, sum, x, gate, weight, bias: None };
    run(stream, call)
}

/// [`rms_norm`] of rows where they are: of the heads of queries and keys, say, in the result of a
/// fused product.
///
/// # Errors
/// Those of [`rms_norm`].
pub fn rms_norm_in_place<T: Element>(
    stream: &Stream,
    x: &mut GpuBuffer<T>,
    weight: &GpuBuffer<f32>,
    norm: &Norm,
) -> Result<()> {
    // SAFETY: It is borrowed for this call. A row is read by the threads that write it, and before.
    let from = unsafe { GpuBuffer::from_raw(x.device(), x.address(), x.len())? };
    rms_norm(stream, x, &from, weight, &Norm { out: norm.x, ..*norm })
}

/// `sum = sum + x`, rounded to the type, and `out = rms_norm(sum)`, as [`rms_norm`]: the residual
/// stream of a transformer and the norm behind it. The rows of `sum` lie [`beside`](Norm::beside).
///
/// The results have the bits of an addition and a norm in two launches.
///
/// # Errors
/// Those of [`rms_norm`].
pub fn add_rms_norm<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    sum: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    weight: &GpuBuffer<f32>,
    norm: &Norm,
) -> Result<()> {
    norm.check_all(weight)?;
    norm.check("sum", norm.beside, sum)?;
    let none = GpuBuffer::empty(stream)?;
    let call = Call { mode: kernel::ADD, norm, out, sum, x, gate: &none, weight, bias: None };
    run(stream, call)
}

/// `out = rms_norm(x) * silu(gate)`: the norm behind Gated DeltaNet, of each head alone. The rows of
/// `gate` lie [`beside`](Norm::beside).
///
/// # Errors
/// Those of [`rms_norm`].
pub fn gated_rms_norm<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    gate: &GpuBuffer<T>,
    weight: &GpuBuffer<f32>,
    norm: &Norm,
) -> Result<()> {
    norm.check_all(weight)?;
    norm.check("gate", norm.beside, gate)?;
    let sum = &mut GpuBuffer::empty(stream)?;
    run(stream, Call { mode: kernel::GATED, norm, out, sum, x, gate, weight, bias: None })
}

/// `out = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias`, row by row, the variance being the mean
/// of the squared differences.
///
/// # Errors
/// Those of [`rms_norm`], and if `bias` is not a row long.
pub fn layer_norm<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    weight: &GpuBuffer<f32>,
    bias: Option<&GpuBuffer<f32>>,
    norm: &Norm,
) -> Result<()> {
    let (none, mut no_sum) = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
    let (gate, sum) = (&none, &mut no_sum);
    run(stream, Call { mode: kernel::LAYER, norm, out, sum, x, gate, weight, bias })
}

/// The norms of the rows of `x`, quantised as [`quantize_activations`](crate::gemv::quantize_activations)
/// does, in one launch. They are not rounded to the type of `x` between.
///
/// # Errors
/// Those of [`rms_norm`]; if the vectors of `to` are others than the rows; and
/// [`Error::Layout`] of rows that are longer than 8192 elements or that 16-byte accesses cannot read.
pub fn rms_norm_quantized<T: Element>(
    stream: &Stream,
    to: &mut Activations,
    x: &GpuBuffer<T>,
    weight: &GpuBuffer<f32>,
    norm: &Norm,
) -> Result<()> {
    launch::quantized(stream, to, None, x, weight, norm)
}

/// `sum = sum + x`, rounded to the type, and [`rms_norm_quantized`] of `sum`. The rows of `sum` lie
/// [`beside`](Norm::beside).
///
/// # Errors
/// Those of [`rms_norm_quantized`].
pub fn add_rms_norm_quantized<T: Element>(
    stream: &Stream,
    to: &mut Activations,
    sum: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    weight: &GpuBuffer<f32>,
    norm: &Norm,
) -> Result<()> {
    norm.check_all(weight)?;
    norm.check("sum", norm.beside, sum)?;
    launch::quantized(stream, to, Some(sum), x, weight, norm)
}

/// The PTX of every kernel.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let kernels = kernel::rows_kernel::INSTANCES.iter();
    let kernels = kernels.chain(kernel::heads_kernel::INSTANCES.iter());
    let kernels = kernels.chain(kernel::any_kernel::INSTANCES.iter());
    kernels.chain(quantize::quantize_kernel::INSTANCES.iter()).map(|kernel| kernel.ptx())
}
