//! `q3_K`: 3 bits around zero, 16 groups of 16 weights with a scale of 6 bits each, 110 bytes.
//!
//! Source: ggml, `block_q3_K` in `ggml-common.h`, `dequantize_row_q3_K` in `ggml-quants.c`.

use firesteel::prelude::*;

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
