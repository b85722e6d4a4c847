//! What both kernels share: which queries and keys a block works on, and the softmax as it goes.

use firesteel::prelude::*;

/// Tokens of a page of keys or values.
#[gpu_const]
pub(super) const PAGE: u32 = 64;
/// No score yet.
#[gpu_const]
pub(super) const NONE: f32 = f32::NEG_INFINITY;

/// Queries of one head of one sequence, and the blocks of keys that they see.
#[gpu_struct]
#[derive(Clone, Copy)]
pub(super) struct Work {
    /// The sequence.
    pub(super) sequence: u32,
    /// The head of the queries.
    pub(super) head: u32,
    /// The sequence's first token among those of `q` and `o`.
    pub(super) first: u32,
    /// The tile's first query in its sequence.
    pub(super) row: u32,
    /// The sequence's queries.
    pub(super) rows: u32,
    /// The sequence's first token among those of dense keys.
    pub(super) keys: u32,
    /// The sequence's keys.
    pub(super) length: u32,
    /// The position of the sequence's first query, of which there may be more than keys.
    pub(super) offset: i32,
    /// The first block of keys that any of the queries sees.
    pub(super) low: u32,
    /// The block behind the last one.
    pub(super) high: u32,
}

/// What all tiles have in common.
#[gpu_struct]
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Tiles of the longest sequence's queries.
    pub(super) tiles: u32,
    /// Sequences.
    pub(super) sequences: u32,
    /// Heads of queries.
    pub(super) heads: u32,
    /// How many of them share keys.
    pub(super) group: u32,
    /// Tokens of `q` and `o`.
    pub(super) tokens: u32,
    /// Tokens of dense keys.
    pub(super) key_tokens: u32,
    /// Pages that a sequence may have, 0 of dense keys.
    pub(super) max_pages: u32,
    /// Whether a query sees no key behind its own position.
    pub(super) causal: bool,
    /// How many keys up to its own position a query sees.
    pub(super) window: i32,
}

/// The tile that a block computes in a round: blocks take turns to and fro, so that none gets the
/// longest of each round.
#[gpu_fn]
pub(super) fn turn(round: u32) -> u32 {
    let block = block_idx_x();
    let at = if round % 2 == 0 { block } else { grid_dim_x() - 1 - block };
    round * grid_dim_x() + at
}

/// Work `number` of `ROWS` queries, whose keys come in blocks of `KEYS`; without queries if there is
/// none.
///
/// Tiles of late queries come first, since they have the most keys; heads are next to each other,
/// so that those that share keys read them from the L2 cache. `lengths` are where the sequences' keys
/// begin, or, of paged ones, how many each has. Whatever the numbers in memory are, a tile's tokens
/// are among those that there are.
#[gpu_fn]
pub(super) fn tile_at<const ROWS: u32, const KEYS: u32>(
    number: u32,
    (starts, lengths): (&[u32], &[u32]),
    shape: Shape,
) -> Work {
    let in_level = shape.sequences * shape.heads;
    let total = in_level * shape.tiles;
    let at = number.min(total - 1);
    let row = (shape.tiles - 1 - at / in_level) * ROWS;
    let (sequence, head) = (at % in_level / shape.heads, at % shape.heads);
    let first = starts[sequence].min(shape.tokens);
    let end = starts[sequence + 1].min(shape.tokens).max(first);
    let rows = if number < total { end - first } else { 0 };
    let mut keys = 0u32;
    let mut length = lengths[sequence];
    if shape.max_pages == 0 {
        keys = length.min(shape.key_tokens);
        length = lengths[sequence + 1].min(shape.key_tokens).max(keys) - keys;
    } else {
        length = length.min(shape.max_pages * PAGE);
    }
    let offset = length as i32 - (end - first) as i32;
    let last = (row + ROWS).min(end - first) as i32;
    let end = if shape.causal { (offset + last).max(0) as u32 } else { length };
    let begin = (offset + row as i32 + 1 - shape.window).max(0) as u32;
    let high = if row < rows { end.div_ceil(KEYS) } else { 0 };
    let low = (begin / KEYS).min(high);
    Work { sequence, head, first, row, rows, keys, length, offset, low, high }
}

/// The first key that query `row` sees, counted from key `from`, and how many it sees.
#[gpu_fn]
fn seen(tile: Work, row: u32, from: u32, shape: Shape) -> (i32, u32) {
    let position = tile.offset + row as i32;
    let last = if shape.causal { position } else { tile.length as i32 - 1 };
    let first = (position - shape.window + 1).max(0);
    (first - from as i32, (last.min(tile.length as i32 - 1) - first + 1).max(0) as u32)
}

/// Whether each of queries `row` to `row + count` sees all of the block of `KEYS` keys.
#[gpu_fn]
pub(super) fn sees_all<const KEYS: u32>(
    tile: Work,
    (row, count): (u32, u32),
    block: u32,
    shape: Shape,
) -> bool {
    let (first, end) = ((block * KEYS) as i32, (block * KEYS + KEYS) as i32);
    let position = tile.offset + row as i32;
    let bound = if shape.causal { position + 1 } else { tile.length as i32 };
    end <= bound.min(tile.length as i32) && first > position + count as i32 - 1 - shape.window
}

/// `cap tanh(x / cap)`, from `x / cap` times `2 log2(e)`, over `cap`: `1 - 2 / (2^y + 1)`, which is
/// exact enough where the approximate `tanh` of the machine, with 11 bits, is not.
#[gpu_fn]
fn capped(y: f32) -> f32 {
    (-2.0f32).mul_add(fast::recip(fast::exp2(y) + 1.0), 1.0)
}

/// The largest of the four lanes that have a row.
#[gpu_fn]
fn largest_of_row(x: f32) -> f32 {
    let x = x.max(shfl_sync_bfly(x, 1, 32));
    x.max(shfl_sync_bfly(x, 2, 32))
}

/// The sum over the four lanes that have a row.
#[gpu_fn]
fn sum_of_row(x: f32) -> f32 {
    let x = x + shfl_sync_bfly(x, 1, 32);
    x + shfl_sync_bfly(x, 2, 32)
}

/// What earlier sums of a row are multiplied with where its largest score goes from `old` to `new`,
/// and what is taken from its scores times `scale`. A row that has seen nothing has no largest score.
#[gpu_fn]
fn shift(old: f32, new: f32, scale: f32) -> (f32, f32) {
    let base = if new == NONE { 0.0 } else { new * scale };
    (fast::exp2(old.mul_add(scale, -base)), base)
}

/// Two numbers as a word of halves.
#[gpu_fn]
pub(super) fn pair<const BF16: bool>(low: f32, high: f32) -> u32 {
    if BF16 { pack_bf16x2(low, high) } else { pack_f16x2(low, high) }
}

/// The words of four lanes, which have a word of each of four pieces: each gets the four words of
/// the piece of its number.
#[gpu_fn]
fn exchanged(words: [u32; 4]) -> [u32; 4] {
    let (upper, odd) = (lane_id() & 2 != 0, lane_id() & 1 != 0);
    let far0 = shfl_sync_bfly(if upper { words[0] } else { words[2] }, 2, 32);
    let far1 = shfl_sync_bfly(if upper { words[1] } else { words[3] }, 2, 32);
    let near0 = if upper { words[2] } else { words[0] };
    let near1 = if upper { words[3] } else { words[1] };
    // Of the two pieces that this half of the lanes keeps: words of this pair of lanes, and of the
    // other one.
    let near = shfl_sync_bfly(if odd { near0 } else { near1 }, 1, 32);
    let far = shfl_sync_bfly(if odd { far0 } else { far1 }, 1, 32);
    let own_near = if odd { near1 } else { near0 };
    let own_far = if odd { far1 } else { far0 };
    let mine = [if odd { near } else { own_near }, if odd { own_near } else { near }];
    let theirs = [if odd { far } else { own_far }, if odd { own_far } else { far }];
    [
        if upper { theirs[0] } else { mine[0] },
        if upper { theirs[1] } else { mine[1] },
        if upper { mine[0] } else { theirs[0] },
        if upper { mine[1] } else { theirs[1] },
    ]
}

/// The logarithm of a row's sum of exponentials, `-inf` if it has seen nothing.
#[gpu_fn]
fn log_sum(largest: f32, total: f32, scale: f32) -> f32 {
    const LN_2: f32 = 0.693_147_18;
    if largest == NONE { NONE } else { largest.mul_add(scale, total.log2()) * LN_2 }
}

/// Scores that become weights, without the common factor of a row: `2^(scale (s - largest))`, of
/// `row` and the row 8 further down. Gives what earlier sums of the two are to be multiplied with.
/// No row of the warp is before `first_row`, nor `rows` behind it.
///
/// A thread's scores are those of a [`WarpgroupC`].
#[gpu_fn]
pub(super) fn soften<const KEYS: u32, const EDGE: bool>(
    scores: &mut WarpgroupC<f32, KEYS>,
    largest: &mut [f32; 2],
    total: &mut [f32; 2],
    (tile, block): (Work, u32),
    (row, first_row, rows): (u32, u32, u32),
    shape: Shape,
    (scale, cap): (f32, f32),
) -> [f32; 2] {
    if EDGE && cap != 0.0 {
        #[unroll]
        for i in 0..KEYS / 2 {
            scores[i] = capped(scores[i] * cap);
        }
    }
    if EDGE && !sees_all::<KEYS>(tile, (first_row, rows), block, shape) {
        let from = block * KEYS + lane_id() % 4 * 2;
        let (upper, upper_count) = seen(tile, row, from, shape);
        let (lower, lower_count) = seen(tile, row + 8, from, shape);
        #[unroll]
        for i in 0..KEYS / 2 {
            let first = if i / 2 % 2 == 0 { upper } else { lower };
            let count = if i / 2 % 2 == 0 { upper_count } else { lower_count };
            let at = (i / 4 * 8 + i % 2) as i32;
            scores[i] = if ((at - first) as u32) < count { scores[i] } else { NONE };
        }
    }
    let mut factors = [1.0f32; 2];
    let mut bases = [0.0f32; 2];
    #[unroll]
    for h in 0..2u32 {
        let mut most = [NONE; 2];
        #[unroll]
        for i in 0..KEYS / 4 {
            most[i % 2] = most[i % 2].max(scores[i / 2 * 4 + h * 2 + i % 2]);
        }
        let old = largest[h];
        largest[h] = old.max(largest_of_row(most[0].max(most[1])));
        (factors[h], bases[h]) = shift(old, largest[h], scale);
    }
    #[unroll]
    for h in 0..2u32 {
        let mut sum = [0.0f32; 2];
        #[unroll]
        for i in 0..KEYS / 4 {
            let at = i / 2 * 4 + h * 2 + i % 2;
            scores[at] = fast::exp2(scores[at].mul_add(scale, -bases[h]));
            sum[i % 2] += scores[at];
        }
        total[h] = total[h].mul_add(factors[h], sum[0] + sum[1]);
    }
    factors
}

/// A row's sums, of which a thread has what `sums` gives of each eight, to their place, and the
/// logarithm of the softmax's sum.
#[gpu_fn]
pub(super) fn leave<const DIM: u32, const BF16: bool>(
    (o, lse): (&mut [u32], &mut [f32]),
    (tile, row, heads): (Work, u32, u32),
    (largest, total, scale): (f32, f32, f32),
    sums: impl Fn(u32, u32) -> f32,
) {
    let total = sum_of_row(total);
    let factor = if largest == NONE { 0.0 } else { fast::recip(total) };
    let quarter = lane_id() % 4;
    let at = (tile.first + row) * heads + tile.head;
    #[unroll]
    for chunk in 0..DIM.div_ceil(32) {
        let mut words = [0u32; 4];
        #[unroll]
        for i in 0..4u32 {
            if chunk * 4 + i < DIM / 8 {
                let octet = chunk * 4 + i;
                words[i] = pair::<BF16>(sums(octet, 0) * factor, sums(octet, 1) * factor);
            }
        }
        let words = exchanged(words);
        let col = chunk * 32 + quarter * 8;
        if row < tile.rows && col < DIM {
            let mut four = u32x4::splat(0);
            #[unroll]
            for i in 0..4u32 {
                four[i] = words[i];
            }
            store_vec4(o, at * (DIM / 2) + col / 2, four);
        }
    }
    if lse.len() != 0 && quarter == 0 && row < tile.rows {
        lse[at] = log_sum(largest, total, scale);
    }
}
