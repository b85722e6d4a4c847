//! The weight of a logit: `2^40 exp((x - max) / temperature)` as an integer.
//!
//! Integers, so that sums do not depend on the order of their terms: a choice is the same in every
//! run, on any number of blocks, and on the host. No weight is larger than that of a larger logit:
//! the steps of the polynomial are monotone, since its coefficients and its argument are positive
//! and rounding is monotone.

use std::f32::consts::{LN_2, LOG2_E};

use firesteel::prelude::*;

/// The weight of the largest logit.
pub(super) const ONE: u64 = 1 << 40;

/// 1.5 * 2^23: what is added to it, is rounded to an integer.
#[gpu_const]
pub(super) const MAGIC: f32 = 12_582_912.0;
/// Its bits.
#[gpu_const]
pub(super) const MAGIC_BITS: u32 = 0x4b40_0000;

/// `log2(e) / temperature`, finite.
#[gpu_fn]
pub(super) fn factor(temperature: f32) -> f32 {
    (1.442_695_f32 / temperature).min(f32::MAX)
}

/// The weight at `distance = max - x`, for [`factor`].
///
/// `2^f = 1 + f p(f)` on 0 to 1, where `p` interpolates at Chebyshev's nodes: to 2^-26.
#[gpu_fn]
pub(super) fn weight(distance: f32, factor: f32) -> u64 {
    // Infinite distance times 0 is NaN, of which `max` makes "never" too.
    let t = (-distance * factor).max(-62.0);
    let whole = t - 0.5 + MAGIC;
    let f = (t - (whole - MAGIC)).max(0.0);
    let p = f.mul_add(0.000_208_179_15, 0.001_269_216_6);
    let p = f.mul_add(p, 0.009_652_195);
    let p = f.mul_add(p, 0.055_496_022);
    let p = f.mul_add(p, 0.240_227_2);
    let p = f.mul_add(p, 0.693_147_2);
    let p = f.mul_add(p, 1.0).min(2.0);
    // 24 bits of `p`, 2 as well.
    let bits = p.to_bits() - 0x3f00_0000;
    ((bits as u64) << 17) >> (MAGIC_BITS - whole.to_bits())
}

/// What [`weight`] computes, on the host.
#[must_use]
pub(super) fn host_weight(distance: f32, factor: f32) -> u64 {
    let t = (-distance * factor).max(-62.0);
    let whole = t - 0.5 + MAGIC;
    let f = (t - (whole - MAGIC)).max(0.0);
    let mut p: f32 = 0.000_208_179_15;
    for c in [0.001_269_216_6, 0.009_652_195, 0.055_496_022, 0.240_227_2, LN_2, 1.0] {
        p = f.mul_add(p, c);
    }
    let bits = p.min(2.0).to_bits() - 0x3f00_0000;
    (u64::from(bits) << 17) >> (MAGIC_BITS - whole.to_bits())
}

/// What [`factor`] computes, on the host.
#[must_use]
pub(super) fn host_factor(temperature: f32) -> f32 {
    (LOG2_E / temperature).min(f32::MAX)
}

/// A logit as all comparisons see it: NaN counts as negative infinity, infinity as the largest
/// number, and both zeros are one.
#[gpu_fn]
pub(super) fn finite(x: f32) -> f32 {
    x.max(f32::NEG_INFINITY).min(f32::MAX) + 0.0
}

/// What [`finite`] computes, on the host.
#[must_use]
pub(super) fn host_finite(x: f32) -> f32 {
    if x.is_nan() { f32::NEG_INFINITY } else { x.min(f32::MAX) + 0.0 }
}

/// A number whose order among unsigned ones is that of `x` among floats.
#[gpu_fn]
pub(super) fn ordered(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 != 0 { !bits } else { bits | 0x8000_0000 }
}

/// The float of [`ordered`].
#[gpu_fn]
pub(super) fn of_ordered(key: u32) -> f32 {
    f32::from_bits(if key >> 31 != 0 { key & 0x7fff_ffff } else { !key })
}
