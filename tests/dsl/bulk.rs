//! Bulk copies, and what goes wrong with them; cache policies, which change no value.

use firesteel::prelude::*;

use crate::device;

/// Doubles `n` elements of each block: in by a bulk copy, out by another, and once more added.
#[gpu_kernel(block_size = 64, arch = "sm_90")]
fn doubled(n: i32, x: &[f32], y: &mut [f32], sums: &mut [f32]) {
    let tile = shared_mem![f32; 256];
    let bar = shared_mem![u64; 1];
    let (i, block, n) = (thread_idx_x(), block_idx_x(), n as u32);
    if i == 0 {
        mbarrier_init(&mut bar[0], 1);
        fence_mbarrier_init();
    }
    bar_sync();
    if i == 0 {
        bulk_prefetch(&x[block * n], n);
        mbarrier_arrive_expect_tx(&mut bar[0], n * 4);
        bulk_load(&mut tile[0], &x[block * n], n, &mut bar[0]);
    }
    mbarrier_wait(&mut bar[0], 0);
    let mut k = i;
    while k < n {
        tile[k] *= 2.0;
        k += 64;
    }
    fence_proxy_async();
    bar_sync();
    if i == 0 {
        bulk_store(&mut y[block * n], &tile[0], n);
        bulk_reduce_add(&mut sums[0], &tile[0], n);
        tma_commit();
        tma_wait(0);
    }
}

#[test]
fn pieces_of_slices_are_copied_and_added() {
    let device = device();
    for n in [4i32, 64, 256] {
        let x: Vec<f32> = (0..3 * n).map(|i| i as f32).collect();
        let from = device.alloc_from(&x).unwrap();
        let mut y = device.alloc_zeros::<f32>(x.len()).unwrap();
        let mut sums = device.alloc_zeros::<f32>(n as usize).unwrap();
        doubled::launch(&device, n, &from, &mut y, &mut sums, (3, 1, 1)).unwrap();
        let want: Vec<f32> = x.iter().map(|it| it * 2.0).collect();
        assert_eq!(y.to_host(&device).unwrap(), want);
        let n = n as usize;
        let want: Vec<f32> = (0..n).map(|i| want[i] + want[n + i] + want[2 * n + i]).collect();
        assert_eq!(sums.to_host(&device).unwrap(), want);
    }
}

#[test]
fn a_piece_outside_of_its_slice_is_a_fault() {
    let device = device();
    let x = device.alloc_from(&[1.0f32; 64]).unwrap();
    let mut y = device.alloc_zeros::<f32>(64).unwrap();
    let mut sums = device.alloc_zeros::<f32>(64).unwrap();
    doubled::launch(&device, 68, &x, &mut y, &mut sums, (1, 1, 1)).unwrap();
    let error = device.stream().synchronize().unwrap_err().to_string();
    assert!(error.contains("`x`"), "{error}");
    doubled::launch(&device, 6, &x, &mut y, &mut sums, (1, 1, 1)).unwrap();
    let error = device.stream().synchronize().unwrap_err().to_string();
    assert!(error.contains("a bulk copy moves a multiple of 4 elements"), "{error}");
}

macro_rules! planted {
    ($name:ident, $test:ident, $finding:literal, |$tile:ident, $y:ident, $bar:ident| $body:block) => {
        #[gpu_kernel(block_size = 1, arch = "sm_90")]
        fn $name(x: &[f32], $y: &mut [f32]) {
            let $tile = shared_mem![f32; 64];
            let $bar = shared_mem![u64; 1];
            mbarrier_init(&mut $bar[0], 1);
            fence_mbarrier_init();
            mbarrier_arrive_expect_tx(&mut $bar[0], 256);
            bulk_load(&mut $tile[0], &x[0], 64, &mut $bar[0]);
            $body
        }

        /// A GPU does not notice.
        #[test]
        fn $test() {
            let device = Device::sim();
            let x = device.alloc_from(&[1.0f32; 64]).unwrap();
            let mut y = device.alloc_zeros::<f32>(64).unwrap();
            let launched = $name::launch(&device, &x, &mut y, (1, 1, 1));
            let error = launched.and_then(|()| device.stream().synchronize()).unwrap_err();
            let error = error.to_string();
            assert!(error.contains($finding), "{error}");
        }
    };
}

planted!(hasty, a_load_that_nobody_waits_for, "asynchronous copy", |tile, y, bar| {
    y[0] = tile[0];
    mbarrier_wait(&mut bar[0], 0);
});
planted!(unfenced, a_store_of_what_is_not_fenced, "fence", |tile, y, bar| {
    mbarrier_wait(&mut bar[0], 0);
    tile[0] = 2.0;
    bulk_store(&mut y[0], &tile[0], 64);
    tma_commit();
    tma_wait(0);
});
planted!(reused, a_source_that_is_still_read, "asynchronous copy", |tile, y, bar| {
    mbarrier_wait(&mut bar[0], 0);
    bulk_store(&mut y[0], &tile[0], 64);
    tma_commit();
    tile[0] = 2.0;
    tma_wait(0);
});

/// Every access with a policy, and loads that fetch ahead.
#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn kept(x: &[f32], y: &mut [f32], fraction: f32) {
    let i = thread_idx_x();
    let tile = shared_mem![f32; 128];
    let first = policy_evict_first(1.0);
    let last: CachePolicy = policy_evict_last(fraction);
    cp_async_16_policy(&mut tile[i * 4], &x[i * 4], last);
    cp_async_commit();
    cp_async_wait(0);
    let v = load_vec4_nc_policy(x, i * 4, policy_evict_normal(0.25));
    let w = load_vec4_policy(x, i * 4, policy_evict_unchanged(0.5));
    store_vec4_policy(y, i * 4, f32x4::new(v.x + tile[i * 4], w.y, v.z, w.w), first);
    let one = load_policy(&x[i], first) + load_nc_policy(&x[i], last);
    store_policy(&mut y[128 + i], one + load_ahead_128(&x[i]) + load_ahead_256(&x[i]), last);
}

#[test]
fn policies_change_no_value() {
    let device = device();
    let x: Vec<f32> = (0..128u8).map(f32::from).collect();
    let from = device.alloc_from(&x).unwrap();
    let mut y = device.alloc_zeros::<f32>(160).unwrap();
    kept::launch(&device, &from, &mut y, 0.5, (1, 1, 1)).unwrap();
    let got = y.to_host(&device).unwrap();
    let want: Vec<f32> = (0..128).map(|i| if i % 4 == 0 { 2.0 * x[i] } else { x[i] }).collect();
    assert_eq!(got[..128], want);
    assert_eq!(got[128..], x[..32].iter().map(|it| 4.0 * it).collect::<Vec<_>>());
}

/// The same of bulk and tensor copies.
#[gpu_kernel(block_size = 32, arch = "sm_90")]
fn kept_boxes(x: &[f32], a: &TensorMap<f32, 2>, b: &mut TensorMap<f32, 2>, y: &mut [f32]) {
    let tile = shared_mem![f32; 256, align = 128];
    let bar = shared_mem![u64; 1];
    let i = thread_idx_x();
    let policy = policy_evict_first(1.0);
    if i == 0 {
        mbarrier_init(&mut bar[0], 1);
        fence_mbarrier_init();
        mbarrier_arrive_expect_tx(&mut bar[0], 1024);
        tma_load_policy(&mut tile[0], a, [0, 0], &mut bar[0], policy);
        bulk_load_policy(&mut tile[128], &x[0], 128, &mut bar[0], policy);
    }
    bar_sync();
    mbarrier_wait(&mut bar[0], 0);
    for k in 0..4u32 {
        y[i + 32 * k] = tile[128 + i + 32 * k];
    }
    bar_sync();
    if i == 0 {
        tma_store_policy(b, [0, 0], &tile[0], policy);
        tma_commit();
        tma_wait(0);
    }
}

#[test]
fn policies_of_copies_change_no_value() {
    let device = device();
    let x: Vec<f32> = (0..128u8).map(f32::from).collect();
    let from = device.alloc_from(&x).unwrap();
    let mut to = device.alloc_zeros::<f32>(128).unwrap();
    let mut y = device.alloc_zeros::<f32>(128).unwrap();
    let tiling = Tiling::new([16, 8], [16, 8]);
    let a = TensorMap::tiled(&from, tiling).unwrap();
    let mut b = TensorMapMut::tiled(&mut to, tiling).unwrap();
    kept_boxes::launch(&device, &from, &a, &mut b, &mut y, (1, 1, 1)).unwrap();
    drop(b);
    assert_eq!(y.to_host(&device).unwrap(), x);
    assert_eq!(to.to_host(&device).unwrap(), x);
}
