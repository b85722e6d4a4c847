//! `q2_K`: 2 bits, 16 groups of 16 weights with a scale and a minimum of 4 bits each, 84 bytes.
//!
//! Source: ggml, `block_q2_K` in `ggml-common.h`, `dequantize_row_q2_K` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::Block;
use super::fit::fit_above;
use super::groups::{groups, wider};
use super::head::{Head, head_above, scale_code};
use super::round::level;
use super::stage::{
    RUN, UNITS, aligned_eight_at, byte_at, copy_in, floats, halves_at, load8, scaled_and, store8,
};
use super::unpack::unpack_columns;

/// 256 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ2K {
    /// Of each group the scale in the low nibble, the minimum in the high one.
    pub scales: [u8; 16],
    /// The codes: a byte has those of four weights that are 32 apart.
    pub qs: [u8; 64],
    /// The scale of the scales.
    pub d: f16,
    /// The scale of the minima.
    pub dmin: f16,
}

#[gpu_struct]
impl BlockQ2K {
    /// The number of weights.
    pub const LEN: u32 = 256;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 0;

    /// The code of weight `i`, 0 to 3.
    pub fn code(&self, i: u32) -> u32 {
        self.qs[i / 128 * 32 + i % 32] as u32 >> (i / 32 % 4 * 2) & 3
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        let scale = self.scales[i / 16] as u32;
        let step = self.d.to_f32() * (scale & 15) as f32;
        step * self.code(i) as f32 - self.dmin.to_f32() * (scale >> 4) as f32
    }
}

#[gpu_fn]
fn eight(words: &[u32], at: u32, i: u32, j: u32) -> [f32; 8] {
    let bytes = aligned_eight_at(words, 0, at + 16 + i / 128 * 32 + i % 32);
    let codes = [bytes[0] >> (2 * j) & 0x0303_0303, bytes[1] >> (2 * j) & 0x0303_0303];
    let (d, dmin) = halves_at(words, 0, at + 80);
    let scale = byte_at(words, 0, at + i / 16 + 2 * j);
    scaled_and(floats(codes, 0.0), d * (scale & 15) as f32, -(dmin * (scale >> 4) as f32))
}

unpack_columns!(84 bytes);

/// Scale and minimum of a group. An error counts as much as its weight.
#[gpu_fn]
fn fit(x: &[f32; 16], codes: &mut [u32; 16]) -> (f32, f32) {
    fit_above::<16, true>(x, |x| x.abs(), (3, -0.5, 15), codes)
}

#[gpu_fn]
fn head(widest: f32, most: f32) -> Head {
    head_above(widest, most, 15.0)
}

/// The scale, and the minimum 4 bits above it.
#[gpu_fn]
fn group(head: Head, (scale, low): (f32, f32)) -> u32 {
    scale_code(head.inverse, scale, 15) | scale_code(head.inverse_min, low, 15) << 4
}

#[gpu_fn]
fn encode(head: Head, group: u32, x: &[f32; 16], codes: &mut [u32; 16]) {
    let step = head.d * (group & 15) as f32;
    if step != 0.0 {
        let min = head.dmin * (group >> 4) as f32;
        for i in 0..16 {
            codes[i] = level((x[i] + min) / step, 0, 3) as u32;
        }
    }
}

#[gpu_fn]
fn byte(b: u32, code: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32, head: u32) -> u32 {
    if b < 16 {
        group(b)
    } else if b < 80 {
        let at = (b - 16) / 32 * 128 + (b - 16) % 32;
        code(at) | code(at + 32) << 2 | code(at + 64) << 4 | code(at + 96) << 6
    } else {
        head >> ((b - 80) * 8) & 255
    }
}

groups!(BlockQ2K, 16 in 16, signed: false, 84 bytes, 128 threads);
