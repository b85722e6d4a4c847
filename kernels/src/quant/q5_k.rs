//! `q5_K`: 5 bits, 8 groups of 32 weights with a scale and a minimum of 6 bits each, 176 bytes.
//!
//! Source: ggml, `block_q5_K` in `ggml-common.h`, `dequantize_row_q5_K` in `ggml-quants.c`.

use firesteel::prelude::*;

use super::scales::{min_of, scale_of};

/// 256 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ5K {
    /// The scale of the scales.
    pub d: f16,
    /// The scale of the minima.
    pub dmin: f16,
    /// Scales and minima, as [`scale_of`] and [`min_of`] unpack them.
    pub scales: [u8; 12],
    /// Bit 4 of the codes: bit `i / 32` of byte `i % 32` for weight `i`.
    pub qh: [u8; 32],
    /// The low nibbles of the codes: a byte has those of two weights that are 32 apart.
    pub qs: [u8; 128],
}

#[gpu_struct]
impl BlockQ5K {
    /// The number of weights.
    pub const LEN: u32 = 256;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 0;

    /// The code of weight `i`, 0 to 31.
    pub fn code(&self, i: u32) -> u32 {
        let low = self.qs[i / 64 * 32 + i % 32] as u32 >> (i / 32 % 2 * 4) & 15;
        let high = self.qh[i % 32] as u32 >> (i / 32) & 1;
        low | high << 4
    }

    /// The scale of group `j`, 0 to 63.
    pub fn scale(&self, j: u32) -> u32 {
        scale_of(&self.scales, j)
    }

    /// The minimum of group `j`, 0 to 63.
    pub fn min(&self, j: u32) -> u32 {
        min_of(&self.scales, j)
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        let step = self.d.to_f32() * self.scale(i / 32) as f32;
        step * self.code(i) as f32 - self.dmin.to_f32() * self.min(i / 32) as f32
    }
}
