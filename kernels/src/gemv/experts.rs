//! Vectors times the experts that were chosen for them: a mixture of experts, for one token or a few.

use firesteel::prelude::*;

use super::launch::{Variant, launch};
use super::{Activations, Groups, QuantMatrix, check_groups};
use crate::shape::{self, Error, Result};

/// `y [vectors, top_k, n]`: each vector times the `top_k` experts that `experts [vectors, top_k]`
/// has for it, of a matrix of [`QuantMatrix::of_experts`]. Vectors are those of
/// [`Activations::apart`].
///
/// The indices are read on the device. Where one is not that of an expert, no weights are read, and
/// the `n` results are NaN.
///
/// # Errors
/// As [`gemv`](super::gemv()), and if several vectors lie together.
pub fn gemv_experts(
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
    experts: &GpuBuffer<u32>,
    top_k: usize,
) -> Result<()> {
    check_groups("gemv_experts", w, Groups::Rows)?;
    indexed("gemv_experts", stream, y, (x, w), (experts, top_k))
}

/// As [`gemv_experts`], `silu(gate · x) * (up · x)` of experts of [`QuantMatrix::repack_pair`]:
/// gates of all of them, and ups of all of them.
///
/// # Errors
/// As [`gemv_experts`], and if the matrix is not one of pairs.
pub fn gemv_experts_silu_mul(
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
    experts: &GpuBuffer<u32>,
    top_k: usize,
) -> Result<()> {
    check_groups("gemv_experts_silu_mul", w, Groups::Pairs)?;
    indexed("gemv_experts_silu_mul", stream, y, (x, w), (experts, top_k))
}

fn indexed(
    what: &'static str,
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    (x, w): (&Activations, &QuantMatrix),
    (experts, top_k): (&GpuBuffer<u32>, usize),
) -> Result<()> {
    if !x.are_apart() {
        let why = "its vectors lie together";
        return Err(Error::Layout { what, why, help: "make them with `Activations::apart`" });
    }
    if top_k == 0 {
        let why = "there is no expert for a vector";
        return Err(Error::Layout { what, why, help: "take a `top_k` of 1 or more" });
    }
    shape::eq("columns of x", w.k as usize, x.k as usize)?;
    let pairs = x.vectors as usize * top_k;
    shape::eq("experts", pairs, experts.len())?;
    shape::eq("y", pairs * (w.n / w.experts) as usize, y.len())?;
    shape::count("y", y.len())?;
    let experts = Some((experts, shape::count("top_k", top_k)?));
    launch(stream, y, x, w, Variant { experts, ..Variant::default() })
}
