//! `q8_1`: activations for integer products: 8 bits around zero, a scale and a sum for 32 values, 36 bytes.
//!
//! Source: ggml, `block_q8_1` in `ggml-common.h`, `dequantize_row_q8_1` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::fit::widest;
use super::lanes::{bytes_of, largest_of_lanes, put8};
use super::round::{byte_code, head_of_bytes};
use super::stage::{
    RUN, UNITS, aligned_eight_at, copy_in, copy_out, floats, half_at, load8, scaled, store8,
};
use super::unpack::unpack;

/// 32 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ8_1 {
    /// The scale.
    pub d: f16,
    /// The scale times the sum of `qs`.
    pub s: f16,
    /// Codes, less 128.
    pub qs: [i8; 32],
}

#[gpu_struct]
impl BlockQ8_1 {
    /// The number of weights.
    pub const LEN: u32 = 32;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 128;

    /// The code of weight `i`, 0 to 255.
    pub fn code(&self, i: u32) -> u32 {
        (self.qs[i] as i32 + 128) as u32
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        (self.code(i) as i32 - Self::OFFSET) as f32 * self.d.to_f32()
    }
}

#[gpu_fn]
fn eight(words: &[u32], skip: u32, at: u32, i: u32) -> [f32; 8] {
    let bytes = aligned_eight_at(words, skip, at + 4 + i);
    let codes = [bytes[0] ^ 0x8080_8080, bytes[1] ^ 0x8080_8080];
    scaled(floats(codes, 128.0), half_at(words, skip, at))
}

unpack!(32 weights in 36 bytes);

impl BlockQ8_1 {
    /// Packs values.
    #[must_use]
    pub fn pack(x: &[f32; 32]) -> Self {
        let (d, inverse) = head_of_bytes(widest(x));
        let qs = x.map(|x| byte_code(x, inverse) as i8);
        let sum: i32 = qs.iter().copied().map(i32::from).sum();
        Self { d: f16::from_f32(d), s: f16::from_f32(sum as f32 * d), qs }
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
    let words = shared_mem![u32; 576];
    let halves = cast_slice::<u16>(words);
    let first = block_idx_x() * (RUN / 32);
    let (at, lane) = (thread_idx_x() / 4 * 36, thread_idx_x() % 4);
    let x =
        load8::<KIND, T>(x, block_idx_x() as usize * RUN as usize + thread_idx_x() as usize * 8);
    let (d, inverse) = head_of_bytes(largest_of_lanes(&x));
    let mut codes = [0u32; 8];
    let mut sum = 0;
    for i in 0..8 {
        let code = byte_code(x[i], inverse);
        sum += code;
        codes[i] = code as u32;
    }
    put8(halves, at + 4 + lane * 8, bytes_of(&codes));
    sum += shfl_sync_bfly(sum, 1, 32);
    sum += shfl_sync_bfly(sum, 2, 32);
    if lane == 0 {
        halves[at / 2] = f16::from_f32(d).to_bits();
        halves[at / 2 + 1] = f16::from_f32(sum as f32 * d).to_bits();
    }
    bar_sync();
    let n = (n_blocks - first).min(RUN / 32);
    copy_out(blocks, words, first as usize * 36, n * 36);
}
