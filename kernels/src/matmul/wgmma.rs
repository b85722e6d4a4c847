//! Products with `wgmma` and tensor copies, for sm_90a.
//!
//! Blocks stay and take one tile after the other. One warpgroup copies the factors, two multiply
//! 64 rows each; what they finish leaves through shared memory while the copies of the next tile
//! are under way.

use firesteel::prelude::*;
use firesteel::{Swizzle, TensorMapMut, Tiling};

use super::{Order, Path, Product, boxes};
use crate::shape::Result;

/// Rows of a block's tile, two warpgroups of 64.
#[gpu_const]
pub(super) const ROWS: u32 = 128;
/// Elements along K of a stage: 128 bytes, the width of the swizzle.
#[gpu_const]
pub(super) const DEPTH: u32 = 64;
/// Columns that leave a warpgroup at once.
#[gpu_const]
pub(super) const CHUNK: u32 = 64;
/// Rows of tiles that are computed next to each other, so that their factors stay in the L2 cache.
#[gpu_const]
const GROUP: u32 = 8;

/// Two elements of the result as a word.
#[gpu_fn]
fn pair<const BF16: bool>(low: f32, high: f32) -> u32 {
    if BF16 { pack_bf16x2(low, high) } else { pack_f16x2(low, high) }
}

/// The tile of a number: columns of `GROUP` tiles, one after the other.
#[gpu_fn]
fn tile_at(number: u32, row_tiles: u32, col_tiles: u32) -> (u32, u32) {
    let group_tiles = GROUP * col_tiles;
    let first = number / group_tiles * GROUP;
    let rows = (row_tiles - first).min(GROUP);
    let inside = number % group_tiles;
    (first + inside % rows, inside / rows)
}

/// `c = alpha a b`; `KN` says that B is row-major `[k, n]`, `BF16` that `T` is `bf16`.
#[gpu_kernel(
    block_size = 384,
    arch = "sm_90",
    min_blocks = 1,
    unchecked,
    instances(
        (COLS = 256, STAGES = 4),
        (COLS = 128, STAGES = 5),
        (COLS = 64, STAGES = 6),
        KN = [false, true],
        (T = bf16, BF16 = true),
        (T = f16, BF16 = false)
    )
)]
pub(super) fn wgmma_kernel<
    const COLS: u32,
    const STAGES: u32,
    const KN: bool,
    T: Half,
    const BF16: bool,
>(
    a: &TensorMap<T, 2>,
    b: &TensorMap<T, 2>,
    c: &mut TensorMap<T, 2>,
    m: u32,
    n: u32,
    k: u32,
    alpha: f32,
) {
    let left = shared_mem![T; STAGES * ROWS * DEPTH, align = 1024];
    let right = shared_mem![T; STAGES * COLS * DEPTH, align = 1024];
    let out = shared_mem![T; 4 * 64 * CHUNK, align = 1024];
    let full = shared_mem![u64; STAGES];
    let empty = shared_mem![u64; STAGES];
    let thread = thread_idx_x();
    if thread == 0 {
        for stage in 0..STAGES {
            mbarrier_init(&mut full[stage], 1);
            // Each warp that multiplies says that it is done with a stage.
            mbarrier_init(&mut empty[stage], 8);
        }
        fence_mbarrier_init();
    }
    bar_sync();
    let (row_tiles, col_tiles) = (m.div_ceil(ROWS), n.div_ceil(COLS));
    let tiles = row_tiles * col_tiles;
    let steps = k.div_ceil(DEPTH);
    let group = thread / 128;
    let mut stage = 0u32;
    let mut phase = 0u32;
    let mut number = block_idx_x();
    if group == 0 {
        setmaxnreg_dec(40);
        if thread == 0 {
            while number < tiles {
                let (row, col) = tile_at(number, row_tiles, col_tiles);
                for step in 0..steps {
                    mbarrier_wait(&mut empty[stage], phase ^ 1);
                    mbarrier_arrive_expect_tx(&mut full[stage], (ROWS + COLS) * DEPTH * 2);
                    let at = (step * DEPTH) as i32;
                    let (to_left, to_right) = (stage * (ROWS * DEPTH), stage * (COLS * DEPTH));
                    tma_load(&mut left[to_left], a, [at, (row * ROWS) as i32], &mut full[stage]);
                    let first = (col * COLS) as i32;
                    if KN {
                        #[unroll]
                        for i in 0..COLS / 64 {
                            let to = to_right + i * (64 * DEPTH);
                            let from = [first + (i * 64) as i32, at];
                            tma_load(&mut right[to], b, from, &mut full[stage]);
                        }
                    } else {
                        tma_load(&mut right[to_right], b, [at, first], &mut full[stage]);
                    }
                    stage += 1;
                    if stage == STAGES {
                        stage = 0;
                        phase ^= 1;
                    }
                }
                number += grid_dim_x();
            }
        }
    } else {
        setmaxnreg_inc(232);
        let half = group - 1;
        let in_group = thread % 128;
        let lane = thread % 32;
        // Where this lane's row of a matrix of 8 by 8 begins in a chunk, and its swizzle.
        let out_row = in_group / 32 * 16 + lane / 8 % 2 * 8 + lane % 8;
        // Which of its two buffers the next chunk leaves through.
        let mut turn = 0u32;
        let out_first = half * (2 * 64 * CHUNK) + out_row * CHUNK;
        while number < tiles {
            let (row, col) = tile_at(number, row_tiles, col_tiles);
            let mut sum = WarpgroupC::<f32, COLS>::zero();
            let mut previous = 0u32;
            for step in 0..steps {
                mbarrier_wait(&mut full[stage], phase);
                wgmma_fence();
                #[unroll]
                for i in 0..4u32 {
                    let at_left = stage * (ROWS * DEPTH) + half * (64 * DEPTH) + i * 16;
                    let at_right = stage * (COLS * DEPTH);
                    let add = step != 0 || i != 0;
                    let x = tile_k(left, at_left, 128);
                    if KN {
                        // Boxes of 64 columns, in each a row for a step along K.
                        let y = tile_mn(right, at_right + i * (16 * 64), 128, 64 * DEPTH * 2);
                        wgmma_or_set(&mut sum, x, y, add);
                    } else {
                        wgmma_or_set(&mut sum, x, tile_k(right, at_right + i * 16, 128), add);
                    }
                }
                wgmma_commit();
                wgmma_wait(1);
                if step != 0 && lane == 0 {
                    mbarrier_arrive(&mut empty[previous]);
                }
                previous = stage;
                stage += 1;
                if stage == STAGES {
                    stage = 0;
                    phase ^= 1;
                }
            }
            wgmma_wait(0);
            if lane == 0 {
                mbarrier_arrive(&mut empty[previous]);
            }
            #[unroll]
            for chunk in 0..COLS / CHUNK {
                let buffer = out_first + turn * (64 * CHUNK);
                // The copy of the chunk before the last has read its buffer.
                if in_group == 0 {
                    tma_wait_read(1);
                }
                bar_sync_named(1 + half, 128);
                #[unroll]
                for piece in 0..CHUNK / 16 {
                    let first = chunk * (CHUNK / 2) + piece * 8;
                    let words = [
                        pair::<BF16>(sum[first] * alpha, sum[first + 1] * alpha),
                        pair::<BF16>(sum[first + 2] * alpha, sum[first + 3] * alpha),
                        pair::<BF16>(sum[first + 4] * alpha, sum[first + 5] * alpha),
                        pair::<BF16>(sum[first + 6] * alpha, sum[first + 7] * alpha),
                    ];
                    let swizzled = (piece * 2 + lane / 16) ^ (out_row % 8);
                    stmatrix_x4(out, buffer + swizzled * 8, words);
                }
                fence_proxy_async();
                bar_sync_named(1 + half, 128);
                if in_group == 0 {
                    let from = half * (2 * 64 * CHUNK) + turn * (64 * CHUNK);
                    let at = [(col * COLS + chunk * CHUNK) as i32, (row * ROWS + half * 64) as i32];
                    tma_store(c, at, &out[from]);
                    tma_commit();
                }
                turn ^= 1;
            }
            number += grid_dim_x();
        }
        if in_group == 0 {
            tma_wait(0);
        }
    }
}

/// The host function of a type.
macro_rules! host {
    ($half:ident, $bf16:literal) => {
        pub(super) fn $half(
            stream: &Stream,
            cols: u32,
            c: &mut GpuBuffer<$half>,
            a: &GpuBuffer<$half>,
            b: &GpuBuffer<$half>,
            product: &Product,
        ) -> Result<()> {
            use wgmma_kernel::launch_on;
            let (path, &Product { m, n, k, order, alpha }) = (Path::Wgmma(cols), product);
            check(path, product, stream.device().info()?.compute_capability)?;
            let blocks = m.div_ceil(ROWS) * n.div_ceil(cols);
            let blocks = stream.device().info()?.multiprocessors.min(blocks);
            let config = LaunchConfig::new([blocks, 1, 1]);
            let a = boxes(a, [m, k], ROWS)?;
            let b = match order {
                Order::Nk => boxes(b, [n, k], cols)?,
                Order::Kn => boxes(b, [k, n], DEPTH)?,
            };
            let tiling = Tiling::new([u64::from(n), u64::from(m)], [CHUNK, 64]);
            let mut c = TensorMapMut::tiled(c, tiling.swizzle(Swizzle::B128))?;
            let (a, b, c) = (&a, &b, &mut c);
            // SAFETY: The maps have the product's shape; copies do not leave their tensors, and
            // the kernel's own indices follow from its constants.
            unsafe {
                match (cols, order) {
                    (256, Order::Nk) => {
                        launch_on::<256, 4, false, $half, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?;
                    }
                    (256, Order::Kn) => {
                        launch_on::<256, 4, true, $half, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?;
                    }
                    (128, Order::Nk) => {
                        launch_on::<128, 5, false, $half, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?;
                    }
                    (128, Order::Kn) => {
                        launch_on::<128, 5, true, $half, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?;
                    }
                    (_, Order::Nk) => {
                        launch_on::<64, 6, false, $half, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?;
                    }
                    (_, Order::Kn) => {
                        launch_on::<64, 6, true, $half, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?;
                    }
                }
            }
            Ok(())
        }
    };
}

host!(f16, false);
host!(bf16, true);

fn check(path: Path, product: &Product, capability: (u32, u32)) -> Result<()> {
    let why = if capability.0 != 9 {
        "it needs compute capability 9"
    } else if !matches!(path, Path::Wgmma(64 | 128 | 256)) {
        "a tile has 64, 128 or 256 columns"
    } else if !product.k.is_multiple_of(8) {
        "`k` must be a multiple of 8"
    } else if !product.n.is_multiple_of(8) {
        "`n` must be a multiple of 8"
    } else {
        return Ok(());
    };
    Err(product.no(path, why))
}
