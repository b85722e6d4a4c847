//! The kernel: a few vectors times a quantised matrix, for sm_90.
//!
//! Each warp keeps panels coming into a ring of its own and multiplies them on the tensor cores;
//! the warps that share 16 rows add their sums at the end of them.
//!
//! A product of `mma` has 8 columns. For 8 vectors these are the vectors, and after each group of
//! weights with a scale the sums are scaled. For fewer, a vector has several columns, each of which
//! is zero outside of one group: the integers of several groups are summed at once, and the scaling
//! costs a fraction.

use firesteel::prelude::*;

use super::formats::{self, LAYOUTS, MINIMA, formats};
use super::panel::{ANY, codes, header, scale, unit};

/// Places of a warp's ring, at most.
#[gpu_const]
pub(super) const PLACES: u32 = 8;
/// Panels of a part of the vectors, for which a warp waits.
#[gpu_const]
const PART: u32 = 4;
/// Parts of the vectors, at most; the last may be longer.
#[gpu_const]
pub(super) const PARTS: u32 = 16;
/// The bits of 1.5 * 2^23: an integer below 2^22 in size that is added to them makes the bits of the
/// sum as a float.
#[gpu_const]
const MAGIC: i32 = 0x4b40_0000;
/// A flag: sums are added to what `y` holds.
#[gpu_const]
pub(super) const ADD: u32 = 1;
/// A flag: rows 0 to 7 of each group are gates of rows 8 to 15.
#[gpu_const]
pub(super) const PAIRS: u32 = 2;

/// Where a warp is: the group of 16 rows, of those of the block, and the panel of it.
#[gpu_struct]
#[derive(Clone, Copy)]
struct At {
    group: u32,
    panel: u32,
}

/// What a block does of a product.
#[gpu_struct]
#[derive(Clone, Copy)]
struct Share {
    /// The first group of the product in the matrix, and the first of the block behind it.
    first: u32,
    group: u32,
    /// From one group of the block to the next, and how many there are.
    stride: u32,
    groups: u32,
    /// Panels of a group.
    panels: u32,
    /// From a panel of a warp to its next: warps take the panels of all groups in turns.
    step: At,
    /// Where the rings begin: the first places of all warps, then the second.
    ring: u32,
}

/// The warp's next panel.
#[gpu_fn]
fn after(at: At, share: &Share) -> At {
    let (group, panel) = (at.group + share.step.group, at.panel + share.step.panel);
    if panel < share.panels {
        At { group, panel }
    } else {
        At { group: group + 1, panel: panel - share.panels }
    }
}

/// One lane begins to copy a panel into a place of the ring.
#[gpu_fn]
fn fetch<const FORMAT: u32, const WARPS: u32>(
    weights: &[u32],
    ring: &mut [u32],
    full: &mut [u64],
    place: u32,
    at: At,
    share: &Share,
) {
    const LAYOUT: [u32; 3] = LAYOUTS[FORMAT as usize];
    const PANEL: u32 = (LAYOUT[0] + LAYOUT[1]) * 128 + formats::SCALES[LAYOUT[2] as usize];
    if at.group < share.groups && thread_idx_x() % 32 == 0 {
        let bar = thread_idx_x() / 32 * PLACES + place;
        let to = share.ring + (place * WARPS + thread_idx_x() / 32) * PANEL;
        let group = share.first + share.group + at.group * share.stride;
        let from = (group * share.panels + at.panel) * PANEL;
        mbarrier_arrive_expect_tx(&mut full[bar], PANEL * 4);
        bulk_load(&mut ring[to], &weights[from], PANEL, &mut full[bar]);
    }
}

/// This lane's bytes of the vectors for a set of a panel, whose words begin at `first`: of its
/// column's group, those at its place `t`.
#[gpu_fn]
fn integers<const FORMAT: u32, const BATCH: u32>(x: &[u32], first: u32, set: u32) -> [u32; 2] {
    const SHORT: bool = formats::SHORT[LAYOUTS[FORMAT as usize][2] as usize];
    let (g, t) = (thread_idx_x() % 32 / 4, thread_idx_x() % 4);
    // What is known when the kernel is compiled comes last: it is part of the instruction.
    if SHORT {
        // A set of 8 vectors has one group of 16, else several from an even one on.
        let of_set = if BATCH == 8 { 0 } else { g / BATCH };
        let column = of_set / 2 * BATCH + g % BATCH;
        let at = first + column * 8 + of_set % 2 * 4 + t;
        let odd = if BATCH == 8 { set % 2 * 4 } else { 0 };
        [x[at + (odd + set * (8 / BATCH) / 2 * (BATCH * 8))], 0]
    } else {
        let pair = load_vec2(x, first + g * 8 + t * 2 + set * 64);
        [pair.x, pair.y]
    }
}

/// The scales of this lane's two columns of a set, and those times the sums of their integers. The
/// panel's scales begin at `first`, those times the sums a `plane` behind them.
#[gpu_fn]
fn scales<const FORMAT: u32, const BATCH: u32>(
    x: &[u32],
    first: u32,
    plane: u32,
    set: u32,
) -> [[f32; 2]; 2] {
    const SHORT: bool = formats::SHORT[LAYOUTS[FORMAT as usize][2] as usize];
    const MINIMUM: bool = MINIMA[LAYOUTS[FORMAT as usize][2] as usize];
    let t = thread_idx_x() % 4;
    let of_set = if BATCH == 8 { 0 } else { t * 2 / BATCH };
    let at = if SHORT { first + of_set / 2 * BATCH + t * 2 % BATCH } else { first + t * 2 };
    let column = if SHORT { set * (8 / BATCH) / 2 * BATCH } else { set * 8 };
    let mut d = [f32::from_bits(x[at + column]); 2];
    let mut sums = [0.0f32; 2];
    if SHORT && BATCH == 1 {
        if MINIMUM {
            // Both columns are of the same 32.
            sums[1] = f32::from_bits(x[at + plane * 2 + column]);
            sums[0] = f32::from_bits(x[at + plane + column]) - sums[1];
        }
    } else {
        let pair = load_vec2(x, at + column);
        d = [f32::from_bits(pair.x), f32::from_bits(pair.y)];
        if MINIMUM {
            let pair = load_vec2(x, at + plane + column);
            sums = [f32::from_bits(pair.x), f32::from_bits(pair.y)];
        }
        if SHORT && MINIMUM {
            let pair = load_vec2(x, at + plane * 2 + column);
            let last = [f32::from_bits(pair.x), f32::from_bits(pair.y)];
            let odd = if BATCH == 8 { set % 2 == 1 } else { of_set % 2 == 1 };
            sums = if odd { last } else { [sums[0] - last[0], sums[1] - last[1]] };
        }
    }
    [d, sums]
}

/// [`integers`] and [`scales`] of a set of a panel, of vectors whose words begin at `first`.
#[gpu_fn]
fn words_of<const FORMAT: u32, const BATCH: u32>(
    x: &[u32],
    first: u32,
    panels: u32,
    panel: u32,
    set: u32,
) -> ([u32; 2], [[f32; 2]; 2]) {
    let plane = panels * (BATCH * 8);
    let of_scales = first + plane * 8 + panel * (BATCH * 8);
    (
        integers::<FORMAT, BATCH>(x, first + panel * (BATCH * 64), set),
        scales::<FORMAT, BATCH>(x, of_scales, plane, set),
    )
}

/// Makes the barriers.
#[gpu_fn]
fn begin<const WARPS: u32>(
    full: &mut [u64],
    written: &mut [u64],
    free: &mut [u64],
    ready: &mut [u64],
    places: u32,
) {
    let warp = thread_idx_x() / 32;
    if thread_idx_x() % 32 == 0 {
        for place in 0..places {
            mbarrier_init(&mut full[warp * PLACES + place], 1);
        }
        if warp < 2 {
            mbarrier_init(&mut written[warp], WARPS);
            mbarrier_init(&mut free[warp], 1);
        }
        if warp < PARTS {
            mbarrier_init(&mut ready[warp], 1);
        }
        fence_mbarrier_init();
    }
    warp_sync();
}

/// A lane of each of the first warps begins to copy a part of the vectors into shared memory: their
/// integers, then `runs` scales and sums of each 32.
#[gpu_fn]
fn stage<const BATCH: u32>(x: &[u32], ring: &mut [u32], ready: &mut [u64], panels: u32, runs: u32) {
    let part = thread_idx_x() / 32;
    if thread_idx_x() % 32 == 0 && part < PARTS && part * PART < panels {
        let first = part * PART;
        let count = if part == PARTS - 1 { panels - first } else { PART.min(panels - first) };
        let words = count * (BATCH * 64);
        mbarrier_arrive_expect_tx(&mut ready[part], (words + runs * count * (BATCH * 8)) * 4);
        let at = first * (BATCH * 64);
        bulk_load(&mut ring[at], &x[at], words, &mut ready[part]);
        for run in 0..runs {
            let at = (panels * 8 + run * panels + first) * (BATCH * 8);
            bulk_load(&mut ring[at], &x[at], count * (BATCH * 8), &mut ready[part]);
        }
    }
}

/// For each of the groups that share the columns of a product, all bits if this lane's column is of
/// that group.
#[gpu_fn]
fn masks<const BATCH: u32>() -> [u32; 8] {
    let group = thread_idx_x() % 32 / 4 / BATCH;
    let mut masks = [0u32; 8];
    #[unroll]
    for i in 0..8 / BATCH {
        // Arithmetic, so that registers hold the masks and nothing is compared for each product.
        masks[i] = ((group ^ i) as i32 - 1 >> 31) as u32;
    }
    masks
}

/// The right factor of step `i` of a set.
#[gpu_fn]
fn factor<const FORMAT: u32, const BATCH: u32>(
    x: [u32; 2],
    masks: &[u32; 8],
    set: u32,
    i: u32,
) -> [u32; 2] {
    const SHORT: bool = formats::SHORT[LAYOUTS[FORMAT as usize][2] as usize];
    if BATCH == 8 && !SHORT {
        x
    } else if BATCH == 8 {
        if set % 2 == 0 { [x[0], 0] } else { [0, x[0]] }
    } else if SHORT {
        [x[0] & masks[i * 2], x[0] & masks[i * 2 + 1]]
    } else {
        [x[0] & masks[i], x[1] & masks[i]]
    }
}

/// Adds the products of a set's codes and the vectors' integers to `dots`. This lane's words of the
/// panel begin at `from`; those of a piece of each plane stay in `planes` for as long as they last.
#[gpu_fn]
fn add_products<const FORMAT: u32, const BATCH: u32>(
    dots: &mut FragC<i32>,
    ring: &[u32],
    from: u32,
    planes: &mut [[u32; 4]; 2],
    masks: &[u32; 8],
    (x, set): ([u32; 2], u32),
) {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    const SHORT: bool = formats::SHORT[LAYOUTS[FORMAT as usize][2] as usize];
    const SPAN: u32 = 8 / BATCH;
    // Steps of a set; a set of 8 vectors and 16 columns is half a step.
    const STEPS: u32 = if SHORT && SPAN > 1 { SPAN / 2 } else { SPAN };
    // Two sums of steps in turns wait less for each other.
    const CHAINS: u32 = if STEPS >= 4 { 2 } else { 1 };
    // Steps of a piece of each plane.
    const LOW_STEPS: u32 = 8 / LOW;
    const HIGH_STEPS: u32 = if HIGH == 0 { 1 } else { 8 / HIGH };
    let mut others = FragC::<i32>::zero();
    #[unroll]
    for i in 0..STEPS {
        let step = if SHORT && SPAN == 1 { set / 2 } else { set * STEPS + i };
        if step % LOW_STEPS == 0 {
            let piece = load_vec4(ring, from + step / LOW_STEPS * 128);
            planes[0] = [piece.x, piece.y, piece.z, piece.w];
        }
        if HIGH != 0 && step % HIGH_STEPS == 0 {
            let piece = load_vec4(ring, from + (LOW + step / HIGH_STEPS) * 128);
            planes[1] = [piece.x, piece.y, piece.z, piece.w];
        }
        let mut words = [0u32; 4];
        #[unroll]
        for w in 0..4u32 {
            words[w] = codes::<LOW, HIGH, { !MINIMA[LAYOUTS[FORMAT as usize][2] as usize] }>(
                (planes[0][w], step % LOW_STEPS),
                (planes[1][w], step % HIGH_STEPS),
            );
        }
        let x = factor::<FORMAT, BATCH>(x, masks, set, i);
        if CHAINS == 2 && i % 2 == 1 {
            mma(&mut others, frag_a::<i8>(words), frag_b::<i8>(x));
        } else {
            mma(dots, frag_a::<i8>(words), frag_b::<i8>(x));
        }
    }
    if CHAINS == 2 {
        #[unroll]
        for i in 0..4u32 {
            dots[i] += others[i];
        }
    }
}

/// Adds a set's integers to the sums of this lane's two rows and two columns, scaled by the weights'
/// scales and the vectors'.
#[gpu_fn]
fn add_scaled<const FORMAT: u32, const BATCH: u32>(
    sums: &mut [f32; 4],
    dots: &FragC<i32>,
    ring: &[u32],
    of_w: u32,
    headers: &[[u32; 8]; 2],
    of_x: [[f32; 2]; 2],
    set: u32,
) {
    const ALL: bool = BATCH == 8;
    const SPAN: u32 = 8 / BATCH;
    let (g, t) = (thread_idx_x() % 32 / 4, thread_idx_x() % 4);
    let (of, sum_of) = (of_x[0], of_x[1]);
    // The groups of this lane's two columns.
    let first = if ALL { set } else { set * SPAN + t * 2 / BATCH };
    let zeros = [-12_582_912.0 * of[0], -12_582_912.0 * of[1]];
    #[unroll]
    for h in 0..2u32 {
        let (row, head, from) = (g + h * 8, headers[h], set * SPAN);
        let mut both = [(0.0f32, 0.0f32); 2];
        if BATCH == 1 {
            both[0] = scale::<FORMAT, ALL>(ring, of_w, head, row, (from, first, 0));
            both[1] = scale::<FORMAT, ALL>(ring, of_w, head, row, (from, first, 1));
        } else {
            both[0] = scale::<FORMAT, ALL>(ring, of_w, head, row, (from, first, ANY));
            both[1] = both[0];
        }
        #[unroll]
        for i in 0..2u32 {
            // The product with `of`, a number of 11 bits, is exact.
            let dot = f32::from_bits(dots[h * 2 + i] as u32).mul_add(of[i], zeros[i]);
            let mut sum = both[i].0.mul_add(dot, sums[h * 2 + i]);
            if MINIMA[LAYOUTS[FORMAT as usize][2] as usize] {
                sum = (-both[i].1).mul_add(sum_of[i], sum);
            }
            sums[h * 2 + i] = sum;
        }
    }
}

/// Writes a warp's sums of a group; columns of the same vector are added.
#[gpu_fn]
fn store_sums<const BATCH: u32>(partial: &mut [f32], to: u32, sums: [f32; 4]) {
    let (g, t) = (thread_idx_x() % 32 / 4, thread_idx_x() % 4);
    #[unroll]
    for h in 0..2u32 {
        let to = to + (h * 8 + g) * BATCH + t * 2;
        let mut pair = [sums[h * 2], sums[h * 2 + 1]];
        if BATCH == 1 {
            pair[0] += pair[1];
        }
        #[unroll]
        for i in 0..2u32 {
            if BATCH <= 2 {
                pair[i] += shfl_sync_bfly(pair[i], 1, 32);
            }
            if BATCH <= 4 {
                pair[i] += shfl_sync_bfly(pair[i], 2, 32);
            }
        }
        if t * 2 < BATCH {
            partial[to] = pair[0];
            if BATCH > 1 {
                partial[to + 1] = pair[1];
            }
        }
    }
}

/// The sums of all warps: this lane's of a group.
#[gpu_fn]
fn add_up<const FORMAT: u32, const BATCH: u32, const WARPS: u32>(
    partial: &[f32],
    buffer: u32,
) -> [f32; 4] {
    let lane = thread_idx_x() % 32;
    let mut totals = [0.0f32; 4];
    #[unroll]
    for i in 0..(BATCH + 1) / 2 {
        let element = i * 32 + lane;
        if element < 16 * BATCH {
            #[unroll]
            for w in 0..WARPS {
                totals[i] += partial[(buffer * WARPS + w) * (16 * BATCH) + element];
            }
            totals[i] *= unit::<FORMAT>();
        }
    }
    totals
}

/// `silu(gate) * up` of totals, the first half of which are those of gates.
#[gpu_fn]
pub(super) fn silu_mul<const BATCH: u32>(totals: &mut [f32; 4]) {
    const HALF: u32 = (BATCH + 3) / 4;
    #[unroll]
    for i in 0..HALF {
        let up =
            if BATCH <= 2 { shfl_sync_bfly(totals[0], 8 * BATCH, 32) } else { totals[i + HALF] };
        totals[i] = fast::div(totals[i], 1.0 + fast::exp(-totals[i])) * up;
    }
}

/// Writes the totals of a group, whose rows of the product begin at `first`.
#[gpu_fn]
pub(super) fn store_totals<const BATCH: u32>(
    (y, bias): (&mut [f32], &[f32]),
    totals: &[f32; 4],
    first: u32,
    rows: u32,
    (n, batch, flags): (u32, u32, u32),
) {
    let lane = thread_idx_x() % 32;
    #[unroll]
    for i in 0..(BATCH + 1) / 2 {
        let element = i * 32 + lane;
        let row = first + element / BATCH;
        let vector = element % BATCH;
        if element < rows * BATCH && row < n && vector < batch {
            let to = (block_idx_y() + vector) * n + row;
            let mut total = totals[i];
            if bias.len() > 0 {
                total += bias[row];
            }
            if flags & ADD != 0 {
                total += y[to];
            }
            y[to] = total;
        }
    }
}

/// What a product is besides its operands.
#[gpu_struct]
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// Rows of `y`, and panels of a row of the matrix.
    pub(super) n: u32,
    pub(super) panels: u32,
    /// Vectors.
    pub(super) batch: u32,
    pub(super) flags: u32,
    /// Experts of a vector, or none, and how many there are in all.
    pub(super) top_k: u32,
    pub(super) count: u32,
}

#[gpu_fn]
fn multiply<const FORMAT: u32, const BATCH: u32, const ALL: bool, const WARPS: u32>(
    weights: &[u32],
    activations: &[u32],
    (y, bias): (&mut [f32], &[f32]),
    experts: &[u32],
    places: u32,
    size: Size,
) {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    const SCALES: u32 = LAYOUTS[FORMAT as usize][2];
    const SIGNED: bool = !MINIMA[SCALES as usize];
    const SHORT: bool = formats::SHORT[SCALES as usize];
    const PLANES: u32 = (LOW + HIGH) * 128;
    const PANEL: u32 = PLANES + formats::SCALES[SCALES as usize];
    // Groups of weights that are scaled at once are a set.
    const SETS: u32 = if SHORT { 2 * BATCH } else { BATCH };
    // Many vectors are read from shared memory: their integers, scales and what sums are needed.
    const STAGED: bool = BATCH >= 4;
    const RUNS: u32 = if SIGNED {
        1
    } else if SHORT {
        3
    } else {
        2
    };
    // Copies to less aligned places take longer.
    let ring = dynamic_shared![u32, align = 128];
    let partial = shared_mem![f32; 2 * WARPS * 16 * BATCH];
    let full = shared_mem![u64; WARPS * PLACES];
    let written = shared_mem![u64; 2];
    let free = shared_mem![u64; 2];
    let ready = shared_mem![u64; PARTS];
    let Size { n, panels, batch, flags, top_k, count } = size;
    let thread = thread_idx_x();
    let (warp, lane) = (thread / 32, thread % 32);
    let g = lane / 4;
    // Rows of `y` that a group has, as a power of 2.
    let shift = if flags & PAIRS != 0 { 3 } else { 4u32 };
    let of_all = (n + (1 << shift) - 1) >> shift;
    let stride = grid_dim_x();
    let groups = (of_all - block_idx_x()).div_ceil(stride);
    let (mut first_group, mut vectors) = (0u32, 0u32);
    if BATCH == 1 {
        if top_k != 0 {
            // Which weights are read does depend on the kernels before this one.
            grid_dependency_wait();
            let expert = experts[block_idx_y()];
            if expert >= count {
                for group in 0..groups {
                    let row = ((block_idx_x() + group * stride) << shift) + thread;
                    if thread < 1 << shift && row < n {
                        y[block_idx_y() * n + row] = f32::NAN;
                    }
                }
                return;
            }
            first_group = expert * of_all;
            vectors = block_idx_y() / top_k * (panels * 88);
        }
    }
    let share = Share {
        first: first_group,
        group: block_idx_x(),
        stride,
        groups,
        panels,
        step: At { group: WARPS / panels, panel: WARPS % panels },
        ring: if STAGED { panels * (BATCH * (64 + 8 * RUNS)) } else { 0 },
    };
    let mut at = At { group: warp / panels, panel: warp % panels };
    begin::<WARPS>(full, written, free, ready, places);
    // Weights do not depend on the kernels before this one.
    let mut next = at;
    for place in 0..places {
        fetch::<FORMAT, WARPS>(weights, ring, full, place, next, &share);
        next = after(next, &share);
    }
    bar_sync();
    grid_dependency_launch();
    grid_dependency_wait();
    let mut x = [0u32; 2];
    let mut of_x = [[0.0f32; 2]; 2];
    if STAGED {
        stage::<BATCH>(activations, ring, ready, panels, RUNS);
    } else {
        (x, of_x) = words_of::<FORMAT, BATCH>(activations, vectors, panels, at.panel, 0);
    }
    let masks = masks::<BATCH>();

    let (mut place, mut phase) = (0u32, 0u32);
    for group in 0..groups + 1 {
        let buffer = group % 2;
        if group < groups {
            let mut sums = [0.0f32; 4];
            while at.group == group {
                let following = after(at, &share);
                if STAGED {
                    mbarrier_wait(&mut ready[(at.panel / PART).min(PARTS - 1)], 0);
                }
                mbarrier_wait(&mut full[warp * PLACES + place], phase);
                let here = share.ring + (place * WARPS + warp) * PANEL;
                let of_w = here + PLANES;
                let headers: [[u32; 8]; 2] = [
                    header::<FORMAT, ALL>(ring, of_w, g),
                    header::<FORMAT, ALL>(ring, of_w, g + 8),
                ];
                let mut planes = [[0u32; 4]; 2];
                #[unroll]
                for set in 0..SETS {
                    if STAGED {
                        (x, of_x) = words_of::<FORMAT, BATCH>(ring, 0, panels, at.panel, set);
                    }
                    let mut dots = FragC::<i32>::zero();
                    #[unroll]
                    for i in 0..4u32 {
                        dots[i] = MAGIC;
                    }
                    add_products::<FORMAT, BATCH>(
                        &mut dots,
                        ring,
                        here + lane * 4,
                        &mut planes,
                        &masks,
                        (x, set),
                    );
                    let of_set = of_x;
                    if !STAGED {
                        // What comes next is asked for before this is done.
                        let (of_panel, of_set) =
                            if set + 1 < SETS { (at.panel, set + 1) } else { (following.panel, 0) };
                        (x, of_x) = words_of::<FORMAT, BATCH>(
                            activations,
                            vectors,
                            panels,
                            of_panel,
                            of_set,
                        );
                    }
                    add_scaled::<FORMAT, BATCH>(
                        &mut sums, &dots, ring, of_w, &headers, of_set, set,
                    );
                }
                // The place is free: what comes next is copied into it.
                warp_sync();
                fetch::<FORMAT, WARPS>(weights, ring, full, place, next, &share);
                next = after(next, &share);
                place += 1;
                if place == places {
                    place = 0;
                    phase ^= 1;
                }
                at = following;
            }
            if group >= 2 {
                mbarrier_wait(&mut free[buffer], (group / 2 - 1) % 2);
            }
            store_sums::<BATCH>(partial, (buffer * WARPS + warp) * (16 * BATCH), sums);
            warp_sync();
            if lane == 0 {
                mbarrier_arrive(&mut written[buffer]);
            }
        }
        // The sums of the group before this one, once all warps have theirs: one of the warps that
        // run out of panels first adds them.
        if group > 0 && (group - 1) % WARPS == WARPS - 1 - warp {
            let rows = if flags & PAIRS != 0 { 8 } else { 16u32 };
            let first = (block_idx_x() + (group - 1) * stride) * rows;
            let buffer = (group - 1) % 2;
            mbarrier_wait(&mut written[buffer], (group - 1) / 2 % 2);
            let mut totals = add_up::<FORMAT, BATCH, WARPS>(partial, buffer);
            warp_sync();
            if lane == 0 {
                mbarrier_arrive(&mut free[buffer]);
            }
            if flags & PAIRS != 0 {
                silu_mul::<BATCH>(&mut totals);
            }
            store_totals::<BATCH>((y, bias), &totals, first, rows, (n, batch, flags));
        }
    }
}

macro_rules! kernel {
    ([$($number:literal)*] $($formats:tt)*) => {
        /// `y [batch, n] = x [batch, k] w [n, k]ᵀ`, and what `flags` and `bias` add to it.
        ///
        /// With `top_k`, a block multiplies vector `block_idx_y / top_k`, all of whose values lie
        /// together, by the expert of `count` that `experts` has for it.
        #[gpu_kernel(
            block_size = 32 * WARPS,
            arch = "sm_90",
            min_blocks = 32 / WARPS,
            unchecked,
            instances(
                FORMAT = [$($number),*],
                (BATCH = 1, WARPS = 16),
                (BATCH = 1, WARPS = 18),
                (BATCH = 2, WARPS = 16),
                (BATCH = 2, WARPS = 18),
                (BATCH = 4, WARPS = 16),
                (BATCH = 8, WARPS = 16)
            )
        )]
        pub(super) fn gemv_kernel<const FORMAT: u32, const BATCH: u32, const WARPS: u32>(
            weights: &[u32],
            activations: &[u32],
            y: &mut [f32],
            bias: &[f32],
            experts: &[u32],
            n: u32,
            panels: u32,
            batch: u32,
            places: u32,
            flags: u32,
            top_k: u32,
            count: u32,
        ) {
            let size = Size { n, panels, batch, flags, top_k, count };
            multiply::<FORMAT, BATCH, { BATCH == 8 }, WARPS>(weights, activations, (y, bias), experts, places, size);
        }
    };
}
formats!(kernel);
