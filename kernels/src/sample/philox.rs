//! Random numbers by their place: Philox4x32-10. Salmon and others, 2011, "Parallel random numbers:
//! as easy as 1, 2, 3", section 3.3.

use firesteel::prelude::*;

#[gpu_const]
const FIRST: u32 = 0xd251_1f53;
#[gpu_const]
const SECOND: u32 = 0xcd9e_8d57;
/// What is added to the key after each round: parts of the golden ratio and of `sqrt(3) - 1`.
#[gpu_const]
const STEPS: (u32, u32) = (0x9e37_79b9, 0xbb67_ae85);

/// The first 64 bits of block `counter` for `key`, the first word lowest.
#[gpu_fn]
pub(super) fn philox(key: u64, counter: u64) -> u64 {
    let mut c = [counter as u32, (counter >> 32) as u32, 0, 0];
    let mut k = (key as u32, (key >> 32) as u32);
    #[unroll]
    for _ in 0..10 {
        let a = c[0] as u64 * FIRST as u64;
        let b = c[2] as u64 * SECOND as u64;
        c = [(b >> 32) as u32 ^ c[1] ^ k.0, b as u32, (a >> 32) as u32 ^ c[3] ^ k.1, a as u32];
        k = (k.0 + STEPS.0, k.1 + STEPS.1);
    }
    c[0] as u64 | (c[1] as u64) << 32
}

/// Philox4x32-10 on the host: the four words of block `counter` for `key`.
#[must_use]
pub fn philox_reference(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..10 {
        let product = |a: u32, b: u32| {
            let product = u64::from(a) * u64::from(b);
            ((product >> 32) as u32, product as u32)
        };
        let (a_high, a_low) = product(c[0], FIRST);
        let (b_high, b_low) = product(c[2], SECOND);
        c = [b_high ^ c[1] ^ k[0], b_low, a_high ^ c[3] ^ k[1], a_low];
        k = [k[0].wrapping_add(STEPS.0), k[1].wrapping_add(STEPS.1)];
    }
    c
}

/// The 64 random bits of a step of a seed.
#[must_use]
pub(super) fn random(seed: u64, step: u32) -> u64 {
    let c = philox_reference([seed as u32, (seed >> 32) as u32], [step, 0, 0, 0]);
    u64::from(c[0]) | u64::from(c[1]) << 32
}
