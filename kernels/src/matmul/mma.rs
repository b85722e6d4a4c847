//! Products with `mma.sync`, for sm_80.
//!
//! Warps of 64 by 64; factors come in stages with `cp.async`, swizzled so that no two rows of a
//! matrix of 8 by 8 meet in a bank.

use firesteel::prelude::*;

use super::{Order, Path, Product};
use crate::shape::Result;

#[gpu_const]
const ROWS: u32 = 128;
#[gpu_const]
const DEPTH: u32 = 64;
#[gpu_const]
const GROUP: u32 = 8;
/// Elements between two rows of the result in shared memory, so that they are in other banks.
#[gpu_const]
const PAD: u32 = 8;

/// Where the piece of 8 elements at `row` and `piece` is in a tile of `DEPTH` columns.
#[gpu_fn]
fn swizzled(row: u32, piece: u32) -> u32 {
    row * DEPTH + (piece ^ row % 8) * 8
}

/// Begins to copy the rows of a factor for one stage: a piece of each `THREADS / 8`th row. If rows
/// do not begin at multiples of 16 bytes (`WIDE` is false), element by element.
#[gpu_fn]
fn copy_rows<T: Half, const WIDE: bool, const COUNT: u32, const THREADS: u32>(
    tile: &mut [T],
    to: u32,
    from: &[T],
    (first, rows): (u32, u32),
    (at, k): (u32, u32),
) {
    let (row, piece) = (thread_idx_x() / 8, thread_idx_x() % 8);
    #[unroll]
    for i in 0..COUNT * 8 / THREADS {
        let r = row + i * (THREADS / 8);
        let p = at + piece * 8;
        let valid = first + r < rows && p < k;
        if WIDE {
            let to = to + swizzled(r, piece);
            cp_async_16_or_zero(&mut tile[to], &from[(first + r) * k + p], valid);
        } else {
            for e in 0..8u32 {
                let mut x = T::ZERO;
                if valid && p + e < k {
                    x = from[(first + r) * k + p + e];
                }
                tile[to + swizzled(r, piece) + e] = x;
            }
        }
    }
}

#[gpu_kernel(
    block_size = COLS,
    arch = "sm_80",
    unchecked,
    instances(
        (COLS = 256, STAGES = 4, WIDE = true),
        (COLS = 128, STAGES = 3, WIDE = true),
        (COLS = 128, STAGES = 3, WIDE = false),
        T = [f16, bf16]
    )
)]
pub(super) fn mma_kernel<const COLS: u32, const STAGES: u32, const WIDE: bool, T: Half>(
    a: &[T],
    b: &[T],
    c: &mut [T],
    m: u32,
    n: u32,
    k: u32,
    alpha: f32,
) {
    let left = shared_mem![T; STAGES * ROWS * DEPTH, align = 128];
    let right = shared_mem![T; STAGES * COLS * DEPTH, align = 128];
    let (row_tiles, col_tiles) = (m.div_ceil(ROWS), n.div_ceil(COLS));
    let number = block_idx_x();
    let group_tiles = GROUP * col_tiles;
    let first = number / group_tiles * GROUP;
    let rows = (row_tiles - first).min(GROUP);
    let inside = number % group_tiles;
    let (row0, col0) = ((first + inside % rows) * ROWS, inside / rows * COLS);
    let thread = thread_idx_x();
    let (warp, lane) = (thread / 32, thread % 32);
    let (warp_row, warp_col) = (warp % 2 * 64, warp / 2 * 64);
    let steps = k.div_ceil(DEPTH);

    #[unroll]
    for stage in 0..STAGES - 1 {
        let at = stage * DEPTH;
        copy_rows::<T, WIDE, ROWS, COLS>(left, stage * (ROWS * DEPTH), a, (row0, m), (at, k));
        copy_rows::<T, WIDE, COLS, COLS>(right, stage * (COLS * DEPTH), b, (col0, n), (at, k));
        cp_async_commit();
    }
    let mut sums = [[FragC::<f32>::zero(); 8]; 4];
    let mut stage = 0u32;
    let mut next = STAGES - 1;
    for step in 0..steps {
        cp_async_wait(STAGES - 2);
        bar_sync();
        let at = (step + STAGES - 1) * DEPTH;
        copy_rows::<T, WIDE, ROWS, COLS>(left, next * (ROWS * DEPTH), a, (row0, m), (at, k));
        copy_rows::<T, WIDE, COLS, COLS>(right, next * (COLS * DEPTH), b, (col0, n), (at, k));
        cp_async_commit();
        next += 1;
        if next == STAGES {
            next = 0;
        }
        let (left_first, right_first) = (stage * (ROWS * DEPTH), stage * (COLS * DEPTH));
        let left_row = warp_row + lane % 16;
        let right_row = warp_col + lane % 8 + lane / 16 * 8;
        #[unroll]
        for i in 0..DEPTH / 16 {
            let left_at = left_first + swizzled(left_row, i * 2 + lane / 16);
            let right_at = right_first + swizzled(right_row, i * 2 + lane / 8 % 2);
            let x = [
                ldmatrix_a(left, left_at),
                ldmatrix_a(left, left_at + 16 * DEPTH),
                ldmatrix_a(left, left_at + 32 * DEPTH),
                ldmatrix_a(left, left_at + 48 * DEPTH),
            ];
            #[unroll]
            for j in 0..4u32 {
                let (y0, y1) = ldmatrix_b2(right, right_at + j * (16 * DEPTH));
                #[unroll]
                for r in 0..4u32 {
                    mma(&mut sums[r][j * 2], x[r], y0);
                    mma(&mut sums[r][j * 2 + 1], x[r], y1);
                }
            }
        }
        stage += 1;
        if stage == STAGES {
            stage = 0;
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
        for i in 0..ROWS / 8 {
            let row = i * 8 + thread / (COLS / 8);
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
            let blocks = |cols: u32| m.div_ceil(ROWS) * n.div_ceil(cols);
            let wide = k.is_multiple_of(8) && n.is_multiple_of(8);
            let cols = if wide && blocks(256) >= info.multiprocessors { 256 } else { 128 };
            let config = LaunchConfig::new([blocks(cols), 1, 1]);
            // SAFETY: The buffers have the product's lengths, and every index is compared with its
            // shape.
            unsafe {
                match (cols, wide) {
                    (256, _) => {
                        launch_on::<256, 4, true, $half>(stream, config, a, b, c, m, n, k, alpha)?
                    }
                    (_, true) => {
                        launch_on::<128, 3, true, $half>(stream, config, a, b, c, m, n, k, alpha)?
                    }
                    _ => {
                        launch_on::<128, 3, false, $half>(stream, config, a, b, c, m, n, k, alpha)?
                    }
                }
            }
            Ok(())
        }
    };
}

host!(f16);
host!(bf16);
