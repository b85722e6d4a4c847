//! `q8_0`: 8 bits around zero and a scale for 32 weights, 34 bytes.
//!
//! Source: ggml, `block_q8_0` in `ggml-common.h`, `dequantize_row_q8_0` in `ggml-quants.c`.

use firesteel::prelude::*;

/// 32 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ8_0 {
    /// The scale.
    pub d: f16,
    /// Codes, less 128.
    pub qs: [i8; 32],
}

#[gpu_struct]
impl BlockQ8_0 {
    /// The number of weights.
    pub const LEN: u32 = 32;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 128;

    /// The code of weight `i`, 0 to 255.
    pub fn code(&self, i: u32) -> u32 {
        (self.qs[i] as i32 + 128) as u32
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        (self.code(i) as i32 - Self::OFFSET) as f32 * self.d.to_f32()
    }
}
