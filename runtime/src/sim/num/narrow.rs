//! f16 and bf16 arithmetic and the packed pairs `f16x2` and `bf16x2`.
//!
//! PTX ISA, "Half Precision Floating Point Instructions". Only rounding to nearest exists. Every
//! NaN result is `0x7fff`. A sum, product or quotient of two f16 (two bf16) values computed in
//! f32 (f64) and rounded again is correctly rounded, because the wide format has at least
//! `2p + 2` bits (Figueroa, "When is double rounding innocuous?").

use super::single::MinMax;
use super::soft::{self, Format};
use super::{Class, Compare, Rounding, single};

/// The NaN that f16 and bf16 instructions produce.
pub const NAN: u16 = 0x7fff;

const SIGN: u16 = 0x8000;

/// Modifiers of half-precision arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NarrowMode {
    /// `.ftz` (f16 only): subnormal inputs and results become zeros of the same sign.
    pub ftz: bool,
    /// `.sat`: the result is clamped to `[+0, 1]`, NaN becomes `+0`.
    pub sat: bool,
    /// `.relu` (fma only): a negative result becomes `+0`, NaN stays.
    pub relu: bool,
}

/// One of the two 16-bit formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Narrow {
    /// `.f16`.
    F16,
    /// `.bf16`.
    Bf16,
}

/// The exact f32 value of an f16. A NaN becomes the canonical f32 NaN.
#[inline]
pub fn f16_to_f32(a: u16) -> u32 {
    let sign = u32::from(a & SIGN) << 16;
    let magnitude = u32::from(a & !SIGN);
    match magnitude {
        0x7c01.. => single::NAN,
        0x7c00 => sign | 0x7f80_0000,
        0x0400.. => sign | ((magnitude << 13) + 0x3800_0000),
        // A subnormal is a multiple of 2^-24, which f32 holds exactly.
        _ => sign | (magnitude as f32 * f32::from_bits(0x3380_0000)).to_bits(),
    }
}

/// The exact f32 value of a bf16: its bits on top. A NaN keeps its sign and payload.
#[inline(always)]
pub const fn bf16_to_f32(a: u16) -> u32 {
    (a as u32) << 16
}

/// An f32 rounded to nearest even f16.
#[inline]
pub fn f16_from_f32(a: u32) -> u16 {
    let sign = (a >> 16) as u16 & SIGN;
    let magnitude = a & 0x7fff_ffff;
    let r = match magnitude {
        0x7f80_0001.. => return NAN,
        // 65520 and above round to infinity.
        0x477f_f000.. => 0x7c00,
        0x3880_0000.. => {
            let odd = (magnitude >> 13) & 1;
            ((magnitude + 0x0fff + odd - 0x3800_0000) >> 13) as u16
        }
        // Adding 1/2 leaves the multiples of 2^-24 in the fraction, rounded by the host.
        _ => ((f32::from_bits(magnitude) + 0.5).to_bits() - 0x3f00_0000) as u16,
    };
    sign | r
}

/// An f32 rounded to nearest even bf16.
#[inline(always)]
pub fn bf16_from_f32(a: u32) -> u16 {
    if single::is_nan(a) {
        return NAN;
    }
    ((a + 0x7fff + ((a >> 16) & 1)) >> 16) as u16
}

impl Narrow {
    /// The format's description for [`soft`].
    pub const fn format(self) -> Format {
        match self {
            Narrow::F16 => soft::F16,
            Narrow::Bf16 => soft::BF16,
        }
    }

    const fn infinity(self) -> u16 {
        match self {
            Narrow::F16 => 0x7c00,
            Narrow::Bf16 => 0x7f80,
        }
    }

    const fn one(self) -> u16 {
        match self {
            Narrow::F16 => 0x3c00,
            Narrow::Bf16 => 0x3f80,
        }
    }

    /// Whether the bits are NaN.
    #[inline(always)]
    pub const fn is_nan(self, a: u16) -> bool {
        a & !SIGN > self.infinity()
    }

    /// The exact f32 value. A NaN stays one.
    #[inline(always)]
    pub fn widen(self, a: u16) -> u32 {
        match self {
            Narrow::F16 => f16_to_f32(a),
            Narrow::Bf16 => bf16_to_f32(a),
        }
    }

    /// The f32 value rounded to nearest even.
    #[inline(always)]
    pub fn round(self, a: u32) -> u16 {
        match self {
            Narrow::F16 => f16_from_f32(a),
            Narrow::Bf16 => bf16_from_f32(a),
        }
    }

    #[inline(always)]
    fn host(self, a: u16) -> f32 {
        f32::from_bits(self.widen(a))
    }

    /// A subnormal becomes zero of its sign.
    #[inline(always)]
    pub const fn flush(self, a: u16) -> u16 {
        if a & self.infinity() == 0 { a & SIGN } else { a }
    }

    #[inline(always)]
    fn input(self, a: u16, mode: NarrowMode) -> u16 {
        if mode.ftz { self.flush(a) } else { a }
    }

    #[inline(always)]
    fn output(self, r: u16, mode: NarrowMode) -> u16 {
        let r = if mode.ftz { self.flush(r) } else { r };
        if mode.sat {
            return match r {
                _ if self.is_nan(r) || r & SIGN != 0 => 0,
                _ => r.min(self.one()),
            };
        }
        // `-0` is not below zero, yet the hardware's clamp returns `+0` for it as well.
        if mode.relu && r & SIGN != 0 { 0 } else { r }
    }

    /// `add{.rnd}{.ftz}{.sat}.f16`, `add{.rnd}.bf16`.
    #[inline]
    pub fn add(self, a: u16, b: u16, mode: NarrowMode) -> u16 {
        let sum = self.host(self.input(a, mode)) + self.host(self.input(b, mode));
        self.output(self.round(sum.to_bits()), mode)
    }

    /// `sub{.rnd}{.ftz}{.sat}.f16`, `sub{.rnd}.bf16`.
    #[inline]
    pub fn sub(self, a: u16, b: u16, mode: NarrowMode) -> u16 {
        let difference = self.host(self.input(a, mode)) - self.host(self.input(b, mode));
        self.output(self.round(difference.to_bits()), mode)
    }

    /// `mul{.rnd}{.ftz}{.sat}.f16`, `mul{.rnd}.bf16`.
    #[inline]
    pub fn mul(self, a: u16, b: u16, mode: NarrowMode) -> u16 {
        let (a, b) = (self.host(self.input(a, mode)), self.host(self.input(b, mode)));
        let product = match self {
            Narrow::F16 => self.round((a * b).to_bits()),
            // A product below the normal f32 would be rounded there first; in f64 it is exact.
            Narrow::Bf16 => self.round_double(f64::from(a) * f64::from(b)),
        };
        let product = self.flush_tiny(product, mode, || f64::from(a) * f64::from(b));
        self.output(product, mode)
    }

    /// `fma.rnd{.ftz}{.sat}{.relu}.f16`, `fma.rnd{.relu}.bf16`.
    #[inline]
    pub fn fma(self, a: u16, b: u16, c: u16, mode: NarrowMode) -> u16 {
        let (a, b, c) = (self.input(a, mode), self.input(b, mode), self.input(c, mode));
        let product = f64::from(self.host(a)) * f64::from(self.host(b));
        let sum = product + f64::from(self.host(c));
        // The sum is rounded to 53 bits. Rounding it again is wrong only if it has become a
        // midpoint, or sits where the narrow format has fewer bits than its precision.
        let midpoint = sum.to_bits() & 0x1ff_ffff_ffff == 0 || sum.abs() < 1e-37;
        let r = if self == Narrow::Bf16 && midpoint && sum.is_finite() {
            let decode = |it: u16| soft::decode(soft::BF16, it.into());
            let exact = soft::fma(decode(a), decode(b), decode(c), Rounding::Nearest);
            soft::encode(soft::BF16, exact, Rounding::Nearest) as u16
        } else {
            self.round_double(sum)
        };
        self.output(self.flush_tiny(r, mode, || sum), mode)
    }

    /// With `.ftz`, flushes an f16 that rounding has lifted to the smallest normal number.
    #[inline(always)]
    fn flush_tiny(self, r: u16, mode: NarrowMode, exact: impl Fn() -> f64) -> u16 {
        let lifted = mode.ftz && self.format().is_min_normal(r.into());
        if lifted && exact().abs() < f64::from(self.host(r)).abs() { r & SIGN } else { r }
    }

    /// An f64 rounded to nearest even, once.
    #[inline]
    pub fn round_double(self, a: f64) -> u16 {
        // Round to odd keeps every fact that the second rounding needs.
        let near = a as f32;
        let error = a - f64::from(near);
        let bits = near.to_bits();
        let odd = if error == 0.0 || !near.is_finite() || bits & 1 == 1 {
            bits
        } else if (error > 0.0) == (a > 0.0) {
            bits + 1
        } else {
            bits - 1
        };
        self.round(odd)
    }

    /// `neg`. PTX leaves the result for NaN open; it is the canonical one.
    #[inline]
    pub fn neg(self, a: u16, ftz: bool) -> u16 {
        let flushed = if ftz { self.flush(a) } else { a };
        if self.is_nan(a) { NAN } else { flushed ^ SIGN }
    }

    /// `abs`. PTX leaves the result for NaN open; it is the canonical one.
    #[inline]
    pub fn abs(self, a: u16, ftz: bool) -> u16 {
        let flushed = if ftz { self.flush(a) } else { a };
        if self.is_nan(a) { NAN } else { flushed & !SIGN }
    }

    /// `min{.ftz}{.NaN}{.xorsign.abs}`; `-0 < +0`.
    #[inline]
    pub fn min(self, a: u16, b: u16, how: MinMax) -> u16 {
        self.select(a, b, how, single::min)
    }

    /// `max{.ftz}{.NaN}{.xorsign.abs}`; `-0 < +0`.
    #[inline]
    pub fn max(self, a: u16, b: u16, how: MinMax) -> u16 {
        self.select(a, b, how, single::max)
    }

    #[inline(always)]
    fn select(self, a: u16, b: u16, how: MinMax, pick: fn(u32, u32, MinMax) -> u32) -> u16 {
        let flush = |it| if how.ftz { self.flush(it) } else { it };
        // An f16 NaN widens without its sign, which `.xorsign` wants.
        let wide = |it| self.widen(flush(it)) | u32::from(it & SIGN) << 16;
        let how = MinMax { ftz: false, ..how };
        self.round(pick(wide(a), wide(b), how))
    }

    /// `setp.cmp{.ftz}`.
    #[inline]
    pub fn compare(self, op: Compare, a: u16, b: u16, ftz: bool) -> bool {
        let flush = |it| if ftz { self.flush(it) } else { it };
        op.of(self.host(flush(a)), self.host(flush(b)))
    }

    /// `testp`-like class, used by the tests of packed values.
    pub fn test(self, class: Class, a: u16) -> bool {
        let subnormal = self.flush(a) != a;
        match class {
            Class::Subnormal => subnormal,
            Class::Normal => !subnormal && single::test(class, self.widen(a)),
            Class::Finite | Class::Infinite | Class::Number | Class::NotANumber => {
                single::test(class, self.widen(a))
            }
        }
    }
}

/// Applies `f` to both halves of packed operands.
#[inline(always)]
pub fn packed2(a: u32, b: u32, f: impl Fn(u16, u16) -> u16) -> u32 {
    let low = f(a as u16, b as u16);
    let high = f((a >> 16) as u16, (b >> 16) as u16);
    pack(low, high)
}

/// Applies `f` to both halves of a packed operand.
#[inline(always)]
pub fn packed1(a: u32, f: impl Fn(u16) -> u16) -> u32 {
    pack(f(a as u16), f((a >> 16) as u16))
}

/// Applies `f` to both halves of three packed operands.
#[inline(always)]
pub fn packed3(a: u32, b: u32, c: u32, f: impl Fn(u16, u16, u16) -> u16) -> u32 {
    let low = f(a as u16, b as u16, c as u16);
    let high = f((a >> 16) as u16, (b >> 16) as u16, (c >> 16) as u16);
    pack(low, high)
}

/// Two halves as one word, `low` in bits 0 to 15.
#[inline(always)]
pub const fn pack(low: u16, high: u16) -> u32 {
    low as u32 | (high as u32) << 16
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    const BOTH: [Narrow; 2] = [Narrow::F16, Narrow::Bf16];
    const PLAIN: NarrowMode = NarrowMode { ftz: false, sat: false, relu: false };

    fn exact(format: Narrow, a: u16) -> soft::Value {
        soft::decode(format.format(), a.into())
    }

    fn near(format: Narrow, value: soft::Value) -> u16 {
        soft::encode(format.format(), value, Rounding::Nearest) as u16
    }

    #[test]
    fn widening_is_exact_for_every_value() {
        for a in 0..=u16::MAX {
            for format in BOTH {
                let want = soft::encode(soft::F32, exact(format, a), Rounding::Nearest) as u32;
                let got = format.widen(a);
                let ok = got == want || format.is_nan(a) && single::is_nan(got);
                assert!(ok, "{format:?} {a:x}: {got:x}");
                let back = if format.is_nan(a) { NAN } else { a };
                assert_eq!(format.round(format.widen(a)), back, "{format:?} {a:x}");
            }
        }
        assert_eq!(half::f16::from_bits(0x3555).to_f32().to_bits(), f16_to_f32(0x3555));
    }

    /// Every f16 and bf16, its midpoints to both neighbours, and one bit around each.
    #[test]
    fn narrowing_agrees_with_the_exact_rounding() {
        for a in 0..u16::MAX {
            for format in BOTH {
                let wide = format.widen(a);
                let middle = match format {
                    Narrow::F16 => 1 << 12,
                    Narrow::Bf16 => 1 << 15,
                };
                for offset in [0, 1, middle - 1, middle, middle + 1] {
                    let x = wide.wrapping_add(offset);
                    let want = near(format, soft::decode(soft::F32, x.into()));
                    assert_eq!(format.round(x), want, "{format:?} {x:x}");
                }
            }
        }
        let mut rng = Rng(5);
        for _ in 0..300_000 {
            let x = rng.f32();
            for format in BOTH {
                let want = near(format, soft::decode(soft::F32, x.into()));
                assert_eq!(format.round(x), want, "{format:?} {x:x}");
            }
            let wide = f64::from_bits(rng.f64());
            let want = near(Narrow::F16, soft::decode(soft::F64, wide.to_bits()));
            assert_eq!(Narrow::F16.round_double(wide), want, "{wide:e}");
        }
    }

    #[test]
    fn arithmetic_agrees_with_the_exact_rounding() {
        let mut rng = Rng(6);
        for _ in 0..500_000 {
            let r = rng.next();
            let (a, b, c) = (r as u16, (r >> 16) as u16, (r >> 32) as u16);
            for format in BOTH {
                let (x, y, z) = (exact(format, a), exact(format, b), exact(format, c));
                let sum = soft::add(x, y, Rounding::Nearest);
                assert_eq!(format.add(a, b, PLAIN), near(format, sum), "{format:?} {a:x}+{b:x}");
                let difference = soft::add(x, soft::neg(y), Rounding::Nearest);
                assert_eq!(format.sub(a, b, PLAIN), near(format, difference));
                let product = soft::mul(x, y);
                assert_eq!(format.mul(a, b, PLAIN), near(format, product), "{a:x}*{b:x}");
                let fused = soft::fma(x, y, z, Rounding::Nearest);
                let got = format.fma(a, b, c, PLAIN);
                assert_eq!(got, near(format, fused), "{format:?} {a:x}*{b:x}+{c:x}");
            }
        }
    }

    /// A product on a bf16 midpoint plus something far below the 53rd bit.
    #[test]
    fn bf16_fma_sees_the_bit_beyond_f64() {
        let (a, b) = (0x3f81, 0x3f82);
        let product =
            f64::from(f32::from_bits(0x3f81_0000)) * f64::from(f32::from_bits(0x3f82_0000));
        for c in [0x0080, 0x8080, 0x0001] {
            let value = soft::fma(
                exact(Narrow::Bf16, a),
                exact(Narrow::Bf16, b),
                exact(Narrow::Bf16, c),
                Rounding::Nearest,
            );
            assert_eq!(Narrow::Bf16.fma(a, b, c, PLAIN), near(Narrow::Bf16, value), "{product}");
        }
        // 1.5 * 1.0078125 is 1.51171875, the midpoint of two bf16: the tiny addend decides.
        assert_eq!(Narrow::Bf16.fma(0x3fc0, 0x3f81, 0x0080, PLAIN), 0x3fc2);
        assert_eq!(Narrow::Bf16.fma(0x3fc0, 0x3f81, 0x8080, PLAIN), 0x3fc1);
    }

    #[test]
    fn modifiers() {
        let ftz = NarrowMode { ftz: true, ..PLAIN };
        assert_eq!(Narrow::F16.add(1, 0, ftz), 0);
        assert_eq!(Narrow::F16.add(0x8001, 0x8000, ftz), 0x8000);
        let sat = NarrowMode { sat: true, ..PLAIN };
        assert_eq!(Narrow::F16.add(0x3c00, 0x3c00, sat), 0x3c00);
        assert_eq!(Narrow::F16.add(NAN, 0, sat), 0);
        let relu = NarrowMode { relu: true, ..PLAIN };
        assert_eq!(Narrow::Bf16.fma(0xbf80, 0x3f80, 0, relu), 0);
        assert_eq!(Narrow::Bf16.fma(NAN, 0x3f80, 0, relu), NAN);
        let how = MinMax::default();
        assert_eq!(Narrow::F16.min(0x8000, 0, how), 0x8000);
        assert_eq!(Narrow::F16.max(0x7e00, 1, how), 1);
        assert_eq!(
            packed2(0x3c00_3c00, 0x3c00_0000, |a, b| Narrow::F16.add(a, b, PLAIN)),
            0x4000_3c00
        );
    }
}
