//! Many vectors times quantised weights in one pass over the panels: `y [m, n] = x [m, k] w [n, k]ᵀ`,
//! for the vectors of a prompt, or of a batch beyond the 8 that [`gemv`](super::gemv()) takes.
//!
//! Codes become `bf16` weights in the registers of the tensor cores, each rounded once; products are
//! exact, and sums `f32`. For experts the rows of all of them are one product. See the kernel for how.

mod arrange;
mod kernel;
mod launch;
mod plan;
mod store;
#[allow(dead_code, reason = "rustc does not see fields that only generic device functions read")]
mod units;
mod weights;

use firesteel::prelude::*;

pub use launch::Workspace;

use self::launch::Variant;
use super::{QuantMatrix, check_pairs};
use crate::shape::{self, Error, Result};

/// As [`quant_matmul`](super::quant_matmul) of `bf16`, in memory that the caller has, so that it can
/// be captured into a graph. One product at a time uses a workspace: those of one stream do.
///
/// # Errors
/// If lengths do not fit, or the workspace is for fewer values; if the matrix is one of pairs; if the
/// compute capability is not 9.0; and those of the device.
pub fn quant_matmul_in(
    stream: &Stream,
    workspace: &mut Workspace,
    y: &mut GpuBuffer<bf16>,
    x: &GpuBuffer<bf16>,
    w: &QuantMatrix,
    m: usize,
) -> Result<()> {
    check_pairs("quant_matmul_in", w, false)?;
    plain("quant_matmul_in", stream, workspace, y, (x, w), m)
}

/// `y [m, n] = silu(gate · x) * (up · x)`, of a matrix of
/// [`repack_pair`](QuantMatrix::repack_pair): both products, the SiLU and the product of the two are
/// `f32`, and rounded once.
///
/// # Errors
/// As [`quant_matmul_in`], and if the matrix is not one of pairs.
pub fn quant_matmul_silu_mul(
    stream: &Stream,
    workspace: &mut Workspace,
    y: &mut GpuBuffer<bf16>,
    x: &GpuBuffer<bf16>,
    w: &QuantMatrix,
    m: usize,
) -> Result<()> {
    check_pairs("quant_matmul_silu_mul", w, true)?;
    plain("quant_matmul_silu_mul", stream, workspace, y, (x, w), m)
}

fn plain(
    what: &'static str,
    stream: &Stream,
    workspace: &mut Workspace,
    y: &mut GpuBuffer<bf16>,
    (x, w): (&GpuBuffer<bf16>, &QuantMatrix),
    m: usize,
) -> Result<()> {
    let (n, k) = w.shape();
    one_matrix(what, w)?;
    shape::eq("x", m * k, x.len())?;
    shape::eq("y", m * n, y.len())?;
    if m == 0 {
        return Ok(());
    }
    machine(what, stream)?;
    let rows = shape::count("m", m)?;
    launch::launch(stream, workspace, y, (x, w), rows, Variant::default())
}

/// A matrix of experts is for products that choose them.
fn one_matrix(what: &'static str, w: &QuantMatrix) -> Result<()> {
    if w.experts == 1 {
        return Ok(());
    }
    let why = "its rows are those of several experts";
    Err(Error::Layout { what, why, help: "take `quant_matmul_experts`" })
}

/// Whether the device has `wgmma`, which is in no other.
pub(super) fn has_machine(stream: &Stream) -> Result<bool> {
    Ok(stream.device().info()?.compute_capability.0 == 9)
}

fn machine(what: &'static str, stream: &Stream) -> Result<()> {
    let got = stream.device().info()?.compute_capability;
    if has_machine(stream)? { Ok(()) } else { Err(Error::Machine { what, needs: (9, 0), got }) }
}

/// Which vectors experts get, and where their results go. Rows are a vector and an expert each, those
/// of the first expert first, as [`Permutation`](crate::moe::Permutation) sorts them.
///
/// All is read on the device, which the host does not see: a vector that is none counts as zeros, and
/// a result without a place is dropped. Offsets beyond the rows count as their number.
#[derive(Clone, Copy, Debug)]
pub struct Routes<'a> {
    offsets: &'a GpuBuffer<u32>,
    rows: usize,
    from: Option<(&'a GpuBuffer<u32>, usize)>,
    to: Option<&'a GpuBuffer<u32>>,
    factors: Option<&'a GpuBuffer<f32>>,
}

impl<'a> Routes<'a> {
    /// `rows` of them: expert `e` has those from `offsets[e]` to `offsets[e + 1]`. The vectors, and
    /// the results, are in the order of the rows.
    #[must_use]
    pub fn new(offsets: &'a GpuBuffer<u32>, rows: usize) -> Self {
        Self { offsets, rows, from: None, to: None, factors: None }
    }

    /// Row `i` is vector `pairs[i] / top_k`, as the [`pairs`](crate::moe::Permutation::pairs) of a
    /// permutation are those of a token with each of its `top_k` experts.
    #[must_use]
    pub fn from(mut self, pairs: &'a GpuBuffer<u32>, top_k: usize) -> Self {
        self.from = Some((pairs, top_k));
        self
    }

    /// The result of row `i` is row `results[i]` of `y`. If two have one place, either is there.
    #[must_use]
    pub fn to(mut self, results: &'a GpuBuffer<u32>) -> Self {
        self.to = Some(results);
        self
    }

    /// The result of row `i` is multiplied by `factors[i]`, before it is rounded.
    #[must_use]
    pub fn times(mut self, factors: &'a GpuBuffer<f32>) -> Self {
        self.factors = Some(factors);
        self
    }
}

/// The products of all experts with their vectors in one launch: `y [rows, n]` in the order of the
/// [`Routes`], of a matrix of [`of_experts`](QuantMatrix::of_experts). An expert without vectors is
/// not read.
///
/// # Errors
/// As [`quant_matmul_in`]; if the offsets are not one more than the experts; and if the lists of the
/// routes have other lengths than there are rows.
pub fn quant_matmul_experts(
    stream: &Stream,
    workspace: &mut Workspace,
    y: &mut GpuBuffer<bf16>,
    x: &GpuBuffer<bf16>,
    w: &QuantMatrix,
    routes: Routes<'_>,
) -> Result<()> {
    check_pairs("quant_matmul_experts", w, false)?;
    of_experts("quant_matmul_experts", stream, workspace, y, (x, w), routes)
}

/// As [`quant_matmul_experts`], `silu(gate · x) * (up · x)` of experts of
/// [`repack_pair`](QuantMatrix::repack_pair).
///
/// # Errors
/// As [`quant_matmul_experts`], and if the matrix is not one of pairs.
pub fn quant_matmul_experts_silu_mul(
    stream: &Stream,
    workspace: &mut Workspace,
    y: &mut GpuBuffer<bf16>,
    x: &GpuBuffer<bf16>,
    w: &QuantMatrix,
    routes: Routes<'_>,
) -> Result<()> {
    check_pairs("quant_matmul_experts_silu_mul", w, true)?;
    of_experts("quant_matmul_experts_silu_mul", stream, workspace, y, (x, w), routes)
}

fn of_experts(
    what: &'static str,
    stream: &Stream,
    workspace: &mut Workspace,
    y: &mut GpuBuffer<bf16>,
    (x, w): (&GpuBuffer<bf16>, &QuantMatrix),
    routes: Routes<'_>,
) -> Result<()> {
    let Routes { offsets, rows, from, to, factors } = routes;
    let (n, k) = ((w.n / w.experts) as usize, w.k as usize);
    shape::eq("offsets", w.experts as usize + 1, offsets.len())?;
    match from {
        Some((pairs, top_k)) => {
            if top_k == 0 {
                let why = "there is no expert for a vector";
                return Err(Error::Layout { what, why, help: "take a `top_k` of 1 or more" });
            }
            shape::eq("pairs of the routes", rows, pairs.len())?;
            shape::eq("x", x.len() / k * k, x.len())?;
        }
        None => shape::eq("x", rows * k, x.len())?,
    }
    match to {
        Some(to) => {
            shape::eq("results of the routes", rows, to.len())?;
            shape::eq("y", y.len() / n * n, y.len())?;
        }
        None => shape::eq("y", rows * n, y.len())?,
    }
    if let Some(factors) = factors {
        shape::eq("factors of the routes", rows, factors.len())?;
    }
    if rows == 0 {
        return Ok(());
    }
    machine(what, stream)?;
    let rows = shape::count("rows", rows)?;
    let variant = Variant { offsets: Some(offsets), from, to, factors };
    launch::launch(stream, workspace, y, (x, w), rows, variant)
}

/// The PTX of every kernel.
pub(super) fn ptx() -> impl Iterator<Item = &'static str> {
    let instances = kernel::prompt_kernel::INSTANCES.iter().map(|it| it.ptx());
    instances.chain([arrange::arrange_kernel::PTX])
}
