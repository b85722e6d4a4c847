//! Floats of 8 bits in kernels: stored, converted, packed and moved in vectors.

use firesteel::prelude::*;

use crate::device;

/// In a device function the type is known by its class alone.
#[gpu_fn]
fn rounded<T: Real>(x: f32) -> T {
    x as T
}

#[gpu_fn]
fn widened<T: Real>(x: T) -> f32 {
    x as f32
}

/// From `x` by way of scalars, pairs, bits and generic code; constants are `T`'s own.
#[gpu_kernel(block_size = 32, arch = "sm_89", instances(T = [e4m3, e5m2]))]
fn through<T: Real>(x: &[f32], narrow: &mut [T], back: &mut [f32], bits: &mut [u8], limit: T) {
    let i = thread_idx_x();
    let small = x[i] as T;
    let other = shfl_sync_bfly(small, 1, 32);
    narrow[i] = small;
    narrow[32 + i] = other;
    narrow[64 + i] = limit;
    narrow[96 + i] = T::from_bits(small.to_bits());
    back[i] = widened(rounded::<T>(x[i]));
    back[32 + i] = limit as f16 as f32;
    bits[i] = small.to_bits();
}

/// Around the range of both formats: ties, subnormals, the largest, beyond it, and NaN.
fn inputs() -> Vec<f32> {
    let mut values = vec![0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e9, -1e9];
    values.extend([448.0, 463.9, 464.0, 57344.0, 61440.0, 1.0, 1.0625, 1.125, 1.1875, -1.25]);
    values.extend([2f32.powi(-9), 2f32.powi(-10), 3.0 * 2f32.powi(-10), 2f32.powi(-6)]);
    values.extend([2f32.powi(-16), 2f32.powi(-17), 3.0 * 2f32.powi(-17), -2f32.powi(-14)]);
    values.extend([3.3, 17.0, -19.0, 0.1, -250.0, 6000.0, 0.7]);
    assert_eq!(values.len(), 32);
    values
}

macro_rules! round_trips {
    ($($test:ident $ty:ident;)*) => { $(
        #[test]
        fn $test() {
            let (device, x) = (device(), inputs());
            let from = device.alloc_from(&x).unwrap();
            let mut narrow = device.alloc_zeros::<$ty>(128).unwrap();
            let mut back = device.alloc_zeros::<f32>(64).unwrap();
            let mut bits = device.alloc_zeros::<u8>(32).unwrap();
            let grid = (1, 1, 1);
            let limit = $ty::MIN;
            through::launch::<$ty>(
                &device, &from, &mut narrow, &mut back, &mut bits, limit, grid,
            )
            .unwrap();
            let want: Vec<u8> = x.iter().map(|it| $ty::from_f32(*it).to_bits()).collect();
            let got: Vec<u8> =
                narrow.to_host(&device).unwrap().into_iter().map($ty::to_bits).collect();
            let other: Vec<u8> = (0..32).map(|i| want[i ^ 1]).collect();
            assert_eq!(got[..32], want);
            assert_eq!(got[32..64], other);
            assert_eq!(got[64..96], [limit.to_bits(); 32]);
            assert_eq!(got[96..], want);
            assert_eq!(bits.to_host(&device).unwrap(), want);
            let back = back.to_host(&device).unwrap();
            assert_eq!(back[32..], [limit.to_f32(); 32]);
            for (got, want) in back.iter().zip(want) {
                let want = $ty::from_bits(want).to_f32();
                assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan());
            }
        }
    )* };
}

round_trips! {
    e4m3_is_what_the_host_says e4m3;
    e5m2_is_what_the_host_says e5m2;
}

/// Sixteen at a time: unpacked, doubled and packed again.
#[gpu_kernel(block_size = 32, arch = "sm_89")]
fn doubled(x: &[e4m3], words: &[u16], y: &mut [e4m3], pairs: &mut [u16], small: &mut [u16]) {
    let i = thread_idx_x();
    let mut lanes = load_vec16(x, i * 16);
    for lane in 0..16u32 {
        lanes[lane] = (lanes[lane] as f32 * 2.0) as e4m3;
    }
    store_vec16(y, i * 16, lanes);
    let four = e4m3x4::new(lanes[3], lanes[2], lanes[1], lanes[0]);
    store_vec4(y, 512 + i * 4, four);
    let both = unpack_e4m3x2(words[i]);
    pairs[i] = pack_e4m3x2(f32::from(both.lo()), -f32::from(both.hi()));
    let both = unpack_e5m2x2(words[i]);
    small[i] = pack_e5m2x2(f32::from(both.lo()), f32::from(both.hi()));
}

#[test]
fn vectors_and_pairs_hold_their_lanes() {
    let device = device();
    let x: Vec<e4m3> = (0..512u32).map(|it| e4m3::from_bits(it as u8)).collect();
    let words: Vec<u16> = (0..32u16).map(|it| (it * 0x0201 + 0x2841) ^ (it % 2) << 15).collect();
    let (from, with) = (device.alloc_from(&x).unwrap(), device.alloc_from(&words).unwrap());
    let mut y = device.alloc_zeros::<e4m3>(512 + 128).unwrap();
    let mut pairs = device.alloc_zeros::<u16>(32).unwrap();
    let mut small = device.alloc_zeros::<u16>(32).unwrap();
    doubled::launch(&device, &from, &with, &mut y, &mut pairs, &mut small, (1, 1, 1)).unwrap();
    let twice = |it: &e4m3| e4m3::from_f32(it.to_f32() * 2.0).to_bits();
    let want: Vec<u8> = x.iter().map(twice).collect();
    let got: Vec<u8> = y.to_host(&device).unwrap().into_iter().map(e4m3::to_bits).collect();
    assert_eq!(got[..512], want);
    let first: Vec<u8> = (0..128).map(|i| want[i / 4 * 16 + 3 - i % 4]).collect();
    assert_eq!(got[512..], first);
    let signed: Vec<u16> = words.iter().map(|it| it ^ 0x8000).collect();
    assert_eq!(pairs.to_host(&device).unwrap(), signed);
    assert_eq!(small.to_host(&device).unwrap(), words);
}

#[gpu_kernel(block_size = 1, arch = "sm_89")]
fn constants(y: &mut [f32], z: &mut [e5m2]) {
    y[0] = e4m3::MAX as f32;
    y[1] = f32::from(e4m3::MIN);
    y[2] = (0.3f32 as e4m3).to_f32();
    y[3] = e5m2::from_f32(1e9).to_f32();
    y[4] = (e4m3::BITS + e5m2::BYTES) as f32;
    z[0] = e5m2::ONE;
    z[1] = (-3i32) as e5m2;
    gpu_println!("{} {:?}", z[1], e4m3::MAX);
}

#[test]
fn constants_are_those_of_the_host() {
    let device = device();
    let mut y = device.alloc_zeros::<f32>(5).unwrap();
    let mut z = device.alloc_zeros::<e5m2>(2).unwrap();
    constants::launch(&device, &mut y, &mut z, (1, 1, 1)).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), [448.0, -448.0, 0.3125, 57344.0, 9.0]);
    assert_eq!(z.to_host(&device).unwrap(), [e5m2::ONE, e5m2::from_f32(-3.0)]);
}
