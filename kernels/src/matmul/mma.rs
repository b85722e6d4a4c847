//! Products with `mma.sync`, for sm_80.
//!
//! Warps of 64 by 64; factors come in stages with `cp.async`, swizzled so that no two rows of a
//! matrix of 8 by 8 meet in a bank.

use firesteel::prelude::*;

use super::tiles::{swizzled, tile_at};
use super::{Order, Path, Product};
use crate::shape::Result;

#[gpu_const]
const DEPTH: u32 = 64;
#[gpu_const]
const GROUP: u32 = 8;
/// Elements between two rows of the result in shared memory, so that they are in other banks.
#[gpu_const]
const PAD: u32 = 8;

/// Where a thread's pieces of a factor begin: one of each `THREADS / 8`th row. Rows beyond the
/// last are read as the last; what they give is not stored.
#[gpu_fn]
fn starts<const COUNT: usize, const THREADS: u32>(
    (first, rows): (u32, u32),
    k: u32,
) -> [u32; COUNT] {
    let mut at = [0u32; COUNT];
    #[unroll]
    for i in 0..COUNT as u32 {
        let row = first + thread_idx_x() / 8 + i * (THREADS / 8);
        at[i] = row.min(rows - 1) * k + thread_idx_x() % 8 * 8;
    }
    at
}

/// Begins to copy pieces `FROM` to `TO` of a factor's stage. If rows do not begin at multiples of
/// 16 bytes (`WIDE` is false), element by element.
#[gpu_fn]
fn copy<
    T: Half,
    const WIDE: bool,
    const COUNT: usize,
    const THREADS: u32,
    const FROM: usize,
    const TO: usize,
>(
    tile: &mut [T],
    to: u32,
    from: &[T],
    starts: [u32; COUNT],
    (at, k): (u32, u32),
) {
    let (row, piece) = (thread_idx_x() / 8, thread_idx_x() % 8);
    let to = to + swizzled(row, piece);
    let p = at + piece * 8;
    #[unroll]
    for i in FROM as u32..TO as u32 {
        let to = to + i * (THREADS / 8 * DEPTH);
        if WIDE {
            cp_async_16_or_zero(&mut tile[to], &from[starts[i] + at], p < k);
        } else {
            for e in 0..8u32 {
                let mut x = T::ZERO;
                if p + e < k {
                    x = from[starts[i] + at + e];
                }
                tile[to + e] = x;
            }
        }
    }
}

#[gpu_kernel(
    block_size = ROWS * COLS / 128,
    arch = "sm_80",
    min_blocks = BLOCKS,
    unchecked,
    instances(
        (ROWS = 128, COLS = 256, STAGES = 4, WIDE = true, BLOCKS = 1),
        (ROWS = 128, COLS = 128, STAGES = 3, WIDE = true, BLOCKS = 2),
        (ROWS = 128, COLS = 128, STAGES = 3, WIDE = false, BLOCKS = 2),
        T = [f16, bf16]
    )
)]
pub(super) fn mma_kernel<
    const ROWS: u32,
    const COLS: u32,
    const STAGES: u32,
    const WIDE: bool,
    const BLOCKS: u32,
    T: Half,
>(
    a: &[T],
    b: &[T],
    c: &mut [T],
    m: u32,
    n: u32,
    k: u32,
    alpha: f32,
) {
    const THREADS: u32 = ROWS * COLS / 128;
    const LEFT: usize = (ROWS * 8 / THREADS) as usize;
    const RIGHT: usize = (COLS * 8 / THREADS) as usize;
    let left = shared_mem![T; STAGES * ROWS * DEPTH, align = 128];
    let right = shared_mem![T; STAGES * COLS * DEPTH, align = 128];
    let (row_tiles, col_tiles) = (m.div_ceil(ROWS), n.div_ceil(COLS));
    let number = block_idx_x();
    let (row, col) = tile_at::<GROUP>(number, row_tiles, col_tiles);
    let (row0, col0) = (row * ROWS, col * COLS);
    let thread = thread_idx_x();
    let (warp, lane) = (thread / 32, thread % 32);
    let (warp_row, warp_col) = (warp % (ROWS / 64) * 64, warp / (ROWS / 64) * 64);
    let steps = k.div_ceil(DEPTH);

    let left_starts = starts::<LEFT, THREADS>((row0, m), k);
    let right_starts = starts::<RIGHT, THREADS>((col0, n), k);
    #[unroll]
    for stage in 0..STAGES - 1 {
        let at = (stage * DEPTH, k);
        copy::<T, WIDE, LEFT, THREADS, 0, LEFT>(left, stage * (ROWS * DEPTH), a, left_starts, at);
        copy::<T, WIDE, RIGHT, THREADS, 0, RIGHT>(
            right,
            stage * (COLS * DEPTH),
            b,
            right_starts,
            at,
        );
        cp_async_commit();
    }
    // Where this lane's rows of the matrices of 8 by 8 begin, for each 16 elements along K.
    let left_row = warp_row + lane % 16;
    let right_row = warp_col + lane % 8 + lane / 16 * 8;
    let mut sums = [[FragC::<f32>::zero(); 8]; 4];
    let mut stage = 0u32;
    let mut next = STAGES - 1;
    cp_async_wait(STAGES - 2);
    bar_sync();
    let at = swizzled(left_row, lane / 16);
    let mut x = [
        ldmatrix_a(left, at),
        ldmatrix_a(left, at + 16 * DEPTH),
        ldmatrix_a(left, at + 32 * DEPTH),
        ldmatrix_a(left, at + 48 * DEPTH),
    ];
    let at = swizzled(right_row, lane / 8 % 2);
    let mut y = [
        ldmatrix_b2(right, at),
        ldmatrix_b2(right, at + 16 * DEPTH),
        ldmatrix_b2(right, at + 32 * DEPTH),
        ldmatrix_b2(right, at + 48 * DEPTH),
    ];
    for step in 0..steps {
        let at = ((step + STAGES - 1) * DEPTH, k);
        let (left_next, right_next) = (next * (ROWS * DEPTH), next * (COLS * DEPTH));
        #[unroll]
        for i in 0..4u32 {
            if i == 0 {
                copy::<T, WIDE, LEFT, THREADS, 0, LEFT>(left, left_next, a, left_starts, at);
            } else if i == 1 {
                copy::<T, WIDE, RIGHT, THREADS, 0, { RIGHT / 2 }>(
                    right,
                    right_next,
                    b,
                    right_starts,
                    at,
                );
            } else if i == 2 {
                copy::<T, WIDE, RIGHT, THREADS, { RIGHT / 2 }, RIGHT>(
                    right,
                    right_next,
                    b,
                    right_starts,
                    at,
                );
                cp_async_commit();
            } else {
                next = stage;
                stage += 1;
                if stage == STAGES {
                    stage = 0;
                }
                cp_async_wait(STAGES - 2);
                bar_sync();
            }
            // While these are multiplied, the next 16 elements along K come.
            let j = (i + 1) % 4;
            let at = stage * (ROWS * DEPTH) + swizzled(left_row, j * 2 + lane / 16);
            let next_x = [
                ldmatrix_a(left, at),
                ldmatrix_a(left, at + 16 * DEPTH),
                ldmatrix_a(left, at + 32 * DEPTH),
                ldmatrix_a(left, at + 48 * DEPTH),
            ];
            let at = stage * (COLS * DEPTH) + swizzled(right_row, j * 2 + lane / 8 % 2);
            let next_y = [
                ldmatrix_b2(right, at),
                ldmatrix_b2(right, at + 16 * DEPTH),
                ldmatrix_b2(right, at + 32 * DEPTH),
                ldmatrix_b2(right, at + 48 * DEPTH),
            ];
            #[unroll]
            for j in 0..4u32 {
                #[unroll]
                for r in 0..4u32 {
                    mma(&mut sums[r][j * 2], x[r], y[j].0);
                    mma(&mut sums[r][j * 2 + 1], x[r], y[j].1);
                }
            }
            x = next_x;
            y = next_y;
        }
    }
    cp_async_wait(0);
    // The stages are free: the result passes through them, so that rows leave in one piece.
    bar_sync();
    #[unroll]
    for r in 0..4u32 {
        #[unroll]
        for j in 0..8u32 {
            #[unroll]
            for i in 0..4u32 {
                let row = warp_row + r * 16 + i / 2 * 8 + lane / 4;
                let col = warp_col + j * 8 + lane % 4 * 2 + i % 2;
                right[row * (COLS + PAD) + col] = T::from_f32(sums[r][j][i] * alpha);
            }
        }
    }
    bar_sync();
    if WIDE {
        #[unroll]
        for i in 0..ROWS * COLS / (THREADS * 8) {
            let row = i * (THREADS * 8 / COLS) + thread / (COLS / 8);
            let col = thread % (COLS / 8) * 8;
            if row0 + row < m && col0 + col < n {
                let piece = load_vec8(right, row * (COLS + PAD) + col);
                store_vec8(c, (row0 + row) * n + col0 + col, piece);
            }
        }
    } else {
        for row in 0..ROWS {
            if row0 + row < m && col0 + thread < n {
                c[(row0 + row) * n + col0 + thread] = right[row * (COLS + PAD) + thread];
            }
        }
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
            use mma_kernel::launch_on;
            let &Product { m, n, k, order, alpha, .. } = product;
            if order != Order::Nk {
                return Err(product.no(Path::Mma, "B must be `[n, k]`"));
            }
            let info = stream.device().info()?;
            if info.compute_capability.0 < 8 {
                return Err(product.no(Path::Mma, "it needs compute capability 8"));
            }
            let blocks = |cols: u32| m.div_ceil(128) * n.div_ceil(cols);
            let wide = k.is_multiple_of(8) && n.is_multiple_of(8);
            let cols = if wide && blocks(256) >= info.multiprocessors { 256 } else { 128 };
            let config = LaunchConfig::new([blocks(cols), 1, 1]);
            // SAFETY: The buffers have the product's lengths, and every index is compared with its
            // shape.
            unsafe {
                match (cols, wide) {
                    (256, _) => launch_on::<128, 256, 4, true, 1, $half>(
                        stream, config, a, b, c, m, n, k, alpha,
                    )?,
                    (_, true) => launch_on::<128, 128, 3, true, 2, $half>(
                        stream, config, a, b, c, m, n, k, alpha,
                    )?,
                    _ => launch_on::<128, 128, 3, false, 2, $half>(
                        stream, config, a, b, c, m, n, k, alpha,
                    )?,
                }
            }
            Ok(())
        }
    };
}

host!(f16);
host!(bf16);
