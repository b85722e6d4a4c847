//! Products of matrices in the registers of a warp, and the copies that feed them.

use firesteel::half::{bf16, f16};
use firesteel::prelude::*;

use crate::device;

/// Small integers, which every type holds and sums exactly.
fn numbers(count: usize, seed: u32) -> Vec<i32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i32 % 7
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// `A[m, k] B[n, k]ᵀ` of row-major factors.
fn product(a: &[i32], b: &[i32], [m, n, k]: [usize; 3]) -> Vec<f64> {
    let at = |i: usize, j: usize| (0..k).map(|p| a[i * k + p] * b[j * k + p]).sum::<i32>();
    (0..m * n).map(|i| f64::from(at(i / n, i % n))).collect()
}

/// One warp: 16 by 8 by `$k` from shared memory, the copies in the background.
macro_rules! warp_product {
    ($arch:literal, $name:ident, $test:ident, $ty:ty, $sum:ty, $k:literal, $copy:literal, $make:expr) => {
        #[gpu_kernel(block_size = 32, arch = $arch)]
        fn $name(a: &[$ty], b: &[$ty], c: &mut [$sum]) {
            let left = shared_mem![$ty; 16 * $k];
            // The upper half stays zero.
            let right = shared_mem![$ty; 16 * $k];
            let lane = lane_id();
            cp_async_16(&mut left[lane * $copy], &a[lane * $copy]);
            cp_async_16_or_zero(&mut right[lane * $copy], &b[lane * $copy], lane < 16);
            cp_async_commit();
            cp_async_wait(0);
            bar_sync();
            let x = ldmatrix_a(left, lane % 16 * $k + lane / 16 * $copy);
            let y = ldmatrix_b(right, lane % 8 * $k + lane / 8 % 2 * $copy);
            let mut sum = FragC::<$sum>::zero();
            mma(&mut sum, x, y);
            for i in 0..4u32 {
                c[(lane / 4 + 8 * (i / 2)) * 8 + lane % 4 * 2 + i % 2] = sum[i];
            }
        }

        #[test]
        fn $test() {
            let device = device();
            let (a, b) = (numbers(16 * $k, 1), numbers(8 * $k, 2));
            let make = |values: &[i32]| values.iter().map($make).collect::<Vec<$ty>>();
            let x = device.alloc_from(&make(&a)).unwrap();
            let y = device.alloc_from(&make(&b)).unwrap();
            let mut c = device.alloc_zeros::<$sum>(16 * 8).unwrap();
            $name::launch(&device, &x, &y, &mut c, (1, 1, 1)).unwrap();
            let got: Vec<f64> =
                c.to_host(&device).unwrap().into_iter().map(|it| it as f64).collect();
            assert_eq!(got, product(&a, &b, [16, 8, $k]));
        }
    };
}

warp_product!("sm_80", mma_f16, halves_are_multiplied, f16, f32, 16, 8, |it| f16::from_f32(
    *it as f32
));
warp_product!("sm_80", mma_bf16, short_floats_are_multiplied, bf16, f32, 16, 8, |it| {
    bf16::from_f32(*it as f32)
});
warp_product!("sm_80", mma_tf32, floats_are_multiplied, f32, f32, 8, 4, |it| *it as f32);
warp_product!("sm_80", mma_i8, signed_bytes_are_multiplied, i8, i32, 32, 16, |it| *it as i8);
warp_product!("sm_80", mma_u8, bytes_are_multiplied, u8, i32, 32, 16, |it| *it as u8);
warp_product!("sm_89", mma_e4m3, e4m3_are_multiplied, e4m3, f32, 32, 16, |it| {
    e4m3::from_f32(*it as f32)
});
warp_product!("sm_89", mma_e5m2, e5m2_are_multiplied, e5m2, f32, 32, 16, |it| {
    e5m2::from_f32(*it as f32)
});

#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn mma_f64(a: &[f64], b: &[f64], c: &mut [f64]) {
    let lane = lane_id();
    let (row, step) = (lane / 4, lane % 4);
    let mut sum = FragC::<f64>::zero();
    mma(&mut sum, frag_a_f64(a[row * 4 + step]), frag_b_f64(b[row * 4 + step]));
    c[row * 8 + step * 2] = sum[0];
    c[row * 8 + step * 2 + 1] = sum[1];
}

#[test]
fn doubles_are_multiplied() {
    let device = device();
    let (a, b) = (numbers(32, 3), numbers(32, 4));
    let make = |values: &[i32]| values.iter().map(|it| f64::from(*it)).collect::<Vec<_>>();
    let (x, y) = (device.alloc_from(&make(&a)).unwrap(), device.alloc_from(&make(&b)).unwrap());
    let mut c = device.alloc_zeros::<f64>(64).unwrap();
    mma_f64::launch(&device, &x, &y, &mut c, (1, 1, 1)).unwrap();
    assert_eq!(c.to_host(&device).unwrap(), product(&a, &b, [8, 8, 4]));
}

/// Both factors run along the other dimension: `A[k, m]` and `B[k, n]`.
#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn transposed(a: &[f16], b: &[f16], c: &mut [f32]) {
    let left = shared_mem![f16; 16 * 16];
    let right = shared_mem![f16; 16 * 16];
    let lane = lane_id();
    cp_async_16(&mut left[lane * 8], &a[lane * 8]);
    cp_async_16(&mut right[lane * 8], &b[lane * 8]);
    cp_async_commit();
    cp_async_wait(0);
    bar_sync();
    let x = ldmatrix_a_trans(left, (lane % 8 + lane / 16 * 8) * 16 + lane / 8 % 2 * 8);
    let (y0, y1) = ldmatrix_b2_trans(right, lane % 16 * 16 + lane / 16 * 8);
    let mut sums = [FragC::<f32>::zero(); 2];
    mma(&mut sums[0], x, y0);
    mma(&mut sums[1], x, y1);
    for half in 0..2u32 {
        for i in 0..4u32 {
            let (row, col) = (lane / 4 + 8 * (i / 2), half * 8 + lane % 4 * 2 + i % 2);
            c[row * 16 + col] = sums[half][i];
        }
    }
}

#[test]
fn matrices_are_transposed_on_the_way() {
    let device = device();
    let (a, b) = (numbers(256, 5), numbers(256, 6));
    let make =
        |values: &[i32]| values.iter().map(|it| f16::from_f32(*it as f32)).collect::<Vec<_>>();
    let (x, y) = (device.alloc_from(&make(&a)).unwrap(), device.alloc_from(&make(&b)).unwrap());
    let mut c = device.alloc_zeros::<f32>(256).unwrap();
    transposed::launch(&device, &x, &y, &mut c, (1, 1, 1)).unwrap();
    let across =
        |values: &[i32]| (0..256).map(|i| values[i % 16 * 16 + i / 16]).collect::<Vec<_>>();
    let want = product(&across(&a), &across(&b), [16, 16, 16]);
    assert_eq!(c.to_host(&device).unwrap().into_iter().map(f64::from).collect::<Vec<_>>(), want);
}

/// The words of a fragment, there and back, and as pairs.
#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn from_words(a: &[f32], c: &mut [f32]) {
    let lane = lane_id();
    let (row, col) = (lane / 4, lane % 4 * 2);
    let at = row * 16 + col;
    let words = [
        pack_bf16x2(a[at], a[at + 1]),
        pack_bf16x2(a[at + 128], a[at + 129]),
        pack_bf16x2(a[at + 8], a[at + 9]),
        pack_bf16x2(a[at + 136], a[at + 137]),
    ];
    let left = frag_a::<bf16>(frag_a_words(frag_a::<bf16>(words)));
    // The identity: column `n` has its one at K `n`.
    let mut sum = FragC::<f32>::zero();
    let low =
        pack_bf16x2(if row == col { 1.0 } else { 0.0 }, if row == col + 1 { 1.0 } else { 0.0 });
    mma(&mut sum, left, frag_b::<bf16>([low, 0]));
    for i in 0..4u32 {
        c[(row + 8 * (i / 2)) * 8 + col + i % 2] = sum[i];
    }
}

#[test]
fn fragments_are_made_of_words() {
    let device = device();
    let a: Vec<f32> = (0u8..=255).map(f32::from).collect();
    let x = device.alloc_from(&a).unwrap();
    let mut c = device.alloc_zeros::<f32>(128).unwrap();
    from_words::launch(&device, &x, &mut c, (1, 1, 1)).unwrap();
    let want: Vec<f32> = (0..128).map(|i| a[i / 8 * 16 + i % 8]).collect();
    assert_eq!(c.to_host(&device).unwrap(), want);
}

/// More shared memory than a function may declare.
#[gpu_kernel(block_size = 256, arch = "sm_80")]
fn reversed(x: &[f32], y: &mut [f32]) {
    let front = shared_mem![f32; 12 * 1024];
    let back = shared_mem![f32; 4 * 1024, align = 1024];
    let rest = dynamic_shared![u32];
    let thread = thread_idx_x();
    for i in (thread..12 * 1024).step_by(256) {
        front[i] = x[i];
    }
    for i in (thread..4 * 1024).step_by(256) {
        back[i] = x[12 * 1024 + i];
    }
    rest[thread] = thread;
    bar_sync();
    for i in (thread..12 * 1024).step_by(256) {
        y[16 * 1024 - 1 - i] = front[i];
    }
    for i in (thread..4 * 1024).step_by(256) {
        y[4 * 1024 - 1 - i] = back[i];
    }
    if thread == 255 {
        y[0] = (rest[255] as usize + rest.len()) as f32;
    }
}

#[test]
fn a_block_has_more_shared_memory_than_a_function_declares() {
    let device = device();
    let x: Vec<f32> = (0u16..16 * 1024).map(f32::from).collect();
    let from = device.alloc_from(&x).unwrap();
    let mut to = device.alloc_zeros::<f32>(x.len()).unwrap();
    let config = LaunchConfig::new([1, 1, 1]).with_dynamic_shared(1024);
    reversed::launch_on(&device.stream(), config, &from, &mut to).unwrap();
    let mut want: Vec<f32> = x.into_iter().rev().collect();
    want[0] = 255.0 + 256.0;
    assert_eq!(to.to_host(&device).unwrap(), want);
}
