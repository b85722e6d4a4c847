//! Exact values on wide integers, and the one place where a value is rounded into a format.
//!
//! A finite value is `±significand · 2^exponent` with 128 bits of significand. Sums and products
//! of f64 do not fit exactly when their exponents are far apart; then the lowest bit is *sticky*
//! (set if anything below it was lost), which is enough for one rounding into at most 64 bits.
//! So `encode(op(decode(a), decode(b)))` is correctly rounded in every direction.

use super::Rounding;

/// An IEEE-like binary format of at most 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Bits of the exponent field.
    pub exponent: u32,
    /// Explicit bits of the fraction.
    pub fraction: u32,
    /// Unused low bits below the fraction (tf32 lives in the top 19 bits of an f32).
    pub padding: u32,
    /// The NaN that operations produce.
    pub nan: u64,
    /// Whether the topmost exponent holds infinity and NaN. e4m3 has only one NaN there.
    pub infinity: bool,
}

/// IEEE binary64.
pub const F64: Format = Format::ieee(11, 52, 0x7fff_ffff_ffff_ffff);
/// IEEE binary32.
pub const F32: Format = Format::ieee(8, 23, 0x7fff_ffff);
/// tf32: the sign, exponent and top ten fraction bits of an f32.
pub const TF32: Format =
    Format { exponent: 8, fraction: 10, padding: 13, nan: 0x7fff_e000, infinity: true };
/// IEEE binary16.
pub const F16: Format = Format::ieee(5, 10, 0x7fff);
/// bfloat16.
pub const BF16: Format = Format::ieee(8, 7, 0x7fff);
/// fp8 with five exponent bits, infinity included.
pub const E5M2: Format = Format::ieee(5, 2, 0x7f);
/// fp8 with four exponent bits, without infinity; its largest value is 448.
pub const E4M3: Format =
    Format { exponent: 4, fraction: 3, padding: 0, nan: 0x7f, infinity: false };

impl Format {
    const fn ieee(exponent: u32, fraction: u32, nan: u64) -> Format {
        Format { exponent, fraction, padding: 0, nan, infinity: true }
    }

    const fn bias(self) -> i32 {
        (1 << (self.exponent - 1)) - 1
    }

    /// The bit of the sign.
    pub const fn sign(self) -> u64 {
        1 << (self.exponent + self.fraction + self.padding)
    }

    /// Exponent field of all ones, in place, without padding.
    const fn top(self) -> u64 {
        ((1 << self.exponent) - 1) << self.fraction
    }

    /// Bits of the largest finite value.
    pub const fn max_finite(self) -> u64 {
        let max = if self.infinity { self.top() - 1 } else { self.sign() - 2 };
        max << self.padding
    }

    /// Whether `bits` is NaN.
    pub const fn is_nan(self, bits: u64) -> bool {
        let magnitude = (bits & (self.sign() - 1)) >> self.padding;
        if self.infinity { magnitude > self.top() } else { magnitude == self.sign() - 1 }
    }

    /// Whether the magnitude is that of the smallest normal number.
    #[inline(always)]
    pub const fn is_min_normal(self, bits: u64) -> bool {
        bits & (self.sign() - 1) == 1 << (self.fraction + self.padding)
    }
}

/// A decoded value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not a number.
    Nan,
    /// Infinity, negative if `true`.
    Infinite(bool),
    /// A finite value.
    Finite(Finite),
}

/// `±significand · 2^exponent`; the lowest significand bit may be sticky.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finite {
    /// Whether the sign is minus (also of zero).
    pub negative: bool,
    /// The magnitude's integer part.
    pub significand: u128,
    /// The power of two that scales it.
    pub exponent: i32,
}

impl Finite {
    const fn zero(negative: bool) -> Finite {
        Finite { negative, significand: 0, exponent: 0 }
    }

    /// The same value with its leading bit at position 126. Zero stays.
    fn normal(self) -> Finite {
        if self.significand == 0 {
            return self;
        }
        let shift = self.significand.leading_zeros() as i32 - 1;
        let significand =
            if shift >= 0 { self.significand << shift } else { jam(self.significand, 1) };
        Finite { significand, exponent: self.exponent - shift, ..self }
    }
}

/// `x >> shift` whose lowest bit also says whether a one was shifted out.
fn jam(x: u128, shift: u32) -> u128 {
    match shift {
        0 => x,
        1..=127 => (x >> shift) | u128::from(x & ((1 << shift) - 1) != 0),
        _ => u128::from(x != 0),
    }
}

/// The value of `bits` in `format`.
pub fn decode(format: Format, bits: u64) -> Value {
    let negative = bits & format.sign() != 0;
    if format.is_nan(bits) {
        return Value::Nan;
    }
    let magnitude = (bits & (format.sign() - 1)) >> format.padding;
    if format.infinity && magnitude == format.top() {
        return Value::Infinite(negative);
    }
    let fraction = magnitude & ((1 << format.fraction) - 1);
    let field = (magnitude >> format.fraction) as i32;
    let hidden = if field == 0 { 0 } else { 1 << format.fraction };
    Value::Finite(Finite {
        negative,
        significand: u128::from(fraction | hidden),
        exponent: field.max(1) - format.bias() - format.fraction as i32,
    })
}

/// Rounds `value` once into `format`.
///
/// Overflow gives infinity or the largest finite value as the direction says, always the latter
/// in a format without infinity (its conversions exist only with `.satfinite`).
pub fn encode(format: Format, value: Value, round: Rounding) -> u64 {
    match value {
        Value::Nan => format.nan,
        Value::Infinite(negative) => with_sign(format, negative, overflow(format, true)),
        Value::Finite(finite) => encode_finite(format, finite, round),
    }
}

/// Whether a value that is not zero lies below the normal numbers of `format`.
///
/// The hardware's `.ftz` looks at the exact result: one that only rounding lifts to the smallest
/// normal number is flushed.
pub fn is_tiny(format: Format, value: Value) -> bool {
    let Value::Finite(Finite { significand, exponent, .. }) = value else { return false };
    let leading = exponent + 127 - significand.leading_zeros() as i32;
    significand != 0 && leading < 1 - format.bias()
}

fn with_sign(format: Format, negative: bool, magnitude: u64) -> u64 {
    magnitude | if negative { format.sign() } else { 0 }
}

/// Infinity if wanted and the format has one, otherwise its largest finite value.
fn overflow(format: Format, infinite: bool) -> u64 {
    if infinite && format.infinity { format.top() << format.padding } else { format.max_finite() }
}

fn encode_finite(format: Format, value: Finite, round: Rounding) -> u64 {
    let Finite { negative, significand, exponent } = value;
    if significand == 0 {
        return with_sign(format, negative, 0);
    }
    let leading = exponent + 127 - significand.leading_zeros() as i32;
    let binade = leading.max(1 - format.bias());
    let shift = binade - format.fraction as i32 - exponent;
    let (kept, lost) = split(significand, shift);
    let kept = kept + u64::from(rounds_up(round, negative, kept & 1 == 1, lost));
    // The hidden bit adds one to the exponent field, as does a carry out of the fraction.
    let field = (binade + format.bias() - 1) as u64;
    let magnitude = if field > 1 << format.exponent {
        format.sign()
    } else {
        ((field << format.fraction) + kept) << format.padding
    };
    if magnitude > format.max_finite() {
        let infinite = match round {
            Rounding::Nearest | Rounding::NearestAway => true,
            Rounding::Zero => false,
            Rounding::Down => negative,
            Rounding::Up => !negative,
        };
        return with_sign(format, negative, overflow(format, infinite));
    }
    with_sign(format, negative, magnitude)
}

/// What a shift to the right loses, in halves of the last kept bit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lost {
    Nothing,
    BelowHalf,
    Half,
    AboveHalf,
}

/// `significand >> shift` and what that loses; a negative shift is exact.
fn split(significand: u128, shift: i32) -> (u64, Lost) {
    if shift <= 0 {
        return ((significand << -shift) as u64, Lost::Nothing);
    }
    if shift > 127 {
        // The callers keep the leading bit at 126 or below, so less than half of 2^shift is left.
        return (0, if significand == 0 { Lost::Nothing } else { Lost::BelowHalf });
    }
    let rest = significand & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    let lost = match (rest, rest.cmp(&half)) {
        (0, _) => Lost::Nothing,
        (_, std::cmp::Ordering::Less) => Lost::BelowHalf,
        (_, std::cmp::Ordering::Equal) => Lost::Half,
        (_, std::cmp::Ordering::Greater) => Lost::AboveHalf,
    };
    ((significand >> shift) as u64, lost)
}

fn rounds_up(round: Rounding, negative: bool, odd: bool, lost: Lost) -> bool {
    match round {
        Rounding::Nearest => lost == Lost::AboveHalf || (lost == Lost::Half && odd),
        Rounding::NearestAway => lost >= Lost::Half,
        Rounding::Zero => false,
        Rounding::Down => negative && lost != Lost::Nothing,
        Rounding::Up => !negative && lost != Lost::Nothing,
    }
}

/// The value of an integer.
pub fn integer(value: i128) -> Value {
    Value::Finite(Finite { negative: value < 0, significand: value.unsigned_abs(), exponent: 0 })
}

/// `a + b`. The direction decides the sign of an exact zero: minus only towards minus infinity.
pub fn add(a: Value, b: Value, round: Rounding) -> Value {
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) => Value::Nan,
        (Value::Infinite(x), Value::Infinite(y)) if x != y => Value::Nan,
        (Value::Infinite(x), _) | (_, Value::Infinite(x)) => Value::Infinite(x),
        (Value::Finite(x), Value::Finite(y)) => Value::Finite(add_finite(x, y, round)),
    }
}

fn add_finite(a: Finite, b: Finite, round: Rounding) -> Finite {
    let (a, b) = (a.normal(), b.normal());
    if a.significand == 0 || b.significand == 0 {
        let (zero, other) = if a.significand == 0 { (a, b) } else { (b, a) };
        if other.significand != 0 || zero.negative == other.negative {
            return other;
        }
        return Finite::zero(round == Rounding::Down);
    }
    let (big, small) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
    let aligned = jam(small.significand, (big.exponent - small.exponent) as u32);
    if big.negative == small.negative {
        return Finite { significand: big.significand + aligned, ..big }.normal();
    }
    if big.significand == aligned {
        return Finite::zero(round == Rounding::Down);
    }
    Finite {
        negative: big.negative ^ (aligned > big.significand),
        significand: big.significand.abs_diff(aligned),
        exponent: big.exponent,
    }
}

/// `-a`.
pub fn neg(a: Value) -> Value {
    match a {
        Value::Nan => Value::Nan,
        Value::Infinite(negative) => Value::Infinite(!negative),
        Value::Finite(x) => Value::Finite(Finite { negative: !x.negative, ..x }),
    }
}

/// `a · b`, exact for significands of at most 64 bits.
pub fn mul(a: Value, b: Value) -> Value {
    let (negative, zero) = (is_negative(a) != is_negative(b), is_zero(a) || is_zero(b));
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) => Value::Nan,
        (Value::Infinite(_), _) | (_, Value::Infinite(_)) if zero => Value::Nan,
        (Value::Infinite(_), _) | (_, Value::Infinite(_)) => Value::Infinite(negative),
        (Value::Finite(x), Value::Finite(y)) => Value::Finite(Finite {
            negative,
            significand: x.significand * y.significand,
            exponent: x.exponent + y.exponent,
        }),
    }
}

/// `a · b + c`, rounded by nobody yet.
pub fn fma(a: Value, b: Value, c: Value, round: Rounding) -> Value {
    add(mul(a, b), c, round)
}

/// `a / b`, for significands of at most 53 bits.
pub fn div(a: Value, b: Value) -> Value {
    let negative = is_negative(a) != is_negative(b);
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) | (Value::Infinite(_), Value::Infinite(_)) => Value::Nan,
        (Value::Infinite(_), Value::Finite(_)) => Value::Infinite(negative),
        (Value::Finite(_), Value::Infinite(_)) => Value::Finite(Finite::zero(negative)),
        (Value::Finite(x), Value::Finite(y)) => match (x.significand, y.significand) {
            (0, 0) => Value::Nan,
            (0, _) => Value::Finite(Finite::zero(negative)),
            (_, 0) => Value::Infinite(negative),
            (_, divisor) => {
                // A dividend of 127 bits by a divisor of 64 leaves at least 63 bits of quotient,
                // more than any format keeps.
                let x = x.normal();
                let up = divisor.leading_zeros() as i32 - 64;
                let divisor = divisor << up;
                let rest = u128::from(!x.significand.is_multiple_of(divisor));
                let quotient = x.significand / divisor;
                // Two more bits so that the sticky one is below the half of the last kept bit.
                let significand = (quotient << 2) | rest;
                Value::Finite(Finite {
                    negative,
                    significand,
                    exponent: x.exponent - y.exponent + up - 2,
                })
            }
        },
    }
}

/// `√a`, `-0` for `-0`, NaN below that.
pub fn sqrt(a: Value) -> Value {
    match a {
        Value::Nan | Value::Infinite(true) => Value::Nan,
        Value::Infinite(false) => a,
        Value::Finite(x) if x.significand == 0 => a,
        Value::Finite(x) if x.negative => Value::Nan,
        Value::Finite(x) => {
            let x = x.normal();
            // An even exponent halves exactly; the bit below 126 is zero before the shift.
            let odd = x.exponent.rem_euclid(2);
            let scaled = x.significand << odd;
            let root = scaled.isqrt();
            let rest = u128::from(root * root != scaled);
            Value::Finite(Finite {
                negative: false,
                significand: (root << 2) | rest,
                exponent: (x.exponent - odd) / 2 - 2,
            })
        }
    }
}

fn is_negative(a: Value) -> bool {
    match a {
        Value::Nan => false,
        Value::Infinite(negative) => negative,
        Value::Finite(x) => x.negative,
    }
}

fn is_zero(a: Value) -> bool {
    matches!(a, Value::Finite(Finite { significand: 0, .. }))
}

/// Rounds to an integer; `None` for NaN and infinities.
///
/// The result is clamped to ±2^100, beyond every integer type.
pub fn to_integer(a: Value, round: Rounding) -> Option<i128> {
    let Value::Finite(x) = a else { return None };
    let x = x.normal();
    if x.significand == 0 {
        return Some(0);
    }
    if x.exponent > -27 {
        return Some(if x.negative { -(1 << 100) } else { 1 << 100 });
    }
    let shift = -x.exponent;
    let (kept, lost) = if shift > 127 {
        (0, Lost::BelowHalf)
    } else {
        let (_, lost) = split(x.significand, shift);
        ((x.significand >> shift) as i128, lost)
    };
    let kept = kept + i128::from(rounds_up(round, x.negative, kept & 1 == 1, lost));
    Some(if x.negative { -kept } else { kept })
}
