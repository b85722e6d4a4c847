//! Vectors in 8 bits, as the products with quantised weights take them.
//!
//! They are quantised as ggml's Q8_1: of each 32 values the scale `d = max |x| / 127`, and
//! `round(x / d)`, ties away from zero; `d` is rounded to `f16`. Source: ggml, `quantize_row_q8_1_ref`.
//!
//! For `b` vectors (1, 2, 4 or 8) of `p` panels of 256 columns there are the integers as
//! `[p][8][b][32]`; behind them three times `[p][8][b]`, as `f32`: `d`, `d` times the sum of the 32,
//! `d` times the sum of the last 16. Columns beyond the last are zero. Vectors for experts lie apart:
//! each is as if it were the only one.

use firesteel::prelude::*;

use crate::shape::{self, Result};

/// What there is of each vector: vectors that lie together, those of them that there are, their
/// values and groups.
#[gpu_struct]
#[derive(Clone, Copy)]
struct Size {
    batch: u32,
    vectors: u32,
    k: u32,
    groups: u32,
}

/// A warp 32 values of a vector.
#[gpu_fn]
fn quantize<T: Float>(x: &[T], words: &mut [u32], size: Size) {
    let Size { batch, vectors, k, groups } = size;
    let at = block_idx_x() * 8 + thread_idx_x() / 32;
    let first = block_idx_y() * (groups * batch * 11);
    if at < groups * batch {
        let lane = thread_idx_x() % 32;
        let (group, vector) = (at / batch, at % batch);
        let column = group * 32 + lane;
        let mut value = 0.0f32;
        if vector < vectors && column < k {
            value = x[(block_idx_y() + vector) * k + column].to_f32();
        }
        let scale = warp_reduce_max(value.abs()) / 127.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let code = (value * inverse).round() as i32;
        let mut sum = code;
        let mut word = (code as u32 & 255) << (lane % 4 * 8);
        #[unroll]
        for i in 0..4u32 {
            sum += shfl_sync_bfly(sum, 1 << i, 32);
        }
        #[unroll]
        for i in 0..2u32 {
            word |= shfl_sync_bfly(word, 1 << i, 32);
        }
        let other = shfl_sync_bfly(sum, 16, 32);
        if lane % 4 == 0 {
            words[first + at * 8 + lane / 4] = word;
        }
        if lane == 0 {
            let meta = first + groups * batch * 8 + at;
            let scale = f16::from_f32(scale).to_f32();
            words[meta] = scale.to_bits();
            words[meta + groups * batch] = (scale * (sum + other) as f32).to_bits();
            words[meta + groups * batch * 2] = (scale * other as f32).to_bits();
        }
    }
}

/// [`quantize`] that begins while the kernel before it ends.
#[gpu_kernel(block_size = 256, arch = "sm_90", instances(T = [f16, bf16, f32]))]
pub(super) fn quantize_kernel<T: Float>(
    x: &[T],
    words: &mut [u32],
    vectors: u32,
    batch: u32,
    k: u32,
    groups: u32,
) {
    grid_dependency_launch();
    grid_dependency_wait();
    quantize::<T>(x, words, Size { batch, vectors, k, groups });
}

/// [`quantize`] for any machine.
#[gpu_kernel(block_size = 256, instances(T = [f16, bf16, f32]))]
pub(super) fn quantize_alone_kernel<T: Float>(
    x: &[T],
    words: &mut [u32],
    vectors: u32,
    batch: u32,
    k: u32,
    groups: u32,
) {
    quantize::<T>(x, words, Size { batch, vectors, k, groups });
}

/// Vectors quantised for [`gemv`](super::gemv()) and its like.
#[derive(Debug)]
pub struct Activations {
    pub(crate) words: GpuBuffer<u32>,
    pub(crate) vectors: u32,
    /// Vectors that lie together, with those that fill up.
    pub(crate) batch: u32,
    pub(crate) k: u32,
}

impl Activations {
    /// Room for `vectors` vectors (1 to 8) of `k` values.
    ///
    /// # Errors
    /// [`Error::Vectors`](shape::Error::Vectors) for another number of vectors, and those of the
    /// device.
    pub fn new(stream: &Stream, vectors: usize, k: usize) -> Result<Self> {
        if !(1..=8).contains(&vectors) {
            return Err(shape::Error::Vectors { got: vectors });
        }
        let batch = vectors.next_power_of_two();
        Self::alloc(stream, (vectors, k), (batch, 1))
    }

    /// Room for any number of vectors of `k` values, for [`gemv_experts`](super::gemv_experts).
    ///
    /// # Errors
    /// [`Error::Vectors`](shape::Error::Vectors) for none, and those of the device.
    pub fn apart(stream: &Stream, vectors: usize, k: usize) -> Result<Self> {
        if vectors == 0 {
            return Err(shape::Error::Vectors { got: 0 });
        }
        Self::alloc(stream, (vectors, k), (1, vectors))
    }

    fn alloc(
        stream: &Stream,
        (vectors, k): (usize, usize),
        (batch, runs): (usize, usize),
    ) -> Result<Self> {
        let words = k.div_ceil(256) * batch * 88 * runs;
        shape::count("words of the vectors", words)?;
        shape::count("values of the vectors", vectors * k)?;
        let words = stream.alloc_uninit(words)?;
        Ok(Self { words, vectors: vectors as u32, batch: batch as u32, k: shape::count("k", k)? })
    }

    /// Vectors lie apart, or there is one.
    pub(crate) fn are_apart(&self) -> bool {
        self.batch == 1
    }
}

/// Quantises `x [vectors, k]`, row-major.
///
/// # Errors
/// If `x` has another length than the vectors have in all, and those of the device.
pub fn quantize_activations<T: Activation>(
    stream: &Stream,
    to: &mut Activations,
    x: &GpuBuffer<T>,
) -> Result<()> {
    shape::eq("x", to.vectors as usize * to.k as usize, x.len())?;
    T::launch(stream, to, x)
}

/// The types that vectors have before they are quantised.
pub trait Activation: sealed::Launch {}

pub(super) mod sealed {
    use super::{Activations, GpuBuffer, Result, Stream};

    /// What a type's kernel is.
    pub trait Launch: Sized {
        /// Quantises vectors whose lengths are right.
        fn launch(stream: &Stream, to: &mut Activations, x: &GpuBuffer<Self>) -> Result<()>;
    }
}

macro_rules! types {
    ($($name:ident),*) => {$(
        impl Activation for $name {}

        impl sealed::Launch for $name {
            fn launch(stream: &Stream, to: &mut Activations, x: &GpuBuffer<Self>) -> Result<()> {
                let groups = to.k.div_ceil(256) * 8;
                let blocks = (groups * to.batch).div_ceil(8);
                let runs = if to.are_apart() { to.vectors } else { 1 };
                let config = LaunchConfig::new([blocks, runs, 1]);
                let (vectors, batch, k) = (to.vectors.min(to.batch), to.batch, to.k);
                if super::has_mma(stream)? {
                    let config = config.with_programmatic_dependent_launch();
                    quantize_kernel::launch_on::<$name>(
                        stream, config, x, &mut to.words, vectors, batch, k, groups,
                    )?;
                } else {
                    quantize_alone_kernel::launch_on::<$name>(
                        stream, config, x, &mut to.words, vectors, batch, k, groups,
                    )?;
                }
                Ok(())
            }
        }
    )*};
}

types!(f16, bf16, f32);
