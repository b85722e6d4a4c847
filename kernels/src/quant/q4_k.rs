//! `q4_K`: 4 bits, 8 groups of 32 weights with a scale and a minimum of 6 bits each, 144 bytes.
//!
//! Source: ggml, `block_q4_K` in `ggml-common.h`, `dequantize_row_q4_K` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::Block;
use super::fit::fit_above;
use super::groups::{groups, wider};
use super::head::{Head, head_above, scale_code};
use super::round::level;
use super::scales::{byte_of_scales, min_of, number, scale_and_min, scale_of};
use super::stage::{
    RUN, UNITS, byte_at, copy_in, floats, halves_at, load8, scaled_and, store8, whole_eight_at,
};
use super::unpack::unpack_columns;

/// 256 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ4K {
    /// The scale of the scales.
    pub d: f16,
    /// The scale of the minima.
    pub dmin: f16,
    /// Scales and minima, as [`scale_of`] and [`min_of`] unpack them.
    pub scales: [u8; 12],
    /// Codes: a byte has those of two weights that are 32 apart.
    pub qs: [u8; 128],
}

#[gpu_struct]
impl BlockQ4K {
    /// The number of weights.
    pub const LEN: u32 = 256;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 0;

    /// The code of weight `i`, 0 to 15.
    pub fn code(&self, i: u32) -> u32 {
        self.qs[i / 64 * 32 + i % 32] as u32 >> (i / 32 % 2 * 4) & 15
    }

    /// The scale of group `j`, 0 to 63.
    pub fn scale(&self, j: u32) -> u32 {
        scale_of(|k| number(self.scales[k]), j)
    }

    /// The minimum of group `j`, 0 to 63.
    pub fn min(&self, j: u32) -> u32 {
        min_of(|k| number(self.scales[k]), j)
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        let step = self.d.to_f32() * self.scale(i / 32) as f32;
        step * self.code(i) as f32 - self.dmin.to_f32() * self.min(i / 32) as f32
    }
}

#[gpu_fn]
fn eight(words: &[u32], at: u32, i: u32, j: u32) -> [f32; 8] {
    let bytes = whole_eight_at(words, 0, at + 16 + i / 128 * 64 + j / 2 * 32 + i % 32);
    let shift = j % 2 * 4;
    let codes = [bytes[0] >> shift & 0x0f0f_0f0f, bytes[1] >> shift & 0x0f0f_0f0f];
    let scales = [words[at / 4 + 1], words[at / 4 + 2], words[at / 4 + 3]];
    let (scale, min) = scale_and_min(scales, i / 128, j);
    let (d, dmin) = halves_at(words, 0, at);
    scaled_and(floats(codes, 0.0), d * scale as f32, -(dmin * min as f32))
}

unpack_columns!(144 bytes);

/// Scale and minimum of a group. An error counts as much as its weight and the mean one.
#[gpu_fn]
fn fit(x: &[f32; 32], codes: &mut [u32; 32]) -> (f32, f32) {
    let mut squares = 0.0f32;
    for i in 0..32 {
        squares += x[i] * x[i];
    }
    let mean = (squares / 32.0).sqrt();
    fit_above::<32, false>(x, |x| mean + x.abs(), (15, -1.0, 20), codes)
}

#[gpu_fn]
fn head(widest: f32, most: f32) -> Head {
    head_above(widest, most, 63.0)
}

/// The scale, and the minimum 8 bits above it.
#[gpu_fn]
fn group(head: Head, (scale, low): (f32, f32)) -> u32 {
    scale_code(head.inverse, scale, 63) | scale_code(head.inverse_min, low, 63) << 8
}

#[gpu_fn]
fn encode(head: Head, group: u32, x: &[f32; 32], codes: &mut [u32; 32]) {
    let step = head.d * (group & 255) as f32;
    if step != 0.0 {
        let min = head.dmin * (group >> 8) as f32;
        for i in 0..32 {
            codes[i] = level((x[i] + min) / step, 0, 15) as u32;
        }
    }
}

#[gpu_fn]
fn byte(b: u32, code: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32, head: u32) -> u32 {
    if b < 4 {
        head >> (b * 8) & 255
    } else if b < 16 {
        byte_of_scales(b - 4, |j| group(j))
    } else {
        let at = (b - 16) / 32 * 64 + (b - 16) % 32;
        code(at) | code(at + 32) << 4
    }
}

groups!(BlockQ4K, 32 in 8, signed: false, 144 bytes, 64 threads);
