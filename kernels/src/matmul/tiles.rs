//! Where tiles are, in C and in shared memory.

use firesteel::prelude::*;

/// Row and column of the tile of a number. `GROUP` rows of tiles are computed next to each other,
/// column after column, so that their factors stay in the L2 cache.
#[gpu_fn]
pub(super) fn tile_at<const GROUP: u32>(number: u32, row_tiles: u32, col_tiles: u32) -> (u32, u32) {
    let group_tiles = GROUP * col_tiles;
    let first = number / group_tiles * GROUP;
    let rows = (row_tiles - first).min(GROUP);
    let inside = number % group_tiles;
    (first + inside % rows, inside / rows)
}

/// Where the piece of 8 elements at `row` and `piece` is, in a tile of 16-bit elements whose rows
/// have 64: so that no two rows of a matrix of 8 by 8 meet in a bank, as tensor copies swizzle.
#[gpu_fn]
pub(super) fn swizzled(row: u32, piece: u32) -> u32 {
    row * 64 + (piece ^ row % 8) * 8
}
