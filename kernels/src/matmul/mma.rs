//! Products with `mma.sync` of every order, layout and type, and with terms beside the product, for
//! sm_80.
//!
//! A block has a tile of 128 by 128, of four warps, and a multiprocessor two blocks, so that one
//! multiplies while the other waits; or, of large products of 16-bit types with A `[m, k]`, one of
//! 128 by 256, whose factors move less. A warp has 64 by 64 of it. Factors come in stages with
//! `cp.async`; what a warp multiplies next is on the way to its registers while it multiplies. Of a
//! factor whose rows run across K, 16-bit elements are transposed by `ldmatrix`, 32-bit ones read
//! one by one, and bytes in squares of four by four, which are transposed in registers.

use firesteel::DeviceInfo;
use firesteel::prelude::*;

use super::factor::{copy, parts, place, starts};
use super::product::Matrix;
use super::tiles::tile_at;
use super::{Order, OrderA, Path, Product};
use crate::shape::Result;

/// Rows of a block's tile; it has as many columns, or 256.
#[gpu_const]
const ROWS: u32 = 128;
/// Columns of the wide tile.
#[gpu_const]
const WIDE_COLS: u32 = 256;
#[gpu_const]
const STAGES: u32 = 3;
/// Rows of tiles that are computed next to each other, so that their factors stay in the L2 cache.
#[gpu_const]
const GROUP: u32 = 8;
/// A warp's sums to `finish`, each four neighbours of a row: through shared memory, `WIDTH` columns
/// at a time in rows `PITCH` apart, so that they leave in rows.
#[gpu_fn]
fn leave<
    const KM: bool,
    const KN: bool,
    const WIDTH: u32,
    const PITCH: u32,
    T: MatrixElem + Number,
>(
    staged: &mut [f32],
    sums: [[[f32; 4]; 8]; 4],
    (row0, col0): (u32, u32),
    finish: impl Fn([f32; 4], u32, u32),
) {
    // Of bytes that lie across, the rows and columns of a part are every fourth of 32.
    const ROW: u32 = if KM && T::BYTES == 1 { 4 } else { 1 };
    const COLUMN: u32 = if KN && T::BYTES == 1 { 4 } else { 1 };
    // Rows of a load of the warp.
    const STEP: u32 = 128 / WIDTH;
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let mine = warp * (64 * PITCH);
    let first = mine + lane / 4 * (ROW * PITCH) + lane % 4 * (2 * COLUMN);
    let (in_load, col) = (lane / (WIDTH / 4), lane % (WIDTH / 4) * 4);
    #[unroll]
    for turn in 0..64 / WIDTH {
        warp_sync();
        #[unroll]
        for octet in 0..8u32 {
            let row = if ROW == 4 { octet / 4 * 32 + octet % 4 } else { octet * 8 };
            #[unroll]
            for j in 0..WIDTH / 8 {
                let col = if COLUMN == 4 { j / 4 * 32 + j % 4 } else { j * 8 };
                let at = first + row * PITCH + col;
                staged[at] = sums[octet / 2][turn * (WIDTH / 8) + j][octet % 2 * 2];
                staged[at + COLUMN] = sums[octet / 2][turn * (WIDTH / 8) + j][octet % 2 * 2 + 1];
            }
        }
        warp_sync();
        let at_col = col0 + turn * WIDTH + col;
        #[no_unroll]
        for pass in 0..16 / STEP {
            let row = pass * (4 * STEP) + in_load;
            let at = mine + row * PITCH + col;
            let (v0, v1) = (load_vec4(staged, at), load_vec4(staged, at + STEP * PITCH));
            let at = at + 2 * STEP * PITCH;
            let (v2, v3) = (load_vec4(staged, at), load_vec4(staged, at + STEP * PITCH));
            finish([v0.x, v0.y, v0.z, v0.w], row0 + row, at_col);
            finish([v1.x, v1.y, v1.z, v1.w], row0 + row + STEP, at_col);
            finish([v2.x, v2.y, v2.z, v2.w], row0 + row + 2 * STEP, at_col);
            finish([v3.x, v3.y, v3.z, v3.w], row0 + row + 3 * STEP, at_col);
        }
    }
}

/// The matrix of the batch that a tile is of, and its first row and column.
#[gpu_fn]
fn corner<const COLS: u32>(tile: u32, (m, n): (u32, u32)) -> (u32, u32, u32) {
    let (row_tiles, col_tiles) = (m.div_ceil(ROWS), n.div_ceil(COLS));
    let number = tile % (row_tiles * col_tiles);
    let (row, col) = tile_at::<GROUP>(number, row_tiles, col_tiles);
    (tile / (row_tiles * col_tiles), row * ROWS, col * COLS)
}

/// The sums of tiles of 128 by `COLS` to `finish`, each four neighbours of a row with the matrix of
/// the batch, the row and the first column. None need be in the product.
///
/// A block computes one tile of 128 columns. Of 256, it stays and takes every tile of a number as
/// many blocks further, of `count`, whose first stages come while the one before leaves; K then has
/// a stage more than there is room for.
#[gpu_fn]
fn product_in_fours<
    const COLS: u32,
    const WIDE: bool,
    const KM: bool,
    const KN: bool,
    T: MmaFactor + MatrixElem + Number + Lane,
>(
    a: &[T],
    b: &[T],
    (m, n, k, share): (u32, u32, u32, u32),
    count: u32,
    (a_matrix, a_row, a_step): (u32, u32, u32),
    (b_matrix, b_column, b_step): (u32, u32, u32),
    finish: impl Fn([f32; 4], u32, u32, u32),
) {
    const DEPTH: u32 = 128 / T::BYTES;
    const LEFT: u32 = ROWS * DEPTH;
    const STAGE: u32 = LEFT + COLS * DEPTH;
    let tiles = shared_mem![T; STAGES * STAGE, align = 128];
    const APART: u32 = if COLS == WIDE_COLS { COLS * 80 } else { 32 };
    let apart = shared_mem![f32; APART];
    let warp = thread_idx_x() / 32;
    let (warp_row, warp_col) = (warp % 2 * 64, warp / 2 * 64);
    let mut tile = block_idx_x();
    let (batch, row0, col0) = corner::<COLS>(tile, (m, n));
    // K is split only where a block has one tile.
    let start = batch * share;
    let end = if share == 0 { k } else { (start + share).min(k) };
    let steps = (end - start).div_ceil(DEPTH);

    let of_a = (batch * a_matrix, a_row, a_step);
    let of_b = (batch * b_matrix, b_column, b_step);
    let (rows, cols) = ((row0, m), (col0, n));
    let mut a_starts = starts::<KM, ROWS, COLS, T>(of_a, rows);
    let mut b_starts = starts::<KN, COLS, COLS, T>(of_b, cols);
    for stage in 0..STAGES - 1 {
        let (to, at) = (stage * STAGE, (start + stage * DEPTH, end));
        copy::<WIDE, KM, 1, 0, ROWS, COLS, T>(tiles, to, a, a_starts, of_a, rows, at);
        copy::<WIDE, KN, 1, 0, COLS, COLS, T>(tiles, to + LEFT, b, b_starts, of_b, cols, at);
        cp_async_commit();
    }
    let left = place::<KM, true, ROWS, T>(warp_row);
    let right = LEFT + place::<KN, false, COLS, T>(warp_col);
    let mut sums = [[FragC::<_>::zero(); 8]; 4];
    let (mut from, mut to) = (0u32, (STAGES - 1) * STAGE);
    let mut at = start + (STAGES - 1) * DEPTH;
    let mut fed = tile;
    cp_async_wait(STAGES - 2);
    bar_sync();
    let mut x = parts::<KM, true, ROWS, T>(tiles, 0, left, 0);
    let mut y = parts::<KN, false, COLS, T>(tiles, 0, right, 0);
    let mut goes_on = true;
    while goes_on {
        for _ in 0..steps {
            let (to_b, place_of) = (to + LEFT, (at, end));
            #[unroll]
            for i in 0..4u32 {
                if i == 3 {
                    to = from;
                    from += STAGE;
                    if from == STAGES * STAGE {
                        from = 0;
                    }
                    at += DEPTH;
                    if COLS == WIDE_COLS {
                        if at >= steps * DEPTH {
                            // Behind the last tile come copies of it that nobody reads.
                            at = 0;
                            fed = if fed + grid_dim_x() < count { fed + grid_dim_x() } else { fed };
                            let (batch, row0, col0) = corner::<COLS>(fed, (m, n));
                            let of_a = (batch * a_matrix, a_row, a_step);
                            let of_b = (batch * b_matrix, b_column, b_step);
                            a_starts = starts::<KM, ROWS, COLS, T>(of_a, (row0, m));
                            b_starts = starts::<KN, COLS, COLS, T>(of_b, (col0, n));
                        }
                    }
                    cp_async_wait(STAGES - 2);
                    bar_sync();
                }
                // While these are multiplied, the next 32 bytes along K come.
                let next_x = parts::<KM, true, ROWS, T>(tiles, from, left, (i + 1) % 4);
                let next_y = parts::<KN, false, COLS, T>(tiles, from, right, (i + 1) % 4);
                if i == 0 {
                    copy::<WIDE, KM, 1, 0, ROWS, COLS, T>(
                        tiles, to, a, a_starts, of_a, rows, place_of,
                    );
                } else if i == 1 {
                    copy::<WIDE, KN, 2, 0, COLS, COLS, T>(
                        tiles, to_b, b, b_starts, of_b, cols, place_of,
                    );
                } else if i == 2 {
                    copy::<WIDE, KN, 2, 1, COLS, COLS, T>(
                        tiles, to_b, b, b_starts, of_b, cols, place_of,
                    );
                    cp_async_commit();
                }
                let mut pairs = [frag_b::<T>([0u32; 2]); 8];
                #[unroll]
                for j in 0..8u32 {
                    pairs[j] = frag_b([y[j / 2][j % 2 * 2], y[j / 2][j % 2 * 2 + 1]]);
                }
                // To and fro, so that each product shares a factor with the one before.
                #[unroll]
                for r in 0..4u32 {
                    let part = frag_a::<T>(x[r]);
                    #[unroll]
                    for j in 0..8u32 {
                        mma(&mut sums[r][j ^ (r % 2 * 7)], part, pairs[j ^ (r % 2 * 7)]);
                    }
                }
                x = next_x;
                y = next_y;
            }
        }
        let mut floats = [[[0.0f32; 4]; 8]; 4];
        #[unroll]
        for i in 0..128u32 {
            floats[i / 32][i / 4 % 8][i % 4] = sums[i / 32][i / 4 % 8][i % 4].to_f32();
        }
        let (batch, row0, col0) = corner::<COLS>(tile, (m, n));
        let of_warp = (row0 + warp_row, col0 + warp_col);
        if COLS == WIDE_COLS {
            leave::<KM, KN, 32, 40, T>(apart, floats, of_warp, |four, row, col| {
                finish(four, batch, row, col)
            });
            sums = [[FragC::<_>::zero(); 8]; 4];
            tile += grid_dim_x();
            goes_on = tile < count;
        } else {
            cp_async_wait(0);
            // The stages are free: the sums pass through them.
            bar_sync();
            let staged = cast_slice::<f32>(tiles);
            leave::<KM, KN, 64, 72, T>(staged, floats, of_warp, |four, row, col| {
                finish(four, batch, row, col)
            });
            goes_on = false;
        }
    }
    cp_async_wait(0);
}

/// `c = epilogue(a b) + beta c` for the tile of 128 by 128 that is this block's, by `mma.sync`.
///
/// A block of 128 threads computes a tile; there are `m.div_ceil(128) * n.div_ceil(128)` for each
/// matrix of the batch. `epilogue` takes a sum, its row and its column, of elements of the product.
/// C is not read if `beta` is 0.
///
/// `a`, `b` and `c` come with elements from a matrix of the batch to the next, from a row to the
/// next, and (of the factors) from a step along K to the next. With `WIDE`, factors are read 16
/// bytes at a time, along K, or along rows of A with `KM` and columns of B with `KN`: matrices and
/// rows must begin at multiples of 16 bytes, and rows have such a length. Without, `KM` and `KN`
/// are `false`, whatever the strides. Each matrix of the batch takes the next `share` of K, or, if
/// that is 0, all of it.
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
    product_in_fours::<128, WIDE, KM, KN, T>(
        a,
        b,
        (m, n, k, share),
        0,
        (a_matrix, a_row, a_step),
        (b_matrix, b_column, b_step),
        |sums, batch, row, col| {
            #[unroll]
            for i in 0..4u32 {
                if row < m && col + i < n {
                    let at = batch * c_matrix + row * c_row + col + i;
                    let mut value = epilogue(sums[i], row, col + i);
                    if beta != 0.0 {
                        value += beta * c[at].to_f32();
                    }
                    c[at] = O::from_f32(value);
                }
            }
        },
    );
}

/// `c = alpha a b + bias + beta c`, without a bias if it is empty. `c_wide` says whether four
/// neighbours of C can be written at once.
#[gpu_kernel(
    block_size = COLS,
    arch = "sm_80",
    min_blocks = 256 / COLS,
    unchecked,
    instances(
        (COLS = 256, WIDE = true, KM = false, KN = false, T = bf16, O = bf16),
        (COLS = 256, WIDE = true, KM = false, KN = true, T = bf16, O = bf16),
        (COLS = 256, WIDE = true, KM = false, KN = false, T = f16, O = f16),
        (COLS = 256, WIDE = true, KM = false, KN = true, T = f16, O = f16),
        (COLS = 128, WIDE = true, KM = false, KN = false, T = bf16, O = bf16),
        (COLS = 128, WIDE = true, KM = false, KN = true, T = bf16, O = bf16),
        (COLS = 128, WIDE = true, KM = true, KN = false, T = bf16, O = bf16),
        (COLS = 128, WIDE = true, KM = true, KN = true, T = bf16, O = bf16),
        (COLS = 128, WIDE = false, KM = false, KN = false, T = bf16, O = bf16),
        (COLS = 128, WIDE = true, KM = false, KN = false, T = f16, O = f16),
        (COLS = 128, WIDE = true, KM = false, KN = true, T = f16, O = f16),
        (COLS = 128, WIDE = true, KM = true, KN = false, T = f16, O = f16),
        (COLS = 128, WIDE = true, KM = true, KN = true, T = f16, O = f16),
        (COLS = 128, WIDE = false, KM = false, KN = false, T = f16, O = f16),
        (COLS = 128, WIDE = true, KM = false, KN = false, T = i8, O = f32),
        (COLS = 128, WIDE = true, KM = false, KN = true, T = i8, O = f32),
        (COLS = 128, WIDE = true, KM = true, KN = false, T = i8, O = f32),
        (COLS = 128, WIDE = true, KM = true, KN = true, T = i8, O = f32),
        (COLS = 128, WIDE = false, KM = false, KN = false, T = i8, O = f32),
        (COLS = 128, WIDE = true, KM = false, KN = false, T = f32, O = f32),
        (COLS = 128, WIDE = true, KM = false, KN = true, T = f32, O = f32),
        (COLS = 128, WIDE = true, KM = true, KN = false, T = f32, O = f32),
        (COLS = 128, WIDE = true, KM = true, KN = true, T = f32, O = f32),
        (COLS = 128, WIDE = false, KM = false, KN = false, T = f32, O = f32),
        (COLS = 128, WIDE = true, KM = false, KN = false, T = bf16, O = f32),
        (COLS = 128, WIDE = true, KM = false, KN = true, T = bf16, O = f32),
        (COLS = 128, WIDE = true, KM = true, KN = false, T = bf16, O = f32),
        (COLS = 128, WIDE = true, KM = true, KN = true, T = bf16, O = f32),
        (COLS = 128, WIDE = false, KM = false, KN = false, T = bf16, O = f32),
        (COLS = 128, WIDE = true, KM = false, KN = false, T = f16, O = f32),
        (COLS = 128, WIDE = true, KM = false, KN = true, T = f16, O = f32),
        (COLS = 128, WIDE = true, KM = true, KN = false, T = f16, O = f32),
        (COLS = 128, WIDE = true, KM = true, KN = true, T = f16, O = f32),
        (COLS = 128, WIDE = false, KM = false, KN = false, T = f16, O = f32)
    )
)]
pub(super) fn mma_kernel<
    const COLS: u32,
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
    count: u32,
    a_matrix: u32,
    a_row: u32,
    a_step: u32,
    b_matrix: u32,
    b_column: u32,
    b_step: u32,
    c_matrix: u32,
    c_row: u32,
    c_wide: bool,
    alpha: f32,
    beta: f32,
) {
    let has_bias = bias.len() != 0;
    let has_terms = has_bias || beta != 0.0;
    let c_words = cast_slice::<u32>(c);
    product_in_fours::<COLS, WIDE, KM, KN, T>(
        a,
        b,
        (m, n, k, share),
        count,
        (a_matrix, a_row, a_step),
        (b_matrix, b_column, b_step),
        |sums, batch, row, col| {
            if row < m && col < n {
                let at = batch * c_matrix + row * c_row + col;
                let mut y = [sums[0] * alpha, sums[1] * alpha, sums[2] * alpha, sums[3] * alpha];
                if has_terms {
                    #[unroll]
                    for i in 0..4u32 {
                        if has_bias {
                            y[i] += bias[(col + i).min(n - 1)].to_f32();
                        }
                        if beta != 0.0 && col + i < n {
                            y[i] += beta * c[at + i].to_f32();
                        }
                    }
                }
                let y =
                    [O::from_f32(y[0]), O::from_f32(y[1]), O::from_f32(y[2]), O::from_f32(y[3])];
                if !c_wide {
                    #[unroll]
                    for i in 0..4u32 {
                        if col + i < n {
                            c[at + i] = y[i];
                        }
                    }
                } else if O::BYTES == 2 {
                    let mut pairs = u32x2::splat(0);
                    pairs.x = (y[1].to_bits() as u32) << 16 | y[0].to_bits() as u32;
                    pairs.y = (y[3].to_bits() as u32) << 16 | y[2].to_bits() as u32;
                    store_vec2(c_words, at / 2, pairs);
                } else {
                    let mut four = u32x4::splat(0);
                    #[unroll]
                    for i in 0..4u32 {
                        four[i] = y[i].to_bits() as u32;
                    }
                    store_vec4(c_words, at, four);
                }
            }
        },
    );
}

/// Bytes of shared memory of a block with the wide tile: the stages, and what sums leave through.
const WIDE_BYTES: u32 = STAGES * (ROWS + WIDE_COLS) * 128 + WIDE_COLS * 80 * 4;

/// Whether the wide tile, which moves less, keeps every multiprocessor busy.
fn takes_wide_tiles(info: &DeviceInfo, product: &Product) -> bool {
    let tiles = product.batch * product.m.div_ceil(ROWS) * product.n.div_ceil(WIDE_COLS);
    product.share == 0
        && product.k >= 256
        && tiles * 10 >= info.multiprocessors * 9
        && info.limits.shared_per_block >= WIDE_BYTES
}

/// The host functions of the types, and the orders that have the wide tile.
macro_rules! host {
    ($name:ident, $factor:ident, $out:ident, [$($km:literal $kn:literal),*]) => {
        pub(super) fn $name(
            stream: &Stream,
            c: &mut GpuBuffer<$out>,
            a: &GpuBuffer<$factor>,
            b: &GpuBuffer<$factor>,
            bias: Option<&GpuBuffer<$out>>,
            product: &Product,
        ) -> Result<()> {
            use mma_kernel::launch_on;
            let info = stream.device().info()?;
            if info.compute_capability.0 < 8 {
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
            let in_pieces =
                |it: Matrix, piece: u32| it.is_aligned(piece) && it.columns.is_multiple_of(piece);
            let c_wide = in_pieces(of_c, 4);
            let wide = in_pieces(of_a, piece) && in_pieces(of_b, piece);
            let orders: &[(bool, bool)] = &[$(($km, $kn)),*];
            let large = wide && orders.contains(&(km, kn)) && takes_wide_tiles(&info, product);
            let launch = match (large, wide, km, kn) {
                $((true, _, $km, $kn) => launch_on::<WIDE_COLS, true, $km, $kn, $factor, $out>,)*
                (_, true, false, false) => launch_on::<128, true, false, false, $factor, $out>,
                (_, true, false, true) => launch_on::<128, true, false, true, $factor, $out>,
                (_, true, true, false) => launch_on::<128, true, true, false, $factor, $out>,
                (_, true, true, true) => launch_on::<128, true, true, true, $factor, $out>,
                (_, false, _, _) => launch_on::<128, false, false, false, $factor, $out>,
            };
            let none = GpuBuffer::empty(stream)?;
            let bias = bias.unwrap_or(&none);
            let cols = if large { WIDE_COLS } else { 128 };
            let count = batch * m.div_ceil(ROWS) * n.div_ceil(cols);
            let blocks = if large { count.min(info.multiprocessors) } else { count };
            let config = LaunchConfig::new([blocks, 1, 1]);
            // SAFETY: The buffers have the product's lengths, `bias` is empty or has a value a
            // column, and every index is compared with its shape.
            unsafe {
                launch(
                    stream, config, a, b, bias, c, m, n, k, share, count, a_matrix, a_row, a_step,
                    b_matrix, b_column, b_step, c_matrix, of_c.row_stride, c_wide, alpha, beta,
                )?;
            }
            Ok(())
        }
    };
}

host!(f16, f16, f16, [false false, false true]);
host!(bf16, bf16, bf16, [false false, false true]);
host!(i8, i8, f32, []);
host!(f32, f32, f32, []);
host!(f16_sums, f16, f32, []);
host!(bf16_sums, bf16, f32, []);
