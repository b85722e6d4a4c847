//! The language: types, expressions and control flow.

use firesteel::prelude::*;

/// Every scalar type as a parameter and as an element.
#[gpu_kernel(block_size = 64)]
pub fn scalars(
    b: &mut [bool],
    h: &mut [f16],
    g: &[bf16],
    d: &mut [f64],
    i8s: &mut [i8],
    u64s: &mut [u64],
    sizes: &mut [usize],
    flag: bool,
    half: f16,
    brain: bf16,
    mut long: i64,
    offset: isize,
) {
    let i = thread_idx_x();
    b[i] = flag ^ (i > 3) & !b[i] | (flag < true);
    h[i] = half * 2.0 + h[i] / half;
    h[i] += brain as f32 as f16;
    d[i] = g[i] as f64 * 1e-3 + d[i].sqrt();
    i8s[i] = -128;
    i8s[i] -= b'a' as i8;
    long = -long << 3u8;
    u64s[i] = long as u64 ^ 0xffff_ffff_ffff_ffff;
    sizes[offset] = usize::MAX - i as usize;
}

#[gpu_kernel(block_size = (8, 8, 4))]
pub fn expressions(out: &mut [u32], n: u32, a: f32) {
    const TILE: usize = 4;
    const MASK: u32 = (1 << TILE) - 1;
    const TABLE: [f32; TILE] = [0.5, 1.0, -1.5, 2.0];
    let i = thread_idx_z();
    let picked = if i < n {
        n - i
    } else if i == n {
        1
    } else {
        0
    };
    let (mut low, (high, _)) = (
        picked & MASK,
        (picked >> 4, 'outer: {
            if a > 0.0 {
                break 'outer 1.0;
            }
            2.0f32
        }),
    );
    low += match high {
        0 => 1,
        1..=3 | 9 if a > 1.0 => 2,
        MASK => 3,
        m @ 20..30 => m,
        30.. => 4,
        other => other * 2,
    };
    let sign = match (a > 0.0, i) {
        (true, 0) => 1i32,
        (true, _) => -1,
        (false, _) => 0,
    };
    let late;
    if sign > 0 {
        late = TABLE[1];
    } else {
        late = f32::INFINITY;
    }
    let i = {
        let i = i as f32 * late;
        i as u32
    };
    out[i] = low.wrapping_mul(high) ^ late.to_bits() ^ sign as u32;
}

#[gpu_kernel(block_size = 128)]
pub fn loops(out: &mut [u32], n: u32) {
    let mut sum = 0u32;
    #[unroll]
    for i in 0..4 {
        sum += i;
    }
    #[unroll(2)]
    for i in (0..=n).step_by(2) {
        sum += i;
    }
    #[no_unroll]
    for _ in (0..n).rev() {
        sum ^= 1;
    }
    let found = 'outer: loop {
        while sum > 3 {
            sum >>= 1;
            if sum == 5 {
                break 'outer sum;
            }
            for k in (0..n).step_by(3).rev() {
                if k == 6 {
                    continue 'outer;
                }
            }
        }
        break 0;
    };
    if found == n {
        return;
    }
    let mut acc = [[0u32; 4]; 2];
    for r in 0..2 {
        for c in 0..4usize {
            acc[r][c] += r + c as u32 + found;
        }
    }
    let pair = (acc[0][1], acc[1]);
    out[n] = pair.0 + pair.1[3] + acc.len() as u32;
}

#[gpu_kernel(block_size = 32, fast_math, arch = "sm_80")]
pub fn scalar_methods(f: &mut [f32], d: &mut [f64], h: &mut [f16], u: &mut [u32], s: &mut [i64]) {
    let i = lane_id();
    let x = f[i];
    f[i] = x.mul_add(2.0, 1.0).min(3.0).max(-1.0).clamp(-0.5, 0.5).abs().sqrt().recip();
    f[i] += x.exp() + x.exp2() + x.ln() + x.log2() + x.log10() + x.sin() + x.cos() + x.tanh();
    f[i] *= x.powi(3) + x.powf(0.5) + x.copysign(-1.0) + x.signum() + x.rsqrt();
    d[i] = d[i].floor() + d[i].ceil() + d[i].round() + d[i].trunc() + d[i].fract();
    d[i] -= d[i].round_ties_even() + f64::from(x) + core::f64::consts::PI;
    h[i] = h[i].exp().mul_add(h[i], f16::MAX).max(h[i].rsqrt());
    if x.is_nan() || !x.is_finite() {
        u[i] = f32::from_bits(x.to_bits() ^ 1).to_bits();
    }
    let n = u[i];
    u[i] = n.count_ones() + n.leading_zeros() + n.trailing_zeros() + n.rotate_left(5);
    u[i] ^= n.reverse_bits() + n.swap_bytes() + n.saturating_add(7) + n.abs_diff(9) + n.pow(2);
    u[i] |= u32::from(n.is_power_of_two()) + n.div_ceil(3) + n.next_multiple_of(32);
    s[i] = s[i].wrapping_neg().rem_euclid(7).div_euclid(2) + s[i].unsigned_abs() as i64;
    f[i] = fast::exp(x) + fast::div(x, 3.0) + fast::rsqrt(f32::max(x, 1.0));
    u[i] = redux_add(n) ^ redux_xor_mask(0xff, n);
}
