//! What of a chunk does not depend on the state before it.
//!
//! With `G` the sums of `g` from the chunk's begin, `r` the reciprocal norms, and
//! `A[i, j] = beta_i exp(G_i - G_j) k_i·k_j` below the diagonal, the values that the chunk's tokens
//! write are `(I + A)⁻¹ diag(beta) (v - exp(G) k S)` (Yang, Kautz, Hatamizadeh, 2024, section 3.3:
//! the WY representation and the UT transform). A block writes, for each of its value heads,
//!
//! - `T = (I + A)⁻¹ diag(beta)`, 64 by 64,
//! - `P[i, j] = K^-1/2 exp(G_i - G_j) q_i·k_j` up to the diagonal, 64 by 64,
//! - `exp(G) r_k`, `K^-1/2 exp(G) r_q`, `exp(G_63 - G) r_k` for each token, and `exp(G_63)`,
//!
//! matrices as `bf16` in rows of 128 bytes with the swizzle of tensor copies, so that they arrive as
//! factors of `wgmma`. Queries and keys stay as they are: their norms are in the factors.
//!
//! The inverse is by forward substitution: of the diagonal's blocks of 16 by 16 a row at a time, then
//! `X_ij = -X_ii Σ A_ik X_kj` down each column of blocks, in products of `bf16` whose factors are
//! split into two, which leaves them 16 bits. The inverse as a product of `I + A^(2^n)` is none for
//! us: with equal keys powers of `A` grow like binomial coefficients, while the inverse stays small.

use firesteel::prelude::*;

use super::L2_EPS;
use super::gates::{fast_sigmoid, softplus};
use super::recurrence::{NORMALISE, RAW};
use super::sequences::{CHUNK, CHUNK_WORDS};

/// Elements of a panel: 64 rows of 128 bytes.
#[gpu_const]
pub(super) const PANEL: u32 = 4096;
/// Elements of 16 bits of what is written of a chunk and a value head.
#[gpu_const]
pub(super) const RESULT: u32 = 2 * PANEL + 512;
/// Between rows of A in shared memory, so that the lanes of a load meet different banks.
#[gpu_const]
const PITCH: u32 = 72;
/// Value heads whose gates are summed at once, one a warp.
#[gpu_const]
const HEADS: u32 = 4;
#[gpu_const]
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// Where a piece of 16 bytes is in a panel, whose rows are swizzled.
#[gpu_fn]
pub(super) fn in_panel(row: u32, piece: u32) -> u32 {
    row * 64 + (piece ^ (row % 8)) * 8
}

/// Two numbers as pairs of `bf16`: themselves, and what that leaves of them.
#[gpu_fn]
fn halves(x: f32, y: f32) -> (u32, u32) {
    let high = pack_bf16x2(x, y);
    let low = pack_bf16x2(x - f32::from_bits(high << 16), y - f32::from_bits(high & 0xffff_0000));
    (high, low)
}

/// The left factor of sums of 16 by 16 of a warp.
#[gpu_fn]
fn left(x: [f32; 8]) -> [[u32; 4]; 2] {
    let mut words = [[0u32; 4]; 2];
    #[unroll]
    for i in 0..4usize {
        let (high, low) = halves(x[i * 2], x[i * 2 + 1]);
        words[0][i] = high;
        words[1][i] = low;
    }
    words
}

/// `sums += x yᵀ`, 16 by 16 each, for `x` in registers and `y` in rows of `inner` from `first` on.
#[gpu_fn]
fn multiply(sums: &mut [FragC<f32>; 2], x: [[u32; 4]; 2], inner: &[f32], first: u32) {
    let lane = lane_id();
    #[unroll]
    for tile in 0..2u32 {
        let at = first + (tile * 8 + lane / 4) * PITCH + lane % 4 * 2;
        let (near, far) = (load_vec2(inner, at), load_vec2(inner, at + 8));
        let (high0, low0) = halves(near.x, near.y);
        let (high1, low1) = halves(far.x, far.y);
        let high = frag_b::<bf16>([high0, high1]);
        mma(&mut sums[tile], frag_a::<bf16>(x[0]), high);
        mma(&mut sums[tile], frag_a::<bf16>(x[0]), frag_b::<bf16>([low0, low1]));
        mma(&mut sums[tile], frag_a::<bf16>(x[1]), high);
    }
}

/// The inverse of `I + A` for a warp's 16 by 16 of the diagonal, in place.
#[gpu_fn]
fn invert(inner: &mut [f32], first: u32) {
    let column = lane_id() % 16;
    let mut x = [0.0f32; 16];
    #[unroll]
    for i in 0..16u32 {
        let mut sums = [0.0f32; 4];
        #[unroll]
        for four in 0..4u32 {
            if four * 4 < i {
                let row = load_vec4(inner, first + i * PITCH + four * 4);
                #[unroll]
                for e in 0..4u32 {
                    if four * 4 + e < i {
                        sums[e] = row[e].mul_add(x[four * 4 + e], sums[e]);
                    }
                }
            }
        }
        let unit = if column == i { 1.0f32 } else { 0.0 };
        x[i] = unit - ((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    warp_sync();
    if lane_id() < 16 {
        #[unroll]
        for i in 0..16u32 {
            inner[first + i * PITCH + column] = x[i];
        }
    }
}

/// Writes a transposed 16 by 16 to rows and columns of a panel, columns scaled.
#[gpu_fn]
fn write_across(to: &mut [bf16], x: [f32; 8], (row, column): (u32, u32), scales: (f32, f32)) {
    let lane = lane_id();
    let at_row = row + lane / 16 * 8 + lane % 8;
    let words = [
        pack_bf16x2(x[0] * scales.0, x[1] * scales.0),
        pack_bf16x2(x[2] * scales.1, x[3] * scales.1),
        pack_bf16x2(x[4] * scales.0, x[5] * scales.0),
        pack_bf16x2(x[6] * scales.1, x[7] * scales.1),
    ];
    stmatrix_x4_trans(to, in_panel(at_row, column / 8 + lane / 8 % 2), words);
}

/// A warp's column of blocks of the inverse, from `inner`, whose diagonal has been inverted, to
/// `result`, times `beta`.
#[gpu_fn]
fn column_of_blocks(result: &mut [bf16], inner: &[f32], beta: &[f32], of_beta: u32) {
    let (warp, lane) = (thread_idx_x() / 32, lane_id());
    let column = warp * 16;
    let scales = (beta[of_beta + column + lane / 4], beta[of_beta + column + lane / 4 + 8]);
    let mut parts = [[[0u32; 4]; 2]; 3];
    let mut x = [0.0f32; 8];
    #[unroll]
    for i in 0..8u32 {
        let (along, down) = (lane / 4 + i / 2 % 2 * 8, i / 4 * 8 + lane % 4 * 2 + i % 2);
        x[i] = inner[(column + down) * PITCH + column + along];
    }
    write_across(result, x, (column, column), scales);
    parts[0] = left(x);
    #[unroll]
    for below in 1..4u32 {
        if warp + below < 4 {
            let row = column + below * 16;
            let mut sums = [FragC::<f32>::zero(); 2];
            #[unroll]
            for i in 0..below {
                multiply(&mut sums, parts[i], inner, row * PITCH + column + i * 16);
            }
            #[unroll]
            for i in 0..8u32 {
                x[i] = sums[i / 4][i % 4];
            }
            let y = left(x);
            let mut sums = [FragC::<f32>::zero(); 2];
            multiply(&mut sums, y, inner, row * PITCH + row);
            #[unroll]
            for i in 0..8u32 {
                x[i] = -sums[i / 4][i % 4];
            }
            write_across(result, x, (row, column), scales);
            if below < 3 {
                parts[below] = left(x);
            }
        }
    }
}

/// The sums of a value head's gates over a chunk, times `log2(e)`, and its strengths, by a warp.
#[gpu_fn]
fn sum_gates(
    (sums, strengths): (&mut [f32], &mut [f32]),
    (a, b, a_log, dt_bias): (&[bf16], &[bf16], &[f32], &[f32]),
    (g, beta): (&[f32], &[f32]),
    (first, count, value_heads): (u32, u32, u32),
    head: u32,
    raw: bool,
) {
    let (warp, lane) = (thread_idx_x() / 32, lane_id());
    let mut gates = [0.0f32; 2];
    #[unroll]
    for i in 0..2u32 {
        let token = lane * 2 + i;
        let mut strength = 0.0f32;
        if token < count {
            let at = (first + token) * value_heads + head;
            if raw {
                gates[i] = -a_log[head].exp() * softplus(a[at].to_f32() + dt_bias[head]);
                strength = fast_sigmoid(b[at].to_f32());
            } else {
                gates[i] = g[at];
                strength = beta[at];
            }
        }
        strengths[warp * CHUNK + token] = strength;
    }
    let mut sum = gates[0] + gates[1];
    #[unroll]
    for step in 0..5u32 {
        let below = shfl_sync_up(sum, 1 << step, 32);
        if lane >= 1 << step {
            sum += below;
        }
    }
    let before = shfl_sync_up(sum, 1, 32);
    let before = if lane == 0 { 0.0f32 } else { before };
    sums[warp * CHUNK + lane * 2] = (before + gates[0]) * LOG2_E;
    sums[warp * CHUNK + lane * 2 + 1] = sum * LOG2_E;
}

/// The reciprocal norm of a row of a tile, by two neighbouring threads a row.
#[gpu_fn]
fn reciprocal_norm<const KEY: u32>(tile: &[bf16]) -> f32 {
    let words = cast_slice::<u32>(tile);
    let (row, half) = (thread_idx_x() / 2, thread_idx_x() % 2);
    let mut sum = 0.0f32;
    #[unroll]
    for i in 0..KEY / 16 {
        let piece = half * (KEY / 16) + i;
        let x = load_vec4(words, (piece / 8 * PANEL + in_panel(row, piece % 8)) / 2);
        #[unroll]
        for e in 0..4u32 {
            let (low, high) = (f32::from_bits(x[e] << 16), f32::from_bits(x[e] & 0xffff_0000));
            sum = low.mul_add(low, high.mul_add(high, sum));
        }
    }
    sum += shfl_sync_bfly(sum, 1, 32);
    fast::rsqrt(sum + L2_EPS as f32)
}

/// One chunk and one key head, with `each` of its value heads, for each block.
#[gpu_kernel(
    block_size = 128,
    arch = "sm_90",
    min_blocks = 3,
    unchecked,
    instances(KEY = [64, 128])
)]
#[allow(clippy::too_many_arguments, reason = "the operands of a layer's gates")]
pub(super) fn prepare_kernel<const KEY: u32>(
    q: &TensorMap<bf16, 3>,
    k: &TensorMap<bf16, 3>,
    results: &mut [bf16],
    chunks: &[u32],
    a: &[bf16],
    b: &[bf16],
    a_log: &[f32],
    dt_bias: &[f32],
    g: &[f32],
    beta: &[f32],
    value_heads: u32,
    group: u32,
    each: u32,
    flags: u32,
) {
    const PANELS: u32 = KEY / 64;
    let queries = shared_mem![bf16; PANELS * PANEL, align = 1024];
    let keys = shared_mem![bf16; PANELS * PANEL, align = 1024];
    let result = shared_mem![bf16; RESULT, align = 1024];
    let inner = shared_mem![f32; CHUNK * PITCH];
    let sums = shared_mem![f32; HEADS * CHUNK];
    let strengths = shared_mem![f32; HEADS * CHUNK];
    let q_norm = shared_mem![f32; CHUNK];
    let k_norm = shared_mem![f32; CHUNK];
    let full = shared_mem![u64; 1];
    let (thread, warp, lane) = (thread_idx_x(), thread_idx_x() / 32, thread_idx_x() % 32);
    let (chunk, key_head) = (block_idx_x(), block_idx_y());
    if thread == 0 {
        mbarrier_init(&mut full[0], 1);
        fence_mbarrier_init();
    }
    bar_sync();
    grid_dependency_launch();
    grid_dependency_wait();
    let first = chunks[chunk * CHUNK_WORDS];
    let count = chunks[chunk * CHUNK_WORDS + 1];
    if thread == 0 {
        mbarrier_arrive_expect_tx(&mut full[0], 2 * PANELS * (PANEL * 2));
        #[unroll]
        for panel in 0..PANELS {
            let at = [(panel * 64) as i32, key_head as i32, first as i32];
            tma_load(&mut keys[panel * PANEL], k, at, &mut full[0]);
            tma_load(&mut queries[panel * PANEL], q, at, &mut full[0]);
        }
    }
    // Above the diagonal's blocks nothing else writes.
    let words = cast_slice::<u32>(result);
    #[unroll]
    for i in 0..PANEL / 2 / 512 {
        store_vec4(words, (i * 128 + thread) * 4, u32x4::splat(0));
    }
    let mut by_key = WarpgroupC::<f32, 64>::zero();
    let mut by_query = WarpgroupC::<f32, 64>::zero();
    mbarrier_wait(&mut full[0], 0);
    wgmma_fence();
    #[unroll]
    for step in 0..KEY / 16 {
        let at = step / 4 * PANEL + step % 4 * 16;
        wgmma(&mut by_key, tile_k(keys, at, 128), tile_k(keys, at, 128));
        wgmma(&mut by_query, tile_k(queries, at, 128), tile_k(keys, at, 128));
    }
    wgmma_commit();
    let scale = 1.0 / (KEY as f32).sqrt();
    let mut norms = (1.0f32, 1.0f32);
    if flags & NORMALISE != 0 {
        norms = (reciprocal_norm::<KEY>(queries), reciprocal_norm::<KEY>(keys));
    }
    if thread % 2 == 0 {
        let there = thread / 2 < count;
        q_norm[thread / 2] = if there { norms.0 * scale } else { 0.0 };
        k_norm[thread / 2] = if there { norms.1 } else { 0.0 };
    }
    wgmma_wait(0);
    let floats = cast_slice::<f32>(result);
    let row = warp * 16 + lane / 4;
    let first_head = key_head * group + block_idx_z() * each;
    let n_heads = (group - block_idx_z() * each).min(each);
    for turn in 0..n_heads {
        let of_sums = turn % HEADS * CHUNK;
        if turn % HEADS == 0 {
            bar_sync();
            if turn + warp < n_heads {
                sum_gates(
                    (sums, strengths),
                    (a, b, a_log, dt_bias),
                    (g, beta),
                    (first, count, value_heads),
                    first_head + turn + warp,
                    flags & RAW != 0,
                );
            }
        }
        if thread == 0 {
            tma_wait_read(0);
        }
        bar_sync();
        let mut of_row = [(0.0f32, 0.0f32, 0.0f32); 2];
        #[unroll]
        for half in 0..2u32 {
            let at = row + half * 8;
            let strength = strengths[of_sums + at] * k_norm[at];
            of_row[half] = (sums[of_sums + at], q_norm[at], strength);
        }
        #[unroll]
        for piece in 0..4u32 {
            let mut words = [0u32; 4];
            // Above the diagonal's blocks scores are zero, and nothing reads A.
            if piece <= warp {
                #[unroll]
                for i in 0..4u32 {
                    // Two neighbours of a row.
                    let at_row = row + i % 2 * 8;
                    let column = piece * 16 + i / 2 * 8 + lane % 4 * 2;
                    let from = piece * 8 + i / 2 * 4 + i % 2 * 2;
                    let (sum, query, strength) = of_row[i % 2];
                    let before = load_vec2(sums, of_sums + column);
                    let norm = load_vec2(k_norm, column);
                    let near = norm.x * fast::exp2((sum - before.x).min(0.0));
                    let far = norm.y * fast::exp2((sum - before.y).min(0.0));
                    let there = at_row < count;
                    let scores = (near * query * by_query[from], far * query * by_query[from + 1]);
                    let keys = (near * strength * by_key[from], far * strength * by_key[from + 1]);
                    // What is not there may be NaN.
                    let low = if there && column <= at_row { scores.0 } else { 0.0 };
                    let high = if there && column < at_row { scores.1 } else { 0.0 };
                    words[i] = pack_bf16x2(low, high);
                    let low = if there && column < at_row { keys.0 } else { 0.0 };
                    let high = if there && column + 1 < at_row { keys.1 } else { 0.0 };
                    store_vec2(inner, at_row * PITCH + column, f32x2::new(low, high));
                }
            }
            let at_row = warp * 16 + lane / 8 % 2 * 8 + lane % 8;
            stmatrix_x4(result, PANEL + in_panel(at_row, piece * 2 + lane / 16), words);
        }
        let last = sums[of_sums + CHUNK - 1];
        if thread < CHUNK {
            let decay = sums[of_sums + thread];
            floats[PANEL + thread] = fast::exp2(decay) * k_norm[thread];
            floats[PANEL + CHUNK + thread] = fast::exp2(decay) * q_norm[thread];
            floats[PANEL + 2 * CHUNK + thread] = fast::exp2(last - decay) * k_norm[thread];
        } else {
            floats[PANEL + 2 * CHUNK + thread] =
                if thread == CHUNK { fast::exp2(last) } else { 0.0 };
        }
        bar_sync();
        invert(inner, warp * 16 * (PITCH + 1));
        bar_sync();
        column_of_blocks(result, inner, strengths, of_sums);
        fence_proxy_async();
        bar_sync();
        if thread == 0 {
            let to = (chunk * value_heads + first_head + turn) as usize * RESULT as usize;
            bulk_store(&mut results[to], &result[0], RESULT);
            tma_commit();
        }
    }
    if thread == 0 {
        tma_wait(0);
    }
}
