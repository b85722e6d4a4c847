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
/// Bytes along K of a stage, the width of the swizzle.
#[gpu_const]
pub(super) const SPAN: u32 = 128;
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

/// `c = alpha a b`; `KN` says that B is row-major `[k, n]`, `BF16` that `O` is `bf16`.
#[gpu_kernel(
    block_size = 384,
    arch = "sm_90",
    min_blocks = 1,
    unchecked,
    instances(
        COLS = [256, 128, 64],
        (KN = false, T = bf16, O = bf16, BF16 = true),
        (KN = true, T = bf16, O = bf16, BF16 = true),
        (KN = false, T = f16, O = f16, BF16 = false),
        (KN = true, T = f16, O = f16, BF16 = false),
        (KN = false, T = e4m3, O = bf16, BF16 = true)
    )
)]
pub(super) fn wgmma_kernel<
    const COLS: u32,
    const KN: bool,
    T: WgmmaFactor,
    O: Half,
    const BF16: bool,
>(
    a: &TensorMap<T, 2>,
    b: &TensorMap<T, 2>,
    c: &mut TensorMap<O, 2>,
    m: u32,
    n: u32,
    k: u32,
    alpha: f32,
) {
    // Elements along K of a stage, and of a product of 32 bytes.
    const DEPTH: u32 = SPAN / T::BYTES;
    const STEP: u32 = 32 / T::BYTES;
    // As many as shared memory has room for.
    const STAGES: u32 = if COLS == 256 { 4 } else { 6 };
    let left = shared_mem![T; STAGES * ROWS * DEPTH, align = 1024];
    let right = shared_mem![T; STAGES * COLS * DEPTH, align = 1024];
    let out = shared_mem![O; 4 * 64 * CHUNK, align = 1024];
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
                    mbarrier_arrive_expect_tx(&mut full[stage], (ROWS + COLS) * SPAN);
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
                    let at_left = stage * (ROWS * DEPTH) + half * (64 * DEPTH) + i * STEP;
                    let at_right = stage * (COLS * DEPTH);
                    let add = step != 0 || i != 0;
                    let x = tile_k(left, at_left, 128);
                    if KN {
                        // Boxes of 64 columns, in each a row for a step along K.
                        let y = tile_mn(right, at_right + i * (STEP * 64), 128, 64 * SPAN);
                        wgmma_or_set(&mut sum, x, y, add);
                    } else {
                        wgmma_or_set(&mut sum, x, tile_k(right, at_right + i * STEP, 128), add);
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

/// The host functions of the types.
macro_rules! host {
    ($name:ident, $factor:ident, $out:ident, $bf16:literal, [$($kn:ident)?]) => {
        pub(super) fn $name(
            stream: &Stream,
            cols: u32,
            c: &mut GpuBuffer<$out>,
            a: &GpuBuffer<$factor>,
            b: &GpuBuffer<$factor>,
            product: &Product,
        ) -> Result<()> {
            use wgmma_kernel::launch_on;
            let (path, &Product { m, n, k, order, alpha, .. }) = (Path::Wgmma(cols), product);
            let info = stream.device().info()?;
            check(path, product, info.compute_capability, size_of::<$factor>() as u32)?;
            let blocks = m.div_ceil(ROWS) * n.div_ceil(cols);
            let config = LaunchConfig::new([info.multiprocessors.min(blocks), 1, 1]);
            let a = boxes(a, [m, k], ROWS)?;
            let b = match order {
                Order::Nk => boxes(b, [n, k], cols)?,
                Order::Kn => boxes(b, [k, n], 64)?,
            };
            let tiling = Tiling::new([u64::from(n), u64::from(m)], [CHUNK, 64]);
            let mut c = TensorMapMut::tiled(c, tiling.swizzle(Swizzle::B128))?;
            let (a, b, c) = (&a, &b, &mut c);
            // SAFETY: The maps have the product's shape; copies do not leave their tensors, and
            // the kernel's own indices follow from its constants.
            unsafe {
                $(if order == Order::$kn {
                    return Ok(match cols {
                        256 => launch_on::<256, true, $factor, $out, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?,
                        128 => launch_on::<128, true, $factor, $out, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?,
                        _ => launch_on::<64, true, $factor, $out, $bf16>(
                            stream, config, a, b, c, m, n, k, alpha,
                        )?,
                    });
                })?
                match cols {
                    256 => launch_on::<256, false, $factor, $out, $bf16>(
                        stream, config, a, b, c, m, n, k, alpha,
                    )?,
                    128 => launch_on::<128, false, $factor, $out, $bf16>(
                        stream, config, a, b, c, m, n, k, alpha,
                    )?,
                    _ => launch_on::<64, false, $factor, $out, $bf16>(
                        stream, config, a, b, c, m, n, k, alpha,
                    )?,
                }
            }
            Ok(())
        }
    };
}

host!(f16, f16, f16, false, [Kn]);
host!(bf16, bf16, bf16, true, [Kn]);
host!(e4m3, e4m3, bf16, true, []);

/// What of a product of elements of so many bytes the path does not take.
fn check(path: Path, product: &Product, capability: (u32, u32), bytes: u32) -> Result<()> {
    let why = if capability.0 != 9 {
        "it needs compute capability 9"
    } else if !matches!(path, Path::Wgmma(64 | 128 | 256)) {
        "a tile has 64, 128 or 256 columns"
    } else if !(product.k * bytes).is_multiple_of(16) {
        "a row of A must have a multiple of 16 bytes"
    } else if !product.n.is_multiple_of(8) {
        "`n` must be a multiple of 8"
    } else if bytes == 1 && product.order != Order::Nk {
        "B must be `[n, k]`"
    } else {
        return Ok(());
    };
    Err(product.no(path, why))
}
