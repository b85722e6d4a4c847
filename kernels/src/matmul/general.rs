//! Products with `mma.sync` of every order, layout and type, and with terms beside the product.
//!
//! Eight warps of 64 by 32; factors come in stages with `cp.async`, swizzled so that no two rows of a
//! matrix of 8 by 8 meet in a bank. What runs along the rows of a factor is transposed on the way to
//! registers. Sums go from there to C, whatever its alignment.

use firesteel::prelude::*;

use super::tiles::tile_at;
use super::{Order, OrderA, Path, Product};
use crate::shape::Result;

/// Rows and columns of a block's tile.
#[gpu_const]
const TILE: u32 = 128;
#[gpu_const]
const STAGES: u32 = 3;
/// Rows of tiles that are computed next to each other, so that their factors stay in the L2 cache.
#[gpu_const]
const GROUP: u32 = 8;

/// Begins to copy 128 rows of a factor for one stage, 128 bytes along K. Neighbours in memory are
/// neighbours along K, or along the rows if `ACROSS`; unless `WIDE`, they come one by one, from
/// wherever the strides of rows and of K say.
#[gpu_fn]
fn copy<const WIDE: bool, const ACROSS: bool, T: Number + Lane>(
    tile: &mut [T],
    to: u32,
    from: &[T],
    (origin, row_stride, k_stride): (u32, u32, u32),
    (first, rows): (u32, u32),
    (first_step, k): (u32, u32),
) {
    const PIECE: u32 = 16 / T::BYTES;
    let thread = thread_idx_x();
    #[unroll]
    for i in 0..4u32 {
        if WIDE && ACROSS {
            let (step, piece) = (thread / 16 + i * 16, thread % 16);
            let (at, row) = (first_step + step, first + piece * 8);
            let valid = at < k && row < rows;
            let source = if valid { origin + at * k_stride + row } else { 0 };
            let place = to + (step * 16 + (piece ^ (step % 8))) * 8;
            cp_async_16_or_zero(&mut tile[place], &from[source], valid);
        } else {
            let (in_tile, piece) = (thread / 8 + i * 32, thread % 8);
            let (at, row) = (first_step + piece * PIECE, first + in_tile);
            let place = to + (in_tile * 8 + (piece ^ (in_tile % 8))) * PIECE;
            if WIDE {
                let valid = at < k && row < rows;
                let source = if valid { origin + row * row_stride + at } else { 0 };
                cp_async_16_or_zero(&mut tile[place], &from[source], valid);
            } else {
                for e in 0..PIECE {
                    let mut x = T::ZERO;
                    if row < rows && at + e < k {
                        x = from[origin + row * row_stride + (at + e) * k_stride];
                    }
                    tile[place + e] = x;
                }
            }
        }
    }
}

/// 16 rows of the left factor from `row`, 32 bytes along K, number `i` of the stage at `first`.
#[gpu_fn]
fn left_part<const ACROSS: bool, T: MatrixElem>(
    tile: &[T],
    first: u32,
    row: u32,
    i: u32,
) -> FragA<T> {
    const PIECE: u32 = 16 / T::BYTES;
    let lane = lane_id();
    if ACROSS {
        let (step, piece) = (i * 16 + lane % 8 + lane / 16 * 8, row / 8 + lane / 8 % 2);
        ldmatrix_a_trans(tile, first + (step * 16 + (piece ^ (step % 8))) * 8)
    } else {
        let (row, piece) = (row + lane % 16, i * 2 + lane / 16);
        ldmatrix_a(tile, first + (row * 8 + (piece ^ (row % 8))) * PIECE)
    }
}

/// 16 columns of the right factor likewise.
#[gpu_fn]
fn right_part<const ACROSS: bool, T: MatrixElem>(
    tile: &[T],
    first: u32,
    col: u32,
    i: u32,
) -> (FragB<T>, FragB<T>) {
    const PIECE: u32 = 16 / T::BYTES;
    let lane = lane_id();
    if ACROSS {
        let (step, piece) = (i * 16 + lane % 16, col / 8 + lane / 16);
        ldmatrix_b2_trans(tile, first + (step * 16 + (piece ^ (step % 8))) * 8)
    } else {
        let (col, piece) = (col + lane % 8 + lane / 16 * 8, i * 2 + lane / 8 % 2);
        ldmatrix_b2(tile, first + (col * 8 + (piece ^ (col % 8))) * PIECE)
    }
}

/// `c = epilogue(a b) + beta c` for the tile of 128 by 128 that is this block's, by `mma.sync`.
///
/// A block of 256 threads computes a tile; there are `m.div_ceil(128) * n.div_ceil(128)` for each
/// matrix of the batch. `epilogue` takes a sum, its row and its column, which are those of an
/// element of the product even where the tile ends behind it; what it gives there is dropped. C is
/// not read if `beta` is 0.
///
/// `a`, `b` and `c` come with elements from a matrix of the batch to the next, from a row to the
/// next, and (of the factors) from a step along K to the next. With `WIDE`, factors are read 16
/// bytes at a time: along K, or, of 16-bit types, along rows of A with `KM` and columns of B with
/// `KN`. Each matrix of the batch takes the next `share` of K, or, if that is 0, all of it.
#[gpu_fn]
pub fn mma_product<
    const WIDE: bool,
    const KM: bool,
    const KN: bool,
    T: MmaFactor + MatrixElem + Number + Lane,
    O: Number,
>(
    a: &[T],
    b: &[T],
    c: &mut [O],
    (m, n, k, share): (u32, u32, u32, u32),
    (a_matrix, a_row, a_step): (u32, u32, u32),
    (b_matrix, b_column, b_step): (u32, u32, u32),
    (c_matrix, c_row): (u32, u32),
    beta: f32,
    epilogue: impl Fn(f32, u32, u32) -> f32,
) {
    product_in_columns::<WIDE, KM, KN, T, O>(
        a,
        b,
        c,
        (m, n, k, share),
        (a_matrix, a_row, a_step),
        (b_matrix, b_column, b_step),
        (c_matrix, c_row),
        beta,
        |sums, row, col| {
            let mut y = [0.0f32; 16];
            #[unroll]
            for i in 0..16u32 {
                let at_row = (row + i / 2 * 8).min(m - 1);
                let at_col = (col + i % 2).min(n - 1);
                y[i] = epilogue(sums[i], at_row, at_col);
            }
            y
        },
    );
}

/// [`mma_product`] whose epilogue takes what a thread has of 64 by 8 elements: those of the column
/// and the next, in the row and every 8th after it. None need be in the product.
#[gpu_fn]
fn product_in_columns<
    const WIDE: bool,
    const KM: bool,
    const KN: bool,
    T: MmaFactor + MatrixElem + Number + Lane,
    O: Number,
>(
    a: &[T],
    b: &[T],
    c: &mut [O],
    (m, n, k, share): (u32, u32, u32, u32),
    (a_matrix, a_row, a_step): (u32, u32, u32),
    (b_matrix, b_column, b_step): (u32, u32, u32),
    (c_matrix, c_row): (u32, u32),
    beta: f32,
    epilogue: impl Fn([f32; 16], u32, u32) -> [f32; 16],
) {
    const DEPTH: u32 = 128 / T::BYTES;
    let left = shared_mem![T; STAGES * TILE * DEPTH, align = 128];
    let right = shared_mem![T; STAGES * TILE * DEPTH, align = 128];
    let (row_tiles, col_tiles) = (m.div_ceil(TILE), n.div_ceil(TILE));
    let batch = block_idx_x() / (row_tiles * col_tiles);
    let number = block_idx_x() % (row_tiles * col_tiles);
    let (row, col) = tile_at::<GROUP>(number, row_tiles, col_tiles);
    let (row0, col0) = (row * TILE, col * TILE);
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let (warp_row, warp_col) = (warp % 2 * 64, warp / 2 * 32);
    let start = batch * share;
    let end = if share == 0 { k } else { (start + share).min(k) };
    let steps = (end - start).div_ceil(DEPTH);
    let of_a = (batch * a_matrix, a_row, a_step);
    let of_b = (batch * b_matrix, b_column, b_step);

    #[unroll]
    for stage in 0..STAGES - 1 {
        let (to, at) = (stage * (TILE * DEPTH), start + stage * DEPTH);
        copy::<WIDE, KM, T>(left, to, a, of_a, (row0, m), (at, end));
        copy::<WIDE, KN, T>(right, to, b, of_b, (col0, n), (at, end));
        cp_async_commit();
    }
    let mut sums = [[FragC::<_>::zero(); 4]; 4];
    let mut stage = 0u32;
    let mut next = STAGES - 1;
    for step in 0..steps {
        cp_async_wait(STAGES - 2);
        bar_sync();
        let (to, at) = (next * (TILE * DEPTH), start + (step + STAGES - 1) * DEPTH);
        copy::<WIDE, KM, T>(left, to, a, of_a, (row0, m), (at, end));
        copy::<WIDE, KN, T>(right, to, b, of_b, (col0, n), (at, end));
        cp_async_commit();
        next += 1;
        if next == STAGES {
            next = 0;
        }
        let from = stage * (TILE * DEPTH);
        #[unroll]
        for i in 0..4u32 {
            let x = [
                left_part::<KM, T>(left, from, warp_row, i),
                left_part::<KM, T>(left, from, warp_row + 16, i),
                left_part::<KM, T>(left, from, warp_row + 32, i),
                left_part::<KM, T>(left, from, warp_row + 48, i),
            ];
            #[unroll]
            for j in 0..2u32 {
                let (y0, y1) = right_part::<KN, T>(right, from, warp_col + j * 16, i);
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
    let first_row = row0 + warp_row + lane / 4;
    let origin = batch * c_matrix + first_row * c_row;
    #[unroll]
    for j in 0..4u32 {
        let col = col0 + warp_col + j * 8 + lane % 4 * 2;
        let mut y = [0.0f32; 16];
        #[unroll]
        for i in 0..16u32 {
            y[i] = sums[i / 4][j][i % 4].to_f32();
        }
        y = epilogue(y, first_row, col);
        #[unroll]
        for i in 0..16u32 {
            if first_row + i / 2 * 8 < m && col + i % 2 < n {
                let at = origin + i / 2 * (8 * c_row) + col + i % 2;
                let mut value = y[i];
                if beta != 0.0 {
                    value += beta * c[at].to_f32();
                }
                c[at] = O::from_f32(value);
            }
        }
    }
}

/// `c = alpha a b + bias + beta c`, without a bias if it is empty.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_80",
    min_blocks = 1,
    unchecked,
    instances(
        (WIDE = true, KM = false, KN = false, T = bf16, O = bf16),
        (WIDE = true, KM = false, KN = true, T = bf16, O = bf16),
        (WIDE = true, KM = true, KN = false, T = bf16, O = bf16),
        (WIDE = true, KM = true, KN = true, T = bf16, O = bf16),
        (WIDE = false, KM = false, KN = false, T = bf16, O = bf16),
        (WIDE = true, KM = false, KN = false, T = f16, O = f16),
        (WIDE = true, KM = false, KN = true, T = f16, O = f16),
        (WIDE = true, KM = true, KN = false, T = f16, O = f16),
        (WIDE = true, KM = true, KN = true, T = f16, O = f16),
        (WIDE = false, KM = false, KN = false, T = f16, O = f16),
        (WIDE = true, KM = false, KN = false, T = i8, O = f32),
        (WIDE = false, KM = false, KN = false, T = i8, O = f32),
        (WIDE = true, KM = false, KN = false, T = f32, O = f32),
        (WIDE = false, KM = false, KN = false, T = f32, O = f32),
        (WIDE = true, KM = false, KN = false, T = bf16, O = f32),
        (WIDE = true, KM = false, KN = true, T = bf16, O = f32),
        (WIDE = false, KM = false, KN = false, T = bf16, O = f32),
        (WIDE = true, KM = false, KN = false, T = f16, O = f32),
        (WIDE = true, KM = false, KN = true, T = f16, O = f32),
        (WIDE = false, KM = false, KN = false, T = f16, O = f32)
    )
)]
pub(super) fn general_kernel<
    const WIDE: bool,
    const KM: bool,
    const KN: bool,
    T: MmaFactor,
    O: Number,
>(
    a: &[T],
    b: &[T],
    bias: &[O],
    c: &mut [O],
    m: u32,
    n: u32,
    k: u32,
    share: u32,
    a_matrix: u32,
    a_row: u32,
    a_step: u32,
    b_matrix: u32,
    b_column: u32,
    b_step: u32,
    c_matrix: u32,
    c_row: u32,
    alpha: f32,
    beta: f32,
) {
    let has_bias = bias.len() != 0;
    product_in_columns::<WIDE, KM, KN, T, O>(
        a,
        b,
        c,
        (m, n, k, share),
        (a_matrix, a_row, a_step),
        (b_matrix, b_column, b_step),
        (c_matrix, c_row),
        beta,
        |sums, _, col| {
            let mut terms = (0.0f32, 0.0f32);
            if has_bias {
                terms.0 = bias[col.min(n - 1)].to_f32();
                terms.1 = bias[(col + 1).min(n - 1)].to_f32();
            }
            let mut y = sums;
            #[unroll]
            for i in 0..8u32 {
                y[i * 2] = sums[i * 2] * alpha + terms.0;
                y[i * 2 + 1] = sums[i * 2 + 1] * alpha + terms.1;
            }
            y
        },
    );
}

/// The host functions of the types, and the orders that they read 16 bytes at a time.
macro_rules! host {
    ($name:ident, $factor:ident, $out:ident, [$($km:literal $kn:literal),+]) => {
        pub(super) fn $name(
            stream: &Stream,
            c: &mut GpuBuffer<$out>,
            a: &GpuBuffer<$factor>,
            b: &GpuBuffer<$factor>,
            bias: &GpuBuffer<$out>,
            product: &Product,
        ) -> Result<()> {
            use general_kernel::launch_on;
            if stream.device().info()?.compute_capability.0 < 8 {
                return Err(product.no(Path::Mma, "it needs compute capability 8"));
            }
            let &Product { m, n, k, alpha, beta, batch, share, .. } = product;
            let (of_a, of_b, of_c) = (product.a(), product.b(), product.c());
            let (km, kn) = (product.order_a == OrderA::Km, product.order == Order::Kn);
            let steps = |across: bool, stride: u32| if across { (1, stride) } else { (stride, 1) };
            let (a_row, a_step) = steps(km, of_a.row_stride);
            let (b_column, b_step) = steps(kn, of_b.row_stride);
            // Lengths fit in 32 bits, and so does every stride that is used.
            let [a_matrix, b_matrix, c_matrix] = [of_a, of_b, of_c].map(|it| it.stride as u32);
            let piece = 16 / size_of::<$factor>() as u32;
            let wide = [of_a, of_b]
                .iter()
                .all(|it| it.is_aligned(piece) && it.columns.is_multiple_of(piece));
            let launch = match (wide, km, kn) {
                $((true, $km, $kn) => launch_on::<true, $km, $kn, $factor, $out>,)+
                _ => launch_on::<false, false, false, $factor, $out>,
            };
            let blocks = batch * m.div_ceil(TILE) * n.div_ceil(TILE);
            let config = LaunchConfig::new([blocks, 1, 1]);
            // SAFETY: The buffers have the product's lengths, `bias` is empty or has a value a
            // column, and every index is compared with its shape.
            unsafe {
                launch(
                    stream, config, a, b, bias, c, m, n, k, share, a_matrix, a_row, a_step,
                    b_matrix, b_column, b_step, c_matrix, of_c.row_stride, alpha, beta,
                )?;
            }
            Ok(())
        }
    };
}

host!(f16, f16, f16, [false false, false true, true false, true true]);
host!(bf16, bf16, bf16, [false false, false true, true false, true true]);
host!(i8, i8, f32, [false false]);
host!(f32, f32, f32, [false false]);
host!(f16_sums, f16, f32, [false false, false true]);
host!(bf16_sums, bf16, f32, [false false, false true]);
