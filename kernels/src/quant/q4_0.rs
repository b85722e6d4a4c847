//! `q4_0`: 4 bits around zero and a scale for 32 weights, 18 bytes.
//!
//! Source: ggml, `block_q4_0` in `ggml-common.h`, `dequantize_row_q4_0` in `ggml-quants.c`.

use firesteel::prelude::*;

/// 32 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ4_0 {
    /// The scale.
    pub d: f16,
    /// Codes: those of the first half of the weights in the low nibbles, of the second in the high ones.
    pub qs: [u8; 16],
}

#[gpu_struct]
impl BlockQ4_0 {
    /// The number of weights.
    pub const LEN: u32 = 32;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 8;

    /// The code of weight `i`, 0 to 15.
    pub fn code(&self, i: u32) -> u32 {
        self.qs[i % 16] as u32 >> (i / 16 * 4) & 15
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        (self.code(i) as i32 - Self::OFFSET) as f32 * self.d.to_f32()
    }
}
