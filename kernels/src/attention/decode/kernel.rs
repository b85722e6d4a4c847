//! The kernel: attention of a few queries over pages, for sm_90.
//!
//! One warp keeps pages coming into a ring with tensor copies, keys and values in turns. Four others
//! multiply: each the queries by a quarter of a page's keys, then, after two barriers at which they
//! agree on the largest scores and lay out the weights, all weights by a quarter of the elements of
//! the values. So each page is read once for all queries of the heads that share it, and each warp
//! has its part of the result in registers throughout.
//!
//! An item that several blocks have parts of is put together by the block that is last with its part
//! (Dao and others, "Flash-Decoding", 2023), in the order of the parts, so that results are the same
//! in every run.

use firesteel::prelude::*;

use super::merge::merge;
use super::share::{MAX_SEQUENCES, Sequence, Share, count_units, find, sequence};
use super::tile::{column, keys, place, values};

/// Places of the ring, at most.
#[gpu_const]
pub(super) const PLACES: u32 = 8;
/// Elements from a row of weights to the next, so that rows begin in different banks.
#[gpu_const]
const PITCH: u32 = 72;
/// What weights are multiplied by where they carry the scales of 8-bit values, so that small ones
/// stay normal numbers.
#[gpu_const]
pub(super) const LIFT: f32 = 64.0;

/// Where a part of the work is.
#[gpu_struct]
#[derive(Clone, Copy)]
struct Part {
    /// The tile of rows and the head of keys and values.
    tile: u32,
    head: u32,
    /// The first page, counted from the item's first, and how many of it.
    first: u32,
    pages: u32,
    /// The unit where the item begins, and how many it has.
    item_unit: u32,
    item_units: u32,
    /// Units of this part.
    units: u32,
}

/// The part that begins at `unit`, of those before `end`.
#[gpu_fn]
fn part(before: &[u32], of: Sequence, s: u32, (unit, end): (u32, u32)) -> Part {
    let each = of.pages.max(1);
    let offset = unit - before[s];
    let (item, first) = (offset / each, offset % each);
    let units = (each - first).min(end - unit);
    Part {
        tile: if of.tiles == 1 { 0 } else { item % of.tiles },
        head: if of.tiles == 1 { item } else { item / of.tiles },
        first,
        pages: units.min(of.pages),
        item_unit: unit - first,
        item_units: each,
        units,
    }
}

/// The place after a place, and its phase.
#[gpu_fn]
fn after((slot, phase): (u32, u32), places: u32) -> (u32, u32) {
    if slot + 1 == places { (0, phase ^ 1) } else { (slot + 1, phase) }
}

/// Begins to copy a page's keys or values of a head, and their scales if they have any.
#[gpu_fn]
fn fetch<const D: u32, const Q8: bool, T: WgmmaFactor + Lane>(
    map: &TensorMap<T, 3>,
    scales: &[f32],
    (ring, ring_scales): (&mut [T], &mut [f32]),
    full: &mut [u64],
    slot: u32,
    row: u32,
) {
    const BYTES: u32 = 64 * D * T::BYTES;
    if Q8 {
        mbarrier_arrive_expect_tx(&mut full[slot], BYTES + 256);
        bulk_load(&mut ring_scales[slot * 64], &scales[row], 64, &mut full[slot]);
    } else {
        mbarrier_arrive_expect_tx(&mut full[slot], BYTES);
    }
    tma_load(&mut ring[slot * (64 * D)], map, [0, 0, row as i32], &mut full[slot]);
}

/// The warp that keeps pages coming.
#[gpu_fn]
#[allow(clippy::too_many_arguments, reason = "the cache, where its pages are, and the ring")]
fn feed<const D: u32, const ROWS: u32, const Q8: bool, T: WgmmaFactor + Lane>(
    (k_map, v_map): (&TensorMap<T, 3>, &TensorMap<T, 3>),
    (k_scales, v_scales): (&[f32], &[f32]),
    (table, lengths, starts): (&[u32], &[u32], &[u32]),
    before: &[u32],
    (ring, ring_scales): (&mut [T], &mut [f32]),
    (full, empty): (&mut [u64], &mut [u64]),
    (unit, end, sequences): (u32, u32, u32),
    of_all: (u32, u32, u32, u32),
    (kv_heads, all_pages, places): (u32, u32, u32),
) {
    let lane = thread_idx_x() % 32;
    let (mut slot, mut phase) = (0u32, 0u32);
    let mut unit = unit;
    while unit < end {
        let s = find(before, sequences, unit);
        let of = sequence::<ROWS>(lengths, starts, s, of_all);
        let it = part(before, of, s, (unit, end));
        let mut entry = 0u32;
        for page in 0..it.pages {
            if page % 32 == 0 && page + lane < it.pages {
                // A table that is wrong leads to another page, not out of the cache.
                let number = s * of_all.3 + of.page + it.first + page + lane;
                entry = table[number].min(all_pages - 1);
            }
            let row = (shfl_sync_idx(entry, page % 32, 32) * kv_heads + it.head) * 64;
            if lane == 0 {
                mbarrier_wait(&mut empty[slot], phase ^ 1);
                fetch::<D, Q8, T>(k_map, k_scales, (ring, ring_scales), full, slot, row);
            }
            let next = after((slot, phase), places);
            slot = next.0;
            phase = next.1;
            if lane == 0 {
                mbarrier_wait(&mut empty[slot], phase ^ 1);
                fetch::<D, Q8, T>(v_map, v_scales, (ring, ring_scales), full, slot, row);
            }
            let next = after((slot, phase), places);
            slot = next.0;
            phase = next.1;
        }
        unit += it.units;
    }
}

/// Lays the queries of a tile of rows into shared memory. Row `r` is head `r % group` of query
/// `r / group`; rows that there are not are zero.
#[gpu_fn]
fn lay<const D: u32, const ROWS: u32, T: Lane, C: Half, X: Half + Lane>(
    queries: &mut [C],
    q: &[X],
    of: Sequence,
    it: Part,
    (q_heads, group, tokens): (u32, u32, u32),
) {
    for i in 0..(ROWS * D).div_ceil(128 * 8) {
        let number = i * 128 + thread_idx_x();
        let (local, e) = (number / (D / 8), number % (D / 8) * 8);
        if local < ROWS {
            let row = it.tile * ROWS + local;
            let token = of.q_first + row / group;
            let mut x = [0.0f32; 8];
            if row < of.q_len * group && token < tokens {
                let head = it.head * group + row % group;
                let from = (token * q_heads + head) * D + e;
                #[unroll]
                for j in 0..8u32 {
                    x[j] = q[from + j] as f32;
                }
            }
            #[unroll]
            for j in 0..8u32 {
                // Of `bf16` some have no `f16`.
                let to = local * (D + 8) + place::<T>(e + j);
                queries[to] =
                    C::from_f32(if T::BYTES == 1 { x[j].clamp(-65504.0, 65504.0) } else { x[j] });
            }
        }
    }
}

/// A score as a power of 2: `scale` times the product, or `cap * tanh` of it over `cap`.
#[gpu_fn]
fn score(product: f32, (scale, cap): (f32, f32)) -> f32 {
    if cap == 0.0 {
        product * scale
    } else {
        // `scale` is 2 log2(e) over `cap`, `cap` in units of ln 2.
        cap - 2.0 * cap * fast::recip(1.0 + fast::exp2(product * scale))
    }
}

/// Attention of the queries of all sequences: see `decode`.
#[gpu_kernel(
    block_size = 160,
    arch = "sm_90",
    min_blocks = 4 - ROWS / 32 - D * ROWS / 16384,
    unchecked,
    instances(
        D = [64, 80, 96, 128, 256],
        ROWS = [16, 64],
        (Q8 = false, T = f16, C = f16, X = f16),
        (Q8 = false, T = bf16, C = bf16, X = bf16),
        (Q8 = false, T = e4m3, C = f16, X = f16),
        (Q8 = false, T = e4m3, C = f16, X = bf16),
        (Q8 = true, T = i8, C = f16, X = f16),
        (Q8 = true, T = i8, C = f16, X = bf16)
    )
)]
pub(super) fn decode_kernel<
    const D: u32,
    const ROWS: u32,
    const Q8: bool,
    T: WgmmaFactor + Lane,
    C: Half + Lane,
    X: Half + Lane,
>(
    o: &mut [X],
    q: &[X],
    k_map: &TensorMap<T, 3>,
    v_map: &TensorMap<T, 3>,
    k_scales: &[f32],
    v_scales: &[f32],
    table: &[u32],
    lengths: &[u32],
    starts: &[u32],
    partial: &mut [f32],
    counters: &mut [u32],
    tokens: u32,
    sequences: u32,
    q_heads: u32,
    kv_heads: u32,
    q_len: u32,
    window: u32,
    max_pages: u32,
    all_pages: u32,
    places: u32,
    max_tiles: u32,
    items: u32,
    parts: u32,
    scale: f32,
    cap: f32,
    o_scale: f32,
) {
    const TILES: u32 = ROWS / 16;
    // Pieces of 16 elements of values that a warp has.
    const PIECES: u32 = (D / 16 + 3) / 4;
    const SCALES: u32 = if Q8 { PLACES * 64 } else { 1 };
    let ring = dynamic_shared![T, align = 1024];
    let ring_scales = shared_mem![f32; SCALES];
    let queries = shared_mem![C; ROWS * (D + 8)];
    let weights = shared_mem![C; ROWS * PITCH];
    let shared = shared_mem![f32; 4 * ROWS];
    let before = shared_mem![u32; MAX_SEQUENCES + 2];
    let full = shared_mem![u64; PLACES];
    let empty = shared_mem![u64; PLACES];
    let flag = shared_mem![u32; 1];
    let thread = thread_idx_x();
    let (warp, lane) = (thread / 32, thread % 32);
    let (g, t) = (lane / 4, lane % 4);
    let group = q_heads / kv_heads;
    let of_all = (q_len, group, window, max_pages);
    if warp == 4 && lane == 0 {
        for slot in 0..places {
            mbarrier_init(&mut full[slot], 1);
            mbarrier_init(&mut empty[slot], 4);
        }
        fence_mbarrier_init();
    }
    grid_dependency_wait();
    if warp == 0 {
        count_units::<ROWS>(before, lengths, starts, (sequences, kv_heads), of_all);
    }
    bar_sync();
    grid_dependency_launch();
    let of_items = (before[sequences], before[sequences + 1]);
    let share = Share::of((block_idx_x(), grid_dim_x()), of_items, (items, parts));
    let (mut unit, end) = (share.first, share.end);
    if warp == 4 {
        feed::<D, ROWS, Q8, T>(
            (k_map, v_map),
            (k_scales, v_scales),
            (table, lengths, starts),
            before,
            (ring, ring_scales),
            (full, empty),
            (unit, end, sequences),
            of_all,
            (kv_heads, all_pages, places),
        );
        return;
    }
    let (mut slot, mut phase) = (0u32, 0u32);
    while unit < end {
        let s = find(before, sequences, unit);
        let of = sequence::<ROWS>(lengths, starts, s, of_all);
        let it = part(before, of, s, (unit, end));
        lay::<D, ROWS, T, C, X>(queries, q, of, it, (q_heads, group, tokens));
        // Positions of the rows: `g` and 8 further down, of each tile.
        let first_position = of.length as i32 - of.q_len as i32;
        let mut positions = [0i32; TILES as usize * 2];
        #[unroll]
        for r in 0..TILES * 2 {
            let query = (it.tile * ROWS + r / 2 * 16 + r % 2 * 8 + g) / group;
            positions[r] = first_position + query.min(of.q_len - 1) as i32;
        }
        let mut largest = [-f32::INFINITY; TILES as usize * 2];
        let mut sums = [0.0f32; TILES as usize * 2];
        let mut out = [[[FragC::<f32>::zero(); 2]; PIECES as usize]; TILES as usize];
        bar_sync_named(1, 128);
        for page in 0..it.pages {
            let position = (of.page + it.first + page) * 64;
            mbarrier_wait(&mut full[slot], phase);
            let mut products = [[FragC::<f32>::zero(); 2]; TILES as usize];
            #[unroll]
            for step in 0..D / 16 {
                let b = keys::<D, Q8, T, C>(ring, slot * (64 * D), (warp * 16, step));
                #[unroll]
                for r in 0..TILES {
                    let row = r * 16 + lane % 16;
                    let a = ldmatrix_a(queries, row * (D + 8) + step * 16 + lane / 16 * 8);
                    mma(&mut products[r][0], a, b[0]);
                    mma(&mut products[r][1], a, b[1]);
                }
            }
            // Column `t * 2 + j % 2` of the product `j / 2`.
            let mut scores = [[0.0f32; 8]; TILES as usize];
            #[unroll]
            for j in 0..4u32 {
                let token = warp * 16 + j / 2 * 8 + t * 2 + j % 2;
                let factor = if Q8 { ring_scales[slot * 64 + token] } else { 1.0 };
                #[unroll]
                for r in 0..TILES * 2 {
                    let product = products[r / 2][j / 2][r % 2 * 2 + j % 2];
                    let product = if Q8 { product * factor } else { product };
                    scores[r / 2][r % 2 * 4 + j] = score(product, (scale, cap));
                }
            }
            warp_sync();
            if lane == 0 {
                mbarrier_arrive(&mut empty[slot]);
            }
            let next = after((slot, phase), places);
            slot = next.0;
            phase = next.1;

            let is_last = position + 64 > of.length;
            let seen = position as i32 + 63 <= first_position
                && (window == 0 || position as i32 >= of.length as i32 - window as i32);
            if is_last || !seen {
                #[unroll]
                for j in 0..4u32 {
                    let token = position + warp * 16 + j / 2 * 8 + t * 2 + j % 2;
                    #[unroll]
                    for r in 0..TILES * 2 {
                        let behind = positions[r] - token as i32;
                        if behind < 0 || (window != 0 && behind >= window as i32) {
                            scores[r / 2][r % 2 * 4 + j] = -f32::INFINITY;
                        }
                    }
                }
            }
            #[unroll]
            for r in 0..TILES * 2 {
                let of_row = scores[r / 2];
                let mut high = of_row[r % 2 * 4].max(of_row[r % 2 * 4 + 1]);
                high = high.max(of_row[r % 2 * 4 + 2].max(of_row[r % 2 * 4 + 3]));
                high = high.max(shfl_sync_bfly(high, 1, 32));
                high = high.max(shfl_sync_bfly(high, 2, 32));
                if t == 0 {
                    shared[warp * ROWS + r / 2 * 16 + r % 2 * 8 + g] = high;
                }
            }
            bar_sync_named(1, 128);
            if Q8 {
                mbarrier_wait(&mut full[slot], phase);
            }
            let mut shrink = [0.0f32; TILES as usize * 2];
            #[unroll]
            for r in 0..TILES * 2 {
                let row = r / 2 * 16 + r % 2 * 8 + g;
                let mut high = largest[r];
                #[unroll]
                for w in 0..4u32 {
                    high = high.max(shared[w * ROWS + row]);
                }
                // A row that has seen nothing has no largest score.
                let base = if high == -f32::INFINITY { 0.0 } else { high };
                shrink[r] = fast::exp2(largest[r] - base);
                largest[r] = high;
                let words = cast_slice::<u32>(weights);
                let mut sum = 0.0f32;
                #[unroll]
                for j in 0..2u32 {
                    let token = warp * 16 + j * 8 + t * 2;
                    let mut low = fast::exp2(scores[r / 2][r % 2 * 4 + j * 2] - base);
                    let mut high = fast::exp2(scores[r / 2][r % 2 * 4 + j * 2 + 1] - base);
                    sum += low + high;
                    if Q8 {
                        let from = slot * 64 + token;
                        // Cells without a token may have any scale.
                        let used = of.length - position;
                        low *= if token < used { ring_scales[from] * LIFT } else { 0.0 };
                        high *= if token + 1 < used { ring_scales[from + 1] * LIFT } else { 0.0 };
                    }
                    let (low, high) = (C::from_f32(low).to_bits(), C::from_f32(high).to_bits());
                    words[(row * PITCH + token) / 2] = (high as u32) << 16 | low as u32;
                }
                sums[r] = sums[r].mul_add(shrink[r], sum);
            }
            if !Q8 {
                mbarrier_wait(&mut full[slot], phase);
            }
            bar_sync_named(1, 128);
            #[unroll]
            for r in 0..TILES {
                #[unroll]
                for i in 0..PIECES * 8 {
                    out[r][i / 8][i / 4 % 2][i % 4] *= shrink[r * 2 + i % 4 / 2];
                }
            }
            #[unroll]
            for step in 0..4u32 {
                let mut a = [ldmatrix_a(weights, lane % 16 * PITCH + step * 16 + lane / 16 * 8);
                    TILES as usize];
                #[unroll]
                for r in 1..TILES {
                    let row = r * 16 + lane % 16;
                    a[r] = ldmatrix_a(weights, row * PITCH + step * 16 + lane / 16 * 8);
                }
                #[unroll]
                for i in 0..PIECES {
                    let piece = warp + i * 4;
                    if D % 64 == 0 || piece < D / 16 {
                        let mut b =
                            values::<D, Q8, T, C>(ring, slot * (64 * D), (step * 16, piece));
                        if is_last {
                            // Cells without a token may hold what makes any sum NaN.
                            #[unroll]
                            for j in 0..4u32 {
                                let token = position + step * 16 + t * 2 + j % 2 * 8;
                                let low = if token < of.length { 0xffff } else { 0u32 };
                                let high = if token + 1 < of.length { 0xffff_0000 } else { 0u32 };
                                b[j / 2][j % 2] &= low | high;
                            }
                        }
                        #[unroll]
                        for r in 0..TILES {
                            mma(&mut out[r][i][0], a[r], frag_b::<C>(b[0]));
                            mma(&mut out[r][i][1], a[r], frag_b::<C>(b[1]));
                        }
                    }
                }
            }
            warp_sync();
            if lane == 0 {
                mbarrier_arrive(&mut empty[slot]);
            }
            let next = after((slot, phase), places);
            slot = next.0;
            phase = next.1;
        }

        // The sum of a row's weights: of a quad's lanes, then of the warps.
        #[unroll]
        for r in 0..TILES * 2 {
            sums[r] += shfl_sync_bfly(sums[r], 1, 32);
            sums[r] += shfl_sync_bfly(sums[r], 2, 32);
            if t == 0 {
                shared[warp * ROWS + r / 2 * 16 + r % 2 * 8 + g] = sums[r];
            }
        }
        bar_sync_named(1, 128);
        let (first_block, parts) = share.parts(it.item_unit, it.item_units);
        // A block has at most two parts of items: the end of one, and the begin of another.
        let of_block = block_idx_x() * 2 + if it.first == 0 { 1 } else { 0 };
        let to = of_block * (ROWS * (D + 2));
        let rows = (of.q_len * group - it.tile * ROWS).min(ROWS);
        #[unroll]
        for r in 0..TILES * 2 {
            let row = r / 2 * 16 + r % 2 * 8 + g;
            if row < rows {
                let mut sum = 0.0f32;
                #[unroll]
                for w in 0..4u32 {
                    sum += shared[w * ROWS + row];
                }
                let token = of.q_first + (it.tile * ROWS + row) / group;
                let head = it.head * group + (it.tile * ROWS + row) % group;
                let inverse = if sum == 0.0 { 0.0 } else { o_scale / sum };
                #[unroll]
                for i in 0..PIECES {
                    let piece = warp + i * 4;
                    if D % 64 == 0 || piece < D / 16 {
                        let mut of_piece = [[0.0f32; 4]; 2];
                        #[unroll]
                        for j in 0..8u32 {
                            of_piece[j / 4][j % 4] = out[r / 2][i][j / 4][j % 4];
                        }
                        #[unroll]
                        for j in 0..2u32 {
                            let (e, low, high) = column::<T>(of_piece, (piece, j, r % 2));
                            if parts > 1 {
                                partial[to + row * D + e] = low;
                                partial[to + row * D + e + 1] = high;
                            } else if token < tokens {
                                let at = (token * q_heads + head) * D + e;
                                o[at] = X::from_f32(low * inverse);
                                o[at + 1] = X::from_f32(high * inverse);
                            }
                        }
                    }
                }
                if parts > 1 && warp == 0 && t == 0 {
                    partial[to + ROWS * D + row * 2] = largest[r];
                    partial[to + ROWS * D + row * 2 + 1] = sum;
                }
            }
        }
        if parts > 1 {
            let item = (s * max_tiles + it.tile) * kv_heads + it.head;
            fence_device();
            bar_sync_named(1, 128);
            if thread == 0 {
                // The last one finds all others there, and leaves 0 for the next launch.
                flag[0] =
                    atomic_inc_with(&mut counters[item], parts - 1, Scope::Device, Order::AcqRel);
            }
            bar_sync_named(1, 128);
            if flag[0] == parts - 1 {
                fence_device();
                merge::<D, ROWS, X>(
                    o,
                    partial,
                    (first_block, parts, rows),
                    (of.q_first, it.tile * ROWS, it.head),
                    (q_heads, group, tokens),
                    o_scale,
                );
            }
        }
        unit += it.units;
    }
}
