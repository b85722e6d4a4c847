//! Attention of the newest tokens of each sequence over the pages of a cache, as a model needs it for
//! each token that it writes, or for the few that it verifies at once.
//!
//! With the queries `q [tokens, q_heads, D]`, of which sequence `s` has the last `q_len` of its
//! `lengths[s]` tokens, and head `h` of them reading head `h / (q_heads / kv_heads)` of the cache:
//!
//! ```text
//! o[i, h] = Σ_j softmax_j(cap(scale q[i, h] · k[j])) v[j]
//! ```
//!
//! over the tokens `j` that are not behind query `i`, and, with a window, not `window` or more before
//! it; `cap(x)` is `x`, or `c tanh(x / c)`. A query that sees no token gets zeros.
//!
//! Products and sums are `f32`; weights are rounded to `f16`, or, beside a cache in `bf16`, to `bf16`.
//! Caches of 8 bits are multiplied as `f16`. The parts of an item are summed in an order that depends
//! on the lengths and the device alone, so results are the same in every run.
//!
//! Sources: Milakov and Gimelshein 2018, algorithm 3 (online softmax); Dao and others,
//! "Flash-Decoding", 2023 (splits of the sequence); Ainslie and others, "GQA", 2023.

mod kernel;
mod launch;
mod merge;
mod reference;
mod share;
mod tile;

use firesteel::prelude::*;

pub use launch::DecodeElement;
pub use reference::decode_reference;

use crate::kv::{KvLayer, KvShape};
use crate::shape::{self, Error, Result};

/// Sizes of heads that there are kernels for.
pub(crate) const HEAD_DIMS: [usize; 5] = [64, 80, 96, 128, 256];

/// How many new tokens each sequence has.
#[derive(Debug, Clone, Copy)]
pub enum Queries<'a> {
    /// As many as all others.
    Each(usize),
    /// Sequence `s` those from `starts[s]` to before `starts[s + 1]`, at most `most`.
    Ragged {
        /// `u32 [sequences + 1]`, rising from 0 to the number of tokens.
        starts: &'a GpuBuffer<u32>,
        /// The most that any has. Of a sequence that has more, the last are not computed.
        most: usize,
    },
}

impl<'a> Queries<'a> {
    /// How many each has, or 0, and where those of each begin, or `none`.
    fn split(&self, none: &'a GpuBuffer<u32>) -> (u32, &'a GpuBuffer<u32>) {
        match *self {
            Self::Each(count) => (count as u32, none),
            Self::Ragged { starts, .. } => (0, starts),
        }
    }

    fn most(&self) -> usize {
        match *self {
            Self::Each(count) => count,
            Self::Ragged { most, .. } => most,
        }
    }
}

/// What attention is computed.
#[derive(Debug, Clone, Copy)]
pub struct Decode<'a> {
    q_heads: usize,
    queries: Queries<'a>,
    scale: Option<f32>,
    window: Option<u32>,
    softcap: Option<f32>,
}

impl<'a> Decode<'a> {
    /// Of one new token of each sequence, with `q_heads` heads, scaled by `1 / sqrt(head_dim)`.
    #[must_use]
    pub fn new(q_heads: usize) -> Self {
        let queries = Queries::Each(1);
        Self { q_heads, queries, scale: None, window: None, softcap: None }
    }

    /// Of several new tokens, each of which sees those before it and itself.
    #[must_use]
    pub fn queries(self, queries: Queries<'a>) -> Self {
        Self { queries, ..self }
    }

    /// Another scale.
    #[must_use]
    pub fn scale(self, scale: f32) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// A query sees `tokens` tokens, itself the last of them.
    #[must_use]
    pub fn window(self, tokens: u32) -> Self {
        Self { window: Some(tokens), ..self }
    }

    /// Scores are `cap * tanh(score / cap)`.
    #[must_use]
    pub fn softcap(self, cap: f32) -> Self {
        Self { softcap: Some(cap), ..self }
    }
}

/// What blocks leave for each other within a launch. Launches on one stream can share one.
#[derive(Debug)]
pub struct DecodeWorkspace {
    partial: GpuBuffer<f32>,
    /// Zero between launches.
    counters: GpuBuffer<u32>,
}

impl DecodeWorkspace {
    /// Room for launches of up to `sequences` sequences with up to `queries` new tokens each and
    /// `q_heads` heads, over caches of this shape.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(
        stream: &Stream,
        (sequences, queries, q_heads): (usize, usize, usize),
        cache: &KvShape,
    ) -> Result<Self> {
        let rows = queries * q_heads / cache.kv_heads.max(1);
        let size = launch::Size::new(stream, rows)?;
        Ok(Self {
            partial: stream.alloc_uninit(size.partial(cache.head_dim))?,
            counters: stream.alloc_zeros(size.counters(sequences, cache.kv_heads))?,
        })
    }
}

/// Attention of new tokens, `o [tokens, q_heads, head_dim]` of `q` of the same shape, over a cache.
///
/// `table [sequences, max_pages]` names the pages of each sequence, `lengths` has the number of its
/// tokens with the new ones, which are in the cache already; there are at most 512 sequences.
/// Lengths and pages are read where the kernel runs, so a graph of this launch can be replayed with
/// others; lengths beyond the table count as its end.
///
/// # Errors
/// If lengths do not fit, [`Error::OneOf`] for another size of heads than 64, 80, 96, 128 and 256,
/// [`Error::Range`] for too many sequences, or none, [`Error::Multiple`] if the heads of queries are
/// no multiple of those of the cache, [`Error::KvQueries`] for queries of another type than the
/// cache's 16 bits, [`Error::Machine`] before compute capability 9.0; and those of the device.
pub fn decode<X: DecodeElement>(
    stream: &Stream,
    o: &mut GpuBuffer<X>,
    q: &GpuBuffer<X>,
    layer: &KvLayer,
    (table, lengths): (&GpuBuffer<u32>, &GpuBuffer<u32>),
    workspace: &mut DecodeWorkspace,
    attention: &Decode<'_>,
) -> Result<()> {
    let (sequences, heads, dim) = (lengths.len(), attention.q_heads, layer.shape.head_dim);
    let kv_heads = layer.shape.kv_heads;
    if !HEAD_DIMS.contains(&dim) {
        return Err(Error::OneOf { what: "elements of a head", want: &HEAD_DIMS, got: dim });
    }
    shape::range("sequences", (1, share::MAX_SEQUENCES as usize), sequences)?;
    shape::range("heads of queries", (1, usize::MAX), heads)?;
    if !heads.is_multiple_of(kv_heads) {
        return Err(Error::Multiple { what: "heads of queries", multiple: kv_heads, got: heads });
    }
    if table.is_empty() || !table.len().is_multiple_of(sequences) {
        return Err(Error::Multiple { what: "table", multiple: sequences, got: table.len() });
    }
    // Tokens of a sequence are counted in 31 bits.
    shape::range("pages of a sequence", (1, 1 << 24), table.len() / sequences)?;
    shape::count("table", table.len())?;
    shape::range("new tokens of a sequence", (1, 1 << 16), attention.queries.most())?;
    match attention.queries {
        Queries::Each(count) => shape::eq("q", sequences * count * heads * dim, q.len())?,
        Queries::Ragged { starts, .. } => {
            shape::eq("starts", sequences + 1, starts.len())?;
            if !q.len().is_multiple_of(heads * dim) {
                return Err(Error::Multiple { what: "q", multiple: heads * dim, got: q.len() });
            }
        }
    }
    shape::count("q", q.len())?;
    shape::eq("o", q.len(), o.len())?;
    if let Some(window) = attention.window {
        shape::range("window", (1, i32::MAX as usize), window as usize)?;
    }
    let info = stream.device().info()?;
    if info.compute_capability.0 < 9 {
        let got = info.compute_capability;
        return Err(Error::Machine { what: "decode", needs: (9, 0), got });
    }
    let size = launch::Size::new(stream, attention.queries.most() * (heads / kv_heads))?;
    let (partial, counters) = (&workspace.partial, &workspace.counters);
    shape::at_least("workspace", size.partial(dim), partial.len())?;
    shape::at_least("workspace", size.counters(sequences, kv_heads), counters.len())?;
    X::launch(stream, (o, q), layer, (table, lengths), workspace, (attention, size))
}

/// The PTX of every instance of the kernel.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    kernel::decode_kernel::INSTANCES.iter().map(|it| it.ptx())
}
