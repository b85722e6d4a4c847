//! New tokens: their queries, keys and values normalised, rotated, rounded and stored, in one launch.

use firesteel::prelude::*;

use super::{KvLayer, NO_SLOT, PAGE, Pages};
use crate::shape::{self, Error, Result};

/// Elements of a head that a lane has, at most.
#[gpu_const]
const EACH: u32 = 8;
/// Warps of a block.
#[gpu_const]
const WARPS: u32 = 4;

/// The element of `row` that goes with element `e` in a rotation, with its sign, and the number of
/// the angle. `half` pairs are rotated: neighbours, or elements `half` apart.
#[gpu_fn]
fn partner(row: &[f32], first: u32, e: u32, half: u32, interleaved: bool) -> (f32, u32) {
    if interleaved {
        let other = row[first + (e ^ 1)];
        (if e % 2 == 0 { -other } else { other }, e / 2)
    } else if e < half {
        (-row[first + e + half], e)
    } else {
        (row[first + e - half], e - half)
    }
}

/// A warp takes a head of a token: queries first, then keys, then values.
#[gpu_kernel(
    block_size = 128,
    arch = "sm_90",
    instances(
        X = [f32, f16, bf16],
        (Q8 = false, T = f16, O = f16),
        (Q8 = false, T = bf16, O = bf16),
        (Q8 = false, T = e4m3, O = f16),
        (Q8 = false, T = e4m3, O = bf16),
        (Q8 = true, T = i8, O = f16),
        (Q8 = true, T = i8, O = bf16)
    )
)]
pub(super) fn write_kernel<const Q8: bool, X: Float, T: Scalar, O: Half>(
    q_out: &mut [O],
    k_pages: &mut [T],
    v_pages: &mut [T],
    k_scales: &mut [f32],
    v_scales: &mut [f32],
    q: &[X],
    k: &[X],
    v: &[X],
    q_weight: &[f32],
    k_weight: &[f32],
    inv_freq: &[f32],
    positions: &[u32],
    slots: &[u32],
    tokens: u32,
    q_heads: u32,
    kv_heads: u32,
    head_dim: u32,
    q_first: u32,
    q_row: u32,
    q_head: u32,
    k_first: u32,
    k_row: u32,
    k_head: u32,
    v_first: u32,
    v_row: u32,
    v_head: u32,
    eps: f32,
    weight_offset: f32,
    rope_scale: f32,
    interleaved: bool,
    k_inverse: f32,
    v_inverse: f32,
) {
    let rows = shared_mem![f32; WARPS * EACH * 32];
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let at = block_idx_x() * WARPS + warp;
    let heads = q_heads + 2 * kv_heads;
    grid_dependency_launch();
    grid_dependency_wait();
    if at >= tokens * heads {
        return;
    }
    let (token, head) = (at / heads, at % heads);
    let (is_q, is_v) = (head < q_heads, head >= q_heads + kv_heads);
    let slot = if is_q { 0 } else { slots[token] };
    if slot == NO_SLOT {
        return;
    }
    let kv_head = if is_q { 0 } else { (head - q_heads) % kv_heads };
    let mut x = [0.0f32; EACH as usize];
    #[unroll]
    for j in 0..EACH {
        let e = lane + j * 32;
        if e < head_dim {
            x[j] = if is_q {
                q[q_first + token * q_row + head * q_head + e] as f32
            } else if is_v {
                v[v_first + token * v_row + kv_head * v_head + e] as f32
            } else {
                k[k_first + token * k_row + kv_head * k_head + e] as f32
            };
        }
    }

    let has_norm = !is_v && if is_q { q_weight.len() > 0 } else { k_weight.len() > 0 };
    if has_norm {
        let mut square = 0.0f32;
        #[unroll]
        for j in 0..EACH {
            square = x[j].mul_add(x[j], square);
        }
        let inverse = (warp_reduce_sum(square) / head_dim as f32 + eps).sqrt().recip();
        #[unroll]
        for j in 0..EACH {
            let e = lane + j * 32;
            if e < head_dim {
                let weight = if is_q { q_weight[e] } else { k_weight[e] };
                x[j] *= inverse * (weight_offset + weight);
            }
        }
    }

    if !is_v && inv_freq.len() > 0 {
        let half = inv_freq.len() as u32;
        let first = warp * (EACH * 32);
        #[unroll]
        for j in 0..EACH {
            rows[first + lane + j * 32] = x[j];
        }
        warp_sync();
        let position = positions[token] as f32;
        #[unroll]
        for j in 0..EACH {
            let e = lane + j * 32;
            if e < 2 * half {
                let (other, i) = partner(rows, first, e, half, interleaved);
                let angle = position * inv_freq[i];
                x[j] = rope_scale * x[j].mul_add(angle.cos(), other * angle.sin());
            }
        }
    }

    if is_q {
        #[unroll]
        for j in 0..EACH {
            let e = lane + j * 32;
            if e < head_dim {
                q_out[(token * q_heads + head) * head_dim + e] = x[j] as O;
            }
        }
        return;
    }
    let cell = (slot / PAGE * kv_heads + kv_head) * PAGE + slot % PAGE;
    let mut inverse = if is_v { v_inverse } else { k_inverse };
    if Q8 {
        let mut largest = 0.0f32;
        #[unroll]
        for j in 0..EACH {
            largest = largest.max(x[j].abs());
        }
        let scale = warp_reduce_max(largest) / 127.0;
        inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        if lane == 0 {
            if is_v {
                v_scales[cell] = scale;
            } else {
                k_scales[cell] = scale;
            }
        }
    }
    // Caches have more elements than 32 bits count.
    let first = cell as usize * head_dim as usize;
    #[unroll]
    for j in 0..EACH {
        let e = lane + j * 32;
        if e < head_dim {
            let scaled = x[j] * inverse;
            let value = if Q8 { scaled.round() as T } else { scaled as T };
            if is_v {
                v_pages[first + e as usize] = value;
            } else {
                k_pages[first + e as usize] = value;
            }
        }
    }
}

/// Heads of tokens in a buffer: element `e` of head `h` of token `t` is at
/// `first + t * row_stride + h * head_stride + e`.
#[derive(Debug)]
pub struct Heads<'a, X> {
    buffer: &'a GpuBuffer<X>,
    first: usize,
    row_stride: usize,
    head_stride: usize,
}

impl<X> Clone for Heads<'_, X> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X> Copy for Heads<'_, X> {}

impl<'a, X: DeviceCopy> Heads<'a, X> {
    /// `[tokens, heads, head_dim]`, of which a row begins `row_stride` elements after the one before
    /// and the first at `first`: those of queries, keys and values that lie side by side.
    #[must_use]
    pub fn new(buffer: &'a GpuBuffer<X>, first: usize, row_stride: usize, head_dim: usize) -> Self {
        Self { buffer, first, row_stride, head_stride: head_dim }
    }

    /// The same heads, each beginning `elements` after the one before, as where a gate lies behind
    /// each query.
    #[must_use]
    pub fn head_stride(self, elements: usize) -> Self {
        Self { head_stride: elements, ..self }
    }

    fn check(&self, what: &'static str, (tokens, heads): (usize, usize), dim: usize) -> Result<()> {
        let last = (tokens - 1) * self.row_stride + (heads - 1) * self.head_stride + dim;
        shape::count(what, self.buffer.len())?;
        shape::at_least(what, self.first + last, self.buffer.len())
    }
}

/// The norm of each head of queries and keys by itself, as in Qwen3:
/// `x / sqrt(mean(x²) + eps) * (offset + weight)`.
#[derive(Debug, Clone, Copy)]
pub struct HeadNorm<'a> {
    /// The weights of queries, `[head_dim]`.
    pub q: &'a GpuBuffer<f32>,
    /// The weights of keys, `[head_dim]`.
    pub k: &'a GpuBuffer<f32>,
    /// What is added to the mean.
    pub eps: f32,
    /// 0, or 1 where weights are stored without it.
    pub offset: f32,
}

/// The rotation of queries and keys by their positions: of pair `i` by `position * inv_freq[i]`.
#[derive(Debug, Clone, Copy)]
pub struct Rope<'a> {
    /// An angle a position for each pair; with fewer than `head_dim / 2`, the elements behind the
    /// pairs stay as they are.
    pub inv_freq: &'a GpuBuffer<f32>,
    /// What results are multiplied by; 1 but for YaRN.
    pub scale: f32,
    /// Pairs are neighbours (GPT-J), or elements `inv_freq.len()` apart (NeoX).
    pub interleaved: bool,
}

/// Queries, keys and values of new tokens, before norm and rotation.
#[derive(Debug)]
pub struct NewTokens<'a, X> {
    /// Queries, `[tokens, q_heads, head_dim]`.
    pub q: Heads<'a, X>,
    /// Keys, `[tokens, kv_heads, head_dim]`.
    pub k: Heads<'a, X>,
    /// Values, `[tokens, kv_heads, head_dim]`.
    pub v: Heads<'a, X>,
    /// Heads of queries.
    pub q_heads: usize,
    /// The position of each token.
    pub positions: &'a GpuBuffer<u32>,
    /// The slot of each token, or [`NO_SLOT`] where keys and values are not written.
    pub slots: &'a GpuBuffer<u32>,
    /// The norm of heads, if there is one.
    pub norm: Option<HeadNorm<'a>>,
    /// The rotation, if there is one.
    pub rope: Option<Rope<'a>>,
}

impl<X: DeviceCopy> NewTokens<'_, X> {
    /// Operands fit; the number of tokens.
    fn check(&self, q_len: usize, layer: &KvLayer) -> Result<usize> {
        let (tokens, dim) = (self.slots.len(), layer.shape.head_dim);
        shape::range("heads of queries", (1, usize::MAX), self.q_heads)?;
        shape::eq("positions", tokens, self.positions.len())?;
        shape::eq("q_out", tokens * self.q_heads * dim, q_len)?;
        shape::count("q_out", q_len)?;
        if tokens > 0 {
            let (q, kv) = ((tokens, self.q_heads), (tokens, layer.shape.kv_heads));
            self.q.check("q", q, dim)?;
            self.k.check("k", kv, dim)?;
            self.v.check("v", kv, dim)?;
            shape::count("heads of all tokens", tokens * (self.q_heads + 2 * kv.1))?;
        }
        if let Some(norm) = &self.norm {
            shape::eq("norm.q", dim, norm.q.len())?;
            shape::eq("norm.k", dim, norm.k.len())?;
        }
        if let Some(rope) = &self.rope {
            shape::range("pairs of a rotation", (1, dim / 2), rope.inv_freq.len())?;
        }
        Ok(tokens)
    }
}

/// Stores keys and values of new tokens in their slots, and their queries in
/// `q_out [tokens, q_heads, head_dim]`, each normalised and rotated as `new` says; values are
/// neither.
///
/// All is computed in `f32` from the operands and rounded once, when it is stored. In
/// [`KvFormat::E4m3`](super::KvFormat::E4m3) a number is divided by the layer's scale and what is
/// too large becomes the largest number; in [`KvFormat::Q8`](super::KvFormat::Q8) a cell's scale is
/// its largest absolute value over 127. Two tokens must not have the same slot. Queries are of the
/// type of the cache, or of 16 bits where that has 8.
///
/// Sources: RMSNorm, Zhang and Sennrich 2019, equation 4, of each head as in transformers'
/// `Qwen3Attention`; rotation, Su et al. 2021, section 3.2.2, in pairs as in GPT-NeoX or GPT-J.
///
/// # Errors
/// If lengths do not fit, [`Error::KvFormat`] for queries of another type than the cache takes,
/// [`Error::Machine`] before compute capability 9.0; and those of the device, such as a slot beyond
/// the pages.
pub fn write<X: WriteElement, O: WriteElement>(
    stream: &Stream,
    q_out: &mut GpuBuffer<O>,
    layer: &mut KvLayer,
    new: &NewTokens<'_, X>,
) -> Result<()> {
    let tokens = new.check(q_out.len(), layer)?;
    let info = stream.device().info()?;
    if info.compute_capability.0 < 9 {
        let got = info.compute_capability;
        return Err(Error::Machine { what: "kv::write", needs: (9, 0), got });
    }
    if tokens == 0 {
        return Ok(());
    }
    X::launch(stream, Out { q: O::queries(q_out), layer }, new)
}

/// Queries of the types that a kernel writes.
#[derive(Debug)]
#[doc(hidden)]
pub enum Queries<'a> {
    /// `f16`.
    F16(&'a mut GpuBuffer<f16>),
    /// `bf16`.
    Bf16(&'a mut GpuBuffer<bf16>),
    /// None that it writes.
    F32,
}

/// Where results go.
#[derive(Debug)]
#[doc(hidden)]
pub struct Out<'a> {
    q: Queries<'a>,
    layer: &'a mut KvLayer,
}

/// The types that queries, keys and values have before they are stored: `f32`, `f16` and `bf16`;
/// queries are stored in the latter two.
pub trait WriteElement: sealed::Launch {}

mod sealed {
    use super::{DeviceCopy, GpuBuffer, NewTokens, Out, Queries, Result, Stream};

    /// What a type's kernels are.
    pub trait Launch: DeviceCopy {
        /// A buffer of queries.
        fn queries(buffer: &mut GpuBuffer<Self>) -> Queries<'_>;
        /// Writes tokens whose lengths are right.
        fn launch(stream: &Stream, out: Out<'_>, new: &NewTokens<'_, Self>) -> Result<()>;
    }
}

macro_rules! elements {
    ($($x:ident $queries:expr;)*) => {$(
        impl WriteElement for $x {}

        impl sealed::Launch for $x {
            fn queries(buffer: &mut GpuBuffer<Self>) -> Queries<'_> {
                $queries(buffer)
            }

            fn launch(stream: &Stream, out: Out<'_>, new: &NewTokens<'_, Self>) -> Result<()> {
                let Out { q, layer } = out;
                let shape = layer.shape;
                let tokens = new.slots.len() as u32;
                let heads = [new.q_heads as u32, shape.kv_heads as u32, shape.head_dim as u32];
                let [q_at, k_at, v_at] = [&new.q, &new.k, &new.v]
                    .map(|it| [it.first, it.row_stride, it.head_stride].map(|it| it as u32));
                let none = GpuBuffer::empty(stream)?;
                let (mut no_k, mut no_v) = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
                let (eps, offset) = new.norm.map_or((0.0, 0.0), |it| (it.eps, it.offset));
                let q_weight = new.norm.map_or(&none, |it| it.q);
                let k_weight = new.norm.map_or(&none, |it| it.k);
                let inv_freq = new.rope.map_or(&none, |it| it.inv_freq);
                let (scale, pairs) = new.rope.map_or((1.0, false), |it| (it.scale, it.interleaved));
                let warps = tokens * (heads[0] + 2 * heads[1]);
                let config = LaunchConfig::new([warps.div_ceil(WARPS), 1, 1])
                    .with_programmatic_dependent_launch();
                macro_rules! go {
                    ($q8:literal, $t:ident, $o:ident, $to:expr, $k:expr, $v:expr, $ks:expr,
                     $vs:expr, $ki:expr, $vi:expr) => {
                        write_kernel::launch_on::<$q8, $x, $t, $o>(
                            stream, config, $to, $k, $v, $ks, $vs, new.q.buffer, new.k.buffer,
                            new.v.buffer, q_weight, k_weight, inv_freq, new.positions, new.slots,
                            tokens, heads[0], heads[1], heads[2], q_at[0], q_at[1], q_at[2],
                            k_at[0], k_at[1], k_at[2], v_at[0], v_at[1], v_at[2], eps, offset,
                            scale, pairs, $ki, $vi,
                        )
                    };
                }
                let (no_k, no_v) = (&mut no_k, &mut no_v);
                match (&mut layer.k, &mut layer.v, q) {
                    (Pages::F16(k), Pages::F16(v), Queries::F16(to)) => {
                        go!(false, f16, f16, to, k, v, no_k, no_v, 1.0, 1.0)?;
                    }
                    (Pages::Bf16(k), Pages::Bf16(v), Queries::Bf16(to)) => {
                        go!(false, bf16, bf16, to, k, v, no_k, no_v, 1.0, 1.0)?;
                    }
                    (Pages::E4m3(k, ks), Pages::E4m3(v, vs), Queries::F16(to)) => {
                        go!(false, e4m3, f16, to, k, v, no_k, no_v, 1.0 / *ks, 1.0 / *vs)?;
                    }
                    (Pages::E4m3(k, ks), Pages::E4m3(v, vs), Queries::Bf16(to)) => {
                        go!(false, e4m3, bf16, to, k, v, no_k, no_v, 1.0 / *ks, 1.0 / *vs)?;
                    }
                    (Pages::Q8(k, ks), Pages::Q8(v, vs), Queries::F16(to)) => {
                        go!(true, i8, f16, to, k, v, ks, vs, 1.0, 1.0)?;
                    }
                    (Pages::Q8(k, ks), Pages::Q8(v, vs), Queries::Bf16(to)) => {
                        go!(true, i8, bf16, to, k, v, ks, vs, 1.0, 1.0)?;
                    }
                    (Pages::F16(_) | Pages::Bf16(_) | Pages::E4m3(..) | Pages::Q8(..), ..) => {
                        let format = layer.format();
                        return Err(Error::KvQueries { want: format.queries(), format });
                    }
                }
                Ok(())
            }
        }
    )*};
}

elements! {
    f32 |_| Queries::F32;
    f16 Queries::F16;
    bf16 Queries::Bf16;
}
