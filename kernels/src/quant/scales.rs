//! The 12 bytes with 8 scales and 8 minima of 6 bits that `q4_K` and `q5_K` have.
//!
//! Bytes 0 to 3 have the scales of groups 0 to 3 in their low 6 bits, bytes 4 to 7 the minima.
//! Bytes 8 to 11 have the low nibbles of scales (below) and minima of groups 4 to 7, whose high 2
//! bits are the high bits of bytes 0 to 3 and 4 to 7.
//!
//! Source: ggml, `get_scale_min_k4` in `ggml-quants.c`.

use firesteel::prelude::*;

/// The scale of group `j`.
#[gpu_fn]
pub fn scale_of(scales: &[u8; 12], j: u32) -> u32 {
    if j < 4 {
        scales[j] as u32 & 63
    } else {
        scales[j + 4] as u32 & 15 | scales[j - 4] as u32 >> 6 << 4
    }
}

/// The minimum of group `j`.
#[gpu_fn]
pub fn min_of(scales: &[u8; 12], j: u32) -> u32 {
    if j < 4 {
        scales[j + 4] as u32 & 63
    } else {
        scales[j + 4] as u32 >> 4 | scales[j] as u32 >> 6 << 4
    }
}
