//! `f16x2` and `bf16x2`: what is computed with both halves at once is what Rust computes with each.

use firesteel::prelude::*;
use firesteel_compiler::value::{Scalar, Value};

use crate::device;

use super::load;

/// What both types of halves have.
trait Half: Copy + PartialEq + std::fmt::Debug {
    const SPECIAL: &'static [u16];
    fn of(bits: u16) -> Self;
    fn bits(self) -> u16;
    fn wide(self) -> f64;
    /// Rounded once.
    fn round(value: f64) -> Self;
}

macro_rules! half {
    ($ty:ident, $scalar:ident, $special:expr) => {
        impl Half for $ty {
            const SPECIAL: &'static [u16] = $special;
            fn of(bits: u16) -> Self {
                Self::from_bits(bits)
            }
            fn bits(self) -> u16 {
                self.to_bits()
            }
            fn wide(self) -> f64 {
                self.to_f64()
            }
            fn round(value: f64) -> Self {
                Self::from_bits(Value::float(Scalar::$scalar, value).bits() as u16)
            }
        }
    };
}

// Zeros, the smallest and largest subnormals and normals, 1 and its neighbours, infinity, NaN.
half!(
    f16,
    F16,
    &[
        0, 0x8000, 1, 0x8001, 0x3ff, 0x400, 0x8400, 0x3bff, 0x3c00, 0xbc00, 0x3c01, 0x4200, 0x7bff,
        0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x1400, 0x5640, 0xd7ff,
    ]
);
half!(
    bf16,
    Bf16,
    &[
        0, 0x8000, 1, 0x8001, 0x7f, 0x80, 0x8080, 0x3f7f, 0x3f80, 0xbf80, 0x3f81, 0x4040, 0x7f7f,
        0xff7f, 0x7f80, 0xff80, 0x7fc0, 0x1f00, 0x4ab3, 0xcbff,
    ]
);

/// All pairs of special values, and as many of mixed bits; the halves of a word differ.
fn words<T: Half>() -> Vec<(u32, u32)> {
    let mut words = Vec::new();
    let n = T::SPECIAL.len();
    for (i, a) in T::SPECIAL.iter().enumerate() {
        for (j, b) in T::SPECIAL.iter().enumerate() {
            let (c, d) = (T::SPECIAL[(i + j) % n], T::SPECIAL[(3 * i + 7 * j) % n]);
            words.push((u32::from(*a) | u32::from(c) << 16, u32::from(*b) | u32::from(d) << 16));
        }
    }
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state ^ state >> 15
    };
    words.extend((0..624).map(|_| (next(), next())));
    words
}

/// `f` of both halves.
fn each<T: Half>(a: u32, b: u32, f: impl Fn(T, T) -> T) -> u32 {
    let half = |at: u32| u32::from(f(T::of((a >> at) as u16), T::of((b >> at) as u16)).bits());
    half(0) | half(16) << 16
}

/// Whether both halves are the same bits, or NaN.
fn same<T: Half>(a: u32, b: u32) -> bool {
    [0, 16].into_iter().all(|at| {
        let (a, b) = ((a >> at) as u16, (b >> at) as u16);
        a == b || T::of(a).wide().is_nan() && T::of(b).wide().is_nan()
    })
}

/// `x * y + x`, rounded once: where `f64` loses bits the sum becomes the odd one of the two
/// neighbours, which the second rounding takes for what it is.
fn fused<T: Half>(x: T, y: T) -> T {
    let (product, addend) = (x.wide() * y.wide(), x.wide());
    let sum = product + addend;
    let back = sum - product;
    let lost = (product - (sum - back)) + (addend - back);
    let bits = sum.to_bits();
    if !sum.is_finite() || lost == 0.0 || bits & 1 == 1 {
        return T::round(sum);
    }
    let away = (lost > 0.0) == (sum > 0.0);
    T::round(f64::from_bits(if away { bits + 1 } else { bits - 1 }))
}

fn least<T: Half>(x: T, y: T) -> T {
    match (x.wide(), y.wide()) {
        (a, _) if a.is_nan() => y,
        (_, b) if b.is_nan() => x,
        (a, b) if a < b || a == b && a.is_sign_negative() => x,
        _ => y,
    }
}

fn most<T: Half>(x: T, y: T) -> T {
    match (x.wide(), y.wide()) {
        (a, _) if a.is_nan() => y,
        (_, b) if b.is_nan() => x,
        (a, b) if a > b || a == b && a.is_sign_positive() => x,
        _ => y,
    }
}

/// One operation on words, for each machine whose instructions differ.
fn check<T: Half>(ty: &str, expr: &str, want: impl Fn(u32, u32) -> u32) {
    let device = device();
    let words = words::<T>();
    let (xs, ys): (Vec<u32>, Vec<u32>) = words.iter().copied().unzip();
    let (a, b) = (device.alloc_from(&xs).unwrap(), device.alloc_from(&ys).unwrap());
    let (n, len) = (xs.len() as u32, xs.len() as u64);
    for arch in [70, 80, 90] {
        let source = format!(
            "fn kernel(a: &[u32], b: &[u32], out: &mut [u32], n: u32) {{
                let i = block_idx_x() * block_dim_x() + thread_idx_x();
                if i < n {{
                    let x = {ty}::from_bits(a[i]);
                    let y = {ty}::from_bits(b[i]);
                    let z: {ty} = {expr};
                    out[i] = z.to_bits();
                }}
            }}"
        );
        let kernel =
            load(&device, &format!("block_size = 64, unchecked, arch = \"sm_{arch}\""), &source);
        let out: GpuBuffer<u32> = device.alloc_zeros(xs.len()).unwrap();
        let args: [Arg<'_>; 7] =
            [(&a).into(), len.into(), (&b).into(), len.into(), (&out).into(), len.into(), n.into()];
        kernel.launch(&device.stream(), [n.div_ceil(64), 1, 1], [64, 1, 1], &args).unwrap();
        for ((x, y), got) in words.iter().zip(out.to_host(&device).unwrap()) {
            let want = want(*x, *y);
            assert!(
                same::<T>(got, want),
                "`{expr}` of {x:#010x} and {y:#010x}: {ty} is {want:#010x}, not {got:#010x} \
                 (sm_{arch})"
            );
        }
    }
}

macro_rules! operations {
    ($($test:ident $ty:ident $half:ident;)*) => { $(
        mod $test {
            use super::*;

            fn check(expr: &str, want: impl Fn($half, $half) -> $half) {
                super::check::<$half>(stringify!($ty), expr, |x, y| each(x, y, &want));
            }

            #[test]
            fn sums() {
                check("x + y", |x, y| x + y);
                check("x - y", |x, y| x - y);
                check("{ let mut z = x; z += y; z -= x; z }", |x, y| (x + y) - x);
            }

            #[test]
            fn products() {
                check("x * y", |x, y| x * y);
                check("x * y - x", |x, y| x * y - x);
                check("{ let mut z = x; z *= y; -z }", |x, y| -(x * y));
            }

            #[test]
            fn fused_products() {
                check("x.mul_add(y, x)", fused);
                check("fma(x, y, x)", fused);
            }

            #[test]
            fn order_and_signs() {
                check("x.min(y)", least);
                check("max(x, y)", most);
                check("-x", |x, _| -x);
                check("x.abs()", |x, _| $half::from_bits(x.to_bits() & 0x7fff));
            }

            #[test]
            fn halves() {
                let ty = stringify!($ty);
                let swap = |x: u32, _| x.rotate_left(16);
                super::check::<$half>(ty, &format!("{ty}::new(x.hi(), x.lo())"), swap);
                let singles = "{ let (lo, hi) = x.to_f32(); ";
                let body = format!("{singles} {ty}::from_f32(hi, lo) }}");
                super::check::<$half>(ty, &body, swap);
                let high = |x: u32, _| (x >> 16) * 0x1_0001;
                super::check::<$half>(ty, &format!("{ty}::splat(x.hi())"), high);
                let other = |_, y: u32| y;
                super::check::<$half>(ty, "if x.to_bits() == 7 { x } else { y }", other);
                let constant = format!("{ty}::new(1.5, -0.0) + {ty}::splat(2.0) * {ty}::ZERO");
                let want = <$ty>::from_f32(1.5, 0.0).to_bits();
                super::check::<$half>(ty, &constant, |_, _| want);
            }
        }
    )* };
}

operations! {
    pairs_of_f16 f16x2 f16;
    pairs_of_bf16 bf16x2 bf16;
}

/// In a device function a pair is known by its class, or is one of many numbers.
#[gpu_fn]
fn swapped<T: Pair>(x: T) -> T {
    T::new(x.hi(), x.lo())
}

#[gpu_fn]
fn squared_difference<T: NumberOrPair>(x: T, y: T) -> T {
    let d = x - y;
    d * d
}

/// Pairs in slices, shared memory, vectors of 16 bytes, shuffles and as an argument.
#[gpu_kernel(block_size = 32, instances(T = [f16x2, bf16x2]))]
fn moved<T: Pair>(x: &[T], y: &mut [T], a: T) {
    let i = thread_idx_x();
    let tile = shared_mem![T; 32];
    tile[i] = x[i];
    bar_sync();
    y[i] = squared_difference(tile[31 - i], a);
    y[32 + i] = swapped(shfl_sync_bfly(x[i], 1, 32));
    if i < 8 {
        store_vec4(y, 64 + i * 4, load_vec4(x, i * 4));
    }
}

macro_rules! moved {
    ($($test:ident $ty:ident $half:ident;)*) => { $(
        #[test]
        fn $test() {
            let device = device();
            let x: Vec<$ty> =
                (0..32u8).map(|i| $ty::from_f32(f32::from(i), -f32::from(i) / 2.0)).collect();
            let a = $ty::from_f32(3.0, 0.5);
            let from = device.alloc_from(&x).unwrap();
            let mut y = device.alloc_zeros::<$ty>(96).unwrap();
            moved::launch::<$ty>(&device, &from, &mut y, a, (1, 1, 1)).unwrap();
            let got = y.to_host(&device).unwrap();
            for i in 0..32 {
                let d = x[31 - i] - a;
                assert_eq!(got[i], d * d);
                assert_eq!(got[32 + i], $ty::new(x[i ^ 1].hi(), x[i ^ 1].lo()));
            }
            assert_eq!(got[64..], x);
        }
    )* };
}

moved! {
    pairs_of_f16_move_as_words f16x2 f16;
    pairs_of_bf16_move_as_words bf16x2 bf16;
}

/// Two halves of a slice are a pair.
#[gpu_kernel(block_size = 32)]
fn neighbours(x: &[f16], y: &mut [f16], sums: &mut [bf16]) {
    let i = thread_idx_x();
    let pair = load_vec2(x, i * 2);
    store_vec2(y, i * 2, pair * f16x2::splat(2.0));
    let one: bf16x2 = bf16x2::new(1.0, -1.0);
    atomic_add_vec2(sums, 0, one);
}

#[test]
fn two_halves_of_a_slice_are_a_pair() {
    let device = device();
    let x: Vec<f16> = (0..64u8).map(|i| f16::from_f32(f32::from(i) / 8.0)).collect();
    let from = device.alloc_from(&x).unwrap();
    let mut y = device.alloc_zeros::<f16>(64).unwrap();
    let mut sums = device.alloc_zeros::<bf16>(2).unwrap();
    neighbours::launch(&device, &from, &mut y, &mut sums, (1, 1, 1)).unwrap();
    let want: Vec<f16> = x.iter().map(|it| *it + *it).collect();
    assert_eq!(y.to_host(&device).unwrap(), want);
    assert_eq!(sums.to_host(&device).unwrap(), [32.0, -32.0].map(bf16::from_f32));
}
