//! Which kernel norms rows, and its launch.

use firesteel::prelude::*;

use super::Norm;
use super::kernel::{ADD, GATED, LAYER, PLAIN, any_kernel, heads_kernel, rows_kernel};
use super::quantize::quantize_kernel;
use crate::gemv::Activations;
use crate::rows::{Element, Rows};
use crate::shape::{self, Error, Result};

/// Blocks for each multiprocessor, so that their turns even out.
const BLOCKS: u32 = 8;

/// A norm and its operands. `gate` is empty without a gate, `sum` without a sum.
#[derive(Debug)]
pub struct Call<'a, T> {
    pub(super) mode: u32,
    pub(super) norm: &'a Norm,
    pub(super) out: &'a mut GpuBuffer<T>,
    pub(super) sum: &'a mut GpuBuffer<T>,
    pub(super) x: &'a GpuBuffer<T>,
    pub(super) gate: &'a GpuBuffer<T>,
    pub(super) weight: &'a GpuBuffer<f32>,
    pub(super) bias: Option<&'a GpuBuffer<f32>>,
}

/// A norm whose results are quantised. `sum` is empty without a sum.
#[derive(Debug)]
pub struct Quantized<'a, T> {
    norm: &'a Norm,
    to: &'a mut Activations,
    sum: &'a mut GpuBuffer<T>,
    adds: bool,
    x: &'a GpuBuffer<T>,
    weight: &'a GpuBuffer<f32>,
}

/// Threads that share a row, and the pieces of eight elements that each of them has; none for rows
/// of any length.
type Share = Option<(u32, u32)>;

/// The share of threads in rows of `n` elements.
fn share(mode: u32, n: usize) -> Share {
    let heads = [(8, 1), (16, 1), (32, 1), (32, 4)];
    let rows = [(256, 1), (256, 2), (256, 4)];
    let heads = heads.into_iter().filter(|_| mode == PLAIN || mode == GATED);
    let rows = rows.into_iter().filter(|_| mode != GATED);
    heads.chain(rows).find(|&(lanes, pieces)| n <= (lanes * pieces * 8) as usize)
}

/// The kernels for a type of elements.
#[doc(hidden)]
pub trait Launch: Sized {
    /// Norms rows; lengths are right.
    fn norm(
        stream: &Stream,
        config: LaunchConfig,
        share: Share,
        call: Call<'_, Self>,
    ) -> Result<()>;

    /// Norms rows and quantises the results; lengths are right.
    fn quantized(stream: &Stream, config: LaunchConfig, call: Quantized<'_, Self>) -> Result<()>;
}

macro_rules! types {
    ($($ty:ident, $kind:literal, $w:literal;)*) => {$(
        impl Launch for $ty {
            fn norm(
                stream: &Stream,
                config: LaunchConfig,
                share: Share,
                call: Call<'_, Self>,
            ) -> Result<()> {
                let Call { mode, norm, out, sum, x, gate, weight, bias } = call;
                let launch = match (mode, share) {
                    (PLAIN, Some((8, _))) => heads_kernel::launch_on::<$kind, $w, PLAIN, 8, 1, $ty>,
                    (PLAIN, Some((16, _))) => heads_kernel::launch_on::<$kind, $w, PLAIN, 16, 1, $ty>,
                    (PLAIN, Some((32, 1))) => heads_kernel::launch_on::<$kind, $w, PLAIN, 32, 1, $ty>,
                    (PLAIN, Some((32, _))) => heads_kernel::launch_on::<$kind, $w, PLAIN, 32, 4, $ty>,
                    (PLAIN, Some((_, 1))) => rows_kernel::launch_on::<$kind, $w, PLAIN, 256, 1, $ty>,
                    (PLAIN, Some((_, 2))) => rows_kernel::launch_on::<$kind, $w, PLAIN, 256, 2, $ty>,
                    (PLAIN, Some(_)) => rows_kernel::launch_on::<$kind, $w, PLAIN, 256, 4, $ty>,
                    (PLAIN, None) => any_kernel::launch_on::<PLAIN, $ty>,
                    (ADD, Some((_, 1))) => rows_kernel::launch_on::<$kind, $w, ADD, 256, 1, $ty>,
                    (ADD, Some((_, 2))) => rows_kernel::launch_on::<$kind, $w, ADD, 256, 2, $ty>,
                    (ADD, Some(_)) => rows_kernel::launch_on::<$kind, $w, ADD, 256, 4, $ty>,
                    (ADD, None) => any_kernel::launch_on::<ADD, $ty>,
                    (GATED, Some((8, _))) => heads_kernel::launch_on::<$kind, $w, GATED, 8, 1, $ty>,
                    (GATED, Some((16, _))) => heads_kernel::launch_on::<$kind, $w, GATED, 16, 1, $ty>,
                    (GATED, Some((_, 1))) => heads_kernel::launch_on::<$kind, $w, GATED, 32, 1, $ty>,
                    (GATED, Some(_)) => heads_kernel::launch_on::<$kind, $w, GATED, 32, 4, $ty>,
                    (GATED, None) => any_kernel::launch_on::<GATED, $ty>,
                    (_, Some((_, 1))) => rows_kernel::launch_on::<$kind, $w, LAYER, 256, 1, $ty>,
                    (_, Some((_, 2))) => rows_kernel::launch_on::<$kind, $w, LAYER, 256, 2, $ty>,
                    (_, Some(_)) => rows_kernel::launch_on::<$kind, $w, LAYER, 256, 4, $ty>,
                    (_, None) => any_kernel::launch_on::<LAYER, $ty>,
                };
                let none = GpuBuffer::empty(stream)?;
                let bias = bias.unwrap_or(&none);
                let (rows, n, heads) = (norm.rows as u32, norm.n as u32, norm.heads as u32);
                let [a, b, c] = norm.place(norm.out).words();
                let [d, e, f] = norm.place(norm.x).words();
                let [g, h, i] = norm.place(norm.beside).words();
                // SAFETY: The rows of `x`, `out` and of `gate` or `sum` were compared with their
                // buffers, weights and bias are a row long, and no index is beyond a row. Rows of
                // what is written do not overlap, and a row has one writer.
                unsafe {
                    launch(
                        stream, config, out, sum, x, gate, weight, bias, rows, n, heads, a, b, c,
                        d, e, f, g, h, i, norm.eps, norm.plus,
                    )?;
                }
                Ok(())
            }

            fn quantized(
                stream: &Stream,
                config: LaunchConfig,
                call: Quantized<'_, Self>,
            ) -> Result<()> {
                let Quantized { norm, to, sum, adds, x, weight } = call;
                let launch = match (adds, norm.n.div_ceil(2048)) {
                    (false, 0 | 1) => quantize_kernel::launch_on::<$kind, $w, false, 1, $ty>,
                    (false, 2) => quantize_kernel::launch_on::<$kind, $w, false, 2, $ty>,
                    (false, _) => quantize_kernel::launch_on::<$kind, $w, false, 4, $ty>,
                    (true, 0 | 1) => quantize_kernel::launch_on::<$kind, $w, true, 1, $ty>,
                    (true, 2) => quantize_kernel::launch_on::<$kind, $w, true, 2, $ty>,
                    (true, _) => quantize_kernel::launch_on::<$kind, $w, true, 4, $ty>,
                };
                let (n, groups) = (norm.n as u32, to.k.div_ceil(256) * 8);
                let apart = if to.are_apart() { groups * 11 } else { 0 };
                let [x_first, x_stride, _] = norm.place(norm.x).words();
                let [sum_first, sum_stride, _] = norm.place(norm.beside).words();
                let (vectors, batch, eps, plus) = (to.vectors, to.batch, norm.eps, norm.plus);
                // SAFETY: The rows of `x` and `sum` were compared with their buffers, weights are a
                // row long, and no index is beyond a row. `to` has 11 words for each group of each
                // vector, and there are as many vectors as blocks; a word has one writer.
                unsafe {
                    launch(
                        stream, config, &mut to.words, sum, x, weight, n, groups, vectors, batch,
                        apart, x_first, x_stride, sum_first, sum_stride, eps, plus,
                    )?;
                }
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

/// Chooses the kernel and its grid; lengths are right, and there are rows.
pub(super) fn launch<T: Element>(stream: &Stream, call: Call<'_, T>) -> Result<()> {
    let (mode, norm) = (call.mode, call.norm);
    let multiprocessors = needs_hopper(stream, "a norm")?;
    let wide = norm.place(norm.x).are_wide(call.x, norm.n)
        && norm.place(norm.out).are_wide(call.out, norm.n)
        && (mode != GATED || norm.place(norm.beside).are_wide(call.gate, norm.n))
        && (mode != ADD || norm.place(norm.beside).are_wide(call.sum, norm.n))
        && Rows::dense(norm.n, 1).are_wide(call.weight, norm.n)
        && call.bias.is_none_or(|bias| Rows::dense(norm.n, 1).are_wide(bias, norm.n));
    let share = share(mode, norm.n).filter(|_| wide);
    let blocks = match share {
        Some((lanes, _)) => (norm.rows as u32).div_ceil(256 / lanes).min(multiprocessors * BLOCKS),
        None => norm.rows as u32,
    };
    let config = LaunchConfig::new([blocks, 1, 1]).with_programmatic_dependent_launch();
    T::norm(stream, config, share, call)
}

/// The multiprocessors of a machine that has what the kernels use.
fn needs_hopper(stream: &Stream, what: &'static str) -> Result<u32> {
    let info = stream.device().info()?;
    if info.compute_capability.0 < 9 {
        return Err(Error::Machine { what, needs: (9, 0), got: info.compute_capability });
    }
    Ok(info.multiprocessors)
}

/// Compares lengths and launches the norm that quantises.
pub(super) fn quantized<T: Element>(
    stream: &Stream,
    to: &mut Activations,
    sum: Option<&mut GpuBuffer<T>>,
    x: &GpuBuffer<T>,
    weight: &GpuBuffer<f32>,
    norm: &Norm,
) -> Result<()> {
    norm.check_all(weight)?;
    norm.check("x", norm.x, x)?;
    shape::eq("vectors", norm.rows, to.vectors as usize)?;
    shape::eq("values of a vector", norm.n, to.k as usize)?;
    needs_hopper(stream, "a norm")?;
    let wide = norm.place(norm.x).are_wide(x, norm.n)
        && sum.as_deref().is_none_or(|sum| norm.place(norm.beside).are_wide(sum, norm.n))
        && Rows::dense(norm.n, 1).are_wide(weight, norm.n);
    let why = match (norm.heads, wide, norm.n) {
        (2.., _, _) => Some("its rows are those of heads"),
        (_, false, _) => Some("its rows do not begin and end at multiples of 8 elements"),
        (_, _, 8193..) => Some("its rows have more than 8192 elements"),
        _ => None,
    };
    if let Some(why) = why {
        let help = "norm the rows to `f32`, and quantise them by `quantize_activations`";
        return Err(Error::Layout { what: "a norm in 8 bits", why, help });
    }
    let blocks = if to.are_apart() { to.vectors } else { to.batch };
    let config = LaunchConfig::new([blocks, 1, 1]).with_programmatic_dependent_launch();
    let adds = sum.is_some();
    let mut none = GpuBuffer::empty(stream)?;
    let sum = sum.unwrap_or(&mut none);
    T::quantized(stream, config, Quantized { norm, to, sum, adds, x, weight })
}
