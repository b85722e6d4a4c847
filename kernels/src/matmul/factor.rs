//! Factors of `mma.sync` on their way: from memory to the stages in shared memory, and from there
//! to registers.
//!
//! A stage has 128 bytes of K of `SIDE` rows of a factor, in pieces of 16 bytes that are mixed so
//! that no two lanes of a read meet in a bank. A factor lies across if its rows in memory run
//! across K, which its rows in a stage do then too.

use firesteel::prelude::*;

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
pub(super) fn starts<const ACROSS: bool, const SIDE: u32, const THREADS: u32, T: Number + Lane>(
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
        for i in 0..SIDE * 8 / THREADS {
            let row = first + thread / 8 + i * (THREADS / 8);
            at[i] = origin + row.min(rows - 1) * row_stride + thread % 8 * PIECE;
        }
    }
    at
}

/// Copies rows of a factor's stage element by element, from wherever the strides say.
#[gpu_fn]
fn copy_elements<const THREADS: u32, T: Number + Lane + MatrixElem>(
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
pub(super) fn copy<
    const WIDE: bool,
    const ACROSS: bool,
    const PARTS: u32,
    const PART: u32,
    const SIDE: u32,
    const THREADS: u32,
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
    const SHARE: u32 = SIDE * 8 / THREADS / PARTS;
    let thread = thread_idx_x();
    if !WIDE {
        let of = (origin, row_stride, k_stride);
        let turns = (PART * SHARE, SHARE);
        copy_elements::<THREADS, T>(tiles, to, from, of, (first, rows), (at, end), turns);
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
pub(super) fn place<
    const ACROSS: bool,
    const LEFT: bool,
    const SIDE: u32,
    T: MatrixElem + Number,
>(
    row: u32,
) -> u32 {
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
fn parts_across<const LEFT: bool, const SIDE: u32, T: MatrixElem + Number>(
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
pub(super) fn parts<
    const ACROSS: bool,
    const LEFT: bool,
    const SIDE: u32,
    T: MatrixElem + Number,
>(
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
        parts_across::<LEFT, SIDE, T>(tiles, first + i * (2 * PIECE * SIDE), place)
    }
}
