//! Accesses of 32 bytes, which machines have from `sm_100` on.

use firesteel::prelude::*;
use firesteel::{Checks, SimOptions};

/// 32 bytes at a time, to the end of `y` and by way of shared memory.
#[gpu_kernel(block_size = 32, arch = "sm_100")]
fn moved(x: &[f32], y: &mut [f32], h: &[f16], g: &mut [f16], d: &mut [f64]) {
    let i = thread_idx_x();
    let tile = shared_mem![f32; 256];
    let v = load_vec8(x, i * 8);
    store_vec8(tile, i * 8, v);
    let back = load_vec8(tile, i * 8);
    let mut sum = 0.0;
    for lane in 0..8u32 {
        sum += back[lane];
    }
    store_vec8(y, i * 8, f32x8::new(sum, v[1], v[2], v[3], v[4], v[5], v[6], v[7]));
    store_vec16(g, i * 16, load_vec16_nc(h, i * 16));
    store_vec4(d, i * 4, f64x4::splat(sum as f64));
}

#[test]
fn thirty_two_bytes_are_moved_at_once() {
    let options = SimOptions { sm: 100, checks: Checks::All, ..SimOptions::default() };
    let device = Device::sim_with(options);
    let x: Vec<f32> = (0..256u16).map(f32::from).collect();
    let h: Vec<f16> = (0..512u16).map(|i| f16::from_f32(f32::from(i))).collect();
    let (from, halves) = (device.alloc_from(&x).unwrap(), device.alloc_from(&h).unwrap());
    let mut y = device.alloc_zeros::<f32>(256).unwrap();
    let mut g = device.alloc_zeros::<f16>(512).unwrap();
    let mut d = device.alloc_zeros::<f64>(128).unwrap();
    moved::launch(&device, &from, &mut y, &halves, &mut g, &mut d, (1, 1, 1)).unwrap();
    let sum = |i: usize| x[i / 8 * 8..][..8].iter().sum::<f32>();
    let want: Vec<f32> = (0..256).map(|i| if i % 8 == 0 { sum(i) } else { x[i] }).collect();
    assert_eq!(y.to_host(&device).unwrap(), want);
    assert_eq!(g.to_host(&device).unwrap(), h);
    let want: Vec<f64> = (0..128).map(|i| f64::from(sum(i / 4 * 8))).collect();
    assert_eq!(d.to_host(&device).unwrap(), want);
}

#[test]
fn the_accesses_are_those_of_the_machine() {
    assert!(moved::PTX.contains("ld.global.v8.f32"), "{}", moved::PTX);
    assert!(moved::PTX.contains("st.global.v4.f64"), "{}", moved::PTX);
    assert!(moved::PTX.contains("ld.global.nc.v8.b32"), "{}", moved::PTX);
    assert!(moved::PTX.contains(".target sm_100"), "{}", moved::PTX);
}
