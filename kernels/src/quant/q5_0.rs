//! `q5_0`: 5 bits around zero and a scale for 32 weights, 22 bytes.
//!
//! Source: ggml, `block_q5_0` in `ggml-common.h`, `dequantize_row_q5_0` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::fit::widest;
use super::lanes::{put_high_bits, put_nibbles, widest_of_lanes};
use super::round::inverse;
use super::stage::{
    RUN, UNITS, byte_at, copy_in, copy_out, eight_at, floats, half_at, load8, scaled, spread,
    store8,
};
use super::unpack::unpack;

/// 32 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ5_0 {
    /// The scale.
    pub d: f16,
    /// Bit 4 of the code of weight `i`, in bit `i % 8` of byte `i / 8`.
    pub qh: [u8; 4],
    /// Codes: those of the first half of the weights in the low nibbles, of the second in the high ones.
    pub qs: [u8; 16],
}

#[gpu_struct]
impl BlockQ5_0 {
    /// The number of weights.
    pub const LEN: u32 = 32;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 16;

    /// The code of weight `i`, 0 to 31.
    pub fn code(&self, i: u32) -> u32 {
        let low = self.qs[i % 16] as u32 >> (i / 16 * 4) & 15;
        let high = self.qh[i / 8] as u32 >> (i % 8) & 1;
        low | high << 4
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        (self.code(i) as i32 - Self::OFFSET) as f32 * self.d.to_f32()
    }
}

#[gpu_fn]
fn eight(words: &[u32], skip: u32, at: u32, i: u32) -> [f32; 8] {
    let bytes = eight_at(words, skip, at + 6 + i % 16);
    let shift = i / 16 * 4;
    let high = byte_at(words, skip, at + 2 + i / 8);
    let codes = [
        bytes[0] >> shift & 0x0f0f_0f0f | spread(high) << 4,
        bytes[1] >> shift & 0x0f0f_0f0f | spread(high >> 4) << 4,
    ];
    scaled(floats(codes, 16.0), half_at(words, skip, at))
}

unpack!(32 weights in 22 bytes);

/// Of the widest weight: the scale, what weights are multiplied with, and what is added then.
#[gpu_fn]
fn head(widest: f32) -> (f32, f32, f32) {
    let d = widest / -16.0;
    let inverse = inverse(d);
    // Where the inverse is too large, ggml has code 0 on x86.
    if inverse.is_infinite() { (d, 0.0, 0.0) } else { (d, inverse, 16.5) }
}

#[gpu_fn]
fn encode(x: f32, inverse: f32, half: f32) -> u32 {
    ((x * inverse + half) as i32 as u32).min(31)
}

impl BlockQ5_0 {
    /// Packs weights.
    #[must_use]
    pub fn pack(x: &[f32; 32]) -> Self {
        let (d, inverse, half) = head(widest(x));
        let codes = x.map(|x| encode(x, inverse, half));
        let byte = |k: usize| (0..8).map(|i| (codes[8 * k + i] >> 4) << i).sum::<u32>() as u8;
        Self {
            d: f16::from_f32(d),
            qh: std::array::from_fn(byte),
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
    let words = shared_mem![u32; 352];
    let halves = cast_slice::<u16>(words);
    let first = block_idx_x() * (RUN / 32);
    let (at, lane) = (thread_idx_x() / 4 * 22, thread_idx_x() % 4);
    let x =
        load8::<KIND, T>(x, block_idx_x() as usize * RUN as usize + thread_idx_x() as usize * 8);
    let (d, inverse, half) = head(widest_of_lanes::<4>(&x));
    let mut codes = [0u32; 8];
    for i in 0..8 {
        codes[i] = encode(x[i], inverse, half);
    }
    put_nibbles(halves, at + 6, &codes);
    if lane == 0 {
        halves[at / 2] = f16::from_f32(d).to_bits();
    }
    put_high_bits(halves, at + 2, &codes);
    bar_sync();
    let n = (n_blocks - first).min(RUN / 32);
    copy_out(blocks, words, first as usize * 22, n * 22);
}
