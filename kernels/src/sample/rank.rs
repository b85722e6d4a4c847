//! The largest logits of a row, and log-probabilities.

use firesteel::prelude::*;

use self::sealed::Ask;
use super::load::settled;
use super::runs;
use super::select::{bound_of, tell};
use super::weight::{factor, of_ordered, ordered, weight};
use super::{SMALL, STATIC};
use crate::shape::{self, Error, Result};

/// The most tokens that [`top_k`] gives.
const MAX_TOP_K: usize = 128;

/// What JSON has for an impossible token, which has no logarithm; OpenAI's server writes it too.
#[gpu_const]
const IMPOSSIBLE: f32 = -9999.0;

/// How many tokens of the cluster are `from` or more, of their logit's number above and the
/// complement of the id below. Has a barrier of the cluster; two calls need two `half`s.
#[gpu_fn]
fn count_from<const BLOCKS: u32, const WARPS: u32>(
    (values, counts): (&[f32], &mut [u32]),
    (half, from): (u32, u64),
    (vocabulary, per): (u32, u32),
) -> u32 {
    const TEAM: u32 = BLOCKS * WARPS;
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let team = cluster_rank() * WARPS + warp;
    let mut own = 0u32;
    let mut i = lane;
    while i < per {
        let id = team * per + i;
        let item = (ordered(values[warp * per + i]) as u64) << 32 | !id as u64;
        own += (id < vocabulary && item >= from) as u32;
        i += 32;
    }
    own = redux_add(own);
    if lane < BLOCKS {
        cluster_store(&mut counts[half * TEAM + team], lane, own);
    }
    cluster_sync();
    let mut sum = 0u32;
    #[unroll]
    for i in 0..TEAM.div_ceil(32) {
        if i * 32 + lane < TEAM {
            sum += counts[half * TEAM + i * 32 + lane];
        }
    }
    redux_add(sum)
}

/// A cluster a row, as in the choice. Gives the `k` largest logits, and their ids; with `chosen`,
/// log-probabilities instead, and that of the chosen token.
#[gpu_kernel(
    block_size = WARPS * 32,
    cluster = BLOCKS,
    min_blocks = 1,
    arch = "sm_90",
    unchecked,
    instances((BLOCKS = 1, WARPS = 8), (BLOCKS = 8, WARPS = 32), T = [bf16, f32])
)]
pub(super) fn rank_kernel<const BLOCKS: u32, const WARPS: u32, T: Float>(
    ids: &mut [u32],
    of_ids: &mut [f32],
    of_chosen: &mut [f32],
    chosen: &[u32],
    logits: &[T],
    vocabulary: u32,
    per: u32,
    k: u32,
) {
    const TEAM: u32 = BLOCKS * WARPS;
    const THREADS: u32 = WARPS * 32;
    const ROOM: u32 = if THREADS < 384 { THREADS } else { 384 };
    // The largest of each warp; with one block, of each thread.
    const GROUPS: u32 = 256;
    let values = dynamic_shared![f32];
    let keys = shared_mem![u32; GROUPS];
    let tops = shared_mem![u32; GROUPS];
    let counts = shared_mem![u32; 2 * TEAM];
    let masses = shared_mem![u64; TEAM];
    let list = shared_mem![u64; 2 * ROOM];
    let sizes = shared_mem![u32; 2];
    let bound = shared_mem![u32; 1];
    let thread = thread_idx_x();
    let (warp, lane, rank) = (thread / 32, thread % 32, cluster_rank());
    let row = block_idx_x() / BLOCKS;
    let team = rank * WARPS + warp;
    let (first, here) = (team * per, warp * per);
    cluster_arrive();
    grid_dependency_launch();
    grid_dependency_wait();
    if thread == 0 {
        (sizes[0], sizes[1], bound[0]) = (0, 0, 0);
    }
    let (mut top, mut top_id) = (f32::NEG_INFINITY, u32::MAX);
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
                // There is no mask.
                let four = settled(quads[j], chosen, (row, u32::MAX, vocabulary));
                #[unroll]
                for e in 0..4u32 {
                    if four[e] > top {
                        (top, top_id) = (four[e], first + at + e);
                    }
                }
                store_vec4(values, here + at, four);
            }
        }
        i += 512;
    }
    let own_key = ordered(top);
    let key = redux_max(own_key);
    let of_warp = redux_min(if own_key == key { top_id } else { u32::MAX });
    cluster_wait();
    if BLOCKS == 1 {
        (keys[thread], tops[thread]) = (own_key, top_id);
    } else if lane < BLOCKS {
        cluster_store(&mut keys[team], lane, key);
        cluster_store(&mut tops[team], lane, of_warp);
    }
    cluster_sync();
    let (mut best, mut id) = (0u32, u32::MAX);
    #[unroll]
    for i in 0..GROUPS / 32 {
        let at = i * 32 + lane;
        if keys[at] > best || (keys[at] == best && tops[at] < id) {
            (best, id) = (keys[at], tops[at]);
        }
    }
    let largest_key = redux_max(best);
    id = redux_min(if best == largest_key { id } else { u32::MAX });
    let largest = of_ordered(largest_key);

    let mut log = 0.0f32;
    if chosen.len() != 0 {
        let mut own = 0u64;
        let mut i = lane;
        while i < per {
            own += weight(largest - values[here + i], factor(1.0));
            i += 32;
        }
        own = warp_reduce_sum(own);
        if lane < BLOCKS {
            cluster_store(&mut masses[team], lane, own);
        }
        cluster_sync();
        let mut total = 0u64;
        #[unroll]
        for i in 0..TEAM.div_ceil(32) {
            if i * 32 + lane < TEAM {
                total += masses[i * 32 + lane];
            }
        }
        total = warp_reduce_sum(total);
        log = ((total as f64) * (1.0 / 1_099_511_627_776.0f64)).ln() as f32;
        let at = chosen[row] - rank * (WARPS * per);
        if thread == 0 && at < WARPS * per && chosen[row] < vocabulary {
            let value = values[at] - largest - log;
            // Not below either where the largest is negative infinity too, and the value NaN.
            of_chosen[row] = value.max(IMPOSSIBLE);
        }
        // A token outside of the vocabulary is no block's.
        if rank == 0 && thread == 0 && chosen[row] >= vocabulary {
            of_chosen[row] = IMPOSSIBLE;
        }
    }
    if k == 0 {
        return;
    }
    if k == 1 && chosen.len() == 0 {
        if rank == 0 && thread == 0 {
            ids[row] = if largest == f32::NEG_INFINITY { 0 } else { id };
            if of_ids.len() != 0 {
                of_ids[row] = largest;
            }
        }
        return;
    }

    // Few tokens that hold the largest.
    let mut from = 0u64;
    if vocabulary > ROOM {
        bound_of::<GROUPS, 1, WARPS>(bound, keys, k);
        bar_sync();
        from = (bound[0] as u64) << 32;
    }
    let mut half = 0u32;
    let mut n = ROOM + 1;
    while n > ROOM {
        let mut i = lane;
        while i < per {
            let item = (ordered(values[here + i]) as u64) << 32 | !(first + i) as u64;
            if first + i < vocabulary && item >= from {
                tell::<BLOCKS, ROOM>((list, sizes), half, item);
            }
            i += 32;
        }
        cluster_sync();
        n = sizes[half];
        if n > ROOM {
            // Too many share the warps of the largest, or are equal: exactly `k`, bit by bit.
            from = 0;
            let mut bit = 1u64 << 63;
            while bit != 0 {
                let reached = count_from::<BLOCKS, WARPS>(
                    (values, counts),
                    (bit.trailing_zeros() & 1, from | bit),
                    (vocabulary, per),
                );
                if reached >= k {
                    from |= bit;
                }
                bit >>= 1;
            }
            half = 1;
        }
    }
    if rank == 0 && thread < n {
        let item = list[half * ROOM + thread];
        let mut above = 0u32;
        for j in 0..n {
            above += (list[half * ROOM + j] > item) as u32;
        }
        if above < k {
            ids[row * k + above] = !(item as u32);
            if of_ids.len() != 0 {
                let value = of_ordered((item >> 32) as u32);
                of_ids[row * k + above] =
                    if chosen.len() != 0 { (value - largest - log).max(IMPOSSIBLE) } else { value };
            }
        }
    }
}

/// `ids [R]`: the largest of each row of `logits [R, V]`, of equal ones the lowest id. NaN counts as
/// negative infinity, infinity as the largest number; a row without anything else gives 0.
///
/// # Errors
/// As [`top_k`].
pub fn argmax<T: RankLogit>(
    stream: &Stream,
    ids: &mut GpuBuffer<u32>,
    logits: &GpuBuffer<T>,
) -> Result<()> {
    let (mut none, mut no_logs) = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
    let (rows, no_ids) = (ids.len(), GpuBuffer::empty(stream)?);
    let ask = Ask { ids, of_ids: &mut none, of_chosen: &mut no_logs, chosen: &no_ids, rows, k: 1 };
    ranked(stream, ask, logits)
}

/// `ids [R, k]` and `values [R, k]`: the `k` largest of each row of `logits [R, V]`, falling, of
/// equal ones the lowest id first. NaN counts as negative infinity, infinity as the largest number.
///
/// Needs compute capability 9.0.
///
/// # Errors
/// [`Error::Range`] for a `k` that is not 1 to 128 or more than there are, or a vocabulary that
/// [`sample`](super::sample()) does not take either; [`Error::Shape`] if an operand has another
/// length; [`Error::Machine`] for an older device; and those of the device.
pub fn top_k<T: RankLogit>(
    stream: &Stream,
    ids: &mut GpuBuffer<u32>,
    values: &mut GpuBuffer<f32>,
    logits: &GpuBuffer<T>,
    k: usize,
) -> Result<()> {
    shape::range("k", (1, MAX_TOP_K), k)?;
    let rows = ids.len() / k;
    shape::eq("ids", rows * k, ids.len())?;
    shape::eq("values", rows * k, values.len())?;
    let (mut none, no_ids) = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
    let ask = Ask { ids, of_ids: values, of_chosen: &mut none, chosen: &no_ids, rows, k };
    ranked(stream, ask, logits)
}

/// Log-probabilities of each row of `logits [R, V]`, the model's own, before penalties and
/// temperature: `of_chosen [R]` of the tokens `chosen [R]`, and `ids [R, n]` and `of_ids [R, n]` of
/// the `n` most probable, falling. None is below -9999, which also stands for an impossible one.
///
/// `n` is 0 to 128 and follows from the lengths. Each is off by at most 2^-20 and `2^-23` of itself.
///
/// # Errors
/// As [`top_k`].
pub fn logprobs<T: RankLogit>(
    stream: &Stream,
    of_chosen: &mut GpuBuffer<f32>,
    (ids, of_ids): (&mut GpuBuffer<u32>, &mut GpuBuffer<f32>),
    chosen: &GpuBuffer<u32>,
    logits: &GpuBuffer<T>,
) -> Result<()> {
    let rows = chosen.len();
    shape::eq("of_chosen", rows, of_chosen.len())?;
    let k = ids.len().checked_div(rows).unwrap_or(0);
    shape::eq("ids", rows * k, ids.len())?;
    shape::eq("of_ids", rows * k, of_ids.len())?;
    shape::range("n", (0, MAX_TOP_K), k)?;
    ranked(stream, Ask { ids, of_ids, of_chosen, chosen, rows, k }, logits)
}

fn ranked<T: RankLogit>(stream: &Stream, ask: Ask<'_>, logits: &GpuBuffer<T>) -> Result<()> {
    if ask.rows == 0 {
        return shape::eq("logits", 0, logits.len());
    }
    let vocabulary = logits.len() / ask.rows;
    shape::eq("logits", ask.rows * vocabulary, logits.len())?;
    shape::count("logits", logits.len())?;
    shape::range("k", (0, vocabulary), ask.k)?;
    T::launch(stream, ask, logits, vocabulary)
}

/// The types that logits have.
pub trait RankLogit: sealed::Launch {}

mod sealed {
    use super::{GpuBuffer, Result, Stream};

    /// What is written, and what is asked for.
    #[derive(Debug)]
    pub struct Ask<'a> {
        pub(super) ids: &'a mut GpuBuffer<u32>,
        pub(super) of_ids: &'a mut GpuBuffer<f32>,
        pub(super) of_chosen: &'a mut GpuBuffer<f32>,
        pub(super) chosen: &'a GpuBuffer<u32>,
        pub(super) rows: usize,
        pub(super) k: usize,
    }

    /// What a type's kernel is.
    pub trait Launch: firesteel::DeviceCopy + Sized {
        /// Ranks; lengths are right, and there is a row.
        fn launch(
            stream: &Stream,
            ask: Ask<'_>,
            logits: &GpuBuffer<Self>,
            vocabulary: usize,
        ) -> Result<()>;
    }
}

macro_rules! launches {
    ($($type:ident)*) => { $(
        impl RankLogit for $type {}

        impl sealed::Launch for $type {
            fn launch(
                stream: &Stream,
                ask: Ask<'_>,
                logits: &GpuBuffer<Self>,
                vocabulary: usize,
            ) -> Result<()> {
                let info = stream.device().info()?;
                if info.compute_capability.0 < 9 {
                    let got = info.compute_capability;
                    return Err(Error::Machine { what: "top_k", needs: (9, 0), got });
                }
                let small = vocabulary <= SMALL;
                let (blocks, warps) = if small { (1, 8) } else { (8, 32) };
                let (per, shared) = runs(vocabulary, (blocks, warps));
                let free = (info.limits.shared_per_block as usize).saturating_sub(STATIC);
                let most = free / (warps * 16) * (warps * 4) * blocks;
                shape::range("vocabulary", (1, most), vocabulary)?;
                let config = LaunchConfig::new([(ask.rows * blocks) as u32, 1, 1])
                    .with_dynamic_shared(shared as u32)
                    .with_programmatic_dependent_launch();
                let Ask { ids, of_ids, of_chosen, chosen, k, .. } = ask;
                let (size, per, k) = (vocabulary as u32, per as u32, k as u32);
                macro_rules! launch {
                    ($blocks:literal, $warps:literal) => {
                        // SAFETY: Each row has `vocabulary` logits, room for `k` ids and values (or
                        // there are no values), and a chosen token and room for its logarithm (or
                        // there are none); dynamic shared memory holds `per` tokens of each warp.
                        unsafe {
                            rank_kernel::launch_on::<$blocks, $warps, $type>(
                                stream, config, ids, of_ids, of_chosen, chosen, logits, size, per, k,
                            )
                        }
                    };
                }
                if small { launch!(1, 8) } else { launch!(8, 32) }?;
                Ok(())
            }
        }
    )* };
}

launches!(bf16 f32);
