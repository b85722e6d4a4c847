//! The 12 bytes with 8 scales and 8 minima of 6 bits that `q4_K` and `q5_K` have.
//!
//! Bytes 0 to 3 have the scales of groups 0 to 3 in their low 6 bits, bytes 4 to 7 the minima.
//! Bytes 8 to 11 have the low nibbles of scales (below) and minima of groups 4 to 7, whose high 2
//! bits are the high bits of bytes 0 to 3 and 4 to 7.
//!
//! Source: ggml, `get_scale_min_k4` in `ggml-quants.c`.

use firesteel::prelude::*;

/// The scale of group `j`; `byte(k)` is byte `k` of the twelve.
#[gpu_fn]
pub fn scale_of(byte: impl Fn(u32) -> u32, j: u32) -> u32 {
    if j < 4 { byte(j) & 63 } else { byte(j + 4) & 15 | byte(j - 4) >> 6 << 4 }
}

/// The minimum of group `j`; `byte(k)` is byte `k` of the twelve.
#[gpu_fn]
pub fn min_of(byte: impl Fn(u32) -> u32, j: u32) -> u32 {
    if j < 4 { byte(j + 4) & 63 } else { byte(j + 4) >> 4 | byte(j) >> 6 << 4 }
}

/// Both of group `j` of a half of the block, of the twelve bytes as words.
#[gpu_fn]
pub(super) fn scale_and_min(words: [u32; 3], half: u32, j: u32) -> (u32, u32) {
    let (a, b, c) = (words[0] >> (8 * j), words[1] >> (8 * j), words[2] >> (8 * j));
    if half == 0 { (a & 63, b & 63) } else { (c & 15 | a >> 2 & 48, c >> 4 & 15 | b >> 2 & 48) }
}

/// Byte `k` of the twelve. A word of a group has its minimum 8 bits above its scale.
#[gpu_fn]
pub fn byte_of_scales(k: u32, group: impl Fn(u32) -> u32) -> u32 {
    if k < 4 {
        group(k) & 63 | (group(k + 4) & 48) << 2
    } else if k < 8 {
        group(k - 4) >> 8 & 63 | (group(k) >> 8 & 48) << 2
    } else {
        group(k - 4) & 15 | (group(k - 4) >> 8 & 15) << 4
    }
}

/// A byte as a number. A function, since a closure with a cast works in kernels only.
#[gpu_fn]
pub fn number(byte: u8) -> u32 {
    byte as u32
}
