//! The types in the signatures of the table, and the classes that bound its generics.

use crate::fragment::FragmentKind;
use crate::value::Scalar;

/// A set of scalar types: a bound of a generic parameter, and a trait of the shims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Every scalar type.
    Scalar,
    /// Integers and floats.
    Number,
    /// Integers.
    Int,
    /// Signed integers.
    SignedInt,
    /// Unsigned integers.
    UnsignedInt,
    /// Signed integers and floats.
    Signed,
    /// `f16`, `bf16`, `f32`, `f64`.
    Float,
    /// The same, `e4m3` and `e5m2`: what consists of a sign, an exponent and a fraction.
    Real,
    /// `f16` and `bf16`.
    Half,
    /// `f16x2` and `bf16x2`.
    Pair,
    /// Numbers and pairs of them.
    NumberOrPair,
    /// Signed numbers and pairs.
    SignedOrPair,
    /// Floats and pairs.
    FloatOrPair,
    /// What has bits that are no integer already: floats of any size, pairs and nibbles.
    HasBits,
    /// Integers of 32 and 64 bits.
    WideInt,
    /// Integers of 32 and 64 bits and floats: what `atom.add` takes.
    AtomicAdd,
    /// Integers of 32 and 64 bits, `f32` and `f64`: what `atom.exch` and `match` take.
    Word,
    /// The same and the types of 16 bits: what `atom.cas` takes.
    AtomicCas,
    /// `i32` and `u32`: what `redux` takes.
    Int32,
    /// `u32`: what `atom.inc` takes.
    U32Only,
    /// `u64`: what an `mbarrier` is.
    U64Only,
    /// What `mma` multiplies.
    MmaFactor,
    /// What `wgmma` multiplies.
    WgmmaFactor,
    /// What `ldmatrix` loads.
    MatrixElem,
    /// What a vector can be made of: every number but `isize` and `usize`.
    Lane,
    /// No type: a constant of type `u8`.
    ConstU8,
}

impl Class {
    /// Every class, in the order of declaration.
    pub const ALL: [Self; 26] = [
        Self::Scalar,
        Self::Number,
        Self::Int,
        Self::SignedInt,
        Self::UnsignedInt,
        Self::Signed,
        Self::Float,
        Self::Real,
        Self::Half,
        Self::Pair,
        Self::NumberOrPair,
        Self::SignedOrPair,
        Self::FloatOrPair,
        Self::HasBits,
        Self::WideInt,
        Self::AtomicAdd,
        Self::Word,
        Self::AtomicCas,
        Self::Int32,
        Self::U32Only,
        Self::U64Only,
        Self::MmaFactor,
        Self::WgmmaFactor,
        Self::MatrixElem,
        Self::Lane,
        Self::ConstU8,
    ];

    /// Those that can bound a type parameter of a function.
    pub fn bounds() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|class| *class != Self::ConstU8)
    }

    /// Those that contain every member of this one, and more.
    pub fn supersets(self) -> impl Iterator<Item = Self> {
        let size =
            |class: Self| Scalar::ALL.into_iter().filter(move |ty| class.contains(*ty)).count();
        Self::bounds().filter(move |class| {
            let all = Scalar::ALL.into_iter().all(|ty| !self.contains(ty) || class.contains(ty));
            all && size(self) < size(*class)
        })
    }

    /// The name, which is also that of the trait.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "Scalar",
            Self::Number => "Number",
            Self::Int => "Int",
            Self::SignedInt => "SignedInt",
            Self::UnsignedInt => "UnsignedInt",
            Self::Signed => "Signed",
            Self::Float => "Float",
            Self::Real => "Real",
            Self::Half => "Half",
            Self::Pair => "Pair",
            Self::NumberOrPair => "NumberOrPair",
            Self::SignedOrPair => "SignedOrPair",
            Self::FloatOrPair => "FloatOrPair",
            Self::HasBits => "HasBits",
            Self::WideInt => "WideInt",
            Self::AtomicAdd => "AtomicAdd",
            Self::Word => "Word",
            Self::AtomicCas => "AtomicCas",
            Self::Int32 => "Int32",
            Self::U32Only => "U32Only",
            Self::U64Only => "U64Only",
            Self::MmaFactor => "MmaFactor",
            Self::WgmmaFactor => "WgmmaFactor",
            Self::MatrixElem => "MatrixElem",
            Self::Lane => "Lane",
            Self::ConstU8 => "ConstU8",
        }
    }

    /// What its members are, for messages: "an integer".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Scalar => "a scalar",
            Self::Number => "a number",
            Self::Int => "an integer",
            Self::SignedInt => "a signed integer",
            Self::UnsignedInt => "an unsigned integer",
            Self::Signed => "a signed number",
            Self::Float => "a float",
            Self::Real => "a float, of 8 bits or more",
            Self::Half => "`f16` or `bf16`",
            Self::Pair => "`f16x2` or `bf16x2`",
            Self::NumberOrPair => "a number or a pair",
            Self::SignedOrPair => "a signed number or a pair",
            Self::FloatOrPair => "a float or a pair",
            Self::HasBits => "a float, of 8 bits or more, a pair, `i4x8` or `u4x8`",
            Self::WideInt => "an integer of 32 or 64 bits",
            Self::AtomicAdd => "an integer of 32 or 64 bits or a float",
            Self::Word => "a number of 32 or 64 bits",
            Self::AtomicCas => "a number of 16, 32 or 64 bits",
            Self::Int32 => "`i32` or `u32`",
            Self::U32Only => "`u32`",
            Self::U64Only => "`u64`",
            Self::MmaFactor => {
                "`e4m3`, `e5m2`, `f16`, `bf16`, `f32`, `f64`, `i8`, `u8`, `i4x8` or `u4x8`"
            }
            Self::WgmmaFactor => "`e4m3`, `e5m2`, `f16`, `bf16`, `f32`, `i8` or `u8`",
            Self::MatrixElem => "a number of at most 32 bits",
            Self::Lane => "a number of fixed size",
            Self::ConstU8 => "a constant `u8`",
        }
    }

    /// Whether the type is a member.
    pub const fn contains(self, ty: Scalar) -> bool {
        let wide = ty.bytes() >= 4;
        match self {
            Self::Scalar => true,
            Self::Number => !matches!(ty, Scalar::Bool) && !ty.is_narrow() && !ty.is_packed(),
            Self::Int => ty.is_int(),
            Self::SignedInt => ty.is_int() && ty.is_signed(),
            Self::UnsignedInt => ty.is_int() && !ty.is_signed(),
            Self::Signed => ty.is_signed(),
            Self::Float => ty.is_float(),
            Self::Real => ty.is_real(),
            Self::Half => matches!(ty, Scalar::F16 | Scalar::Bf16),
            Self::Pair => ty.is_pair(),
            Self::NumberOrPair => Self::Number.contains(ty) || ty.is_pair(),
            Self::SignedOrPair => ty.is_signed() || ty.is_pair(),
            Self::FloatOrPair => ty.is_float() || ty.is_pair(),
            Self::HasBits => ty.is_real() || ty.is_packed(),
            Self::WideInt => ty.is_int() && wide,
            Self::AtomicAdd => ty.is_int() && wide || ty.is_float(),
            Self::Word => wide && !ty.is_packed(),
            Self::AtomicCas => ty.bytes() >= 2 && !ty.is_packed(),
            Self::Int32 => matches!(ty, Scalar::I32 | Scalar::U32),
            Self::U32Only => matches!(ty, Scalar::U32),
            Self::U64Only => matches!(ty, Scalar::U64),
            Self::MmaFactor => {
                Self::WgmmaFactor.contains(ty) || ty.is_nibbles() || matches!(ty, Scalar::F64)
            }
            Self::WgmmaFactor => {
                ty.is_real() && !matches!(ty, Scalar::F64) || matches!(ty, Scalar::I8 | Scalar::U8)
            }
            Self::MatrixElem => {
                !matches!(ty, Scalar::Bool) && !ty.is_pair() && (!wide || ty.bytes() == 4)
            }
            Self::Lane => !matches!(ty, Scalar::Bool | Scalar::Isize | Scalar::Usize),
            Self::ConstU8 => false,
        }
    }
}

/// A type in a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigTy {
    /// `()`.
    Unit,
    /// `!`.
    Never,
    /// A scalar.
    Scalar(Scalar),
    /// A generic parameter.
    Generic(&'static str),
    /// `T::Bits`: the unsigned integer of the size of `T`.
    Bits(&'static str),
    /// `T::Half`: the type of the halves of a pair `T`.
    Half(&'static str),
    /// `T::X4`: the vector of so many lanes of `T`.
    Vector(&'static str, u32),
    /// A vector of a fixed type, such as `f16x2`.
    FixedVector(Scalar, u32),
    /// `(A, B)`.
    Tuple(Vec<SigTy>),
    /// `&T` or `&mut T`: an element of memory.
    Place {
        /// The generic parameter that is the element's type.
        elem: &'static str,
        /// Whether it is written.
        mutable: bool,
    },
    /// `&[T]` or `&mut [T]`: a whole slice or shared array.
    Memory {
        /// The element's type: a generic parameter or a scalar.
        elem: Box<SigTy>,
        /// Whether it is written.
        mutable: bool,
    },
    /// `T::Sum`: the type in which products of `T` are summed.
    Sum(&'static str),
    /// `FragA<T>`.
    Fragment(FragmentKind, Box<SigTy>),
    /// `&mut FragC<..>`: a variable that the operation works on.
    InPlace(Box<SigTy>),
    /// `&mut impl WarpgroupSum<T>`: a sum of products of `T` of any width, worked on in place.
    WarpgroupSum(&'static str),
    /// `impl FactorA<T>`, `impl FactorB<T>`: a tile in shared memory, or for the left factor a
    /// `FragA` in registers.
    Factor {
        /// The generic parameter that is the element's type.
        elem: &'static str,
        /// Whether it may be in registers.
        registers: bool,
    },
    /// `[u32; N]`.
    Words(u32),
    /// `[i32; R]`: as many coordinates as the tensor map of the same call has dimensions.
    Coordinates,
    /// `&TensorMap<T, 2>` or `&mut TensorMap<T, 2>`: a tensor map.
    Map {
        /// The element's type: a generic parameter or a scalar.
        elem: Box<SigTy>,
        /// The number of dimensions; `None` for any, spelled `_`.
        rank: Option<u32>,
        /// Whether the tensor is written.
        mutable: bool,
    },
    /// `CachePolicy`.
    CachePolicy,
    /// `Scope`.
    Scope,
    /// `Order`.
    Order,
}

impl SigTy {
    /// Reads a type as the table spells it; `None` is a fault of the table, which a test excludes.
    pub fn parse(text: &'static str) -> Option<Self> {
        let text = text.trim();
        if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            let items = inner.split(',').map(Self::parse).collect::<Option<_>>()?;
            return Some(Self::Tuple(items));
        }
        if let Some(target) = text.strip_prefix('&') {
            return Self::parse_reference(target.trim_start());
        }
        match text {
            "" => return Some(Self::Unit),
            "!" => return Some(Self::Never),
            "Scope" => return Some(Self::Scope),
            "CachePolicy" => return Some(Self::CachePolicy),
            "Order" => return Some(Self::Order),
            _ => {}
        }
        if let Some(inner) = text.strip_prefix("impl ") {
            let (name, elem) = inner.strip_suffix('>')?.split_once('<')?;
            let registers = name.trim() == "FactorA";
            return Some(Self::Factor { elem: elem.trim(), registers });
        }
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if inner.replace(' ', "") == "i32;R" {
                return Some(Self::Coordinates);
            }
            return Some(Self::Words(inner.strip_prefix("u32;")?.trim().parse().ok()?));
        }
        if let Some((name, elem)) = text.strip_suffix('>').and_then(|it| it.split_once('<')) {
            let kind = FragmentKind::from_name(name.trim())?;
            return Some(Self::Fragment(kind, Box::new(Self::parse(elem)?)));
        }
        if let Some((generic, part)) = text.split_once("::") {
            return match part.trim() {
                "Bits" => Some(Self::Bits(generic.trim())),
                "Sum" => Some(Self::Sum(generic.trim())),
                "Half" => Some(Self::Half(generic.trim())),
                part => Some(Self::Vector(generic.trim(), part.strip_prefix('X')?.parse().ok()?)),
            };
        }
        if let Some(scalar) = Scalar::from_name(text) {
            return Some(Self::Scalar(scalar));
        }
        if let Some((elem, lanes)) = text.rsplit_once('x') {
            return Some(Self::FixedVector(Scalar::from_name(elem)?, lanes.parse().ok()?));
        }
        text.chars().all(|c| c.is_ascii_uppercase()).then_some(Self::Generic(text))
    }

    fn parse_reference(target: &'static str) -> Option<Self> {
        let (mutable, target) = match target.strip_prefix("mut ") {
            Some(rest) => (true, rest.trim()),
            None => (false, target),
        };
        if let Some(of) = target.strip_prefix("TensorMap") {
            let inner = of.trim_start().strip_prefix('<')?.strip_suffix('>')?;
            let (elem, rank) = inner.split_once(',')?;
            let rank = match rank.trim() {
                "_" => None,
                rank => Some(rank.parse().ok()?),
            };
            return Some(Self::Map { elem: Box::new(Self::parse(elem)?), rank, mutable });
        }
        match target.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(elem) => Some(Self::Memory { elem: Box::new(Self::parse(elem)?), mutable }),
            None => match Self::parse(target)? {
                Self::Generic(elem) => Some(Self::Place { elem, mutable }),
                of @ Self::Fragment(..) if mutable => Some(Self::InPlace(Box::new(of))),
                Self::Factor { elem, registers: false } if mutable => {
                    Some(Self::WarpgroupSum(elem))
                }
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        let cases = [
            ("", SigTy::Unit),
            ("u32", SigTy::Scalar(Scalar::U32)),
            ("T", SigTy::Generic("T")),
            ("T::Bits", SigTy::Bits("T")),
            ("T::X4", SigTy::Vector("T", 4)),
            ("f16x2", SigTy::Scalar(Scalar::F16x2)),
            ("f32x2", SigTy::FixedVector(Scalar::F32, 2)),
            ("T::Half", SigTy::Half("T")),
            ("&mut T", SigTy::Place { elem: "T", mutable: true }),
            ("&[T]", SigTy::Memory { elem: Box::new(SigTy::Generic("T")), mutable: false }),
        ];
        for (text, want) in cases {
            assert_eq!(SigTy::parse(text), Some(want), "{text}");
        }
        let map = |elem, rank, mutable| SigTy::Map { elem: Box::new(elem), rank, mutable };
        let generic = SigTy::Generic("T");
        assert_eq!(SigTy::parse("&TensorMap<T, _>"), Some(map(generic, None, false)));
        let floats = SigTy::Scalar(Scalar::F32);
        assert_eq!(SigTy::parse("&mut TensorMap<f32, 2>"), Some(map(floats, Some(2), true)));
        assert_eq!(SigTy::parse("Vec<T>"), None);
    }

    #[test]
    fn atomic_classes_follow_the_instruction_set() {
        assert!(Class::AtomicCas.contains(Scalar::U16) && !Class::AtomicCas.contains(Scalar::U8));
        assert!(Class::AtomicAdd.contains(Scalar::F16) && !Class::AtomicAdd.contains(Scalar::I16));
        assert!(!Class::Word.contains(Scalar::Bool));
    }
}
