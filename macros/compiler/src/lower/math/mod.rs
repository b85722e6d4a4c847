//! Elementary functions from exact operations.
//!
//! Each function is within two units in the last place over its whole domain, specials included,
//! and gives the same bits on every device and in the simulator: it is made of operations that
//! IEEE 754 rounds one way (`add`, `mul`, `fma`, `div`, `sqrt`, `rcp`, all `.rn`), of conversions
//! and of integers, and never of the approximate instructions. One text serves `f32` and `f64`;
//! only coefficients, splits of constants and bounds differ.
//!
//! The polynomials are minimax fits by Remez' exchange algorithm in 220 bits, rounded to the
//! type. Methods: W. J. Cody and W. Waite, *Software Manual for the Elementary Functions* (1980);
//! J.-M. Muller, *Elementary Functions* (3rd ed.); M. Payne and R. Hanek, *Radian Reduction for
//! Trigonometric Functions* (1983); T. Dekker, *A Floating-Point Technique for Extending the
//! Available Precision* (1971) for sums and products in pairs.

mod exp;
mod log;
mod machine;
mod pow;
mod trig;

pub(crate) use machine::{Math, Num, Real};

use firesteel_ptx::modifier::{Cmp, CvtRound};

/// A number in two parts: `hi` is the sum rounded, `lo` what is missing.
#[derive(Clone, Copy, Debug)]
struct Pair {
    hi: Num,
    lo: Num,
}

impl Math<'_, '_> {
    /// `1 / sqrt(x)`, within one and a half units in the last place.
    pub(crate) fn rsqrt(&mut self, x: Num) -> Num {
        let root = self.sqrt(x);
        self.rcp(root)
    }

    /// The largest integer not above.
    pub(crate) fn floor(&mut self, x: Num) -> Num {
        self.whole(CvtRound::Rmi, x)
    }

    /// The smallest integer not below.
    pub(crate) fn ceil(&mut self, x: Num) -> Num {
        self.whole(CvtRound::Rpi, x)
    }

    /// Without the fraction.
    pub(crate) fn trunc(&mut self, x: Num) -> Num {
        self.whole(CvtRound::Rzi, x)
    }

    /// The nearest integer, half way to the even one.
    pub(crate) fn round_ties_even(&mut self, x: Num) -> Num {
        self.whole(CvtRound::Rni, x)
    }

    /// The nearest integer, half way away from 0. The fraction is exact.
    pub(crate) fn round(&mut self, x: Num) -> Num {
        let whole = self.trunc(x);
        let fraction = self.sub(x, whole);
        let fraction = self.abs(fraction);
        let up = self.compare(Cmp::Ge, fraction, 0.5);
        let one = self.copysign(1.0, x);
        let further = self.add(whole, one);
        let result = self.select(up, further, whole);
        self.copysign(result, x)
    }

    /// The fraction, with the sign of `x`.
    pub(crate) fn fract(&mut self, x: Num) -> Num {
        let whole = self.trunc(x);
        self.sub(x, whole)
    }

    /// `c[0] + x * (c[1] + x * (..))`.
    fn poly(&mut self, x: Num, coefficients: &[f64]) -> Num {
        let mut terms = coefficients.iter().rev();
        let mut sum = Num::Real(terms.next().copied().unwrap_or(0.0));
        for term in terms {
            sum = self.fma(sum, x, *term);
        }
        sum
    }

    /// The value for the type at hand.
    fn pick<T: Copy>(&self, single: T, double: T) -> T {
        match self.real() {
            Real::Single => single,
            Real::Double => double,
        }
    }

    /// `a + b` exactly, if `|a| >= |b|` or `a` is 0.
    fn fast_two_sum(&mut self, a: Num, b: Num) -> Pair {
        let hi = self.add(a, b);
        let back = self.sub(a, hi);
        let lo = self.add(back, b);
        Pair { hi, lo }
    }

    /// `a + b` exactly.
    fn two_sum(&mut self, a: Num, b: Num) -> Pair {
        let hi = self.add(a, b);
        let b_kept = self.sub(hi, a);
        let a_kept = self.sub(hi, b_kept);
        let a_lost = self.sub(a, a_kept);
        let b_lost = self.sub(b, b_kept);
        let lo = self.add(a_lost, b_lost);
        Pair { hi, lo }
    }

    /// `a * b` exactly.
    fn two_product(&mut self, a: Num, b: Num) -> Pair {
        let hi = self.mul(a, b);
        let minus = self.neg(hi);
        let lo = self.fma(a, b, minus);
        Pair { hi, lo }
    }

    /// `x` where it is NaN, else `result`: for functions that clamp their argument first, which
    /// turns a NaN into a bound.
    fn keep_nan(&mut self, x: Num, result: Num) -> Num {
        let nan = self.compare(Cmp::Nan, x, x);
        self.select(nan, x, result)
    }

    /// `x` where `|x| < bound`, else `result`: where the function is the identity to rounding.
    /// It also keeps the sign of zero.
    fn identity_below(&mut self, bound: f64, x: Num, result: Num) -> Num {
        let size = self.abs(x);
        let small = self.compare(Cmp::Lt, size, bound);
        self.select(small, x, result)
    }
}
