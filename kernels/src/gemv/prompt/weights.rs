//! Codes of a panel to weights in the registers of a left factor.

use firesteel::prelude::*;

use super::super::formats::{self, LAYOUTS, MINIMA};
use super::super::panel::{ANY, codes, scale};

/// The codes that the left factors want of this lane, of those that the lanes of its quad have in a
/// piece of a plane: of each 16 columns, 2 from `2 t` on and 2 from `8 + 2 t` on.
///
/// Words keep their places: `h + 2 j` is that of row `h` and 16 columns `j`. Where scales are for 32
/// columns, a lane has 8 neighbours of a row in two words, and pairs are exchanged as a matrix of 4 by
/// 4 is transposed; else it has 4 of each 16.
#[gpu_fn]
pub(super) fn exchanged<const FORMAT: u32>(words: [u32; 4]) -> [u32; 4] {
    const SHORT: bool = formats::SHORT[LAYOUTS[FORMAT as usize][2] as usize];
    let t = thread_idx_x() % 4;
    let odd = t % 2 == 1;
    let mut all = [0u32; 4];
    if SHORT {
        #[unroll]
        for w in 0..4u32 {
            let low = shfl_sync_idx(words[w], t / 2, 4);
            let high = shfl_sync_idx(words[w], 2 + t / 2, 4);
            all[w] = prmt(low, high, if odd { 0x7632 } else { 0x5410 });
        }
    } else {
        let upper = t >= 2;
        #[unroll]
        for h in 0..2u32 {
            let (first, second) = (words[h], words[h + 2]);
            let other = shfl_sync_bfly(if upper { first } else { second }, 2, 32);
            let low = if upper { other } else { first };
            let high = if upper { second } else { other };
            let give = prmt(low, high, if odd { 0x5410 } else { 0x7632 });
            let other = shfl_sync_bfly(give, 1, 32);
            all[h] = prmt(low, other, if odd { 0x3254 } else { 0x5410 });
            all[h + 2] = prmt(high, other, if odd { 0x3276 } else { 0x7610 });
        }
    }
    all
}

/// The float of byte `e` of four: 128 more than it, which has 7 bits, or 2^15 more if it has 8.
#[gpu_fn]
fn raised<const WIDE: bool>(four: u32, e: u32) -> f32 {
    if WIDE {
        f32::from_bits(prmt(four, 0x4700_0000, 0x7404 | e << 4))
    } else {
        f32::from_bits(prmt(four, 0x4300_0000, 0x7044 | e << 8))
    }
}

/// A plane's words in which the highest bit of each code is as in the code: where codes stand for
/// weights around zero, panels have it inverted.
#[gpu_fn]
pub(super) fn upright<const FORMAT: u32, const HIGHEST: bool>(words: [u32; 4]) -> [u32; 4] {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    const BITS: u32 = if HIGH == 0 { LOW } else { HIGH };
    // The highest of each so many bits.
    const FLIP: u32 = if BITS == 8 {
        0x8080_8080
    } else if BITS == 4 {
        0x8888_8888
    } else if BITS == 2 {
        0xaaaa_aaaa
    } else {
        0xffff_ffff
    };
    let mut all = words;
    if HIGHEST && !MINIMA[LAYOUTS[FORMAT as usize][2] as usize] {
        #[unroll]
        for w in 0..4u32 {
            all[w] ^= FLIP;
        }
    }
    all
}

/// The left factors of both halves of a step of 32 columns: each weight `d code - m`, rounded once.
#[gpu_fn]
pub(super) fn factors<const FORMAT: u32>(
    panels: &[u32],
    of_w: u32,
    headers: [[u32; 8]; 2],
    (low, high): ([u32; 4], [u32; 4]),
    step: u32,
) -> [[u32; 4]; 2] {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    const SCALES: u32 = LAYOUTS[FORMAT as usize][2];
    const SHORT: bool = formats::SHORT[SCALES as usize];
    const WIDE: bool = LOW + HIGH == 8;
    // The code of a weight that is zero, and with it what is added to codes.
    const ZERO: u32 = if MINIMA[SCALES as usize] { 0 } else { 1 << (LOW + HIGH - 1) };
    const LESS: f32 = (if WIDE { 32_768 } else { 128 } + ZERO) as f32;
    const LOW_STEPS: u32 = 8 / LOW;
    const HIGH_STEPS: u32 = if HIGH == 0 { 1 } else { 8 / HIGH };
    let g = thread_idx_x() % 32 / 4;
    let mut all = [[0u32; 4]; 2];
    #[unroll]
    for h in 0..2u32 {
        #[unroll]
        for j in 0..2u32 {
            let row = g + h * 8;
            let (d, m): (f32, f32) = if SHORT {
                let group = step * 2 + j;
                scale::<FORMAT, true>(panels, of_w, headers[h], row, (group, group, ANY))
            } else {
                scale::<FORMAT, true>(panels, of_w, headers[h], row, (step, step, ANY))
            };
            let w = h + j * 2;
            let four: u32 =
                codes::<LOW, HIGH, false>((low[w], step % LOW_STEPS), (high[w], step % HIGH_STEPS));
            // Products with `d`, of few bits, are exact; with minima the error is far below that of
            // the last rounding.
            let c = d.mul_add(-LESS, -m);
            #[unroll]
            for i in 0..2u32 {
                let mut two = [0.0f32; 2];
                #[unroll]
                for e in 0..2u32 {
                    let code: f32 = raised::<WIDE>(four, i * 2 + e);
                    // A scale of 32 bits is of too many.
                    two[e] = if SCALES == formats::WIDE {
                        (code - LESS) * d
                    } else {
                        code.mul_add(d, c)
                    };
                }
                all[j][h + i * 2] = pack_bf16x2(two[0], two[1]);
            }
        }
    }
    all
}
