//! The parts of the choice that blocks of a cluster make together.
//!
//! Tokens are ordered by a *place*: 22 bits that fall linearly with the logit, then the 32 bits of
//! the logit itself, so that no two different logits share one. A histogram resolves 11 bits of it;
//! its bins hold counts or weights, as two words each, since shared memory adds no more at once.

use firesteel::prelude::*;

use super::weight::{MAGIC, MAGIC_BITS};

/// Bins of a histogram.
#[gpu_const]
pub(super) const BINS: u32 = 2048;
/// Histograms that a place has digits for.
#[gpu_const]
pub(super) const LEVELS: u32 = 5;
/// Lanes of a warp.
#[gpu_const]
const LANES: u32 = 32;

/// The first 22 bits of the place of a token at `distance` from the largest logit.
#[gpu_fn]
pub(super) fn coarse(distance: f32, scale: f32) -> u32 {
    distance.mul_add(scale, MAGIC).min(MAGIC + 4_194_303.0).to_bits() - MAGIC_BITS
}

/// All bits of a place: five digits of 11, the last with a 0 at its end.
#[gpu_fn]
fn place(coarse: u32, key: u32) -> u64 {
    (coarse as u64) << 33 | (!key as u64) << 1
}

/// Whether a token lies in the bins that were found so far.
#[gpu_fn]
pub(super) fn lies_in(level: u32, prefix: u64, coarse: u32, key: u32) -> bool {
    if level == 0 {
        true
    } else if level == 1 {
        coarse >> 11 == prefix as u32
    } else {
        place(coarse, key) >> (55 - 11 * level) == prefix
    }
}

/// Its bin.
#[gpu_fn]
pub(super) fn digit(level: u32, coarse: u32, key: u32) -> u32 {
    if level == 0 { coarse >> 11 } else { (place(coarse, key) >> (44 - 11 * level)) as u32 % BINS }
}

/// Adds to four bins.
#[gpu_fn]
pub(super) fn add_four((low, high): (&mut [u32], &mut [u32]), bins: [u32; 4], amounts: [u64; 4]) {
    let mut before = [0u32; 4];
    #[unroll]
    for e in 0..4u32 {
        if amounts[e] != 0 {
            let part = amounts[e] as u32;
            before[e] = atomic_add_with(&mut low[bins[e]], part, Scope::Block, Order::Relaxed);
        }
    }
    #[unroll]
    for e in 0..4u32 {
        let carry = (before[e] + (amounts[e] as u32) < before[e]) as u32;
        let part = (amounts[e] >> 32) as u32 + carry;
        if part != 0 {
            atomic_add_with(&mut high[bins[e]], part, Scope::Block, Order::Relaxed);
        }
    }
}

/// The sums of all blocks' bins, to all blocks: each block adds up a part of them. The barrier of
/// the cluster stands before and after.
#[gpu_fn]
pub(super) fn exchange<const BLOCKS: u32, const WARPS: u32>(
    sums: &mut [u64],
    low: &[u32],
    high: &[u32],
) {
    let rank = cluster_rank();
    let mut i = thread_idx_x();
    // The first block has the bin behind the last, too.
    while i < BINS / BLOCKS + (rank == 0) as u32 {
        let bin = if i == BINS / BLOCKS { BINS } else { rank * (BINS / BLOCKS) + i };
        let mut sum = 0u64;
        #[unroll]
        for block in 0..BLOCKS {
            sum += cluster_load(&low[bin], block) as u64;
            sum += (cluster_load(&high[bin], block) as u64) << 32;
        }
        #[unroll]
        for block in 0..BLOCKS {
            cluster_store(&mut sums[bin], block, sum);
        }
        i += WARPS * LANES;
    }
}

/// The sums up to and with each bin, in place. Has a barrier; another stands behind it.
#[gpu_fn]
pub(super) fn scan<const WARPS: u32>(sums: &mut [u64], of_warps: &mut [u64]) {
    const PER: u32 = BINS / (WARPS * LANES);
    let (warp, lane) = (thread_idx_x() / LANES, thread_idx_x() % LANES);
    let first = thread_idx_x() * PER;
    let mut own = 0u64;
    #[unroll]
    for i in 0..PER {
        own += sums[first + i];
    }
    let mut upto = own;
    #[unroll]
    for i in 0..5u32 {
        let other = shfl_sync_up(upto, 1 << i, LANES);
        if lane >= 1 << i {
            upto += other;
        }
    }
    if lane == LANES - 1 {
        of_warps[warp] = upto;
    }
    bar_sync();
    let before = warp_reduce_sum(if lane < warp { of_warps[lane] } else { 0 });
    let mut sum = before + upto - own;
    #[unroll]
    for i in 0..PER {
        sum += sums[first + i];
        sums[first + i] = sum;
    }
}

/// Tells every block of a token of the list `half`.
#[gpu_fn]
pub(super) fn tell<const BLOCKS: u32, const ROOM: u32>(
    (list, sizes): (&mut [u64], &mut [u32]),
    half: u32,
    item: u64,
) {
    // More than there is room for need not be counted to the end.
    if atomic_load_with(&sizes[half], Scope::Device, Order::Relaxed) > ROOM {
        return;
    }
    // All places are asked for before the first answer is there.
    let mut at = [0u32; BLOCKS as usize];
    #[unroll]
    for block in 0..BLOCKS {
        at[block] = cluster_atomic_add(&mut sizes[half], block, 1);
    }
    #[unroll]
    for block in 0..BLOCKS {
        if at[block] < ROOM {
            cluster_store(&mut list[half * ROOM + at[block]], block, item);
        }
    }
}

/// A number that at least `k` logits reach, as few as is cheap to find: the `k`-th of the largest
/// of `GROUPS` groups of `SPAN` warps each. `keys` are the largest of each warp.
///
/// One warp finds it and writes it to `bound`; a barrier stands behind it.
#[gpu_fn]
pub(super) fn bound_of<const GROUPS: u32, const SPAN: u32, const WARPS: u32>(
    bound: &mut [u32],
    keys: &[u32],
    k: u32,
) {
    const PER: u32 = GROUPS / LANES;
    const SHARE: u32 = GROUPS / WARPS;
    let (warp, lane) = (thread_idx_x() / LANES, thread_idx_x() % LANES);
    let mut own = [0u32; PER as usize];
    #[unroll]
    for i in 0..PER {
        #[unroll]
        for j in 0..SPAN {
            own[i] = own[i].max(keys[(i * LANES + lane) * SPAN + j]);
        }
    }
    #[unroll]
    for i in 0..SHARE {
        let group = warp * SHARE + i;
        let mut key = 0u32;
        #[unroll]
        for j in 0..SPAN {
            key = key.max(keys[group * SPAN + j]);
        }
        let mut above = 0u32;
        #[unroll]
        for j in 0..PER {
            let other = j * LANES + lane;
            let first = own[j] > key || (own[j] == key && other < group);
            above += ballot(first).count_ones();
        }
        if above + 1 == k && lane == 0 {
            bound[0] = key;
        }
    }
}
