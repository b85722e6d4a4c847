//! The floats of 8 and 16 bits, to and from `f64`, with one rounding to nearest even.
//!
//! Written here and not taken from a crate: every build of a user's crate waits for this one.

/// A binary format with a sign, an exponent and a mantissa whose leading bit is implied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    exponent: u32,
    mantissa: u32,
    overflow: Overflow,
}

/// What the topmost exponent holds, and what becomes of numbers that are too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// Infinity and NaN; what is too large becomes infinity.
    Infinity,
    /// Infinity and NaN; what is too large becomes the largest number, and NaN has one form.
    Saturate,
    /// Numbers, and NaN in the last place; what is too large becomes the largest number.
    SaturateFinite,
}

/// IEEE binary16.
pub(crate) const F16: Format = Format { exponent: 5, mantissa: 10, overflow: Overflow::Infinity };
/// The upper half of a binary32.
pub(crate) const BF16: Format = Format { exponent: 8, mantissa: 7, overflow: Overflow::Infinity };
/// The 8 bits of `e4m3fn`, as `cvt.rn.satfinite` rounds to them.
pub(crate) const E4M3: Format =
    Format { exponent: 4, mantissa: 3, overflow: Overflow::SaturateFinite };
/// The 8 bits of `e5m2`, as `cvt.rn.satfinite` rounds to them.
pub(crate) const E5M2: Format = Format { exponent: 5, mantissa: 2, overflow: Overflow::Saturate };

impl Format {
    const fn bias(self) -> i32 {
        (1 << (self.exponent - 1)) - 1
    }

    /// The bits of infinity, where there is one.
    const fn infinity(self) -> u64 {
        ((1 << self.exponent) - 1) << self.mantissa
    }

    /// The bits of the largest number.
    const fn largest(self) -> u64 {
        match self.overflow {
            Overflow::Infinity | Overflow::Saturate => self.infinity() - 1,
            Overflow::SaturateFinite => self.all_ones() - 1,
        }
    }

    /// All bits but the sign.
    const fn all_ones(self) -> u64 {
        (1 << (self.exponent + self.mantissa)) - 1
    }

    /// What the magnitude of a result is at most.
    const fn bound(self) -> u64 {
        match self.overflow {
            Overflow::Infinity => self.infinity(),
            Overflow::Saturate | Overflow::SaturateFinite => self.largest(),
        }
    }

    /// The bits of the nearest value of the format.
    pub(crate) fn round(self, value: f64) -> u64 {
        let sign = u64::from(value.is_sign_negative()) << (self.exponent + self.mantissa);
        if value.is_nan() {
            return match self.overflow {
                Overflow::Infinity => sign | self.infinity() | 1 << (self.mantissa - 1),
                Overflow::Saturate | Overflow::SaturateFinite => self.all_ones(),
            };
        }
        if value.is_infinite() {
            return sign | self.bound();
        }
        let bits = value.abs().to_bits();
        let (exponent, fraction) = ((bits >> 52) as i32 - 1023, bits & ((1 << 52) - 1));
        let lowest = 1 - self.bias();
        // What a subnormal loses more than a normal. Beyond 54 bits the result is 0 anyhow, and
        // so are the subnormals of `f64`, whose significand has no leading 1.
        let shift = (52 - self.mantissa) + (lowest - exponent).clamp(0, 64) as u32;
        if shift > 54 {
            return sign;
        }
        let significand = fraction | 1 << 52;
        let (kept, lost) = (significand >> shift, significand & ((1 << shift) - 1));
        let half = 1 << (shift - 1);
        let up = lost > half || (lost == half && kept & 1 == 1);
        let implied = (exponent - lowest).max(0) as u64;
        // A carry out of the mantissa moves into the exponent, as it should. The leading 1 of a
        // normal number adds the missing 1 to its exponent.
        let magnitude = (implied << self.mantissa) + kept + u64::from(up);
        sign | magnitude.min(self.bound())
    }

    /// The value of these bits, exactly.
    pub(crate) fn widen(self, bits: u64) -> f64 {
        let fraction = bits & ((1 << self.mantissa) - 1);
        let exponent = (bits >> self.mantissa) & ((1 << self.exponent) - 1);
        let scale = |exponent: i32| 2f64.powi(exponent - self.bias() - self.mantissa as i32);
        let magnitude = if bits & self.all_ones() > self.largest() {
            let infinite = fraction == 0 && self.overflow != Overflow::SaturateFinite;
            if infinite { f64::INFINITY } else { f64::NAN }
        } else if exponent == 0 {
            fraction as f64 * scale(1)
        } else {
            (fraction | 1 << self.mantissa) as f64 * scale(exponent as i32)
        };
        let negative = bits >> (self.exponent + self.mantissa) & 1 == 1;
        if negative { -magnitude } else { magnitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_comes_back() {
        for format in [E4M3, E5M2, F16, BF16] {
            for bits in 0..=2 * format.all_ones() + 1 {
                let value = format.widen(bits);
                if value.is_finite() {
                    assert_eq!(format.round(value), bits, "{bits:#06x}");
                }
            }
        }
    }

    #[test]
    fn the_middle_goes_to_the_even_neighbour_and_the_rest_to_the_nearest() {
        for format in [E4M3, E5M2, F16, BF16] {
            for bits in 0..format.largest() {
                let middle = f64::midpoint(format.widen(bits), format.widen(bits + 1));
                assert_eq!(format.round(middle), bits + (bits & 1));
                assert_eq!(format.round(middle.next_up()), bits + 1);
                assert_eq!(format.round(middle.next_down()), bits);
            }
        }
    }

    #[test]
    fn known_values() {
        assert_eq!(F16.round(65520.0), F16.infinity());
        assert_eq!(F16.round(65519.9), 0x7bff);
        assert_eq!(BF16.round(f64::from(f32::from_bits(0x3f80_8000))), 0x3f80);
        assert_eq!(F16.round(-0.0), 0x8000);
        assert_eq!(F16.round(1e-300), 0);
        assert!(F16.widen(F16.round(f64::NAN)).is_nan());
        assert_eq!((E4M3.widen(0x7e), E4M3.widen(1)), (448.0, 2f64.powi(-9)));
        assert_eq!((E4M3.round(464.1), E4M3.round(f64::NEG_INFINITY)), (0x7e, 0xfe));
        assert_eq!((E5M2.widen(0x7b), E5M2.widen(0x7c)), (57344.0, f64::INFINITY));
        assert_eq!((E5M2.round(f64::INFINITY), E5M2.round(-f64::NAN)), (0x7b, 0x7f));
        assert!(E4M3.widen(0xff).is_nan() && E5M2.widen(0x7d).is_nan());
    }
}
