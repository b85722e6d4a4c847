//! How weights and blocks come and go: weights by eight in 16 bytes, blocks through shared memory,
//! since most are no multiple of 4 bytes.
//!
//! A block of threads works on a run of blocks, a multiple of 8, whose bytes are a multiple of 16.

use firesteel::prelude::*;

/// Weights of a run where a thread has eight.
#[gpu_const]
pub(super) const RUN: u32 = 2048;
/// Runs that a block of threads unpacks.
#[gpu_const]
pub(super) const UNITS: u32 = 4;
/// Kinds of elements, for device functions of all of them; `bf16` is the third.
#[gpu_const]
pub(super) const F32: u32 = 0;
#[gpu_const]
pub(super) const F16: u32 = 1;

/// Eight weights from `at` on, which is a multiple of 8; zeros behind the end.
#[gpu_fn]
pub(super) fn load8<const KIND: u32, T: Float>(x: &[T], at: usize) -> [f32; 8] {
    let words = cast_slice::<u32>(x);
    let mut w = [0.0f32; 8];
    if at + 8 <= x.len() {
        if KIND == F32 {
            let (low, high) = (load_vec4_nc(words, at), load_vec4_nc(words, at + 4));
            w = [
                f32::from_bits(low.x),
                f32::from_bits(low.y),
                f32::from_bits(low.z),
                f32::from_bits(low.w),
                f32::from_bits(high.x),
                f32::from_bits(high.y),
                f32::from_bits(high.z),
                f32::from_bits(high.w),
            ];
        } else {
            let v = load_vec4_nc(words, at / 2);
            let pairs = [v.x, v.y, v.z, v.w];
            for k in 0..4 {
                if KIND == F16 {
                    let (low, high) = f16x2::from_bits(pairs[k]).to_f32();
                    w[2 * k] = low;
                    w[2 * k + 1] = high;
                } else {
                    w[2 * k] = f32::from_bits(pairs[k] << 16);
                    w[2 * k + 1] = f32::from_bits(pairs[k] & 0xffff_0000);
                }
            }
        }
    }
    w
}

/// Stores eight weights from `at` on, a multiple of 8, rounded to the nearest.
#[gpu_fn]
pub(super) fn store8<const KIND: u32, T: Float>(y: &mut [T], at: usize, w: [f32; 8]) {
    let words = cast_slice::<u32>(y);
    if KIND == F32 {
        let bits = [w[0].to_bits(), w[1].to_bits(), w[2].to_bits(), w[3].to_bits()];
        store_vec4(words, at, u32x4::new(bits[0], bits[1], bits[2], bits[3]));
        let bits = [w[4].to_bits(), w[5].to_bits(), w[6].to_bits(), w[7].to_bits()];
        store_vec4(words, at + 4, u32x4::new(bits[0], bits[1], bits[2], bits[3]));
    } else {
        let mut pairs = [0u32; 4];
        for k in 0..4 {
            pairs[k] = if KIND == F16 {
                f16x2::from_f32(w[2 * k], w[2 * k + 1]).to_bits()
            } else {
                bf16x2::from_f32(w[2 * k], w[2 * k + 1]).to_bits()
            };
        }
        store_vec4(words, at / 2, u32x4::new(pairs[0], pairs[1], pairs[2], pairs[3]));
    }
}

/// Copies `bytes` bytes of `MOST` from `first` on, a multiple of 16, to shared memory: by 256 threads.
#[gpu_fn]
pub(super) fn copy_in<const MOST: u32>(stage: &mut [u32], blocks: &[u8], first: usize, bytes: u32) {
    let words = cast_slice::<u32>(blocks);
    let from = first / 4 + thread_idx_x() as usize * 4;
    // The loads before the stores.
    let mut pieces = [u32x4::new(0, 0, 0, 0); MOST.div_ceil(4096) as usize];
    #[unroll]
    for i in 0..MOST.div_ceil(4096) {
        if thread_idx_x() + i * 256 < bytes / 16 {
            pieces[i] = load_vec4_nc(words, from + (i * 1024) as usize);
        }
    }
    #[unroll]
    for i in 0..MOST.div_ceil(4096) {
        if thread_idx_x() + i * 256 < bytes / 16 {
            store_vec4(stage, thread_idx_x() * 4 + i * 1024, pieces[i]);
        }
    }
    // What is left of the last run. Whole words are read of it.
    if bytes % 16 != 0 {
        let halves = cast_slice::<u16>(blocks);
        let to = cast_slice::<u16>(stage);
        let at = bytes / 16 * 8 + thread_idx_x();
        if at < bytes.next_multiple_of(4) / 2 {
            to[at] = if at < bytes / 2 { halves[first / 2 + at as usize] } else { 0 };
        }
    }
}

/// Copies `bytes` bytes, at most 4096, from shared memory to `first` on, a multiple of 16: by 256
/// threads.
#[gpu_fn]
pub(super) fn copy_out(blocks: &mut [u8], stage: &[u32], first: usize, bytes: u32) {
    let words = cast_slice::<u32>(blocks);
    let at = thread_idx_x() * 4;
    if at < bytes / 16 * 4 {
        store_vec4(words, first / 4 + at as usize, load_vec4(stage, at));
    }
    if bytes % 16 != 0 {
        let halves = cast_slice::<u16>(blocks);
        let from = cast_slice::<u16>(stage);
        let at = bytes / 16 * 8 + thread_idx_x();
        if at < bytes / 2 {
            halves[first / 2 + at as usize] = from[at];
        }
    }
}

/// A byte of shared memory behind the first `skip` words, as the others below.
#[gpu_fn]
pub(super) fn byte_at(words: &[u32], skip: u32, at: u32) -> u32 {
    words[skip + at / 4] >> (at % 4 * 8) & 255
}

/// The `f16` at a byte, which is even.
#[gpu_fn]
pub(super) fn half_at(words: &[u32], skip: u32, at: u32) -> f32 {
    f16::from_bits((words[skip + at / 4] >> (at % 4 * 8)) as u16).to_f32()
}

/// Two `f16` at a multiple of 4.
#[gpu_fn]
pub(super) fn halves_at(words: &[u32], skip: u32, at: u32) -> (f32, f32) {
    f16x2::from_bits(words[skip + at / 4]).to_f32()
}

/// Eight bytes from a byte on, which is even.
#[gpu_fn]
pub(super) fn eight_at(words: &[u32], skip: u32, at: u32) -> [u32; 2] {
    let (word, shift) = (at / 4, at % 4 * 8);
    let (a, b) = (words[skip + word], words[skip + 1 + word]);
    // Of an aligned byte the second word again, since the third may be behind the end.
    let c = words[skip + 1 + (word + shift / 16)];
    [funnel_shr(a, b, shift), funnel_shr(b, c, shift)]
}

/// Eight bytes from a multiple of 4 on.
#[gpu_fn]
pub(super) fn aligned_eight_at(words: &[u32], skip: u32, at: u32) -> [u32; 2] {
    [words[skip + at / 4], words[skip + 1 + at / 4]]
}

/// Eight bytes from a multiple of 8 on.
#[gpu_fn]
pub(super) fn whole_eight_at(words: &[u32], skip: u32, at: u32) -> [u32; 2] {
    let pair = load_vec2(words, skip + at / 4);
    [pair.x, pair.y]
}

/// Four bits as the low bits of four bytes.
#[gpu_fn]
pub(super) fn spread(bits: u32) -> u32 {
    // Bit k arrives at 8 k, being moved by 7 k.
    (bits & 15) * 0x20_4081 & 0x0101_0101
}

/// Eight codes, less `offset`, as floats.
#[gpu_fn]
pub(super) fn floats(codes: [u32; 2], offset: f32) -> [f32; 8] {
    let mut w = [0.0f32; 8];
    for i in 0..8u32 {
        // A byte below the exponent of 2^23 is that number above 2^23.
        let bits = prmt(codes[i / 4], 0x4b00_0000, 0x7440 | i % 4);
        w[i] = f32::from_bits(bits) - (8_388_608.0 + offset);
    }
    w
}

/// Eight numbers times a factor.
#[gpu_fn]
pub(super) fn scaled(w: [f32; 8], by: f32) -> [f32; 8] {
    let mut w = w;
    for i in 0..8 {
        w[i] = w[i] * by;
    }
    w
}

/// Eight numbers times a factor, and a number more.
#[gpu_fn]
pub(super) fn scaled_and(w: [f32; 8], by: f32, more: f32) -> [f32; 8] {
    let mut w = w;
    for i in 0..8 {
        w[i] = w[i] * by + more;
    }
    w
}
