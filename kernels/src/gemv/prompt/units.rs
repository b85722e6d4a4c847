//! Which rows and columns a block multiplies.

use firesteel::prelude::*;

/// A run of rows of one expert. Rows lie expert after expert.
#[gpu_struct]
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) expert: u32,
    /// The expert's first row, its rows, and the slot of the first.
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) slot: u32,
    /// The expert's rows before those of the run; as many as it has, or more, if the run has none.
    pub(super) before: u32,
}

/// Runs of `size` rows that are kept for the experts before one whose rows begin at `first`: those
/// that all rows before fill, and for each expert one that it may fill in part.
#[gpu_fn]
fn runs_before(first: u32, size: u32, expert: u32) -> u32 {
    first / size + expert
}

/// Run `number` of `size` rows. Expert `e` has the rows from `offsets[e]` to `offsets[e + 1]`, both
/// at most `rows`; the first of them has a slot that is a multiple of 8.
#[gpu_fn]
pub(super) fn run_of(offsets: &[u32], rows: u32, size: u32, number: u32) -> Run {
    // The last expert that does not begin behind the run.
    let mut low = 0u32;
    let mut high = offsets.len() as u32 - 1;
    while high - low > 1 {
        let middle = (low + high) / 2;
        if runs_before(offsets[middle].min(rows), size, middle) <= number {
            low = middle;
        } else {
            high = middle;
        }
    }
    let first = offsets[low].min(rows);
    let end = offsets[low + 1].min(rows);
    let count = if end > first { end - first } else { 0 };
    // More than any if offsets fall, which makes no run.
    let before = (number - runs_before(first, size, low)).min(rows) * size;
    Run { expert: low, first, count, slot: runs_before(first, 8, low) * 8, before }
}

/// Rows of a tile in shared memory, and in the layout of the vectors: whole groups of 8.
#[gpu_fn]
pub(super) fn slots_of(rows: u32, tokens: u32) -> u32 {
    (rows + 7).min(tokens) / 8 * 8
}

/// What a block multiplies next.
#[gpu_struct]
#[derive(Clone, Copy)]
pub(super) struct Unit {
    /// The tile's number, of those of all rows and vectors.
    pub(super) tile: u32,
    /// Which part of its panels.
    pub(super) part: u32,
    /// The first group of 16 rows of weights, the groups from it to the last, and the first row of
    /// the result.
    pub(super) group: u32,
    pub(super) groups: u32,
    pub(super) column: u32,
    /// The first row of the result, the rows from it to the last, and the slot of the first vector.
    pub(super) row: u32,
    pub(super) rows: u32,
    pub(super) slot: u32,
}

/// Unit `number` of tiles with `GROUPS * 64` rows of weights. Parts of a tile follow each other, then
/// the tiles of the same weights.
#[gpu_fn]
pub(super) fn unit_at<const GROUPS: u32, const TOKENS: u32>(
    number: u32,
    offsets: &[u32],
    (groups, rows): (u32, u32),
    (tiles, parts): (u32, u32),
    rows_of_group: u32,
) -> Unit {
    let (tile, part) = (number / parts, number % parts);
    let tiles_down = groups.div_ceil(GROUPS * 4);
    if offsets.len() > 0 {
        let (down, along) = (tile % tiles_down, tile / tiles_down);
        let run: Run = run_of(offsets, rows, TOKENS, along);
        let first = down * (GROUPS * 4);
        Unit {
            tile,
            part,
            group: run.expert * groups + first,
            groups: groups - first,
            column: first * rows_of_group,
            row: run.first + run.before,
            rows: if run.before < run.count { run.count - run.before } else { 0 },
            slot: run.slot + run.before,
        }
    } else {
        let (down, along) = (tile / tiles, tile % tiles);
        let first = down * (GROUPS * 4);
        Unit {
            tile,
            part,
            group: first,
            groups: groups - first,
            column: first * rows_of_group,
            row: along * TOKENS,
            rows: rows - along * TOKENS,
            slot: along * TOKENS,
        }
    }
}
