//! Products of few rows with a large matrix, for sm_90: as fast as the matrix can be read.
//!
//! The large matrix is the left factor of `mma`. One warp keeps its rows coming with tensor
//! copies, the others multiply a slab of each stage and add their sums at the end of a tile. Blocks
//! stay and take one tile of rows after the other, so that the copies never pause.

use firesteel::prelude::*;

use super::tiles::swizzled;
use super::{Order, Path, Product, boxes};
use crate::shape::Result;

/// Elements along K of a slab: 128 bytes, the width of the swizzle.
#[gpu_const]
const DEPTH: u32 = 64;
/// Between two columns of sums, so that the lanes of a warp write to different banks.
#[gpu_const]
const PAD: u32 = 2;

/// The stage after a stage, and its phase.
#[gpu_fn]
fn after<const STAGES: u32>((stage, phase): (u32, u32)) -> (u32, u32) {
    if stage + 1 == STAGES { (0, phase ^ 1) } else { (stage + 1, phase) }
}

/// Copies the slabs of all tiles of this block, as stages become free.
#[gpu_fn]
fn feed<const TOKENS: u32, const ROWS: u32, const SLABS: u32, const STAGES: u32, T: Half>(
    a: &TensorMap<T, 2>,
    b: &TensorMap<T, 2>,
    left: &mut [T],
    right: &mut [T],
    full: &mut [u64],
    empty: &mut [u64],
    (tiles, steps): (u32, u32),
    (m, fixed_b): (u32, u32),
) {
    // A large matrix that no kernel before this one writes is fetched while they end.
    if fixed_b == 0 {
        grid_dependency_wait();
    }
    let bytes = SLABS * (ROWS + m) * (DEPTH * 2);
    let mut tile = block_idx_x();
    let early = steps.min(STAGES);
    for step in 0..early {
        mbarrier_arrive_expect_tx(&mut full[step], bytes);
        for slab in 0..SLABS {
            let at = [((step * SLABS + slab) * DEPTH) as i32, (tile * ROWS) as i32];
            let to = (step * SLABS + slab) * (ROWS * DEPTH);
            tma_load(&mut left[to], b, at, &mut full[step]);
        }
    }
    grid_dependency_wait();
    for step in 0..early {
        for slab in 0..SLABS {
            let at = [((step * SLABS + slab) * DEPTH) as i32, 0];
            let to = (step * SLABS + slab) * (TOKENS * DEPTH);
            tma_load(&mut right[to], a, at, &mut full[step]);
        }
    }
    let mut first = early;
    let mut stage = early % STAGES;
    let mut phase = early / STAGES;
    while tile < tiles {
        for step in first..steps {
            mbarrier_wait(&mut empty[stage], phase ^ 1);
            mbarrier_arrive_expect_tx(&mut full[stage], bytes);
            for slab in 0..SLABS {
                let at = ((step * SLABS + slab) * DEPTH) as i32;
                let to = (stage * SLABS + slab) * DEPTH;
                tma_load(&mut left[to * ROWS], b, [at, (tile * ROWS) as i32], &mut full[stage]);
                tma_load(&mut right[to * TOKENS], a, [at, 0], &mut full[stage]);
            }
            let next = after::<STAGES>((stage, phase));
            stage = next.0;
            phase = next.1;
        }
        first = 0;
        tile += grid_dim_x();
    }
}

/// One warp's sums of its part of a slab, over a tile's steps; returns the next stage.
#[gpu_fn]
fn by_mma<
    const TOKENS: u32,
    const ROWS: u32,
    const SLABS: u32,
    const STAGES: u32,
    const WARPS: u32,
    T: Half,
>(
    left: &mut [T],
    right: &mut [T],
    partial: &mut [f32],
    full: &mut [u64],
    empty: &mut [u64],
    (steps, m): (u32, u32),
    (stage, phase): (u32, u32),
) -> (u32, u32) {
    // Two warps share the rows of a part where a slab has more than one for each 32 rows.
    const PARTS: u32 = if WARPS * 32 == ROWS { 1 } else { 2 };
    const PART: u32 = TOKENS / PARTS;
    const HEIGHT: u32 = ROWS * PARTS / WARPS;
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let (slab, in_slab) = (warp / WARPS, warp % WARPS);
    let (first_row, first_token) = (in_slab / PARTS * HEIGHT, in_slab % PARTS * PART);
    let (mut stage, mut phase) = (stage, phase);
    let mut sums = [[FragC::<f32>::zero(); PART as usize / 8]; HEIGHT as usize / 16];
    for _ in 0..steps {
        mbarrier_wait(&mut full[stage], phase);
        let left_first = ((stage * SLABS + slab) * ROWS + first_row) * DEPTH;
        let right_first = (stage * SLABS + slab) * (TOKENS * DEPTH);
        #[unroll]
        for i in 0..DEPTH / 16 {
            let at = left_first + swizzled(lane % 16, i * 2 + lane / 16);
            let mut x = [ldmatrix_a(left, at); HEIGHT as usize / 16];
            #[unroll]
            for r in 1..HEIGHT / 16 {
                x[r] = ldmatrix_a(left, at + r * (16 * DEPTH));
            }
            // Tokens beyond the last are not copied: their sums, which nobody reads, are its.
            if PART == 8 {
                let row = (lane % 8).min(m - 1);
                let at = right_first + swizzled(row, i * 2 + lane / 8 % 2);
                let y = ldmatrix_b(right, at);
                #[unroll]
                for r in 0..HEIGHT / 16 {
                    mma(&mut sums[r][0], x[r], y);
                }
            } else {
                #[unroll]
                for j in 0..PART / 16 {
                    let row = (first_token + j * 16 + lane % 8 + lane / 16 * 8).min(m - 1);
                    let at = right_first + swizzled(row, i * 2 + lane / 8 % 2);
                    let (y0, y1) = ldmatrix_b2(right, at);
                    #[unroll]
                    for r in 0..HEIGHT / 16 {
                        mma(&mut sums[r][j * 2], x[r], y0);
                        mma(&mut sums[r][j * 2 + 1], x[r], y1);
                    }
                }
            }
        }
        warp_sync();
        if lane == 0 {
            mbarrier_arrive(&mut empty[stage]);
        }
        let next = after::<STAGES>((stage, phase));
        stage = next.0;
        phase = next.1;
    }
    #[unroll]
    for r in 0..HEIGHT / 16 {
        #[unroll]
        for j in 0..PART / 8 {
            #[unroll]
            for i in 0..4u32 {
                let row = first_row + r * 16 + i / 2 * 8 + lane / 4;
                let token = first_token + j * 8 + lane % 4 * 2 + i % 2;
                partial[(slab * TOKENS + token) * (ROWS + PAD) + row] = sums[r][j][i];
            }
        }
    }
    (stage, phase)
}

/// The same by a warpgroup, for 96 or 128 rows: many tokens are too much work for [`by_mma`].
#[gpu_fn]
fn by_wgmma<const TOKENS: u32, const ROWS: u32, const SLABS: u32, const STAGES: u32, T: Half>(
    left: &mut [T],
    right: &mut [T],
    partial: &mut [f32],
    full: &mut [u64],
    empty: &mut [u64],
    steps: u32,
    (stage, phase): (u32, u32),
) -> (u32, u32) {
    // The second 64 rows are the tile's last, and may overlap the first.
    const SECOND: u32 = ROWS - 64;
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let slab = warp / 4;
    let (mut stage, mut phase) = (stage, phase);
    let mut low = WarpgroupC::<f32, TOKENS>::zero();
    let mut high = WarpgroupC::<f32, TOKENS>::zero();
    for _ in 0..steps {
        mbarrier_wait(&mut full[stage], phase);
        let left_first = (stage * SLABS + slab) * (ROWS * DEPTH);
        let right_first = (stage * SLABS + slab) * (TOKENS * DEPTH);
        wgmma_fence();
        #[unroll]
        for i in 0..DEPTH / 16 {
            let at = left_first + i * 16;
            let y = tile_k(right, right_first + i * 16, 128);
            wgmma(&mut low, tile_k(left, at, 128), y);
            wgmma(&mut high, tile_k(left, at + SECOND * DEPTH, 128), y);
        }
        wgmma_commit();
        wgmma_wait(0);
        if lane == 0 {
            mbarrier_arrive(&mut empty[stage]);
        }
        let next = after::<STAGES>((stage, phase));
        stage = next.0;
        phase = next.1;
    }
    #[unroll]
    for i in 0..TOKENS / 2 {
        let row = warp % 4 * 16 + i / 2 % 2 * 8 + lane / 4;
        let token = i / 4 * 8 + lane % 4 * 2 + i % 2;
        let at = (slab * TOKENS + token) * (ROWS + PAD) + row;
        partial[at] = low[i];
        if row + SECOND >= 64 {
            partial[at + SECOND] = high[i];
        }
    }
    (stage, phase)
}

/// `c [m, n] = alpha a [m, k] b [n, k]ᵀ` for at most `TOKENS` rows of `a`.
#[gpu_kernel(
    block_size = SLABS * WARPS * 32 + 32,
    arch = "sm_90",
    unchecked,
    instances(
        (TOKENS = 8, ROWS = 32, SLABS = 8, STAGES = 5, WARPS = 1),
        (TOKENS = 8, ROWS = 96, SLABS = 4, STAGES = 4, WARPS = 3),
        (TOKENS = 16, ROWS = 32, SLABS = 8, STAGES = 4, WARPS = 1),
        (TOKENS = 16, ROWS = 96, SLABS = 4, STAGES = 3, WARPS = 3),
        (TOKENS = 32, ROWS = 32, SLABS = 4, STAGES = 6, WARPS = 2),
        (TOKENS = 32, ROWS = 96, SLABS = 2, STAGES = 5, WARPS = 4),
        (TOKENS = 64, ROWS = 32, SLABS = 4, STAGES = 4, WARPS = 2),
        (TOKENS = 64, ROWS = 96, SLABS = 1, STAGES = 10, WARPS = 4),
        (TOKENS = 64, ROWS = 128, SLABS = 1, STAGES = 8, WARPS = 4),
        T = [f16, bf16]
    )
)]
pub(super) fn stream_kernel<
    const TOKENS: u32,
    const ROWS: u32,
    const SLABS: u32,
    const STAGES: u32,
    const WARPS: u32,
    T: Half,
>(
    a: &TensorMap<T, 2>,
    b: &TensorMap<T, 2>,
    c: &mut [T],
    m: u32,
    n: u32,
    k: u32,
    alpha: f32,
    fixed_b: u32,
) {
    let left = shared_mem![T; STAGES * SLABS * ROWS * DEPTH, align = 1024];
    let right = shared_mem![T; STAGES * SLABS * TOKENS * DEPTH, align = 1024];
    let partial = shared_mem![f32; SLABS * TOKENS * (ROWS + PAD)];
    let full = shared_mem![u64; STAGES];
    let empty = shared_mem![u64; STAGES];
    let thread = thread_idx_x();
    // `wgmma` multiplies all tokens, also those that are not copied.
    if TOKENS == 64 && ROWS > 32 && m < TOKENS {
        let words = cast_slice::<u64>(right);
        let mut at = thread;
        while at < STAGES * SLABS * TOKENS * DEPTH / 4 {
            words[at] = 0;
            at += SLABS * WARPS * 32 + 32;
        }
        fence_proxy_async();
    }
    if thread == 0 {
        for stage in 0..STAGES {
            mbarrier_init(&mut full[stage], 1);
            mbarrier_init(&mut empty[stage], SLABS * WARPS);
        }
        fence_mbarrier_init();
    }
    bar_sync();
    grid_dependency_launch();
    let tiles = n.div_ceil(ROWS);
    let steps = k.div_ceil(DEPTH * SLABS);
    if thread >= SLABS * WARPS * 32 {
        if thread == SLABS * WARPS * 32 {
            feed::<TOKENS, ROWS, SLABS, STAGES, T>(
                a,
                b,
                left,
                right,
                full,
                empty,
                (tiles, steps),
                (m, fixed_b),
            );
        }
    } else {
        grid_dependency_wait();
        let mut at = (0u32, 0u32);
        let mut tile = block_idx_x();
        while tile < tiles {
            if TOKENS == 64 && ROWS > 32 {
                at = by_wgmma::<TOKENS, ROWS, SLABS, STAGES, T>(
                    left, right, partial, full, empty, steps, at,
                );
            } else {
                at = by_mma::<TOKENS, ROWS, SLABS, STAGES, WARPS, T>(
                    left,
                    right,
                    partial,
                    full,
                    empty,
                    (steps, m),
                    at,
                );
            }
            bar_sync_named(1, SLABS * WARPS * 32);
            #[unroll]
            for i in 0..ROWS * TOKENS / (SLABS * WARPS * 32) {
                let at = i * (SLABS * WARPS * 32) + thread;
                let (token, row) = (at / ROWS, at % ROWS);
                let mut total = 0.0f32;
                #[unroll]
                for slab in 0..SLABS {
                    total += partial[(slab * TOKENS + token) * (ROWS + PAD) + row];
                }
                if token < m && tile * ROWS + row < n {
                    c[token * n + tile * ROWS + row] = T::from_f32(total * alpha);
                }
            }
            bar_sync_named(1, SLABS * WARPS * 32);
            tile += grid_dim_x();
        }
    }
}

/// What of a product the kernel does not take.
pub(super) fn takes(product: &Product) -> Option<&'static str> {
    if product.m > 64 {
        Some("`m` must be at most 64")
    } else if !product.k.is_multiple_of(8) {
        Some("`k` must be a multiple of 8")
    } else if product.order != Order::Nk {
        Some("B must be `[n, k]`")
    } else {
        None
    }
}

/// Rows of a tile: many where that leaves no multiprocessor idle, since every tile reads all of A.
fn rows_of_tile(product: &Product, tokens: u32, multiprocessors: u32) -> u32 {
    if tokens == 64 && product.n.div_ceil(128) >= 2 * multiprocessors {
        128
    } else if product.n.div_ceil(96) * 10 >= multiprocessors * 9 {
        96
    } else {
        32
    }
}

/// The host function of a type.
macro_rules! host {
    ($half:ident) => {
        pub(super) fn $half(
            stream: &Stream,
            c: &mut GpuBuffer<$half>,
            a: &GpuBuffer<$half>,
            b: &GpuBuffer<$half>,
            product: &Product,
        ) -> Result<()> {
            use stream_kernel::launch_on;
            let (info, &Product { m, n, k, alpha, .. }) = (stream.device().info()?, product);
            let old = (info.compute_capability.0 < 9).then_some("it needs compute capability 9");
            if let Some(why) = takes(product).or(old) {
                return Err(product.no(Path::Stream, why));
            }
            let tokens = m.next_power_of_two().max(8);
            let rows = rows_of_tile(product, tokens, info.multiprocessors);
            let (a, b) = (boxes(a, [m, k], m)?, boxes(b, [n, k], rows)?);
            let blocks = info.multiprocessors.min(n.div_ceil(rows));
            let config = LaunchConfig::new([blocks, 1, 1]).with_programmatic_dependent_launch();
            let (a, b) = (&a, &b);
            let fixed_b = u32::from(product.fixed_b);
            macro_rules! launch {
                ($tokens:literal, $rows:literal, $slabs:literal, $stages:literal, $warps:literal) => {
                    launch_on::<$tokens, $rows, $slabs, $stages, $warps, $half>(
                        stream, config, a, b, c, m, n, k, alpha, fixed_b,
                    )?
                };
            }
            // SAFETY: The maps have the product's shape, and copies do not leave their tensors;
            // every index of `c` is compared with `m` and `n`. The kernels before this one
            // are complete when A, B and C are touched; B earlier only if the caller says so.
            unsafe {
                match (tokens, rows) {
                    (8, 32) => launch!(8, 32, 8, 5, 1),
                    (8, _) => launch!(8, 96, 4, 4, 3),
                    (16, 32) => launch!(16, 32, 8, 4, 1),
                    (16, _) => launch!(16, 96, 4, 3, 3),
                    (32, 32) => launch!(32, 32, 4, 6, 2),
                    (32, _) => launch!(32, 96, 2, 5, 4),
                    (_, 32) => launch!(64, 32, 4, 4, 2),
                    (_, 96) => launch!(64, 96, 1, 10, 4),
                    _ => launch!(64, 128, 1, 8, 4),
                }
            }
            Ok(())
        }
    };
}

host!(f16);
host!(bf16);
