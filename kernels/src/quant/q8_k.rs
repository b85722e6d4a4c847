//! `q8_K`: activations for integer products: 8 bits around zero, a scale for 256 values and sums of 16, 292 bytes.
//!
//! Source: ggml, `block_q8_K` in `ggml-common.h`, `dequantize_row_q8_K` in `ggml-quants.c`.

use firesteel::prelude::*;

/// 256 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ8K {
    /// The scale.
    pub d: f32,
    /// Codes, less 128.
    pub qs: [i8; 256],
    /// The sum of each 16 of `qs`.
    pub bsums: [i16; 16],
}

#[gpu_struct]
impl BlockQ8K {
    /// The number of weights.
    pub const LEN: u32 = 256;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 128;

    /// The code of weight `i`, 0 to 255.
    pub fn code(&self, i: u32) -> u32 {
        (self.qs[i] as i32 + 128) as u32
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        self.d * (self.code(i) as i32 - Self::OFFSET) as f32
    }
}
