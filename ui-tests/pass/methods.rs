//! Every method and generic function with every type that it takes: what the table promises, rustc
//! must find in Rust or in `firesteel::dsl`.

use firesteel::prelude::*;

macro_rules! floats {
    ($($name:ident: $ty:ty, $bits:ty;)*) => { $(
        #[gpu_kernel(block_size = 32)]
        fn $name(x: &mut [$ty], b: &mut [$bits], n: u32) {
            let v = x[n];
            let w = <$ty>::MAX;
            x[0] = v.recip() + v.exp() + v.exp2() + v.exp_m1() + v.ln() + v.ln_1p() + v.log2();
            x[1] = v.log10() + v.sin() + v.cos() + v.tan() + v.tanh() + v.sqrt() + v.rsqrt();
            x[2] = v.floor() + v.ceil() + v.round() + v.round_ties_even() + v.trunc() + v.fract();
            x[3] = v.powi(3) * v.powf(w) - v.copysign(w) % v.signum() / v.clamp(v, w);
            x[4] = v.mul_add(w, v).abs().min(w).max(v) + fma(v, w, v) - min(v, abs(-w)) + max(v, w);
            if v.is_nan() || v.is_finite() && !v.is_infinite() || v.is_sign_negative() || v < w {
                b[0] = v.to_bits();
                x[5] = <$ty>::from_bits(b[1]) + sqrt(v);
            }
            x[6] = n as $ty + v as f64 as $ty + (v as i32) as $ty;
            x[7] += 2.5;
            atomic_add(&mut x[8], v);
        }
    )* };
}

floats! {
    halves: f16, u16;
    brains: bf16, u16;
    singles: f32, u32;
    doubles: f64, u64;
}

macro_rules! pairs {
    ($($name:ident: $ty:ty;)*) => { $(
        #[gpu_kernel(block_size = 32)]
        fn $name(x: &mut [$ty], b: &mut [u32], f: &mut [f32], n: u32) {
            let v = x[n];
            let w = <$ty>::new(v.hi(), v.lo());
            x[0] = v.mul_add(w, v).abs().min(w).max(-v) + fma(v, w, v) - min(v, abs(w)) * max(v, w);
            x[1] += <$ty>::splat(1.0);
            b[0] = v.to_bits();
            x[2] = <$ty>::from_bits(b[1]);
            let (lo, hi) = v.to_f32();
            x[3] = <$ty>::from_f32(hi, lo);
            f[0] = lo;
        }
    )* };
}

pairs! {
    pairs_of_halves: f16x2;
    pairs_of_brains: bf16x2;
}

macro_rules! ints {
    ($($name:ident: $ty:ty, $unsigned:ty;)*) => { $(
        #[gpu_kernel(block_size = 32)]
        fn $name(x: &mut [$ty], u: &mut [$unsigned], c: &mut [u32], n: u32) {
            let v = x[n];
            let w = x[0];
            c[0] = v.count_ones() + v.count_zeros() + v.leading_zeros() + v.leading_ones();
            c[1] = v.trailing_zeros() + v.trailing_ones() + v.ilog2() + <$ty>::BITS;
            x[0] = v.rotate_left(n) ^ v.rotate_right(3) ^ v.reverse_bits() ^ v.swap_bytes();
            x[1] = v.wrapping_add(w) + v.wrapping_sub(w) - v.wrapping_mul(w) / v.wrapping_div(w);
            x[2] = v.wrapping_rem(w) | v.wrapping_shl(n) & v.wrapping_shr(2) ^ v.wrapping_neg();
            x[3] = v.saturating_add(w) % v.saturating_sub(<$ty>::MIN) + v.pow(3) + !v;
            x[4] = v.rem_euclid(w) + v.div_euclid(7) + v.min(w).max(3).clamp(1, 100);
            x[5] = min(v, w) + max(v, 1) + (v << 2u64) - (v >> w) + <$ty>::MAX;
            u[0] = v.abs_diff(w);
            x[6] = v as f32 as $ty + (v as u8) as $ty;
            x[7] += 5;
            x[8] <<= n;
        }
    )* };
}

ints! {
    bytes: u8, u8;
    shorts: u16, u16;
    words: u32, u32;
    longs: u64, u64;
    sizes: usize, usize;
    signed_bytes: i8, u8;
    signed_shorts: i16, u16;
    signed_words: i32, u32;
    signed_longs: i64, u64;
    signed_sizes: isize, usize;
}

macro_rules! signed {
    ($($name:ident: $ty:ty, $unsigned:ty;)*) => { $(
        #[gpu_kernel(block_size = 32)]
        fn $name(x: &mut [$ty], u: &mut [$unsigned]) {
            let v = x[0];
            x[1] = -v + v.abs() + v.signum() - v.wrapping_abs() + abs(v);
            u[0] = v.unsigned_abs();
        }
    )* };
}

signed! {
    negative_bytes: i8, u8;
    negative_shorts: i16, u16;
    negative_words: i32, u32;
    negative_longs: i64, u64;
    negative_sizes: isize, usize;
}

macro_rules! unsigned {
    ($($name:ident: $ty:ty;)*) => { $(
        #[gpu_kernel(block_size = 32)]
        fn $name(x: &mut [$ty]) {
            let v = x[0];
            if v.is_power_of_two() {
                x[1] = v.next_power_of_two() + v.div_ceil(3) + v.next_multiple_of(8);
            }
        }
    )* };
}

unsigned! {
    powers_of_bytes: u8;
    powers_of_shorts: u16;
    powers_of_words: u32;
    powers_of_longs: u64;
    powers_of_sizes: usize;
}

macro_rules! warps {
    ($($name:ident: $ty:ty;)*) => { $(
        #[gpu_kernel(block_size = 64)]
        fn $name(x: &mut [$ty], n: u32) {
            let v = x[n];
            x[0] = shfl_sync_down(v, 1, 32) + shfl_sync_up(v, 1, 16) + shfl_sync_bfly(v, 1, 32);
            x[1] = shfl_sync_idx(v, 0, 8) + shfl_idx_mask(0xffff_ffff, v, n, 32);
            x[2] = warp_reduce_sum(v) + warp_reduce_min(v) + warp_reduce_max(v);
            x[3] = block_reduce_sum(v) + block_reduce_min(v) + block_reduce_max(v);
            x[4] = load_nc(&x[n]) + load_cs(&x[n]) + load_stream(&x[n]);
            store_cs(&mut x[5], v);
        }
    )* };
}

warps! {
    warps_of_bytes: u8;
    warps_of_shorts: i16;
    warps_of_words: i32;
    warps_of_longs: u64;
    warps_of_sizes: usize;
    warps_of_halves: f16;
    warps_of_brains: bf16;
    warps_of_singles: f32;
    warps_of_doubles: f64;
}

macro_rules! vectors {
    ($($name:ident: $ty:ty, $vector:ident, $load:ident, $store:ident;)*) => { $(
        #[gpu_kernel(block_size = 32)]
        fn $name(x: &[$ty], y: &mut [$ty], n: u32) {
            let mut v = $load(x, n);
            v[1] = v[0];
            $store(y, n, v);
            $store(y, n + 16, $vector::splat(v[1]));
        }
    )* };
}

vectors! {
    pairs_of_bytes: u8, u8x2, load_vec2, store_vec2;
    sixteen_bytes: i8, i8x16, load_vec16, store_vec16;
    eight_halves: f16, f16x8, load_vec8_nc, store_vec8_cs;
    four_brains: bf16, bf16x4, load_vec4_cs, store_vec4;
    four_words: i32, i32x4, load_vec4_stream, store_vec4;
    two_doubles: f64, f64x2, load_vec2, store_vec2;
}
