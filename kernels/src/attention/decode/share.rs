//! How blocks share the work, whatever the lengths are.
//!
//! A unit of work is a page of one item; an item is a sequence, a tile of the rows of its queries and
//! a head of keys and values. Units are numbered item by item, and each block takes a run of them, as
//! long as any other's but for one unit. So lengths are read where the kernel runs, and all blocks
//! end together.

use firesteel::prelude::*;

/// Sequences of a launch, at most.
#[gpu_const]
pub(super) const MAX_SEQUENCES: u32 = 512;

/// What of its pages and queries a sequence has.
#[gpu_struct]
#[derive(Clone, Copy)]
pub(super) struct Sequence {
    /// Tokens that have keys.
    pub length: u32,
    /// New tokens, and the first of them in the batch.
    pub q_len: u32,
    pub q_first: u32,
    /// The first page that any query sees, and how many it sees.
    pub page: u32,
    pub pages: u32,
    /// Tiles of rows.
    pub tiles: u32,
}

/// Sequence `s`. Its queries are `q_len`, or, if that is 0, those between two of `starts`.
#[gpu_fn]
pub(super) fn sequence<const ROWS: u32>(
    lengths: &[u32],
    starts: &[u32],
    s: u32,
    (q_len, group, window, max_pages): (u32, u32, u32, u32),
) -> Sequence {
    let length = lengths[s].min(max_pages * 64);
    let mut count = q_len;
    let mut q_first = s * q_len;
    if q_len == 0 {
        q_first = starts[s];
        count = starts[s + 1] - q_first;
    }
    // The first query sees `window` tokens, itself the last of them.
    let back = count + window - 1;
    let lowest = if window == 0 || back >= length { 0 } else { length - back };
    let page = lowest / 64;
    Sequence {
        length,
        q_len: count,
        q_first,
        page,
        pages: length.div_ceil(64) - page,
        tiles: (count * group).div_ceil(ROWS),
    }
}

/// Counts units: those of the sequences before `s` are `before[s]`. Behind them is the number of pages
/// that every item has, or 0 if they differ. All lanes of one warp take part.
#[gpu_fn]
pub(super) fn count_units<const ROWS: u32>(
    before: &mut [u32],
    lengths: &[u32],
    starts: &[u32],
    (sequences, kv_heads): (u32, u32),
    of_all: (u32, u32, u32, u32),
) {
    let lane = thread_idx_x() % 32;
    let mut total = 0u32;
    let like = sequence::<ROWS>(lengths, starts, 0, of_all);
    let mut alike = true;
    if lane == 0 {
        before[0] = 0;
    }
    for chunk in 0..sequences.div_ceil(32) {
        let s = chunk * 32 + lane;
        let mut units = 0u32;
        if s < sequences {
            let it = sequence::<ROWS>(lengths, starts, s, of_all);
            // A sequence without a page has a unit too, which writes its zeros.
            units = it.pages.max(1) * it.tiles * kv_heads;
            alike = alike && it.pages == like.pages && it.tiles == like.tiles;
        }
        #[unroll]
        for i in 0..5u32 {
            let below = shfl_sync_up(units, 1 << i, 32);
            if lane >= 1 << i {
                units += below;
            }
        }
        if s < sequences {
            before[s + 1] = total + units;
        }
        total += shfl_sync_idx(units, 31, 32);
    }
    alike = vote_all(alike) && total > 0;
    if lane == 0 {
        before[sequences + 1] = if alike { like.pages.max(1) } else { 0 };
    }
}

/// The sequence that unit `unit` is of.
#[gpu_fn]
pub(super) fn find(before: &[u32], sequences: u32, unit: u32) -> u32 {
    let (mut low, mut high) = (0u32, sequences);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if before[middle] <= unit {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The run of units of a block.
#[gpu_struct(methods)]
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub first: u32,
    pub end: u32,
    /// Units and blocks that are shared out together: all, or the pages of an item and its blocks.
    run: u32,
    runs: u32,
    /// The first block of these, and of what unit; 0 where they are all.
    run_block: u32,
    /// Whether blocks have whole items or a part of one each.
    even: bool,
}

#[gpu_struct]
impl Share {
    /// Units that a block may have more than without whole items, since it then has one part to
    /// leave for others in place of two.
    const SLACK: u32 = 2;

    /// The share of block `block`: `pages` is what every item has, or 0. A block takes `items` items,
    /// or up to `parts` blocks take one.
    pub fn of(
        (block, blocks): (u32, u32),
        (units, pages): (u32, u32),
        (items, parts): (u32, u32),
    ) -> Self {
        let longest = if items == 1 { pages.div_ceil(parts) } else { items * pages };
        if pages > 0 && longest * blocks <= units + Self::SLACK * blocks {
            if items > 1 {
                let first = (block * longest).min(units);
                let end = (first + longest).min(units);
                return Self { first, end, run: 0, runs: 1, run_block: 0, even: true };
            }
            let parts = pages.div_ceil(longest);
            let (item, part) = (block / parts, block % parts);
            let (each, longer) = (pages / parts, pages % parts);
            let start = item * pages + part * each + part.min(longer);
            let first = start.min(units);
            let end = (start + each + if part < longer { 1 } else { 0 }).min(units);
            let run_block = block - part;
            return Self { first, end, run: pages, runs: parts, run_block, even: true };
        }
        let (each, longer) = (units / blocks, units % blocks);
        let first = block * each + block.min(longer);
        let end = first + each + if block < longer { 1 } else { 0 };
        Self { first, end, run: units, runs: blocks, run_block: 0, even: false }
    }

    /// The first block that has a part of the item of the units from `unit` on, and how many have.
    pub fn parts(&self, unit: u32, units: u32) -> (u32, u32) {
        if self.even {
            (self.run_block, self.runs)
        } else {
            let first = self.block_of(unit);
            (first, self.block_of(unit + units - 1) - first + 1)
        }
    }

    /// The block that takes a unit, where all are shared out together.
    fn block_of(&self, unit: u32) -> u32 {
        let (each, longer) = (self.run / self.runs, self.run % self.runs);
        if unit < longer * (each + 1) { unit / (each + 1) } else { (unit - longer) / each }
    }
}
