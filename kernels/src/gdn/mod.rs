//! Gated DeltaNet: linear attention whose state forgets and is corrected.
//!
//! Each of `H_v` value heads has a state `S` of `V` rows and `K` columns. A token decays it by
//! `α = exp(g)`, writes the value `v` under the key `k` with strength `beta`, and reads it with the
//! query `q` (Yang, Kautz, Hatamizadeh, 2024, "Gated Delta Networks: Improving Mamba2 with Delta
//! Rule", equation 10):
//!
//! ```text
//! d = beta (v - α S k)        S = α S + d kᵀ        o = K^-1/2 S q
//! ```
//!
//! Value head `h` takes the query and the key of head `h / (H_v / H_k)`.
//!
//! | what | shape | |
//! | --- | --- | --- |
//! | `q`, `k` | `[T, H_k, K]` | rows of any stride, see [`Rows`] |
//! | `v`, `out` | `[T, H_v, V]` | |
//! | `g`, `beta` | `[T, H_v]` | `f32`, or the layer's `a` and `b`, see [`Gates`] |
//! | state | `[slots, H_v, V, K]` | a pool: a sequence names its slot. `f32`, or `bf16` |
//!
//! A row of the state is contiguous along `K`, so that what reads and writes it touches whole lines.
//!
//! | function | what |
//! | --- | --- |
//! | [`gated_delta_rule_recurrence`] | a token after the other, for decoding |
//! | [`chunked_gated_delta_rule`] | prompts, 64 tokens at a time on the tensor cores |
//! | [`causal_conv1d_full`], [`causal_conv1d_update`] | the convolution before, of prompts and of tokens |
//! | [`fused_gdn_gating`] | `g` and `beta` by themselves |

use firesteel::prelude::*;

mod chunked;
mod conv;
mod gates;
mod prepare;
mod recurrence;
mod sequences;

pub mod cpu;
pub mod reference;

pub use chunked::{ChunkState, Chunked, Workspace, chunked_gated_delta_rule};
pub use conv::{Conv, Convolves, causal_conv1d_full, causal_conv1d_update};
pub use gates::{Gated, fused_gdn_gating};
pub use recurrence::{GatedNorm, Recurrence, Recurs, gated_delta_rule_recurrence};

pub use sequences::{CHUNK, Prompt, Sequences};

use crate::shape::{self, Error, Result};

/// What is added to the sum of squares when queries and keys are normalised.
#[gpu_const]
pub const L2_EPS: f64 = 1e-6;

/// The slot of a sequence that takes no part: padding of a captured batch.
pub const NO_SLOT: u32 = u32::MAX;

/// Heads and their widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heads {
    /// Heads of queries and keys, `H_k`.
    pub key_heads: u32,
    /// Heads of values, `H_v`, a multiple of `H_k`.
    pub value_heads: u32,
    /// Width of queries and keys, `K`: 64, 128 or 256.
    pub key_dim: u32,
    /// Width of values, `V`: 64, 128 or 256.
    pub value_dim: u32,
}

impl Heads {
    /// Numbers of a token's queries, or keys.
    #[must_use]
    pub const fn keys(&self) -> u32 {
        self.key_heads * self.key_dim
    }

    /// Numbers of a token's values.
    #[must_use]
    pub const fn values(&self) -> u32 {
        self.value_heads * self.value_dim
    }

    /// Channels of queries, keys and values together, as the convolution has them.
    #[must_use]
    pub const fn channels(&self) -> u32 {
        2 * self.keys() + self.values()
    }

    /// Numbers of a sequence's state.
    #[must_use]
    pub const fn state_len(&self) -> usize {
        self.value_heads as usize * self.value_dim as usize * self.key_dim as usize
    }

    /// Whether the kernels take them.
    pub(crate) fn check(&self) -> Result<()> {
        let wide = |dim: u32| matches!(dim, 64 | 128 | 256);
        let grouped = self.key_heads > 0 && self.value_heads.is_multiple_of(self.key_heads);
        if grouped && self.value_heads > 0 && wide(self.key_dim) && wide(self.value_dim) {
            return Ok(());
        }
        Err(self.refused())
    }

    pub(crate) const fn refused(&self) -> Error {
        let Self { key_heads, value_heads, key_dim, value_dim } = *self;
        Error::Heads { key_heads, value_heads, key_dim, value_dim }
    }
}

/// One row for each token in a buffer: that of token `t` begins at `first + t stride`.
#[derive(Debug)]
pub struct Rows<'a, T> {
    /// The buffer.
    pub buffer: &'a GpuBuffer<T>,
    /// Where the first token's row begins, a multiple of 8.
    pub first: u32,
    /// Elements from a token's row to the next, a multiple of 8.
    pub stride: u32,
}

impl<T> Clone for Rows<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Rows<'_, T> {}

impl<'a, T> Rows<'a, T> {
    /// Rows of `width` that lie one after the other.
    #[must_use]
    pub const fn dense(buffer: &'a GpuBuffer<T>, width: u32) -> Self {
        Self { buffer, first: 0, stride: width }
    }

    /// `width` elements of a row for each of `tokens` must be there.
    pub(crate) fn check(&self, what: &'static str, tokens: usize, width: u32) -> Result<()> {
        if !self.first.is_multiple_of(8) || !self.stride.is_multiple_of(8) {
            return Err(Error::Aligned { what, first: self.first, stride: self.stride, by: 8 });
        }
        if tokens > 1 && self.stride < width {
            let (want, got) = (width as usize, self.stride as usize);
            return Err(Error::RowStride { what, want, got });
        }
        if tokens > 0 {
            let last = self.first as usize + (tokens - 1) * self.stride as usize;
            shape::at_least(what, last + width as usize, self.buffer.len())?;
            shape::count(what, last + width as usize)?;
        }
        Ok(())
    }
}

/// Queries, keys and values of tokens.
#[derive(Debug)]
pub struct Tokens<'a, T> {
    /// `[T, H_k, K]`.
    pub q: Rows<'a, T>,
    /// `[T, H_k, K]`.
    pub k: Rows<'a, T>,
    /// `[T, H_v, V]`.
    pub v: Rows<'a, T>,
    /// `T`, of all sequences together.
    pub count: usize,
}

impl<T> Clone for Tokens<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Tokens<'_, T> {}

impl<'a, T> Tokens<'a, T> {
    /// Of `[T, 2 H_k K + H_v V]`: queries, then keys, then values, as the convolution leaves them.
    #[must_use]
    pub fn packed(qkv: &'a GpuBuffer<T>, heads: &Heads, count: usize) -> Self {
        let stride = heads.channels();
        let rows = |first| Rows { buffer: qkv, first, stride };
        Self { q: rows(0), k: rows(heads.keys()), v: rows(2 * heads.keys()), count }
    }

    /// Of three dense tensors.
    #[must_use]
    pub const fn apart(
        q: &'a GpuBuffer<T>,
        k: &'a GpuBuffer<T>,
        v: &'a GpuBuffer<T>,
        heads: &Heads,
        count: usize,
    ) -> Self {
        let (keys, values) = (heads.keys(), heads.values());
        Self { q: Rows::dense(q, keys), k: Rows::dense(k, keys), v: Rows::dense(v, values), count }
    }

    pub(crate) fn check(&self, heads: &Heads) -> Result<()> {
        heads.check()?;
        self.q.check("q", self.count, heads.keys())?;
        self.k.check("k", self.count, heads.keys())?;
        self.v.check("v", self.count, heads.values())
    }
}

/// How a token's decay and strength are given.
#[derive(Debug)]
pub enum Gates<'a, T> {
    /// As they are.
    Ready {
        /// Logarithms of the decay, `[T, H_v]`, at most 0.
        g: &'a GpuBuffer<f32>,
        /// Strengths, `[T, H_v]`.
        beta: &'a GpuBuffer<f32>,
    },
    /// From the layer's projections, see [`gdn_gating_reference`](reference::gdn_gating_reference).
    Raw {
        /// `[T, H_v]`.
        a: &'a GpuBuffer<T>,
        /// `[T, H_v]`.
        b: &'a GpuBuffer<T>,
        /// `[H_v]`.
        a_log: &'a GpuBuffer<f32>,
        /// `[H_v]`.
        dt_bias: &'a GpuBuffer<f32>,
    },
}

impl<T> Clone for Gates<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Gates<'_, T> {}

impl<T> Gates<'_, T> {
    pub(crate) fn check(&self, tokens: usize, heads: &Heads) -> Result<()> {
        let n_heads = heads.value_heads as usize;
        match self {
            Self::Ready { g, beta } => {
                shape::eq("g", tokens * n_heads, g.len())?;
                shape::eq("beta", tokens * n_heads, beta.len())
            }
            Self::Raw { a, b, a_log, dt_bias } => {
                shape::eq("a", tokens * n_heads, a.len())?;
                shape::eq("b", tokens * n_heads, b.len())?;
                shape::eq("a_log", n_heads, a_log.len())?;
                shape::eq("dt_bias", n_heads, dt_bias.len())
            }
        }
    }
}

/// A pool must have whole states; their number.
pub(crate) fn slots_of<S>(state: &GpuBuffer<S>, heads: &Heads) -> Result<usize> {
    let len = heads.state_len();
    if state.is_empty() || !state.len().is_multiple_of(len) {
        return Err(Error::Pool { what: "state", got: state.len(), slot: len });
    }
    Ok(state.len() / len)
}

/// The kernels are for sm_90.
pub(crate) fn machine(stream: &Stream, what: &'static str) -> Result<firesteel::DeviceInfo> {
    let info = stream.device().info()?;
    if info.compute_capability.0 < 9 {
        return Err(Error::Machine { what, needs: (9, 0), got: info.compute_capability });
    }
    Ok(info)
}

/// The PTX of the family's kernels.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let instances = recurrence::recurrence_kernel::INSTANCES.iter();
    let instances = instances.chain(prepare::prepare_kernel::INSTANCES.iter());
    let instances = instances.chain(chunked::chunks_kernel::INSTANCES.iter());
    let instances = instances.chain(conv::full_kernel::INSTANCES.iter());
    let instances = instances.chain(conv::update_kernel::INSTANCES.iter());
    let instances = instances.chain(gates::gating_kernel::INSTANCES.iter());
    instances.map(|kernel| kernel.ptx())
}
