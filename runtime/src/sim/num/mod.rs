//! Bit-exact arithmetic of PTX instructions, as pure functions over bit patterns.
//!
//! Floats travel as their bits (`u32` for f32, `u64` for f64, `u16` for f16 and bf16), because a
//! host float may lose a NaN's payload on the way. Each function's doc names the entry of the
//! PTX ISA (9.0) that it implements. Where PTX leaves a result open, the function does what an
//! H200 does, and says so.
//!
//! | module | what |
//! | --- | --- |
//! | [`soft`] | exact values on wide integers, rounded once into any format and direction |
//! | [`single`], [`double`] | f32 and f64 arithmetic |
//! | [`narrow`] | f16, bf16 and their packed pairs |
//! | [`convert`] | every `cvt`, fp8 and tf32 included |
//! | [`approx`] | the `.approx` functions |
//! | [`int`] | integer arithmetic of any width |
//! | [`bits`] | shifts, fields, permutations and logic on words |
//! | [`dot`] | `dp4a`, `dp2a` and the scalar pieces of `mma` |

pub mod approx;
pub mod bits;
pub mod convert;
pub mod dot;
pub mod double;
pub mod int;
pub mod narrow;
pub mod single;
pub mod soft;

#[cfg(test)]
mod golden;

use std::cmp::Ordering;

/// Direction in which an inexact result is rounded.
///
/// PTX ISA, "Rounding Modifiers": the same four directions serve results in floating point
/// (`.rn`, `.rz`, `.rm`, `.rp`) and integers (`.rni`, `.rzi`, `.rmi`, `.rpi`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// `.rn`: to nearest, ties to even.
    Nearest,
    /// `.rz`: towards zero.
    Zero,
    /// `.rm`: towards minus infinity.
    Down,
    /// `.rp`: towards plus infinity.
    Up,
    /// `.rna`: to nearest, ties away from zero (only `cvt` to tf32).
    NearestAway,
}

/// Modifiers of a floating-point instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Rounding of the result.
    pub round: Rounding,
    /// `.ftz`: subnormal inputs and results become zeros of the same sign.
    pub ftz: bool,
    /// `.sat`: the result is clamped to `[+0, 1]`, NaN becomes `+0`.
    pub sat: bool,
}

impl Mode {
    /// `.rn` without `.ftz` and `.sat`.
    pub const RN: Mode = Mode { round: Rounding::Nearest, ftz: false, sat: false };

    /// This mode with another rounding.
    #[must_use]
    pub const fn rounded(self, round: Rounding) -> Mode {
        Mode { round, ..self }
    }

    /// This mode with `.ftz`.
    #[must_use]
    pub const fn flushed(self) -> Mode {
        Mode { ftz: true, ..self }
    }

    /// This mode with `.sat`.
    #[must_use]
    pub const fn saturated(self) -> Mode {
        Mode { sat: true, ..self }
    }
}

/// Comparison operators of `setp`, `set` and `slct`.
///
/// The unsigned forms `.lo .ls .hi .hs` are `Lt Le Gt Ge` on unsigned operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Equal, false on NaN.
    Eq,
    /// Not equal, false on NaN.
    Ne,
    /// Less, false on NaN.
    Lt,
    /// Less or equal, false on NaN.
    Le,
    /// Greater, false on NaN.
    Gt,
    /// Greater or equal, false on NaN.
    Ge,
    /// Equal or unordered.
    Equ,
    /// Not equal or unordered.
    Neu,
    /// Less or unordered.
    Ltu,
    /// Less, equal or unordered.
    Leu,
    /// Greater or unordered.
    Gtu,
    /// Greater, equal or unordered.
    Geu,
    /// Both are numbers.
    Num,
    /// One is NaN.
    Nan,
}

impl Compare {
    /// Whether the comparison holds for operands in this order, `None` being unordered.
    ///
    /// PTX ISA, "Comparisons": the ordered operators are false and the `u` operators are true
    /// when an operand is NaN.
    #[inline]
    pub fn holds(self, order: Option<Ordering>) -> bool {
        let Some(order) = order else {
            return matches!(
                self,
                Compare::Equ
                    | Compare::Neu
                    | Compare::Ltu
                    | Compare::Leu
                    | Compare::Gtu
                    | Compare::Geu
                    | Compare::Nan
            );
        };
        match self {
            Compare::Eq | Compare::Equ => order.is_eq(),
            Compare::Ne | Compare::Neu => order.is_ne(),
            Compare::Lt | Compare::Ltu => order.is_lt(),
            Compare::Le | Compare::Leu => order.is_le(),
            Compare::Gt | Compare::Gtu => order.is_gt(),
            Compare::Ge | Compare::Geu => order.is_ge(),
            Compare::Num => true,
            Compare::Nan => false,
        }
    }

    /// The comparison on two values of one type (`u32`, `i64`, host floats).
    #[inline]
    pub fn of<T: PartialOrd>(self, a: T, b: T) -> bool {
        self.holds(a.partial_cmp(&b))
    }
}

/// Classes of `testp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Neither infinite nor NaN.
    Finite,
    /// Infinite.
    Infinite,
    /// Not NaN.
    Number,
    /// NaN.
    NotANumber,
    /// A number that is neither zero, subnormal nor infinite.
    Normal,
    /// A subnormal number. Zero is none.
    Subnormal,
}

impl Class {
    /// Whether a value of host category `category` is in this class.
    ///
    /// PTX ISA, `testp`. Its note makes zero a normal number: "testp.normal … positive and
    /// negative zero are considered normal numbers".
    pub fn contains(self, category: std::num::FpCategory) -> bool {
        use std::num::FpCategory as C;
        match self {
            Class::Finite => matches!(category, C::Zero | C::Subnormal | C::Normal),
            Class::Infinite => category == C::Infinite,
            Class::Number => category != C::Nan,
            Class::NotANumber => category == C::Nan,
            Class::Normal => matches!(category, C::Normal | C::Zero),
            Class::Subnormal => category == C::Subnormal,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A seeded generator whose floats reach every exponent and the special values.

    /// `splitmix64`.
    pub(crate) struct Rng(pub(crate) u64);

    impl Rng {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        /// Bits of an f32: often special, often near `1`, otherwise anything.
        pub(crate) fn f32(&mut self) -> u32 {
            let r = self.next();
            let bits = (r >> 32) as u32;
            match r % 8 {
                0 => SPECIAL_F32[(r >> 8) as usize % SPECIAL_F32.len()],
                1 => bits & 0x807f_ffff,
                2..=4 => (bits & 0x80ff_ffff) | 0x3f00_0000,
                5 => (bits & 0xff80_0000) | (bits & 0x7),
                _ => bits,
            }
        }

        /// Bits of an f64, chosen as [`Rng::f32`] does.
        pub(crate) fn f64(&mut self) -> u64 {
            let r = self.next();
            let bits = self.next();
            match r % 8 {
                0 => f64::from(f32::from_bits(self.f32())).to_bits(),
                1 => bits & 0x800f_ffff_ffff_ffff,
                2..=4 => (bits & 0x801f_ffff_ffff_ffff) | 0x3fe0_0000_0000_0000,
                5 => (bits & 0xfff0_0000_0000_0000) | (bits & 0x7),
                _ => bits,
            }
        }
    }

    pub(crate) const SPECIAL_F32: [u32; 16] = [
        0,
        0x8000_0000,
        0x3f80_0000,
        0xbf80_0000,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0001,
        0xffff_ffff,
        0x0000_0001,
        0x8000_0001,
        0x007f_ffff,
        0x0080_0000,
        0x7f7f_ffff,
        0xff7f_ffff,
        0x3f7f_ffff,
        0x4f00_0000,
    ];
}
