//! `q4_1`: 4 bits from the smallest weight on and a scale for 32 weights, 20 bytes.
//!
//! Source: ggml, `block_q4_1` in `ggml-common.h`, `dequantize_row_q4_1` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::lanes::{put_nibbles, range, range_of_lanes};
use super::round::inverse;
use super::stage::{
    RUN, UNITS, aligned_eight_at, copy_in, copy_out, floats, halves_at, load8, scaled_and, store8,
};
use super::unpack::unpack;

/// 32 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ4_1 {
    /// The scale.
    pub d: f16,
    /// The smallest weight.
    pub m: f16,
    /// Codes: those of the first half of the weights in the low nibbles, of the second in the high ones.
    pub qs: [u8; 16],
}

#[gpu_struct]
impl BlockQ4_1 {
    /// The number of weights.
    pub const LEN: u32 = 32;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 0;

    /// The code of weight `i`, 0 to 15.
    pub fn code(&self, i: u32) -> u32 {
        self.qs[i % 16] as u32 >> (i / 16 * 4) & 15
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        self.code(i) as f32 * self.d.to_f32() + self.m.to_f32()
    }
}

#[gpu_fn]
fn eight(words: &[u32], skip: u32, at: u32, i: u32) -> [f32; 8] {
    let bytes = aligned_eight_at(words, skip, at + 4 + i % 16);
    let shift = i / 16 * 4;
    let codes = [bytes[0] >> shift & 0x0f0f_0f0f, bytes[1] >> shift & 0x0f0f_0f0f];
    let (d, m) = halves_at(words, skip, at);
    scaled_and(floats(codes, 0.0), d, m)
}

unpack!(32 weights in 20 bytes);

/// Of the smallest and the largest weight: the scale, and what differences are multiplied with.
#[gpu_fn]
fn head(low: f32, high: f32) -> (f32, f32) {
    let d = (high - low) / 15.0;
    let inverse = inverse(d);
    // Where the inverse is too large, ggml has code 0 on x86.
    if inverse.is_infinite() { (d, 0.0) } else { (d, inverse) }
}

#[gpu_fn]
fn encode(x: f32, low: f32, inverse: f32) -> u32 {
    (((x - low) * inverse + 0.5) as i32 as u32).min(15)
}

impl BlockQ4_1 {
    /// Packs weights.
    #[must_use]
    pub fn pack(x: &[f32; 32]) -> Self {
        let (low, high) = range(x);
        let (d, inverse) = head(low, high);
        let codes = x.map(|x| encode(x, low, inverse));
        Self {
            d: f16::from_f32(d),
            m: f16::from_f32(low),
            qs: std::array::from_fn(|i| (codes[i] & 15 | (codes[i + 16] & 15) << 4) as u8),
        }
    }
}

/// Packs: a thread has eight weights.
#[gpu_kernel(
    block_size = 256,
    unchecked,
    instances((KIND = 0, T = f32), (KIND = 1, T = f16), (KIND = 2, T = bf16))
)]
pub(super) fn quantize_kernel<const KIND: u32, T: Float>(
    blocks: &mut [u8],
    x: &[T],
    n_blocks: u32,
) {
    let words = shared_mem![u32; 320];
    let halves = cast_slice::<u16>(words);
    let first = block_idx_x() * (RUN / 32);
    let (at, lane) = (thread_idx_x() / 4 * 20, thread_idx_x() % 4);
    let x =
        load8::<KIND, T>(x, block_idx_x() as usize * RUN as usize + thread_idx_x() as usize * 8);
    let (low, high) = range_of_lanes(&x);
    let (d, inverse) = head(low, high);
    let mut codes = [0u32; 8];
    for i in 0..8 {
        codes[i] = encode(x[i], low, inverse);
    }
    put_nibbles(halves, at + 4, &codes);
    if lane == 0 {
        halves[at / 2] = f16::from_f32(d).to_bits();
        halves[at / 2 + 1] = f16::from_f32(low).to_bits();
    }
    bar_sync();
    let n = (n_blocks - first).min(RUN / 32);
    copy_out(blocks, words, first as usize * 20, n * 20);
}
