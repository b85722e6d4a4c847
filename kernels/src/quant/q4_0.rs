//! `q4_0`: 4 bits around zero and a scale for 32 weights, 18 bytes.
//!
//! Source: ggml, `block_q4_0` in `ggml-common.h`, `dequantize_row_q4_0` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::fit::widest;
use super::lanes::{put_nibbles, widest_of_lanes};
use super::round::inverse;
use super::stage::{
    RUN, UNITS, copy_in, copy_out, eight_at, floats, half_at, load8, scaled, store8,
};
use super::unpack::unpack;

/// 32 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ4_0 {
    /// The scale.
    pub d: f16,
    /// Codes: those of the first half of the weights in the low nibbles, of the second in the high ones.
    pub qs: [u8; 16],
}

#[gpu_struct]
impl BlockQ4_0 {
    /// The number of weights.
    pub const LEN: u32 = 32;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 8;

    /// The code of weight `i`, 0 to 15.
    pub fn code(&self, i: u32) -> u32 {
        self.qs[i % 16] as u32 >> (i / 16 * 4) & 15
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        (self.code(i) as i32 - Self::OFFSET) as f32 * self.d.to_f32()
    }
}

#[gpu_fn]
fn eight(words: &[u32], skip: u32, at: u32, i: u32) -> [f32; 8] {
    let bytes = eight_at(words, skip, at + 2 + i % 16);
    let shift = i / 16 * 4;
    let codes = [bytes[0] >> shift & 0x0f0f_0f0f, bytes[1] >> shift & 0x0f0f_0f0f];
    scaled(floats(codes, 8.0), half_at(words, skip, at))
}

unpack!(32 weights in 18 bytes);

/// Of the widest weight: the scale, what weights are multiplied with, and what is added then.
#[gpu_fn]
fn head(widest: f32) -> (f32, f32, f32) {
    let d = widest / -8.0;
    let inverse = inverse(d);
    // Where the inverse is too large, ggml has code 0 on x86.
    if inverse.is_infinite() { (d, 0.0, 0.0) } else { (d, inverse, 8.5) }
}

#[gpu_fn]
fn encode(x: f32, inverse: f32, half: f32) -> u32 {
    ((x * inverse + half) as i32 as u32).min(15)
}

impl BlockQ4_0 {
    /// Packs weights.
    #[must_use]
    pub fn pack(x: &[f32; 32]) -> Self {
        let (d, inverse, half) = head(widest(x));
        let codes = x.map(|x| encode(x, inverse, half));
        Self {
            d: f16::from_f32(d),
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
    let words = shared_mem![u32; 288];
    let halves = cast_slice::<u16>(words);
    let first = block_idx_x() * (RUN / 32);
    let (at, lane) = (thread_idx_x() / 4 * 18, thread_idx_x() % 4);
    let x =
        load8::<KIND, T>(x, block_idx_x() as usize * RUN as usize + thread_idx_x() as usize * 8);
    let (d, inverse, half) = head(widest_of_lanes::<4>(&x));
    let mut codes = [0u32; 8];
    for i in 0..8 {
        codes[i] = encode(x[i], inverse, half);
    }
    put_nibbles(halves, at + 2, &codes);
    if lane == 0 {
        halves[at / 2] = f16::from_f32(d).to_bits();
    }
    bar_sync();
    let n = (n_blocks - first).min(RUN / 32);
    copy_out(blocks, words, first as usize * 18, n * 18);
}
