//! `q6_K`: 6 bits around zero, 16 groups of 16 weights with a scale of 8 bits each, 210 bytes.
//!
//! Source: ggml, `block_q6_K` in `ggml-common.h`, `dequantize_row_q6_K` in `ggml-quants.c`.

use firesteel::prelude::*;

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
