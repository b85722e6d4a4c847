//! Memory and the warp: shared arrays, atomics, vectors, shuffles, votes, printing.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn shared_arrays(x: &[f32], y: &mut [f32], n: u32) {
    const WIDTH: u32 = 16;
    let tile = shared_mem![f32; WIDTH * (WIDTH + 1)];
    let bins = shared_mem![u32; 64];
    let rest = dynamic_shared![f64];
    let tid = thread_rank();
    tile[tid] = x[tid];
    bar_sync();
    atomic_add(&mut bins[tid % 64], 1);
    atomic_min_with(&mut bins[0], tid, Scope::Block, Order::AcqRel);
    rest[tid as usize] = tile[tid] as f64;
    warp_sync();
    if (tid as usize) < y.len() && tid < n {
        y[tid] = rest[tid] as f32 + bins[3] as f32 + tile.len() as f32;
    }
}

#[gpu_kernel(block_size = 128, unchecked)]
pub fn atomics(u: &mut [u32], i: &mut [i64], f: &mut [f32], h: &mut [f16], n: u32) {
    let old = atomic_cas(&mut u[0], 0, n);
    if old == 0 {
        atomic_exch(&mut f[1], 2.0);
    }
    atomic_add(&mut f[0], 1.5);
    atomic_add(&mut h[0], 0.5);
    atomic_sub(&mut i[0], 1);
    atomic_max(&mut i[1], old as i64);
    atomic_inc(&mut u[1], 31);
    atomic_or_with(&mut u[2], 1, Scope::System, Order::Release);
    atomic_store(&mut u[3], atomic_load(&u[4]));
    u[u[5]] += u[u[6]];
    atomic_add_vec2(h, 2, f16x2::splat(1.0));
    fence_block();
    fence_device();
    fence_system();
}

#[gpu_kernel(block_size = 128)]
pub fn vectors(x: &[f32], b: &[u8], y: &mut [f32], z: &mut [u32], n: u32) {
    let i = thread_idx_x() * 4;
    let mut v = load_vec4(x, i);
    v.x += v[1];
    let w = f32x4::new(v.w, v.z, v.y, v.x);
    store_vec4(y, i, w);
    store_vec2_cs(y, i, load_vec2(&y, i + 2));
    let bytes = load_vec16_nc(b, n * 16);
    z[i] = bytes[15] as u32 + dp4a(z[0], z[1], -1) as u32;
    store_cs(&mut y[i], load_nc(&x[i]) + load_cg(&x[n]));
    prefetch_l2(&x[i + 1]);
    z[i] = prmt(z[i], n, 0x3210) ^ lop3::<0x96>(n, i, 7) ^ bfe(n, 3, 5) ^ funnel_shl(n, i, 8);
    z[i] += mul_hi(n, i) + bfi(n, i, 0, 8);
}

#[gpu_kernel(block_size = 64)]
pub fn warps(x: &[f32], z: &mut [u32], n: u32) {
    let lane = lane_id();
    let v = shfl_sync_idx(x[lane], 0, 16) as f64;
    let w = shfl_down_mask(0xffff_ffff, v, 1, 32);
    let mask = ballot(w > v);
    let (same, all) = match_all(n);
    if vote_any(all) && mask.count_ones() > 3 {
        z[lane] = same | match_any(mask) | active_mask() & lane_mask_lt();
    }
    assert!(n > 0, "the length is positive");
    assert_eq!(n % 2, 0);
    gpu_println!("{lane} of {} has {w:.3}", n);
    let start = clock64();
    nanosleep(10);
    if clock64() - start > 1_000_000 {
        trap();
    }
}
