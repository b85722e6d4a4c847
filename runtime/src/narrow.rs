//! The floats of 8 bits, as the host sees them.
//!
//! The two formats of "FP8 Formats for Deep Learning" (Micikevicius et al., 2022). They are stored
//! and converted; there is no arithmetic on them, here or on the device. Conversions give the bits
//! of `cvt.rn.satfinite` (PTX ISA, `cvt`).

use std::cmp::Ordering;
use std::fmt;

use half::{bf16, f16};

/// Declares a format: its name, the bits of its fraction, the bias of its exponent, its largest
/// number and that number's bits, and what makes of a magnitude that is larger a value.
macro_rules! formats {
    ($(
        $(#[doc = $doc:literal])*
        $Name:ident: $fraction:literal, $bias:literal, $max:literal, $max_bits:literal,
        |$above:ident| $beyond:expr;
    )*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
        #[allow(non_camel_case_types, reason = "named like the scalars of Rust")]
        #[repr(transparent)]
        pub struct $Name(u8);

        impl $Name {
            /// 0.
            pub const ZERO: Self = Self(0);
            /// 1.
            pub const ONE: Self = Self($bias << $fraction);
            /// The largest number.
            pub const MAX: Self = Self($max_bits);
            /// The smallest number, the opposite of [`Self::MAX`].
            pub const MIN: Self = Self($max_bits | SIGN);
            /// Not a number.
            pub const NAN: Self = Self(0x7f);

            /// The nearest number, the even one of two; [`Self::MAX`] or [`Self::MIN`] of what is
            /// larger, infinity included. NaN stays NaN, without its sign.
            #[must_use]
            pub fn from_f32(value: f32) -> Self {
                if value.is_nan() {
                    return Self::NAN;
                }
                let magnitude = value.abs().min($max);
                let lost = f32::MANTISSA_DIGITS - 1 - $fraction;
                // The smallest normal number; below it the distance of neighbours is constant.
                let normal = f32::from_bits((128 - $bias) << 23);
                let bits = if magnitude < normal {
                    // The last place of this number is the format's smallest step, so the sum is
                    // rounded to it.
                    let step = normal * (1 << lost) as f32;
                    (magnitude + step).to_bits() - step.to_bits()
                } else {
                    let bits = magnitude.to_bits();
                    let up = (1 << (lost - 1)) - 1 + (bits >> lost & 1);
                    ((bits + up) >> lost) - ((127 - $bias) << $fraction)
                };
                Self(bits as u8 | u8::from(value.is_sign_negative()) << 7)
            }

            /// The number, exactly.
            #[must_use]
            pub const fn to_f32(self) -> f32 {
                let $above = self.0 & !SIGN;
                let magnitude = if $above > $max_bits {
                    $beyond
                } else {
                    // The exponent of the bits as those of an `f32` lacks the difference of the
                    // biases. The product is exact, also of a subnormal.
                    let bits = ($above as u32) << (f32::MANTISSA_DIGITS - 1 - $fraction);
                    f32::from_bits(bits) * f32::from_bits((254 - $bias) << 23)
                };
                if self.0 & SIGN == 0 { magnitude } else { -magnitude }
            }

            /// The number of these bits.
            #[must_use]
            pub const fn from_bits(bits: u8) -> Self {
                Self(bits)
            }

            /// The bits.
            #[must_use]
            pub const fn to_bits(self) -> u8 {
                self.0
            }

            /// Whether it is NaN.
            #[must_use]
            pub const fn is_nan(self) -> bool {
                self.to_f32().is_nan()
            }
        }

        impl PartialEq for $Name {
            fn eq(&self, other: &Self) -> bool {
                self.to_f32() == other.to_f32()
            }
        }

        impl PartialOrd for $Name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                self.to_f32().partial_cmp(&other.to_f32())
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.to_f32(), f)
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.to_f32(), f)
            }
        }

        impl From<$Name> for f32 {
            fn from(value: $Name) -> Self {
                value.to_f32()
            }
        }

        impl From<$Name> for f64 {
            fn from(value: $Name) -> Self {
                value.to_f32().into()
            }
        }

        impl From<$Name> for f16 {
            fn from(value: $Name) -> Self {
                Self::from_f32(value.to_f32())
            }
        }

        impl From<$Name> for bf16 {
            fn from(value: $Name) -> Self {
                Self::from_f32(value.to_f32())
            }
        }
    )* };
}

/// The bit of the sign.
const SIGN: u8 = 0x80;

formats! {
    /// A float of 8 bits: 4 of exponent and 3 of fraction, up to 448, without infinity.
    ///
    /// ```
    /// use firesteel::e4m3;
    ///
    /// assert_eq!(e4m3::from_f32(1.06).to_f32(), 1.0);
    /// assert_eq!(e4m3::from_f32(-1e9), e4m3::MIN);
    /// ```
    e4m3: 3, 7, 448.0, 0x7e, |_magnitude| f32::NAN;
    /// A float of 8 bits: 5 of exponent and 2 of fraction, up to 57344: the upper half of an
    /// `f16`. Conversions never give its infinity.
    ///
    /// ```
    /// use firesteel::e5m2;
    ///
    /// assert_eq!(e5m2::from_f32(3.2).to_f32(), 3.0);
    /// assert_eq!(e5m2::from_f32(f32::INFINITY), e5m2::MAX);
    /// ```
    e5m2: 2, 15, 57344.0, 0x7b, |magnitude| if magnitude == 0x7c { f32::INFINITY } else { f32::NAN };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::num::convert::{fp8x2_to_f16x2, pack_fp8x2};
    use crate::sim::num::soft::{E4M3, E5M2};

    /// Every `f32` whose low 8 bits are near a tie of the rest, from far below the smallest number
    /// to far above the largest, and the special ones.
    fn singles() -> impl Iterator<Item = f32> {
        let near = [0u32, 1, 0x7f, 0x80, 0x81, 0xff];
        let grid =
            (0..1u32 << 16).flat_map(move |high| near.map(|low| high << 16 | low << 8 | low));
        let ties =
            (0..1u32 << 16).flat_map(|high| [0x7fff, 0x8000, 0x8001].map(|low| high << 16 | low));
        grid.chain(ties).map(f32::from_bits)
    }

    #[test]
    fn rounding_is_that_of_the_simulator() {
        for x in singles() {
            let want = |format| pack_fp8x2(0, x.to_bits(), format, false) as u8;
            assert_eq!(e4m3::from_f32(x).to_bits(), want(E4M3), "{x:e}, {:#x}", x.to_bits());
            assert_eq!(e5m2::from_f32(x).to_bits(), want(E5M2), "{x:e}, {:#x}", x.to_bits());
        }
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        for bits in 0..e4m3::MAX.to_bits() {
            let [low, high] = [bits, bits + 1].map(|it| e4m3::from_bits(it).to_f32());
            let middle = f32::midpoint(low, high);
            assert_eq!(e4m3::from_f32(middle).to_bits(), bits + bits % 2, "{middle}");
            assert_eq!(e4m3::from_f32(middle.next_up()).to_bits(), bits + 1, "{middle}");
            assert_eq!(e4m3::from_f32(-middle.next_down()).to_bits(), bits | SIGN, "{middle}");
        }
    }

    #[test]
    fn every_value_is_that_of_the_simulator() {
        for bits in 0..=u8::MAX {
            let half = |format| f16::from_bits(fp8x2_to_f16x2(bits.into(), format, false) as u16);
            let of =
                [(e4m3::from_bits(bits).to_f32(), E4M3), (e5m2::from_bits(bits).to_f32(), E5M2)];
            for (got, format) in of {
                let want = half(format).to_f32();
                assert!(
                    got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                    "{bits:#x}"
                );
            }
        }
    }

    #[test]
    fn constants_are_what_they_say() {
        assert_eq!((e4m3::ONE.to_f32(), e5m2::ONE.to_f32()), (1.0, 1.0));
        assert_eq!((e4m3::MAX.to_f32(), e4m3::MIN.to_f32()), (448.0, -448.0));
        assert_eq!((e5m2::MAX.to_f32(), e5m2::MIN.to_f32()), (57344.0, -57344.0));
        assert!(e4m3::NAN.is_nan() && e5m2::NAN.is_nan() && e4m3::NAN != e4m3::NAN);
        assert_eq!(format!("{} {:?}", e4m3::MAX, e5m2::ONE), "448 1.0");
    }
}
