//! Norms whose results are vectors in 8 bits, as the product with quantised weights behind them takes
//! them: see [`Activations`](crate::gemv::Activations) for their layout.

use firesteel::prelude::*;

use super::kernel::{factors, squares};
use crate::rows::{fetch, numbers, packed, put, rounded, sum_of_row};

/// Quantises eight numbers of a group of 32, of which neighbouring threads have the others, and
/// stores them as vector `vector` of `batch`; the groups of `groups` behind each other.
#[gpu_fn]
fn store_codes(
    words: &mut [u32],
    v: [f32; 8],
    (group, part): (u32, u32),
    (first, groups): (u32, u32),
    (vector, batch): (u32, u32),
) {
    let mut most = 0.0f32;
    for j in 0..8 {
        most = most.max(v[j].abs());
    }
    most = most.max(shfl_sync_bfly(most, 1, 32));
    most = most.max(shfl_sync_bfly(most, 2, 32));
    let scale = most / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut codes = [0u32; 2];
    let mut own = 0i32;
    for j in 0..8u32 {
        let code = (v[j] * inverse).round() as i32;
        own += code;
        codes[j / 4] |= (code as u32 & 255) << (j % 4 * 8);
    }
    // The two parts of each half, then those of the other.
    let sum = own + shfl_sync_bfly(own, 1, 32);
    let other = shfl_sync_bfly(sum, 2, 32);
    if group < groups {
        let at = group * batch + vector;
        store_vec2(words, first + at * 8 + part * 2, u32x2::new(codes[0], codes[1]));
        if part == 0 {
            let meta = first + groups * batch * 8 + at;
            let scale = f16::from_f32(scale).to_f32();
            words[meta] = scale.to_bits();
            words[meta + groups * batch] = (scale * (sum + other) as f32).to_bits();
            words[meta + groups * batch * 2] = (scale * other as f32).to_bits();
        }
    }
}

/// A block a vector. Those from `vectors` on, and columns from `n` on, are zeros. Vectors lie apart,
/// each with `apart` words, or together.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_90",
    unchecked,
    instances(
        (KIND = 0, W = 8, T = f32), (KIND = 1, W = 4, T = f16), (KIND = 2, W = 4, T = bf16),
        ADDS = [false, true],
        PER = [1, 2, 4]
    )
)]
pub(super) fn quantize_kernel<
    const KIND: u32,
    const W: usize,
    const ADDS: bool,
    const PER: usize,
    T: Float,
>(
    words: &mut [u32],
    sum: &mut [T],
    x: &[T],
    weight: &[f32],
    n: u32,
    groups: u32,
    vectors: u32,
    batch: u32,
    apart: u32,
    x_first: u32,
    x_stride: u32,
    sum_first: u32,
    sum_stride: u32,
    eps: f32,
    plus: f32,
) {
    let parts = shared_mem![f32; 16];
    grid_dependency_launch();
    grid_dependency_wait();
    let (vector, lane) = (block_idx_x(), thread_idx_x());
    let from = x_first as usize + vector as usize * x_stride as usize;
    let to = sum_first as usize + vector as usize * sum_stride as usize;
    let mut v = [[0.0f32; 8]; PER];
    if vector < vectors {
        let mut own = [[0u32; W]; PER];
        let mut more = [[0u32; W]; PER];
        #[unroll]
        for i in 0..PER {
            let at = (lane + i as u32 * 256) * 8;
            if at < n {
                own[i] = fetch::<W, T>(x, from + at as usize);
                if ADDS {
                    more[i] = fetch::<W, T>(sum, to + at as usize);
                }
            }
        }
        #[unroll]
        for i in 0..PER {
            let at = (lane + i as u32 * 256) * 8;
            v[i] = numbers::<KIND, W>(own[i]);
            if ADDS {
                let more = numbers::<KIND, W>(more[i]);
                for j in 0..8 {
                    v[i][j] = rounded::<T>(v[i][j] + more[j]);
                }
                if at < n {
                    put::<W, T>(sum, to + at as usize, packed::<KIND, W>(v[i]));
                }
            }
        }
    }
    let w = factors::<256, PER>(weight, lane, n, plus);
    let total = sum_of_row::<256>(squares::<PER>(v), parts, 0);
    let scale = fast::rsqrt(total * (1.0 / n as f32) + eps);
    #[unroll]
    for i in 0..PER {
        for j in 0..8 {
            v[i][j] = v[i][j] * scale * w[i][j];
        }
        let at = lane + i as u32 * 256;
        let (first, vector) = if apart == 0 { (0, vector) } else { (vector * apart, 0) };
        store_codes(words, v[i], (at / 4, at % 4), (first, groups), (vector, batch));
    }
}
