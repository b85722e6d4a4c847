//! Rows of tokens brought into the order of the experts, and back.

use firesteel::prelude::*;

use super::Permutation;
use crate::shape::{self, Result};

/// Four elements a thread, neighbours if `wide`: row `i` becomes that of the token of pair `i`.
#[gpu_kernel(block_size = 256, unchecked, instances(T = [f16, bf16, f32]))]
pub(super) fn gather_kernel<T: Float>(
    out: &mut [T],
    x: &[T],
    offsets: &[u32],
    pairs: &[u32],
    top_k: u32,
    columns: u32,
    experts: u32,
    wide: bool,
) {
    let row = block_idx_x();
    // Behind the last pair of an expert, there are no pairs.
    if row >= offsets[experts] {
        return;
    }
    let (to, from) = (row * columns, pairs[row] / top_k * columns);
    let mut i = thread_idx_x();
    if wide {
        while i < columns / 4 {
            store_vec4(out, to + i * 4, load_vec4(x, from + i * 4));
            i += 256;
        }
    } else {
        while i < columns {
            out[to + i] = x[from + i];
            i += 256;
        }
    }
}

/// Column `at` of a token: the sum of those of its pairs.
#[gpu_fn]
fn combined<T: Float>(
    y: &[T],
    weights: &[f32],
    places: &[u32],
    (first, top_k): (u32, u32),
    (at, columns): (u32, u32),
) -> f32 {
    let mut sum = 0.0f32;
    for pair in first..first + top_k {
        let place = places[pair];
        if place < places.len() as u32 {
            sum = weights[pair].mul_add(y[place * columns + at].to_f32(), sum);
        }
    }
    sum
}

/// Four columns of a token a thread; or one, unless `wide`.
#[gpu_kernel(block_size = 256, unchecked, instances(T = [f16, bf16, f32]))]
pub(super) fn combine_kernel<T: Float>(
    out: &mut [T],
    y: &[T],
    weights: &[f32],
    places: &[u32],
    top_k: u32,
    columns: u32,
    wide: bool,
) {
    let (token, i) = (block_idx_x(), block_idx_y() * 256 + thread_idx_x());
    let first = token * top_k;
    if !wide {
        if i < columns {
            let sum = combined(y, weights, places, (first, top_k), (i, columns));
            out[token * columns + i] = T::from_f32(sum);
        }
        return;
    }
    if i * 4 < columns {
        let mut sums = [0.0f32; 4];
        for pair in first..first + top_k {
            let (place, weight) = (places[pair], weights[pair]);
            if place < places.len() as u32 {
                let v = load_vec4(y, place * columns + i * 4);
                #[unroll]
                for e in 0..4u32 {
                    sums[e] = weight.mul_add(v[e].to_f32(), sums[e]);
                }
            }
        }
        let at = token * columns + i * 4;
        #[unroll]
        for e in 0..4u32 {
            out[at + e] = T::from_f32(sums[e]);
        }
    }
}

/// `out [T * K, D]`: row `i` is that of `x [T, D]` of the token of pair `order.pairs()[i]`. Rows
/// behind `order.offsets()[E]` are left as they are.
///
/// # Errors
/// [`Error::Range`](shape::Error::Range) for a `top_k` of 0,
/// [`Error::Shape`](shape::Error::Shape) if an operand has another length, and those of the device.
pub fn gather_rows<T: Row>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    order: &Permutation,
    top_k: usize,
) -> Result<()> {
    let (tokens, columns) = sizes(order, x.len(), top_k)?;
    shape::eq("x", tokens * columns, x.len())?;
    shape::eq("out", order.pairs.len() * columns, out.len())?;
    shape::count("out", out.len())?;
    T::gather(stream, out, x, order, (top_k as u32, columns as u32))
}

/// `out [T, D]`, of each token the sum of its rows times their weights: `Σ weights[t, i] *
/// y[places[t, i]]`, for `y [T * K, D]` in the order of [`gather_rows`] and `weights [T, K]` of
/// [`route`](super::route()). Pairs of no expert are left out.
///
/// Sums are `f32`, in the order of the token's experts, each step fused; the result is rounded
/// once.
///
/// # Errors
/// As [`gather_rows`].
pub fn combine_rows<T: Row>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    y: &GpuBuffer<T>,
    weights: &GpuBuffer<f32>,
    order: &Permutation,
    top_k: usize,
) -> Result<()> {
    let (tokens, columns) = sizes(order, out.len(), top_k)?;
    shape::eq("out", tokens * columns, out.len())?;
    shape::eq("y", order.pairs.len() * columns, y.len())?;
    shape::eq("weights", order.pairs.len(), weights.len())?;
    shape::eq("places", order.pairs.len(), order.places.len())?;
    shape::count("y", y.len())?;
    T::combine(stream, out, (y, weights, &order.places), (top_k as u32, columns as u32))
}

/// Tokens, and columns of what has `len` elements for them.
fn sizes(order: &Permutation, len: usize, top_k: usize) -> Result<(usize, usize)> {
    shape::range("top_k", (1, u32::MAX as usize), top_k)?;
    let tokens = order.pairs.len() / top_k;
    shape::eq("pairs", tokens * top_k, order.pairs.len())?;
    Ok((tokens, len.checked_div(tokens).unwrap_or(0)))
}

/// [`combine_rows`] in `f64`.
#[must_use]
pub fn combine_rows_reference(
    y: &[f32],
    weights: &[f32],
    places: &[u32],
    top_k: usize,
    columns: usize,
) -> Vec<f64> {
    let mut out = vec![0.0; places.len() / top_k * columns];
    for (pair, &place) in places.iter().enumerate() {
        for column in 0..columns {
            let value = f64::from(y[place as usize * columns + column]);
            out[pair / top_k * columns + column] += f64::from(weights[pair]) * value;
        }
    }
    out
}

/// The types that rows are of.
pub trait Row: sealed::Launch {}

mod sealed {
    use super::{GpuBuffer, Permutation, Result, Stream};

    /// What a type's kernels are.
    pub trait Launch: firesteel::DeviceCopy + Sized {
        /// Gathers; lengths are right.
        fn gather(
            stream: &Stream,
            out: &mut GpuBuffer<Self>,
            x: &GpuBuffer<Self>,
            order: &Permutation,
            sizes: (u32, u32),
        ) -> Result<()>;

        /// Combines; lengths are right.
        fn combine(
            stream: &Stream,
            out: &mut GpuBuffer<Self>,
            from: (&GpuBuffer<Self>, &GpuBuffer<f32>, &GpuBuffer<u32>),
            sizes: (u32, u32),
        ) -> Result<()>;
    }
}

macro_rules! launches {
    ($($type:ident)*) => { $(
        impl Row for $type {}

        impl sealed::Launch for $type {
            fn gather(
                stream: &Stream,
                out: &mut GpuBuffer<Self>,
                x: &GpuBuffer<Self>,
                order: &Permutation,
                (top_k, columns): (u32, u32),
            ) -> Result<()> {
                let config = LaunchConfig::new([order.pairs.len() as u32, 1, 1]);
                let (pairs, offsets) = (&order.pairs, &order.offsets);
                let experts = offsets.len() as u32 - 1;
                let wide = columns.is_multiple_of(4);
                // SAFETY: `out` has a row for each pair and block, `x` one for each token, which
                // pairs below their number are of.
                unsafe {
                    gather_kernel::launch_on::<$type>(
                        stream, config, out, x, offsets, pairs, top_k, columns, experts, wide,
                    )?
                };
                Ok(())
            }

            fn combine(
                stream: &Stream,
                out: &mut GpuBuffer<Self>,
                (y, weights, places): (&GpuBuffer<Self>, &GpuBuffer<f32>, &GpuBuffer<u32>),
                (top_k, columns): (u32, u32),
            ) -> Result<()> {
                let wide = columns.is_multiple_of(4);
                let threads = if wide { columns / 4 } else { columns };
                let tokens = places.len() as u32 / top_k;
                let config = LaunchConfig::new([tokens, threads.div_ceil(256), 1]);
                // SAFETY: `out` has a row for each token and block, `y` one for each pair, whose
                // places the kernel compares with their number; each has a weight and a place.
                unsafe {
                    combine_kernel::launch_on::<$type>(
                        stream, config, out, y, weights, places, top_k, columns, wide,
                    )?
                };
                Ok(())
            }
        }
    )* };
}

launches!(f16 bf16 f32);
