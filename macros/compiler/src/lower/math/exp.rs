//! Powers of `e` and of two, and the hyperbolic tangent.

use firesteel_ptx::modifier::Cmp;

use super::{Math, Num, Real};

/// What differs between the types.
struct Table {
    /// Adding it to a number below half of it rounds that to an integer, in the low bits.
    shifter: f64,
    /// The bits of the shifter.
    shifter_bits: i64,
    /// `ln(2)` with so many trailing zeros that a product with an exponent is exact.
    ln2_high: f64,
    /// What it lacks.
    ln2_low: f64,
    /// `(exp(r) - 1 - r - r^2 / 2) / r^3` on `|r| <= ln(2) / 2`; the error relative to `r` is
    /// below `2^-30` and `2^-59`.
    exp: &'static [f64],
    /// `(tanh(r) / r - 1) / r^2`, a polynomial in `r^2` on `|r| <= 0.6`; the error relative to
    /// `tanh` is below `2^-29` and `2^-59`.
    tanh: &'static [f64],
    /// Bits of the fraction.
    fraction: i64,
    /// What the exponent is stored with.
    bias: i64,
    /// Outside of these `exp` is 0 or infinite.
    exp_range: (f64, f64),
    /// Outside of these `exp2` is 0 or infinite.
    exp2_range: (f64, f64),
    /// Below it `exp(x) - 1` is -1, rounded.
    minus_one_below: f64,
    /// From there on `tanh` is 1, rounded.
    tanh_one: f64,
    /// Below it `exp(x) - 1` is `x`, and so is `tanh(x)`.
    identity: f64,
}

const SINGLE: Table = Table {
    shifter: 12_582_912.0,
    shifter_bits: 0x4b40_0000,
    ln2_high: 0.693_145_751_953_125,
    ln2_low: 1.428_606_8e-6,
    exp: &[0.166_666_67, 0.041_666_467, 0.008_333_278, 0.001_393_510_6, 0.000_199_125_15],
    tanh: &[
        -0.333_333_3,
        0.133_332_48,
        -0.053_952_474,
        0.021_734_437,
        -0.008_267_083,
        0.002_231_057_5,
    ],
    fraction: 23,
    bias: 127,
    exp_range: (-104.0, 89.0),
    exp2_range: (-151.0, 129.0),
    minus_one_below: -20.0,
    tanh_one: 10.0,
    identity: 2.980_232_238_769_531e-8,
};

const DOUBLE: Table = Table {
    shifter: 6_755_399_441_055_744.0,
    shifter_bits: 0x4338_0000_0000_0000,
    ln2_high: 0.693_147_180_559_208_2,
    ln2_low: 7.371_002_565_167_799e-13,
    exp: &[
        0.166_666_666_666_666_8,
        0.041_666_666_666_666_69,
        0.008_333_333_333_319_712,
        0.001_388_888_888_886_694,
        0.000_198_412_698_915_909_28,
        2.480_158_736_295_701e-5,
        2.755_723_819_899_675_5e-6,
        2.755_723_954_520_068e-7,
        2.511_128_257_106_670_4e-8,
        2.092_564_469_998_291e-9,
    ],
    tanh: &[
        -0.333_333_333_333_333_26,
        0.133_333_333_333_318_2,
        -0.053_968_253_967_244_53,
        0.021_869_488_502_341_713,
        -0.008_863_234_865_025_339,
        0.003_592_119_692_091_529,
        -0.001_455_764_282_921_111_7,
        0.000_589_623_143_859_705_2,
        -0.000_237_515_623_004_013_5,
        9.249_527_827_376_169e-5,
        -3.118_538_622_284_986_5e-5,
        6.506_791_698_388_78e-6,
    ],
    fraction: 52,
    bias: 1023,
    exp_range: (-746.0, 710.0),
    exp2_range: (-1076.0, 1025.0),
    minus_one_below: -45.0,
    tanh_one: 20.0,
    identity: 5.551_115_123_125_783e-17,
};

/// An argument reduced: `x = n * ln(2) + r`, and `exp(r) - 1`.
struct Reduced {
    /// An integer.
    n: Num,
    /// `exp(r) - 1`, relatively exact.
    grown: Num,
}

impl Math<'_, '_> {
    const fn exp_table(&self) -> &'static Table {
        match self.real() {
            Real::Single => &SINGLE,
            Real::Double => &DOUBLE,
        }
    }

    /// `e` to the power of `x`.
    pub(crate) fn exp(&mut self, x: Num) -> Num {
        let (low, high) = self.exp_table().exp_range;
        let clamped = self.clamp(x, low, high);
        let result = self.exp_clamped(clamped);
        self.keep_nan(x, result)
    }

    /// 2 to the power of `x`.
    pub(crate) fn exp2(&mut self, x: Num) -> Num {
        let (low, high) = self.exp_table().exp2_range;
        let clamped = self.clamp(x, low, high);
        let result = self.exp2_sum(clamped, None);
        self.keep_nan(x, result)
    }

    /// `exp(x) - 1`, also where that is small.
    pub(crate) fn exp_m1(&mut self, x: Num) -> Num {
        let table = self.exp_table();
        let clamped = self.clamp(x, table.minus_one_below, table.exp_range.1);
        let Reduced { n, grown } = self.reduce_exp(clamped);
        // Half of the result, because the largest power of two is none that can be represented.
        let exponent = self.int_sub(n, 1);
        let half = self.power_of_two(exponent);
        let less = self.sub(half, 0.5);
        let result = self.fma(half, grown, less);
        let result = self.add(result, result);
        let result = self.identity_below(table.identity, x, result);
        self.keep_nan(x, result)
    }

    /// The hyperbolic tangent: a polynomial near 0, `1 - 2 / (exp(2x) + 1)` elsewhere.
    pub(crate) fn tanh(&mut self, x: Num) -> Num {
        let table = self.exp_table();
        let size = self.abs(x);
        let square = self.mul(x, x);
        let odd = self.poly(square, table.tanh);
        let cube = self.mul(square, size);
        let near = self.fma(cube, odd, size);
        let clamped = self.clamp(size, 0.0, table.tanh_one);
        let double = self.add(clamped, clamped);
        let grown = self.exp_clamped(double);
        let sum = self.add(grown, 1.0);
        let part = self.div(-2.0, sum);
        let far = self.add(part, 1.0);
        let is_near = self.compare(Cmp::Lt, size, 0.6);
        let result = self.select(is_near, near, far);
        let result = self.copysign(result, x);
        self.keep_nan(x, result)
    }

    /// `exp(x)` for `x` in the range of the table.
    fn exp_clamped(&mut self, x: Num) -> Num {
        let Reduced { n, grown } = self.reduce_exp(x);
        let one_up = self.add(grown, 1.0);
        self.scale(one_up, n)
    }

    /// Cody and Waite's reduction. The first product is exact, so only the second rounds.
    fn reduce_exp(&mut self, x: Num) -> Reduced {
        let table = self.exp_table();
        let shifted = self.fma(x, std::f64::consts::LOG2_E, table.shifter);
        let count = self.sub(shifted, table.shifter);
        let r = self.fma(count, -table.ln2_high, x);
        let r = self.fma(count, -table.ln2_low, r);
        let grown = self.exp_m1_reduced(r, None);
        Reduced { n: self.shifted_int(shifted), grown }
    }

    /// `exp(r + tail) - 1` for `|r| <= ln(2) / 2`.
    fn exp_m1_reduced(&mut self, r: Num, tail: Option<Num>) -> Num {
        let cubic = self.poly(r, self.exp_table().exp);
        let quadratic = self.fma(cubic, r, 0.5);
        let square = self.mul(r, r);
        match tail {
            None => self.fma(square, quadratic, r),
            Some(tail) => {
                // exp(r + tail) = exp(r) + tail * exp(r), to the digits that matter.
                let small = self.fma(square, quadratic, tail);
                let grown = self.add(small, r);
                self.fma(tail, grown, grown)
            }
        }
    }

    /// 2 to the power of `x + tail`, for `x` in the range of the table.
    pub(super) fn exp2_sum(&mut self, x: Num, tail: Option<Num>) -> Num {
        let table = self.exp_table();
        let shifted = self.add(x, table.shifter);
        let count = self.sub(shifted, table.shifter);
        let part = self.sub(x, count);
        let ln2 = Num::Real(std::f64::consts::LN_2);
        let product = self.two_product(part, ln2);
        let tail = match tail {
            None => product.lo,
            Some(tail) => self.fma(tail, ln2, product.lo),
        };
        let grown = self.exp_m1_reduced(product.hi, Some(tail));
        let one_up = self.add(grown, 1.0);
        let n = self.shifted_int(shifted);
        self.scale(one_up, n)
    }

    /// The integer in the low bits of a number to which the shifter was added.
    fn shifted_int(&mut self, shifted: Num) -> Num {
        let bits = self.bits(shifted);
        self.int_sub(bits, self.exp_table().shifter_bits)
    }

    /// `x * 2^n` in two steps, neither of which leaves the range of the exponent; only the
    /// second rounds, if the result is subnormal.
    fn scale(&mut self, x: Num, n: Num) -> Num {
        let first = self.sar(n, 1);
        let second = self.int_sub(n, first);
        let (first, second) = (self.power_of_two(first), self.power_of_two(second));
        let x = self.mul(x, first);
        self.mul(x, second)
    }

    /// `2^n`, for the exponent of a normal number.
    fn power_of_two(&mut self, n: Num) -> Num {
        let table = self.exp_table();
        let exponent = self.int_add(n, table.bias);
        let bits = self.shl(exponent, table.fraction);
        self.real_of_bits(bits)
    }
}
