//! Powers: `2^(y * log2(x))`, with the logarithm and the product in pairs.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::modifier::Cmp;

use super::{Math, Num, Pair, Real};

/// What differs between the types.
struct Table {
    /// `((ln((1 + s) / (1 - s)) / s - 2) / s^2 - 2 / 3) / s^2`, a polynomial in `s^2` on
    /// `|s| <= 0.1716`; the error relative to the logarithm is below `2^-36` and `2^-65`.
    series: &'static [f64],
    /// What 2/3, rounded, lacks.
    two_thirds_low: f64,
    /// What `1 / ln(2)`, rounded, lacks.
    log2_e_low: f64,
    /// Outside of these the power is 0 or infinite.
    range: (f64, f64),
}

const SINGLE: Table = Table {
    series: &[0.400_001_62, 0.285_461_22, 0.234_435_19],
    two_thirds_low: -1.986_821_6e-8,
    log2_e_low: 1.925_963e-8,
    range: (-151.0, 129.0),
};

const DOUBLE: Table = Table {
    series: &[
        0.400_000_000_000_025_95,
        0.285_714_285_699_291_1,
        0.222_222_225_515_258_47,
        0.181_817_815_111_639_77,
        0.153_868_925_788_254_95,
        0.132_535_924_263_628_29,
        0.132_268_886_731_287_28,
    ],
    two_thirds_low: 3.700_743_415_417_188e-17,
    log2_e_low: 2.035_527_374_093_103_3e-17,
    range: (-1076.0, 1025.0),
};

impl Math<'_, '_> {
    const fn pow_table(&self) -> &'static Table {
        match self.real() {
            Real::Single => &SINGLE,
            Real::Double => &DOUBLE,
        }
    }

    /// `x` to the power of `y`, with the special cases of C's `pow`.
    pub(crate) fn powf(&mut self, x: Num, y: Num) -> Num {
        let whole = self.trunc(y);
        let half = self.mul(y, 0.5);
        let half_whole = self.trunc(half);
        let is_whole = self.compare(Cmp::Eq, whole, y);
        let halves = self.compare(Cmp::Neu, half_whole, half);
        let odd = self.both(is_whole, halves);
        let result = self.power(x, Pair { hi: y, lo: Num::Real(0.0) }, odd);
        // A negative number to the power of a fraction. Infinity and 0 have no such fault.
        let negative = self.compare(Cmp::Lt, x, 0.0);
        let finite = self.compare(Cmp::Gt, x, f64::NEG_INFINITY);
        let fraction = self.compare(Cmp::Neu, whole, y);
        let fault = self.both(negative, finite);
        let fault = self.both(fault, fraction);
        let result = self.select(fault, f64::NAN, result);
        let nan = self.compare(Cmp::Nan, x, y);
        let result = self.select(nan, f64::NAN, result);
        let one = self.compare(Cmp::Eq, x, 1.0);
        let zeroth = self.compare(Cmp::Eq, y, 0.0);
        let unit = self.either(one, zeroth);
        self.select(unit, 1.0, result)
    }

    /// `x` to the power of an integer of 32 bits, given in a register of the integer type.
    ///
    /// An `f32` does not hold every exponent, so this one comes in two parts.
    pub(crate) fn powi(&mut self, x: Num, n: Num) -> Num {
        let low_bits = self.and(n, 0xff);
        let high_bits = self.int_sub(n, low_bits);
        let (high, low) = (self.real_of_int(high_bits), self.real_of_int(low_bits));
        let exponent = self.fast_two_sum(high, low);
        let last = self.and(n, 1);
        let odd = self.int_compare(Cmp::Eq, last, 1);
        let result = self.power(x, exponent, odd);
        let result = self.keep_nan(x, result);
        let zeroth = self.int_compare(Cmp::Eq, n, 0);
        self.select(zeroth, 1.0, result)
    }

    /// `|x|` to the power of `y`, with the sign of `x` if `odd`. Not for NaN.
    fn power(&mut self, x: Num, y: Pair, odd: Reg) -> Num {
        let size = self.abs(x);
        let log = self.log2_pair(size);
        let zero = self.compare(Cmp::Eq, size, 0.0);
        let high = self.select(zero, f64::NEG_INFINITY, log.hi);
        let infinite = self.compare(Cmp::Eq, size, f64::INFINITY);
        let high = self.select(infinite, f64::INFINITY, high);
        let exponent = self.exponent(Pair { hi: high, lo: log.lo }, y);
        // 1 to any power, also an infinite one, is 1.
        let one = self.compare(Cmp::Eq, size, 1.0);
        let hi = self.select(one, 0.0, exponent.hi);
        let lo = self.select(one, 0.0, exponent.lo);
        let result = self.exp2_sum(hi, Some(lo));
        let signed = self.copysign(result, x);
        self.select(odd, signed, result)
    }

    /// `log * y`, kept in the range where the power is neither 0 nor infinite.
    fn exponent(&mut self, log: Pair, y: Pair) -> Pair {
        let (low, high) = self.pow_table().range;
        let product = self.two_product(log.hi, y.hi);
        let lo = self.fma(log.lo, y.hi, product.lo);
        let lo = self.fma(log.hi, y.lo, lo);
        let sum = self.fast_two_sum(product.hi, lo);
        let above = self.compare(Cmp::Gt, product.hi, low);
        let below = self.compare(Cmp::Lt, product.hi, high);
        let inside = self.both(above, below);
        let clamped = self.clamp(product.hi, low, high);
        let hi = self.select(inside, sum.hi, clamped);
        let lo = self.select(inside, sum.lo, 0.0);
        Pair { hi, lo }
    }

    /// `log2(x)` of a positive number. It needs as many digits beyond the type's as the largest
    /// exponent has, 7 or 10 bits, for the exponent multiplies the error.
    fn log2_pair(&mut self, x: Num) -> Pair {
        let split = self.split(x);
        let log = self.ln_pair(split.part);
        let scale = Num::Real(std::f64::consts::LOG2_E);
        let product = self.two_product(log.hi, scale);
        let lo = self.fma(log.hi, self.pow_table().log2_e_low, product.lo);
        let lo = self.fma(log.lo, scale, lo);
        let sum = self.fast_two_sum(split.exponent, product.hi);
        let lo = self.add(sum.lo, lo);
        self.fast_two_sum(sum.hi, lo)
    }

    /// `ln(1 + f) = s * (2 + s^2 * (2 / 3 + s^2 * series(s^2)))` with `s = f / (2 + f)`, all but
    /// the series in pairs.
    fn ln_pair(&mut self, f: Num) -> Pair {
        let s = self.part_over_sum(f);
        let square = self.square_pair(s);
        let series = self.poly(square.hi, self.pow_table().series);
        let small = self.fma(square.hi, series, self.pow_table().two_thirds_low);
        let inner = self.fast_two_sum(Num::Real(2.0 / 3.0), small);
        let inner = self.product_pair(square, inner);
        let outer = self.fast_two_sum(Num::Real(2.0), inner.hi);
        let lo = self.add(outer.lo, inner.lo);
        self.product_pair(s, Pair { hi: outer.hi, lo })
    }

    /// `f / (2 + f)`.
    fn part_over_sum(&mut self, f: Num) -> Pair {
        let sum = self.fast_two_sum(Num::Real(2.0), f);
        let hi = self.div(f, sum.hi);
        let minus = self.neg(hi);
        let rest = self.fma(minus, sum.hi, f);
        let rest = self.fma(minus, sum.lo, rest);
        let lo = self.div(rest, sum.hi);
        Pair { hi, lo }
    }

    fn square_pair(&mut self, a: Pair) -> Pair {
        let square = self.two_product(a.hi, a.hi);
        let twice = self.add(a.hi, a.hi);
        let lo = self.fma(twice, a.lo, square.lo);
        Pair { hi: square.hi, lo }
    }

    /// The product to the precision of a pair but for its last bits.
    fn product_pair(&mut self, a: Pair, b: Pair) -> Pair {
        let product = self.two_product(a.hi, b.hi);
        let lo = self.fma(a.hi, b.lo, product.lo);
        let lo = self.fma(a.lo, b.hi, lo);
        Pair { hi: product.hi, lo }
    }
}
