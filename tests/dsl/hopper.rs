//! Products of warpgroups, fed by tensor copies: the shape of a fast matrix multiplication, small.

use firesteel::half::bf16;
use firesteel::prelude::*;
use firesteel_tests::ptxas;

use crate::device;

/// Whether the device has tensor copies.
fn has_copies(device: &Device) -> bool {
    device.info().unwrap().compute_capability >= (9, 0)
}

/// Small numbers, which every type holds and every order of summation adds exactly.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i + seed) * 37 % 101 % 9) as f32 - 4.0).collect()
}

/// `A[m, k] B[n, k]ᵀ` of row-major factors.
fn product(a: &[f32], b: &[f32], [m, n, k]: [usize; 3]) -> Vec<f32> {
    let at = |i: usize, j: usize| (0..k).map(|p| a[i * k + p] * b[j * k + p]).sum();
    (0..m * n).map(|i| at(i / n, i % n)).collect()
}

/// One warpgroup: 64 by 64, two blocks of 128 bytes along K, the second of which ends outside.
#[gpu_kernel(block_size = 128, arch = "sm_90", instances(T = [bf16, e4m3, e5m2]))]
fn rows_along_k<T: WgmmaFactor>(a: &TensorMap<T, 2>, b: &TensorMap<T, 2>, c: &mut [f32]) {
    let left = shared_mem![T; 64 * 128 / T::BYTES, align = 1024];
    let right = shared_mem![T; 64 * 128 / T::BYTES, align = 1024];
    let full = shared_mem![u64; 1];
    let thread = thread_idx_x();
    if thread == 0 {
        mbarrier_init(&mut full[0], 1);
        fence_mbarrier_init();
    }
    bar_sync();
    let mut sum = WarpgroupC::<f32, 64>::zero();
    for block in 0..2u32 {
        if thread == 0 {
            mbarrier_arrive_expect_tx(&mut full[0], 2 * 64 * 128);
            let at = [(block * 128 / T::BYTES) as i32, 0];
            tma_load(&mut left[0], a, at, &mut full[0]);
            tma_load(&mut right[0], b, at, &mut full[0]);
        }
        mbarrier_wait(&mut full[0], block % 2);
        wgmma_fence();
        for step in 0..4u32 {
            let k = step * 32 / T::BYTES;
            wgmma(&mut sum, tile_k(left, k, 128), tile_k(right, k, 128));
        }
        wgmma_commit();
        wgmma_wait(0);
        // The next block overwrites what all four warps have read.
        bar_sync();
    }
    let (row, col) = (thread / 32 * 16 + thread % 32 / 4, thread % 4 * 2);
    for i in 0..32u32 {
        c[(row + 8 * (i / 2 % 2)) * 64 + i / 4 * 8 + col + i % 2] = sum[i];
    }
}

macro_rules! products {
    ($($test:ident $ty:ident;)*) => { $(
        #[test]
        fn $test() {
            let device = device();
            if !has_copies(&device) {
                return;
            }
            let block = 128 / size_of::<$ty>();
            let k = 2 * block - 16;
            let (a, b) = (numbers(64 * k, 1), numbers(64 * k, 2));
            let make =
                |values: &[f32]| values.iter().map(|it| $ty::from_f32(*it)).collect::<Vec<_>>();
            let x = device.alloc_from(&make(&a)).unwrap();
            let y = device.alloc_from(&make(&b)).unwrap();
            let mut c = device.alloc_zeros::<f32>(64 * 64).unwrap();
            let tiling = Tiling::new([k as u64, 64], [block as u32, 64]).swizzle(Swizzle::B128);
            let (left, right) =
                (TensorMap::tiled(&x, tiling).unwrap(), TensorMap::tiled(&y, tiling).unwrap());
            rows_along_k::launch::<$ty>(&device, &left, &right, &mut c, (1, 1, 1)).unwrap();
            assert_eq!(c.to_host(&device).unwrap(), product(&a, &b, [64, 64, k]));
        }
    )* };
}

products! {
    short_floats_are_multiplied bf16;
    e4m3_are_multiplied e4m3;
    e5m2_are_multiplied e5m2;
}

/// The right factor's rows run along N, 64 by 128; the sum leaves by tensor copies, one that
/// stores it and one that adds it.
#[gpu_kernel(block_size = 128, arch = "sm_90")]
fn rows_along_n(
    a: &TensorMap<bf16, 2>,
    b: &TensorMap<bf16, 2>,
    c: &mut TensorMap<f32, 2>,
    total: &mut TensorMap<f32, 2>,
) {
    let left = shared_mem![bf16; 64 * 64, align = 1024];
    // Two blocks of 64 columns, one after the other.
    let right = shared_mem![bf16; 2 * 64 * 64, align = 1024];
    let out = shared_mem![f32; 64 * 128, align = 128];
    let full = shared_mem![u64; 1];
    let thread = thread_idx_x();
    if thread == 0 {
        mbarrier_init(&mut full[0], 1);
        fence_mbarrier_init();
    }
    bar_sync();
    if thread == 0 {
        mbarrier_arrive_expect_tx(&mut full[0], 3 * 64 * 128);
        tma_load(&mut left[0], a, [0, 0], &mut full[0]);
        tma_load(&mut right[0], b, [0, 0], &mut full[0]);
        tma_load(&mut right[64 * 64], b, [64, 0], &mut full[0]);
    }
    mbarrier_wait(&mut full[0], 0);
    let mut sum = WarpgroupC::<f32, 128>::zero();
    wgmma_fence();
    for step in 0..4u32 {
        let x = tile_k(left, step * 16, 128);
        let y = tile_mn(right, step * 16 * 64, 128, 64 * 128);
        wgmma_or_set(&mut sum, x, y, step > 0);
    }
    wgmma_commit();
    wgmma_wait(0);
    let (row, col) = (thread / 32 * 16 + thread % 32 / 4, thread % 4 * 2);
    for i in 0..64u32 {
        out[(row + 8 * (i / 2 % 2)) * 128 + i / 4 * 8 + col + i % 2] = sum[i];
    }
    fence_proxy_async();
    bar_sync();
    if thread == 0 {
        tma_store(c, [0, 0], &out[0]);
        tma_reduce_add(total, [0, 0], &out[0]);
        tma_commit();
        tma_wait(0);
    }
}

#[test]
fn columns_side_by_side_are_multiplied_and_sums_leave_by_copies() {
    let device = device();
    if !has_copies(&device) {
        return;
    }
    let (a, b) = (numbers(64 * 64, 3), numbers(64 * 128, 4));
    let make = |values: &[f32]| values.iter().map(|it| bf16::from_f32(*it)).collect::<Vec<_>>();
    let (x, y) = (device.alloc_from(&make(&a)).unwrap(), device.alloc_from(&make(&b)).unwrap());
    let before: Vec<f32> = (0..64u16 * 128).map(f32::from).collect();
    let mut c = device.alloc_zeros::<f32>(64 * 128).unwrap();
    let mut total = device.alloc_from(&before).unwrap();
    let swizzled = |dims| Tiling::new(dims, [64, 64]).swizzle(Swizzle::B128);
    let left = TensorMap::tiled(&x, swizzled([64, 64])).unwrap();
    let right = TensorMap::tiled(&y, swizzled([128, 64])).unwrap();
    let whole = Tiling::new([128, 64], [128, 64]);
    let mut out = TensorMapMut::tiled(&mut c, whole).unwrap();
    let mut sums = TensorMapMut::tiled(&mut total, whole).unwrap();
    rows_along_n::launch(&device, &left, &right, &mut out, &mut sums, (1, 1, 1)).unwrap();
    let columns: Vec<f32> = (0..128 * 64).map(|i| b[i % 64 * 128 + i / 64]).collect();
    let want = product(&a, &columns, [64, 128, 64]);
    assert_eq!(c.to_host(&device).unwrap(), want);
    let want: Vec<f32> = want.iter().zip(&before).map(|(sum, before)| sum + before).collect();
    assert_eq!(total.to_host(&device).unwrap(), want);
}

#[test]
fn the_assembler_takes_every_instance() {
    for kernel in rows_along_k::INSTANCES {
        ptxas::demand(kernel.ptx(), &[]);
    }
    ptxas::demand(rows_along_n::ptx(), &[]);
}
