//! The kernel: a cluster a row, which keeps the row's logits in its shared memory.
//!
//! Each warp has a run of tokens. All find the largest logit; then
//!
//! - a greedy choice is done;
//! - with a small `top_k`, tokens that can be among its largest are few: those that reach the
//!   `top_k`-th of the largest logits of the warps. Every block gets them, and the first decides;
//! - else, histograms find the bin of the `top_k`-th logit, of the end of `top_p`, and of the draw.
//!   The tokens of a bin are few again, or else it is split by a finer histogram;
//! - without `top_p` the draw goes by the order of ids: the warp in which it falls decides.
//!
//! With `top_p` the order of the draw is that of falling logits, so what the filters leave is a
//! beginning of it, and only its weight matters.

use firesteel::prelude::*;

use super::load::{Bias, penalised_quad, settled};
use super::params::Params;
use super::philox::philox;
use super::select::{
    BINS, LEVELS, add_four, bound_of, coarse, digit, exchange, lies_in, scan, tell,
};
use super::weight::{factor, of_ordered, ordered, weight};

/// Stages: the `top_k`-th logit, the end of `top_p`, the draw by falling logits, the draw by ids.
#[gpu_const]
const TOP_K: u32 = 0;
#[gpu_const]
const TOP_P: u32 = 1;
#[gpu_const]
const DRAW: u32 = 2;
#[gpu_const]
const BY_ID: u32 = 3;

/// Numbers of a row that its choice goes by.
#[gpu_struct]
#[derive(Clone, Copy)]
struct Row {
    largest: f32,
    factor: f32,
    least: u64,
    random: u64,
}

/// Writes the choice. One thread of the cluster does.
#[gpu_fn]
fn commit(
    (ids, params, counts): (&mut [u32], &mut [Params], &mut [u32]),
    (row, vocabulary): (u32, u32),
    id: u32,
) {
    ids[row] = id;
    params[row].step += 1;
    if counts.len() != 0 {
        counts[row * vocabulary + id] += 1;
    }
}

/// The weight at which `top_p` of `total` is reached, above 0.
#[gpu_fn]
fn reaching(top_p: f32, total: u64) -> u64 {
    ((top_p as f64 * total as f64).ceil() as u64).clamp(1, total)
}

/// The choice among few tokens: `n` items of a logit's number above and the complement of the id
/// below. Gives the id to one thread of the block, and `u32::MAX` to all others.
#[gpu_fn]
fn choose_of_few(
    (list, weights, kth): (&[u64], &mut [u64], &mut [u32]),
    n: u32,
    k: u32,
    top_p: f32,
    row: Row,
) -> u32 {
    let i = thread_idx_x();
    let (mut item, mut own) = (0u64, 0u64);
    if i < n {
        item = list[i];
        own = weight(row.largest - of_ordered((item >> 32) as u32), row.factor);
        weights[i] = own;
    }
    bar_sync();
    let (mut rank, mut upto) = (0u32, 0u64);
    if i < n {
        for j in 0..n {
            if list[j] >= item {
                rank += 1;
                upto += weights[j];
            }
        }
        if rank == k {
            kth[0] = (item >> 32) as u32;
        }
    }
    bar_sync();
    let kept = i < n && (item >> 32) as u32 >= kth[0];
    let total = block_reduce_max(if kept { upto } else { 0 });
    let mut share = total;
    if top_p < 1.0 {
        let want = reaching(top_p, total);
        share = block_reduce_min(if kept && upto >= want { upto } else { u64::MAX });
    }
    if row.least != 0 {
        let of_least = block_reduce_max(if kept && own >= row.least { upto } else { 0 });
        share = share.min(of_least);
    }
    let target = mul_hi(row.random, share);
    let mut id = u32::MAX;
    if top_p < 1.0 {
        if kept && upto > target && upto - own <= target {
            id = !(item as u32);
        }
    } else if kept && own >= row.least {
        let mut before = 0u64;
        for j in 0..n {
            let lower = (list[j] as u32) > (item as u32);
            if lower && (list[j] >> 32) as u32 >= kth[0] && weights[j] >= row.least {
                before += weights[j];
            }
        }
        if before <= target && target < before + own {
            id = !(item as u32);
        }
    }
    id
}

/// As [`choose_of_few`], among at most 32 tokens, by one warp. `list` has as much room behind its
/// first half.
#[gpu_fn]
fn choose_of_warp<const ROOM: u32>(list: &mut [u64], n: u32, k: u32, top_p: f32, row: Row) -> u32 {
    let lane = thread_idx_x();
    let mut item = 0u64;
    if lane < n {
        item = list[lane];
    }
    let mut rank = 0u32;
    #[no_unroll]
    for j in 0..n {
        rank += (shfl_sync_idx(item, j, 32) > item) as u32;
    }
    if lane < n {
        list[ROOM + rank] = item;
    }
    warp_sync();
    let mut own = 0u64;
    if lane < n {
        item = list[ROOM + lane];
        own = weight(row.largest - of_ordered((item >> 32) as u32), row.factor);
    }
    let kth = shfl_sync_idx((item >> 32) as u32, k.min(n) - 1, 32);
    if ((item >> 32) as u32) < kth {
        own = 0;
    }
    let mut upto = own;
    #[unroll]
    for i in 0..5u32 {
        let other = shfl_sync_up(upto, 1 << i, 32);
        if lane >= 1 << i {
            upto += other;
        }
    }
    let total = shfl_sync_idx(upto, 31, 32);
    let mut share = total;
    if top_p < 1.0 {
        let want = reaching(top_p, total);
        share = shfl_sync_idx(upto, ballot(upto >= want).trailing_zeros(), 32);
    }
    if row.least != 0 {
        if own < row.least {
            own = 0;
        }
        // The largest is always among them.
        let last = 31 - ballot(own != 0).leading_zeros();
        share = share.min(shfl_sync_idx(upto, last, 32));
    }
    let target = mul_hi(row.random, share);
    let mut before = upto - own;
    if top_p >= 1.0 {
        before = 0;
        #[no_unroll]
        for j in 0..n {
            let (other, share) = (shfl_sync_idx(item as u32, j, 32), shfl_sync_idx(own, j, 32));
            if other > item as u32 {
                before += share;
            }
        }
    }
    if own != 0 && before <= target && target < before + own { !(item as u32) } else { u32::MAX }
}

/// What a token counts in the draw by ids: its weight, or 1 if it is one of equal ones.
#[gpu_fn]
fn counted(value: f32, (floor, tie): (f32, u32), row: Row) -> u64 {
    if tie != 0 {
        (ordered(value) == tie) as u64
    } else {
        let own = weight(row.largest - value, row.factor);
        if value >= floor && own >= row.least { own } else { 0 }
    }
}

/// One cluster of `BLOCKS` blocks a row; `per` tokens a warp, a multiple of 4. Counts, mask and
/// biases may be empty.
#[gpu_kernel(
    block_size = WARPS * 32,
    cluster = BLOCKS,
    min_blocks = 1,
    arch = "sm_90",
    unchecked,
    instances((BLOCKS = 1, WARPS = 8), (BLOCKS = 8, WARPS = 32), T = [bf16, f32])
)]
pub(super) fn sample_kernel<const BLOCKS: u32, const WARPS: u32, T: Float>(
    ids: &mut [u32],
    params: &mut [Params],
    logits: &[T],
    counts: &mut [u32],
    mask: &[u32],
    bias_starts: &[u32],
    biases: &[Bias],
    vocabulary: u32,
    per: u32,
) {
    const TEAM: u32 = BLOCKS * WARPS;
    const THREADS: u32 = WARPS * 32;
    // Items that are compared each with each.
    const ROOM: u32 = if THREADS < 384 { THREADS } else { 384 };
    let values = dynamic_shared![f32];
    let keys = shared_mem![u32; TEAM];
    let tops = shared_mem![u32; TEAM];
    let leasts = shared_mem![f32; TEAM];
    let low = shared_mem![u32; BINS + 1];
    let high = shared_mem![u32; BINS + 1];
    let sums = shared_mem![u64; BINS + 1];
    let list = shared_mem![u64; 2 * ROOM];
    let sizes = shared_mem![u32; 2];
    let weights = shared_mem![u64; ROOM];
    let of_warps = shared_mem![u64; WARPS];
    let drawn = shared_mem![u64; 1];
    let bound = shared_mem![u32; 1];
    let kth = shared_mem![u32; 1];
    let bin = shared_mem![u64; 2];
    let picked = shared_mem![u64; 2];
    let thread = thread_idx_x();
    let (warp, lane, rank) = (thread / 32, thread % 32, cluster_rank());
    let row = block_idx_x() / BLOCKS;
    let team = rank * WARPS + warp;
    let (first, here) = (team * per, warp * per);
    cluster_arrive();
    grid_dependency_launch();
    grid_dependency_wait();
    let p = params[row];
    if thread == THREADS - 1 {
        drawn[0] = philox(p.seed, p.step as u64);
        (sizes[0], sizes[1]) = (0, 0);
        (bound[0], kth[0]) = (0, 0);
    }

    // The logits, and the largest of them.
    let penalties = counts.len() != 0
        && (p.repetition_penalty != 1.0 || p.presence_penalty != 0.0 || p.frequency_penalty != 0.0);
    let biased = bias_starts.len() != 0 && bias_starts[row] != bias_starts[row + 1];
    let (mut top, mut top_id, mut least) = (f32::NEG_INFINITY, u32::MAX, f32::INFINITY);
    let mut i = lane * 4;
    while i < per {
        let mut quads = [f32x4::splat(f32::NEG_INFINITY); 4];
        #[unroll]
        for j in 0..4u32 {
            let (at, id) = (i + j * 128, first + i + j * 128);
            if at < per && vocabulary % 4 == 0 && id < vocabulary {
                let v = load_vec4(logits, row * vocabulary + id);
                quads[j] = f32x4::new(v.x.to_f32(), v.y.to_f32(), v.z.to_f32(), v.w.to_f32());
            }
            if at < per && vocabulary % 4 != 0 {
                #[unroll]
                for e in 0..4u32 {
                    if id + e < vocabulary {
                        quads[j][e] = logits[row * vocabulary + id + e].to_f32();
                    }
                }
            }
        }
        #[unroll]
        for j in 0..4u32 {
            let at = i + j * 128;
            if at < per {
                let mut four = quads[j];
                if penalties {
                    four = penalised_quad(four, counts, (row, first + at, vocabulary), p);
                }
                if !biased {
                    four = settled(four, mask, (row, first + at, vocabulary));
                    #[unroll]
                    for e in 0..4u32 {
                        if four[e] > top {
                            (top, top_id) = (four[e], first + at + e);
                        }
                        least =
                            least.min(if four[e] == f32::NEG_INFINITY { least } else { four[e] });
                    }
                }
                store_vec4(values, here + at, four);
            }
        }
        i += 512;
    }
    if biased {
        bar_sync();
        let mut i = bias_starts[row] + thread;
        while i < bias_starts[row + 1] {
            let at = biases[i].id - rank * (WARPS * per);
            if at < WARPS * per {
                values[at] += biases[i].value;
            }
            i += THREADS;
        }
        bar_sync();
        let mut at = lane * 4;
        while at < per {
            let four = load_vec4(values, here + at);
            let four = settled(four, mask, (row, first + at, vocabulary));
            #[unroll]
            for e in 0..4u32 {
                if four[e] > top {
                    (top, top_id) = (four[e], first + at + e);
                }
                least = least.min(if four[e] == f32::NEG_INFINITY { least } else { four[e] });
            }
            store_vec4(values, here + at, four);
            at += 128;
        }
    }
    let key = redux_max(ordered(top));
    top_id = redux_min(if ordered(top) == key { top_id } else { u32::MAX });
    least = warp_reduce_min(least);
    cluster_wait();
    if lane < BLOCKS {
        cluster_store(&mut keys[team], lane, key);
        cluster_store(&mut tops[team], lane, top_id);
        cluster_store(&mut leasts[team], lane, least);
    }
    cluster_sync();
    let mut best = 0u32;
    #[unroll]
    for i in 0..TEAM.div_ceil(32) {
        if i * 32 + lane < TEAM {
            best = best.max(keys[i * 32 + lane]);
        }
    }
    let key = redux_max(best);
    let largest = of_ordered(key);
    let impossible = largest == f32::NEG_INFINITY;
    let greedy = p.temperature.is_nan()
        || p.temperature <= 0.0
        || p.top_k == 1
        || p.top_p <= 0.0
        || p.min_p >= 1.0;
    if greedy || impossible {
        if team == 0 {
            let mut id = u32::MAX;
            #[unroll]
            for i in 0..TEAM.div_ceil(32) {
                let at = i * 32 + lane;
                if at < TEAM && keys[at] == key {
                    id = id.min(tops[at]);
                }
            }
            id = redux_min(id);
            if lane == 0 {
                commit((ids, params, counts), (row, vocabulary), if impossible { 0 } else { id });
            }
        }
        return;
    }
    let of_row = Row {
        largest,
        factor: factor(p.temperature),
        // The weight of 1 times `min_p`, rounded up; NaN is 0.
        least: (p.min_p as f64 * 1_099_511_627_776.0).ceil() as u64,
        random: drawn[0],
    };
    let choose_k = p.top_k > 1 && p.top_k < vocabulary;
    let filtered = p.top_p < 1.0;

    // A few tokens that hold all that can be chosen.
    let mut half = 0u32;
    let mut few = vocabulary <= ROOM;
    // Of what cannot be chosen at all, nothing is taken.
    let mut at_least = 0x0080_0000u32;
    if TEAM >= 256 {
        if !few && choose_k && p.top_k <= TEAM / 2 {
            few = true;
            if p.top_k <= TEAM / 8 {
                bound_of::<64, 4, WARPS>(bound, keys, p.top_k);
            } else {
                bound_of::<256, 1, WARPS>(bound, keys, p.top_k);
            }
            bar_sync();
            at_least = at_least.max(bound[0]);
        }
    }
    if few {
        if keys[team] >= at_least {
            let mut i = lane;
            while i < per {
                let key = ordered(values[here + i]);
                if key >= at_least {
                    let item = (key as u64) << 32 | !(first + i) as u64;
                    tell::<BLOCKS, ROOM>((list, sizes), 0, item);
                }
                i += 32;
            }
        }
        cluster_sync();
        let n = sizes[0];
        half = 1;
        if n <= ROOM {
            let k = if choose_k { p.top_k } else { vocabulary };
            let mut id = u32::MAX;
            if n <= 32 {
                if team == 0 {
                    id = choose_of_warp::<ROOM>(list, n, k, p.top_p, of_row);
                }
            } else if rank == 0 {
                id = choose_of_few((list, weights, kth), n, k, p.top_p, of_row);
            }
            if id != u32::MAX {
                commit((ids, params, counts), (row, vocabulary), id);
            }
            return;
        }
    }

    // Bins that spread what is there, and for weights no more than what has one.
    least = f32::INFINITY;
    #[unroll]
    for i in 0..TEAM.div_ceil(32) {
        if i * 32 + lane < TEAM {
            least = least.min(leasts[i * 32 + lane]);
        }
    }
    least = warp_reduce_min(least);
    let spread = 4_194_303.0 / (largest - least);
    let of_counts = spread.min(f32::MAX);
    let of_weights = spread.max(of_row.factor * (4_194_303.0 / 42.0)).min(f32::MAX);
    let (mut floor, mut share, mut tie) = (f32::NEG_INFINITY, 0u64, 0u32);
    let mut order = 0u64;
    // The sums are those of all weights.
    let mut fresh = false;
    let mut stage = if choose_k {
        TOP_K
    } else if filtered {
        TOP_P
    } else {
        BY_ID
    };
    while stage < BY_ID {
        let counting = stage == TOP_K;
        let scale = if counting { of_counts } else { of_weights };
        let (mut level, mut prefix, mut before) = (0u32, 0u64, 0u64);
        let mut target = if counting { (p.top_k - 1) as u64 } else { 0 };
        let mut of_least = u64::MAX;
        let (mut item, mut upto) = (0u64, 0u64);
        // One of the tokens of the bin; whether there are others decides the next histogram.
        let mut member = 0u32;
        let mut open = true;
        while open {
            if level != 0 || !fresh {
                let mut i = thread;
                while i < BINS + 1 {
                    (low[i], high[i]) = (0, 0);
                    i += THREADS;
                }
                bar_sync();
                // What the bin behind the last gets: the weight of what `min_p` leaves, or how many
                // tokens are not equal to the one that is known.
                let mut beside = 0u64;
                let mut i = lane * 4;
                while i < per {
                    let four = load_vec4(values, here + i);
                    let mut bins = [0u32; 4];
                    let mut shares = [0u64; 4];
                    #[unroll]
                    for e in 0..4u32 {
                        let distance = largest - four[e];
                        let coarse = coarse(distance, scale);
                        let own = if counting { 1 } else { weight(distance, of_row.factor) };
                        let mut inside = four[e] >= floor;
                        bins[e] = coarse >> 11;
                        if level != 0 {
                            let key = ordered(four[e]);
                            inside = inside && lies_in(level, prefix, coarse, key);
                            bins[e] = digit(level, coarse, key);
                        }
                        shares[e] = if inside { own } else { 0 };
                    }
                    add_four((low, high), bins, shares);
                    if level != 0 {
                        #[unroll]
                        for e in 0..4u32 {
                            let other = shares[e] != 0 && ordered(four[e]) != member;
                            beside += other as u64;
                        }
                    } else if of_row.least != 0 {
                        #[unroll]
                        for e in 0..4u32 {
                            beside += if shares[e] >= of_row.least { shares[e] } else { 0 };
                        }
                    }
                    i += 128;
                }
                if level != 0 || of_row.least != 0 {
                    beside = warp_reduce_sum(beside);
                    if lane == 0 {
                        add_four((low, high), [BINS, BINS, BINS, BINS], [beside, 0, 0, 0]);
                    }
                }
                cluster_sync();
                exchange::<BLOCKS, WARPS>(sums, low, high);
                cluster_sync();
                scan::<WARPS>(sums, of_warps);
                bar_sync();
            }
            fresh = level == 0 && !counting;
            if level == 0 && stage == TOP_P {
                target = reaching(p.top_p, sums[BINS - 1]) - 1;
                if of_row.least != 0 {
                    of_least = sums[BINS];
                }
            }
            if level == 0 && stage == DRAW {
                target = mul_hi(of_row.random, share);
            }
            let mut equal = level != 0 && sums[BINS] == 0;
            if !equal {
                let mut i = thread;
                while i < BINS {
                    let from = if i == 0 { 0 } else { sums[i - 1] };
                    if from <= target - before && target - before < sums[i] {
                        (bin[0], bin[1]) = (i as u64, from);
                    }
                    i += THREADS;
                }
                bar_sync();
                prefix = prefix << 11 | bin[0];
                before += bin[1];
                level += 1;
                let mut i = lane;
                while i < per {
                    let value = values[here + i];
                    let (coarse, key) = (coarse(largest - value, scale), ordered(value));
                    if lies_in(level, prefix, coarse, key)
                        && value >= floor
                        && first + i < vocabulary
                    {
                        let item = (key as u64) << 32 | !(first + i) as u64;
                        tell::<BLOCKS, ROOM>((list, sizes), half, item);
                    }
                    i += 32;
                }
                if thread == 0 {
                    sizes[half ^ 1] = 0;
                }
                cluster_sync();
                let n = sizes[half];
                if n <= ROOM {
                    let left = target - before;
                    let (mut own, mut mine, mut sum) = (0u64, 0u64, 0u64);
                    if thread < n {
                        mine = list[half * ROOM + thread];
                        let distance = largest - of_ordered((mine >> 32) as u32);
                        own = if counting { 1 } else { weight(distance, of_row.factor) };
                        weights[thread] = own;
                    }
                    bar_sync();
                    if thread < n {
                        for j in 0..n {
                            if list[half * ROOM + j] >= mine {
                                sum += weights[j];
                            }
                        }
                        if sum > left && sum - own <= left {
                            (picked[0], picked[1]) = (mine, sum);
                        }
                    }
                    bar_sync();
                    (item, upto) = (picked[0], before + picked[1]);
                    open = false;
                } else {
                    member = (cluster_load(&list[half * ROOM], 0) >> 32) as u32;
                    equal = level == LEVELS;
                }
                half ^= 1;
            }
            if equal {
                let own =
                    if counting { 1 } else { weight(largest - of_ordered(member), of_row.factor) };
                tie = member;
                order = (target - before) / own;
                (item, upto) = ((member as u64) << 32, before + (order + 1) * own);
                open = false;
            }
        }
        if stage == TOP_K {
            floor = of_ordered((item >> 32) as u32);
            tie = 0;
            fresh = false;
            stage = if filtered { TOP_P } else { BY_ID };
        } else if stage == TOP_P {
            share = upto.min(of_least);
            tie = 0;
            stage = DRAW;
        } else if tie == 0 {
            if team == 0 && lane == 0 {
                commit((ids, params, counts), (row, vocabulary), !(item as u32));
            }
            return;
        } else {
            stage = BY_ID;
        }
    }

    // By ids: each warp has a run of them. Of equal ones each counts 1.
    let mut own = 0u64;
    let mut i = lane * 4;
    while i < per {
        let four = load_vec4(values, here + i);
        if tie != 0 {
            #[unroll]
            for e in 0..4u32 {
                own += (ordered(four[e]) == tie) as u64;
            }
        } else {
            #[unroll]
            for e in 0..4u32 {
                own += counted(four[e], (floor, 0), of_row);
            }
        }
        i += 128;
    }
    let own = warp_reduce_sum(own);
    if lane < BLOCKS {
        cluster_store(&mut sums[team], lane, own);
    }
    cluster_sync();
    let (mut before, mut total) = (0u64, 0u64);
    #[unroll]
    for i in 0..TEAM.div_ceil(32) {
        let at = i * 32 + lane;
        if at < TEAM {
            total += sums[at];
            before += if at < team { sums[at] } else { 0 };
        }
    }
    before = warp_reduce_sum(before);
    total = warp_reduce_sum(total);
    let target = if tie != 0 { order } else { mul_hi(of_row.random, total) };
    if before <= target && target < before + own {
        let mut chunk = 0u32;
        while chunk < per {
            let at = chunk + lane * 4;
            let mut shares = [0u64; 4];
            let mut sum = 0u64;
            if at < per {
                let four = load_vec4(values, here + at);
                #[unroll]
                for e in 0..4u32 {
                    shares[e] = counted(four[e], (floor, tie), of_row);
                    sum += shares[e];
                }
            }
            let mut upto = sum;
            #[unroll]
            for i in 0..5u32 {
                let other = shfl_sync_up(upto, 1 << i, 32);
                if lane >= 1 << i {
                    upto += other;
                }
            }
            let mut from = before + upto - sum;
            #[unroll]
            for e in 0..4u32 {
                if from <= target && target < from + shares[e] {
                    commit((ids, params, counts), (row, vocabulary), first + at + e);
                }
                from += shares[e];
            }
            before += shfl_sync_idx(upto, 31, 32);
            chunk += 128;
        }
    }
}
