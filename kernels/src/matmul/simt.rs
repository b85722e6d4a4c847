//! Products in `f32` on the ordinary units.

use firesteel::prelude::*;

use super::tiles::tile_at;
use super::{Order, OrderA, Product};
use crate::shape::Result;

#[gpu_const]
const TILE: u32 = 128;
#[gpu_const]
const DEPTH: u32 = 16;
/// Elements between two steps along K: the tile, and four so that the stores of a warp spread
/// over the banks.
#[gpu_const]
const PITCH: u32 = 132;

/// A thread's four neighbours number `i` of 128 rows of a factor and 16 steps along K, zeros outside
/// of the matrix. They are neighbours along K, or along the rows if `ACROSS`; unless `WIDE`, they
/// come one by one, from wherever the strides of rows and of K say.
#[gpu_fn]
fn fetch<const WIDE: bool, const ACROSS: bool>(
    x: &[f32],
    (from, row_stride, k_stride): (u32, u32, u32),
    (first, rows): (u32, u32),
    (first_step, k): (u32, u32),
    i: u32,
) -> f32x4 {
    let thread = thread_idx_x();
    let mut quad = f32x4::splat(0.0);
    if WIDE && ACROSS {
        let (row, at) = (first + thread % 32 * 4, first_step + thread / 32 + i * 8);
        if row < rows && at < k {
            quad = load_vec4(x, from + at * k_stride + row);
        }
    } else {
        let (row, at) = (first + thread / 4 + i * 64, first_step + thread % 4 * 4);
        if WIDE {
            if row < rows && at < k {
                quad = load_vec4(x, from + row * row_stride + at);
            }
        } else {
            #[unroll]
            for e in 0..4u32 {
                if row < rows && at + e < k {
                    quad[e] = x[from + row * row_stride + (at + e) * k_stride];
                }
            }
        }
    }
    quad
}

/// Puts them where steps along K are rows.
#[gpu_fn]
fn stow<const ACROSS: bool>(tile: &mut [f32], base: u32, quad: f32x4, i: u32) {
    let thread = thread_idx_x();
    if ACROSS {
        store_vec4(tile, base + (thread / 32 + i * 8) * PITCH + thread % 32 * 4, quad);
    } else {
        #[unroll]
        for e in 0..4u32 {
            tile[base + (thread % 4 * 4 + e) * PITCH + thread / 4 + i * 64] = quad[e];
        }
    }
}

/// `c = epilogue(a b) + beta c` for the tile of 128 by 128 that is this block's.
///
/// A block of 256 threads computes a tile; there are `m.div_ceil(128) * n.div_ceil(128)` for each
/// matrix of the batch. `epilogue` takes a sum, its row and its column. C is not read if `beta` is
/// 0.
///
/// `a`, `b` and `c` come with elements from a matrix of the batch to the next, from a row to the
/// next, and (of the factors) from a step along K to the next. With `WIDE`, neighbours are read and
/// written four at a time: along K, or along rows of A with `KM` and columns of B with `KN`.
#[gpu_fn]
pub fn simt_product<const WIDE: bool, const KM: bool, const KN: bool>(
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    (m, n, k): (u32, u32, u32),
    (a_matrix, a_row, a_step): (u32, u32, u32),
    (b_matrix, b_column, b_step): (u32, u32, u32),
    (c_matrix, c_row): (u32, u32),
    beta: f32,
    epilogue: impl Fn(f32, u32, u32) -> f32,
) {
    let left = shared_mem![f32; 2 * DEPTH * PITCH];
    let right = shared_mem![f32; 2 * DEPTH * PITCH];
    let (row_tiles, col_tiles) = (m.div_ceil(TILE), n.div_ceil(TILE));
    let batch = block_idx_x() / (row_tiles * col_tiles);
    let number = block_idx_x() % (row_tiles * col_tiles);
    let tile = tile_at::<8>(number, row_tiles, col_tiles);
    let (row0, col0) = (tile.0 * TILE, tile.1 * TILE);
    let thread = thread_idx_x();
    // A warp computes 32 by 64: lanes 4 by 8, each 8 by 8 in halves of four.
    let (warp, lane) = (thread / 32, thread % 32);
    let (row, col) = (warp / 2 * 32 + lane / 8 * 4, warp % 2 * 64 + lane % 8 * 4);
    let steps = k.div_ceil(DEPTH);
    let (a_at, b_at) = ((batch * a_matrix, a_row, a_step), (batch * b_matrix, b_column, b_step));
    let zero = f32x4::splat(0.0);
    let mut x = [zero; 2];
    let mut y = [zero; 2];
    let mut sums = [[0.0f32; 8]; 8];
    #[unroll]
    for i in 0..2u32 {
        x[i] = fetch::<WIDE, KM>(a, a_at, (row0, m), (0, k), i);
        y[i] = fetch::<WIDE, KN>(b, b_at, (col0, n), (0, k), i);
    }
    let mut buffer = 0u32;
    for step in 0..steps {
        let base = buffer * (DEPTH * PITCH);
        #[unroll]
        for i in 0..2u32 {
            stow::<KM>(left, base, x[i], i);
            stow::<KN>(right, base, y[i], i);
        }
        bar_sync();
        let next = (step + 1) * DEPTH;
        #[unroll]
        for i in 0..2u32 {
            x[i] = fetch::<WIDE, KM>(a, a_at, (row0, m), (next, k), i);
            y[i] = fetch::<WIDE, KN>(b, b_at, (col0, n), (next, k), i);
        }
        #[unroll]
        for p in 0..DEPTH {
            let (u0, u1) = (
                load_vec4(left, base + p * PITCH + row),
                load_vec4(left, base + p * PITCH + row + 16),
            );
            let (v0, v1) = (
                load_vec4(right, base + p * PITCH + col),
                load_vec4(right, base + p * PITCH + col + 32),
            );
            let u = [u0.x, u0.y, u0.z, u0.w, u1.x, u1.y, u1.z, u1.w];
            let v = [v0.x, v0.y, v0.z, v0.w, v1.x, v1.y, v1.z, v1.w];
            #[unroll]
            for i in 0..8u32 {
                #[unroll]
                for j in 0..8u32 {
                    sums[i][j] = u[i].mul_add(v[j], sums[i][j]);
                }
            }
        }
        buffer ^= 1;
    }
    #[unroll]
    for i in 0..8u32 {
        let at_row = row0 + row + i / 4 * 16 + i % 4;
        #[unroll]
        for half in 0..2u32 {
            let at_col = col0 + col + half * 32;
            let at = batch * c_matrix + at_row * c_row + at_col;
            if WIDE {
                if at_row < m && at_col < n {
                    let mut quad = f32x4::splat(0.0);
                    #[unroll]
                    for e in 0..4u32 {
                        quad[e] = epilogue(sums[i][half * 4 + e], at_row, at_col + e);
                    }
                    if beta != 0.0 {
                        let old = load_vec4(c, at);
                        #[unroll]
                        for e in 0..4u32 {
                            quad[e] += beta * old[e];
                        }
                    }
                    store_vec4(c, at, quad);
                }
            } else {
                #[unroll]
                for e in 0..4u32 {
                    if at_row < m && at_col + e < n {
                        let mut value = epilogue(sums[i][half * 4 + e], at_row, at_col + e);
                        if beta != 0.0 {
                            value += beta * c[at + e];
                        }
                        c[at + e] = value;
                    }
                }
            }
        }
    }
}

/// `c = alpha a b + bias + beta c`, without a bias if it is empty.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_70",
    min_blocks = 2,
    unchecked,
    instances(
        (WIDE = true, KM = false, KN = false),
        (WIDE = true, KM = false, KN = true),
        (WIDE = true, KM = true, KN = false),
        (WIDE = true, KM = true, KN = true),
        (WIDE = false, KM = false, KN = false)
    )
)]
pub(super) fn simt_kernel<const WIDE: bool, const KM: bool, const KN: bool>(
    a: &[f32],
    b: &[f32],
    bias: &[f32],
    c: &mut [f32],
    m: u32,
    n: u32,
    k: u32,
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
    simt_product::<WIDE, KM, KN>(
        a,
        b,
        c,
        (m, n, k),
        (a_matrix, a_row, a_step),
        (b_matrix, b_column, b_step),
        (c_matrix, c_row),
        beta,
        |x, _, col| {
            let mut value = x * alpha;
            if has_bias {
                value += bias[col];
            }
            value
        },
    );
}

pub(super) fn f32(
    stream: &Stream,
    c: &mut GpuBuffer<f32>,
    a: &GpuBuffer<f32>,
    b: &GpuBuffer<f32>,
    bias: Option<&GpuBuffer<f32>>,
    product: &Product,
) -> Result<()> {
    let &Product { m, n, k, alpha, beta, order_a, order, batch, .. } = product;
    let (of_a, of_b, of_c) = (product.a(), product.b(), product.c());
    let steps = |across: bool, stride: u32| if across { (1, stride) } else { (stride, 1) };
    let (a_row, a_step) = steps(order_a == OrderA::Km, of_a.row_stride);
    let (b_column, b_step) = steps(order == Order::Kn, of_b.row_stride);
    // Lengths fit in 32 bits, and so does every stride that is used.
    let [a_matrix, b_matrix, c_matrix] = [of_a, of_b, of_c].map(|it| it.stride as u32);
    let wide = [of_a, of_b, of_c].iter().all(|it| it.is_aligned(4) && it.columns.is_multiple_of(4));
    let none = GpuBuffer::empty(stream)?;
    let bias = bias.unwrap_or(&none);
    let config = LaunchConfig::new([batch * m.div_ceil(TILE) * n.div_ceil(TILE), 1, 1]);
    let launch = match (wide, order_a, order) {
        (false, _, _) => simt_kernel::launch_on::<false, false, false>,
        (true, OrderA::Mk, Order::Nk) => simt_kernel::launch_on::<true, false, false>,
        (true, OrderA::Mk, Order::Kn) => simt_kernel::launch_on::<true, false, true>,
        (true, OrderA::Km, Order::Nk) => simt_kernel::launch_on::<true, true, false>,
        (true, OrderA::Km, Order::Kn) => simt_kernel::launch_on::<true, true, true>,
    };
    // SAFETY: The buffers have the product's lengths, and every index is compared with its shape.
    unsafe {
        launch(
            stream,
            config,
            a,
            b,
            bias,
            c,
            m,
            n,
            k,
            a_matrix,
            a_row,
            a_step,
            b_matrix,
            b_column,
            b_step,
            c_matrix,
            of_c.row_stride,
            alpha,
            beta,
        )?;
    }
    Ok(())
}
