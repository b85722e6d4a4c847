//! Memory as elements of another type.

use firesteel::prelude::*;

use crate::device;

/// A device function sees a view like any slice.
#[gpu_fn]
fn swapped(words: &mut [u32], i: u32, with: u32) {
    words[i] = prmt(words[i], with, 0x0123);
}

/// Bytes as words and words as bytes, in shared memory; a view of a view.
#[gpu_kernel(block_size = 32)]
fn shared_views(x: &[u8], y: &mut [u8], lens: &mut [u32]) {
    let i = thread_idx_x();
    let bytes = shared_mem![u8; 128];
    let words = cast_slice::<u32>(bytes);
    let halves = cast_slice::<f16>(words);
    for k in 0..4u32 {
        bytes[i + 32 * k] = x[i + 32 * k];
    }
    bar_sync();
    swapped(words, i, 0);
    bar_sync();
    halves[i * 2] = -halves[i * 2];
    bar_sync();
    for k in 0..4u32 {
        y[i + 32 * k] = bytes[i + 32 * k];
    }
    lens[0] = words.len() as u32;
    lens[1] = halves.len() as u32;
}

#[test]
fn shared_bytes_are_words_and_halves() {
    let device = device();
    let x: Vec<u8> = (0..128).collect();
    let from = device.alloc_from(&x).unwrap();
    let mut y = device.alloc_zeros::<u8>(128).unwrap();
    let mut lens = device.alloc_zeros::<u32>(2).unwrap();
    shared_views::launch(&device, &from, &mut y, &mut lens, (1, 1, 1)).unwrap();
    let want: Vec<u8> = (0..128u8).map(|i| (i ^ 3) ^ if i % 4 == 1 { 0x80 } else { 0 }).collect();
    assert_eq!(y.to_host(&device).unwrap(), want);
    assert_eq!(lens.to_host(&device).unwrap(), [32, 64]);
}

/// Signed bytes, four at a time, for `dp4a`; and the sums as bytes again.
#[gpu_kernel(block_size = 32)]
fn dots(x: &[i8], y: &[i8], sums: &mut [i32], out: &mut [u8]) {
    let i = thread_idx_x();
    let (a, b) = (thread_idx_x(), block_dim_x());
    let from = cast_slice::<u32>(x);
    let with = cast_slice::<u32>(y);
    sums[i] = dp4a(from[a], with[a], 0) + b as i32 - b as i32;
    let bytes = cast_slice::<u8>(sums);
    out[i] = bytes[i * 4];
    let four = load_vec4(with, 4 * (i / 8));
    sums[32 + i] = (four.x >> 24) as i32;
}

#[test]
fn four_bytes_of_a_slice_are_a_word() {
    let device = device();
    let x: Vec<i8> = (0..128).map(|i| (i as i8).wrapping_mul(37)).collect();
    let y: Vec<i8> = (0..128).map(|i| (i as i8).wrapping_mul(-11)).collect();
    let (a, b) = (device.alloc_from(&x).unwrap(), device.alloc_from(&y).unwrap());
    let mut sums = device.alloc_zeros::<i32>(64).unwrap();
    let mut out = device.alloc_zeros::<u8>(32).unwrap();
    dots::launch(&device, &a, &b, &mut sums, &mut out, (1, 1, 1)).unwrap();
    let dot = |i: usize| -> i32 {
        x[i * 4..][..4]
            .iter()
            .zip(&y[i * 4..][..4])
            .map(|(a, b)| i32::from(*a) * i32::from(*b))
            .sum()
    };
    let got = sums.to_host(&device).unwrap();
    let want: Vec<i32> = (0..32).map(dot).collect();
    assert_eq!(got[..32], want);
    assert_eq!(out.to_host(&device).unwrap(), want.iter().map(|it| *it as u8).collect::<Vec<_>>());
    let high: Vec<i32> = (0..32).map(|i| i32::from(y[i / 8 * 16 + 3] as u8)).collect();
    assert_eq!(got[32..], high);
}

/// The last word is not whole, and an index behind the others is outside.
#[gpu_kernel(block_size = 1)]
fn at(index: i32, x: &[u8], y: &mut [u32]) {
    let words = cast_slice::<u32>(x);
    y[0] = words.len() as u32;
    y[1] = words[index];
}

#[test]
fn a_view_has_the_elements_that_fit() {
    let device = device();
    let x = device.alloc_from(&[1u8, 2, 3, 4, 5, 6, 7]).unwrap();
    let mut y = device.alloc_zeros::<u32>(2).unwrap();
    at::launch(&device, 0, &x, &mut y, (1, 1, 1)).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), [1, 0x0403_0201]);
    at::launch(&device, 1, &x, &mut y, (1, 1, 1)).unwrap();
    let error = device.stream().synchronize().unwrap_err().to_string();
    assert!(error.contains("words") && error.contains(" 1"), "{error}");
}

/// `cp.async` and `ldmatrix` reach a view of shared memory like the array itself.
#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn staged(x: &[u32], y: &mut [u32]) {
    let i = thread_idx_x();
    let tile = shared_mem![u32; 128];
    let halves = cast_slice::<bf16>(tile);
    cp_async_16(&mut tile[i * 4], &x[i * 4]);
    cp_async_commit();
    cp_async_wait(0);
    bar_sync();
    let fragment = ldmatrix_a(halves, i % 16 * 16 + i / 16 * 8);
    let words = frag_a_words(fragment);
    for k in 0..4u32 {
        y[i * 4 + k] = words[k];
    }
}

#[test]
fn a_view_is_as_shared_as_its_array() {
    let device = device();
    let x: Vec<u32> = (0..128).collect();
    let from = device.alloc_from(&x).unwrap();
    let mut y = device.alloc_zeros::<u32>(128).unwrap();
    staged::launch(&device, &from, &mut y, (1, 1, 1)).unwrap();
    let got = y.to_host(&device).unwrap();
    for (lane, words) in got.chunks(4).enumerate() {
        let (row, column) = (lane as u32 / 4, lane as u32 % 4);
        let at = |row: u32, half: u32| row * 8 + half * 4 + column;
        assert_eq!(words, [at(row, 0), at(row + 8, 0), at(row, 1), at(row + 8, 1)]);
    }
}
