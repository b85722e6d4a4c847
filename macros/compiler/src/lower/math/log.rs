//! Logarithms.

use firesteel_ptx::modifier::Cmp;

use super::{Math, Num, Pair, Real};

/// What differs between the types.
struct Table {
    /// The smallest normal number.
    least_normal: f64,
    /// What makes the subnormals normal, `2^lift_exponent`.
    lift: f64,
    /// Its exponent.
    lift_exponent: i64,
    /// Bits of the fraction.
    fraction: i64,
    /// What the exponent is stored with.
    bias: i64,
    /// The bits of 1.
    one: i64,
    /// The bits of the square root of one half, where the significand's range begins.
    root_half: i64,
    /// `(ln((1 + s) / (1 - s)) / s - 2) / s^2`, a polynomial in `s^2` on `|s| <= 0.1716`; the
    /// error relative to the logarithm is below `2^-30` and `2^-58`.
    series: &'static [f64],
    /// `ln(2)` with zeros at the end, so that its product with an exponent is exact; the rest.
    ln2: (f64, f64),
    /// `log10(2)`, split likewise.
    log10_2: (f64, f64),
    /// What `1 / ln(2)`, rounded, lacks.
    log2_e_low: f64,
    /// What `1 / ln(10)`, rounded, lacks.
    log10_e_low: f64,
}

const SINGLE: Table = Table {
    least_normal: 1.175_494_350_822_287_5e-38,
    lift: 33_554_432.0,
    lift_exponent: 25,
    fraction: 23,
    bias: 127,
    one: 0x3f80_0000,
    root_half: 0x3f35_04f3,
    series: &[0.666_667_8, 0.399_766_15, 0.298_985_9],
    ln2: (0.693_145_751_953_125, 1.428_606_8e-6),
    log10_2: (0.301_025_390_625, 4.605_039e-6),
    log2_e_low: 1.925_963e-8,
    log10_e_low: -1.010_305e-8,
};

const DOUBLE: Table = Table {
    least_normal: 2.225_073_858_507_201_4e-308,
    lift: 18_014_398_509_481_984.0,
    lift_exponent: 54,
    fraction: 52,
    bias: 1023,
    one: 0x3ff0_0000_0000_0000,
    root_half: 0x3fe6_a09e_667f_3bcd,
    series: &[
        0.666_666_666_666_674_5,
        0.399_999_999_993_393,
        0.285_714_287_605_999_6,
        0.222_221_965_697_891,
        0.181_836_748_433_605_87,
        0.153_110_719_271_829_8,
        0.148_271_565_296_656_4,
    ],
    ln2: (0.693_147_180_559_208_2, 7.371_002_565_167_799e-13),
    log10_2: (0.301_029_995_663_611_77, 3.694_239_077_158_931e-13),
    log2_e_low: 2.035_527_374_093_103_3e-17,
    log10_e_low: 1.098_319_650_216_765e-17,
};

/// `x = 2^exponent * (1 + part)` with `1 + part` between the roots of one half and of two.
pub(super) struct Split {
    /// A float.
    pub(super) exponent: Num,
    /// Exact.
    pub(super) part: Num,
}

impl Math<'_, '_> {
    const fn log_table(&self) -> &'static Table {
        match self.real() {
            Real::Single => &SINGLE,
            Real::Double => &DOUBLE,
        }
    }

    /// The natural logarithm.
    pub(crate) fn ln(&mut self, x: Num) -> Num {
        let split = self.split(x);
        let part = self.ln_part(split.part);
        let result = self.ln_join(split.exponent, part);
        self.log_specials(x, result)
    }

    /// `ln(1 + x)`, also where that is small: of the sum, rounded, and of what it lacks, to
    /// first order.
    pub(crate) fn ln_1p(&mut self, x: Num) -> Num {
        let sum = self.two_sum(Num::Real(1.0), x);
        let one_up = sum.hi;
        let correction = self.div(sum.lo, one_up);
        let split = self.split(one_up);
        let part = self.ln_part(split.part);
        let lo = self.add(part.lo, correction);
        let result = self.ln_join(split.exponent, Pair { hi: part.hi, lo });
        let result = self.log_specials(one_up, result);
        let result =
            self.identity_below(self.pick(2.980_232_2e-8, 5.551_115_123_125_783e-17), x, result);
        self.keep_nan(x, result)
    }

    /// The logarithm to base 2, exact for powers of two.
    pub(crate) fn log2(&mut self, x: Num) -> Num {
        let low = self.log_table().log2_e_low;
        self.log_scaled(x, (std::f64::consts::LOG2_E, low), (1.0, 0.0))
    }

    /// The logarithm to base 10.
    pub(crate) fn log10(&mut self, x: Num) -> Num {
        let table = self.log_table();
        let scale = (std::f64::consts::LOG10_E, table.log10_e_low);
        self.log_scaled(x, scale, table.log10_2)
    }

    /// `exponent * step + ln(1 + part) * scale`; `exponent * step.0` is exact.
    fn log_scaled(&mut self, x: Num, scale: (f64, f64), step: (f64, f64)) -> Num {
        let split = self.split(x);
        let part = self.ln_part(split.part);
        let product = self.two_product(part.hi, Num::Real(scale.0));
        let lo = self.fma(part.hi, scale.1, product.lo);
        let lo = self.fma(part.lo, scale.0, lo);
        let whole = self.mul(split.exponent, step.0);
        let lo = self.fma(split.exponent, step.1, lo);
        let sum = self.fast_two_sum(whole, product.hi);
        let lo = self.add(sum.lo, lo);
        let result = self.add(sum.hi, lo);
        self.log_specials(x, result)
    }

    fn ln_join(&mut self, exponent: Num, part: Pair) -> Num {
        let (high, low) = self.log_table().ln2;
        let whole = self.mul(exponent, high);
        let sum = self.fast_two_sum(whole, part.hi);
        let lo = self.fma(exponent, low, part.lo);
        let lo = self.add(sum.lo, lo);
        self.add(sum.hi, lo)
    }

    /// `ln(1 + f)`: with `s = f / (2 + f)` it is `f - f^2 / 2 + s (f^2 / 2 + s^2 series(s^2))`.
    fn ln_part(&mut self, f: Num) -> Pair {
        let half_f = self.mul(f, 0.5);
        let half_square = self.mul(half_f, f);
        let sum = self.add(f, 2.0);
        let s = self.div(f, sum);
        let square = self.mul(s, s);
        let series = self.poly(square, self.log_table().series);
        let bracket = self.fma(square, series, half_square);
        let hi = self.sub(f, half_square);
        let lost = self.sub(f, hi);
        let lost = self.sub(lost, half_square);
        let lo = self.fma(s, bracket, lost);
        Pair { hi, lo }
    }

    /// Takes a positive number apart.
    pub(super) fn split(&mut self, x: Num) -> Split {
        let table = self.log_table();
        let tiny = self.compare(Cmp::Lt, x, table.least_normal);
        let lifted = self.mul(x, table.lift);
        let x = self.select(tiny, lifted, x);
        let less = self.int_select(tiny, table.bias + table.lift_exponent, table.bias);
        let bits = self.bits(x);
        let shifted = self.int_add(bits, table.one - table.root_half);
        let exponent = self.sar(shifted, table.fraction);
        let exponent = self.int_sub(exponent, less);
        let fraction = self.and(shifted, (1 << table.fraction) - 1);
        let significand = self.int_add(fraction, table.root_half);
        let significand = self.real_of_bits(significand);
        let part = self.sub(significand, 1.0);
        Split { exponent: self.real_of_int(exponent), part }
    }

    /// What a logarithm gives for 0, negative numbers, infinity and NaN.
    fn log_specials(&mut self, x: Num, result: Num) -> Num {
        let finite = self.compare(Cmp::Lt, x, f64::INFINITY);
        let result = self.select(finite, result, x);
        let negative = self.compare(Cmp::Lt, x, 0.0);
        let result = self.select(negative, f64::NAN, result);
        let zero = self.compare(Cmp::Eq, x, 0.0);
        self.select(zero, f64::NEG_INFINITY, result)
    }
}
