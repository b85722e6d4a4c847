//! Softmax of rows, its logarithm, and the logarithm of the sum.
//!
//! `softmax(x)_i = exp(s x_i - m) / Σ_j exp(s x_j - m)`, `s` being a scale and `m` the largest `s x_j`;
//! `lse = m + ln Σ_j exp(s x_j - m)`. Computed in `f32`, in a fixed order, and rounded once. Of a row
//! of which all are -∞, results are NaN and `lse` is -∞.

use firesteel::prelude::*;

use crate::rows::{
    Element, Rows, fetch, largest_of_row, numbers, packed, put, row_begin, sum_of_row,
};
use crate::shape::{self, Error, Result};

/// Blocks for each multiprocessor, so that their turns even out.
const BLOCKS: u32 = 8;
/// log2 e.
#[gpu_const]
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// What is subtracted: the largest number, if there is one above -∞.
#[gpu_fn]
fn shift_of(most: f32) -> f32 {
    if most == f32::NEG_INFINITY { 0.0 } else { most }
}

#[gpu_fn]
fn exp_above(x: f32, shift: f32) -> f32 {
    fast::exp2((x - shift) * LOG2_E)
}

/// Rows that stay in registers; the next one is fetched before the work on one.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_90",
    unchecked,
    instances(
        (KIND = 0, W = 8, T = f32), (KIND = 1, W = 4, T = f16), (KIND = 2, W = 4, T = bf16),
        LOG = [false, true],
        (LANES = 32, PER = 1), (LANES = 32, PER = 4), (LANES = 256, PER = 1),
        (LANES = 256, PER = 2), (LANES = 256, PER = 4)
    )
)]
fn rows_kernel<
    const KIND: u32,
    const W: usize,
    const LOG: bool,
    const LANES: u32,
    const PER: usize,
    T: Float,
>(
    out: &mut [T],
    lse: &mut [f32],
    x: &[T],
    rows: u32,
    n: u32,
    x_first: u32,
    x_stride: u32,
    out_first: u32,
    out_stride: u32,
    factor: f32,
) {
    let parts = shared_mem![f32; 16];
    grid_dependency_launch();
    grid_dependency_wait();
    let (lane, slot) = (thread_idx_x() % LANES, thread_idx_x() / LANES);
    let step = grid_dim_x() * (256 / LANES);
    let mut base = block_idx_x() * (256 / LANES);
    let mut next = [[0u32; W]; PER];
    if base + slot < rows {
        let begin = row_begin(base + slot, 1, x_first, x_stride, 0);
        #[unroll]
        for i in 0..PER {
            let at = (lane + i as u32 * LANES) * 8;
            if at < n {
                next[i] = fetch::<W, T>(x, begin + at as usize);
            }
        }
    }
    while base < rows {
        let row = base + slot;
        let own = next;
        if row + step < rows {
            let begin = row_begin(row + step, 1, x_first, x_stride, 0);
            #[unroll]
            for i in 0..PER {
                let at = (lane + i as u32 * LANES) * 8;
                if at < n {
                    next[i] = fetch::<W, T>(x, begin + at as usize);
                }
            }
        }
        let mut v = [[0.0f32; 8]; PER];
        let mut most = f32::NEG_INFINITY;
        #[unroll]
        for i in 0..PER {
            v[i] = numbers::<KIND, W>(own[i]);
            if (lane + i as u32 * LANES) * 8 < n {
                for j in 0..8 {
                    v[i][j] *= factor;
                    most = most.max(v[i][j]);
                }
            }
        }
        let shift = shift_of(largest_of_row::<LANES>(most, parts, 0));
        let mut sum = 0.0f32;
        let mut powers = [[0.0f32; 8]; PER];
        #[unroll]
        for i in 0..PER {
            if (lane + i as u32 * LANES) * 8 < n {
                for j in 0..8 {
                    powers[i][j] = exp_above(v[i][j], shift);
                    sum += powers[i][j];
                }
            }
        }
        sum = sum_of_row::<LANES>(sum, parts, 1);
        let scale = fast::recip(sum);
        let mut log = 0.0f32;
        if LOG || lse.len() != 0 {
            log = sum.ln();
        }
        if row < rows {
            let begin = row_begin(row, 1, out_first, out_stride, 0);
            #[unroll]
            for i in 0..PER {
                let at = (lane + i as u32 * LANES) * 8;
                if at < n {
                    for j in 0..8 {
                        powers[i][j] =
                            if LOG { v[i][j] - shift - log } else { powers[i][j] * scale };
                    }
                    put::<W, T>(out, begin + at as usize, packed::<KIND, W>(powers[i]));
                }
            }
            if lane == 0 && lse.len() != 0 {
                lse[row] = shift + log;
            }
        }
        base += step;
    }
}

/// Rows of any length: a block a row, which is read twice.
#[gpu_kernel(
    block_size = 1024,
    arch = "sm_90",
    unchecked,
    instances(
        (KIND = 0, W = 8, T = f32), (KIND = 1, W = 4, T = f16), (KIND = 2, W = 4, T = bf16),
        (KIND = 0, W = 1, T = f32), (KIND = 1, W = 1, T = f16), (KIND = 2, W = 1, T = bf16),
        LOG = [false, true]
    )
)]
fn long_kernel<const KIND: u32, const W: usize, const LOG: bool, T: Float>(
    out: &mut [T],
    lse: &mut [f32],
    x: &[T],
    rows: u32,
    n: u32,
    x_first: u32,
    x_stride: u32,
    out_first: u32,
    out_stride: u32,
    factor: f32,
) {
    grid_dependency_launch();
    grid_dependency_wait();
    let row = block_idx_x();
    if row >= rows {
        return;
    }
    let len = if W == 1 { 1u32 } else { 8u32 };
    let from = row_begin(row, 1, x_first, x_stride, 0);
    let to = row_begin(row, 1, out_first, out_stride, 0);
    // A thread's largest, and its sum above that.
    let (mut most, mut sum) = (f32::NEG_INFINITY, 0.0f32);
    for at in (thread_idx_x()..n / len).step_by(1024) {
        let v = numbers::<KIND, W>(fetch::<W, T>(x, from + at as usize * len as usize));
        let old = most;
        for j in 0..8 {
            if W != 1 || j == 0 {
                most = most.max(v[j] * factor);
            }
        }
        let shift = shift_of(most);
        sum *= exp_above(old, shift);
        for j in 0..8 {
            if W != 1 || j == 0 {
                sum += exp_above(v[j] * factor, shift);
            }
        }
    }
    let shift = shift_of(block_reduce_max(most));
    let total = block_reduce_sum(sum * exp_above(most, shift));
    let (scale, log) = (1.0 / total, total.ln());
    for at in (thread_idx_x()..n / len).step_by(1024) {
        let mut v = numbers::<KIND, W>(fetch::<W, T>(x, from + at as usize * len as usize));
        for j in 0..8 {
            v[j] = if LOG {
                v[j] * factor - shift - log
            } else {
                exp_above(v[j] * factor, shift) * scale
            };
        }
        put::<W, T>(out, to + at as usize * len as usize, packed::<KIND, W>(v));
    }
    if thread_idx_x() == 0 && lse.len() != 0 {
        lse[row] = shift + log;
    }
}

/// Softmax and `lse` of a row, in `f64`: Milakov and Gimelshein,
/// <https://arxiv.org/abs/1805.02867>, algorithm 2.
#[must_use]
pub fn softmax_reference(x: &[f64]) -> (Vec<f64>, f64) {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = x.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    (powers.iter().map(|it| it / sum).collect(), most + sum.ln())
}

/// Rows, the scale of their numbers, and where they lie.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    rows: usize,
    n: usize,
    scale: f32,
    x: Option<Rows>,
    out: Option<Rows>,
}

impl Softmax {
    /// Of `rows` rows of `n` elements, one behind the other in both operands.
    #[must_use]
    pub const fn new(rows: usize, n: usize) -> Self {
        Self { rows, n, scale: 1.0, x: None, out: None }
    }

    /// All numbers are multiplied by `scale` first: 1 over the temperature.
    #[must_use]
    pub const fn scale(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// Where the rows of `x` lie.
    #[must_use]
    pub const fn x(self, rows: Rows) -> Self {
        Self { x: Some(rows), ..self }
    }

    /// Where the rows of the result lie.
    #[must_use]
    pub const fn out(self, rows: Rows) -> Self {
        Self { out: Some(rows), ..self }
    }

    fn place(&self, rows: Option<Rows>) -> Rows {
        rows.unwrap_or_else(|| Rows::dense(self.n, 1))
    }
}

/// The operands of the kernels. `lse` is empty if it is not wanted.
#[derive(Debug)]
pub struct Call<'a, T> {
    log: bool,
    of: &'a Softmax,
    out: &'a mut GpuBuffer<T>,
    lse: &'a mut GpuBuffer<f32>,
    x: &'a GpuBuffer<T>,
}

/// Threads that share a row, and the pieces of eight elements that each of them has; none for rows
/// of any length.
type Share = Option<(u32, u32)>;

/// The kernels for a type of elements.
#[doc(hidden)]
pub trait Launch: Sized {
    /// Launches; lengths are right.
    fn softmax(
        stream: &Stream,
        config: LaunchConfig,
        wide: bool,
        share: Share,
        call: Call<'_, Self>,
    ) -> Result<()>;
}

macro_rules! types {
    ($($ty:ident, $kind:literal, $w:literal;)*) => {$(
        impl Launch for $ty {
            fn softmax(
                stream: &Stream,
                config: LaunchConfig,
                wide: bool,
                share: Share,
                call: Call<'_, Self>,
            ) -> Result<()> {
                use {long_kernel::launch_on as long, rows_kernel::launch_on as rows};
                let launch = match (call.log, share) {
                    (false, Some((32, 1))) => rows::<$kind, $w, false, 32, 1, $ty>,
                    (false, Some((32, _))) => rows::<$kind, $w, false, 32, 4, $ty>,
                    (false, Some((_, 1))) => rows::<$kind, $w, false, 256, 1, $ty>,
                    (false, Some((_, 2))) => rows::<$kind, $w, false, 256, 2, $ty>,
                    (false, Some(_)) => rows::<$kind, $w, false, 256, 4, $ty>,
                    (true, Some((32, 1))) => rows::<$kind, $w, true, 32, 1, $ty>,
                    (true, Some((32, _))) => rows::<$kind, $w, true, 32, 4, $ty>,
                    (true, Some((_, 1))) => rows::<$kind, $w, true, 256, 1, $ty>,
                    (true, Some((_, 2))) => rows::<$kind, $w, true, 256, 2, $ty>,
                    (true, Some(_)) => rows::<$kind, $w, true, 256, 4, $ty>,
                    (false, None) if wide => long::<$kind, $w, false, $ty>,
                    (false, None) => long::<$kind, 1, false, $ty>,
                    (true, None) if wide => long::<$kind, $w, true, $ty>,
                    (true, None) => long::<$kind, 1, true, $ty>,
                };
                let Call { of, out, lse, x, .. } = call;
                let (n_rows, n, scale) = (of.rows as u32, of.n as u32, of.scale);
                let [x_first, x_stride, _] = of.place(of.x).words();
                let [out_first, out_stride, _] = of.place(of.out).words();
                // SAFETY: The rows of `x` and `out` were compared with their buffers, `lse` is empty
                // or has a number a row, and no index is beyond a row. Rows of `out` do not overlap,
                // and a row has one writer.
                unsafe {
                    launch(
                        stream, config, out, lse, x, n_rows, n, x_first, x_stride, out_first,
                        out_stride, scale,
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

fn run<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    lse: Option<&mut GpuBuffer<f32>>,
    x: &GpuBuffer<T>,
    of: &Softmax,
    log: bool,
) -> Result<()> {
    let shape = (of.rows, 1, of.n);
    of.place(of.x).check("x", shape, x.len())?;
    of.place(of.out).check("out", shape, out.len())?;
    shape::count("rows", of.rows)?;
    shape::count("elements of a row", of.n)?;
    if let Some(lse) = lse.as_deref() {
        shape::eq("lse", of.rows, lse.len())?;
    }
    let info = stream.device().info()?;
    if info.compute_capability.0 < 9 {
        let got = info.compute_capability;
        return Err(Error::Machine { what: "softmax", needs: (9, 0), got });
    }
    if of.rows == 0 || of.n == 0 {
        return Ok(());
    }
    let wide = of.place(of.x).are_wide(x, of.n) && of.place(of.out).are_wide(out, of.n);
    let shares = [(32, 1), (32, 4), (256, 1), (256, 2), (256, 4)].into_iter();
    let share = shares.filter(|_| wide).find(|(lanes, pieces)| of.n <= lanes * pieces * 8);
    let share = share.map(|(lanes, pieces)| (lanes as u32, pieces as u32));
    let rows = of.rows as u32;
    let blocks = match share {
        Some((lanes, _)) => rows.div_ceil(256 / lanes).min(info.multiprocessors * BLOCKS),
        None => rows,
    };
    let config = LaunchConfig::new([blocks, 1, 1]).with_programmatic_dependent_launch();
    let mut none = GpuBuffer::empty(stream)?;
    let lse = lse.unwrap_or(&mut none);
    T::softmax(stream, config, wide, share, Call { log, of, out, lse, x })
}

/// `out = softmax(scale * x)`, row by row, and its `lse [rows]` if that is wanted.
///
/// ```
/// use firesteel::prelude::*;
/// use firesteel_kernels::softmax::{Softmax, softmax};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = Device::sim();
/// let x = device.alloc_from(&[1.0f32, 1.0, 7.0, f32::NEG_INFINITY])?;
/// let mut out = device.alloc_zeros::<f32>(4)?;
/// softmax(&device.stream(), &mut out, None, &x, &Softmax::new(2, 2))?;
/// assert_eq!(out.to_host(&device)?, [0.5, 0.5, 1.0, 0.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If an operand is too short for its rows or they overlap, `lse` has another length, or the device
/// cannot.
pub fn softmax<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    lse: Option<&mut GpuBuffer<f32>>,
    x: &GpuBuffer<T>,
    of: &Softmax,
) -> Result<()> {
    run(stream, out, lse, x, of, false)
}

/// `out = ln softmax(scale * x)`, row by row, and its `lse [rows]` if that is wanted.
///
/// # Errors
/// Those of [`softmax()`].
pub fn log_softmax<T: Element>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    lse: Option<&mut GpuBuffer<f32>>,
    x: &GpuBuffer<T>,
    of: &Softmax,
) -> Result<()> {
    run(stream, out, lse, x, of, true)
}

/// The PTX of every kernel.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let kernels = rows_kernel::INSTANCES.iter().chain(long_kernel::INSTANCES.iter());
    kernels.map(|kernel| kernel.ptx())
}
