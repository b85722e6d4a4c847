//! `q3_K`: 3 bits around zero, 16 groups of 16 weights with a scale of 6 bits each, 110 bytes.
//!
//! Source: ggml, `block_q3_K` in `ggml-common.h`, `dequantize_row_q3_K` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::Block;
use super::fit::fit_by_moves;
use super::groups::{groups, wider};
use super::head::{Head, head_around};
use super::round::level;
use super::stage::{
    RUN, UNITS, byte_at, copy_in, eight_at, floats, half_at, load8, scaled, store8,
};
use super::unpack::unpack_columns;

/// 256 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ3K {
    /// Bit 2 of the codes: bit `i / 32` of byte `i % 32` for weight `i`.
    pub hmask: [u8; 32],
    /// The low 2 bits of the codes: a byte has those of four weights that are 32 apart.
    pub qs: [u8; 64],
    /// The scales, 32 more than they are: the low nibbles of groups 0 to 7 and, above them, of the
    /// others; then the high 2 bits of four groups a byte, which are 4 apart.
    pub scales: [u8; 12],
    /// The scale of the scales.
    pub d: f16,
}

#[gpu_struct]
impl BlockQ3K {
    /// The number of weights.
    pub const LEN: u32 = 256;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 4;

    /// The code of weight `i`, 0 to 7.
    pub fn code(&self, i: u32) -> u32 {
        let low = self.qs[i / 128 * 32 + i % 32] as u32 >> (i / 32 % 4 * 2) & 3;
        let high = self.hmask[i % 32] as u32 >> (i / 32) & 1;
        low | high << 2
    }

    /// The scale of group `j`.
    pub fn scale(&self, j: u32) -> i32 {
        let low = self.scales[j % 8] as u32 >> (j / 8 * 4) & 15;
        let high = self.scales[8 + j % 4] as u32 >> (j / 4 * 2) & 3;
        (low | high << 4) as i32 - 32
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        let step = self.d.to_f32() * self.scale(i / 16) as f32;
        step * (self.code(i) as i32 - Self::OFFSET) as f32
    }
}

#[gpu_fn]
fn eight(words: &[u32], at: u32, i: u32, j: u32) -> [f32; 8] {
    let low = eight_at(words, 0, at + 32 + i / 128 * 32 + i % 32);
    let high = eight_at(words, 0, at + i % 32);
    let bit = i / 128 * 4;
    let codes = [
        low[0] >> (2 * j) & 0x0303_0303 | (high[0] >> bit >> j & 0x0101_0101) << 2,
        low[1] >> (2 * j) & 0x0303_0303 | (high[1] >> bit >> j & 0x0101_0101) << 2,
    ];
    // Group i / 16 + 2 j, of which 8 begin at each half of the block.
    let low = byte_at(words, 0, at + 96 + i / 16 % 2 + 2 * j) >> bit & 15;
    let high = byte_at(words, 0, at + 104 + i / 16 % 2 + 2 * (j % 2)) >> bit >> (j / 2 * 2) & 3;
    let scale = (low | high << 4) as i32 - 32;
    scaled(floats(codes, 4.0), half_at(words, 0, at + 108) * scale as f32)
}

unpack_columns!(110 bytes);

#[gpu_fn]
fn fit(x: &[f32; 16], codes: &mut [u32; 16]) -> (f32, f32) {
    (fit_by_moves(x, codes), 0.0)
}

#[gpu_fn]
fn head(widest: f32, _most: f32) -> Head {
    head_around(widest, 0.0, 32.0)
}

/// The scale, 32 more than it is; 0 where all are 0.
#[gpu_fn]
fn group(head: Head, (scale, _): (f32, f32)) -> u32 {
    if head.inverse == 0.0 { 0 } else { (level(head.inverse * scale, -32, 31) + 32.0) as u32 }
}

#[gpu_fn]
fn encode(head: Head, group: u32, x: &[f32; 16], codes: &mut [u32; 16]) {
    let step = head.d * (group as i32 - 32) as f32;
    if step != 0.0 {
        for i in 0..16 {
            codes[i] = (level(x[i] / step, -4, 3) + 4.0) as u32;
        }
    }
}

#[gpu_fn]
fn byte(b: u32, code: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32, head: u32) -> u32 {
    if b < 32 {
        let mut bits = 0;
        for k in 0..8u32 {
            bits |= code(b + 32 * k) >> 2 << k;
        }
        bits
    } else if b < 96 {
        let at = (b - 32) / 32 * 128 + b % 32;
        code(at) & 3
            | (code(at + 32) & 3) << 2
            | (code(at + 64) & 3) << 4
            | (code(at + 96) & 3) << 6
    } else if b < 104 {
        group(b - 96) & 15 | (group(b - 88) & 15) << 4
    } else if b < 108 {
        let j = b - 104;
        group(j) >> 4 | group(j + 4) >> 4 << 2 | group(j + 8) >> 4 << 4 | group(j + 12) >> 4 << 6
    } else {
        head >> ((b - 108) * 8) & 255
    }
}

groups!(BlockQ3K, 16 in 16, signed: true, 110 bytes, 128 threads);
