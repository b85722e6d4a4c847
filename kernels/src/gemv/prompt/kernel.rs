//! The kernel: many vectors times a quantised matrix, on the tensor cores, for sm_90a.
//!
//! Weights are the left factor of `wgmma`, in registers: a warp takes the panels of 16 rows as they
//! are, and makes of each code the weight that it stands for, in the lane that wants it. Vectors are
//! the right factor, in shared memory. So the result is transposed: a warpgroup has 64 rows of the matrix
//! and `TOKENS` vectors.
//!
//! A block's first warpgroup copies, the others multiply. `GROUPS` of them have rows of their own;
//! `TEAMS` of such take the panels of the same rows in turns, and add their sums. Blocks stay and
//! take one unit after the other: a tile, or, where there are few, a part of its panels. The block
//! that ends the last part of a tile adds them in their order.

use firesteel::prelude::*;

use super::super::formats::{self, LAYOUTS, formats};
use super::super::panel::header;
use super::store::{PAIRS, STRIDE, store_tile};
use super::units::{Unit, slots_of, unit_at};
use super::weights::{exchanged, factors, upright};

/// `y = x wᵀ`, see the module; `y [rows, n]`. A unit is a tile of `GROUPS * 64` rows of weights and
/// `TOKENS` vectors, or one of `parts` of it.
#[gpu_fn]
#[allow(clippy::too_many_arguments, reason = "the factors, the result, and how they are cut")]
fn product<const FORMAT: u32, const TOKENS: u32>(
    weights: &[u32],
    x: &TensorMap<bf16, 2>,
    arranged: &[bf16],
    y: &mut [bf16],
    (partial, counters): (&mut [f32], &mut [u32]),
    (offsets, to, factors_of_rows): (&[u32], &[u32], &[f32]),
    (n, rows, groups, panels): (u32, u32, u32, u32),
    (slots, last, tiles, parts, units): (u32, u32, u32, u32, u32),
    flags: u32,
) {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    const SCALES: u32 = formats::SCALES[LAYOUTS[FORMAT as usize][2] as usize];
    const PANEL: u32 = (LOW + HIGH) * 128 + SCALES;
    const GROUPS: u32 = if TOKENS == 128 { 2 } else { 1 };
    const TEAMS: u32 = if TOKENS == 128 { 1 } else { 4 };
    // Pieces of 64 columns of the vectors that are copied at once, and places of them. A team has
    // places of its own: one that waited for another's could be a phase ahead of it.
    const AT_ONCE: u32 = if TEAMS == 1 { 1 } else { 4 };
    const PLACES_X: u32 = if TEAMS == 1 { 6 } else { 4 };
    // Places of panels in shared memory.
    const PLACES_W: u32 = if TEAMS == 1 {
        if PANEL > 850 { 2 } else { 3 }
    } else if TOKENS == 64 && PANEL > 600 {
        4
    } else {
        8
    };
    const SUMS: u32 = if TEAMS == 1 { 1 } else { TOKENS * 64 };
    const PLACE: u32 = AT_ONCE * TOKENS * 64;
    // Registers of the threads that copy, and of those that multiply.
    const FEW: u32 = if TEAMS == 1 { 40 } else { 32 };
    const MANY: u32 = if TEAMS == 1 { 232 } else { 112 };
    const LOW_STEPS: u32 = 8 / LOW;
    const HIGH_STEPS: u32 = if HIGH == 0 { 1 } else { 8 / HIGH };
    let right = shared_mem![bf16; PLACES_X * PLACE, align = 1024];
    let ring = shared_mem![u32; PLACES_W * GROUPS * 4 * PANEL, align = 128];
    let out = shared_mem![bf16; GROUPS * TOKENS * STRIDE, align = 128];
    let sums_of_teams = shared_mem![f32; SUMS];
    let arrived = shared_mem![u32; GROUPS];
    let full_x = shared_mem![u64; PLACES_X];
    let empty_x = shared_mem![u64; PLACES_X];
    let full_w = shared_mem![u64; PLACES_W];
    let empty_w = shared_mem![u64; PLACES_W];
    let taken = shared_mem![u64; 1];
    let thread = thread_idx_x();
    if thread == 0 {
        for i in 0..PLACES_X {
            mbarrier_init(&mut full_x[i], 1);
            mbarrier_init(&mut empty_x[i], GROUPS * 4);
        }
        for i in 0..PLACES_W {
            mbarrier_init(&mut full_w[i], 1);
            mbarrier_init(&mut empty_w[i], GROUPS * 4);
        }
        mbarrier_init(&mut taken[0], 4);
        fence_mbarrier_init();
    }
    // `wgmma` multiplies all slots of a piece, also those that are not copied.
    if arranged.len() > 0 {
        let words = cast_slice::<u32>(right);
        let mut at = thread;
        while at < PLACES_X * PLACE / 8 {
            store_vec4(words, at * 4, u32x4::new(0, 0, 0, 0));
            at += 128 + GROUPS * TEAMS * 128;
        }
        fence_proxy_async();
    }
    bar_sync();
    grid_dependency_launch();
    let rows_of_group = if flags & PAIRS != 0 { 8 } else { 16 };
    // Panels before this unit, of those that the block takes.
    let mut before = 0u32;
    let mut number = block_idx_x();
    if thread < 128 {
        setmaxnreg_dec(FEW);
        // The first warp copies weights, the second vectors.
        let (warp, lane) = (thread / 32, thread % 32);
        if warp == 1 || offsets.len() > 0 {
            grid_dependency_wait();
        }
        while number < units && warp < 2 {
            let unit: Unit = unit_at::<GROUPS, TOKENS>(
                number,
                offsets,
                (groups, rows),
                (tiles, parts),
                rows_of_group,
            );
            if unit.rows > 0 {
                let first = unit.part * panels / parts;
                let count = (unit.part + 1) * panels / parts - first;
                if warp == 0 {
                    // Groups beyond the last are it: nobody stores their results.
                    let of = unit.group + (lane % (GROUPS * 4)).min(unit.groups - 1);
                    for i in 0..count {
                        let (place, phase) = ((before + i) % PLACES_W, (before + i) / PLACES_W % 2);
                        if lane == 0 {
                            mbarrier_wait(&mut empty_w[place], phase ^ 1);
                            mbarrier_arrive_expect_tx(&mut full_w[place], GROUPS * 16 * PANEL);
                        }
                        warp_sync();
                        if lane < GROUPS * 4 {
                            let panel = of as usize * panels as usize + (first + i) as usize;
                            bulk_load(
                                &mut ring[(place * (GROUPS * 4) + lane) * PANEL],
                                &weights[panel * PANEL as usize],
                                PANEL,
                                &mut full_w[place],
                            );
                        }
                    }
                } else {
                    // Of arranged vectors, a tile has no more slots than it needs.
                    let slots_here =
                        if arranged.len() > 0 { slots_of(unit.rows, TOKENS) } else { TOKENS };
                    let size = slots_here * 64;
                    let mut from = (first as usize * slots as usize + unit.slot as usize) * 256;
                    for i in 0..count {
                        #[unroll]
                        for q in 0..4 / AT_ONCE {
                            let number = (before + i) * (4 / AT_ONCE) + q;
                            let (place, phase) = (number % PLACES_X, number / PLACES_X % 2);
                            if lane == 0 {
                                mbarrier_wait(&mut empty_x[place], phase ^ 1);
                                let bytes = size * (AT_ONCE * 2);
                                mbarrier_arrive_expect_tx(&mut full_x[place], bytes);
                            }
                            warp_sync();
                            if lane < AT_ONCE {
                                let piece = q * AT_ONCE + lane;
                                let to = place * PLACE + lane * size;
                                if arranged.len() > 0 {
                                    bulk_load(
                                        &mut right[to],
                                        &arranged[from + (piece * size) as usize],
                                        size,
                                        &mut full_x[place],
                                    );
                                } else {
                                    let at =
                                        [((first + i) * 256 + piece * 64) as i32, unit.slot as i32];
                                    tma_load(&mut right[to], x, at, &mut full_x[place]);
                                }
                            }
                        }
                        from += slots as usize * 256;
                    }
                }
                before += count;
            }
            number += grid_dim_x();
        }
    } else {
        setmaxnreg_inc(MANY);
        grid_dependency_wait();
        let of_product = thread / 128 - 1;
        let (team, group) = (of_product / GROUPS, of_product % GROUPS);
        let in_group = thread % 128;
        let (warp, lane) = (in_group / 32, thread % 32);
        let g = lane / 4;
        let mut done = 0u32;
        while number < units {
            let unit: Unit = unit_at::<GROUPS, TOKENS>(
                number,
                offsets,
                (groups, rows),
                (tiles, parts),
                rows_of_group,
            );
            if unit.rows > 0 {
                let first = unit.part * panels / parts;
                let count = (unit.part + 1) * panels / parts - first;
                let mut sum = WarpgroupC::<f32, TOKENS>::zero();
                let slots_here =
                    if arranged.len() > 0 { slots_of(unit.rows, TOKENS) } else { TOKENS };
                let mut previous = PLACES_X;
                let mut i = (team + TEAMS - before % TEAMS) % TEAMS;
                while i < count {
                    let (place, phase) = ((before + i) % PLACES_W, (before + i) / PLACES_W % 2);
                    mbarrier_wait(&mut full_w[place], phase);
                    let here = (place * (GROUPS * 4) + group * 4 + warp) * PANEL;
                    let of_w = here + (LOW + HIGH) * 128;
                    let headers: [[u32; 8]; 2] = [
                        header::<FORMAT, true>(ring, of_w, g),
                        header::<FORMAT, true>(ring, of_w, g + 8),
                    ];
                    let mut low = [0u32; 4];
                    let mut high = [0u32; 4];
                    let mut at = 0u32;
                    #[unroll]
                    for step in 0..8u32 {
                        let from = here + lane * 4;
                        if step % LOW_STEPS == 0 {
                            let four = load_vec4(ring, from + step / LOW_STEPS * 128);
                            let four = [four.x, four.y, four.z, four.w];
                            let words: [u32; 4] = exchanged::<FORMAT>(four);
                            low = upright::<FORMAT, { HIGH == 0 }>(words);
                        }
                        if HIGH != 0 && step % HIGH_STEPS == 0 {
                            let four = load_vec4(ring, from + (LOW + step / HIGH_STEPS) * 128);
                            let four = [four.x, four.y, four.z, four.w];
                            let words: [u32; 4] = exchanged::<FORMAT>(four);
                            high = upright::<FORMAT, true>(words);
                        }
                        let left: [[u32; 4]; 2] =
                            factors::<FORMAT>(ring, of_w, headers, (low, high), step);
                        if step % (AT_ONCE * 2) == 0 {
                            let number = (before + i) * (4 / AT_ONCE) + step / (AT_ONCE * 2);
                            at = number % PLACES_X;
                            mbarrier_wait(&mut full_x[at], number / PLACES_X % 2);
                        }
                        let piece = at * PLACE + step / 2 % AT_ONCE * (slots_here * 64);
                        let column = piece + step % 2 * 32;
                        wgmma_fence();
                        wgmma(&mut sum, frag_a::<bf16>(left[0]), tile_k(right, column, 128));
                        wgmma(&mut sum, frag_a::<bf16>(left[1]), tile_k(right, column + 16, 128));
                        wgmma_commit();
                        // The products of the step before are done, and its registers free.
                        wgmma_wait(1);
                        if AT_ONCE == 1 && step % 2 == 0 {
                            if previous < PLACES_X && lane == 0 {
                                mbarrier_arrive(&mut empty_x[previous]);
                            }
                            previous = at;
                        }
                    }
                    // Other teams need the vectors' place before this one has its next.
                    if AT_ONCE != 1 {
                        wgmma_wait(0);
                    }
                    warp_sync();
                    if lane == 0 {
                        mbarrier_arrive(&mut empty_w[place]);
                        if AT_ONCE != 1 {
                            mbarrier_arrive(&mut empty_x[at]);
                        }
                    }
                    i += TEAMS;
                }
                wgmma_wait(0);
                if AT_ONCE == 1 && previous < PLACES_X && lane == 0 {
                    mbarrier_arrive(&mut empty_x[previous]);
                }
                before += count;
                let mut total = [0.0f32; TOKENS as usize / 2];
                #[unroll]
                for i in 0..TOKENS / 2 {
                    total[i] = sum[i];
                }
                if TEAMS > 1 {
                    // From the last team to the first, through one place.
                    if team == TEAMS - 1 {
                        if done != 0 {
                            mbarrier_wait(&mut taken[0], (done - 1) % 2);
                        }
                    } else {
                        bar_sync_named(team + 1, 256);
                        #[unroll]
                        for i in 0..TOKENS / 2 {
                            total[i] += sums_of_teams[i * 128 + in_group];
                        }
                    }
                    if team != 0 {
                        #[unroll]
                        for i in 0..TOKENS / 2 {
                            sums_of_teams[i * 128 + in_group] = total[i];
                        }
                        bar_arrive(team, 256);
                    } else {
                        warp_sync();
                        if lane == 0 {
                            mbarrier_arrive(&mut taken[0]);
                        }
                    }
                    done += 1;
                }
                if team == 0 {
                    let mut stores = true;
                    if parts > 1 {
                        let tile = unit.tile * GROUPS + group;
                        let to = (tile * parts) * (TOKENS * 64) + in_group;
                        #[unroll]
                        for i in 0..TOKENS / 2 {
                            partial[to + unit.part * (TOKENS * 64) + i * 128] = total[i];
                        }
                        fence_device();
                        bar_sync_named(8 + group, 128);
                        if in_group == 0 {
                            arrived[group] = atomic_add(&mut counters[tile], 1);
                            fence_device();
                        }
                        bar_sync_named(8 + group, 128);
                        stores = arrived[group] == parts - 1;
                        if stores {
                            #[unroll]
                            for i in 0..TOKENS / 2 {
                                total[i] = 0.0;
                            }
                            #[no_unroll]
                            for part in 0..parts {
                                #[unroll]
                                for i in 0..TOKENS / 2 {
                                    total[i] +=
                                        load_cg(&partial[to + part * (TOKENS * 64) + i * 128]);
                                }
                            }
                            // For the next product.
                            if in_group == 0 {
                                counters[tile] = 0;
                            }
                        }
                    }
                    if stores {
                        store_tile::<TOKENS>(
                            y,
                            out,
                            (to, last, factors_of_rows),
                            |i| total[i],
                            group,
                            (unit.column + group * 4 * rows_of_group, n),
                            (unit.row, unit.rows.min(TOKENS)),
                            flags,
                        );
                    }
                }
            }
            number += grid_dim_x();
        }
    }
}

macro_rules! kernel {
    ([$($number:literal)*] $($formats:tt)*) => {
        /// [`product`]. `y` has `last` rows; `tiles` of vectors are side by side.
        #[gpu_kernel(
            block_size = 640 - TOKENS / 128 * 256,
            arch = "sm_90",
            min_blocks = 1,
            unchecked,
            instances(FORMAT = [$($number),*], TOKENS = [32, 64, 128])
        )]
        pub(super) fn prompt_kernel<const FORMAT: u32, const TOKENS: u32>(
            weights: &[u32],
            x: &TensorMap<bf16, 2>,
            arranged: &[bf16],
            y: &mut [bf16],
            partial: &mut [f32],
            counters: &mut [u32],
            offsets: &[u32],
            to: &[u32],
            factors: &[f32],
            n: u32,
            rows: u32,
            groups: u32,
            panels: u32,
            slots: u32,
            last: u32,
            tiles: u32,
            parts: u32,
            units: u32,
            flags: u32,
        ) {
            product::<FORMAT, TOKENS>(
                weights,
                x,
                arranged,
                y,
                (partial, counters),
                (offsets, to, factors),
                (n, rows, groups, panels),
                (slots, last, tiles, parts, units),
                flags,
            );
        }
    };
}
formats!(kernel);
