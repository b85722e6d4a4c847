//! The end of a tile: from the sums of a warpgroup to rows of the result.

use firesteel::prelude::*;

/// A flag: rows 0 to 7 of each group are gates of rows 8 to 15.
#[gpu_const]
pub(super) const PAIRS: u32 = 1;
/// Between two vectors of a result in shared memory, so that rows of 16 bytes are in different banks.
#[gpu_const]
pub(super) const STRIDE: u32 = 72;

/// A warpgroup's sums go through shared memory to rows of the result.
#[gpu_fn]
#[allow(clippy::too_many_arguments, reason = "a tile, where it goes, and what is done with it")]
pub(super) fn store_tile<const TOKENS: u32>(
    y: &mut [bf16],
    out: &mut [bf16],
    (to, last, factor): (&[u32], u32, &[f32]),
    total: impl Fn(u32) -> f32,
    group: u32,
    (column, n): (u32, u32),
    (row, rows): (u32, u32),
    flags: u32,
) {
    let in_group = thread_idx_x() % 128;
    let (warp, lane) = (in_group / 32, in_group % 32);
    let first = group * (TOKENS * STRIDE);
    let pairs = flags & PAIRS != 0;
    // Of the vectors that this lane has.
    let mut by = [1.0f32; TOKENS as usize / 4];
    if factor.len() > 0 {
        #[unroll]
        for i in 0..TOKENS / 4 {
            let token = i / 2 * 8 + lane % 4 * 2 + i % 2;
            by[i] = if token < rows { factor[row + token] } else { 0.0 };
        }
    }
    // What was stored before has left.
    bar_sync_named(8 + group, 128);
    if pairs {
        #[unroll]
        for i in 0..TOKENS / 4 {
            let (gate, up) = (total(i / 2 * 4 + i % 2), total(i / 2 * 4 + i % 2 + 2));
            let token = i / 2 * 8 + lane % 4 * 2 + i % 2;
            let silu = fast::div(gate, 1.0 + fast::exp(-gate));
            out[first + token * STRIDE + warp * 8 + lane / 4] = bf16::from_f32(silu * up * by[i]);
        }
    } else {
        #[unroll]
        for i in 0..TOKENS / 16 {
            let token = i * 16 + lane / 16 * 8 + lane % 8;
            let mut words = [0u32; 4];
            #[unroll]
            for w in 0..4u32 {
                let (low, high) = (by[i * 4 + w / 2 * 2], by[i * 4 + w / 2 * 2 + 1]);
                let at = i * 8 + w * 2;
                words[w] = pack_bf16x2(total(at) * low, total(at + 1) * high);
            }
            let at = first + token * STRIDE + warp * 16 + lane / 8 % 2 * 8;
            stmatrix_x4_trans(out, at, words);
        }
    }
    bar_sync_named(8 + group, 128);
    // 8 threads a row of the result, of 64 columns, or 4 of 32.
    let pieces = if pairs { 4 } else { 8 };
    let words = cast_slice::<u32>(y);
    let pieces_of_out = cast_slice::<u32>(out);
    let mut at = in_group;
    while at < rows * pieces {
        let (token, piece) = (at / pieces, at % pieces);
        let from = first + token * STRIDE + piece * 8;
        let here = column + piece * 8;
        let of = if to.len() > 0 { to[row + token] } else { row + token };
        let stored = if of < last { n } else { 0 };
        let place = of as usize * n as usize + here as usize;
        if here + 8 <= stored && n % 8 == 0 {
            store_vec4(words, place / 2, load_vec4(pieces_of_out, from / 2));
        } else {
            for i in 0..8u32 {
                if here + i < stored {
                    y[place + i as usize] = out[from + i];
                }
            }
        }
        at += 128;
    }
}
