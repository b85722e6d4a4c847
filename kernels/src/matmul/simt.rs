//! Products in `f32` on the ordinary units.

use firesteel::prelude::*;

use super::{Order, Path, Product};
use crate::shape::Result;

#[gpu_const]
const TILE: u32 = 128;
#[gpu_const]
const DEPTH: u32 = 16;
/// Elements between two steps along K: the tile, and four so that the stores of a warp spread
/// over the banks.
#[gpu_const]
const PITCH: u32 = 132;

/// Four elements of a row along K, zeros outside of the matrix.
#[gpu_fn]
fn quad<const WIDE: bool>(x: &[f32], (row, rows): (u32, u32), (at, k): (u32, u32)) -> f32x4 {
    let mut quad = f32x4::splat(0.0);
    if WIDE {
        if row < rows && at < k {
            quad = load_vec4(x, row * k + at);
        }
    } else {
        #[unroll]
        for i in 0..4u32 {
            if row < rows && at + i < k {
                quad[i] = x[row * k + at + i];
            }
        }
    }
    quad
}

/// `c = alpha a bᵀ`; `WIDE` says that rows begin at multiples of 16 bytes.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_70",
    min_blocks = 2,
    unchecked,
    instances(WIDE = [true, false])
)]
pub(super) fn simt_kernel<const WIDE: bool>(
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    m: u32,
    n: u32,
    k: u32,
    alpha: f32,
) {
    let left = shared_mem![f32; 2 * DEPTH * PITCH];
    let right = shared_mem![f32; 2 * DEPTH * PITCH];
    let (row_tiles, col_tiles) = (m.div_ceil(TILE), n.div_ceil(TILE));
    let number = block_idx_x();
    let group_tiles = 8 * col_tiles;
    let first = number / group_tiles * 8;
    let rows = (row_tiles - first).min(8);
    let inside = number % group_tiles;
    let (row0, col0) = ((first + inside % rows) * TILE, inside / rows * TILE);
    let thread = thread_idx_x();
    // Two rows of four elements along K for each factor.
    let (load_row, load_step) = (thread / 4, thread % 4 * 4);
    // A warp computes 32 by 64: lanes 4 by 8, each 8 by 8 in halves of four.
    let (warp, lane) = (thread / 32, thread % 32);
    let (row, col) = (warp / 2 * 32 + lane / 8 * 4, warp % 2 * 64 + lane % 8 * 4);
    let steps = k.div_ceil(DEPTH);
    let zero = f32x4::splat(0.0);
    let mut x = [zero; 2];
    let mut y = [zero; 2];
    let mut sums = [[0.0f32; 8]; 8];
    #[unroll]
    for i in 0..2u32 {
        x[i] = quad::<WIDE>(a, (row0 + load_row + i * 64, m), (load_step, k));
        y[i] = quad::<WIDE>(b, (col0 + load_row + i * 64, n), (load_step, k));
    }
    let mut buffer = 0u32;
    for step in 0..steps {
        let base = buffer * (DEPTH * PITCH);
        #[unroll]
        for i in 0..2u32 {
            #[unroll]
            for p in 0..4u32 {
                left[base + (load_step + p) * PITCH + load_row + i * 64] = x[i][p];
                right[base + (load_step + p) * PITCH + load_row + i * 64] = y[i][p];
            }
        }
        bar_sync();
        let at = (step + 1) * DEPTH + load_step;
        #[unroll]
        for i in 0..2u32 {
            x[i] = quad::<WIDE>(a, (row0 + load_row + i * 64, m), (at, k));
            y[i] = quad::<WIDE>(b, (col0 + load_row + i * 64, n), (at, k));
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
            let j = half * 4;
            let at = at_row * n + at_col;
            if WIDE {
                if at_row < m && at_col < n {
                    let quad = f32x4::new(
                        sums[i][j] * alpha,
                        sums[i][j + 1] * alpha,
                        sums[i][j + 2] * alpha,
                        sums[i][j + 3] * alpha,
                    );
                    store_vec4(c, at, quad);
                }
            } else {
                #[unroll]
                for e in 0..4u32 {
                    if at_row < m && at_col + e < n {
                        c[at + e] = sums[i][j + e] * alpha;
                    }
                }
            }
        }
    }
}

pub(super) fn f32(
    stream: &Stream,
    c: &mut GpuBuffer<f32>,
    a: &GpuBuffer<f32>,
    b: &GpuBuffer<f32>,
    product: &Product,
) -> Result<()> {
    let &Product { m, n, k, order, alpha, .. } = product;
    if order != Order::Nk {
        return Err(product.no(Path::Simt, "B must be `[n, k]`"));
    }
    let config = LaunchConfig::new([m.div_ceil(TILE) * n.div_ceil(TILE), 1, 1]);
    if k.is_multiple_of(4) && n.is_multiple_of(4) {
        // SAFETY: The buffers have the product's lengths, and every index is compared with its
        // shape.
        unsafe { simt_kernel::launch_on::<true>(stream, config, a, b, c, m, n, k, alpha)? };
    } else {
        // SAFETY: As above.
        unsafe { simt_kernel::launch_on::<false>(stream, config, a, b, c, m, n, k, alpha)? };
    }
    Ok(())
}
