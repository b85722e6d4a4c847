//! Kernels in KAIO's words, unchanged: every builtin, parameter form and block size.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn vector_add(a: &[f32], b: &[f32], out: &mut [f32], n: u32) {
    let idx = thread_idx_x() + block_idx_x() * block_dim_x();
    if idx < n {
        out[idx] = a[idx] + b[idx];
    }
}

#[gpu_kernel(block_size = 256)]
fn mixed_forms(a: *const [f32], b: &[f32], c: *mut [f32], d: &mut [f32], n: u32) {
    let idx = thread_idx_x() + block_idx_x() * block_dim_x();
    if idx < n {
        c[idx] = a[idx] * b[idx];
        d[idx] = a[idx] - b[idx];
    }
}

#[gpu_kernel(block_size = 256)]
fn fused_silu_gate(x: &[f32], gate: &[f32], out: &mut [f32], n: u32) {
    let idx = thread_idx_x() + block_idx_x() * block_dim_x();
    if idx < n {
        let xi = x[idx];
        let sig = 1.0f32 / (1.0f32 + exp(-xi));
        out[idx] = xi * sig * gate[idx];
    }
}

#[gpu_kernel(block_size = 256)]
fn gelu_exact(x: &[f32], out: &mut [f32], n: u32) {
    let idx = thread_idx_x() + block_idx_x() * block_dim_x();
    if idx < n {
        let v = x[idx];
        let inner = 0.7978845608 * (v + 0.044715 * v * v * v);
        out[idx] = 0.5 * v * (1.0 + tanh(inner));
    }
}

#[gpu_kernel(block_size = 256)]
fn dequant_i8(packed: &[u32], scales: &[f32], out: &mut [f32], n_words: u32, group_size: u32) {
    let word_idx = thread_idx_x() + block_idx_x() * block_dim_x();
    if word_idx < n_words {
        let w = packed[word_idx];
        let base = word_idx * 4;
        let q0 = ((w & 0xFF) as i32) << 24 >> 24;
        let q1 = (((w >> 8) & 0xFF) as i32) << 24 >> 24;
        let q2 = (((w >> 16) & 0xFF) as i32) << 24 >> 24;
        let q3 = (((w >> 24) & 0xFF) as i32) << 24 >> 24;
        let s = scales[base / group_size];
        out[base] = q0 as f32 * s;
        out[base + 1] = q1 as f32 * s;
        out[base + 2] = q2 as f32 * s;
        out[base + 3] = q3 as f32 * s;
    }
}

#[gpu_kernel(block_size = 256)]
fn compound_indexed(a: &[u32], out: &mut [u32], n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        out[i] |= a[i];
        out[i] &= 0xFFu32;
        out[i] ^= !a[i];
        out[i] <<= 2;
        out[i] >>= 1;
    }
}

#[gpu_kernel(block_size = 256)]
fn bounds_guard_and(a: &[i32], out: &mut [u32], n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    let inside = i < n && a[i] > 0;
    if inside || (i == 0 && n != 0) {
        out[i] = 1;
    }
}

#[gpu_kernel(block_size = 256)]
fn strided_sum(a: &[f32], out: &mut [f32], n: u32) {
    let tid = thread_idx_x();
    let mut sum = 0.0;
    let mut i = tid;
    while i < n {
        sum += a[i];
        i += block_dim_x();
    }
    let total = block_reduce_sum(sum);
    if tid == 0 {
        out[block_idx_x()] = total;
    }
}

#[gpu_kernel(block_size = (16, 16))]
fn write_2d_indices(out: &mut [u32], width: u32, height: u32) {
    let x = thread_idx_x() + block_idx_x() * block_dim_x();
    let y = thread_idx_y() + block_idx_y() * block_dim_y();
    if x < width {
        if y < height {
            out[y * width + x] = y * 1000 + x;
        }
    }
}

#[gpu_kernel(block_size = 256)]
fn shared_plus_reduce(a: &[f32], out: &mut [f32], n: u32) {
    let tid = thread_idx_x();
    let cache = shared_mem![f32; 256];
    if tid < n {
        cache[tid] = a[tid];
    }
    bar_sync();
    let m = block_reduce_max(cache[tid]);
    let w = warp_reduce_sum(cache[tid]) + warp_reduce_min(cache[tid]) - warp_reduce_max(m);
    let d = shfl_sync_down(w, 1, 32) + shfl_sync_up(w, 2, 32) + shfl_sync_bfly(w, 16, 32);
    if tid == 0 {
        out[0] = fma(d, 2.0, sqrt(abs(m))) + log(max(1.0, min(w, 3.0)));
    }
}

/// A block size from a macro variable, as KAIO's reduction tests have it.
macro_rules! reduce_min {
    ($name:ident, $bs:literal) => {
        #[gpu_kernel(block_size = $bs)]
        fn $name(a: &[f32], out: &mut [f32], n: u32) {
            let tid = thread_idx_x();
            let mut best = 3.402823e38f32;
            let mut i = tid;
            while i < n {
                best = min(best, a[i]);
                i += $bs;
            }
            let m = block_reduce_min(best);
            if tid == 0 {
                out[0] = m;
            }
        }
    };
}

reduce_min!(reduce_min_bs32, 32);
reduce_min!(reduce_min_bs512, 512);

#[gpu_kernel(block_size = (32, 8))]
fn reduce_sum_2d_identity(out: &mut [f32]) {
    let total = block_reduce_sum(1.0);
    if thread_idx_x() == 0 && thread_idx_y() == 0 {
        out[0] = total;
    }
}
