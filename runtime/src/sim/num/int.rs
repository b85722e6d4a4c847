//! Integer arithmetic of 8 to 64 bits. PTX ISA, "Integer Arithmetic Instructions".
//!
//! Everything wraps unless said otherwise. Functions are generic over the Rust integer whose
//! width and sign are those of the PTX type.

/// An integer type of PTX.
pub trait Int: Copy + Ord {
    /// Bits of the type.
    const BITS: u32;
    /// Whether the type is signed.
    const SIGNED: bool;
    /// The exact value.
    fn wide(self) -> i128;
    /// The low bits of a value.
    fn wrap(value: i128) -> Self;
}

macro_rules! ints {
    ($($ty:ty: $signed:literal,)*) => {$(
        impl Int for $ty {
            const BITS: u32 = <$ty>::BITS;
            const SIGNED: bool = $signed;
            #[inline(always)]
            fn wide(self) -> i128 {
                self as i128
            }
            #[inline(always)]
            fn wrap(value: i128) -> Self {
                value as $ty
            }
        }
    )*};
}

ints! {
    u8: false, i8: true, u16: false, i16: true, u32: false, i32: true, u64: false, i64: true,
}

/// `value` clamped to the range of `T`.
#[inline]
pub fn saturate<T: Int>(value: i128) -> T {
    let (min, max) = if T::SIGNED {
        (-(1i128 << (T::BITS - 1)), (1i128 << (T::BITS - 1)) - 1)
    } else {
        (0, (1i128 << T::BITS) - 1)
    };
    T::wrap(value.clamp(min, max))
}

/// `add.sat.s32`.
#[inline]
pub fn add_sat(a: i32, b: i32) -> i32 {
    a.saturating_add(b)
}

/// `sub.sat.s32`.
#[inline]
pub fn sub_sat(a: i32, b: i32) -> i32 {
    a.saturating_sub(b)
}

/// `mul.hi`: the upper half of the exact product.
#[inline(always)]
pub fn mul_hi<T: Int>(a: T, b: T) -> T {
    if T::BITS < 64 {
        return T::wrap(i128::from((a.wide() as i64).wrapping_mul(b.wide() as i64) >> T::BITS));
    }
    // A product of two u64 may exceed i128; its bits do not.
    let product = a.wide().wrapping_mul(b.wide());
    T::wrap(((product as u128) >> T::BITS) as i128)
}

/// `mad.hi`: the upper half of the exact product, plus `c`.
#[inline]
pub fn mad_hi<T: Int>(a: T, b: T, c: T) -> T {
    T::wrap(mul_hi(a, b).wide() + c.wide())
}

/// `mad.hi.sat.s32`: the exact sum of the product's upper half and `c`, clamped.
#[inline]
pub fn mad_hi_sat(a: i32, b: i32, c: i32) -> i32 {
    mul_hi(a, b).saturating_add(c)
}

/// `mul.wide`: the exact product of two 16-bit or 32-bit values, as low bits of twice the width.
#[inline(always)]
pub fn mul_wide<T: Int>(a: T, b: T) -> u64 {
    (a.wide() as i64).wrapping_mul(b.wide() as i64) as u64
}

/// `mul24.lo` (`.hi`): bits 0 to 31 (16 to 47) of the product of the low 24 bits.
#[inline]
pub fn mul24<T: Int>(a: T, b: T, hi: bool) -> u32 {
    let low = |it: T| {
        let bits = (it.wide() as i64) << 40;
        if T::SIGNED { bits >> 40 } else { (bits as u64 >> 40) as i64 }
    };
    let product = low(a).wrapping_mul(low(b));
    (if hi { product >> 16 } else { product }) as u32
}

/// `sad`: `c + |a - b|`.
#[inline]
pub fn sad<T: Int>(a: T, b: T, c: T) -> T {
    T::wrap((a.wide() - b.wide()).abs() + c.wide())
}

/// `abs.s16/.s32/.s64`; the minimum stays itself.
#[inline]
pub fn abs<T: Int>(a: T) -> T {
    T::wrap(a.wide().abs())
}

/// `neg.s16/.s32/.s64`; the minimum stays itself.
#[inline]
pub fn neg<T: Int>(a: T) -> T {
    T::wrap(-a.wide())
}

/// `div`. The minimum divided by `-1` wraps.
///
/// PTX leaves division by zero open; the hardware returns all ones.
#[inline(always)]
pub fn div<T: Int>(a: T, b: T) -> T {
    if b.wide() == 0 {
        return T::wrap(-1);
    }
    if T::BITS <= 32 {
        return T::wrap(i128::from((a.wide() as i64).wrapping_div(b.wide() as i64)));
    }
    T::wrap(a.wide().wrapping_div(b.wide()))
}

/// `rem`, with the sign of `a`. The minimum by `-1` is zero.
///
/// PTX leaves a remainder by zero open; the hardware returns all ones.
#[inline(always)]
pub fn rem<T: Int>(a: T, b: T) -> T {
    if b.wide() == 0 {
        return T::wrap(-1);
    }
    if T::BITS <= 32 {
        return T::wrap(i128::from((a.wide() as i64).wrapping_rem(b.wide() as i64)));
    }
    T::wrap(a.wide().wrapping_rem(b.wide()))
}

/// `add.cc` and `addc{.cc}` on the low `bits` (32 or 64): sum and carry out.
#[inline]
pub fn add_carry(a: u64, b: u64, carry: bool, bits: u32) -> (u64, bool) {
    let mask = u64::MAX >> (64 - bits);
    let sum = u128::from(a & mask) + u128::from(b & mask) + u128::from(carry);
    (sum as u64 & mask, sum >> bits != 0)
}

/// `sub.cc` and `subc{.cc}`: `a - (b + borrow)` and the borrow out, both kept in `CC.CF`.
#[inline]
pub fn sub_borrow(a: u64, b: u64, borrow: bool, bits: u32) -> (u64, bool) {
    let mask = u64::MAX >> (64 - bits);
    let taken = u128::from(b & mask) + u128::from(borrow);
    let a = u128::from(a & mask);
    (a.wrapping_sub(taken) as u64 & mask, a < taken)
}

/// `mad{c}{.hi,.lo}{.cc}`: the chosen half of `a · b`, plus `c` and the carry, with carry out.
#[inline]
pub fn mad_carry<T: Int>(a: T, b: T, c: T, carry: bool, hi: bool) -> (u64, bool) {
    let product = if hi { mul_hi(a, b) } else { T::wrap(a.wide().wrapping_mul(b.wide())) };
    add_carry(product.wide() as u64, c.wide() as u64, carry, T::BITS)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    #[test]
    fn products_agree_with_wide_integers() {
        let mut rng = Rng(7);
        for _ in 0..100_000 {
            let (a, b, c) = (rng.next(), rng.next(), rng.next());
            assert_eq!(mul_hi(a, b), ((u128::from(a) * u128::from(b)) >> 64) as u64);
            let (x, y, z) = (a as i64, b as i64, c as i64);
            assert_eq!(mul_hi(x, y), ((i128::from(x) * i128::from(y)) >> 64) as i64);
            assert_eq!(mad_hi(x, y, z), mul_hi(x, y).wrapping_add(z));
            let (p, q) = (a as u32, b as u32);
            assert_eq!(mul_hi(p, q), ((u64::from(p) * u64::from(q)) >> 32) as u32);
            assert_eq!(mul_wide(p, q), u64::from(p) * u64::from(q));
            let (p, q) = (a as i32, b as i32);
            assert_eq!(mul_hi(p, q), ((i64::from(p) * i64::from(q)) >> 32) as i32);
            assert_eq!(mul_wide(p, q), (i64::from(p) * i64::from(q)) as u64);
            let (p, q) = (a as i16, b as i16);
            assert_eq!(mul_hi(p, q), ((i32::from(p) * i32::from(q)) >> 16) as i16);
            assert_eq!(mul_wide(p, q) as u32, (i32::from(p) * i32::from(q)) as u32);
            assert_eq!(sad(p, q, 5), (i32::from(p) - i32::from(q)).abs().wrapping_add(5) as i16);
        }
    }

    #[test]
    fn division_at_the_edges() {
        assert_eq!(div(i32::MIN, -1), i32::MIN);
        assert_eq!(rem(i32::MIN, -1), 0);
        assert_eq!(div(i64::MIN, -1), i64::MIN);
        assert_eq!(div(-7, 2), -3);
        assert_eq!(rem(-7, 2), -1);
        assert_eq!(div(7u32, 0), u32::MAX);
        assert_eq!(div(u64::MAX, 3), u64::MAX / 3);
        assert_eq!(abs(i16::MIN), i16::MIN);
        assert_eq!(saturate::<u8>(-3), 0);
        assert_eq!(saturate::<i16>(40_000), i16::MAX);
    }

    /// A 128-bit sum and product built from carries, as PTX programs do.
    #[test]
    fn carry_chains_build_wide_sums() {
        let mut rng = Rng(8);
        for _ in 0..10_000 {
            let (a, b) = (rng.next(), rng.next());
            let (low, carry) = add_carry(a, b, false, 32);
            let (high, _) = add_carry(a >> 32, b >> 32, carry, 32);
            assert_eq!(high << 32 | low, a.wrapping_add(b));
            let (low, borrow) = sub_borrow(a, b, false, 32);
            let (high, _) = sub_borrow(a >> 32, b >> 32, borrow, 32);
            assert_eq!(high << 32 | low, a.wrapping_sub(b));
            let (a, b, c) = (a as u32, b as u32, (a >> 32) as u32);
            let (low, carry) = mad_carry(a, b, c, false, false);
            let (high, _) = mad_carry(a, b, 0, carry, true);
            assert_eq!(high << 32 | low, u64::from(a) * u64::from(b) + u64::from(c));
        }
    }

    #[test]
    fn mul24_takes_the_low_24_bits() {
        assert_eq!(mul24(0xff00_0003u32, 5, false), 15);
        assert_eq!(mul24(0x00ff_ffffi32, 2, false), (-2i32) as u32);
        assert_eq!(mul24(0x0080_0000u32, 0x0080_0000, true), 0x4000_0000);
    }
}
