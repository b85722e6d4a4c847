//! `q5_0`: 5 bits around zero and a scale for 32 weights, 22 bytes.
//!
//! Source: ggml, `block_q5_0` in `ggml-common.h`, `dequantize_row_q5_0` in `ggml-quants.c`.

use firesteel::prelude::*;

/// 32 weights in ggml's bytes.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockQ5_0 {
    /// The scale.
    pub d: f16,
    /// Bit 4 of the code of weight `i`, in bit `i % 8` of byte `i / 8`.
    pub qh: [u8; 4],
    /// Codes: those of the first half of the weights in the low nibbles, of the second in the high ones.
    pub qs: [u8; 16],
}

#[gpu_struct]
impl BlockQ5_0 {
    /// The number of weights.
    pub const LEN: u32 = 32;
    /// What is subtracted from a code.
    pub const OFFSET: i32 = 16;

    /// The code of weight `i`, 0 to 31.
    pub fn code(&self, i: u32) -> u32 {
        let low = self.qs[i % 16] as u32 >> (i / 16 * 4) & 15;
        let high = self.qh[i / 8] as u32 >> (i % 8) & 1;
        low | high << 4
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        (self.code(i) as i32 - Self::OFFSET) as f32 * self.d.to_f32()
    }
}
