//! Rows of numbers: where they lie, and how kernels read, add up and write them.
//!
//! A row comes in pieces of eight elements, which 16-byte accesses move, or of one where rows do not
//! lie so. A piece is `W` words of memory: 8 of `f32`, 4 of the 16-bit floats. With `W` 1 it is one element,
//! widened. `KIND` says which type it is.

use firesteel::prelude::*;

use crate::shape::{self, Error, Result};

/// Of the kinds of elements, `f32` is the first and `bf16` the third.
#[gpu_const]
const F16: u32 = 1;

/// Reads a piece; nobody but this thread writes it.
#[gpu_fn]
pub(crate) fn fetch<const W: usize, T: Float>(x: &[T], at: usize) -> [u32; W] {
    let words = cast_slice::<u32>(x);
    let mut piece = [0u32; W];
    if W == 1 {
        piece[0] = x[at].to_f32().to_bits();
    } else {
        for i in 0..W / 4 {
            let v = load_vec4_cs(words, at * W / 8 + i * 4);
            piece[i * 4] = v.x;
            piece[i * 4 + 1] = v.y;
            piece[i * 4 + 2] = v.z;
            piece[i * 4 + 3] = v.w;
        }
    }
    piece
}

/// The numbers of a piece; of a piece of one, the first.
#[gpu_fn]
pub(crate) fn numbers<const KIND: u32, const W: usize>(piece: [u32; W]) -> [f32; 8] {
    let mut x = [0.0f32; 8];
    for i in 0..W {
        if W == 4 {
            if KIND == F16 {
                let (low, high) = f16x2::from_bits(piece[i]).to_f32();
                x[2 * i] = low;
                x[2 * i + 1] = high;
            } else {
                x[2 * i] = f32::from_bits(piece[i] << 16);
                x[2 * i + 1] = f32::from_bits(piece[i] & 0xffff_0000);
            }
        } else {
            x[i] = f32::from_bits(piece[i]);
        }
    }
    x
}

/// Numbers as a piece, rounded to the nearest; one number is rounded as it is stored.
#[gpu_fn]
pub(crate) fn packed<const KIND: u32, const W: usize>(x: [f32; 8]) -> [u32; W] {
    let mut piece = [0u32; W];
    for i in 0..W {
        piece[i] = if W == 4 {
            if KIND == F16 {
                f16x2::from_f32(x[2 * i], x[2 * i + 1]).to_bits()
            } else {
                bf16x2::from_f32(x[2 * i], x[2 * i + 1]).to_bits()
            }
        } else {
            x[i].to_bits()
        };
    }
    piece
}

/// Writes a piece.
#[gpu_fn]
pub(crate) fn put<const W: usize, T: Float>(y: &mut [T], at: usize, piece: [u32; W]) {
    let words = cast_slice::<u32>(y);
    if W == 1 {
        y[at] = T::from_f32(f32::from_bits(piece[0]));
    } else {
        for i in 0..W / 4 {
            let v = u32x4::new(piece[i * 4], piece[i * 4 + 1], piece[i * 4 + 2], piece[i * 4 + 3]);
            store_vec4_cs(words, at * W / 8 + i * 4, v);
        }
    }
}

/// The value of `x` once it is of the type.
#[gpu_fn]
pub(crate) fn rounded<T: Float>(x: f32) -> f32 {
    T::from_f32(x).to_f32()
}

/// Where a row begins: they are those of `heads` heads for each token.
#[gpu_fn]
pub(crate) fn row_begin(row: u32, heads: u32, first: u32, stride: u32, head_stride: u32) -> usize {
    if heads == 1 {
        first as usize + row as usize * stride as usize
    } else {
        let (token, head) = (row / heads, row % heads);
        first as usize + token as usize * stride as usize + head as usize * head_stride as usize
    }
}

/// The sum over the `LANES` threads that share a row, 256 or a power of two up to 32, the same for
/// all of them. A block's `parts` are 16; calls that follow each other take turns with `half`.
#[gpu_fn]
pub(crate) fn sum_of_row<const LANES: u32>(x: f32, parts: &mut [f32], half: u32) -> f32 {
    let mut sum = x;
    for i in 0..LANES.min(32).ilog2() {
        sum += shfl_sync_bfly(sum, 1 << i, 32);
    }
    if LANES == 256 {
        if thread_idx_x() % 32 == 0 {
            parts[half * 8 + thread_idx_x() / 32] = sum;
        }
        bar_sync();
        let (a, b) = (load_vec4(parts, half * 8), load_vec4(parts, half * 8 + 4));
        sum = ((a.x + a.y) + (a.z + a.w)) + ((b.x + b.y) + (b.z + b.w));
    }
    sum
}

/// The largest over the threads that share a row, as [`sum_of_row`].
#[gpu_fn]
pub(crate) fn largest_of_row<const LANES: u32>(x: f32, parts: &mut [f32], half: u32) -> f32 {
    let mut most = x;
    for i in 0..LANES.min(32).ilog2() {
        most = most.max(shfl_sync_bfly(most, 1 << i, 32));
    }
    if LANES == 256 {
        if thread_idx_x() % 32 == 0 {
            parts[half * 8 + thread_idx_x() / 32] = most;
        }
        bar_sync();
        let (a, b) = (load_vec4(parts, half * 8), load_vec4(parts, half * 8 + 4));
        most = a.x.max(a.y).max(a.z.max(a.w)).max(b.x.max(b.y).max(b.z.max(b.w)));
    }
    most
}

/// The types that rows have: `f32`, `f16` and `bf16`. Kernels compute in `f32`.
pub trait Element:
    DeviceCopy
    + crate::elementwise::Launch
    + crate::norm::Launch
    + crate::rope::Launch
    + crate::softmax::Launch
{
}

impl Element for f32 {}
impl Element for f16 {}
impl Element for bf16 {}

/// Where the rows of an operand lie: row after row, or with gaps, or those of the heads of each
/// token, which a fused product leaves between others.
///
/// Head `h` of token `t` begins at element `first + t * stride + h * head_stride`. Where there are no
/// heads, a token is a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The element where the first row begins.
    pub first: usize,
    /// Elements from a token's first row to the next token's.
    pub stride: usize,
    /// Elements from a head's row to the next head's.
    pub head_stride: usize,
}

impl Rows {
    /// Rows of `n` elements one behind the other, of `heads` heads for each token.
    #[must_use]
    pub const fn dense(n: usize, heads: usize) -> Self {
        Self { first: 0, stride: n * heads, head_stride: n }
    }

    /// Tokens that begin `stride` elements apart, whose heads of `n` elements lie one behind the
    /// other from `first` on.
    #[must_use]
    pub const fn strided(n: usize, first: usize, stride: usize) -> Self {
        Self { first, stride, head_stride: n }
    }

    /// Compares these rows, of `n` elements, with an operand of `len`.
    pub(crate) fn check(
        &self,
        what: &'static str,
        (rows, heads, n): (usize, usize, usize),
        len: usize,
    ) -> Result<()> {
        if rows == 0 || n == 0 {
            return Ok(());
        }
        let tokens = rows / heads;
        if heads > 1 && self.head_stride < n {
            return Err(Error::RowStride { what, want: n, got: self.head_stride });
        }
        let token = (heads - 1) * self.head_stride + n;
        if tokens > 1 && self.stride < token {
            return Err(Error::RowStride { what, want: token, got: self.stride });
        }
        shape::at_least(what, self.first + (tokens - 1) * self.stride + token, len)?;
        shape::count(what, self.first)?;
        shape::count(what, self.stride.max(self.head_stride))?;
        Ok(())
    }

    /// Whether 16-byte accesses move the rows of a buffer.
    pub(crate) fn are_wide<T: DeviceCopy>(&self, of: &GpuBuffer<T>, n: usize) -> bool {
        let whole = |it: usize| it.is_multiple_of(8);
        of.address().is_multiple_of(16)
            && whole(n)
            && whole(self.first)
            && whole(self.stride)
            && whole(self.head_stride)
    }

    /// `first`, `stride`, `head_stride` as kernels count; checked before.
    pub(crate) fn words(&self) -> [u32; 3] {
        [self.first as u32, self.stride as u32, self.head_stride as u32]
    }
}
