//! Eight integers of 4 bits in one word, as the host sees them.
//!
//! They are factors of matrix products, and nothing else is computed with them, here or on the
//! device.

use std::fmt;

macro_rules! nibbles {
    ($(
        $(#[doc = $doc:literal])*
        $Name:ident: $byte:ident, |$nibble:ident| $widen:expr;
    )*) => { $(
        $(#[doc = $doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Hash, bytemuck::Pod, bytemuck::Zeroable,
        )]
        #[allow(non_camel_case_types, reason = "named like the scalars of Rust")]
        #[repr(transparent)]
        pub struct $Name(u32);

        impl $Name {
            /// Eight times 0.
            pub const ZERO: Self = Self(0);

            /// These numbers, of each the low 4 bits, the first one lowest.
            #[must_use]
            pub const fn new(values: [$byte; 8]) -> Self {
                let (mut bits, mut i) = (0, 0);
                while i < 8 {
                    bits |= (values[i] as u32 & 0xf) << (4 * i);
                    i += 1;
                }
                Self(bits)
            }

            /// The numbers, the lowest one first.
            #[must_use]
            pub fn to_array(self) -> [$byte; 8] {
                std::array::from_fn(|i| {
                    let $nibble = (self.0 >> (4 * i)) as u8 & 0xf;
                    $widen
                })
            }

            /// The numbers of these bits.
            #[must_use]
            pub const fn from_bits(bits: u32) -> Self {
                Self(bits)
            }

            /// The bits.
            #[must_use]
            pub const fn to_bits(self) -> u32 {
                self.0
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.to_array(), f)
            }
        }
    )* };
}

nibbles! {
    /// Eight integers from -8 to 7 in one word.
    ///
    /// ```
    /// use firesteel::i4x8;
    ///
    /// let x = i4x8::new([1, -1, 7, -8, 0, 0, 0, 2]);
    /// assert_eq!(x.to_bits(), 0x2000_87f1);
    /// assert_eq!(x.to_array(), [1, -1, 7, -8, 0, 0, 0, 2]);
    /// ```
    i4x8: i8, |nibble| (nibble << 4) as i8 >> 4;
    /// Eight integers from 0 to 15 in one word.
    ///
    /// ```
    /// use firesteel::u4x8;
    ///
    /// assert_eq!(u4x8::new([15, 1, 0, 0, 0, 0, 0, 8]).to_bits(), 0x8000_001f);
    /// ```
    u4x8: u8, |nibble| nibble;
}
