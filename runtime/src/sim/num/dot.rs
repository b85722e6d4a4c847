//! Dot products: `dp4a`, `dp2a`, and the scalar pieces of `mma`.
//!
//! PTX ISA, `dp4a`, `dp2a` and "Multiply-and-Accumulate Instruction: mma". PTX leaves the order
//! and the roundings inside an `mma` open. Here the products are exact, their sum with the
//! accumulator is taken in f64, and the result is rounded once; that is at least as close as the
//! hardware, which aligns and truncates.

use super::narrow::{Narrow, f16_to_f32};
use super::soft::{E4M3, E5M2, TF32};
use super::{Rounding, convert, double, single};

/// The `index`-th byte of a word, sign-extended if `signed`.
#[inline(always)]
pub const fn byte(word: u32, index: u32, signed: bool) -> i32 {
    let byte = (word >> (8 * index)) as u8;
    if signed { byte as i8 as i32 } else { byte as i32 }
}

/// The `index`-th nibble of a word, sign-extended if `signed`.
#[inline(always)]
pub const fn nibble(word: u32, index: u32, signed: bool) -> i32 {
    let nibble = (word >> (4 * index)) as i32 & 15;
    if signed { (nibble << 28) >> 28 } else { nibble }
}

/// The `index`-th half of a word, sign-extended if `signed`.
#[inline(always)]
const fn half(word: u32, index: u32, signed: bool) -> i32 {
    let half = (word >> (16 * index)) as u16;
    if signed { half as i16 as i32 } else { half as i32 }
}

/// `dp4a.atype.btype`: `c + Σ a[k] · b[k]` over four bytes, wrapping.
#[inline]
pub fn dp4a(a: u32, b: u32, c: u32, a_signed: bool, b_signed: bool) -> u32 {
    (0..4).fold(c, |sum, k| sum.wrapping_add((byte(a, k, a_signed) * byte(b, k, b_signed)) as u32))
}

/// `dp2a.lo/.hi.atype.btype`: two halves of `a` by the lower or upper two bytes of `b`.
#[inline]
pub fn dp2a(a: u32, b: u32, c: u32, signed: (bool, bool), hi: bool) -> u32 {
    let first = if hi { 2 } else { 0 };
    (0..2).fold(c, |sum, k| {
        let product = half(a, k, signed.0).wrapping_mul(byte(b, first + k, signed.1));
        sum.wrapping_add(product as u32)
    })
}

/// Element types of a floating-point `mma`, in the register that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MmaFloat {
    /// Two per word.
    F16,
    /// Two per word.
    Bf16,
    /// One per word; the low 13 bits are ignored.
    Tf32,
    /// Four per word.
    E4m3,
    /// Four per word.
    E5m2,
}

impl MmaFloat {
    /// Elements in a 32-bit register.
    pub const fn per_word(self) -> u32 {
        match self {
            MmaFloat::F16 | MmaFloat::Bf16 => 2,
            MmaFloat::Tf32 => 1,
            MmaFloat::E4m3 | MmaFloat::E5m2 => 4,
        }
    }

    /// The exact value of element `index` of a register.
    #[inline]
    pub fn element(self, word: u32, index: u32) -> f64 {
        match self {
            MmaFloat::F16 => f32::from_bits(f16_to_f32((word >> (16 * index)) as u16)).into(),
            MmaFloat::Bf16 => {
                f32::from_bits(Narrow::Bf16.widen((word >> (16 * index)) as u16)).into()
            }
            MmaFloat::Tf32 => f32::from_bits(word & !((1 << TF32.padding) - 1)).into(),
            MmaFloat::E4m3 => convert::to_double(u64::from(word >> (8 * index)) & 0xff, E4M3),
            MmaFloat::E5m2 => convert::to_double(u64::from(word >> (8 * index)) & 0xff, E5M2),
        }
    }
}

/// Rounds a sum into the f32 accumulator.
#[inline(always)]
pub fn accumulate_f32(sum: f64) -> u32 {
    let r = (sum as f32).to_bits();
    if single::is_nan(r) { single::NAN } else { r }
}

/// Rounds a sum into an f16 accumulator.
#[inline(always)]
pub fn accumulate_f16(sum: f64) -> u16 {
    Narrow::F16.round_double(sum)
}

/// One step of the f64 `mma`: `a · b + c`, fused, in order of `k`.
#[inline]
pub fn accumulate_f64(a: u64, b: u64, c: u64) -> u64 {
    double::fma(a, b, c, Rounding::Nearest)
}

/// Adds an exact integer sum to the s32 accumulator, clamped with `.satfinite`.
#[inline]
pub fn accumulate_s32(c: i32, sum: i64, satfinite: bool) -> i32 {
    let total = i64::from(c) + sum;
    if satfinite {
        total.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    } else {
        total as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dp4a_takes_every_sign_combination() {
        let (a, b) = (0x80ff_017f, 0xff02_8003);
        let of = |a_signed, b_signed| dp4a(a, b, 10, a_signed, b_signed) as i32;
        assert_eq!(of(true, true), 10 + 0x7f * 3 - 128 - 2 + 128);
        assert_eq!(of(false, false), 10 + 0x7f * 3 + 128 + 255 * 2 + 128 * 255);
        assert_eq!(of(true, false), 10 + 0x7f * 3 + 128 - 2 - 128 * 255);
        assert_eq!(of(false, true), 10 + 0x7f * 3 - 128 + 255 * 2 - 128);
    }

    #[test]
    fn dp2a_picks_bytes() {
        let (a, b) = (0xffff_0002, 0x0504_0302);
        assert_eq!(dp2a(a, b, 0, (true, true), false) as i32, 2 * 2 - 3);
        assert_eq!(dp2a(a, b, 0, (true, true), true) as i32, 2 * 4 - 5);
        assert_eq!(dp2a(a, b, 0, (false, false), false), 4 + 0xffff * 3);
    }

    #[test]
    fn mma_elements() {
        assert_eq!(MmaFloat::F16.element(0x4000_3c00, 1), 2.0);
        assert_eq!(MmaFloat::Bf16.element(0x4000_3f80, 0), 1.0);
        assert_eq!(MmaFloat::Tf32.element(0x3f80_1fff, 0), 1.0);
        assert_eq!(MmaFloat::E4m3.element(0x0000_38c0, 0), -2.0);
        assert_eq!(MmaFloat::E5m2.element(0x3c00_0000, 3), 1.0);
        assert_eq!(nibble(0xf7, 1, true), -1);
        assert_eq!(accumulate_s32(i32::MAX, 5, true), i32::MAX);
        assert_eq!(accumulate_s32(i32::MAX, 1, false), i32::MIN);
    }
}
