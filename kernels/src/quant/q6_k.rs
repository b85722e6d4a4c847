//! `q6_K`: 6 bits around zero, 16 groups of 16 weights with a scale of 8 bits each, 210 bytes.
//!
//! Source: ggml, `block_q6_K` in `ggml-common.h`, `dequantize_row_q6_K` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::Block;
use super::fit::{NOTHING, fit_around};
use super::groups::{groups, wider};
use super::head::{Head, head_around};
use super::round::{level, nearest};
use super::stage::{
    RUN, UNITS, byte_at, copy_in, eight_at, floats, half_at, load8, scaled, store8,
};
use super::unpack::unpack_columns;

/// 256 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ6K {
    /// The low nibbles of the codes: a byte has those of two weights that are 64 apart.
    pub ql: [u8; 128],
    /// The high 2 bits of the codes: a byte has those of four weights that are 32 apart.
    pub qh: [u8; 64],
    /// The scale of each group.
    pub scales: [i8; 16],
    /// The scale of the scales.
    pub d: f16,
}

#[gpu_struct]
impl BlockQ6K {
    /// The number of weights.
    pub const LEN: u32 = 256;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 32;

    /// The code of weight `i`, 0 to 63.
    pub fn code(&self, i: u32) -> u32 {
        let low = self.ql[i / 128 * 64 + i % 64] as u32 >> (i / 64 % 2 * 4) & 15;
        let high = self.qh[i / 128 * 32 + i % 32] as u32 >> (i / 32 % 4 * 2) & 3;
        low | high << 4
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        let step = self.d.to_f32() * self.scales[i / 16] as f32;
        step * (self.code(i) as i32 - Self::OFFSET) as f32
    }
}

#[gpu_fn]
fn eight(words: &[u32], at: u32, i: u32, j: u32) -> [f32; 8] {
    let low = eight_at(words, 0, at + i / 128 * 64 + j % 2 * 32 + i % 32);
    let high = eight_at(words, 0, at + 128 + i / 128 * 32 + i % 32);
    let shift = j / 2 * 4;
    let codes = [
        low[0] >> shift & 0x0f0f_0f0f | (high[0] >> (2 * j) & 0x0303_0303) << 4,
        low[1] >> shift & 0x0f0f_0f0f | (high[1] >> (2 * j) & 0x0303_0303) << 4,
    ];
    let scale = byte_at(words, 0, at + 192 + i / 16 + 2 * j) as u8 as i8;
    scaled(floats(codes, 32.0), half_at(words, 0, at + 208) * scale as f32)
}

unpack_columns!(210 bytes);

#[gpu_fn]
fn fit(x: &[f32; 16], codes: &mut [u32; 16]) -> (f32, f32) {
    (fit_around::<16>(x, 32, codes), 0.0)
}

#[gpu_fn]
fn head(widest: f32, _most: f32) -> Head {
    head_around(widest, NOTHING, 128.0)
}

/// The scale as a byte.
#[gpu_fn]
fn group(head: Head, (scale, _): (f32, f32)) -> u32 {
    nearest(head.inverse * scale).min(127) as u32 & 255
}

#[gpu_fn]
fn encode(head: Head, group: u32, x: &[f32; 16], codes: &mut [u32; 16]) {
    let step = head.d * (group as u8 as i8) as f32;
    if head.inverse == 0.0 {
        for i in 0..16 {
            codes[i] = 0;
        }
    } else if step != 0.0 {
        for i in 0..16 {
            codes[i] = (level(x[i] / step, -32, 31) + 32.0) as u32;
        }
    }
}

#[gpu_fn]
fn byte(b: u32, code: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32, head: u32) -> u32 {
    if b < 128 {
        let at = b / 64 * 128 + b % 64;
        code(at) & 15 | (code(at + 64) & 15) << 4
    } else if b < 192 {
        let at = (b - 128) / 32 * 128 + b % 32;
        code(at) >> 4 | code(at + 32) >> 4 << 2 | code(at + 64) >> 4 << 4 | code(at + 96) >> 4 << 6
    } else if b < 208 {
        group(b - 192)
    } else {
        head >> ((b - 208) * 8) & 255
    }
}

groups!(BlockQ6K, 16 in 16, signed: true, 210 bytes, 128 threads);
