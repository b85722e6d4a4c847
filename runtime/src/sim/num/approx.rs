//! The approximate functions: `.approx` of f32, f64 and the half formats.
//!
//! PTX states an error bound for each, not bits. Here each is computed in f64 and rounded once,
//! which is within every stated bound; special values are those of the PTX tables.

use super::narrow::{Narrow, packed1};
use super::single::{self, flush, is_nan};
use super::{Mode, double};

const SIGN: u32 = 0x8000_0000;

/// Evaluates `f` in f64 and rounds once to f32, with `.ftz` on both sides.
#[inline(always)]
fn evaluate(a: u32, ftz: bool, f: impl Fn(f64) -> f64) -> u32 {
    let a = if ftz { flush(a) } else { a };
    let r = f(f64::from(f32::from_bits(a))) as f32;
    let mode = Mode { ftz, ..Mode::RN };
    single::output(r.to_bits(), mode)
}

/// `ex2.approx{.ftz}.f32`: `2^a`, relative error up to `2^-22`.
#[inline]
pub fn ex2(a: u32, ftz: bool) -> u32 {
    evaluate(a, ftz, f64::exp2)
}

/// `lg2.approx{.ftz}.f32`: `-inf` for zeros, NaN below.
#[inline]
pub fn lg2(a: u32, ftz: bool) -> u32 {
    evaluate(a, ftz, f64::log2)
}

/// `sin.approx{.ftz}.f32`: NaN for infinities. See [`turn`] for large angles.
#[inline]
pub fn sin(a: u32, ftz: bool) -> u32 {
    evaluate(a, ftz, |it| turn(it).sin())
}

/// `cos.approx{.ftz}.f32`: NaN for infinities. See [`turn`] for large angles.
#[inline]
pub fn cos(a: u32, ftz: bool) -> u32 {
    evaluate(a, ftz, |it| turn(it).cos())
}

/// The angle within one turn, as the hardware reduces it: by a product in f32.
///
/// So the result is as bad for large angles as it is there; PTX bounds the error in `[-π, π]` only.
fn turn(a: f64) -> f64 {
    let turns = f64::from(a as f32 * std::f32::consts::FRAC_1_PI * 0.5);
    (turns.fract() * std::f64::consts::TAU).copysign(a)
}

/// `tanh.approx.f32`: subnormals stay, relative error up to `2^-11`.
#[inline]
pub fn tanh(a: u32) -> u32 {
    evaluate(a, false, f64::tanh)
}

/// `rcp.approx{.ftz}.f32`: one unit in the last place.
#[inline]
pub fn rcp(a: u32, ftz: bool) -> u32 {
    evaluate(a, ftz, |a| 1.0 / a)
}

/// `sqrt.approx{.ftz}.f32`.
#[inline]
pub fn sqrt(a: u32, ftz: bool) -> u32 {
    evaluate(a, ftz, f64::sqrt)
}

/// `rsqrt.approx{.ftz}.f32`: an infinity of the same sign for zeros, NaN below.
#[inline]
pub fn rsqrt(a: u32, ftz: bool) -> u32 {
    evaluate(a, ftz, reciprocal_root)
}

fn reciprocal_root(a: f64) -> f64 {
    if a == 0.0 { f64::INFINITY.copysign(a) } else { 1.0 / a.sqrt() }
}

/// `div.approx{.ftz}.f32`: `a · (1/b)`, two units in the last place for `|b|` in `[2^-126, 2^126]`.
///
/// Beyond `2^126` the reciprocal is flushed: the quotient is zero, or NaN if `a` is infinite.
#[inline]
pub fn div(a: u32, b: u32, ftz: bool) -> u32 {
    let magnitude = b & !SIGN;
    if (0x7e80_0001..0x7f80_0000).contains(&magnitude) && !is_nan(a) {
        let infinite = a & !SIGN == 0x7f80_0000;
        return if infinite { single::NAN } else { (a ^ b) & SIGN };
    }
    div_full(a, b, ftz)
}

/// `div.full{.ftz}.f32`: two units in the last place over the full range of `b`.
#[inline]
pub fn div_full(a: u32, b: u32, ftz: bool) -> u32 {
    single::div(a, b, Mode { ftz, ..Mode::RN })
}

/// `rcp.approx.ftz.f64`: only the upper word is computed, the lower is zero.
#[inline]
pub fn rcp_f64(a: u64) -> u64 {
    upper_word(a, |a| 1.0 / a)
}

/// `rsqrt.approx.f64` (with `.ftz` the upper word alone).
#[inline]
pub fn rsqrt_f64(a: u64, ftz: bool) -> u64 {
    if ftz {
        return upper_word(a, reciprocal_root);
    }
    let r = reciprocal_root(f64::from_bits(a));
    if r.is_nan() { double::sqrt(a, super::Rounding::Nearest) } else { r.to_bits() }
}

fn upper_word(a: u64, f: fn(f64) -> f64) -> u64 {
    let top = 0x7ff0_0000_0000_0000;
    let flush = |it: u64| if it & top == 0 { it & (1 << 63) } else { it };
    // Only the upper word of the operand is read, so a NaN may look like an infinity.
    let r = f(f64::from_bits(flush(a) & !0xffff_ffff));
    if r.is_nan() {
        return 0x7fff_ffff_0000_0000;
    }
    flush(r.to_bits()) & !0xffff_ffff
}

/// `ex2.approx.f16` and `ex2.approx.ftz.bf16`.
#[inline]
pub fn ex2_narrow(format: Narrow, a: u16) -> u16 {
    // bf16 exists with `.ftz` only, f16 without.
    format.round(ex2(format.widen(a), format == Narrow::Bf16))
}

/// `tanh.approx.f16` and `tanh.approx.bf16`.
#[inline]
pub fn tanh_narrow(format: Narrow, a: u16) -> u16 {
    format.round(tanh(format.widen(a)))
}

/// `ex2.approx.f16x2` and `ex2.approx.ftz.bf16x2`.
#[inline]
pub fn ex2_packed(format: Narrow, a: u32) -> u32 {
    packed1(a, |it| ex2_narrow(format, it))
}

/// `tanh.approx.f16x2` and `tanh.approx.bf16x2`.
#[inline]
pub fn tanh_packed(format: Narrow, a: u32) -> u32 {
    packed1(a, |it| tanh_narrow(format, it))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: u32 = 0x7f80_0000;
    const ONE: u32 = 0x3f80_0000;

    #[test]
    fn special_values_of_the_tables() {
        assert_eq!(ex2(INF | SIGN, false), 0);
        assert_eq!(ex2(INF, false), INF);
        assert_eq!(ex2(SIGN, false), ONE);
        assert_eq!(ex2(0x8000_0001, true), ONE);
        assert_eq!(lg2(0, false), INF | SIGN);
        assert_eq!(lg2(SIGN, false), INF | SIGN);
        assert_eq!(lg2(1, true), INF | SIGN);
        assert_eq!(lg2(1, false), (-149f32).to_bits());
        assert_eq!(lg2(ONE | SIGN, false), single::NAN);
        assert_eq!(sin(INF, false), single::NAN);
        assert_eq!(sin(SIGN, false), SIGN);
        assert_eq!(cos(0, false), ONE);
        assert_eq!(rcp(SIGN, false), INF | SIGN);
        assert_eq!(rcp(INF | SIGN, false), SIGN);
        assert_eq!(rsqrt(SIGN, false), INF | SIGN);
        assert_eq!(rsqrt(INF, false), 0);
        assert_eq!(rsqrt(ONE | SIGN, false), single::NAN);
        assert_eq!(sqrt(SIGN, false), SIGN);
        assert_eq!(tanh(INF | SIGN), ONE | SIGN);
        assert_eq!(tanh(1), 1);
    }

    /// `2^-130` is subnormal: kept without `.ftz`, zero with it.
    #[test]
    fn results_are_flushed_only_if_asked() {
        let a = (-130f32).to_bits();
        assert_eq!(f32::from_bits(ex2(a, false)), 2f32.powi(-130));
        assert_eq!(ex2(a, true), 0);
    }

    #[test]
    fn division_by_a_huge_value() {
        let huge = 2f32.powi(127).to_bits();
        assert_eq!(div(huge, huge, false), 0);
        assert_eq!(div(ONE | SIGN, huge, false), SIGN);
        assert_eq!(div(INF, huge, false), single::NAN);
        assert_eq!(div_full(huge, huge, false), ONE);
        assert_eq!(div(ONE, INF, false), 0);
        assert_eq!(f32::from_bits(div(ONE, 3f32.to_bits(), true)), 1.0 / 3.0);
    }

    #[test]
    fn gross_f64_reciprocals_fill_the_upper_word() {
        assert_eq!(rcp_f64(2f64.to_bits()), 0.5f64.to_bits());
        assert_eq!(rcp_f64(3f64.to_bits()) as u32, 0);
        assert_eq!(rcp_f64(1), 0x7ff0_0000_0000_0000);
        assert_eq!(rsqrt_f64(4f64.to_bits(), false), 0.5f64.to_bits());
    }

    #[test]
    fn halves() {
        assert_eq!(ex2_narrow(Narrow::F16, 0x4000), 0x4400);
        assert_eq!(tanh_packed(Narrow::Bf16, 0x7f80_0000), 0x3f80_0000);
        assert_eq!(ex2_packed(Narrow::F16, 0xfc00_0000), 0x0000_3c00);
    }
}
