//! `q2_K`: 2 bits, 16 groups of 16 weights with a scale and a minimum of 4 bits each, 84 bytes.
//!
//! Source: ggml, `block_q2_K` in `ggml-common.h`, `dequantize_row_q2_K` in `ggml-quants.c`.

use firesteel::prelude::*;

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
