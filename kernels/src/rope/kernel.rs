//! The kernel: a block turns the heads of a few tokens, whose sines and cosines it computes once.

use firesteel::prelude::*;

use crate::rows::{fetch, numbers, packed, put};

/// Pairs of a head, at most.
#[gpu_const]
pub(super) const PAIRS: u32 = 128;
/// Tokens of a block, at most.
#[gpu_const]
pub(super) const TOKENS: u32 = 4;

/// Sine and cosine of `turns` whole turns, -0.5 to 0.5: Taylor's series on an eighth of a turn, whose
/// next terms are below 3e-8.
#[gpu_fn]
fn sin_cos_of_turns(turns: f32) -> (f32, f32) {
    let quarter = (turns * 4.0).round_ties_even();
    let a = (turns - quarter * 0.25) * 6.283_185_5;
    let s = a * a;
    let mut sin = s.mul_add(2.755_731_9e-6, -1.984_127e-4);
    sin = sin.mul_add(s, 8.333_333_3e-3);
    sin = sin.mul_add(s, -0.166_666_67);
    sin = (sin * s).mul_add(a, a);
    let mut cos = s.mul_add(2.480_158_7e-5, -1.388_888_9e-3);
    cos = cos.mul_add(s, 0.041_666_668);
    cos = cos.mul_add(s, -0.5);
    cos = cos.mul_add(s, 1.0);
    let turn = quarter as i32 & 3;
    let (x, y) = if turn & 1 == 0 { (sin, cos) } else { (cos, sin) };
    (if turn & 2 == 0 { x } else { -x }, if (turn + 1) & 2 == 0 { y } else { -y })
}

/// Turns of a position, less whole ones: `high + low` are the turns of one step, so that the product
/// is right to the last bit, however far the position.
#[gpu_fn]
fn turns_of(position: u32, high: f32, low: f32) -> f32 {
    let p = position as f32;
    let product = p * high;
    let rest = p.mul_add(high, -product);
    let part = product - product.round_ties_even();
    let sum = part + p.mul_add(low, rest);
    sum - sum.round_ties_even()
}

/// Where a head of a token begins in the first operand, or the second.
#[gpu_fn]
fn head_begin(token: u32, head: u32, first: u32, stride: u32, head_stride: u32) -> usize {
    first as usize + token as usize * stride as usize + head as usize * head_stride as usize
}

/// Turns the pairs of a piece: of two pieces that are half a head apart, or of two neighbouring
/// pieces, in which pairs are neighbours.
#[gpu_fn]
fn turn<const W: usize, const HALVES: bool>(
    low: &mut [f32; 8],
    high: &mut [f32; 8],
    angles: &[f32],
    at: u32,
) {
    let (a, b) = (*low, *high);
    let (mut cos, mut sin) = ([0.0f32; 8], [0.0f32; 8]);
    if W == 1 {
        cos[0] = angles[at];
        sin[0] = angles[TOKENS * PAIRS + at];
    } else {
        for i in 0..2u32 {
            let c = load_vec4(angles, at + i * 4);
            let s = load_vec4(angles, TOKENS * PAIRS + at + i * 4);
            for j in 0..4u32 {
                cos[i * 4 + j] = c[j];
                sin[i * 4 + j] = s[j];
            }
        }
    }
    for j in 0..8u32 {
        if HALVES || W == 1 {
            low[j] = a[j] * cos[j] - b[j] * sin[j];
            high[j] = b[j] * cos[j] + a[j] * sin[j];
        } else if j < 4 {
            low[2 * j] = a[2 * j] * cos[j] - a[2 * j + 1] * sin[j];
            low[2 * j + 1] = a[2 * j + 1] * cos[j] + a[2 * j] * sin[j];
        } else {
            high[2 * j - 8] = b[2 * j - 8] * cos[j] - b[2 * j - 7] * sin[j];
            high[2 * j - 7] = b[2 * j - 7] * cos[j] + b[2 * j - 8] * sin[j];
        }
    }
}

/// Sines and cosines of a block's tokens, in `angles`. A pair's row of `table` is the two parts of its
/// turns a step, and which of a token's positions it has.
#[gpu_fn]
fn fill_angles(
    angles: &mut [f32],
    (positions, table): (&[u32], &[f32]),
    (first, count, tokens, pairs): (u32, u32, u32, u32),
    magnitude: f32,
) {
    for i in (thread_idx_x()..count * pairs).step_by(256) {
        let (token, pair) = (i / pairs, i % pairs);
        let of_pair = load_vec4(table, pair * 4);
        let position = positions[of_pair.z.to_bits() * tokens + first + token];
        let (sin, cos) = sin_cos_of_turns(turns_of(position, of_pair.x, of_pair.y));
        angles[token * PAIRS + pair] = cos * magnitude;
        angles[TOKENS * PAIRS + token * PAIRS + pair] = sin * magnitude;
    }
}

/// Turns a piece of `x` and the one that goes with it, where they are.
#[gpu_fn]
fn turn_at<const KIND: u32, const W: usize, const HALVES: bool, T: Float>(
    x: &mut [T],
    begin: usize,
    other: usize,
    angles: &[f32],
    at: u32,
) {
    let mut low = numbers::<KIND, W>(fetch::<W, T>(x, begin));
    let mut high = numbers::<KIND, W>(fetch::<W, T>(x, other));
    turn::<W, HALVES>(&mut low, &mut high, angles, at);
    put::<W, T>(x, begin, packed::<KIND, W>(low));
    put::<W, T>(x, other, packed::<KIND, W>(high));
}

/// Heads of `q`, then those of `k`, of `per_block` tokens a block; both may be parts of one buffer,
/// or `k` have no heads.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_90",
    unchecked,
    instances(
        (KIND = 0, W = 8, T = f32), (KIND = 1, W = 4, T = f16), (KIND = 2, W = 4, T = bf16),
        (KIND = 0, W = 1, T = f32), (KIND = 1, W = 1, T = f16), (KIND = 2, W = 1, T = bf16),
        HALVES = [false, true]
    )
)]
pub(super) fn rope_kernel<const KIND: u32, const W: usize, const HALVES: bool, T: Float>(
    q: &mut [T],
    k: &mut [T],
    positions: &[u32],
    table: &[f32],
    tokens: u32,
    pairs: u32,
    per_block: u32,
    magnitude: f32,
    q_heads: u32,
    q_first: u32,
    q_stride: u32,
    q_head: u32,
    k_heads: u32,
    k_first: u32,
    k_stride: u32,
    k_head: u32,
) {
    let angles = shared_mem![f32; 2 * TOKENS * PAIRS];
    grid_dependency_launch();
    grid_dependency_wait();
    let first = block_idx_x() * per_block;
    let count = (tokens - first).min(per_block);
    let len = if W == 1 { 1u32 } else { 8u32 };
    let (pieces, heads) = (pairs / len, q_heads + k_heads);
    let of_token = heads * pieces;
    // Each block along y has a part of the tokens' pieces.
    let share = (count * of_token).div_ceil(grid_dim_y());
    let end = (share * (block_idx_y() + 1)).min(count * of_token);
    fill_angles(angles, (positions, table), (first, count, tokens, pairs), magnitude);
    bar_sync();
    for i in (share * block_idx_y() + thread_idx_x()..end).step_by(256) {
        let (token, rest) = (i / of_token, i % of_token);
        let (head, piece) = (rest / pieces, rest % pieces);
        let at = token * PAIRS + piece * len;
        let (from, gap) = if HALVES { (piece * len, pairs) } else { (piece * len * 2, len) };
        if head < q_heads {
            let begin = head_begin(first + token, head, q_first, q_stride, q_head) + from as usize;
            turn_at::<KIND, W, HALVES, T>(q, begin, begin + gap as usize, angles, at);
        } else {
            let head = head - q_heads;
            let begin = head_begin(first + token, head, k_first, k_stride, k_head) + from as usize;
            turn_at::<KIND, W, HALVES, T>(k, begin, begin + gap as usize, angles, at);
        }
    }
}
