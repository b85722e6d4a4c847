//! Sine, cosine and tangent.
//!
//! All work on the size of the angle and give the sign back at the end. The angle is reduced to
//! `r` between plus and minus a quarter of pi and the number of right angles that were taken
//! off, of which the last two bits matter. Up to a bound that is three exact steps with pieces
//! of `pi / 2` (Cody and Waite), beyond it a product of integers with those bits of `2 / pi`
//! that matter (Payne and Hanek), which only the threads with such angles execute.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

use firesteel_ptx::modifier::{Cmp, Half};
use firesteel_ptx::ty::CvtTy;

use super::machine::Logic;
use super::{Math, Num, Real};

/// What differs between the types.
struct Table {
    /// See `exp`.
    shifter: f64,
    /// From here on angles are large.
    large: f64,
    /// `pi / 2` in pieces: the type's nearest, what that lacks, what both lack.
    right_angle: [f64; 3],
    /// `(sin(r) / r - 1) / r^2`, a polynomial in `r^2`; error below `2^-27` and `2^-57`.
    sin: &'static [f64],
    /// `(cos(r) - 1 + r^2 / 2) / r^4`, likewise; error below `2^-31` and `2^-61`.
    cos: &'static [f64],
    /// `(tan(r) / r - 1) / r^2`, likewise; error below `2^-26` and `2^-55`.
    tan: &'static [f64],
    /// Bits of the fraction.
    fraction: i64,
    /// What the exponent is stored with.
    bias: i64,
    /// The bits of an integer of this size.
    bits: i64,
    /// The words of `2 / pi` among which the large angles choose.
    words: usize,
    /// How many neighbouring ones they need: the product must be exact to the type's digits
    /// after the leading zeros, at most 30 and 62, of its fraction.
    window: usize,
}

const SINGLE: Table = Table {
    shifter: 12_582_912.0,
    large: 65_536.0,
    right_angle: [1.570_796_370_506_286_6, -4.371_138_8e-8, -1.715_124_5e-15],
    sin: &[-0.166_666_55, 0.008_332_155, -0.000_195_140_83],
    cos: &[0.041_666_646, -0.001_388_733_7, 2.443_482_5e-5],
    tan: &[
        0.333_333_52,
        0.133_325_55,
        0.054_071_818,
        0.021_222_102,
        0.010_988_776,
        -0.000_101_567_11,
        0.004_469_432_4,
    ],
    fraction: 23,
    bias: 127,
    bits: 32,
    words: 4,
    window: 3,
};

const DOUBLE: Table = Table {
    shifter: 6_755_399_441_055_744.0,
    large: 33_554_432.0,
    right_angle: [FRAC_PI_2, 6.123_233_995_736_766e-17, -1.497_384_904_859_169_8e-33],
    sin: &[
        -0.166_666_666_666_666_3,
        0.008_333_333_333_321_868,
        -0.000_198_412_698_293_518_1,
        2.755_731_352_769_732_7e-6,
        -2.505_073_154_246_015_6e-8,
        1.589_520_945_439_219_3e-10,
    ],
    cos: &[
        0.041_666_666_666_666_595,
        -0.001_388_888_888_887_338_5,
        2.480_158_728_900_027_3e-5,
        -2.755_731_420_764_375e-7,
        2.087_570_292_043_845e-9,
        -1.135_856_109_163_010_7e-11,
    ],
    tan: &[
        0.333_333_333_333_326_04,
        0.133_333_333_334_374_47,
        0.053_968_253_916_116_2,
        0.021_869_489_854_402_825,
        0.008_863_215_801_966_425,
        0.003_592_318_644_749_923,
        0.001_454_582_561_948_914_5,
        0.000_595_786_820_040_276,
        0.000_220_292_713_080_696_16,
        0.000_140_747_512_660_526_5,
        -3.223_879_411_734_637_6e-5,
        9.474_858_978_658_503e-5,
        -4.769_459_742_408_327e-5,
        2.153_182_987_189_072e-5,
    ],
    fraction: 52,
    bias: 1023,
    bits: 64,
    words: 19,
    window: 4,
};

/// The bits of `2 / pi` behind a word of zeros.
const TWO_OVER_PI: [u64; 19] = [
    0,
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
];

/// `pi / 2 * 2^63`, rounded.
const RIGHT_ANGLE_WORD: u64 = 0xc90f_daa2_2168_c235;

/// An angle of at least 0, reduced.
#[derive(Clone, Copy)]
struct Angle {
    /// The number of right angles taken off, modulo 4 or more.
    quadrant: Num,
    /// What is left.
    rest: Num,
    /// What `rest` lacks. For `f32` its rounding is good enough.
    tail: Option<Num>,
}

impl Math<'_, '_> {
    const fn trig_table(&self) -> &'static Table {
        match self.real() {
            Real::Single => &SINGLE,
            Real::Double => &DOUBLE,
        }
    }

    /// The sine.
    pub(crate) fn sin(&mut self, x: Num) -> Num {
        let size = self.abs(x);
        let angle = self.reduce_angle(size);
        let result = self.wave(angle);
        let result = self.flip_with(result, x);
        self.finite_only(size, result)
    }

    /// The cosine: the sine of one right angle more.
    pub(crate) fn cos(&mut self, x: Num) -> Num {
        let size = self.abs(x);
        let angle = self.reduce_angle(size);
        let quadrant = self.int_add(angle.quadrant, 1);
        let result = self.wave(Angle { quadrant, ..angle });
        self.finite_only(size, result)
    }

    /// The tangent.
    pub(crate) fn tan(&mut self, x: Num) -> Num {
        let size = self.abs(x);
        let angle = self.reduce_angle(size);
        let square = self.mul(angle.rest, angle.rest);
        let cube = self.mul(square, angle.rest);
        let odd_part = self.poly(square, self.trig_table().tan);
        let small = match angle.tail {
            None => self.mul(cube, odd_part),
            Some(tail) => {
                // The tangent grows by its square and 1; near 0 that is the angle's.
                let growth = self.fma(square, tail, tail);
                self.fma(cube, odd_part, growth)
            }
        };
        let tan = self.fast_two_sum(angle.rest, small);
        // In the odd quadrants -1 / tan, with a step of Newton for what the quotient lacks.
        let minus = self.neg(tan.hi);
        let quotient = self.rcp(minus);
        let lack = self.fma(quotient, tan.hi, 1.0);
        let lack = self.fma(quotient, tan.lo, lack);
        let cotangent = self.fma(quotient, lack, quotient);
        let odd = self.is_odd(angle.quadrant);
        let result = self.select(odd, cotangent, tan.hi);
        let result = self.flip_with(result, x);
        self.finite_only(size, result)
    }

    /// The sine of a reduced angle.
    fn wave(&mut self, angle: Angle) -> Num {
        let sin = self.sin_reduced(angle);
        let cos = self.cos_reduced(angle);
        let odd = self.is_odd(angle.quadrant);
        let result = self.select(odd, cos, sin);
        let down = self.and(angle.quadrant, 2);
        let sign = self.shl(down, self.trig_table().bits - 2);
        let bits = self.bits(result);
        let bits = self.xor(bits, sign);
        self.real_of_bits(bits)
    }

    fn sin_reduced(&mut self, Angle { rest, tail, .. }: Angle) -> Num {
        let square = self.mul(rest, rest);
        let cube = self.mul(square, rest);
        let odd_part = self.poly(square, self.trig_table().sin);
        match tail {
            None => self.fma(cube, odd_part, rest),
            Some(tail) => {
                let slope = self.fma(square, -0.5, 1.0);
                let moved = self.mul(tail, slope);
                let small = self.fma(cube, odd_part, moved);
                self.add(small, rest)
            }
        }
    }

    fn cos_reduced(&mut self, Angle { rest, tail, .. }: Angle) -> Num {
        let square = self.mul(rest, rest);
        let even_part = self.poly(square, self.trig_table().cos);
        let half_square = self.mul(square, 0.5);
        let near = self.sub(1.0, half_square);
        let lost = self.sub(1.0, near);
        let lost = self.sub(lost, half_square);
        let fourth = self.mul(square, square);
        let small = self.fma(fourth, even_part, lost);
        let small = match tail {
            None => small,
            Some(tail) => {
                let minus = self.neg(rest);
                self.fma(minus, tail, small)
            }
        };
        self.add(near, small)
    }

    fn is_odd(&mut self, quadrant: Num) -> firesteel_ptx::ir::Reg {
        let last = self.and(quadrant, 1);
        self.int_compare(Cmp::Ne, last, 0)
    }

    /// `result`, negated where `x` is negative.
    fn flip_with(&mut self, result: Num, x: Num) -> Num {
        let sign = self.bits(x);
        let sign = self.and(sign, self.pick(0x8000_0000, i64::MIN));
        let bits = self.bits(result);
        let bits = self.xor(bits, sign);
        self.real_of_bits(bits)
    }

    /// NaN where the angle is infinite or NaN.
    fn finite_only(&mut self, size: Num, result: Num) -> Num {
        let finite = self.compare(Cmp::Lt, size, f64::INFINITY);
        self.select(finite, result, f64::NAN)
    }

    fn reduce_angle(&mut self, size: Num) -> Angle {
        let near = self.reduce_small(size);
        let large = self.compare(Cmp::Ge, size, self.trig_table().large);
        match near.tail {
            None => {
                let [quadrant, rest] = self.rarely(large, [near.quadrant, near.rest], |math| {
                    let (quadrant, rest, _) = math.reduce_large(size);
                    [quadrant, rest]
                });
                Angle { quadrant, rest, tail: None }
            }
            Some(tail) => {
                let usual = [near.quadrant, near.rest, tail];
                let [quadrant, rest, tail] = self.rarely(large, usual, |math| {
                    let (quadrant, rest, tail) = math.reduce_large(size);
                    [quadrant, rest, tail]
                });
                Angle { quadrant, rest, tail: Some(tail) }
            }
        }
    }

    /// The first step is exact: both numbers are multiples of the last place of `pi / 2`, and
    /// the difference is small.
    fn reduce_small(&mut self, size: Num) -> Angle {
        let table = self.trig_table();
        let [first, second, third] = table.right_angle;
        let shifted = self.fma(size, FRAC_2_PI, table.shifter);
        let count = self.sub(shifted, table.shifter);
        let quadrant = self.bits(shifted);
        let rest = self.fma(count, -first, size);
        match self.real() {
            Real::Single => {
                let rest = self.fma(count, -second, rest);
                let rest = self.fma(count, -third, rest);
                Angle { quadrant, rest, tail: None }
            }
            Real::Double => {
                let product = self.two_product(count, Num::Real(-second));
                let sum = self.two_sum(rest, product.hi);
                let tail = self.add(sum.lo, product.lo);
                let tail = self.fma(count, -third, tail);
                Angle { quadrant, rest: sum.hi, tail: Some(tail) }
            }
        }
    }

    /// Payne and Hanek's reduction: quadrant, rest and tail.
    ///
    /// The angle is an integer `m` of 64 bits, its top bit set, times `2^(e - 63)`. The bits of
    /// `2 / pi` from number `e - 64` on, numbered from 1, are the first whose product with it is
    /// not a multiple of 4 right angles. So the top two bits of `m` times those are the
    /// quadrant, and the others the fraction of a right angle.
    fn reduce_large(&mut self, size: Num) -> (Num, Num, Num) {
        let (significand, window) = self.window(size);
        let (top, next) = self.product(significand, &window);
        let rounded = self.word_add(top, 1 << 61);
        let quadrant = self.word_shr(rounded, 62);
        let quadrant = self.int_of_word(quadrant);
        // The fraction as a number with a sign, from minus to plus one half.
        let carried = self.word_shr(next, 62);
        let high = self.word_shl(top, 2);
        let high = self.word_logic(Logic::Or, high, carried);
        let low = self.word_shl(next, 2);
        let sign = self.word_sar(high, 63);
        let high = self.word_logic(Logic::Xor, high, sign);
        let low = self.word_logic(Logic::Xor, low, sign);
        // Without leading zeros, and times pi / 2.
        let zeros = self.word_clz(high);
        let fraction = self.shift_pair(high, low, zeros);
        let angle = RIGHT_ANGLE_WORD.cast_signed().into();
        let angle = self.word_mul(Half::Hi, fraction, angle);
        let (rest, tail) = self.fixed_to_real(angle, zeros);
        let negative = self.word_signed_less(sign, 0);
        let (minus_rest, minus_tail) = (self.neg(rest), self.neg(tail));
        let rest = self.select(negative, minus_rest, rest);
        let tail = self.select(negative, minus_tail, tail);
        (quadrant, rest, tail)
    }

    /// The significand with its top bit set, and the bits of `2 / pi` that matter.
    fn window(&mut self, size: Num) -> (Num, Vec<Num>) {
        let table = self.trig_table();
        let bits = self.bits(size);
        let stored = self.sar(bits, table.fraction);
        let at = self.int_sub(stored, table.bias + 1);
        let word = self.word_of_int(bits);
        let significand = self.word_shl(word, 63 - table.fraction);
        let significand = self.word_logic(Logic::Or, significand, i64::MIN);
        let mut words: Vec<Num> =
            TWO_OVER_PI[..table.words].iter().map(|word| word.cast_signed().into()).collect();
        // Halves the words that are left with each bit of the index of the first.
        let mut step = (table.words - table.window).div_ceil(2);
        while step > 0 {
            let bit = self.and(at, 64 * step as i64);
            let taken = self.int_compare(Cmp::Ne, bit, 0);
            words = (0..table.window + step - 1)
                .map(|at| self.word_select(taken, words[at + step], words[at]))
                .collect();
            step /= 2;
        }
        let amount = self.and(at, 63);
        let amount = self.amount_of_int(amount);
        let window = words.windows(2).map(|two| self.shift_pair(two[0], two[1], amount)).collect();
        (significand, window)
    }

    /// The highest two words of the product that are below 4 right angles. The lower one only
    /// where the window has three words; `f32` needs no more than the first.
    fn product(&mut self, m: Num, window: &[Num]) -> (Num, Num) {
        let top = self.word_mul(Half::Lo, m, window[0]);
        let carried = self.word_mul(Half::Hi, m, window[1]);
        let top = self.word_add(top, carried);
        let next = self.word_mul(Half::Lo, m, window[1]);
        let Some(last) = window.get(2) else {
            return (top, next);
        };
        let carried = self.word_mul(Half::Hi, m, *last);
        let next = self.word_add(next, carried);
        let overflow = self.word_less(next, carried);
        let more = self.word_add(top, 1);
        (self.word_select(overflow, more, top), next)
    }

    /// The high word of `high:low` shifted left by `amount`, below 64.
    fn shift_pair(&mut self, high: Num, low: Num, amount: Num) -> Num {
        let rest = self.amount_less(64, amount);
        let high = self.word_shl(high, amount);
        // A shift by 64 gives 0.
        let low = self.word_shr(low, rest);
        self.word_logic(Logic::Or, high, low)
    }

    /// `fixed * 2^(-63 - zeros)` as a float and what that lacks.
    fn fixed_to_real(&mut self, fixed: Num, zeros: Num) -> (Num, Num) {
        let table = self.trig_table();
        let zeros = self.int_of_amount(zeros);
        let exponent = self.int_sub(table.bias - 63, zeros);
        let scale = self.shl(exponent, table.fraction);
        let scale = self.real_of_bits(scale);
        match self.real() {
            Real::Single => {
                let rest = self.real_of_word(fixed);
                (self.mul(rest, scale), Num::Real(0.0))
            }
            Real::Double => {
                let high = self.word_logic(Logic::And, fixed, !0x7ff);
                let low = self.word_logic(Logic::And, fixed, 0x7ff);
                let (high, low) = (self.real_of_word(high), self.real_of_word(low));
                (self.mul(high, scale), self.mul(low, scale))
            }
        }
    }

    fn int_of_word(&mut self, word: Num) -> Num {
        match self.real() {
            Real::Single => self.resize(CvtTy::U32, CvtTy::U64, word),
            Real::Double => word,
        }
    }

    fn word_of_int(&mut self, int: Num) -> Num {
        match self.real() {
            Real::Single => self.resize(CvtTy::U64, CvtTy::U32, int),
            Real::Double => int,
        }
    }

    fn amount_of_int(&mut self, int: Num) -> Num {
        match self.real() {
            Real::Single => int,
            Real::Double => self.resize(CvtTy::U32, CvtTy::U64, int),
        }
    }

    fn int_of_amount(&mut self, amount: Num) -> Num {
        match self.real() {
            Real::Single => amount,
            Real::Double => self.resize(CvtTy::U64, CvtTy::U32, amount),
        }
    }
}
