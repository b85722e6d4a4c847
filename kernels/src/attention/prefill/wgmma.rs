//! Attention with `wgmma` and tensor copies, for sm_90a, by the schedule of Shah and others,
//! "FlashAttention-3" (2024).
//!
//! Blocks stay and take one tile of queries after the other. A warp copies queries, keys and values;
//! warpgroups have 64 queries each, their sums in registers. Each begins the product with the next
//! keys before it takes the softmax of the scores that it has, and one multiplies while the others
//! are at their softmax.

use firesteel::prelude::*;
use firesteel::{L2Promotion, Swizzle, TensorElement, TensorMap, Tiling};

use super::tile::{NONE, PAGE, Shape, Work, leave, pair, soften, tile_at, turn};
use super::{Call, Prefill, Rows};
use crate::shape::{Error, Result};

/// Elements of a row of shared memory, 128 bytes: a head's are cut into spans of so many.
#[gpu_const]
const WIDTH: u32 = 64;
/// Where barriers are: of the queries, of values that end within a block, and of each stage.
#[gpu_const]
const FULL_Q: u32 = 0;
#[gpu_const]
const EMPTY_Q: u32 = 1;
#[gpu_const]
const TAIL: u32 = 2;
#[gpu_const]
const FULL_K: u32 = 3;
#[gpu_const]
const EMPTY_K: u32 = 7;
#[gpu_const]
const FULL_V: u32 = 11;
#[gpu_const]
const EMPTY_V: u32 = 15;
#[gpu_const]
const BARRIERS: u32 = 19;

/// The stage behind one, and its phase.
#[gpu_fn]
fn after<const STAGES: u32>((stage, phase): (u32, u32)) -> (u32, u32) {
    if stage + 1 == STAGES { (0, phase ^ 1) } else { (stage + 1, phase) }
}

/// Begins to copy a block of keys or values; of a page that the sequence does not have, zeros.
#[gpu_fn]
fn copy_block<const SPANS: u32, const KEYS: u32, T: Half + Lane>(
    (to, at): (&mut [T], u32),
    map: &TensorMap<T, 4>,
    table: &[u32],
    (tile, block): (Work, u32),
    shape: Shape,
    (bars, full): (&mut [u64], u32),
) {
    mbarrier_arrive_expect_tx(&mut bars[full], SPANS * KEYS * (WIDTH * 2));
    #[unroll]
    for piece in 0..KEYS / PAGE {
        let first = block * KEYS + piece * PAGE;
        let mut row = (tile.keys + first) as i32;
        let mut page = 0i32;
        if shape.max_pages != 0 {
            row = 0;
            page = -1;
            if first < tile.length {
                page = table[tile.sequence * shape.max_pages + first / PAGE] as i32;
            }
        }
        #[unroll]
        for span in 0..SPANS {
            let place = at + span * (KEYS * WIDTH) + piece * (PAGE * WIDTH);
            let from = [(span * WIDTH) as i32, row, (tile.head / shape.group) as i32, page];
            tma_load(&mut to[place], map, from, &mut bars[full]);
        }
    }
}

/// Copies what the tiles of this block need, by one warp.
#[gpu_fn]
fn feed<const SPANS: u32, const ROWS: u32, const KEYS: u32, const STAGES: u32, T: Half + Lane>(
    (q, k, v): (&TensorMap<T, 3>, &TensorMap<T, 4>, &TensorMap<T, 4>),
    (queries, keys, values): (&mut [T], &mut [T], &mut [T]),
    bars: &mut [u64],
    (starts, lengths, table): (&[u32], &[u32], &[u32]),
    shape: Shape,
) {
    const BLOCK: u32 = SPANS * KEYS * WIDTH;
    let lane = lane_id();
    let words = cast_slice::<u32>(values);
    let total = shape.tiles * shape.sequences * shape.heads;
    let (mut k_stage, mut k_phase) = (0u32, 0u32);
    let (mut v_stage, mut v_phase) = (0u32, 0u32);
    let (mut q_phase, mut tail_phase) = (0u32, 0u32);
    let mut round = 0u32;
    while round * grid_dim_x() < total {
        let tile: Work = tile_at::<ROWS, KEYS>(turn(round), (starts, lengths), shape);
        round += 1;
        let blocks = tile.high - tile.low;
        if blocks != 0 {
            if lane == 0 {
                mbarrier_wait(&mut bars[EMPTY_Q], q_phase ^ 1);
                mbarrier_arrive_expect_tx(&mut bars[FULL_Q], SPANS * ROWS * (WIDTH * 2));
                #[unroll]
                for span in 0..SPANS {
                    let row = (tile.first + tile.row) as i32;
                    let from = [(span * WIDTH) as i32, tile.head as i32, row];
                    tma_load(&mut queries[span * (ROWS * WIDTH)], q, from, &mut bars[FULL_Q]);
                }
            }
            q_phase ^= 1;
        }
        // Keys are a block ahead of values.
        let turns = if blocks == 0 { 0 } else { blocks + 1 };
        for i in 0..turns {
            if i < blocks {
                if lane == 0 {
                    mbarrier_wait(&mut bars[EMPTY_K + k_stage], k_phase ^ 1);
                    copy_block::<SPANS, KEYS, T>(
                        (keys, k_stage * BLOCK),
                        k,
                        table,
                        (tile, tile.high - 1 - i),
                        shape,
                        (bars, FULL_K + k_stage),
                    );
                }
                (k_stage, k_phase) = after::<STAGES>((k_stage, k_phase));
            }
            if i > 0 {
                let v_block = tile.high - i;
                let ends = (v_block + 1) * KEYS > tile.length;
                if lane == 0 {
                    mbarrier_wait(&mut bars[EMPTY_V + v_stage], v_phase ^ 1);
                    copy_block::<SPANS, KEYS, T>(
                        (values, v_stage * BLOCK),
                        v,
                        table,
                        (tile, v_block),
                        shape,
                        (bars, if ends { TAIL } else { FULL_V + v_stage }),
                    );
                }
                if ends {
                    // What is behind the sequence may be anything, and even 0 times it.
                    mbarrier_wait(&mut bars[TAIL], tail_phase);
                    tail_phase ^= 1;
                    let first = (tile.length - v_block * KEYS) * 8;
                    #[unroll]
                    for span in 0..SPANS {
                        let mut piece = first + lane;
                        while piece < KEYS * 8 {
                            let at = v_stage * BLOCK + span * (KEYS * WIDTH) + piece * 8;
                            store_vec4(words, at / 2, u32x4::splat(0));
                            piece += 32;
                        }
                    }
                    fence_proxy_async();
                    warp_sync();
                    if lane == 0 {
                        mbarrier_arrive(&mut bars[FULL_V + v_stage]);
                    }
                }
                (v_stage, v_phase) = after::<STAGES>((v_stage, v_phase));
            }
            warp_sync();
        }
    }
}

/// Begins the product of 64 queries with a block of keys.
#[gpu_fn]
fn score<const DIM: u32, const ROWS: u32, const KEYS: u32, T: Half>(
    scores: &mut WarpgroupC<f32, KEYS>,
    (queries, at_q): (&[T], u32),
    (keys, at_k): (&[T], u32),
) {
    #[unroll]
    for i in 0..DIM / 16 {
        let x = tile_k(queries, at_q + i / 4 * (ROWS * WIDTH) + i % 4 * 16, 128);
        let y = tile_k(keys, at_k + i / 4 * (KEYS * WIDTH) + i % 4 * 16, 128);
        wgmma_or_set(scores, x, y, i != 0);
    }
    wgmma_commit();
}

/// The tiles of this block, by one of `GROUPS` warpgroups of 64 queries each.
#[gpu_fn]
fn attend<
    const DIM: u32,
    const GROUPS: u32,
    const ROWS: u32,
    const KEYS: u32,
    const STAGES: u32,
    const BF16: bool,
    T: Half + Lane,
>(
    (queries, keys, values): (&[T], &[T], &[T]),
    bars: &mut [u64],
    (o, lse): (&mut [u32], &mut [f32]),
    (starts, lengths): (&[u32], &[u32]),
    shape: Shape,
    (scale, cap): (f32, f32),
) {
    const SPANS: u32 = DIM.div_ceil(WIDTH);
    const BLOCK: u32 = SPANS * KEYS * WIDTH;
    // Bytes from a span of values to the next.
    const APART: u32 = KEYS * WIDTH * 2;
    let (group, lane) = (thread_idx_x() / 128 - 1, lane_id());
    let in_tile = group * 64 + thread_idx_x() % 128 / 32 * 16 + lane / 4;
    let (own_turn, next_turn) = (1 + group, 1 + (group + 1) % GROUPS);
    let at_q = group * (64 * WIDTH);
    let all = shape.tiles * shape.sequences * shape.heads;
    let (mut stage, mut phase, mut q_phase) = (0u32, 0u32, 0u32);
    let mut scores = WarpgroupC::<f32, KEYS>::zero();
    if group == GROUPS - 1 {
        bar_arrive(1, 256);
    }
    let mut round = 0u32;
    while round * grid_dim_x() < all {
        let tile: Work = tile_at::<ROWS, KEYS>(turn(round), (starts, lengths), shape);
        round += 1;
        let (row, group_row) = (tile.row + in_tile, tile.row + group * 64);
        let mut sums = WarpgroupC::<f32, DIM>::zero();
        let mut largest = [NONE; 2];
        let mut total = [0.0f32; 2];
        if tile.low < tile.high {
            let mut block = tile.high - 1;
            mbarrier_wait(&mut bars[FULL_Q], q_phase);
            q_phase ^= 1;
            mbarrier_wait(&mut bars[FULL_K + stage], phase);
            bar_sync_named(own_turn, 256);
            wgmma_fence();
            score::<DIM, ROWS, KEYS, T>(&mut scores, (queries, at_q), (keys, stage * BLOCK));
            bar_arrive(next_turn, 256);
            wgmma_wait(0);
            if lane == 0 {
                mbarrier_arrive(&mut bars[EMPTY_K + stage]);
            }
            let (at, whose) = ((tile, block), (row, group_row, 64));
            soften::<KEYS, true>(
                &mut scores,
                &mut largest,
                &mut total,
                at,
                whose,
                shape,
                (scale, cap),
            );
            let mut words = [[0u32; 4]; KEYS as usize / 16];
            #[unroll]
            for i in 0..KEYS / 4 {
                words[i / 4][i % 4] = pair::<BF16>(scores[i * 2], scores[i * 2 + 1]);
            }
            while block > tile.low {
                block -= 1;
                let (next, next_phase) = after::<STAGES>((stage, phase));
                mbarrier_wait(&mut bars[FULL_K + next], next_phase);
                bar_sync_named(own_turn, 256);
                wgmma_fence();
                let at_k = next * BLOCK;
                score::<DIM, ROWS, KEYS, T>(&mut scores, (queries, at_q), (keys, at_k));
                mbarrier_wait(&mut bars[FULL_V + stage], phase);
                #[unroll]
                for i in 0..KEYS / 16 {
                    let y = tile_mn(values, stage * BLOCK + i * (16 * WIDTH), 128, APART);
                    wgmma(&mut sums, frag_a::<T>(words[i]), y);
                }
                wgmma_commit();
                bar_arrive(next_turn, 256);
                wgmma_wait(1);
                if lane == 0 {
                    mbarrier_arrive(&mut bars[EMPTY_K + next]);
                }
                let (at, whose) = ((tile, block), (row, group_row, 64));
                let factors = soften::<KEYS, true>(
                    &mut scores,
                    &mut largest,
                    &mut total,
                    at,
                    whose,
                    shape,
                    (scale, cap),
                );
                wgmma_wait(0);
                if lane == 0 {
                    mbarrier_arrive(&mut bars[EMPTY_V + stage]);
                }
                #[unroll]
                for i in 0..DIM / 2 {
                    sums[i] *= factors[i / 2 % 2];
                }
                #[unroll]
                for i in 0..KEYS / 4 {
                    words[i / 4][i % 4] = pair::<BF16>(scores[i * 2], scores[i * 2 + 1]);
                }
                stage = next;
                phase = next_phase;
            }
            if lane == 0 {
                mbarrier_arrive(&mut bars[EMPTY_Q]);
            }
            mbarrier_wait(&mut bars[FULL_V + stage], phase);
            wgmma_fence();
            #[unroll]
            for i in 0..KEYS / 16 {
                let y = tile_mn(values, stage * BLOCK + i * (16 * WIDTH), 128, APART);
                wgmma(&mut sums, frag_a::<T>(words[i]), y);
            }
            wgmma_commit();
            wgmma_wait(0);
            if lane == 0 {
                mbarrier_arrive(&mut bars[EMPTY_V + stage]);
            }
            (stage, phase) = after::<STAGES>((stage, phase));
        }
        #[unroll]
        for h in 0..2u32 {
            let softmax = (largest[h], total[h], scale);
            let at = (tile, row + h * 8, shape.heads);
            leave::<DIM, BF16>((o, lse), at, softmax, |octet, i| sums[octet * 4 + h * 2 + i]);
        }
    }
    if group == 0 {
        bar_sync_named(1, 256);
    }
}

/// `o = softmax(scale q kᵀ) v`; `lse` is empty or gets the logarithms of the softmax's sums. `scale`
/// is that of `2^x`, or of capped scores theirs, and `cap` what comes before the cap, or 0.
#[gpu_kernel(
    block_size = GROUPS * 128 + 128,
    arch = "sm_90",
    min_blocks = 1,
    unchecked,
    instances(
        (DIM = 64, GROUPS = 3, KEYS = 128, STAGES = 2, T = f16, BF16 = false),
        (DIM = 80, GROUPS = 2, KEYS = 128, STAGES = 2, T = f16, BF16 = false),
        (DIM = 96, GROUPS = 2, KEYS = 128, STAGES = 2, T = f16, BF16 = false),
        (DIM = 128, GROUPS = 2, KEYS = 128, STAGES = 2, T = f16, BF16 = false),
        (DIM = 256, GROUPS = 2, KEYS = 64, STAGES = 2, T = f16, BF16 = false),
        (DIM = 64, GROUPS = 3, KEYS = 128, STAGES = 2, T = bf16, BF16 = true),
        (DIM = 80, GROUPS = 2, KEYS = 128, STAGES = 2, T = bf16, BF16 = true),
        (DIM = 96, GROUPS = 2, KEYS = 128, STAGES = 2, T = bf16, BF16 = true),
        (DIM = 128, GROUPS = 2, KEYS = 128, STAGES = 2, T = bf16, BF16 = true),
        (DIM = 256, GROUPS = 2, KEYS = 64, STAGES = 2, T = bf16, BF16 = true)
    )
)]
pub(super) fn wgmma_kernel<
    const DIM: u32,
    const GROUPS: u32,
    const KEYS: u32,
    const STAGES: u32,
    T: Half,
    const BF16: bool,
>(
    q: &TensorMap<T, 3>,
    k: &TensorMap<T, 4>,
    v: &TensorMap<T, 4>,
    o: &mut [T],
    lse: &mut [f32],
    starts: &[u32],
    lengths: &[u32],
    table: &[u32],
    tiles: u32,
    sequences: u32,
    heads: u32,
    group: u32,
    tokens: u32,
    key_tokens: u32,
    max_pages: u32,
    causal: bool,
    window: i32,
    scale: f32,
    cap: f32,
) {
    const SPANS: u32 = DIM.div_ceil(WIDTH);
    const ROWS: u32 = GROUPS * 64;
    let queries = shared_mem![T; SPANS * ROWS * WIDTH, align = 1024];
    let keys = shared_mem![T; STAGES * SPANS * KEYS * WIDTH, align = 1024];
    let values = shared_mem![T; STAGES * SPANS * KEYS * WIDTH, align = 1024];
    let bars = shared_mem![u64; BARRIERS];
    let thread = thread_idx_x();
    if thread == 0 {
        mbarrier_init(&mut bars[FULL_Q], 1);
        mbarrier_init(&mut bars[EMPTY_Q], GROUPS * 4);
        mbarrier_init(&mut bars[TAIL], 1);
        for stage in 0..STAGES {
            mbarrier_init(&mut bars[FULL_K + stage], 1);
            mbarrier_init(&mut bars[EMPTY_K + stage], GROUPS * 4);
            mbarrier_init(&mut bars[FULL_V + stage], 1);
            mbarrier_init(&mut bars[EMPTY_V + stage], GROUPS * 4);
        }
        fence_mbarrier_init();
    }
    bar_sync();
    let shape =
        Shape { tiles, sequences, heads, group, tokens, key_tokens, max_pages, causal, window };
    if thread < 128 {
        if GROUPS == 3 {
            setmaxnreg_dec(32);
        } else {
            setmaxnreg_dec(40);
        }
        if thread < 32 {
            feed::<SPANS, ROWS, KEYS, STAGES, T>(
                (q, k, v),
                (queries, keys, values),
                bars,
                (starts, lengths, table),
                shape,
            );
        }
    } else {
        if GROUPS == 3 {
            setmaxnreg_inc(160);
        } else {
            setmaxnreg_inc(232);
        }
        let words = cast_slice::<u32>(o);
        attend::<DIM, GROUPS, ROWS, KEYS, STAGES, BF16, T>(
            (queries, keys, values),
            bars,
            (words, lse),
            (starts, lengths),
            shape,
            (scale, cap),
        );
    }
}

/// What of attention the kernel does not take.
pub(super) fn refusal<T>(call: &Call<'_, T>, capability: (u32, u32)) -> Option<&'static str> {
    if capability.0 != 9 {
        Some("it needs compute capability 9")
    } else if call.key_tokens == 0 && call.pages == 0 {
        Some("there are no keys")
    } else {
        None
    }
}

fn query_map<'a, T: TensorElement>(call: &Call<'a, T>, rows: u32) -> Result<TensorMap<'a, T, 3>> {
    let &Prefill { q_heads, head_dim, .. } = call.prefill;
    let sizes = [head_dim, q_heads, call.tokens].map(u64::from);
    let strides = [1, head_dim, call.rows[0].stride].map(u64::from);
    let tiling = Tiling::new(sizes, [WIDTH, 1, rows]).strides(strides).swizzle(Swizzle::B128);
    Ok(TensorMap::tiled(call.q, tiling.offset(call.rows[0].offset.into()))?)
}

/// Dense keys are a single page.
fn key_map<'a, T: TensorElement>(
    call: &Call<'a, T>,
    buffer: &'a GpuBuffer<T>,
    rows: Rows,
) -> Result<TensorMap<'a, T, 4>> {
    let &Prefill { kv_heads, head_dim, .. } = call.prefill;
    let (sizes, strides, offset) = if call.max_pages == 0 {
        let all = u64::from(call.key_tokens) * u64::from(rows.stride);
        let strides = [1, rows.stride.into(), head_dim.into(), all];
        ([head_dim, call.key_tokens, kv_heads, 1], strides, u64::from(rows.offset))
    } else {
        let head = u64::from(PAGE * head_dim);
        let strides = [1, head_dim.into(), head, head * u64::from(kv_heads)];
        ([head_dim, PAGE, kv_heads, call.pages], strides, 0)
    };
    let tiling = Tiling::new(sizes.map(u64::from), [WIDTH, PAGE, 1, 1]).strides(strides);
    let tiling = tiling.swizzle(Swizzle::B128).l2_promotion(L2Promotion::B256).offset(offset);
    Ok(TensorMap::tiled(buffer, tiling)?)
}

/// The host functions of the types.
macro_rules! host {
    ($name:ident, $bf16:literal, [$($dim:literal $groups:literal $keys:literal $stages:literal),+]) => {
        pub(super) fn $name(
            stream: &Stream,
            o: &mut GpuBuffer<$name>,
            lse: &mut GpuBuffer<f32>,
            call: &Call<'_, $name>,
        ) -> Result<()> {
            use wgmma_kernel::launch_on;
            let info = stream.device().info()?;
            if let Some(why) = refusal(call, info.compute_capability) {
                return Err(Error::NoAttention { path: "wgmma", why });
            }
            let &Prefill { q_heads, kv_heads, head_dim, causal, .. } = call.prefill;
            let launch = match head_dim {
                $($dim => launch_on::<$dim, $groups, $keys, $stages, $name, $bf16>,)+
                got => return Err(Error::HeadDim { got }),
            };
            let rows = if head_dim == 64 { 192 } else { 128 };
            let (tiles, all) = call.tiles(rows)?;
            let q = query_map(call, rows)?;
            let k = key_map(call, call.k, call.rows[1])?;
            let v = key_map(call, call.v, call.rows[2])?;
            let config = LaunchConfig::new([info.multiprocessors.min(all), 1, 1]);
            let (scale, cap) = call.prefill.scales();
            // SAFETY: Copies do not leave the tensors of the maps. The kernel reads `starts` and
            // `lengths` at sequences, `table` at pages that a sequence may have, and writes `o` and
            // `lse`, which have the lengths of the shape, at tokens below `tokens`, each at its
            // tile's.
            unsafe {
                launch(
                    stream, config, &q, &k, &v, o, lse, call.starts, call.lengths, call.table,
                    tiles, call.sequences, q_heads, q_heads / kv_heads, call.tokens,
                    call.key_tokens, call.max_pages, causal, call.window(), scale, cap,
                )?;
            }
            Ok(())
        }
    };
}

host!(f16, false, [64 3 128 2, 80 2 128 2, 96 2 128 2, 128 2 128 2, 256 2 64 2]);
host!(bf16, true, [64 3 128 2, 80 2 128 2, 96 2 128 2, 128 2 128 2, 256 2 64 2]);
