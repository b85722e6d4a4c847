//! f64 arithmetic. PTX ISA, "Floating Point Instructions".
//!
//! Subnormals are always kept (f64 has no `.ftz`). A NaN operand passes its sign and payload
//! through, made quiet, the last NaN operand winning; an invalid operation makes [`NAN`]. PTX
//! promises only "NaN payloads are preserved"; the rest is what an H200 does.

use super::soft::{self, F64, Value};
use super::{Class, Compare, Rounding};

/// The NaN of an invalid operation such as `inf - inf`.
pub const NAN: u64 = 0xfff8_0000_0000_0000;

const SIGN: u64 = 1 << 63;
const QUIET: u64 = 1 << 51;
const INFINITY: u64 = 0x7ff0_0000_0000_0000;
const ONE: u64 = 0x3ff0_0000_0000_0000;

/// Whether the bits are NaN.
#[inline(always)]
pub const fn is_nan(a: u64) -> bool {
    a & !SIGN > INFINITY
}

/// `.sat`: clamps to `[+0, 1]`, NaN and `-0` become `+0`.
#[inline(always)]
pub const fn saturate(a: u64) -> u64 {
    if is_nan(a) || a & SIGN != 0 {
        0
    } else if a > ONE {
        ONE
    } else {
        a
    }
}

/// The quiet form of the last NaN among the operands, or that of an invalid operation.
#[cold]
fn nan_of(operands: &[u64]) -> u64 {
    operands.iter().rev().find(|it| is_nan(**it)).map_or(NAN, |it| it | QUIET)
}

#[inline(always)]
fn finish(r: u64, operands: &[u64]) -> u64 {
    if is_nan(r) { nan_of(operands) } else { r }
}

fn decode(a: u64) -> Value {
    soft::decode(F64, a)
}

#[inline(always)]
fn binary(
    a: u64,
    b: u64,
    round: Rounding,
    near: impl Fn(f64, f64) -> f64,
    exact: impl Fn(Value, Value) -> Value,
) -> u64 {
    let r = match round {
        Rounding::Nearest => near(f64::from_bits(a), f64::from_bits(b)).to_bits(),
        round => soft::encode(F64, exact(decode(a), decode(b)), round),
    };
    finish(r, &[a, b])
}

/// `add{.rnd}.f64`.
#[inline]
pub fn add(a: u64, b: u64, round: Rounding) -> u64 {
    binary(a, b, round, |a, b| a + b, |a, b| soft::add(a, b, round))
}

/// `sub{.rnd}.f64`.
#[inline]
pub fn sub(a: u64, b: u64, round: Rounding) -> u64 {
    binary(a, b, round, |a, b| a - b, |a, b| soft::add(a, soft::neg(b), round))
}

/// `mul{.rnd}.f64`.
#[inline]
pub fn mul(a: u64, b: u64, round: Rounding) -> u64 {
    binary(a, b, round, |a, b| a * b, soft::mul)
}

/// `fma.rnd.f64`, also `mad.rnd.f64`.
#[inline]
pub fn fma(a: u64, b: u64, c: u64, round: Rounding) -> u64 {
    let r = match round {
        Rounding::Nearest => {
            f64::from_bits(a).mul_add(f64::from_bits(b), f64::from_bits(c)).to_bits()
        }
        round => soft::encode(F64, soft::fma(decode(a), decode(b), decode(c), round), round),
    };
    finish(r, &[a, b, c])
}

/// `div.rnd.f64`.
#[inline]
pub fn div(a: u64, b: u64, round: Rounding) -> u64 {
    binary(a, b, round, |a, b| a / b, soft::div)
}

/// `rcp.rnd.f64`.
#[inline]
pub fn rcp(a: u64, round: Rounding) -> u64 {
    div(ONE, a, round)
}

/// `sqrt.rnd.f64`.
#[inline]
pub fn sqrt(a: u64, round: Rounding) -> u64 {
    let r = match round {
        Rounding::Nearest => f64::from_bits(a).sqrt().to_bits(),
        round => soft::encode(F64, soft::sqrt(decode(a)), round),
    };
    finish(r, &[a])
}

/// `neg.f64`. PTX leaves the result for NaN open; it keeps its sign.
#[inline]
pub fn neg(a: u64) -> u64 {
    if is_nan(a) { a | QUIET } else { a ^ SIGN }
}

/// `abs.f64`. PTX leaves the result for NaN open; it keeps its sign.
#[inline]
pub fn abs(a: u64) -> u64 {
    if is_nan(a) { a | QUIET } else { a & !SIGN }
}

/// `copysign.f64 d, a, b`: the magnitude of `b` with the sign of `a`.
#[inline]
pub fn copysign(a: u64, b: u64) -> u64 {
    (a & SIGN) | (b & !SIGN)
}

/// `min.f64`; `-0 < +0`, a number beats NaN.
#[inline]
pub fn min(a: u64, b: u64) -> u64 {
    select(a, b, |a, b| a <= b)
}

/// `max.f64`; `-0 < +0`, a number beats NaN.
#[inline]
pub fn max(a: u64, b: u64) -> u64 {
    select(a, b, |a, b| a >= b)
}

#[inline(always)]
fn select(a: u64, b: u64, first: impl Fn(i64, i64) -> bool) -> u64 {
    match (is_nan(a), is_nan(b)) {
        (false, false) if first(order_key(a), order_key(b)) => a,
        (false, false) | (true, false) => b,
        (false, true) => a,
        (true, true) => nan_of(&[a, b]),
    }
}

#[inline(always)]
const fn order_key(a: u64) -> i64 {
    let a = a as i64;
    a ^ (((a >> 63) as u64) >> 1) as i64
}

/// `setp.cmp.f64`.
#[inline]
pub fn compare(op: Compare, a: u64, b: u64) -> bool {
    op.of(f64::from_bits(a), f64::from_bits(b))
}

/// `testp.class.f64`.
pub fn test(class: Class, a: u64) -> bool {
    class.contains(f64::from_bits(a).classify())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    #[test]
    fn soft_nearest_agrees_with_the_host() {
        let mut rng = Rng(3);
        for _ in 0..300_000 {
            let (a, b, c) = (rng.f64(), rng.f64(), rng.f64());
            let near = |value| soft::encode(F64, value, Rounding::Nearest);
            let (x, y, z) = (decode(a), decode(b), decode(c));
            let (p, q, r) = (f64::from_bits(a), f64::from_bits(b), f64::from_bits(c));
            let same = |got: u64, want: f64, what: &str| {
                let ok = if want.is_nan() { is_nan(got) } else { got == want.to_bits() };
                assert!(ok, "{what} {a:x} {b:x} {c:x}: {got:x}, host {:x}", want.to_bits());
            };
            same(near(soft::add(x, y, Rounding::Nearest)), p + q, "add");
            same(near(soft::mul(x, y)), p * q, "mul");
            same(near(soft::div(x, y)), p / q, "div");
            same(near(soft::sqrt(x)), p.sqrt(), "sqrt");
            same(near(soft::fma(x, y, z, Rounding::Nearest)), p.mul_add(q, r), "fma");
        }
    }

    /// The sign of `fma(a, b, -product)` is the exact error of a rounded product.
    #[test]
    fn directed_products_have_errors_of_the_right_sign() {
        let mut rng = Rng(4);
        for _ in 0..200_000 {
            let (a, b) = (rng.f64() & !(3 << 61) | (1 << 61), rng.f64() & !(3 << 61) | (1 << 61));
            let (x, y) = (f64::from_bits(a), f64::from_bits(b));
            for round in [Rounding::Down, Rounding::Up] {
                let product = f64::from_bits(mul(a, b, round));
                if !product.is_normal() || product.abs() < 1e-200 {
                    continue;
                }
                let error = x.mul_add(y, -product);
                match round {
                    Rounding::Down => assert!(error >= 0.0, "{x} * {y}"),
                    _ => assert!(error <= 0.0, "{x} * {y}"),
                }
                let near = f64::from_bits(mul(a, b, Rounding::Nearest));
                assert!(
                    product == near || product == near.next_up() || product == near.next_down()
                );
            }
        }
    }

    #[test]
    fn payloads_pass_and_invalid_operations_make_a_nan() {
        let payload = 0x7ff8_0000_0000_1234;
        assert_eq!(add(payload, ONE, Rounding::Nearest), payload);
        assert_eq!(mul(ONE, 0x7ff0_0000_0000_0001, Rounding::Up), 0x7ff8_0000_0000_0001);
        assert_eq!(sub(INFINITY, INFINITY, Rounding::Nearest), NAN);
        assert_eq!(min(payload, ONE), ONE);
    }
}
