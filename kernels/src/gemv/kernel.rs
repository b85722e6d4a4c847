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

use super::panel::{Q2_K, Q3_K, Q4_1, Q4_K, Q5_1, Q5_K, Q6_K, codes, header, scale, unit};

/// Warps of a block.
#[gpu_const]
pub(super) const WARPS: u32 = 16;
/// Places of a warp's ring, at most.
#[gpu_const]
pub(super) const PLACES: u32 = 8;
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

/// The warp's next panel: warps take the panels of all groups of the block in turns.
#[gpu_fn]
fn after(at: At, panels: u32) -> At {
    let (group, panel) = (at.group + WARPS / panels, at.panel + WARPS % panels);
    if panel < panels {
        At { group, panel }
    } else {
        At { group: group + 1, panel: panel - panels }
    }
}

/// One lane begins to copy a panel into a place of the ring. The groups of the product begin at
/// `first` of the matrix.
#[gpu_fn]
fn fetch<const PANEL: u32>(
    weights: &[u32],
    ring: &mut [u32],
    full: &mut [u64],
    place: u32,
    at: At,
    (first, panels, places): (u32, u32, u32),
) {
    let bar = thread_idx_x() / 32 * PLACES + place;
    let to = (thread_idx_x() / 32 * places + place) * PANEL;
    let group = first + block_idx_x() + at.group * grid_dim_x();
    mbarrier_arrive_expect_tx(&mut full[bar], PANEL * 4);
    bulk_load(&mut ring[to], &weights[(group * panels + at.panel) * PANEL], PANEL, &mut full[bar]);
}

/// This lane's bytes of the vectors for a set: of its column's group, those at its place `t`.
#[gpu_fn]
fn integers<const BATCH: u32, const SHORT: bool>(
    x: &[u32],
    first: u32,
    panel: u32,
    set: u32,
) -> [u32; 2] {
    let (g, t) = (thread_idx_x() % 32 / 4, thread_idx_x() % 4);
    if SHORT {
        // A set of 8 vectors has one group of 16, else several from an even one on.
        let of_set = if BATCH == 8 { 0 } else { g / BATCH };
        let odd = if BATCH == 8 { set % 2 } else { of_set % 2 };
        let column = panel * (BATCH * 8) + of_set / 2 * BATCH + g % BATCH;
        [x[first + column * 8 + odd * 4 + t + set * (8 / BATCH) / 2 * (BATCH * 8)], 0]
    } else {
        let pair = load_vec2(x, first + (panel * BATCH * 8 + g) * 8 + t * 2 + set * 64);
        [pair.x, pair.y]
    }
}

/// The scales of this lane's two columns of a set, and those times the sums of their integers.
#[gpu_fn]
fn scales<const BATCH: u32, const SHORT: bool, const MINIMA: bool>(
    x: &[u32],
    first: u32,
    (panels, panel): (u32, u32),
    set: u32,
) -> [[f32; 2]; 2] {
    let t = thread_idx_x() % 4;
    let plane = panels * (BATCH * 8);
    let first = first + plane * 8;
    let of_set = if BATCH == 8 { 0 } else { t * 2 / BATCH };
    let column = if SHORT {
        let of_panel = of_set / 2 * BATCH + t * 2 % BATCH;
        panel * (BATCH * 8) + of_panel + set * (8 / BATCH) / 2 * BATCH
    } else {
        panel * (BATCH * 8) + t * 2 + set * 8
    };
    let mut d = [f32::from_bits(x[first + column]); 2];
    let mut sums = [0.0f32; 2];
    if SHORT && BATCH == 1 {
        if MINIMA {
            // Both columns are of the same 32.
            sums[1] = f32::from_bits(x[first + plane * 2 + column]);
            sums[0] = f32::from_bits(x[first + plane + column]) - sums[1];
        }
    } else {
        let pair = load_vec2(x, first + column);
        d = [f32::from_bits(pair.x), f32::from_bits(pair.y)];
        if MINIMA {
            let pair = load_vec2(x, first + plane + column);
            sums = [f32::from_bits(pair.x), f32::from_bits(pair.y)];
        }
        if SHORT && MINIMA {
            let pair = load_vec2(x, first + plane * 2 + column);
            let last = [f32::from_bits(pair.x), f32::from_bits(pair.y)];
            let odd = if BATCH == 8 { set % 2 == 1 } else { of_set % 2 == 1 };
            sums = if odd { last } else { [sums[0] - last[0], sums[1] - last[1]] };
        }
    }
    [d, sums]
}

/// `y [batch, n] = x [batch, k] w [n, k]ᵀ`, and what `flags` and `bias` add to it.
///
/// With `top_k`, a block multiplies vector `block_idx_y / top_k`, all of whose values lie together,
/// by the expert of `count` that `experts` has for it.
#[gpu_kernel(
    block_size = 512,
    arch = "sm_90",
    min_blocks = 2,
    unchecked,
    instances(
        (FORMAT = 2, LOW = 4, HIGH = 0),
        (FORMAT = 3, LOW = 4, HIGH = 0),
        (FORMAT = 6, LOW = 4, HIGH = 1),
        (FORMAT = 7, LOW = 4, HIGH = 1),
        (FORMAT = 8, LOW = 8, HIGH = 0),
        (FORMAT = 10, LOW = 2, HIGH = 0),
        (FORMAT = 11, LOW = 2, HIGH = 1),
        (FORMAT = 12, LOW = 4, HIGH = 0),
        (FORMAT = 13, LOW = 4, HIGH = 1),
        (FORMAT = 14, LOW = 4, HIGH = 2),
        BATCH = [1, 2, 4, 8]
    )
)]
pub(super) fn gemv_kernel<const FORMAT: u32, const LOW: u32, const HIGH: u32, const BATCH: u32>(
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
    const MINIMA: bool =
        FORMAT == Q4_1 || FORMAT == Q5_1 || FORMAT == Q2_K || FORMAT == Q4_K || FORMAT == Q5_K;
    const SIGNED: bool = !MINIMA;
    // Scales are for 16 columns, not for 32.
    const SHORT: bool = FORMAT == Q2_K || FORMAT == Q3_K || FORMAT == Q6_K;
    const SCALES: u32 = if FORMAT == Q2_K {
        80
    } else if FORMAT == Q3_K {
        56
    } else if FORMAT == Q6_K {
        72
    } else if FORMAT == Q4_1 || FORMAT == Q5_1 {
        128
    } else {
        64
    };
    const PANEL: u32 = (LOW + HIGH) * 128 + SCALES;
    // Groups of one vector in the columns of one product, and products of a panel.
    const SPAN: u32 = 8 / BATCH;
    const SETS: u32 = if SHORT { 2 * BATCH } else { BATCH };
    // Steps of a set; a set of 8 vectors and 16 columns is half a step.
    const STEPS: u32 = if SHORT && SPAN > 1 { SPAN / 2 } else { SPAN };
    // Steps of a piece of each plane.
    const LOW_STEPS: u32 = 8 / LOW;
    const HIGH_STEPS: u32 = if HIGH == 0 { 1 } else { 8 / HIGH };
    const STAGED: bool = BATCH >= 4;
    const ALL: bool = BATCH == 8;
    // Sums of a group that a lane adds up, and how many are left of pairs.
    const SHARE: u32 = (BATCH + 1) / 2;
    const HALF: u32 = (BATCH + 3) / 4;
    // Copies to less aligned places take longer.
    let ring = dynamic_shared![u32, align = 128];
    let partial = shared_mem![f32; 2 * WARPS * 16 * BATCH];
    let full = shared_mem![u64; WARPS * PLACES];
    let written = shared_mem![u64; 2];
    let free = shared_mem![u64; 2];
    let ready = shared_mem![u64; 1];
    let thread = thread_idx_x();
    let (warp, lane) = (thread / 32, thread % 32);
    let (g, t) = (lane / 4, lane % 4);
    // Rows of `y` that a group has, as a power of 2, and the groups that this block takes.
    let shift = if flags & PAIRS != 0 { 3 } else { 4u32 };
    let of_all = (n + (1 << shift) - 1) >> shift;
    let groups = (of_all - block_idx_x()).div_ceil(grid_dim_x());
    let (mut first_group, mut vectors) = (0u32, 0u32);
    if BATCH == 1 {
        if top_k != 0 {
            // Which weights are read does depend on the kernels before this one.
            grid_dependency_wait();
            let expert = experts[block_idx_y()];
            if expert >= count {
                for group in 0..groups {
                    let row = ((block_idx_x() + group * grid_dim_x()) << shift) + thread;
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
    let start = At { group: warp / panels, panel: warp % panels };
    if lane == 0 {
        for place in 0..places {
            mbarrier_init(&mut full[warp * PLACES + place], 1);
        }
        if warp < 2 {
            mbarrier_init(&mut written[warp], WARPS);
            mbarrier_init(&mut free[warp], 1);
        }
        if warp == 2 {
            mbarrier_init(&mut ready[0], 1);
        }
        fence_mbarrier_init();
    }
    warp_sync();
    // Weights do not depend on the kernels before this one.
    let mut next = start;
    for place in 0..places {
        if next.group < groups {
            if lane == 0 {
                fetch::<PANEL>(weights, ring, full, place, next, (first_group, panels, places));
            }
            next = after(next, panels);
        }
    }
    bar_sync();
    grid_dependency_launch();
    grid_dependency_wait();
    // Many vectors are read from shared memory.
    let staged = WARPS * places * PANEL;
    if STAGED {
        if thread == 0 {
            let count = panels * (BATCH * 88);
            mbarrier_arrive_expect_tx(&mut ready[0], count * 4);
            bulk_load(&mut ring[staged], &activations[0], count, &mut ready[0]);
        }
        mbarrier_wait(&mut ready[0], 0);
    }

    let (mut place, mut phase) = (0u32, 0u32);
    let mut at = start;
    for group in 0..groups + 1 {
        // The sums of the group before this one, once all warps have theirs.
        if group > 0 && (group - 1) % WARPS == warp {
            let (done, buffer) = (group - 1, (group - 1) % 2);
            mbarrier_wait(&mut written[buffer], done / 2 % 2);
            let mut totals = [0.0f32; SHARE as usize];
            #[unroll]
            for i in 0..SHARE {
                let element = i * 32 + lane;
                if element < 16 * BATCH {
                    #[unroll]
                    for w in 0..WARPS {
                        totals[i] += partial[(buffer * WARPS + w) * (16 * BATCH) + element];
                    }
                    totals[i] *= unit::<FORMAT>();
                }
            }
            if flags & PAIRS != 0 {
                #[unroll]
                for i in 0..HALF {
                    let up = if BATCH <= 2 {
                        shfl_sync_bfly(totals[0], 8 * BATCH, 32)
                    } else {
                        totals[i + HALF]
                    };
                    totals[i] = fast::div(totals[i], 1.0 + fast::exp(-totals[i])) * up;
                }
            }
            // Made of `flags` again, so that no register holds it meanwhile.
            let rows = if flags & PAIRS != 0 { 8 } else { 16u32 };
            #[unroll]
            for i in 0..SHARE {
                let element = i * 32 + lane;
                let row = (block_idx_x() + done * grid_dim_x()) * rows + element / BATCH;
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
            warp_sync();
            if lane == 0 {
                mbarrier_arrive(&mut free[buffer]);
            }
        }
        if group < groups {
            let mut sums = [0.0f32; 4];
            while at.group == group {
                let panel = at.panel;
                let mut x = [0u32; 2];
                let mut of_x = [[0.0f32; 2]; 2];
                if !STAGED {
                    x = integers::<BATCH, SHORT>(activations, vectors, panel, 0);
                    let of_panel = (panels, panel);
                    of_x = scales::<BATCH, SHORT, MINIMA>(activations, vectors, of_panel, 0);
                }
                mbarrier_wait(&mut full[warp * PLACES + place], phase);
                let here = (warp * places + place) * PANEL;
                let of_w = here + (LOW + HIGH) * 128;
                let headers = [
                    header::<FORMAT, ALL>(ring, of_w, g),
                    header::<FORMAT, ALL>(ring, of_w, g + 8),
                ];
                let mut low = [0u32; 4];
                let mut high = [0u32; 4];
                #[unroll]
                for set in 0..SETS {
                    if STAGED {
                        x = integers::<BATCH, SHORT>(ring, staged, panel, set);
                        of_x = scales::<BATCH, SHORT, MINIMA>(ring, staged, (panels, panel), set);
                    }
                    let mut dots = FragC::<i32>::zero();
                    #[unroll]
                    for i in 0..4u32 {
                        dots[i] = MAGIC;
                    }
                    #[unroll]
                    for i in 0..STEPS {
                        let step = if SHORT && SPAN == 1 { set / 2 } else { set * STEPS + i };
                        let factor = if BATCH == 8 && !SHORT {
                            x
                        } else if !SHORT {
                            if g / BATCH == i { x } else { [0, 0] }
                        } else if BATCH == 8 {
                            if set % 2 == 0 { [x[0], 0] } else { [0, x[0]] }
                        } else {
                            let (first, last) = (g / BATCH == i * 2, g / BATCH == i * 2 + 1);
                            [if first { x[0] } else { 0 }, if last { x[0] } else { 0 }]
                        };
                        let from = here + lane * 4;
                        if step % LOW_STEPS == 0 {
                            let piece = load_vec4(ring, from + step / LOW_STEPS * 128);
                            low = [piece.x, piece.y, piece.z, piece.w];
                        }
                        if HIGH != 0 && step % HIGH_STEPS == 0 {
                            let piece = load_vec4(ring, from + (LOW + step / HIGH_STEPS) * 128);
                            high = [piece.x, piece.y, piece.z, piece.w];
                        }
                        let mut words = [0u32; 4];
                        #[unroll]
                        for w in 0..4u32 {
                            words[w] = codes::<LOW, HIGH, SIGNED>(
                                (low[w], step % LOW_STEPS),
                                (high[w], step % HIGH_STEPS),
                            );
                        }
                        mma(&mut dots, frag_a::<i8>(words), frag_b::<i8>(factor));
                    }
                    let (of, sum_of) = (of_x[0], of_x[1]);
                    if !STAGED && set + 1 < SETS {
                        let next = set + 1;
                        x = integers::<BATCH, SHORT>(activations, vectors, panel, next);
                        let of_panel = (panels, panel);
                        of_x = scales::<BATCH, SHORT, MINIMA>(activations, vectors, of_panel, next);
                    }
                    // The groups of this lane's two columns.
                    let first = if ALL { set } else { set * SPAN + t * 2 / BATCH };
                    #[unroll]
                    for h in 0..2u32 {
                        let (row, head) = (g + h * 8, headers[h]);
                        let of_first =
                            scale::<FORMAT, ALL>(ring, of_w, head, row, set * SPAN, first);
                        let of_last = if BATCH == 1 {
                            scale::<FORMAT, ALL>(ring, of_w, head, row, set * SPAN, first + 1)
                        } else {
                            of_first
                        };
                        let (d, m) = ([of_first.0, of_last.0], [of_first.1, of_last.1]);
                        #[unroll]
                        for i in 0..2u32 {
                            // The product with `of`, a number of 11 bits, is exact.
                            let dot = f32::from_bits(dots[h * 2 + i] as u32);
                            let dot = dot.mul_add(of[i], -12_582_912.0 * of[i]);
                            let mut sum = d[i].mul_add(dot, sums[h * 2 + i]);
                            if MINIMA {
                                sum = (-m[i]).mul_add(sum_of[i], sum);
                            }
                            sums[h * 2 + i] = sum;
                        }
                    }
                }
                // The place is free: what comes next is copied into it.
                warp_sync();
                if next.group < groups {
                    if lane == 0 {
                        fetch::<PANEL>(
                            weights,
                            ring,
                            full,
                            place,
                            next,
                            (first_group, panels, places),
                        );
                    }
                    next = after(next, panels);
                }
                place += 1;
                if place == places {
                    place = 0;
                    phase ^= 1;
                }
                at = after(at, panels);
            }
            // Columns of the same vector are added.
            let buffer = group % 2;
            if group >= 2 {
                mbarrier_wait(&mut free[buffer], (group / 2 - 1) % 2);
            }
            #[unroll]
            for h in 0..2u32 {
                let to = ((buffer * WARPS + warp) * 16 + h * 8 + g) * BATCH + t * 2;
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
            warp_sync();
            if lane == 0 {
                mbarrier_arrive(&mut written[buffer]);
            }
        }
    }
}
