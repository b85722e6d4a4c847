//! Every conversion between number types. PTX ISA, `cvt` and `cvt.pack`.
//!
//! An integer travels as the low bits of a `u64`; a float as its bits in a [`Format`].

use super::int::saturate;
use super::soft::{self, BF16, F16, F32, F64, Format, Value};
use super::{Rounding, double, narrow, single};

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntType {
    /// 8, 16, 32 or 64.
    pub bits: u32,
    /// Whether the top bit is the sign.
    pub signed: bool,
}

impl IntType {
    /// The signed type of this width.
    pub const fn signed(bits: u32) -> IntType {
        IntType { bits, signed: true }
    }

    /// The unsigned type of this width.
    pub const fn unsigned(bits: u32) -> IntType {
        IntType { bits, signed: false }
    }

    const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    /// The low bits as a value extended to 64 bits.
    #[inline(always)]
    pub const fn extend(self, a: u64) -> u64 {
        let up = 64 - self.bits;
        if self.signed { (((a << up) as i64) >> up) as u64 } else { a & self.mask() }
    }

    fn value(self, a: u64) -> i128 {
        let a = self.extend(a);
        if self.signed { i128::from(a as i64) } else { i128::from(a) }
    }

    fn clamp(self, value: i128) -> u64 {
        match (self.bits, self.signed) {
            (8, false) => saturate::<u8>(value).into(),
            (8, true) => saturate::<i8>(value) as u64,
            (16, false) => saturate::<u16>(value).into(),
            (16, true) => saturate::<i16>(value) as u64,
            (32, false) => saturate::<u32>(value).into(),
            (32, true) => saturate::<i32>(value) as u64,
            (_, false) => saturate::<u64>(value),
            (_, true) => saturate::<i64>(value) as u64,
        }
    }
}

/// Modifiers of `cvt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cvt {
    /// Rounding of the result.
    pub round: Rounding,
    /// `.ftz`: an f32 subnormal on either side becomes zero of its sign.
    pub ftz: bool,
    /// `.sat`: integers clamp to the target's range, floats to `[+0, 1]`.
    pub sat: bool,
    /// `.relu`: a negative result becomes `+0`.
    pub relu: bool,
    /// `.satfinite`: overflow and infinity become the largest finite value.
    pub satfinite: bool,
}

impl Cvt {
    /// Rounding alone.
    pub const fn rounded(round: Rounding) -> Cvt {
        Cvt { round, ftz: false, sat: false, relu: false, satfinite: false }
    }
}

/// Integer to integer: truncation or extension, with `.sat` the nearest value of the target.
///
/// The result is extended to 64 bits by the target's sign, as a wider register holds it.
#[inline]
pub fn int_to_int(a: u64, from: IntType, to: IntType, sat: bool) -> u64 {
    if sat { to.clamp(from.value(a)) } else { to.extend(from.extend(a)) }
}

/// Integer to float.
#[inline]
pub fn int_to_float(a: u64, from: IntType, to: Format, cvt: Cvt) -> u64 {
    let a = from.extend(a);
    let bits = if cvt.round == Rounding::Nearest && to == F32 {
        let r = if from.signed { a as i64 as f32 } else { a as f32 };
        r.to_bits().into()
    } else if cvt.round == Rounding::Nearest && to == F64 {
        let r = if from.signed { a as i64 as f64 } else { a as f64 };
        r.to_bits()
    } else {
        soft::encode(to, soft::integer(from.value(a)), cvt.round)
    };
    finish(bits, to, cvt)
}

/// Float to integer, clamped to the target's range.
///
/// NaN becomes zero, except from f64 or into 64 bits, where it becomes the top bit alone. PTX ISA,
/// `cvt`: "Zero if source is not .f64 and destination is not .s64/.u64, otherwise
/// 1 << (BitWidth(dst) - 1)".
#[inline]
pub fn float_to_int(a: u64, from: Format, to: IntType, cvt: Cvt) -> u64 {
    let a = if cvt.ftz && from == F32 { single::flush(a as u32).into() } else { a };
    let value = to_double(a, from);
    if value.is_nan() {
        return if from == F64 || to.bits == 64 { to.extend(1 << (to.bits - 1)) } else { 0 };
    }
    let whole = match cvt.round {
        Rounding::Nearest => value.round_ties_even(),
        Rounding::NearestAway => value.round(),
        Rounding::Zero => value.trunc(),
        Rounding::Down => value.floor(),
        Rounding::Up => value.ceil(),
    };
    match (to.bits, to.signed) {
        (64, true) => whole as i64 as u64,
        (64, false) => whole as u64,
        (32, true) => whole as i32 as u64,
        (32, false) => u64::from(whole as u32),
        _ => to.clamp(i128::from(whole as i64)),
    }
}

/// The exact value of a float of any format of at most 64 bits.
#[inline]
pub fn to_double(a: u64, from: Format) -> f64 {
    if from == F32 {
        f64::from(f32::from_bits(a as u32))
    } else if from == F64 {
        f64::from_bits(a)
    } else if from == F16 {
        f64::from(f32::from_bits(narrow::f16_to_f32(a as u16)))
    } else if from == BF16 {
        f64::from(f32::from_bits(narrow::bf16_to_f32(a as u16)))
    } else {
        f64::from_bits(soft::encode(F64, soft::decode(from, a), Rounding::Nearest))
    }
}

/// Float to float of another (or the same) format.
#[inline]
pub fn float_to_float(a: u64, from: Format, to: Format, cvt: Cvt) -> u64 {
    let a = if cvt.ftz && from == F32 { single::flush(a as u32).into() } else { a };
    let near = cvt.round == Rounding::Nearest;
    let bits = if from == F16 && to == F32 {
        narrow::f16_to_f32(a as u16).into()
    } else if from == BF16 && to == F32 {
        narrow::bf16_to_f32(a as u16).into()
    } else if near && from == F32 && to == F16 {
        narrow::f16_from_f32(a as u32).into()
    } else if near && from == F32 && to == BF16 {
        narrow::bf16_from_f32(a as u32).into()
    } else if (from == F64 || to == F64) && from.is_nan(a) {
        carry_nan(a, from, to)
    } else {
        let value = soft::decode(from, a);
        let bits = soft::encode(to, value, cvt.round);
        // As in arithmetic, `.ftz` looks at the value before it is rounded.
        let lifted = cvt.ftz && to == F32 && to.is_min_normal(bits) && soft::is_tiny(to, value);
        if lifted { bits & to.sign() } else { bits }
    };
    finish(bits, to, cvt)
}

/// A NaN on its way from or to f64: the sign and the top of the payload stay, made quiet.
///
/// Every other conversion to a format makes that format's own NaN.
#[cold]
fn carry_nan(a: u64, from: Format, to: Format) -> u64 {
    let payload = a & ((1 << from.fraction) - 1);
    let payload = payload << (52 - from.fraction) >> (52 - to.fraction);
    let exponent = ((1 << to.exponent) - 1) << to.fraction;
    let sign = if a & from.sign() != 0 { to.sign() } else { 0 };
    sign | exponent | 1 << (to.fraction - 1) | payload
}

/// Rounds a float to an integral float of its own format: `cvt.rni.f32.f32` and its kin.
#[inline]
pub fn float_to_integral(a: u64, format: Format, cvt: Cvt) -> u64 {
    let a = if cvt.ftz && format == F32 { single::flush(a as u32).into() } else { a };
    let bits = if format.is_nan(a) {
        if format == F64 { carry_nan(a, F64, F64) } else { format.nan }
    } else {
        let value = to_double(a, format);
        let whole = match cvt.round {
            Rounding::Nearest => value.round_ties_even(),
            Rounding::NearestAway => value.round(),
            Rounding::Zero => value.trunc(),
            Rounding::Down => value.floor(),
            Rounding::Up => value.ceil(),
        };
        // Integral values of a format are its own, so this loses nothing.
        soft::encode(format, soft::decode(F64, whole.to_bits()), Rounding::Nearest)
    };
    finish(bits, format, cvt)
}

/// `.satfinite`, `.relu`, `.ftz` and `.sat` on a result.
fn finish(bits: u64, to: Format, cvt: Cvt) -> u64 {
    let mut bits = bits;
    let negative = bits & to.sign() != 0;
    if cvt.satfinite && !to.is_nan(bits) && bits & (to.sign() - 1) > to.max_finite() {
        bits = to.max_finite() | (bits & to.sign());
    }
    if cvt.relu && negative && !to.is_nan(bits) {
        bits = 0;
    }
    if cvt.ftz && to == F32 {
        bits = single::flush(bits as u32).into();
    }
    if !cvt.sat {
        return bits;
    }
    match to {
        F32 => single::saturate(bits as u32).into(),
        F64 => double::saturate(bits),
        _ if to.is_nan(bits) || negative => 0,
        _ => bits.min(soft::encode(to, soft::integer(1), Rounding::Nearest)),
    }
}

/// `cvt…f16x2.f32 d, a, b` (and bf16x2): `a` into the upper half, `b` into the lower.
#[inline]
pub fn pack_f32x2(a: u32, b: u32, to: Format, cvt: Cvt) -> u32 {
    let convert = |it: u32| float_to_float(it.into(), F32, to, cvt) as u16;
    narrow::pack(convert(b), convert(a))
}

/// `cvt.rn.satfinite{.relu}.e4m3x2.f32 d, a, b` (and e5m2x2): `a` into the upper byte.
pub fn pack_fp8x2(a: u32, b: u32, to: Format, relu: bool) -> u16 {
    let cvt = Cvt { relu, satfinite: true, ..Cvt::rounded(Rounding::Nearest) };
    let convert = |it: u32| float_to_float(it.into(), F32, to, cvt) as u16;
    convert(a) << 8 | convert(b)
}

/// `cvt.rn.satfinite{.relu}.e4m3x2.f16x2 d, a` (and e5m2x2).
pub fn fp8x2_from_f16x2(a: u32, to: Format, relu: bool) -> u16 {
    let wide = |half: u32| narrow::f16_to_f32(half as u16);
    pack_fp8x2(wide(a >> 16), wide(a), to, relu)
}

/// `cvt.rn{.relu}.f16x2.e4m3x2 d, a` (and e5m2x2); exact.
pub fn fp8x2_to_f16x2(a: u16, from: Format, relu: bool) -> u32 {
    let cvt = Cvt { relu, ..Cvt::rounded(Rounding::Nearest) };
    let convert = |byte: u16| float_to_float((byte & 0xff).into(), from, F16, cvt) as u16;
    narrow::pack(convert(a), convert(a >> 8))
}

/// `cvt.pack.sat.{u16,s16}.s32 d, a, b` and `cvt.pack.sat.{u8,s8}.s32.b32 d, a, b, c`.
///
/// `a` lands above `b`; the 8-bit form puts the lower half of `c` above both.
pub fn pack_int(a: i32, b: i32, c: u32, to: IntType) -> u32 {
    let clamp = |it: i32| (to.clamp(it.into()) & to.mask()) as u32;
    let pair = clamp(a) << to.bits | clamp(b);
    if to.bits == 8 { c << 16 | pair } else { pair }
}

/// The number that a finite [`Value`] of `format` is, for tests and reports.
pub fn describe(a: u64, format: Format) -> f64 {
    match soft::decode(format, a) {
        Value::Nan => f64::NAN,
        Value::Infinite(true) => f64::NEG_INFINITY,
        Value::Infinite(false) => f64::INFINITY,
        Value::Finite(_) => to_double(a, format),
    }
}

#[cfg(test)]
mod tests {
    use super::super::soft::{E4M3, E5M2, TF32};
    use super::super::testing::Rng;
    use super::*;

    const NEAR: Cvt = Cvt::rounded(Rounding::Nearest);
    const ROUNDINGS: [Rounding; 4] =
        [Rounding::Nearest, Rounding::Zero, Rounding::Down, Rounding::Up];

    #[test]
    fn f16_and_bf16_round_trip_through_f32_and_f64() {
        for a in 0..=u64::from(u16::MAX) {
            for format in [F16, BF16] {
                for wide in [F32, F64] {
                    let want = match (format.is_nan(a), wide == F64) {
                        (false, _) => a,
                        (true, false) => format.nan,
                        (true, true) => a | 1 << (format.fraction - 1),
                    };
                    let there = float_to_float(a, format, wide, NEAR);
                    for round in ROUNDINGS {
                        let back = float_to_float(there, wide, format, Cvt::rounded(round));
                        assert_eq!(back, want, "{a:x}");
                    }
                }
            }
        }
    }

    /// The directed result brackets the value, and nearest is the closer of the two.
    #[test]
    fn narrowing_brackets_the_value() {
        let mut rng = Rng(10);
        for _ in 0..200_000 {
            let a = u64::from(rng.f32());
            let value = to_double(a, F32);
            if !value.is_finite() {
                continue;
            }
            for format in [F16, BF16, TF32] {
                let to = |round| float_to_float(a, F32, format, Cvt::rounded(round));
                let of = |round| describe(to(round), format);
                let (down, up) = (of(Rounding::Down), of(Rounding::Up));
                assert!(down <= value && value <= up, "{a:x}");
                assert_eq!(of(Rounding::Zero), if value > 0.0 { down } else { up });
                let near = of(Rounding::Nearest);
                if near.is_finite() && down.is_finite() && up.is_finite() {
                    assert!((near - value).abs() <= (down - value).abs().min(up - value) + 0.0);
                }
            }
        }
    }

    #[test]
    fn float_to_int_agrees_with_exact_rounding() {
        let mut rng = Rng(11);
        let types = [8, 16, 32, 64].map(|bits| [IntType::signed(bits), IntType::unsigned(bits)]);
        for _ in 0..50_000 {
            let (a, b) = (u64::from(rng.f32()), rng.f64());
            for (bits, format) in [(a, F32), (b, F64)] {
                for round in ROUNDINGS {
                    let exact = soft::decode(format, bits);
                    for to in types.as_flattened() {
                        let got = float_to_int(bits, format, *to, Cvt::rounded(round));
                        let want = match (soft::to_integer(exact, round), exact) {
                            (Some(value), _) => to.clamp(value),
                            (None, Value::Infinite(true)) => to.clamp(i128::MIN),
                            (None, Value::Infinite(false)) => to.clamp(i128::MAX),
                            (None, _) => continue,
                        };
                        assert_eq!(got, want, "{bits:x} {round:?} {to:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn nan_becomes_zero_or_the_top_bit() {
        let cvt = Cvt::rounded(Rounding::Zero);
        let nan = u64::from(single::NAN);
        assert_eq!(float_to_int(nan, F32, IntType::signed(32), cvt), 0);
        assert_eq!(float_to_int(nan, F32, IntType::signed(64), cvt), 1 << 63);
        assert_eq!(float_to_int(F64.nan, F64, IntType::unsigned(32), cvt), 0x8000_0000);
    }

    #[test]
    fn int_to_float_rounds_in_every_direction() {
        let mut rng = Rng(12);
        for _ in 0..100_000 {
            let a = rng.next() >> (rng.next() % 64);
            for from in [IntType::signed(64), IntType::unsigned(64), IntType::signed(32)] {
                let value = soft::integer(from.value(a));
                for to in [F16, BF16, F32, F64] {
                    for round in ROUNDINGS {
                        let got = int_to_float(a, from, to, Cvt::rounded(round));
                        assert_eq!(got, soft::encode(to, value, round), "{a:x} {round:?}");
                    }
                }
            }
        }
        let big = int_to_float(70_000, IntType::signed(32), F16, NEAR);
        assert_eq!(big, 0x7c00);
    }

    #[test]
    fn integers_extend_truncate_and_saturate() {
        let (s8, u8, s32) = (IntType::signed(8), IntType::unsigned(8), IntType::signed(32));
        assert_eq!(int_to_int(0x1ff, s32, s8, false), u64::MAX);
        assert_eq!(int_to_int(0x1ff, s32, s8, true), 127);
        assert_eq!(int_to_int(0xffff_ffff, s32, u8, true), 0);
        assert_eq!(int_to_int(0x80, s8, s32, false), 0xffff_ffff_ffff_ff80);
        assert_eq!(int_to_int(0x80, u8, s32, false), 0x80);
        assert_eq!(pack_int(40_000, -40_000, 0, IntType::signed(16)), 0x7fff_8000);
        assert_eq!(pack_int(300, -1, 0xabcd_1234, IntType::unsigned(8)), 0x1234_ff00);
    }

    #[test]
    fn fp8_saturates_and_keeps_its_values() {
        for byte in 0..=255u16 {
            for format in [E4M3, E5M2] {
                let half = fp8x2_to_f16x2(byte, format, false);
                let infinite = format == E5M2 && byte & 0x7f == 0x7c;
                let back = fp8x2_from_f16x2(half, format, false) & 0xff;
                let want = match byte {
                    _ if format.is_nan(byte.into()) => 0x7f,
                    _ if infinite => byte - 1,
                    _ => byte,
                };
                assert_eq!(back, want, "{byte:x}");
            }
        }
        let f = |x: f32| x.to_bits();
        assert_eq!(pack_fp8x2(f(1.0), f(-2.0), E4M3, false), 0x38c0);
        assert_eq!(pack_fp8x2(f(1e9), f(-1e9), E4M3, false), 0x7efe);
        assert_eq!(pack_fp8x2(f(1e9), f(-1e9), E5M2, true), 0x7b00);
        assert_eq!(pack_fp8x2(single::NAN, f(464.0), E4M3, false), 0x7f7e);
    }

    #[test]
    fn tf32_rounds_away_on_ties() {
        let cvt = Cvt::rounded(Rounding::NearestAway);
        assert_eq!(float_to_float(0x3f80_1000, F32, TF32, cvt), 0x3f80_2000);
        assert_eq!(float_to_float(0x3f80_0fff, F32, TF32, cvt), 0x3f80_0000);
        assert_eq!(float_to_float(0x3f80_1000, F32, TF32, NEAR), 0x3f80_0000);
    }

    #[test]
    fn modifiers() {
        let f = |x: f32| u64::from(x.to_bits());
        let relu = Cvt { relu: true, ..NEAR };
        assert_eq!(float_to_float(f(-1.0), F32, F16, relu), 0);
        let finite = Cvt { satfinite: true, ..NEAR };
        assert_eq!(float_to_float(f(f32::NEG_INFINITY), F32, F16, finite), 0xfbff);
        let sat = Cvt { sat: true, ..NEAR };
        assert_eq!(float_to_float(f(2.0), F32, F32, sat), f(1.0));
        assert_eq!(float_to_float(f(-2.0), F32, F16, sat), 0);
        let ftz = Cvt { ftz: true, ..NEAR };
        assert_eq!(float_to_float(1, F32, F64, ftz), 0);
        assert_eq!(float_to_float(1e-40f64.to_bits(), F64, F32, ftz), 0);
        assert_eq!(float_to_integral(f(2.5), F32, NEAR), f(2.0));
        assert_eq!(float_to_integral(f(-0.5), F32, NEAR), f(-0.0));
        assert_eq!(float_to_integral(0x3e00, F16, Cvt::rounded(Rounding::Up)), 0x4000);
    }
}
