//! The kernels: a row stays in the registers of the threads that share it, and they fetch the next
//! one before they work on it.

use firesteel::prelude::*;

use crate::rows::{fetch, numbers, packed, put, rounded, row_begin, sum_of_row};

/// What a kernel does besides the norm: nothing; adds to a sum that it norms; multiplies by the SiLU
/// of a gate; subtracts the mean.
#[gpu_const]
pub(super) const PLAIN: u32 = 0;
#[gpu_const]
pub(super) const ADD: u32 = 1;
#[gpu_const]
pub(super) const GATED: u32 = 2;
#[gpu_const]
pub(super) const LAYER: u32 = 3;

/// A thread's pieces of a row, the first `n` elements of which begin at `begin`.
#[gpu_fn]
fn fetch_row<const W: usize, const LANES: u32, const PER: usize, T: Float>(
    x: &[T],
    begin: usize,
    lane: u32,
    n: u32,
) -> [[u32; W]; PER] {
    let mut row = [[0u32; W]; PER];
    #[unroll]
    for i in 0..PER {
        let at = (lane + i as u32 * LANES) * 8;
        if at < n {
            row[i] = fetch::<W, T>(x, begin + at as usize);
        }
    }
    row
}

/// `silu(x)`.
#[gpu_fn]
fn silu(x: f32) -> f32 {
    // A quotient beyond 2^126 is 0, as it should be.
    fast::div(x, 1.0 + fast::exp(-x))
}

/// A thread's pieces of a row of `x`, and of the gate or the sum beside it.
#[gpu_fn]
fn fetch_both<const W: usize, const MODE: u32, const LANES: u32, const PER: usize, T: Float>(
    (x, gate, sum): (&[T], &[T], &[T]),
    row: u32,
    (lane, n, heads): (u32, u32, u32),
    (of_x, of_beside): ([u32; 3], [u32; 3]),
) -> ([[u32; W]; PER], [[u32; W]; PER]) {
    let begin = row_begin(row, heads, of_x[0], of_x[1], of_x[2]);
    let own = fetch_row::<W, LANES, PER, T>(x, begin, lane, n);
    let mut beside = [[0u32; W]; PER];
    let begin = row_begin(row, heads, of_beside[0], of_beside[1], of_beside[2]);
    if MODE == GATED {
        beside = fetch_row::<W, LANES, PER, T>(gate, begin, lane, n);
    }
    if MODE == ADD {
        beside = fetch_row::<W, LANES, PER, T>(sum, begin, lane, n);
    }
    (own, beside)
}

/// A thread's numbers of weights or bias, and `plus` more; zeros where there are none.
#[gpu_fn]
pub(super) fn factors<const LANES: u32, const PER: usize>(
    weight: &[f32],
    lane: u32,
    n: u32,
    plus: f32,
) -> [[f32; 8]; PER] {
    let mut w = [[0.0f32; 8]; PER];
    #[unroll]
    for i in 0..PER {
        let at = (lane + i as u32 * LANES) * 8;
        if at < n {
            #[unroll]
            for j in 0..2u32 {
                let v = load_vec4(weight, at + j * 4);
                w[i][j * 4] = v.x + plus;
                w[i][j * 4 + 1] = v.y + plus;
                w[i][j * 4 + 2] = v.z + plus;
                w[i][j * 4 + 3] = v.w + plus;
            }
        }
    }
    w
}

#[gpu_fn]
fn squares_of(x: [f32; 8]) -> f32 {
    let mut sum = 0.0f32;
    for j in 0..8 {
        sum = x[j].mul_add(x[j], sum);
    }
    sum
}

/// The sum of the squares of a thread's numbers.
#[gpu_fn]
pub(super) fn squares<const PER: usize>(v: [[f32; 8]; PER]) -> f32 {
    let mut sum = 0.0f32;
    #[unroll]
    for i in 0..PER {
        sum += squares_of(v[i]);
    }
    sum
}

/// A row less its mean. Behind its end there are zeros, as before.
#[gpu_fn]
fn centred<const LANES: u32, const PER: usize>(
    v: [[f32; 8]; PER],
    parts: &mut [f32],
    lane: u32,
    n: u32,
) -> [[f32; 8]; PER] {
    let mut v = v;
    let mut total = 0.0f32;
    #[unroll]
    for i in 0..PER {
        for j in 0..8 {
            total += v[i][j];
        }
    }
    let mean = sum_of_row::<LANES>(total, parts, 1) * (1.0 / n as f32);
    #[unroll]
    for i in 0..PER {
        if (lane + i as u32 * LANES) * 8 < n {
            for j in 0..8 {
                v[i][j] -= mean;
            }
        }
    }
    v
}

/// The numbers of a row, with those of the sum beside it.
#[gpu_fn]
fn values<const KIND: u32, const W: usize, const MODE: u32, const PER: usize, T: Float>(
    own: [[u32; W]; PER],
    beside: [[u32; W]; PER],
) -> [[f32; 8]; PER] {
    let mut v = [[0.0f32; 8]; PER];
    #[unroll]
    for i in 0..PER {
        v[i] = numbers::<KIND, W>(own[i]);
        if MODE == ADD {
            let more = numbers::<KIND, W>(beside[i]);
            for j in 0..8 {
                v[i][j] = rounded::<T>(v[i][j] + more[j]);
            }
        }
    }
    v
}

/// Writes a row; its pieces that are within it.
#[gpu_fn]
fn put_row<const KIND: u32, const W: usize, const LANES: u32, const PER: usize, T: Float>(
    y: &mut [T],
    begin: usize,
    (lane, n): (u32, u32),
    v: [[f32; 8]; PER],
) {
    #[unroll]
    for i in 0..PER {
        let at = (lane + i as u32 * LANES) * 8;
        if at < n {
            put::<W, T>(y, begin + at as usize, packed::<KIND, W>(v[i]));
        }
    }
}

/// All of [`rows_kernel`] and [`heads_kernel`].
#[gpu_fn]
fn norm_rows<
    const KIND: u32,
    const W: usize,
    const MODE: u32,
    const LANES: u32,
    const PER: usize,
    T: Float,
>(
    (out, sum): (&mut [T], &mut [T]),
    (x, gate): (&[T], &[T]),
    (weight, bias): (&[f32], &[f32]),
    (rows, n, heads): (u32, u32, u32),
    (of_out, of_x, of_beside): ([u32; 3], [u32; 3], [u32; 3]),
    (eps, plus): (f32, f32),
) {
    let parts = shared_mem![f32; 16];
    let (lane, slot) = (thread_idx_x() % LANES, thread_idx_x() / LANES);
    let step = grid_dim_x() * (256 / LANES);
    let mut base = block_idx_x() * (256 / LANES);
    let (part, places) = ((lane, n, heads), (of_x, of_beside));
    let (mut next, mut next_beside) = ([[0u32; W]; PER], [[0u32; W]; PER]);
    if base + slot < rows {
        (next, next_beside) =
            fetch_both::<W, MODE, LANES, PER, T>((x, gate, sum), base + slot, part, places);
    }
    let w = factors::<LANES, PER>(weight, lane, n, plus);
    let mut b = [[0.0f32; 8]; PER];
    if MODE == LAYER && bias.len() != 0 {
        b = factors::<LANES, PER>(bias, lane, n, 0.0);
    }
    let of_one = 1.0 / n as f32;
    let mut half = 0u32;
    while base < rows {
        let row = base + slot;
        let (own, beside) = (next, next_beside);
        if row + step < rows {
            (next, next_beside) =
                fetch_both::<W, MODE, LANES, PER, T>((x, gate, sum), row + step, part, places);
        }
        let mut v = values::<KIND, W, MODE, PER, T>(own, beside);
        if MODE == LAYER {
            v = centred::<LANES, PER>(v, parts, lane, n);
        }
        let total = sum_of_row::<LANES>(squares::<PER>(v), parts, half);
        let scale = fast::rsqrt(total * of_one + eps);
        if row < rows {
            if MODE == ADD {
                let begin = row_begin(row, heads, of_beside[0], of_beside[1], of_beside[2]);
                put_row::<KIND, W, LANES, PER, T>(sum, begin, (lane, n), v);
            }
            #[unroll]
            for i in 0..PER {
                let gates = numbers::<KIND, W>(beside[i]);
                for j in 0..8 {
                    v[i][j] = v[i][j] * scale * w[i][j];
                    if MODE == LAYER {
                        v[i][j] += b[i][j];
                    }
                    if MODE == GATED {
                        v[i][j] *= silu(gates[j]);
                    }
                }
            }
            let begin = row_begin(row, heads, of_out[0], of_out[1], of_out[2]);
            put_row::<KIND, W, LANES, PER, T>(out, begin, (lane, n), v);
        }
        // The mean's sum has the other half of `parts`.
        if MODE != LAYER {
            half = 1 - half;
        }
        base += step;
    }
}

/// Rows that a block shares: of up to 2048, 4096 or 8192 elements.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_90",
    unchecked,
    instances(
        (KIND = 0, W = 8, T = f32), (KIND = 1, W = 4, T = f16), (KIND = 2, W = 4, T = bf16),
        MODE = [0, 1, 3],
        LANES = [256],
        PER = [1, 2, 4]
    )
)]
pub(super) fn rows_kernel<
    const KIND: u32,
    const W: usize,
    const MODE: u32,
    const LANES: u32,
    const PER: usize,
    T: Float,
>(
    out: &mut [T],
    sum: &mut [T],
    x: &[T],
    gate: &[T],
    weight: &[f32],
    bias: &[f32],
    rows: u32,
    n: u32,
    heads: u32,
    out_first: u32,
    out_stride: u32,
    out_head: u32,
    x_first: u32,
    x_stride: u32,
    x_head: u32,
    gate_first: u32,
    gate_stride: u32,
    gate_head: u32,
    eps: f32,
    plus: f32,
) {
    grid_dependency_launch();
    grid_dependency_wait();
    norm_rows::<KIND, W, MODE, LANES, PER, T>(
        (out, sum),
        (x, gate),
        (weight, bias),
        (rows, n, heads),
        (
            [out_first, out_stride, out_head],
            [x_first, x_stride, x_head],
            [gate_first, gate_stride, gate_head],
        ),
        (eps, plus),
    );
}

/// Rows that a part of a warp shares: of up to 64, 128, 256 or 1024 elements.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_90",
    unchecked,
    instances(
        (KIND = 0, W = 8, T = f32), (KIND = 1, W = 4, T = f16), (KIND = 2, W = 4, T = bf16),
        MODE = [0, 2],
        (LANES = 8, PER = 1), (LANES = 16, PER = 1), (LANES = 32, PER = 1), (LANES = 32, PER = 4)
    )
)]
pub(super) fn heads_kernel<
    const KIND: u32,
    const W: usize,
    const MODE: u32,
    const LANES: u32,
    const PER: usize,
    T: Float,
>(
    out: &mut [T],
    sum: &mut [T],
    x: &[T],
    gate: &[T],
    weight: &[f32],
    bias: &[f32],
    rows: u32,
    n: u32,
    heads: u32,
    out_first: u32,
    out_stride: u32,
    out_head: u32,
    x_first: u32,
    x_stride: u32,
    x_head: u32,
    gate_first: u32,
    gate_stride: u32,
    gate_head: u32,
    eps: f32,
    plus: f32,
) {
    grid_dependency_launch();
    grid_dependency_wait();
    norm_rows::<KIND, W, MODE, LANES, PER, T>(
        (out, sum),
        (x, gate),
        (weight, bias),
        (rows, n, heads),
        (
            [out_first, out_stride, out_head],
            [x_first, x_stride, x_head],
            [gate_first, gate_stride, gate_head],
        ),
        (eps, plus),
    );
}

/// Rows of any length and place, an element at a time: a block a row, which is read as often as it is
/// needed.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_90",
    unchecked,
    instances(T = [f32, f16, bf16], MODE = [0, 1, 2, 3])
)]
pub(super) fn any_kernel<const MODE: u32, T: Float>(
    out: &mut [T],
    sum: &mut [T],
    x: &[T],
    gate: &[T],
    weight: &[f32],
    bias: &[f32],
    rows: u32,
    n: u32,
    heads: u32,
    out_first: u32,
    out_stride: u32,
    out_head: u32,
    x_first: u32,
    x_stride: u32,
    x_head: u32,
    gate_first: u32,
    gate_stride: u32,
    gate_head: u32,
    eps: f32,
    plus: f32,
) {
    let parts = shared_mem![f32; 16];
    grid_dependency_launch();
    grid_dependency_wait();
    let row = block_idx_x();
    if row >= rows {
        return;
    }
    let to = row_begin(row, heads, out_first, out_stride, out_head);
    let from = row_begin(row, heads, x_first, x_stride, x_head);
    let beside = row_begin(row, heads, gate_first, gate_stride, gate_head);
    let mut mean = 0.0f32;
    if MODE == LAYER {
        let mut total = 0.0f32;
        for i in (thread_idx_x()..n).step_by(256) {
            total += x[from + i as usize].to_f32();
        }
        mean = sum_of_row::<256>(total, parts, 1) / n as f32;
    }
    let mut squares = 0.0f32;
    for i in (thread_idx_x()..n).step_by(256) {
        let mut v = x[from + i as usize].to_f32() - mean;
        if MODE == ADD {
            let both = T::from_f32(v + sum[beside + i as usize].to_f32());
            sum[beside + i as usize] = both;
            v = both.to_f32();
        }
        squares = v.mul_add(v, squares);
    }
    let scale = fast::rsqrt(sum_of_row::<256>(squares, parts, 0) * (1.0 / n as f32) + eps);
    for i in (thread_idx_x()..n).step_by(256) {
        let mut v = x[from + i as usize].to_f32() - mean;
        if MODE == ADD {
            v = sum[beside + i as usize].to_f32();
        }
        v = v * scale * (weight[i] + plus);
        if MODE == LAYER && bias.len() != 0 {
            v += bias[i];
        }
        if MODE == GATED {
            v *= silu(gate[beside + i as usize].to_f32());
        }
        out[to + i as usize] = T::from_f32(v);
    }
}
