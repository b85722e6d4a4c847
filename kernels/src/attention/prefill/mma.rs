//! Attention with `mma.sync` and `cp.async`, for sm_80, by the schedule of Dao, "FlashAttention-2"
//! (2023).
//!
//! A block has one tile of 128 queries. Its warps have 32 or 16 of them each, their sums in
//! registers, and share a block of keys and one of values: values come while scores are computed,
//! the next keys while values are weighed. Rows of shared memory are 16 bytes longer than heads, so
//! that rows of a matrix are in different banks.

use firesteel::prelude::*;

use super::tile::{NONE, PAGE, Shape, Work, leave, pair, sees_all, soften, tile_at};
use super::{Call, Prefill};
use crate::shape::{Error, Result};

/// Queries of a block.
#[gpu_const]
const ROWS: u32 = 128;

/// Begins to copy `COUNT` rows to shared memory, at an edge those from `valid` on as zeros.
#[gpu_fn]
fn copy_rows<
    const DIM: u32,
    const COUNT: u32,
    const WARPS: u32,
    const EDGE: bool,
    T: Half + Lane,
>(
    to: &mut [T],
    at: u32,
    from: &[T],
    (first, stride): (u32, u32),
    valid: u32,
) {
    const PIECES: u32 = DIM / 8;
    // Lanes that have a row: a power of two, some perhaps idle.
    const LANES: u32 = PIECES.next_power_of_two();
    const STEP: u32 = WARPS * 32 / LANES;
    let (row, piece) = (thread_idx_x() / LANES, thread_idx_x() % LANES);
    if piece < PIECES {
        let (place, source) = (at + row * (DIM + 8) + piece * 8, first + row * stride + piece * 8);
        #[unroll]
        for i in 0..COUNT / STEP {
            let at = (place + i * (STEP * (DIM + 8)), source + i * STEP * stride);
            if EDGE {
                cp_async_16_or_zero(&mut to[at.0], &from[at.1], row + i * STEP < valid);
            } else {
                cp_async_16(&mut to[at.0], &from[at.1]);
            }
        }
    }
}

/// Begins to copy a block of keys or values, `KEYS` of them, in pages or dense; those behind the
/// sequence's end are zeros.
#[gpu_fn]
fn copy_block<
    const DIM: u32,
    const KEYS: u32,
    const WARPS: u32,
    const EDGE: bool,
    T: Half + Lane,
>(
    to: &mut [T],
    (from, offset, stride): (&[T], u32, u32),
    (table, pages): (&[u32], u32),
    (work, block): (Work, u32),
    shape: Shape,
) {
    let head = work.head / shape.group;
    if shape.max_pages == 0 {
        let first = block * KEYS;
        let at = offset + (work.keys + first) * stride + head * DIM;
        copy_rows::<DIM, KEYS, WARPS, EDGE, T>(to, 0, from, (at, stride), work.length - first);
    } else {
        #[unroll]
        for piece in 0..KEYS / PAGE {
            let page = block * (KEYS / PAGE) + piece;
            let valid = work.length.max(page * PAGE) - page * PAGE;
            // Of a page behind the end, the last one stands for it.
            let entry = if EDGE { page.min((work.length - 1) / PAGE) } else { page };
            let entry = work.sequence * shape.max_pages + entry;
            let page = table[entry].min(pages - 1);
            let at = (page * (shape.heads / shape.group) + head) * (PAGE * DIM);
            let place = piece * (PAGE * (DIM + 8));
            copy_rows::<DIM, PAGE, WARPS, EDGE, T>(to, place, from, (at, DIM), valid);
        }
    }
    cp_async_commit();
}

/// The scores of a block of keys, their softmax, and the values that they weigh; meanwhile the next
/// keys come. Of a block within, all queries see all keys.
#[gpu_fn]
fn step<
    const DIM: u32,
    const OCTETS: usize,
    const KEYS: u32,
    const WARPS: u32,
    const PARTS: usize,
    const BF16: bool,
    const EDGE: bool,
    T: Half + Lane,
>(
    (queries, keys, values): (&mut [T], &mut [T], &mut [T]),
    (k, k_offset, k_stride): (&[T], u32, u32),
    (v, v_offset, v_stride): (&[T], u32, u32),
    (table, pages): (&[u32], u32),
    (work, block): (Work, u32),
    shape: Shape,
    (scale, cap): (f32, f32),
    sums: &mut [[FragC<f32>; OCTETS]; PARTS],
    largest: &mut [[f32; 2]; PARTS],
    total: &mut [[f32; 2]; PARTS],
) {
    const PITCH: u32 = DIM + 8;
    const HEIGHT: u32 = PARTS as u32 * 16;
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let first_row = work.row + warp * HEIGHT;
    cp_async_wait(0);
    bar_sync();
    copy_block::<DIM, KEYS, WARPS, EDGE, T>(
        values,
        (v, v_offset, v_stride),
        (table, pages),
        (work, block),
        shape,
    );
    // Where this lane's rows of matrices are.
    let at_q = (warp * HEIGHT + lane % 16) * PITCH + lane / 16 * 8;
    let at_k = (lane % 8 + lane / 16 * 8) * PITCH + lane / 8 % 2 * 8;
    let mut scores = [[FragC::<f32>::zero(); KEYS as usize / 8]; PARTS];
    #[unroll]
    for i in 0..DIM / 16 {
        let mut x = [ldmatrix_a(queries, at_q + i * 16); PARTS];
        if PARTS == 2 {
            x[PARTS - 1] = ldmatrix_a(queries, at_q + 16 * PITCH + i * 16);
        }
        #[unroll]
        for j in 0..KEYS / 16 {
            let (y0, y1) = ldmatrix_b2(keys, at_k + j * (16 * PITCH) + i * 16);
            #[unroll]
            for p in 0..PARTS {
                mma(&mut scores[p][j * 2], x[p], y0);
                mma(&mut scores[p][j * 2 + 1], x[p], y1);
            }
        }
    }
    cp_async_wait(0);
    bar_sync();
    if block > work.low {
        copy_block::<DIM, KEYS, WARPS, EDGE, T>(
            keys,
            (k, k_offset, k_stride),
            (table, pages),
            (work, block - 1),
            shape,
        );
    }
    let mut weights = [[[0u32; 4]; KEYS as usize / 16]; PARTS];
    #[unroll]
    for p in 0..PARTS {
        let mut part = WarpgroupC::<f32, KEYS>::zero();
        #[unroll]
        for i in 0..KEYS / 2 {
            part[i] = scores[p][i / 4][i % 4];
        }
        let factors = soften::<KEYS, EDGE>(
            &mut part,
            &mut largest[p],
            &mut total[p],
            (work, block),
            (first_row + p as u32 * 16 + lane / 4, first_row, HEIGHT),
            shape,
            (scale, cap),
        );
        #[unroll]
        for i in 0..KEYS / 4 {
            weights[p][i / 4][i % 4] = pair::<BF16>(part[i * 2], part[i * 2 + 1]);
        }
        #[unroll]
        for i in 0..DIM / 2 {
            sums[p][i / 4][i % 4] *= factors[i / 2 % 2];
        }
    }
    let at_v = lane % 16 * PITCH + lane / 16 * 8;
    #[unroll]
    for i in 0..KEYS / 16 {
        #[unroll]
        for j in 0..DIM / 16 {
            let (y0, y1) = ldmatrix_b2_trans(values, at_v + i * (16 * PITCH) + j * 16);
            #[unroll]
            for p in 0..PARTS {
                mma(&mut sums[p][j * 2], frag_a::<T>(weights[p][i]), y0);
                mma(&mut sums[p][j * 2 + 1], frag_a::<T>(weights[p][i]), y1);
            }
        }
    }
}

/// `o = softmax(scale q kᵀ) v`, the arguments as those of the kernel of `wgmma`; rows of q, k and v
/// begin at an offset and with a stride, those of k and v perhaps in pages.
#[gpu_kernel(
    block_size = WARPS * 32,
    arch = "sm_80",
    unchecked,
    instances(
        (DIM = 64, OCTETS = 8, KEYS = 128, WARPS = 4, PARTS = 2, T = f16, BF16 = false),
        (DIM = 80, OCTETS = 10, KEYS = 64, WARPS = 4, PARTS = 2, T = f16, BF16 = false),
        (DIM = 96, OCTETS = 12, KEYS = 64, WARPS = 4, PARTS = 2, T = f16, BF16 = false),
        (DIM = 128, OCTETS = 16, KEYS = 64, WARPS = 4, PARTS = 2, T = f16, BF16 = false),
        (DIM = 256, OCTETS = 32, KEYS = 128, WARPS = 8, PARTS = 1, T = f16, BF16 = false),
        (DIM = 64, OCTETS = 8, KEYS = 128, WARPS = 4, PARTS = 2, T = bf16, BF16 = true),
        (DIM = 80, OCTETS = 10, KEYS = 64, WARPS = 4, PARTS = 2, T = bf16, BF16 = true),
        (DIM = 96, OCTETS = 12, KEYS = 64, WARPS = 4, PARTS = 2, T = bf16, BF16 = true),
        (DIM = 128, OCTETS = 16, KEYS = 64, WARPS = 4, PARTS = 2, T = bf16, BF16 = true),
        (DIM = 256, OCTETS = 32, KEYS = 128, WARPS = 8, PARTS = 1, T = bf16, BF16 = true)
    )
)]
pub(super) fn mma_kernel<
    const DIM: u32,
    const OCTETS: usize,
    const KEYS: u32,
    const WARPS: u32,
    const PARTS: usize,
    T: Half,
    const BF16: bool,
>(
    q: &[T],
    k: &[T],
    v: &[T],
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
    pages: u32,
    q_offset: u32,
    q_stride: u32,
    k_offset: u32,
    k_stride: u32,
    v_offset: u32,
    v_stride: u32,
    causal: bool,
    window: i32,
    scale: f32,
    cap: f32,
) {
    const PITCH: u32 = DIM + 8;
    const HEIGHT: u32 = PARTS as u32 * 16;
    let queries = shared_mem![T; ROWS * PITCH];
    let keys = shared_mem![T; KEYS * PITCH];
    let values = shared_mem![T; KEYS * PITCH];
    let words_of_o = cast_slice::<u32>(o);
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let shape =
        Shape { tiles, sequences, heads, group, tokens, key_tokens, max_pages, causal, window };
    let work = tile_at::<ROWS, KEYS>(block_idx_x(), (starts, lengths), shape);
    if work.row >= work.rows {
        return;
    }
    let first_row = work.row + warp * HEIGHT;
    let row = first_row + lane / 4;
    let mut block = work.high;
    if work.low < work.high {
        let from = q_offset + (work.first + work.row) * q_stride + work.head * DIM;
        let valid = work.rows - work.row;
        copy_rows::<DIM, ROWS, WARPS, true, T>(queries, 0, q, (from, q_stride), valid);
        copy_block::<DIM, KEYS, WARPS, true, T>(
            keys,
            (k, k_offset, k_stride),
            (table, pages),
            (work, block - 1),
            shape,
        );
    }
    let mut sums = [[FragC::<f32>::zero(); OCTETS]; PARTS];
    let mut largest = [[NONE; 2]; PARTS];
    let mut total = [[0.0f32; 2]; PARTS];
    while block > work.low {
        block -= 1;
        if cap != 0.0 || !sees_all::<KEYS>(work, (first_row, HEIGHT), block, shape) {
            step::<DIM, OCTETS, KEYS, WARPS, PARTS, BF16, true, T>(
                (queries, keys, values),
                (k, k_offset, k_stride),
                (v, v_offset, v_stride),
                (table, pages),
                (work, block),
                shape,
                (scale, cap),
                &mut sums,
                &mut largest,
                &mut total,
            );
        } else {
            step::<DIM, OCTETS, KEYS, WARPS, PARTS, BF16, false, T>(
                (queries, keys, values),
                (k, k_offset, k_stride),
                (v, v_offset, v_stride),
                (table, pages),
                (work, block),
                shape,
                (scale, cap),
                &mut sums,
                &mut largest,
                &mut total,
            );
        }
    }
    #[unroll]
    for p in 0..PARTS {
        #[unroll]
        for h in 0..2u32 {
            let at = (work, row + p as u32 * 16 + h * 8, shape.heads);
            let softmax = (largest[p][h], total[p][h], scale);
            leave::<DIM, BF16>((words_of_o, lse), at, softmax, |octet, i| {
                sums[p][octet][h * 2 + i]
            });
        }
    }
}

/// The host functions of the types.
macro_rules! host {
    ($name:ident, $bf16:literal, [$($dim:literal $octets:literal $keys:literal $warps:literal $parts:literal),+]) => {
        pub(super) fn $name(
            stream: &Stream,
            o: &mut GpuBuffer<$name>,
            lse: &mut GpuBuffer<f32>,
            call: &Call<'_, $name>,
        ) -> Result<()> {
            use mma_kernel::launch_on;
            if stream.device().info()?.compute_capability.0 < 8 {
                let why = "it needs compute capability 8";
                return Err(Error::NoAttention { path: "mma", why });
            }
            let &Prefill { q_heads, kv_heads, head_dim, causal, .. } = call.prefill;
            let launch = match head_dim {
                $($dim => launch_on::<$dim, $octets, $keys, $warps, $parts, $name, $bf16>,)+
                got => return Err(Error::HeadDim { got }),
            };
            let (tiles, all) = call.tiles(ROWS)?;
            let [q, k, v] = call.rows;
            let (scale, cap) = call.prefill.scales();
            // SAFETY: Of q, k and v, the kernel reads rows of tokens that there are, and cells of
            // pages below `pages`; of `starts` and `lengths` those of sequences, of `table` the pages
            // that a sequence may have. It writes `o` and `lse`, which have the lengths of the shape,
            // at tokens below `tokens`, each at its tile's.
            unsafe {
                launch(
                    stream, LaunchConfig::new([all, 1, 1]), call.q, call.k, call.v, o, lse,
                    call.starts, call.lengths, call.table, tiles, call.sequences, q_heads,
                    q_heads / kv_heads, call.tokens, call.key_tokens, call.max_pages, call.pages,
                    q.offset, q.stride, k.offset, k.stride, v.offset, v.stride, causal,
                    call.window(), scale, cap,
                )?;
            }
            Ok(())
        }
    };
}

host!(f16, false, [64 8 128 4 2, 80 10 64 4 2, 96 12 64 4 2, 128 16 64 4 2, 256 32 128 8 1]);
host!(bf16, true, [64 8 128 4 2, 80 10 64 4 2, 96 12 64 4 2, 128 16 64 4 2, 256 32 128 8 1]);
