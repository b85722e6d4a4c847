//! How ggml rounds.

use firesteel::prelude::*;

/// What is added to a number of up to 22 bits to have it, rounded to the nearest even integer, in
/// the low bits: 1.5 * 2^23.
#[gpu_const]
const SHIFT: f32 = 12_582_912.0;
/// A NaN becomes this, whose bits say 0. It is below all that is rounded.
#[gpu_const]
const BOTTOM: f32 = -2.552_117_8e38;
/// The bits of a fraction, and what they are of [`SHIFT`].
#[gpu_const]
const FRACTION: u32 = 0x7f_ffff;
#[gpu_const]
const ZERO: u32 = 0x40_0000;
/// The exponent of [`SHIFT`].
#[gpu_const]
const EXPONENT: u32 = 0x4b00_0000;

/// The nearest integer, of two the even one; of what has more than 22 bits whatever the bits say, as
/// in ggml's `nearest_int` (a NaN is 0, as x86 has it).
#[gpu_fn]
pub fn nearest(x: f32) -> i32 {
    let bits = (x.max(BOTTOM) + SHIFT).to_bits();
    (bits & FRACTION) as i32 - ZERO as i32
}

/// [`nearest`], between `low` and `high`, as a float.
#[gpu_fn]
pub fn level(x: f32, low: i32, high: i32) -> f32 {
    let bits = (x.max(BOTTOM) + SHIFT).to_bits() & FRACTION;
    let clamped = bits.max((ZERO as i32 + low) as u32).min((ZERO as i32 + high) as u32);
    f32::from_bits(clamped | EXPONENT) - SHIFT
}

/// `1 / x`, and 0 of 0. It is infinite where x is so small that nothing is left of it in `f16`.
#[gpu_fn]
pub fn inverse(x: f32) -> f32 {
    if x != 0.0 { 1.0 / x } else { 0.0 }
}

/// An integer as a float. A function, since a generic one with a cast works in kernels only.
#[gpu_fn]
pub fn float(n: i32) -> f32 {
    n as f32
}

/// A level as a code.
#[gpu_fn]
pub fn code_of(level: f32) -> u32 {
    level as u32
}

/// Of the widest weight, for codes of a byte: the scale, and what weights are multiplied with.
#[gpu_fn]
pub fn head_of_bytes(widest: f32) -> (f32, f32) {
    let d = widest.abs() / 127.0;
    let inverse = inverse(d);
    // Where the inverse is too large, ggml has code 0 on x86.
    if inverse.is_infinite() { (d, 0.0) } else { (d, inverse) }
}

/// Just below a half.
#[gpu_const]
const BELOW_HALF: f32 = 0.499_999_97;

/// A weight as a byte: half way away from 0. A half and what is just below one differ by the
/// rounding of the sum, so that cutting off its fraction rounds every number below 2^22.
#[gpu_fn]
pub fn byte_code(x: f32, inverse: f32) -> i32 {
    let y = x * inverse;
    (y + BELOW_HALF.copysign(y)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_rounded_away_from_zero() {
        for half in -256..256 {
            let half = half as f32 / 2.0;
            for y in [half, half.next_up(), half.next_down()] {
                assert_eq!(byte_code(y, 1.0), y.round() as i32, "{y}");
            }
        }
    }

    #[test]
    fn a_nan_is_zero() {
        assert_eq!(BOTTOM.to_bits(), 0xff40_0000);
        assert_eq!(nearest(f32::NAN), 0);
        assert_eq!([nearest(0.5), nearest(1.5), nearest(-2.5)], [0, 2, -2]);
        assert_eq!([level(-7.6, -8, 7), level(9.0, -8, 7)], [-8.0, 7.0]);
    }
}
