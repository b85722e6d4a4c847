//! f32 arithmetic. PTX ISA, "Floating Point Instructions".
//!
//! Every NaN result is the canonical `0x7fffffff`. Rounding to nearest uses the host's own
//! operations, which IEEE 754 defines to the bit; the directed modes go through [`soft`].

use super::soft::{self, F32, Value};
use super::{Class, Compare, Mode, Rounding};

/// The NaN that f32 instructions produce.
pub const NAN: u32 = 0x7fff_ffff;

const SIGN: u32 = 0x8000_0000;
const INFINITY: u32 = 0x7f80_0000;
const ONE: u32 = 0x3f80_0000;

/// Whether the bits are NaN.
#[inline(always)]
pub const fn is_nan(a: u32) -> bool {
    a & !SIGN > INFINITY
}

/// A subnormal becomes zero of its sign.
#[inline(always)]
pub const fn flush(a: u32) -> u32 {
    if a & INFINITY == 0 { a & SIGN } else { a }
}

/// `.sat`: clamps to `[+0, 1]`, NaN and `-0` become `+0`.
#[inline(always)]
pub const fn saturate(a: u32) -> u32 {
    if is_nan(a) || a & SIGN != 0 {
        0
    } else if a > ONE {
        ONE
    } else {
        a
    }
}

#[inline(always)]
const fn input(a: u32, ftz: bool) -> u32 {
    if ftz { flush(a) } else { a }
}

/// Canonical NaN, then `.ftz`, then `.sat`.
#[inline(always)]
pub(crate) const fn output(r: u32, mode: Mode) -> u32 {
    let r = if is_nan(r) { NAN } else { r };
    let r = if mode.ftz { flush(r) } else { r };
    if mode.sat { saturate(r) } else { r }
}

/// With `.ftz`, flushes a result that rounding has lifted to the smallest normal number.
#[inline(always)]
fn flush_tiny(r: u32, mode: Mode, exact: impl FnOnce() -> Value) -> u32 {
    if mode.ftz && F32.is_min_normal(r.into()) && soft::is_tiny(F32, exact()) {
        return r & SIGN;
    }
    r
}

#[inline(always)]
fn unary(a: u32, mode: Mode, near: fn(f32) -> f32, exact: fn(Value) -> Value) -> u32 {
    let a = input(a, mode.ftz);
    let r = match mode.round {
        Rounding::Nearest => near(f32::from_bits(a)).to_bits(),
        round => soft::encode(F32, exact(decode(a)), round) as u32,
    };
    output(r, mode)
}

#[inline(always)]
fn binary(
    a: u32,
    b: u32,
    mode: Mode,
    near: impl Fn(f32, f32) -> f32,
    exact: impl Fn(Value, Value) -> Value,
) -> u32 {
    let (a, b) = (input(a, mode.ftz), input(b, mode.ftz));
    let r = match mode.round {
        Rounding::Nearest => near(f32::from_bits(a), f32::from_bits(b)).to_bits(),
        round => soft::encode(F32, exact(decode(a), decode(b)), round) as u32,
    };
    let r = flush_tiny(r, mode, || exact(decode(a), decode(b)));
    output(r, mode)
}

fn decode(a: u32) -> Value {
    soft::decode(F32, a.into())
}

/// `add{.rnd}{.ftz}{.sat}.f32`.
#[inline]
pub fn add(a: u32, b: u32, mode: Mode) -> u32 {
    binary(a, b, mode, |a, b| a + b, |a, b| soft::add(a, b, mode.round))
}

/// `sub{.rnd}{.ftz}{.sat}.f32`.
#[inline]
pub fn sub(a: u32, b: u32, mode: Mode) -> u32 {
    binary(a, b, mode, |a, b| a - b, |a, b| soft::add(a, soft::neg(b), mode.round))
}

/// `mul{.rnd}{.ftz}{.sat}.f32`.
#[inline]
pub fn mul(a: u32, b: u32, mode: Mode) -> u32 {
    binary(a, b, mode, |a, b| a * b, soft::mul)
}

/// `fma.rnd{.ftz}{.sat}.f32`, also `mad.rnd.f32`.
#[inline]
pub fn fma(a: u32, b: u32, c: u32, mode: Mode) -> u32 {
    let (a, b, c) = (input(a, mode.ftz), input(b, mode.ftz), input(c, mode.ftz));
    let exact = || soft::fma(decode(a), decode(b), decode(c), mode.round);
    let r = match mode.round {
        Rounding::Nearest => {
            f32::from_bits(a).mul_add(f32::from_bits(b), f32::from_bits(c)).to_bits()
        }
        round => soft::encode(F32, exact(), round) as u32,
    };
    output(flush_tiny(r, mode, exact), mode)
}

/// `div.rnd{.ftz}.f32`.
#[inline]
pub fn div(a: u32, b: u32, mode: Mode) -> u32 {
    binary(a, b, mode, |a, b| a / b, soft::div)
}

/// `rcp.rnd{.ftz}.f32`.
#[inline]
pub fn rcp(a: u32, mode: Mode) -> u32 {
    div(ONE, a, mode)
}

/// `sqrt.rnd{.ftz}.f32`.
#[inline]
pub fn sqrt(a: u32, mode: Mode) -> u32 {
    unary(a, mode, f32::sqrt, soft::sqrt)
}

/// `neg{.ftz}.f32`. PTX leaves the result for NaN open; it is the canonical one.
#[inline]
pub fn neg(a: u32, ftz: bool) -> u32 {
    if is_nan(a) { NAN } else { input(a, ftz) ^ SIGN }
}

/// `abs{.ftz}.f32`. PTX leaves the result for NaN open; it is the canonical one.
#[inline]
pub fn abs(a: u32, ftz: bool) -> u32 {
    if is_nan(a) { NAN } else { input(a, ftz) & !SIGN }
}

/// `copysign.f32 d, a, b`: the magnitude of `b` with the sign of `a`.
#[inline]
pub fn copysign(a: u32, b: u32) -> u32 {
    (a & SIGN) | (b & !SIGN)
}

/// Modifiers of `min` and `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinMax {
    /// `.ftz`: subnormal inputs are zeros.
    pub ftz: bool,
    /// `.NaN`: the result is NaN if any input is.
    pub nan: bool,
    /// `.xorsign.abs`: magnitudes are compared, the sign is the xor of the signs.
    pub xorsign_abs: bool,
}

/// `min{.ftz}{.NaN}{.xorsign.abs}.f32`; `-0 < +0`.
#[inline]
pub fn min(a: u32, b: u32, how: MinMax) -> u32 {
    select(a, b, how, |a, b| a <= b)
}

/// `max{.ftz}{.NaN}{.xorsign.abs}.f32`; `-0 < +0`.
#[inline]
pub fn max(a: u32, b: u32, how: MinMax) -> u32 {
    select(a, b, how, |a, b| a >= b)
}

#[inline(always)]
fn select(a: u32, b: u32, how: MinMax, first: impl Fn(i32, i32) -> bool) -> u32 {
    let (mut a, mut b) = (input(a, how.ftz), input(b, how.ftz));
    let sign = (a ^ b) & SIGN;
    if how.xorsign_abs {
        (a, b) = (a & !SIGN, b & !SIGN);
    }
    let r = match (is_nan(a), is_nan(b)) {
        (false, false) => {
            if first(order_key(a), order_key(b)) {
                a
            } else {
                b
            }
        }
        (true, true) => return NAN,
        _ if how.nan => return NAN,
        (true, false) => b,
        (false, true) => a,
    };
    if how.xorsign_abs { r | sign } else { r }
}

/// An integer that orders as the number does, with `-0` below `+0`.
#[inline(always)]
const fn order_key(a: u32) -> i32 {
    let a = a as i32;
    a ^ (((a >> 31) as u32) >> 1) as i32
}

/// `setp.cmp{.ftz}.f32`.
#[inline]
pub fn compare(op: Compare, a: u32, b: u32, ftz: bool) -> bool {
    op.of(f32::from_bits(input(a, ftz)), f32::from_bits(input(b, ftz)))
}

/// `testp.class.f32`.
pub fn test(class: Class, a: u32) -> bool {
    class.contains(f32::from_bits(a).classify())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Rng, SPECIAL_F32};
    use super::*;

    const DIRECTED: [Rounding; 3] = [Rounding::Zero, Rounding::Down, Rounding::Up];

    /// The host's nearest result and the exact error's sign pin each directed result.
    #[test]
    fn soft_nearest_agrees_with_the_host() {
        let mut rng = Rng(1);
        for _ in 0..400_000 {
            let (a, b, c) = (rng.f32(), rng.f32(), rng.f32());
            let near = |value| output(soft::encode(F32, value, Rounding::Nearest) as u32, Mode::RN);
            let (x, y, z) = (decode(a), decode(b), decode(c));
            assert_eq!(
                near(soft::add(x, y, Rounding::Nearest)),
                add(a, b, Mode::RN),
                "{a:x}+{b:x}"
            );
            assert_eq!(near(soft::mul(x, y)), mul(a, b, Mode::RN), "{a:x}*{b:x}");
            assert_eq!(near(soft::div(x, y)), div(a, b, Mode::RN), "{a:x}/{b:x}");
            assert_eq!(near(soft::sqrt(x)), sqrt(a, Mode::RN), "sqrt {a:x}");
            let fused = soft::fma(x, y, z, Rounding::Nearest);
            assert_eq!(near(fused), fma(a, b, c, Mode::RN), "{a:x}*{b:x}+{c:x}");
        }
    }

    /// Products of f32 are exact in f64, so f64 comparison says where the rounded one must lie.
    #[test]
    fn directed_products_bracket_the_exact_product() {
        let mut rng = Rng(2);
        for _ in 0..200_000 {
            let (a, b) = (rng.f32(), rng.f32());
            let exact = f64::from(f32::from_bits(a)) * f64::from(f32::from_bits(b));
            if !exact.is_finite() {
                continue;
            }
            let of = |round| f64::from(f32::from_bits(mul(a, b, Mode::RN.rounded(round))));
            let (down, up, zero) = (of(Rounding::Down), of(Rounding::Up), of(Rounding::Zero));
            assert!(down <= exact && exact <= up, "{a:x}*{b:x}");
            assert_eq!(zero, if exact > 0.0 { down } else { up }, "{a:x}*{b:x}");
            let next = f64::from((down as f32).next_up());
            assert!(up == down || up == next, "{a:x}*{b:x}: {down} {up}");
        }
    }

    #[test]
    fn exact_cancellation_is_minus_zero_only_downwards() {
        for round in DIRECTED {
            let want = if round == Rounding::Down { SIGN } else { 0 };
            let mode = Mode::RN.rounded(round);
            assert_eq!(add(ONE, ONE | SIGN, mode), want);
            assert_eq!(sub(ONE, ONE, mode), want);
            assert_eq!(add(0, SIGN, mode), want);
            assert_eq!(add(SIGN, SIGN, mode), SIGN);
            assert_eq!(fma(ONE, ONE, ONE | SIGN, mode), want);
        }
    }

    #[test]
    fn overflow_follows_the_direction() {
        let max = 0x7f7f_ffff;
        let twice = |a, round| add(a, a, Mode::RN.rounded(round));
        assert_eq!(twice(max, Rounding::Nearest), INFINITY);
        assert_eq!(twice(max, Rounding::Zero), max);
        assert_eq!(twice(max, Rounding::Down), max);
        assert_eq!(twice(max, Rounding::Up), INFINITY);
        assert_eq!(twice(max | SIGN, Rounding::Down), INFINITY | SIGN);
        assert_eq!(twice(max | SIGN, Rounding::Up), max | SIGN);
    }

    #[test]
    fn nan_results_are_canonical() {
        for nan in [0x7fc0_0001, 0xffff_ffff, 0x7f80_0001] {
            assert_eq!(add(nan, ONE, Mode::RN), NAN);
            assert_eq!(mul(ONE, nan, Mode::RN.rounded(Rounding::Up)), NAN);
            assert_eq!(fma(0, INFINITY, nan, Mode::RN), NAN);
        }
        assert_eq!(sub(INFINITY, INFINITY, Mode::RN), NAN);
        assert_eq!(sqrt(ONE | SIGN, Mode::RN), NAN);
        assert_eq!(sqrt(SIGN, Mode::RN), SIGN);
    }

    #[test]
    fn flush_and_saturate() {
        let ftz = Mode::RN.flushed();
        assert_eq!(add(1, 0, ftz), 0);
        assert_eq!(add(0x8000_0001, SIGN, ftz), SIGN);
        assert_eq!(mul(0x0080_0000, 0x3f00_0000, ftz), 0);
        // Rounding alone would lift it to the smallest normal number.
        assert_eq!(mul(0x8080_0000, 0x3f7f_ffff, ftz), SIGN);
        assert_eq!(mul(0x8080_0000, 0x3f7f_ffff, Mode::RN), 0x8080_0000);
        let sat = Mode::RN.saturated();
        assert_eq!(add(ONE, ONE, sat), ONE);
        assert_eq!(sub(0, ONE, sat), 0);
        assert_eq!(add(NAN, ONE, sat), 0);
        assert_eq!(mul(SIGN, ONE, sat), 0);
    }

    #[test]
    fn min_and_max_order_zeros_and_pass_numbers() {
        let plain = MinMax::default();
        let strict = MinMax { nan: true, ..plain };
        assert_eq!(min(0, SIGN, plain), SIGN);
        assert_eq!(max(SIGN, 0, plain), 0);
        assert_eq!(min(NAN, ONE, plain), ONE);
        assert_eq!(max(ONE, 0xffc0_0000, plain), ONE);
        assert_eq!(max(0x7fc0_0001, 0xffc0_0000, plain), NAN);
        assert_eq!(min(NAN, ONE, strict), NAN);
        let two = 0x4000_0000;
        let xor = MinMax { xorsign_abs: true, ..plain };
        assert_eq!(max(two | SIGN, ONE, xor), two | SIGN);
        assert_eq!(min(two | SIGN, ONE | SIGN, xor), ONE);
        for a in SPECIAL_F32 {
            for b in SPECIAL_F32 {
                let (x, y) = (f32::from_bits(a), f32::from_bits(b));
                if x < y {
                    assert_eq!((min(a, b, plain), max(a, b, plain)), (a, b));
                }
            }
        }
    }

    #[test]
    fn comparisons_split_on_order() {
        assert!(compare(Compare::Eq, 0, SIGN, false));
        assert!(compare(Compare::Eq, 1, SIGN, true));
        assert!(!compare(Compare::Ne, NAN, ONE, false));
        assert!(compare(Compare::Neu, NAN, ONE, false));
        assert!(compare(Compare::Ltu, NAN, ONE, false));
        assert!(compare(Compare::Nan, NAN, ONE, false));
        assert!(compare(Compare::Num, 0, ONE, false));
        assert!(compare(Compare::Ge, ONE, ONE, false));
    }

    #[test]
    fn classes() {
        assert!(test(Class::Subnormal, 1) && !test(Class::Subnormal, 0));
        assert!(test(Class::Normal, ONE) && !test(Class::Normal, INFINITY));
        assert!(test(Class::NotANumber, NAN) && test(Class::Infinite, INFINITY | SIGN));
    }
}
