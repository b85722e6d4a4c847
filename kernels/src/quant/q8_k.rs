//! `q8_K`: activations for integer products: 8 bits around zero, a scale for 256 values and sums of 16, 292 bytes.
//!
//! Source: ggml, `block_q8_K` in `ggml-common.h`, `dequantize_row_q8_K` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::fit::widest;
use super::lanes::{bytes_of, put8, widest_of_lanes};
use super::round::nearest;
use super::stage::{
    RUN, UNITS, aligned_eight_at, copy_in, copy_out, floats, load8, scaled, store8,
};
use super::unpack::unpack_columns;

/// 256 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ8K {
    /// The scale.
    pub d: f32,
    /// Codes, less 128.
    pub qs: [i8; 256],
    /// The sum of each 16 of `qs`.
    pub bsums: [i16; 16],
}

#[gpu_struct]
impl BlockQ8K {
    /// The number of weights.
    pub const LEN: u32 = 256;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 128;

    /// The code of weight `i`, 0 to 255.
    pub fn code(&self, i: u32) -> u32 {
        (self.qs[i] as i32 + 128) as u32
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        self.d * (self.code(i) as i32 - Self::OFFSET) as f32
    }
}

#[gpu_fn]
fn eight(words: &[u32], at: u32, i: u32, j: u32) -> [f32; 8] {
    let bytes = aligned_eight_at(words, 0, at + 4 + i + 32 * j);
    let codes = [bytes[0] ^ 0x8080_8080, bytes[1] ^ 0x8080_8080];
    scaled(floats(codes, 128.0), f32::from_bits(words[at / 4]))
}

unpack_columns!(292 bytes);

/// Of the widest value, which has the code -127: the scale, and what values are multiplied with.
#[gpu_fn]
fn head(widest: f32) -> (f32, f32) {
    if widest == 0.0 {
        (0.0, 0.0)
    } else {
        let inverse = -127.0 / widest;
        (1.0 / inverse, inverse)
    }
}

#[gpu_fn]
fn encode(x: f32, inverse: f32) -> i32 {
    nearest(inverse * x).min(127)
}

impl BlockQ8K {
    /// Packs values.
    #[must_use]
    pub fn pack(x: &[f32; 256]) -> Self {
        let (d, inverse) = head(widest(x));
        let qs = x.map(|x| encode(x, inverse) as i8);
        let sum = |j: usize| qs[16 * j..][..16].iter().copied().map(i16::from).sum();
        Self { d, qs, bsums: std::array::from_fn(sum) }
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
    let words = shared_mem![u32; 584];
    let halves = cast_slice::<u16>(words);
    let first = block_idx_x() * (RUN / 256);
    let (at, lane) = (thread_idx_x() / 32 * 292, thread_idx_x() % 32);
    let x =
        load8::<KIND, T>(x, block_idx_x() as usize * RUN as usize + thread_idx_x() as usize * 8);
    let (d, inverse) = head(widest_of_lanes::<32>(&x));
    let mut codes = [0u32; 8];
    let mut sum = 0;
    for i in 0..8 {
        // As a byte, so that what ggml cuts off is not in the sum.
        let code = encode(x[i], inverse) as i8 as i32;
        sum += code;
        codes[i] = code as u32;
    }
    put8(halves, at + 4 + lane * 8, bytes_of(&codes));
    sum += shfl_sync_bfly(sum, 1, 32);
    if lane % 2 == 0 {
        halves[at / 2 + 130 + lane / 2] = sum as u16;
    }
    if lane == 0 {
        words[at / 4] = d.to_bits();
    }
    bar_sync();
    let n = (n_blocks - first).min(RUN / 256);
    copy_out(blocks, words, first as usize * 292, n * 292);
}
