//! Types of registers, variables and instructions, and what a machine must offer for them.

use crate::modifier::{Modifier, Parts};
#[cfg(feature = "sample")]
use crate::sample::Sampler;

/// The oldest PTX ISA version and the oldest architecture that offer something.
///
/// PTX ISA, "Target ISA Notes" of each instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// PTX ISA version, `(major, minor)`.
    pub ptx: (u8, u8),
    /// Architecture: 80 for `sm_80`.
    pub sm: u32,
    /// Only on that architecture itself, with the suffix `a` (`sm_90a`).
    pub exact: bool,
}

impl Since {
    /// What every machine that runs our 64-bit PTX has.
    pub const BASE: Self = since(6, 0, 30);

    /// The requirements of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            ptx: self.ptx.max(other.ptx),
            sm: self.sm.max(other.sm),
            exact: self.exact || other.exact,
        }
    }
}

/// `PTX ISA major.minor` and `sm_NN`.
#[must_use]
pub const fn since(major: u8, minor: u8, sm: u32) -> Since {
    Since { ptx: (major, minor), sm, exact: false }
}

/// `PTX ISA major.minor` and `sm_NNa` alone.
#[must_use]
pub const fn since_exact(major: u8, minor: u8, sm: u32) -> Since {
    Since { ptx: (major, minor), sm, exact: true }
}

macro_rules! types {
    ($($(#[doc = $doc:literal])* $Name:ident $text:literal $bits:literal $kind:ident $since:expr;)*) => {
        /// A fundamental type. PTX ISA, "Fundamental Types" and "Packed Data Types".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Ty { $($(#[doc = $doc])* $Name,)* }

        impl Ty {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$Name),*];

            /// Its name in PTX, without the dot.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$Name => $text,)* }
            }

            /// Its width. A predicate counts as one bit.
            #[must_use]
            pub const fn bits(self) -> u32 {
                match self { $(Self::$Name => $bits,)* }
            }

            /// The type that PTX calls so; `text` is without the dot.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$Name),)*
                    _ => None,
                }
            }

            /// What its bits mean.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$Name => Kind::$kind,)* }
            }

            /// What it asks of the machine.
            #[must_use]
            pub const fn since(self) -> Since {
                match self { $(Self::$Name => $since,)* }
            }
        }
    };
}

/// What the bits of a type mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing in particular: fits any type of the same width.
    Bits,
    /// An unsigned integer.
    Unsigned,
    /// A two's complement integer.
    Signed,
    /// A floating point number, or a packed pair of them.
    Float,
    /// A truth value.
    Pred,
}

types! {
    /// One truth value.
    Pred "pred" 1 Pred Since::BASE;
    /// 8 bits.
    B8 "b8" 8 Bits Since::BASE;
    /// 16 bits.
    B16 "b16" 16 Bits Since::BASE;
    /// 32 bits.
    B32 "b32" 32 Bits Since::BASE;
    /// 64 bits.
    B64 "b64" 64 Bits Since::BASE;
    /// 128 bits.
    B128 "b128" 128 Bits since(8, 3, 70);
    /// Unsigned, 8 bits.
    U8 "u8" 8 Unsigned Since::BASE;
    /// Unsigned, 16 bits.
    U16 "u16" 16 Unsigned Since::BASE;
    /// Unsigned, 32 bits.
    U32 "u32" 32 Unsigned Since::BASE;
    /// Unsigned, 64 bits.
    U64 "u64" 64 Unsigned Since::BASE;
    /// Signed, 8 bits.
    S8 "s8" 8 Signed Since::BASE;
    /// Signed, 16 bits.
    S16 "s16" 16 Signed Since::BASE;
    /// Signed, 32 bits.
    S32 "s32" 32 Signed Since::BASE;
    /// Signed, 64 bits.
    S64 "s64" 64 Signed Since::BASE;
    /// IEEE half precision.
    F16 "f16" 16 Float Since::BASE;
    /// Two halves, the first in the low bits.
    F16x2 "f16x2" 32 Float since(6, 0, 53);
    /// bfloat16.
    BF16 "bf16" 16 Float since(7, 0, 80);
    /// Two bfloat16, the first in the low bits.
    BF16x2 "bf16x2" 32 Float since(7, 0, 80);
    /// TensorFloat-32, in a 32-bit register.
    TF32 "tf32" 32 Float since(7, 0, 80);
    /// IEEE single precision.
    F32 "f32" 32 Float Since::BASE;
    /// Two singles, the first in the low bits.
    F32x2 "f32x2" 64 Float since(8, 6, 100);
    /// IEEE double precision.
    F64 "f64" 64 Float Since::BASE;
    /// Two 8-bit floats, 4 bits of exponent and 3 of fraction.
    E4m3x2 "e4m3x2" 16 Float since(7, 8, 89);
    /// Two 8-bit floats, 5 bits of exponent and 2 of fraction.
    E5m2x2 "e5m2x2" 16 Float since(7, 8, 89);
    /// One 8-bit float, 4 bits of exponent and 3 of fraction (matrix operands).
    E4m3 "e4m3" 8 Float since(7, 8, 89);
    /// One 8-bit float, 5 bits of exponent and 2 of fraction (matrix operands).
    E5m2 "e5m2" 8 Float since(7, 8, 89);
    /// Signed, 4 bits (matrix operands).
    S4 "s4" 4 Signed since(6, 5, 75);
    /// Unsigned, 4 bits (matrix operands).
    U4 "u4" 4 Unsigned since(6, 5, 75);
    /// One bit (matrix operands).
    B1 "b1" 1 Bits since(7, 0, 75);
}

impl Ty {
    /// The untyped type of the same width, in which we declare registers.
    #[must_use]
    pub const fn untyped(self) -> Self {
        match self.bits() {
            1 if matches!(self, Self::Pred) => Self::Pred,
            64 => Self::B64,
            32 => Self::B32,
            16 => Self::B16,
            128 => Self::B128,
            _ => Self::B8,
        }
    }

    /// The type of a product that keeps all bits: `u32` for `u16`, `s64` for `s32`.
    #[must_use]
    pub const fn widened(self) -> Self {
        match self {
            Self::U8 => Self::U16,
            Self::S8 => Self::S16,
            Self::U16 => Self::U32,
            Self::S16 => Self::S32,
            Self::U32 => Self::U64,
            Self::S32 => Self::S64,
            other => other,
        }
    }

    /// Whether a register declared as `self` may stand where an instruction wants `want`.
    ///
    /// PTX ISA, "Operand Type Checking": same width, and the same kind up to sign, or one
    /// of the two is untyped.
    #[must_use]
    pub fn fits(self, want: Self) -> bool {
        let integer = |ty: Self| matches!(ty.kind(), Kind::Unsigned | Kind::Signed);
        match (self.kind(), want.kind()) {
            (Kind::Pred, Kind::Pred) => true,
            (Kind::Pred, _) | (_, Kind::Pred) => false,
            _ if self.bits() != want.bits() => false,
            (Kind::Bits, _) | (_, Kind::Bits) => true,
            (Kind::Float, Kind::Float) => self == want,
            _ => integer(self) && integer(want),
        }
    }

    /// [`Self::fits`], and registers wider than the type are welcome too, as `ld`, `st` and
    /// `cvt` allow: untyped ones for any type, any for untyped data, integers for integers.
    ///
    /// PTX ISA, "Operand Size Exceeding Instruction-Type Size".
    #[must_use]
    pub fn fits_wide(self, want: Self) -> bool {
        let integer = |ty: Self| matches!(ty.kind(), Kind::Unsigned | Kind::Signed);
        let both = self.kind() != Kind::Pred && want.kind() != Kind::Pred;
        let bits = self.kind() == Kind::Bits || want.kind() == Kind::Bits;
        let kinds = both && (bits || (integer(self) && integer(want)));
        let wide = kinds && self.bits() > want.bits();
        // The assembler refuses 128 bits in place of fewer.
        self.fits(want) || (wide && self != Self::B128)
    }

    /// Whether registers are declared with it. PTX ISA, "Register State Space".
    #[must_use]
    pub const fn is_register(self) -> bool {
        !matches!(
            self,
            Self::BF16
                | Self::BF16x2
                | Self::TF32
                | Self::F32x2
                | Self::E4m3x2
                | Self::E5m2x2
                | Self::E4m3
                | Self::E5m2
                | Self::S4
                | Self::U4
                | Self::B1
        )
    }
}

impl Modifier for Ty {
    fn parse(parts: &mut Parts<'_>) -> Option<Self> {
        parts.take_if(Self::from_text)
    }

    fn print(&self, out: &mut String) {
        out.push('.');
        out.push_str(self.text());
    }

    fn since(&self) -> Since {
        (*self).since()
    }

    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        from.modifier(Self::ALL)
    }
}

/// Subsets of [`Ty`]: what a row of the table accepts.
macro_rules! type_sets {
    ($($(#[doc = $doc:literal])* $Set:ident: $($Name:ident)*;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each variant is the `Ty` of the same name")]
        pub enum $Set { $($Name,)* }

        impl $Set {
            /// Every member.
            pub const ALL: &'static [Self] = &[$(Self::$Name),*];

            /// The same type among all types.
            #[must_use]
            pub const fn ty(self) -> Ty {
                match self { $(Self::$Name => Ty::$Name,)* }
            }

            /// The member that is `ty`.
            #[must_use]
            pub const fn from_ty(ty: Ty) -> Option<Self> {
                match ty {
                    $(Ty::$Name => Some(Self::$Name),)*
                    #[allow(unreachable_patterns, reason = "a set may hold every type")]
                    _ => None,
                }
            }
        }

        impl From<$Set> for Ty {
            fn from(set: $Set) -> Self {
                set.ty()
            }
        }

        impl Modifier for $Set {
            fn parse(parts: &mut Parts<'_>) -> Option<Self> {
                parts.take_if(|text| Ty::from_text(text).and_then(Self::from_ty))
            }

            fn print(&self, out: &mut String) {
                self.ty().print(out);
            }

            fn since(&self) -> Since {
                self.ty().since()
            }

            #[cfg(feature = "sample")]
            fn sample(from: &mut Sampler<'_>) -> Self {
                from.modifier(Self::ALL)
            }
        }
    )*};
}

type_sets! {
    /// Integers in arithmetic.
    IntTy: U16 U32 U64 S16 S32 S64;
    /// Integers whose product has a type.
    WideTy: U16 U32 S16 S32;
    /// 32-bit integers.
    Int32Ty: U32 S32;
    /// 32- and 64-bit integers.
    IntWordTy: U32 U64 S32 S64;
    /// Signed integers.
    SignedTy: S16 S32 S64;
    /// Floats in arithmetic.
    FloatTy: F32 F64 F16 F16x2 BF16 BF16x2;
    /// Single and double precision.
    RealTy: F32 F64;
    /// Floats that `ex2.approx` takes.
    Ex2Ty: F32 F16 F16x2 BF16 BF16x2;
    /// Single precision alone.
    SingleTy: F32;
    /// Untyped words.
    BitsTy: B16 B32 B64;
    /// What the logic instructions take.
    LogicTy: Pred B16 B32 B64;
    /// What `popc` and its like take.
    WordTy: B32 B64;
    /// Untyped 32 bits.
    B32Ty: B32;
    /// Untyped 64 bits.
    B64Ty: B64;
    /// What the right shift takes: the sign bit moves in for signed types.
    ShrTy: B16 B32 B64 U16 U32 U64 S16 S32 S64;
    /// What `setp` and `selp` compare or select.
    CompareTy: B16 B32 B64 U16 U32 U64 S16 S32 S64 F16 F16x2 BF16 BF16x2 F32 F64;
    /// What `mov` moves.
    MovTy: Pred B16 B32 B64 B128 U16 U32 U64 S16 S32 S64 F16 BF16 F32 F64;
    /// What travels to and from memory.
    MemTy: B8 B16 B32 B64 B128 U8 U16 U32 U64 S8 S16 S32 S64 F16 F16x2 BF16 BF16x2 F32 F64;
    /// What `cvt` converts.
    CvtTy: U8 U16 U32 U64 S8 S16 S32 S64 F16 BF16 F32 F64 TF32;
    /// What `cvt` packs two numbers into.
    PackTy: F16x2 BF16x2 E4m3x2 E5m2x2;
    /// The pairs of 8-bit floats that `cvt` unpacks.
    Fp8PairTy: E4m3x2 E5m2x2;
    /// The pairs of halves that `cvt` turns into 8-bit floats, and back.
    HalfPairTy: F16x2;
    /// Addresses.
    AddressTy: U32 U64;
    /// What the atomic instructions take.
    AtomTy: B32 B64 B128 U32 U64 S32 S64 F16 F16x2 BF16 BF16x2 F32 F64;
    /// What compare-and-swap takes.
    CasTy: B16 B32 B64 B128;
    /// What a bulk copy reduces.
    BulkTy: F16 BF16 B32 U32 S32 B64 U64 S64 F32 F64;
    /// What `redux.sync` reduces.
    ReduxTy: B32 U32 S32 F32;
    /// The matrix type of accumulators.
    MmaAccTy: F16 F32 F64 S32;
    /// The matrix type of factors.
    MmaTy: F16 BF16 TF32 F64 S8 U8 S4 U4 B1 E4m3 E5m2;
    /// A truth value.
    PredTy: Pred;
    /// Unsigned 32 bits.
    U32Ty: U32;
    /// Signed 32 bits.
    S32Ty: S32;
    /// The 16-bit integers that `cvt.pack` saturates to.
    PackHalfTy: U16 S16;
    /// The 8-bit integers that `cvt.pack` saturates to.
    PackByteTy: U8 S8;
    /// The element that `ldmatrix` and `stmatrix` move.
    MatrixTy: B16;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untyped_registers_fit_any_type_of_their_width() {
        assert!(Ty::B32.fits(Ty::F32));
        assert!(Ty::F32.fits(Ty::B32));
        assert!(Ty::U32.fits(Ty::S32));
        assert!(!Ty::F32.fits(Ty::U32));
        assert!(!Ty::B64.fits(Ty::F32));
        assert!(Ty::B32.fits_wide(Ty::U8));
        assert!(!Ty::B16.fits_wide(Ty::U32));
    }
}
