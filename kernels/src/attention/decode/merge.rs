//! Puts the parts of an item together.

use firesteel::prelude::*;

/// The result of `rows` rows of which `parts` blocks from `first_block` on have parts. A part has its
/// sums, then of each row the largest score and the sum of the weights. 128 threads take part.
#[gpu_fn]
pub(super) fn merge<const D: u32, const ROWS: u32, X: Half>(
    o: &mut [X],
    partial: &[f32],
    (first_block, parts, rows): (u32, u32, u32),
    (q_first, first_row, kv_head): (u32, u32, u32),
    (q_heads, group, tokens): (u32, u32, u32),
    o_scale: f32,
) {
    const SIZE: u32 = ROWS * (D + 2);
    let mut number = thread_idx_x();
    while number < rows * (D / 4) {
        let (row, e) = (number / (D / 4), number % (D / 4) * 4);
        let mut largest = -f32::INFINITY;
        let mut sum = 0.0f32;
        let mut out = [0.0f32; 4];
        #[unroll(16)]
        for part in 0..parts {
            // The first block has the item's begin, the others have its continuation first.
            let of_block = (first_block + part) * 2 + if part == 0 { 1 } else { 0 };
            let four = load_vec4(partial, of_block * SIZE + row * D + e);
            let pair = load_vec2(partial, of_block * SIZE + ROWS * D + row * 2);
            let high = largest.max(pair.x);
            let base = if high == -f32::INFINITY { 0.0 } else { high };
            let (before, here) = (fast::exp2(largest - base), fast::exp2(pair.x - base));
            sum = sum * before + pair.y * here;
            #[unroll]
            for i in 0..4u32 {
                out[i] = out[i] * before + four[i] * here;
            }
            largest = high;
        }
        let inverse = if sum == 0.0 { 0.0 } else { o_scale / sum };
        let token = q_first + (first_row + row) / group;
        let head = kv_head * group + (first_row + row) % group;
        if token < tokens {
            #[unroll]
            for i in 0..4u32 {
                o[(token * q_heads + head) * D + e + i] = X::from_f32(out[i] * inverse);
            }
        }
        number += 128;
    }
}
