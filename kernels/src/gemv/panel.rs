//! How kernels read panels: tiles of 16 rows by 256 columns of quantised weights, whose codes lie
//! as the fragments of `mma` want them.
//!
//! A panel holds what the blocks of its weights hold, bit for bit, in another order:
//!
//! - The planes, low bits of the codes first. In a plane of `b` bits, piece `p` of 512 bytes gives
//!   each lane 16 bytes, whose word `w` holds register `w` of the left fragments of steps
//!   `8 / b * p + i`, at the bits `b * i` of each byte.
//! - The scales, as [`scale`] reads them.
//!
//! A step is 32 columns. In a fragment's register `w`, byte `e` of lane `4 g + t` is row
//! `g + 8 (w % 2)` and, of the step, column `8 t + 4 (w / 2) + e` where scales are for 32 columns, or
//! `16 (w / 2) + 4 t + e` where they are for 16.

use firesteel::prelude::*;

use super::formats::{D, D6, D8, DM, DM4, DM6, LAYOUTS, MINIMA, WIDE};

/// Any group, for [`scale`].
#[gpu_const]
pub(super) const ANY: u32 = 2;

/// The bits of one plane in a word of four codes: those of step `i`, moved up by `up`.
#[gpu_fn]
fn bits<const BITS: u32>(word: u32, i: u32, up: u32) -> u32 {
    let mask = (((1 << BITS) - 1) << up) * 0x0101_0101;
    let down = BITS * i;
    if down >= up { (word >> (down - up)) & mask } else { (word << (up - down)) & mask }
}

/// A register of a left fragment. Codes of formats without minima, which lie in panels with their
/// highest bit inverted, become signed numbers, `2^UP` times what they stand for; the others stay as
/// they are.
#[gpu_fn]
pub(super) fn codes<const LOW: u32, const HIGH: u32, const SIGNED: bool>(
    (low, i): (u32, u32),
    (high, j): (u32, u32),
) -> u32 {
    const UP: u32 = if SIGNED { 8 - LOW - HIGH } else { 0 };
    if LOW == 8 {
        low
    } else {
        let low: u32 = bits::<LOW>(low, i, UP);
        let mut codes = low;
        if HIGH != 0 {
            let high: u32 = bits::<HIGH>(high, j, UP + LOW);
            codes |= high;
        }
        codes
    }
}

#[gpu_fn]
fn low_half(word: u32) -> f32 {
    f16::from_bits(word as u16).to_f32()
}

#[gpu_fn]
fn high_half(word: u32) -> f32 {
    f16::from_bits((word >> 16) as u16).to_f32()
}

/// One of the halves of a run that begins at a word.
#[gpu_fn]
fn half(words: &[u32], at: u32, i: u32) -> f32 {
    low_half(words[at + i / 2] >> (i % 2 * 16))
}

/// What [`scale`] wants of a row at once, if it is asked for `ALL` groups of the row or for some.
/// `at` is the first word of the panel's scales.
#[gpu_fn]
pub(super) fn header<const FORMAT: u32, const ALL: bool>(
    words: &[u32],
    at: u32,
    row: u32,
) -> [u32; 8] {
    const SCALES: u32 = LAYOUTS[FORMAT as usize][2];
    if SCALES == DM6 {
        let all = load_vec4(words, at + row * 4);
        // As ggml packs them: 6 bits of the first four, and of the others 4 and 2.
        let scales = all.w & 0x0f0f_0f0f | all.y >> 2 & 0x3030_3030;
        let minima = all.w >> 4 & 0x0f0f_0f0f | all.z >> 2 & 0x3030_3030;
        [all.x, all.y & 0x3f3f_3f3f, scales, all.z & 0x3f3f_3f3f, minima, 0, 0, 0]
    } else if SCALES == D8 {
        let all = load_vec4(words, at + row * 4);
        let d = half(words, at + 64, row);
        [all.x, all.y, all.z, all.w, d.to_bits(), 0, 0, 0]
    } else if SCALES == D6 {
        let of_row = at + row * 3;
        let d = half(words, at + 48, row);
        [words[of_row], words[of_row + 1], words[of_row + 2], 0, d.to_bits(), 0, 0, 0]
    } else if SCALES == DM4 {
        let all = load_vec4(words, at + row * 4);
        [all.x, all.y, all.z, all.w, words[at + 64 + row], 0, 0, 0]
    } else if SCALES == WIDE {
        [words[at + row], 0, 0, 0, 0, 0, 0, 0]
    } else if !ALL {
        [0; 8]
    } else if SCALES == DM {
        let (a, b) = (load_vec4(words, at + row * 8), load_vec4(words, at + row * 8 + 4));
        [a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w]
    } else {
        let all = load_vec4(words, at + row * 4);
        [all.x, all.y, all.z, all.w, 0, 0, 0, 0]
    }
}

/// `d` times a byte less `less`. The byte is the last of `bits`, those of 2^15 plus the byte as a
/// float, whose product with `d`, a number of 11 bits, is exact.
#[gpu_fn]
fn times(d: f32, bits: u32, less: f32) -> f32 {
    d.mul_add(f32::from_bits(bits), -d * (32_768.0 + less))
}

/// [`times`] byte `j` of four.
#[gpu_fn]
fn times_byte(d: f32, four: u32, j: u32, less: f32) -> f32 {
    times(d, prmt(four, 0x4700_0000, 0x7404 | j << 4), less)
}

/// [`times`] the 8 last bits of a word, the others of which are zero.
#[gpu_fn]
fn times_bits(d: f32, bits: u32, less: f32) -> f32 {
    times(d, bits << 8 | 0x4700_0000, less)
}

/// The scale of a row's group `j + e`, and what is to be subtracted for each weight of it; scales
/// are those of what [`codes`] gives, times [`unit`]. `at` is the first word of the panel's scales.
/// `from` is the first of the groups of which `j` may be one, at most 8 from a multiple of their
/// number on: known when the kernel is compiled, as `j` need not be unless `ALL` are asked for.
/// `e` is [`ANY`], or for two in turn, the first of which is an even `j`, 0 and then 1: most of their
/// work is the same.
///
/// | scales | layout, `r` a row of 16 |
/// | --- | --- |
/// | [`D`] | `d[r][8]`, f16 |
/// | [`DM`] | `(d, m)[r][8]`, f16 |
/// | [`DM6`] | for each row `d`, `dmin`, then ggml's 12 bytes of scales and minima |
/// | [`D6`] | for each row the low 4 bits of 16 scales, their 2 high bits; then `d[r]` |
/// | [`DM4`] | for each row 16 bytes of scale and minimum, 4 bits each; then `(d, dmin)[r]` |
/// | [`D8`] | `scale[r][16]` plus 128, u8; then `d[r]` |
/// | [`WIDE`] | `d[r]`, f32 |
#[gpu_fn]
pub(super) fn scale<const FORMAT: u32, const ALL: bool>(
    words: &[u32],
    at: u32,
    header: [u32; 8],
    row: u32,
    (from, j, e): (u32, u32, u32),
) -> (f32, f32) {
    const SCALES: u32 = LAYOUTS[FORMAT as usize][2];
    let next = if e == 1 { 1 } else { 0u32 };
    // Four or eight of the row's groups; `from` tells which, or of two in turn `j`.
    let of_first_four = if e == ANY { from % 8 < 4 } else { j % 8 < 4 };
    if SCALES == D {
        let word = if ALL { header[from / 2] } else { words[at + row * 4 + j / 2] };
        let word = if e == ANY { word >> (j % 2 * 16) } else { word };
        (if e == 1 { high_half(word) } else { low_half(word) }, 0.0)
    } else if SCALES == DM {
        let word = if ALL { header[from] } else { words[at + row * 8 + j + next] };
        (low_half(word), -high_half(word))
    } else if SCALES == DM6 {
        let (scales, minima) =
            if of_first_four { (header[1], header[3]) } else { (header[2], header[4]) };
        (
            times_byte(low_half(header[0]), scales, j % 4 + next, 0.0),
            times_byte(high_half(header[0]), minima, j % 4 + next, 0.0),
        )
    } else if SCALES == D8 {
        let four = if of_first_four { header[from / 8 * 2] } else { header[from / 8 * 2 + 1] };
        (times_byte(f32::from_bits(header[4]), four, j % 4 + next, 128.0), 0.0)
    } else if SCALES == WIDE {
        (f32::from_bits(header[0]), 0.0)
    } else if SCALES == D6 {
        let low = header[from / 8] >> (j % 8 * 4 + next * 4) & 15;
        let high = header[2] >> (j * 2 + next * 2) & 3;
        (times_bits(f32::from_bits(header[4]), low | high << 4, 32.0), 0.0)
    } else {
        let four = if of_first_four { header[from / 8 * 2] } else { header[from / 8 * 2 + 1] };
        let both = four >> (j % 4 * 8 + next * 8) & 255;
        (
            times_bits(low_half(header[4]), both & 15, 0.0),
            times_bits(high_half(header[4]), both >> 4, 0.0),
        )
    }
}

/// What a sum of products of [`codes`] and [`scale`] is multiplied by.
#[gpu_fn]
pub(super) fn unit<const FORMAT: u32>() -> f32 {
    const BITS: u32 = LAYOUTS[FORMAT as usize][0] + LAYOUTS[FORMAT as usize][1];
    if MINIMA[LAYOUTS[FORMAT as usize][2] as usize] { 1.0 } else { 1.0 / (1 << (8 - BITS)) as f32 }
}

/// Word `i` of the scales that lie as [`D`].
#[gpu_fn]
pub(super) fn d_word(i: u32, d: impl Fn(u32, u32) -> u32) -> u32 {
    let (row, j) = (i / 4, i % 4 * 2);
    d(row, j) | d(row, j + 1) << 16
}

/// Word `i` of the scales that lie as [`DM`].
#[gpu_fn]
pub(super) fn dm_word(i: u32, d: impl Fn(u32, u32) -> u32, m: impl Fn(u32, u32) -> u32) -> u32 {
    d(i / 8, i % 8) | m(i / 8, i % 8) << 16
}

/// Word `i` of the scales that lie as [`DM6`].
#[gpu_fn]
pub(super) fn dm6_word(
    i: u32,
    d: impl Fn(u32) -> u32,
    dmin: impl Fn(u32) -> u32,
    scale: impl Fn(u32, u32) -> u32,
    minimum: impl Fn(u32, u32) -> u32,
) -> u32 {
    let (row, w) = (i / 4, i % 4);
    let mut word = 0u32;
    if w == 0 {
        word = d(row) | dmin(row) << 16;
    } else {
        #[no_unroll]
        for e in 0..4u32 {
            let first = if w == 1 { scale(row, e) } else { minimum(row, e) };
            let last = if w == 1 { scale(row, e + 4) } else { minimum(row, e + 4) };
            let bits = if w == 3 {
                scale(row, e + 4) & 15 | (minimum(row, e + 4) & 15) << 4
            } else {
                first | last >> 4 << 6
            };
            word |= bits << (8 * e);
        }
    }
    word
}

/// Word `i` of the scales that lie as [`D8`]; they are 0 to 255.
#[gpu_fn]
pub(super) fn d8_word(i: u32, d: impl Fn(u32) -> u32, scale: impl Fn(u32, u32) -> u32) -> u32 {
    let mut word = 0u32;
    if i < 64 {
        #[no_unroll]
        for e in 0..4u32 {
            word |= scale(i / 4, i % 4 * 4 + e) << (8 * e);
        }
    } else {
        word = d((i - 64) * 2) | d((i - 64) * 2 + 1) << 16;
    }
    word
}

/// Word `i` of the scales that lie as [`D6`]; they are 0 to 63.
#[gpu_fn]
pub(super) fn d6_word(i: u32, d: impl Fn(u32) -> u32, scale: impl Fn(u32, u32) -> u32) -> u32 {
    let mut word = 0u32;
    if i >= 48 {
        word = d((i - 48) * 2) | d((i - 48) * 2 + 1) << 16;
    } else if i % 3 == 2 {
        #[no_unroll]
        for j in 0..16u32 {
            word |= scale(i / 3, j) >> 4 << (2 * j);
        }
    } else {
        #[no_unroll]
        for e in 0..8u32 {
            word |= (scale(i / 3, i % 3 * 8 + e) & 15) << (4 * e);
        }
    }
    word
}

/// Word `i` of the scales that lie as [`DM4`]; `scale` gives the byte of a scale and a minimum.
#[gpu_fn]
pub(super) fn dm4_word(
    i: u32,
    d: impl Fn(u32) -> u32,
    dmin: impl Fn(u32) -> u32,
    scale: impl Fn(u32, u32) -> u32,
) -> u32 {
    let mut word = 0u32;
    if i < 64 {
        #[no_unroll]
        for e in 0..4u32 {
            word |= scale(i / 4, i % 4 * 4 + e) << (8 * e);
        }
    } else {
        word = d(i - 64) | dmin(i - 64) << 16;
    }
    word
}
