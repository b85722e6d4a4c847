//! Packing of blocks with one scale: a thread has eight neighbouring weights, and the threads of a
//! block look at each other's.

use firesteel::prelude::*;

use super::fit::widest;

/// The first of the widest weights of `LANES` threads with eight each.
#[gpu_fn]
pub(super) fn widest_of_lanes<const LANES: u32>(x: &[f32; 8]) -> f32 {
    let mut found = widest(x);
    let mut bit = 1;
    while bit < LANES {
        let other = shfl_sync_bfly(found, bit, 32);
        let is_before = lane_id() & bit != 0;
        if other.abs() > found.abs() || other.abs() == found.abs() && is_before {
            found = other;
        }
        bit *= 2;
    }
    found
}

/// The largest absolute value of the weights of 4 threads with eight each.
#[gpu_fn]
pub(super) fn largest_of_lanes(x: &[f32; 8]) -> f32 {
    let mut found = x[0].abs();
    for i in 1..8 {
        found = found.max(x[i].abs());
    }
    found = found.max(shfl_sync_bfly(found, 1, 32));
    found.max(shfl_sync_bfly(found, 2, 32))
}

/// The first of the smallest, and the largest. Zeros have signs, which a minimum keeps.
#[gpu_fn]
pub(super) fn range<const N: usize>(x: &[f32; N]) -> (f32, f32) {
    let mut low = x[0];
    let mut high = x[0];
    for i in 1..N {
        if x[i] < low {
            low = x[i];
        }
        if x[i] > high {
            high = x[i];
        }
    }
    (low, high)
}

/// [`range`] of the weights of 4 threads with eight each.
#[gpu_fn]
pub(super) fn range_of_lanes(x: &[f32; 8]) -> (f32, f32) {
    let (mut low, mut high) = range(x);
    let mut bit = 1;
    while bit < 4u32 {
        let is_before = lane_id() & bit != 0;
        let other = shfl_sync_bfly(low, bit, 32);
        if other < low || other == low && is_before {
            low = other;
        }
        let other = shfl_sync_bfly(high, bit, 32);
        if other > high || other == high && is_before {
            high = other;
        }
        bit *= 2;
    }
    (low, high)
}

/// Eight codes as bytes.
#[gpu_fn]
pub(super) fn bytes_of(codes: &[u32; 8]) -> [u32; 2] {
    [
        prmt(prmt(codes[0], codes[1], 0x40), prmt(codes[2], codes[3], 0x40), 0x5410),
        prmt(prmt(codes[4], codes[5], 0x40), prmt(codes[6], codes[7], 0x40), 0x5410),
    ]
}

/// Writes eight bytes from byte `at` on, which is even.
#[gpu_fn]
pub(super) fn put8(halves: &mut [u16], at: u32, bytes: [u32; 2]) {
    halves[at / 2] = bytes[0] as u16;
    halves[at / 2 + 1] = (bytes[0] >> 16) as u16;
    halves[at / 2 + 2] = bytes[1] as u16;
    halves[at / 2 + 3] = (bytes[1] >> 16) as u16;
}

/// Writes the low nibbles of the codes of four threads from byte `at` on: a byte has those of two
/// weights that are 16 apart.
#[gpu_fn]
pub(super) fn put_nibbles(halves: &mut [u16], at: u32, codes: &[u32; 8]) {
    let own = bytes_of(codes);
    let low = own[0] & 0x0f0f_0f0f;
    let high = own[1] & 0x0f0f_0f0f;
    let low = low | shfl_sync_bfly(low, 2, 32) << 4;
    let high = high | shfl_sync_bfly(high, 2, 32) << 4;
    let lane = lane_id() % 4;
    if lane < 2 {
        put8(halves, at + lane * 8, [low, high]);
    }
}

/// Writes bit 4 of the codes of four threads, a byte each, from byte `at` on.
#[gpu_fn]
pub(super) fn put_high_bits(halves: &mut [u16], at: u32, codes: &[u32; 8]) {
    let mut bits = 0;
    for i in 0..8u32 {
        bits |= (codes[i] >> 4 & 1) << i;
    }
    let lane = lane_id() % 4;
    let bits = bits | shfl_sync_bfly(bits, 1, 32) << 8;
    if lane % 2 == 0 {
        halves[at / 2 + lane / 2] = bits as u16;
    }
}
