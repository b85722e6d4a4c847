//! The product on machines before sm_90: the same panels and vectors, the same integers, multiplied
//! four at a time by `dp4a`.
//!
//! A block has a group of 16 rows, whose panels its warps take in turns. A lane has of each panel
//! what it would have of the fragments of `mma`: of two rows, 8 of each 32 columns. It scales what it
//! sums of a group of weights by itself; lanes and warps add what they have at the end.

use firesteel::prelude::*;

use super::formats::{self, LAYOUTS, MINIMA, formats};
use super::kernel::{PAIRS, Size, silu_mul, store_totals};
use super::panel::{ANY, codes, header, scale, unit};

/// Warps of a block.
#[gpu_const]
const WARPS: u32 = 8;

/// The planes' words of a panel for this lane: a piece of each plane, and those before it for as
/// long as they last.
#[gpu_fn]
fn pieces<const FORMAT: u32>(weights: &[u32], here: u32, step: u32, planes: &mut [[u32; 4]; 2]) {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    let from = here + thread_idx_x() % 32 * 4;
    if step % (8 / LOW) == 0 {
        let piece = load_vec4(weights, from + step / (8 / LOW) * 128);
        planes[0] = [piece.x, piece.y, piece.z, piece.w];
    }
    if HIGH != 0 {
        const STEPS: u32 = if HIGH == 0 { 1 } else { 8 / HIGH };
        if step % STEPS == 0 {
            let piece = load_vec4(weights, from + (LOW + step / STEPS) * 128);
            planes[1] = [piece.x, piece.y, piece.z, piece.w];
        }
    }
}

/// Adds a panel to the sums of this lane's two rows; those in `minima` count a quarter, since four
/// lanes have them.
#[gpu_fn]
fn add_panel<const FORMAT: u32, const BATCH: u32>(
    weights: &[u32],
    here: u32,
    x: &[u32],
    (first, panels, panel): (u32, u32, u32),
    sums: &mut [[f32; BATCH as usize]; 2],
    minima: &mut [[f32; BATCH as usize]; 2],
) {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    const MINIMUM: bool = MINIMA[LAYOUTS[FORMAT as usize][2] as usize];
    const SHORT: bool = formats::SHORT[LAYOUTS[FORMAT as usize][2] as usize];
    const HALVES: u32 = if SHORT { 2 } else { 1 };
    let (g, t) = (thread_idx_x() % 32 / 4, thread_idx_x() % 4);
    let of_w = here + (LOW + HIGH) * 128;
    let headers =
        [header::<FORMAT, true>(weights, of_w, g), header::<FORMAT, true>(weights, of_w, g + 8)];
    let plane = panels * (BATCH * 8);
    let mut planes = [[0u32; 4]; 2];
    #[unroll]
    for step in 0..8u32 {
        pieces::<FORMAT>(weights, here, step, &mut planes);
        let mut words = [0u32; 4];
        #[unroll]
        for w in 0..4u32 {
            const STEPS: u32 = if HIGH == 0 { 1 } else { 8 / HIGH };
            words[w] = codes::<LOW, HIGH, { !MINIMUM }>(
                (planes[0][w], step % (8 / LOW)),
                (planes[1][w], step % STEPS),
            );
        }
        let group = panel * (BATCH * 8) + step * BATCH;
        // Where scales are for 16 columns, halves of a step are scaled on their own.
        #[unroll]
        for half in 0..HALVES {
            let mut of_w_here = [(0.0f32, 0.0f32); 2];
            #[unroll]
            for h in 0..2u32 {
                let (head, row) = (headers[h], g + h * 8);
                of_w_here[h] = if SHORT {
                    scale::<FORMAT, true>(
                        weights,
                        of_w,
                        head,
                        row,
                        (step * 2 + half, step * 2 + half, ANY),
                    )
                } else {
                    scale::<FORMAT, true>(weights, of_w, head, row, (step, step, ANY))
                };
            }
            #[unroll]
            for vector in 0..BATCH {
                let column = group + vector;
                let of_x = f32::from_bits(x[first + plane * 8 + column]);
                let at = first + column * 8;
                let (a, b) = if SHORT {
                    (x[at + half * 4 + t], 0)
                } else {
                    let pair = load_vec2(x, at + t * 2);
                    (pair.x, pair.y)
                };
                let mut of_sum = 0.0f32;
                if MINIMUM {
                    of_sum = f32::from_bits(x[first + plane * 9 + column]);
                    if SHORT {
                        let last = f32::from_bits(x[first + plane * 10 + column]);
                        of_sum = if half == 0 { of_sum - last } else { last };
                    }
                }
                #[unroll]
                for h in 0..2u32 {
                    let (d, m) = of_w_here[h];
                    let dot = if SHORT {
                        dp4a(words[half * 2 + h], a, 0)
                    } else {
                        dp4a(words[2 + h], b, dp4a(words[h], a, 0))
                    };
                    sums[h][vector] = d.mul_add(dot as f32 * of_x, sums[h][vector]);
                    if MINIMUM {
                        minima[h][vector] = m.mul_add(of_sum, minima[h][vector]);
                    }
                }
            }
        }
    }
}

#[gpu_fn]
fn multiply<const FORMAT: u32, const BATCH: u32>(
    weights: &[u32],
    activations: &[u32],
    (y, bias): (&mut [f32], &[f32]),
    experts: &[u32],
    size: Size,
) {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    const SCALES: u32 = LAYOUTS[FORMAT as usize][2];
    const PANEL: u32 = (LOW + HIGH) * 128 + formats::SCALES[SCALES as usize];
    let Size { n, panels, batch, flags, top_k, count } = size;
    let partial = shared_mem![f32; WARPS * 16 * BATCH];
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let (g, t) = (lane / 4, lane % 4);
    let rows = if flags & PAIRS != 0 { 8 } else { 16u32 };
    let (mut group, mut vectors) = (block_idx_x(), 0u32);
    if BATCH == 1 {
        if top_k != 0 {
            let expert = experts[block_idx_y()];
            if expert >= count {
                let row = group * rows + thread_idx_x();
                if thread_idx_x() < rows && row < n {
                    y[block_idx_y() * n + row] = f32::NAN;
                }
                return;
            }
            group += expert * grid_dim_x();
            vectors = block_idx_y() / top_k * (panels * 88);
        }
    }
    let mut sums = [[0.0f32; BATCH as usize]; 2];
    let mut minima = [[0.0f32; BATCH as usize]; 2];
    let mut panel = warp;
    while panel < panels {
        add_panel::<FORMAT, BATCH>(
            weights,
            (group * panels + panel) * PANEL,
            activations,
            (vectors, panels, panel),
            &mut sums,
            &mut minima,
        );
        panel += WARPS;
    }
    #[unroll]
    for h in 0..2u32 {
        #[unroll]
        for vector in 0..BATCH {
            let mut sum = (-0.25f32).mul_add(minima[h][vector], sums[h][vector]);
            sum += shfl_sync_bfly(sum, 1, 32);
            sum += shfl_sync_bfly(sum, 2, 32);
            if t == 0 {
                partial[(warp * 16 + h * 8 + g) * BATCH + vector] = sum;
            }
        }
    }
    bar_sync();
    if warp == 0 {
        let mut totals = [0.0f32; 4];
        #[unroll]
        for i in 0..(BATCH + 1) / 2 {
            let element = i * 32 + lane;
            if element < 16 * BATCH {
                for w in 0..WARPS {
                    totals[i] += partial[w * (16 * BATCH) + element];
                }
                totals[i] *= unit::<FORMAT>();
            }
        }
        if flags & PAIRS != 0 {
            silu_mul::<BATCH>(&mut totals);
        }
        let first = block_idx_x() * rows;
        store_totals::<BATCH>((y, bias), &totals, first, rows, (n, batch, flags));
    }
}

macro_rules! kernel {
    ([$($number:literal)*] $($formats:tt)*) => {
        /// The product of [`gemv_kernel`](super::kernel::gemv_kernel), for any machine.
        #[gpu_kernel(
            block_size = 256,
            unchecked,
            instances(FORMAT = [$($number),*], BATCH = [1, 2, 4, 8])
        )]
        pub(super) fn dp4a_kernel<const FORMAT: u32, const BATCH: u32>(
            weights: &[u32],
            activations: &[u32],
            y: &mut [f32],
            bias: &[f32],
            experts: &[u32],
            n: u32,
            panels: u32,
            batch: u32,
            flags: u32,
            top_k: u32,
            count: u32,
        ) {
            let size = Size { n, panels, batch, flags, top_k, count };
            multiply::<FORMAT, BATCH>(weights, activations, (y, bias), experts, size);
        }
    };
}
formats!(kernel);
