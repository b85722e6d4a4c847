//! Products with `mma.sync` of every order, layout and type, and with terms beside the product, for
//! sm_80.
//!
//! A block has four warps of 64 by 64, and a multiprocessor two blocks, so that one multiplies
//! while the other waits. Factors come in stages with `cp.async`, each with 128 bytes of K, in
//! pieces of 16 bytes that are mixed so that no two lanes of a read meet in a bank. What a warp
//! multiplies next is on the way to its registers while it multiplies. Of a factor whose rows run
//! across K, 16-bit elements are transposed by `ldmatrix`, 32-bit ones read one by one, and bytes in
//! squares of four by four, which are transposed in registers.

use firesteel::prelude::*;

use super::product::Matrix;
use super::tiles::tile_at;
use super::{Order, OrderA, Path, Product};
use crate::shape::Result;

/// Rows and columns of a block's tile.
#[gpu_const]
const SIDE: u32 = 128;
#[gpu_const]
const THREADS: u32 = 128;
#[gpu_const]
const STAGES: u32 = 3;
/// Rows of tiles that are computed next to each other, so that their factors stay in the L2 cache.
#[gpu_const]
const GROUP: u32 = 8;
/// Sums between two rows of a warp's in shared memory, so that they are in other banks.
#[gpu_const]
const PITCH: u32 = 72;

/// What the number of a piece is mixed with, by its step along K, if rows run across K.
#[gpu_fn]
fn mixed<T: Number>(step: u32) -> u32 {
    if T::BYTES == 2 {
        step % 8
    } else if T::BYTES == 4 {
        step % 4 * 2
    } else {
        step / 4 % 4 * 2
    }
}

/// Where a thread's pieces of 16 bytes of a factor begin in memory: one of each 16th row, or, if
/// `ACROSS`, the first, from which the others follow. Rows beyond the last are read as the last;
/// what they give is not stored.
#[gpu_fn]
fn starts<const ACROSS: bool, T: Number + Lane>(
    (origin, row_stride, k_stride): (u32, u32, u32),
    (first, rows): (u32, u32),
) -> [u32; 8] {
    const PIECE: u32 = 16 / T::BYTES;
    const PIECES: u32 = SIDE / PIECE;
    let thread = thread_idx_x();
    let mut at = [0u32; 8];
    if ACROSS {
        let row = first + thread % PIECES * PIECE;
        at[0] = origin + row.min(rows - PIECE) + thread / PIECES * k_stride;
    } else {
        #[unroll]
        for i in 0..8u32 {
            let row = first + thread / 8 + i * (THREADS / 8);
            at[i] = origin + row.min(rows - 1) * row_stride + thread % 8 * PIECE;
        }
    }
    at
}

/// Copies rows of a factor's stage element by element, from wherever the strides say.
#[gpu_fn]
fn copy_elements<T: Number + Lane + MatrixElem>(
    tiles: &mut [T],
    to: u32,
    from: &[T],
    (origin, row_stride, k_stride): (u32, u32, u32),
    (first, rows): (u32, u32),
    (at, end): (u32, u32),
    (first_turn, turns): (u32, u32),
) {
    const PIECE: u32 = 16 / T::BYTES;
    let (in_tile, piece) = (thread_idx_x() / 8, thread_idx_x() % 8);
    let to = to + (in_tile * 8 + (piece ^ in_tile % 8)) * PIECE;
    let step = at + piece * PIECE;
    #[no_unroll]
    for i in first_turn..first_turn + turns {
        let row = (first + in_tile + i * (THREADS / 8)).min(rows - 1);
        let source = origin + row * row_stride + step * k_stride;
        let place = to + i * (THREADS * PIECE);
        #[no_unroll]
        for e in 0..PIECE {
            if T::BYTES == 4 {
                let source = source + e * k_stride;
                cp_async_4_or_zero(&mut tiles[place + e], &from[source], step + e < end);
            } else {
                let mut x = T::ZERO;
                if step + e < end {
                    x = from[source + e * k_stride];
                }
                tiles[place + e] = x;
            }
        }
    }
}

/// Begins to copy half `PART` of a factor's stage, or with `PARTS` 1 all of it. Unless `WIDE`,
/// elements come one by one.
#[gpu_fn]
fn copy<
    const WIDE: bool,
    const ACROSS: bool,
    const PARTS: u32,
    const PART: u32,
    T: Number + Lane + MatrixElem,
>(
    tiles: &mut [T],
    to: u32,
    from: &[T],
    starts: [u32; 8],
    (origin, row_stride, k_stride): (u32, u32, u32),
    (first, rows): (u32, u32),
    (at, end): (u32, u32),
) {
    const PIECE: u32 = 16 / T::BYTES;
    const SHARE: u32 = 8 / PARTS;
    let thread = thread_idx_x();
    if !WIDE {
        let of = (origin, row_stride, k_stride);
        let turns = (PART * SHARE, SHARE);
        copy_elements::<T>(tiles, to, from, of, (first, rows), (at, end), turns);
    } else if ACROSS {
        const PIECES: u32 = SIDE / PIECE;
        const STEPS: u32 = THREADS / PIECES;
        let (step, piece) = (thread / PIECES, thread % PIECES);
        // Steps of a thread are as far apart as what pieces are mixed with repeats.
        let to = to + step * SIDE + (piece ^ mixed::<T>(step)) * PIECE;
        let (source, jump) = (starts[0] + at * k_stride, STEPS * k_stride);
        #[unroll]
        for i in PART * SHARE..(PART + 1) * SHARE {
            let place = to + i * (STEPS * SIDE);
            let valid = at + step + i * STEPS < end;
            cp_async_16_or_zero(&mut tiles[place], &from[source + i * jump], valid);
        }
    } else {
        let (row, piece) = (thread / 8, thread % 8);
        let to = to + (row * 8 + (piece ^ row % 8)) * PIECE;
        let valid = at + piece * PIECE < end;
        #[unroll]
        for i in PART * SHARE..(PART + 1) * SHARE {
            let place = to + i * (THREADS * PIECE);
            cp_async_16_or_zero(&mut tiles[place], &from[starts[i] + at], valid);
        }
    }
}

/// Where this lane reads of a warp's 64 rows from `row` on, in the part of a stage that is the
/// factor's. Of the four matrices of 8 rows and 16 bytes of K that make a part, the second and the
/// third are further down and further along K, in this order if the factor is `LEFT`.
#[gpu_fn]
fn place<const ACROSS: bool, const LEFT: bool, T: MatrixElem + Number>(row: u32) -> u32 {
    const PIECE: u32 = 16 / T::BYTES;
    let lane = lane_id();
    let (down, along) = if LEFT { (lane / 8 % 2, lane / 16) } else { (lane / 16, lane / 8 % 2) };
    if !ACROSS {
        let row = row + lane % 8 + down * 8;
        (row * 8 + (along ^ row % 8)) * PIECE
    } else if T::BYTES == 2 {
        (lane % 8 + along * 8) * SIDE + ((row / 8 + down) ^ lane % 8) * 8
    } else if T::BYTES == 4 {
        let (row, step) = (row + lane / 4, lane % 4);
        step * SIDE + ((row / 4) ^ mixed::<T>(step)) * 4 + row % 4
    } else {
        let (row, step) = (row + lane / 4 * 4, lane % 4 * 4);
        step * SIDE + ((row / 16) ^ mixed::<T>(step)) * 16 + row % 16
    }
}

/// Four words of four steps along K each, of four neighbouring rows, from such whose elements are
/// those of the rows.
#[gpu_fn]
fn transposed(w: [u32; 4]) -> [u32; 4] {
    let (low0, low1) = (prmt(w[0], w[1], 0x5140), prmt(w[2], w[3], 0x5140));
    let (high0, high1) = (prmt(w[0], w[1], 0x7362), prmt(w[2], w[3], 0x7362));
    [
        prmt(low0, low1, 0x5410),
        prmt(low0, low1, 0x7632),
        prmt(high0, high1, 0x5410),
        prmt(high0, high1, 0x7632),
    ]
}

/// The words of [`parts`] that are of 32 bits, or bytes, and lie across.
#[gpu_fn]
fn parts_across<const LEFT: bool, T: MatrixElem + Number>(
    tiles: &[T],
    first: u32,
    place: u32,
) -> [[u32; 4]; 4] {
    // The place of a matrix that is further down, and further along, in a part.
    const DOWN: u32 = if LEFT { 1 } else { 2 };
    const ALONG: u32 = 3 - DOWN;
    let words = cast_slice::<u32>(tiles);
    let mut parts = [[0u32; 4]; 4];
    if T::BYTES == 4 {
        #[unroll]
        for octet in 0..8u32 {
            let at = first + (place ^ (octet % 4 * 8)) + octet / 4 * 32;
            parts[octet / 2][octet % 2 * DOWN] = words[at];
            parts[octet / 2][octet % 2 * DOWN + ALONG] = words[at + 4 * SIDE];
        }
    } else {
        #[unroll]
        for i in 0..4u32 {
            let at = (first + (place ^ (i / 2 * 32))) / 4 + i % 2 * (16 * SIDE / 4);
            let rows = transposed([
                words[at],
                words[at + SIDE / 4],
                words[at + SIDE / 2],
                words[at + SIDE / 4 * 3],
            ]);
            #[unroll]
            for row in 0..4u32 {
                parts[i / 2 * 2 + row / 2][row % 2 * DOWN + i % 2 * ALONG] = rows[row];
            }
        }
    }
    parts
}

/// 64 rows of a factor, 32 bytes of K, number `i` of the stage at `first`: four parts of 16 rows.
/// Of bytes that lie across, the rows of a part are every fourth of 32.
#[gpu_fn]
fn parts<const ACROSS: bool, const LEFT: bool, T: MatrixElem + Number>(
    tiles: &[T],
    first: u32,
    place: u32,
    i: u32,
) -> [[u32; 4]; 4] {
    const PIECE: u32 = 16 / T::BYTES;
    if !ACROSS {
        let at = first + (place ^ (i * (2 * PIECE)));
        [
            frag_a_words(ldmatrix_a(tiles, at)),
            frag_a_words(ldmatrix_a(tiles, at + 128 * PIECE)),
            frag_a_words(ldmatrix_a(tiles, at + 256 * PIECE)),
            frag_a_words(ldmatrix_a(tiles, at + 384 * PIECE)),
        ]
    } else if T::BYTES == 2 {
        let first = first + i * (16 * SIDE);
        [
            frag_a_words(ldmatrix_a_trans(tiles, first + place)),
            frag_a_words(ldmatrix_a_trans(tiles, first + (place ^ 16))),
            frag_a_words(ldmatrix_a_trans(tiles, first + (place ^ 32))),
            frag_a_words(ldmatrix_a_trans(tiles, first + (place ^ 48))),
        ]
    } else {
        parts_across::<LEFT, T>(tiles, first + i * (2 * PIECE * SIDE), place)
    }
}

/// The sums of the tile of 128 by 128 that is this block's, each four neighbours of a row to
/// `finish`, with the matrix of the batch, the row and the first column. None need be in the
/// product.
#[gpu_fn]
fn product_in_fours<
    const WIDE: bool,
    const KM: bool,
    const KN: bool,
    T: MmaFactor + MatrixElem + Number + Lane,
>(
    a: &[T],
    b: &[T],
    (m, n, k, share): (u32, u32, u32, u32),
    (a_matrix, a_row, a_step): (u32, u32, u32),
    (b_matrix, b_column, b_step): (u32, u32, u32),
    finish: impl Fn([f32; 4], u32, u32, u32),
) {
    const DEPTH: u32 = 128 / T::BYTES;
    const FACTOR: u32 = SIDE * DEPTH;
    let tiles = shared_mem![T; STAGES * 2 * FACTOR, align = 128];
    let (row_tiles, col_tiles) = (m.div_ceil(SIDE), n.div_ceil(SIDE));
    let batch = block_idx_x() / (row_tiles * col_tiles);
    let number = block_idx_x() % (row_tiles * col_tiles);
    let (row, col) = tile_at::<GROUP>(number, row_tiles, col_tiles);
    let (row0, col0) = (row * SIDE, col * SIDE);
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let (warp_row, warp_col) = (warp % 2 * 64, warp / 2 * 64);
    let start = batch * share;
    let end = if share == 0 { k } else { (start + share).min(k) };
    let steps = (end - start).div_ceil(DEPTH);

    let (of_a, of_b) = ((batch * a_matrix, a_row, a_step), (batch * b_matrix, b_column, b_step));
    let (a_starts, b_starts) = (starts::<KM, T>(of_a, (row0, m)), starts::<KN, T>(of_b, (col0, n)));
    for stage in 0..STAGES - 1 {
        let (to, at) = (stage * (2 * FACTOR), (start + stage * DEPTH, end));
        copy::<WIDE, KM, 1, 0, T>(tiles, to, a, a_starts, of_a, (row0, m), at);
        copy::<WIDE, KN, 1, 0, T>(tiles, to + FACTOR, b, b_starts, of_b, (col0, n), at);
        cp_async_commit();
    }
    let left = place::<KM, true, T>(warp_row);
    let right = place::<KN, false, T>(warp_col);
    let mut sums = [[FragC::<_>::zero(); 8]; 4];
    let (mut from, mut to) = (0u32, (STAGES - 1) * (2 * FACTOR));
    let mut at = start + (STAGES - 1) * DEPTH;
    cp_async_wait(STAGES - 2);
    bar_sync();
    let mut x = parts::<KM, true, T>(tiles, 0, left, 0);
    let mut y = parts::<KN, false, T>(tiles, FACTOR, right, 0);
    for _ in 0..steps {
        let (to_b, steps) = (to + FACTOR, (at, end));
        #[unroll]
        for i in 0..4u32 {
            if i == 3 {
                to = from;
                from += 2 * FACTOR;
                if from == STAGES * 2 * FACTOR {
                    from = 0;
                }
                at += DEPTH;
                cp_async_wait(STAGES - 2);
                bar_sync();
            }
            // While these are multiplied, the next 32 bytes along K come.
            let next_x = parts::<KM, true, T>(tiles, from, left, (i + 1) % 4);
            let next_y = parts::<KN, false, T>(tiles, from + FACTOR, right, (i + 1) % 4);
            if i == 0 {
                copy::<WIDE, KM, 1, 0, T>(tiles, to, a, a_starts, of_a, (row0, m), steps);
            } else if i == 1 {
                copy::<WIDE, KN, 2, 0, T>(tiles, to_b, b, b_starts, of_b, (col0, n), steps);
            } else if i == 2 {
                copy::<WIDE, KN, 2, 1, T>(tiles, to_b, b, b_starts, of_b, (col0, n), steps);
                cp_async_commit();
            }
            let mut pairs = [frag_b::<T>([0u32; 2]); 8];
            #[unroll]
            for j in 0..8u32 {
                pairs[j] = frag_b([y[j / 2][j % 2 * 2], y[j / 2][j % 2 * 2 + 1]]);
            }
            // To and fro, so that each product shares a factor with the one before.
            #[unroll]
            for r in 0..4u32 {
                let part = frag_a::<T>(x[r]);
                #[unroll]
                for j in 0..8u32 {
                    mma(&mut sums[r][j ^ (r % 2 * 7)], part, pairs[j ^ (r % 2 * 7)]);
                }
            }
            x = next_x;
            y = next_y;
        }
    }
    cp_async_wait(0);
    // The stages are free: each warp's sums pass through a part of them, so that they leave in rows.
    bar_sync();
    let staged = cast_slice::<f32>(tiles);
    let mine = warp * (64 * PITCH);
    // Of bytes that lie across, the rows and columns of a part are every fourth of 32.
    const ROW: u32 = if KM && T::BYTES == 1 { 4 } else { 1 };
    const COLUMN: u32 = if KN && T::BYTES == 1 { 4 } else { 1 };
    let first = mine + lane / 4 * (ROW * PITCH) + lane % 4 * (2 * COLUMN);
    #[unroll]
    for octet in 0..8u32 {
        let row = if ROW == 4 { octet / 4 * 32 + octet % 4 } else { octet * 8 };
        #[unroll]
        for j in 0..8u32 {
            let col = if COLUMN == 4 { j / 4 * 32 + j % 4 } else { j * 8 };
            let at = first + row * PITCH + col;
            staged[at] = sums[octet / 2][j][octet % 2 * 2].to_f32();
            staged[at + COLUMN] = sums[octet / 2][j][octet % 2 * 2 + 1].to_f32();
        }
    }
    warp_sync();
    let (row, col) = (lane / 16, lane % 16 * 4);
    let (at_row, at_col) = (row0 + warp_row + row, col0 + warp_col + col);
    for pass in 0..16u32 {
        let first = mine + (pass * 4 + row) * PITCH + col;
        let (v0, v1) = (load_vec4(staged, first), load_vec4(staged, first + 2 * PITCH));
        finish([v0.x, v0.y, v0.z, v0.w], batch, at_row + pass * 4, at_col);
        finish([v1.x, v1.y, v1.z, v1.w], batch, at_row + pass * 4 + 2, at_col);
    }
}

/// `c = epilogue(a b) + beta c` for the tile of 128 by 128 that is this block's, by `mma.sync`.
///
/// A block of 128 threads computes a tile; there are `m.div_ceil(128) * n.div_ceil(128)` for each
/// matrix of the batch. `epilogue` takes a sum, its row and its column, of elements of the product.
/// C is not read if `beta` is 0.
///
/// `a`, `b` and `c` come with elements from a matrix of the batch to the next, from a row to the
/// next, and (of the factors) from a step along K to the next. With `WIDE`, factors are read 16
/// bytes at a time, along K, or along rows of A with `KM` and columns of B with `KN`: matrices and
/// rows must begin at multiples of 16 bytes, and rows have such a length. Without, `KM` and `KN`
/// are `false`, whatever the strides. Each matrix of the batch takes the next `share` of K, or, if
/// that is 0, all of it.
#[gpu_fn]
pub fn mma_product<
    const WIDE: bool,
    const KM: bool,
    const KN: bool,
    T: MmaFactor + MatrixElem + Number + Lane,
    O: Number,
>(
    a: &[T],
    b: &[T],
    c: &mut [O],
    (m, n, k, share): (u32, u32, u32, u32),
    (a_matrix, a_row, a_step): (u32, u32, u32),
    (b_matrix, b_column, b_step): (u32, u32, u32),
    (c_matrix, c_row): (u32, u32),
    beta: f32,
    epilogue: impl Fn(f32, u32, u32) -> f32,
) {
    product_in_fours::<WIDE, KM, KN, T>(
        a,
        b,
        (m, n, k, share),
        (a_matrix, a_row, a_step),
        (b_matrix, b_column, b_step),
        |sums, batch, row, col| {
            #[unroll]
            for i in 0..4u32 {
                if row < m && col + i < n {
                    let at = batch * c_matrix + row * c_row + col + i;
                    let mut value = epilogue(sums[i], row, col + i);
                    if beta != 0.0 {
                        value += beta * c[at].to_f32();
                    }
                    c[at] = O::from_f32(value);
                }
            }
        },
    );
}

/// `c = alpha a b + bias + beta c`, without a bias if it is empty. `c_wide` says whether four
/// neighbours of C can be written at once.
#[gpu_kernel(
    block_size = 128,
    arch = "sm_80",
    min_blocks = 2,
    unchecked,
    instances(
        (WIDE = true, KM = false, KN = false, T = bf16, O = bf16),
        (WIDE = true, KM = false, KN = true, T = bf16, O = bf16),
        (WIDE = true, KM = true, KN = false, T = bf16, O = bf16),
        (WIDE = true, KM = true, KN = true, T = bf16, O = bf16),
        (WIDE = false, KM = false, KN = false, T = bf16, O = bf16),
        (WIDE = true, KM = false, KN = false, T = f16, O = f16),
        (WIDE = true, KM = false, KN = true, T = f16, O = f16),
        (WIDE = true, KM = true, KN = false, T = f16, O = f16),
        (WIDE = true, KM = true, KN = true, T = f16, O = f16),
        (WIDE = false, KM = false, KN = false, T = f16, O = f16),
        (WIDE = true, KM = false, KN = false, T = i8, O = f32),
        (WIDE = true, KM = false, KN = true, T = i8, O = f32),
        (WIDE = true, KM = true, KN = false, T = i8, O = f32),
        (WIDE = true, KM = true, KN = true, T = i8, O = f32),
        (WIDE = false, KM = false, KN = false, T = i8, O = f32),
        (WIDE = true, KM = false, KN = false, T = f32, O = f32),
        (WIDE = true, KM = false, KN = true, T = f32, O = f32),
        (WIDE = true, KM = true, KN = false, T = f32, O = f32),
        (WIDE = true, KM = true, KN = true, T = f32, O = f32),
        (WIDE = false, KM = false, KN = false, T = f32, O = f32),
        (WIDE = true, KM = false, KN = false, T = bf16, O = f32),
        (WIDE = true, KM = false, KN = true, T = bf16, O = f32),
        (WIDE = true, KM = true, KN = false, T = bf16, O = f32),
        (WIDE = true, KM = true, KN = true, T = bf16, O = f32),
        (WIDE = false, KM = false, KN = false, T = bf16, O = f32),
        (WIDE = true, KM = false, KN = false, T = f16, O = f32),
        (WIDE = true, KM = false, KN = true, T = f16, O = f32),
        (WIDE = true, KM = true, KN = false, T = f16, O = f32),
        (WIDE = true, KM = true, KN = true, T = f16, O = f32),
        (WIDE = false, KM = false, KN = false, T = f16, O = f32)
    )
)]
pub(super) fn mma_kernel<
    const WIDE: bool,
    const KM: bool,
    const KN: bool,
    T: MmaFactor,
    O: Number,
>(
    a: &[T],
    b: &[T],
    bias: &[O],
    c: &mut [O],
    m: u32,
    n: u32,
    k: u32,
    share: u32,
    a_matrix: u32,
    a_row: u32,
    a_step: u32,
    b_matrix: u32,
    b_column: u32,
    b_step: u32,
    c_matrix: u32,
    c_row: u32,
    c_wide: bool,
    alpha: f32,
    beta: f32,
) {
    let has_bias = bias.len() != 0;
    let has_terms = has_bias || beta != 0.0;
    let c_words = cast_slice::<u32>(c);
    product_in_fours::<WIDE, KM, KN, T>(
        a,
        b,
        (m, n, k, share),
        (a_matrix, a_row, a_step),
        (b_matrix, b_column, b_step),
        |sums, batch, row, col| {
            if row < m && col < n {
                let at = batch * c_matrix + row * c_row + col;
                let mut y = [sums[0] * alpha, sums[1] * alpha, sums[2] * alpha, sums[3] * alpha];
                if has_terms {
                    #[unroll]
                    for i in 0..4u32 {
                        if has_bias {
                            y[i] += bias[(col + i).min(n - 1)].to_f32();
                        }
                        if beta != 0.0 && col + i < n {
                            y[i] += beta * c[at + i].to_f32();
                        }
                    }
                }
                let y =
                    [O::from_f32(y[0]), O::from_f32(y[1]), O::from_f32(y[2]), O::from_f32(y[3])];
                if !c_wide {
                    #[unroll]
                    for i in 0..4u32 {
                        if col + i < n {
                            c[at + i] = y[i];
                        }
                    }
                } else if O::BYTES == 2 {
                    let mut pairs = u32x2::splat(0);
                    pairs.x = (y[1].to_bits() as u32) << 16 | y[0].to_bits() as u32;
                    pairs.y = (y[3].to_bits() as u32) << 16 | y[2].to_bits() as u32;
                    store_vec2(c_words, at / 2, pairs);
                } else {
                    let mut four = u32x4::splat(0);
                    #[unroll]
                    for i in 0..4u32 {
                        four[i] = y[i].to_bits() as u32;
                    }
                    store_vec4(c_words, at, four);
                }
            }
        },
    );
}

/// The host functions of the types.
macro_rules! host {
    ($name:ident, $factor:ident, $out:ident) => {
        pub(super) fn $name(
            stream: &Stream,
            c: &mut GpuBuffer<$out>,
            a: &GpuBuffer<$factor>,
            b: &GpuBuffer<$factor>,
            bias: Option<&GpuBuffer<$out>>,
            product: &Product,
        ) -> Result<()> {
            use mma_kernel::launch_on;
            if stream.device().info()?.compute_capability.0 < 8 {
                return Err(product.no(Path::Mma, "it needs compute capability 8"));
            }
            let &Product { m, n, k, alpha, beta, batch, share, .. } = product;
            let (of_a, of_b, of_c) = (product.a(), product.b(), product.c());
            let (km, kn) = (product.order_a == OrderA::Km, product.order == Order::Kn);
            let steps = |across: bool, stride: u32| if across { (1, stride) } else { (stride, 1) };
            let (a_row, a_step) = steps(km, of_a.row_stride);
            let (b_column, b_step) = steps(kn, of_b.row_stride);
            // Lengths fit in 32 bits, and so does every stride that is used.
            let [a_matrix, b_matrix, c_matrix] = [of_a, of_b, of_c].map(|it| it.stride as u32);
            let piece = 16 / size_of::<$factor>() as u32;
            let is_wide =
                |it: Matrix, piece: u32| it.is_aligned(piece) && it.columns.is_multiple_of(piece);
            let c_wide = is_wide(of_c, 4);
            let launch = match (is_wide(of_a, piece) && is_wide(of_b, piece), km, kn) {
                (true, false, false) => launch_on::<true, false, false, $factor, $out>,
                (true, false, true) => launch_on::<true, false, true, $factor, $out>,
                (true, true, false) => launch_on::<true, true, false, $factor, $out>,
                (true, true, true) => launch_on::<true, true, true, $factor, $out>,
                (false, _, _) => launch_on::<false, false, false, $factor, $out>,
            };
            let none = GpuBuffer::empty(stream)?;
            let bias = bias.unwrap_or(&none);
            let blocks = batch * m.div_ceil(SIDE) * n.div_ceil(SIDE);
            let config = LaunchConfig::new([blocks, 1, 1]);
            // SAFETY: The buffers have the product's lengths, `bias` is empty or has a value a
            // column, and every index is compared with its shape.
            unsafe {
                launch(
                    stream,
                    config,
                    a,
                    b,
                    bias,
                    c,
                    m,
                    n,
                    k,
                    share,
                    a_matrix,
                    a_row,
                    a_step,
                    b_matrix,
                    b_column,
                    b_step,
                    c_matrix,
                    of_c.row_stride,
                    c_wide,
                    alpha,
                    beta,
                )?;
            }
            Ok(())
        }
    };
}

host!(f16, f16, f16);
host!(bf16, bf16, bf16);
host!(i8, i8, f32);
host!(f32, f32, f32);
host!(f16_sums, f16, f32);
host!(bf16_sums, bf16, f32);
