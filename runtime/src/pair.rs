//! Two floats of 16 bits in one word, as the host sees them.
//!
//! On the device they are one register, and one instruction computes with both halves. Here the
//! operators do the same half by half, and round as the device does.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use half::{bf16, f16};

macro_rules! operators {
    ($Name:ident: $($Op:ident $op:ident $Assign:ident $assign:ident;)*) => { $(
        impl $Op for $Name {
            type Output = Self;

            fn $op(self, other: Self) -> Self {
                Self { lo: self.lo.$op(other.lo), hi: self.hi.$op(other.hi) }
            }
        }

        impl $Assign for $Name {
            fn $assign(&mut self, other: Self) {
                *self = self.$op(other);
            }
        }
    )* };
}

macro_rules! pairs {
    ($(
        $(#[doc = $doc:literal])*
        $Name:ident: $half:ident;
    )*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Default, PartialEq, PartialOrd, bytemuck::Pod, bytemuck::Zeroable)]
        #[allow(non_camel_case_types, reason = "named like the scalars of Rust")]
        #[repr(C, align(4))]
        pub struct $Name {
            lo: $half,
            hi: $half,
        }

        impl $Name {
            /// Both halves 0.
            pub const ZERO: Self = Self { lo: $half::ZERO, hi: $half::ZERO };

            /// The pair of these halves.
            #[must_use]
            pub const fn new(lo: $half, hi: $half) -> Self {
                Self { lo, hi }
            }

            /// Both halves the same.
            #[must_use]
            pub const fn splat(value: $half) -> Self {
                Self { lo: value, hi: value }
            }

            /// Both rounded to nearest.
            #[must_use]
            pub fn from_f32(lo: f32, hi: f32) -> Self {
                Self { lo: $half::from_f32(lo), hi: $half::from_f32(hi) }
            }

            /// The pair of these bits, those of the low half lowest.
            #[must_use]
            pub const fn from_bits(bits: u32) -> Self {
                Self { lo: $half::from_bits(bits as u16), hi: $half::from_bits((bits >> 16) as u16) }
            }

            /// The low half, which is the first in memory.
            #[must_use]
            pub const fn lo(self) -> $half {
                self.lo
            }

            /// The high half.
            #[must_use]
            pub const fn hi(self) -> $half {
                self.hi
            }

            /// Both halves, exactly.
            #[must_use]
            pub fn to_f32(self) -> (f32, f32) {
                (self.lo.to_f32(), self.hi.to_f32())
            }

            /// The bits, those of the low half lowest.
            #[must_use]
            pub const fn to_bits(self) -> u32 {
                self.lo.to_bits() as u32 | (self.hi.to_bits() as u32) << 16
            }
        }

        operators! { $Name:
            Add add AddAssign add_assign;
            Sub sub SubAssign sub_assign;
            Mul mul MulAssign mul_assign;
        }

        impl Neg for $Name {
            type Output = Self;

            fn neg(self) -> Self {
                Self { lo: -self.lo, hi: -self.hi }
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "({:?}, {:?})", self.lo, self.hi)
            }
        }
    )* };
}

pairs! {
    /// Two `f16` in one word: the element of slices whose kernels compute with both at once.
    ///
    /// ```
    /// use firesteel::f16x2;
    ///
    /// let x = f16x2::from_f32(1.5, -2.0);
    /// assert_eq!((x + x).to_f32(), (3.0, -4.0));
    /// assert_eq!(x.to_bits(), 0xc000_3e00);
    /// ```
    f16x2: f16;
    /// Two `bf16` in one word: the element of slices whose kernels compute with both at once.
    ///
    /// ```
    /// use firesteel::bf16x2;
    ///
    /// let x = bf16x2::from_f32(1.5, -2.0);
    /// assert_eq!((x * -x).to_f32(), (-2.25, -4.0));
    /// assert_eq!(bf16x2::from_bits(x.to_bits()), x);
    /// ```
    bf16x2: bf16;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_low_half_is_first_in_memory() {
        let x = f16x2::from_f32(1.0, 2.0);
        assert_eq!(bytemuck::bytes_of(&x), [0x00, 0x3c, 0x00, 0x40]);
        assert_eq!((x.lo(), x.hi()), (f16::from_f32(1.0), f16::from_f32(2.0)));
        assert_eq!(f16x2::from_bits(x.to_bits()), x);
        assert_eq!((size_of::<bf16x2>(), align_of::<bf16x2>()), (4, 4));
        assert_eq!(format!("{:?}", bf16x2::splat(bf16::ONE)), "(1.0, 1.0)");
    }
}
