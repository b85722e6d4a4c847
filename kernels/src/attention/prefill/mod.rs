//! Attention of many queries a sequence: `o = softmax(scale q kᵀ) v`.
//!
//! Of sequence `s`, queries are the last `q_s` of its `n_s` positions: query `i` stands at
//! `p = n_s - q_s + i` and sees keys `j` with `j < n_s`; if causal, `j <= p`; with a window `w`,
//! `j > p - w`. Its score with key `j` is `scale q·k`, with a softcap `c` `c tanh(scale q·k / c)`. A
//! query that sees nothing has the result 0 and the logarithm `-inf`.
//!
//! | operand | layout |
//! | --- | --- |
//! | q, o | `[tokens, q_heads, head_dim]`, the sequences one after the other |
//! | q_starts | `u32 [sequences + 1]`, where each sequence's tokens begin, and the end |
//! | dense k, v | `[tokens, kv_heads, head_dim]` |
//! | kv_starts | `u32 [sequences + 1]` |
//! | paged k, v | `[pages, kv_heads, 64, head_dim]` |
//! | table | `u32 [sequences, max_pages]`, the pages of a sequence |
//! | kv_lengths | `u32 [sequences]` |
//! | lse | `f32 [tokens, q_heads]` |
//!
//! Query head `h` uses the keys and values of head `h / (q_heads / kv_heads)`.
//!
//! Scores, maxima, sums and results are `f32` until the result is rounded once to the type of q; of
//! the weights `2^(s - largest so far)` the sum is of `f32`, and the product with the values of
//! weights rounded to the type of q, as in Dao, "FlashAttention-2" (2023), and Shah and others,
//! "FlashAttention-3" (2024). No buffer grows with the product of queries and keys. Cells of a page
//! behind the sequence's end may hold anything.
//!
//! | path | machines | |
//! | --- | --- | --- |
//! | [`Path::Wgmma`] | sm_90 | tensor copies and `wgmma`; there must be keys |
//! | [`Path::Mma`] | sm_80 | `cp.async` and `mma.sync` |
//!
//! Rows of tokens, [`Rows`] too, begin at multiples of 16 bytes.

mod mma;
mod reference;
mod tile;
mod wgmma;

use firesteel::TensorElement;
use firesteel::prelude::*;

pub use reference::{Attended, prefill_reference};

use crate::shape::{self, Error, Result};

/// Tokens of a page.
pub const PAGE: usize = tile::PAGE as usize;

/// The PTX of every kernel of the family.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let wgmma = wgmma::wgmma_kernel::INSTANCES.iter();
    wgmma.chain(mma::mma_kernel::INSTANCES.iter()).map(|kernel| kernel.ptx())
}

/// The kernel that attends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// `wgmma` and tensor copies.
    Wgmma,
    /// `mma.sync` and `cp.async`.
    Mma,
}

/// Where the rows of tokens are in a buffer, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// The first token's first element.
    pub offset: u32,
    /// From one token to the next.
    pub stride: u32,
}

/// What attention is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prefill {
    /// Heads of queries, a multiple of those of keys.
    pub q_heads: u32,
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Elements of a head: 64, 80, 96, 128 or 256.
    pub head_dim: u32,
    /// What scores are multiplied with; `None` for `1 / sqrt(head_dim)`.
    pub scale: Option<f32>,
    /// Whether a query sees no key behind its own position; so it is unless
    /// [`Prefill::everything`] says otherwise.
    pub causal: bool,
    /// How many keys up to its own position a query sees; `None` for all.
    pub window: Option<u32>,
    /// What bounds scores.
    pub softcap: Option<f32>,
    /// The most queries of a sequence, if they are known to be fewer than all tokens; those beyond
    /// get no result.
    pub longest: Option<u32>,
    /// Where queries, and dense keys and values, are; `None` if their rows lie one after the other.
    pub rows: Option<[Rows; 3]>,
    /// The kernel; `None` for the fastest.
    pub path: Option<Path>,
}

impl Prefill {
    /// Causal attention with the scale `1 / sqrt(head_dim)`.
    #[must_use]
    pub const fn new(q_heads: u32, kv_heads: u32, head_dim: u32) -> Self {
        Self {
            q_heads,
            kv_heads,
            head_dim,
            scale: None,
            causal: true,
            window: None,
            softcap: None,
            longest: None,
            rows: None,
            path: None,
        }
    }

    /// Scores multiplied with `scale`.
    #[must_use]
    pub const fn scale(self, scale: f32) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// Queries see keys behind them too.
    #[must_use]
    pub const fn everything(self) -> Self {
        Self { causal: false, ..self }
    }

    /// Queries see so many keys up to their own position.
    #[must_use]
    pub const fn window(self, keys: u32) -> Self {
        Self { window: Some(keys), ..self }
    }

    /// Scores `s` become `cap tanh(s / cap)`.
    #[must_use]
    pub const fn softcap(self, cap: f32) -> Self {
        Self { softcap: Some(cap), ..self }
    }

    /// No sequence has more queries than this.
    #[must_use]
    pub const fn longest(self, queries: u32) -> Self {
        Self { longest: Some(queries), ..self }
    }

    /// Queries, and dense keys and values, are rows of larger ones, of one buffer perhaps.
    #[must_use]
    pub const fn rows(self, q: Rows, k: Rows, v: Rows) -> Self {
        Self { rows: Some([q, k, v]), ..self }
    }

    /// By this kernel.
    #[must_use]
    pub const fn path(self, path: Path) -> Self {
        Self { path: Some(path), ..self }
    }

    /// What scores are multiplied with.
    #[must_use]
    pub fn score_scale(&self) -> f32 {
        self.scale.unwrap_or_else(|| (f64::from(self.head_dim)).sqrt().recip() as f32)
    }

    fn check(&self) -> Result<()> {
        let &Self { q_heads, kv_heads, head_dim, .. } = self;
        if !matches!(head_dim, 64 | 80 | 96 | 128 | 256) {
            return Err(Error::HeadDim { got: head_dim });
        }
        if kv_heads == 0 || q_heads == 0 || !q_heads.is_multiple_of(kv_heads) {
            return Err(Error::QueryHeads { q_heads, kv_heads });
        }
        for (what, value) in [("scale", self.scale), ("softcap", self.softcap)] {
            if let Some(got) = value.filter(|it| !(it.is_finite() && *it > 0.0)) {
                return Err(Error::Positive { what, got });
            }
        }
        if self.window == Some(0) {
            return Err(Error::Positive { what: "window", got: 0.0 });
        }
        Ok(())
    }

    /// The rows of queries, keys or values, and how many there are of them.
    fn rows_of(&self, at: usize, what: &'static str, len: usize) -> Result<(Rows, u32)> {
        let heads = if at == 0 { self.q_heads } else { self.kv_heads };
        let width = heads * self.head_dim;
        let rows = self.rows.map_or(Rows { offset: 0, stride: width }, |rows| rows[at]);
        if rows.stride < width {
            return Err(Error::RowStride { what, want: width as usize, got: rows.stride as usize });
        }
        if !(rows.offset.is_multiple_of(8) && rows.stride.is_multiple_of(8)) {
            return Err(Error::Layout {
                what: "prefill",
                why: "rows of q, k and v must begin at multiples of 16 bytes",
                help: "choose offsets and strides that are multiples of 8 elements",
            });
        }
        let len = shape::count(what, len)?;
        // The last row need not be followed by what is between rows.
        let count = match len.checked_sub(rows.offset) {
            Some(rest) if rest >= width => (rest - width) / rows.stride + 1,
            Some(_) | None => 0,
        };
        Ok((rows, count))
    }

    /// The scale of the kernels' scores, which are exponents of 2, and what comes before a cap.
    fn scales(&self) -> (f32, f32) {
        use std::f32::consts::LOG2_E;
        let scale = self.score_scale();
        match self.softcap {
            None => (scale * LOG2_E, 0.0),
            Some(cap) => (cap * LOG2_E, scale / cap * (2.0 * LOG2_E)),
        }
    }
}

/// Keys and values.
#[derive(Debug)]
pub enum Keys<'a, T> {
    /// The sequences' tokens one after the other.
    Dense {
        /// Keys.
        k: &'a GpuBuffer<T>,
        /// Values.
        v: &'a GpuBuffer<T>,
        /// Where each sequence's tokens begin, and the end.
        starts: &'a GpuBuffer<u32>,
    },
    /// Pages of [`PAGE`] tokens.
    Paged {
        /// Keys.
        k: &'a GpuBuffer<T>,
        /// Values.
        v: &'a GpuBuffer<T>,
        /// The pages of each sequence.
        table: &'a GpuBuffer<u32>,
        /// The tokens of each sequence.
        lengths: &'a GpuBuffer<u32>,
    },
}

/// The types of which there is attention.
pub trait Attend: TensorElement + sealed::Launch {}

mod sealed {
    use super::{Call, GpuBuffer, Path, Result, Stream};

    /// What a type's kernels are.
    pub trait Launch: Sized {
        /// Launches the kernel of a path.
        fn launch(
            stream: &Stream,
            path: Path,
            o: &mut GpuBuffer<Self>,
            lse: &mut GpuBuffer<f32>,
            call: &Call<'_, Self>,
        ) -> Result<()>;
    }
}

/// Operands that agree with each other.
#[derive(Debug)]
pub struct Call<'a, T> {
    prefill: &'a Prefill,
    q: &'a GpuBuffer<T>,
    k: &'a GpuBuffer<T>,
    v: &'a GpuBuffer<T>,
    rows: [Rows; 3],
    starts: &'a GpuBuffer<u32>,
    lengths: &'a GpuBuffer<u32>,
    table: &'a GpuBuffer<u32>,
    sequences: u32,
    tokens: u32,
    /// Tokens of dense keys.
    key_tokens: u32,
    /// Pages of paged keys.
    pages: u32,
    /// Pages that a sequence may have, 0 of dense keys.
    max_pages: u32,
}

/// `o = softmax(scale q kᵀ) v` for each sequence, on the path that is fastest on this device. `lse`
/// gets the natural logarithms of the sums of the scores' exponentials.
///
/// `q_starts` and what [`Keys`] has beside keys and values are read by the device alone: numbers
/// that lead beyond the tokens and pages there are stand for none. Tokens of `o` that are of no
/// sequence stay as they are.
///
/// # Errors
/// If heads are not those of [`Prefill`], a length differs from the shape, and what keeps the launch
/// from starting. [`Error::NoAttention`] says what a path of the caller's choice does not take.
pub fn prefill<T: Attend>(
    stream: &Stream,
    o: &mut GpuBuffer<T>,
    lse: Option<&mut GpuBuffer<f32>>,
    q: &GpuBuffer<T>,
    q_starts: &GpuBuffer<u32>,
    keys: &Keys<'_, T>,
    prefill: &Prefill,
) -> Result<()> {
    prefill.check()?;
    let none = GpuBuffer::empty(stream)?;
    let call = Call::new(prefill, o.len(), q, q_starts, keys, &none)?;
    let mut no_logarithms = GpuBuffer::empty(stream)?;
    let lse = match lse {
        Some(lse) => {
            shape::eq("lse", call.tokens as usize * prefill.q_heads as usize, lse.len())?;
            lse
        }
        None => &mut no_logarithms,
    };
    if call.tokens == 0 || call.sequences == 0 {
        return Ok(());
    }
    let capability = stream.device().info()?.compute_capability;
    let path = match prefill.path {
        Some(path) => path,
        None if wgmma::refusal(&call, capability).is_none() => Path::Wgmma,
        None => Path::Mma,
    };
    T::launch(stream, path, o, lse, &call)
}

impl<'a, T> Call<'a, T> {
    fn new(
        prefill: &'a Prefill,
        o_len: usize,
        q: &'a GpuBuffer<T>,
        starts: &'a GpuBuffer<u32>,
        keys: &Keys<'a, T>,
        none: &'a GpuBuffer<u32>,
    ) -> Result<Self> {
        shape::at_least("q_starts", 1, starts.len())?;
        let sequences = starts.len() - 1;
        let width = (prefill.q_heads * prefill.head_dim) as usize;
        let tokens = o_len / width;
        shape::eq("o", tokens * width, o_len)?;
        shape::count("o", o_len)?;
        let (of_q, q_tokens) = prefill.rows_of(0, "q", q.len())?;
        if prefill.rows.is_none() {
            shape::eq("q", o_len, q.len())?;
        } else if (q_tokens as usize) < tokens {
            let want = of_q.offset as usize + (tokens - 1) * of_q.stride as usize + width;
            return Err(Error::Short { what: "q", want, got: q.len() });
        }
        let (mut key_tokens, mut pages, mut max_pages) = (0, 0, 0);
        let (k, v, lengths, table) = match *keys {
            Keys::Dense { k, v, starts } => (k, v, starts, none),
            Keys::Paged { k, v, table, lengths } => (k, v, lengths, table),
        };
        let (of_k, k_tokens) = prefill.rows_of(1, "k", k.len())?;
        let (of_v, v_tokens) = prefill.rows_of(2, "v", v.len())?;
        let kv_width = (prefill.kv_heads * prefill.head_dim) as usize;
        match keys {
            Keys::Dense { .. } => {
                if prefill.rows.is_none() {
                    shape::eq("k", k_tokens as usize * kv_width, k.len())?;
                    shape::eq("v", k.len(), v.len())?;
                }
                shape::eq("kv_starts", sequences + 1, lengths.len())?;
                key_tokens = k_tokens.min(v_tokens);
            }
            Keys::Paged { .. } => {
                let page = kv_width * PAGE;
                pages = (k.len() / page) as u32;
                shape::eq("k", pages as usize * page, k.len())?;
                shape::at_least("k", page, k.len())?;
                shape::eq("v", k.len(), v.len())?;
                shape::eq("kv_lengths", sequences, lengths.len())?;
                max_pages = table.len().checked_div(sequences).unwrap_or(0) as u32;
                shape::eq("table", max_pages as usize * sequences, table.len())?;
            }
        }
        Ok(Self {
            prefill,
            q,
            k,
            v,
            rows: [of_q, of_k, of_v],
            starts,
            lengths,
            table,
            sequences: shape::count("q_starts", sequences)?,
            tokens: tokens as u32,
            key_tokens,
            pages,
            max_pages,
        })
    }

    /// Tiles of `rows` queries of the longest sequence, and of all heads of all sequences.
    fn tiles(&self, rows: u32) -> Result<(u32, u32)> {
        let tiles = self.prefill.longest.unwrap_or(self.tokens).min(self.tokens).div_ceil(rows);
        let all = tiles as usize * self.sequences as usize * self.prefill.q_heads as usize;
        Ok((tiles, shape::count("tiles of queries", all)?))
    }

    /// The window as kernels count.
    fn window(&self) -> i32 {
        const FAR: u32 = 1 << 30;
        self.prefill.window.unwrap_or(FAR).min(FAR) as i32
    }
}

/// Dispatches the kernels of a type.
macro_rules! halves {
    ($($half:ident)*) => {$(
        impl Attend for $half {}

        impl sealed::Launch for $half {
            fn launch(
                stream: &Stream,
                path: Path,
                o: &mut GpuBuffer<Self>,
                lse: &mut GpuBuffer<f32>,
                call: &Call<'_, Self>,
            ) -> Result<()> {
                match path {
                    Path::Wgmma => wgmma::$half(stream, o, lse, call),
                    Path::Mma => mma::$half(stream, o, lse, call),
                }
            }
        }
    )*};
}

halves!(f16 bf16);
