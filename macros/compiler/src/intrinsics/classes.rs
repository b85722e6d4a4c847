//! The classes of scalars as Rust traits: the bounds of generic device functions.
//!
//! A class has the operators, constants and methods of its members, so that rustc can check a
//! generic function where it is defined. The methods stand in traits that kernels do not see:
//! there, `x.min(y)` of an integer is that of `Ord`, and two of a name would be one too many.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{Class, Kind, Row, SigTy, rows};
use crate::fragment::sum_of;
use crate::value::Scalar;

/// The traits.
pub(super) fn traits() -> TokenStream {
    let classes = Class::bounds().map(class);
    let methods = Class::bounds().filter_map(methods);
    quote! {
        #(#classes)*

        /// The methods of the classes, for type parameters.
        pub mod methods {
            use super::{bf16, bf16x2, device_only, f16, f16x2};
            #(#methods)*
        }
    }
}

fn members(class: Class) -> impl Iterator<Item = Scalar> {
    Scalar::ALL.into_iter().filter(move |scalar| class.contains(*scalar))
}

fn class(class: Class) -> TokenStream {
    let name = format_ident!("{}", class.name());
    let doc = format!("What is {}.", class.words());
    let message = format!("`{{Self}}` is not {}", class.words());
    let supersets = class.supersets().map(|class| format_ident!("{}", class.name()));
    let methods = rows_of(class).next().map(|_| {
        let name = format_ident!("{}Methods", class.name());
        quote!(+ methods::#name)
    });
    let (operators, items) = (operators(class), items(class));
    let impls = members(class).map(|scalar| {
        let (scalar, items) = (format_ident!("{}", scalar.name()), values(class, scalar));
        quote!(impl #name for #scalar { #items })
    });
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message)]
        pub trait #name: sealed::Sealed #(+ #supersets)* #methods #operators {
            #items
        }
        #(#impls)*
    }
}

/// The supertraits of Rust's own.
fn operators(class: Class) -> TokenStream {
    let binary = |names: &[&str]| {
        let of = names.iter().map(|name| {
            let (name, assign) = (format_ident!("{name}"), format_ident!("{name}Assign"));
            quote!(+ std::ops::#name<Output = Self> + std::ops::#assign)
        });
        quote!(#(#of)*)
    };
    match class {
        Class::Scalar => quote!(+ Copy + std::fmt::Debug + PartialEq + PartialOrd + 'static),
        Class::NumberOrPair => binary(&["Add", "Sub", "Mul"]),
        Class::Number => binary(&["Div", "Rem"]),
        Class::Int => {
            let bits = binary(&["BitAnd", "BitOr", "BitXor"]);
            quote! {
                #bits + Eq + std::ops::Not<Output = Self>
                + std::ops::Shl<u32, Output = Self> + std::ops::ShlAssign<u32>
                + std::ops::Shr<u32, Output = Self> + std::ops::ShrAssign<u32>
            }
        }
        Class::SignedOrPair => quote!(+ std::ops::Neg<Output = Self>),
        // So that a device function of any half knows what its products sum to.
        Class::Half => quote!(+ MmaFactor<Sum = f32>),
        Class::Signed
        | Class::Pair
        | Class::FloatOrPair
        | Class::HasBits
        | Class::SignedInt
        | Class::UnsignedInt
        | Class::Float
        | Class::Real
        | Class::WideInt
        | Class::AtomicAdd
        | Class::Word
        | Class::AtomicCas
        | Class::Int32
        | Class::U32Only
        | Class::U64Only
        | Class::MmaFactor
        | Class::WgmmaFactor
        | Class::MatrixElem
        | Class::Lane
        | Class::ConstU8 => TokenStream::new(),
    }
}

/// The constants of floats that other numbers do not have.
const FLOAT: [(&str, &str); 5] = [
    ("INFINITY", "Infinity."),
    ("NEG_INFINITY", "Negative infinity."),
    ("NAN", "Not a number."),
    ("MIN_POSITIVE", "The smallest positive normal number."),
    ("EPSILON", "The distance from 1 to the next number."),
];

/// Constants and conversions.
fn items(class: Class) -> TokenStream {
    match class {
        Class::Scalar => quote! {
            /// The size in memory.
            const BYTES: u32 = size_of::<Self>() as u32;
            /// The size in bits.
            const BITS: u32 = 8 * Self::BYTES;
        },
        Class::Number => quote! {
            /// 0.
            const ZERO: Self;
            /// 1.
            const ONE: Self;
            /// The smallest finite number.
            const MIN: Self;
            /// The largest finite number.
            const MAX: Self;

            /// The number as an `f32`, as `as` converts it.
            fn to_f32(self) -> f32 {
                device_only()
            }

            /// A number from an `f32`, as `as` converts it.
            fn from_f32(value: f32) -> Self {
                let _ = value;
                device_only()
            }
        },
        Class::Float => {
            let names = FLOAT.map(|(name, doc)| {
                let name = format_ident!("{name}");
                quote!(#[doc = #doc] const #name: Self;)
            });
            quote!(#(#names)*)
        }
        Class::MmaFactor => quote! {
            /// The type in which products are summed.
            type Sum: Number;
        },
        Class::Pair => pair_items(),
        Class::Int
        | Class::SignedInt
        | Class::UnsignedInt
        | Class::Signed
        | Class::Real
        | Class::Half
        | Class::NumberOrPair
        | Class::SignedOrPair
        | Class::FloatOrPair
        | Class::HasBits
        | Class::WideInt
        | Class::AtomicAdd
        | Class::Word
        | Class::AtomicCas
        | Class::Int32
        | Class::U32Only
        | Class::U64Only
        | Class::WgmmaFactor
        | Class::MatrixElem
        | Class::Lane
        | Class::ConstU8 => TokenStream::new(),
    }
}

/// What a pair is made of.
fn pair_items() -> TokenStream {
    quote! {
        /// The type of a half.
        type Half: Half;

        /// The pair of these halves.
        fn new(lo: Self::Half, hi: Self::Half) -> Self {
            let _ = (lo, hi);
            device_only()
        }

        /// Both halves the same.
        fn splat(value: Self::Half) -> Self {
            let _ = value;
            device_only()
        }

        /// The low half.
        fn lo(self) -> Self::Half {
            device_only()
        }

        /// The high half.
        fn hi(self) -> Self::Half {
            device_only()
        }
    }
}

/// 0 and 1 of a number's type.
fn zero_and_one(scalar: Scalar) -> (TokenStream, TokenStream) {
    let ty = format_ident!("{}", scalar.name());
    match scalar {
        Scalar::F16 | Scalar::Bf16 => (quote!(#ty::ZERO), quote!(#ty::ONE)),
        Scalar::F32 | Scalar::F64 => (quote!(0.0), quote!(1.0)),
        Scalar::Bool
        | Scalar::I8
        | Scalar::I16
        | Scalar::I32
        | Scalar::I64
        | Scalar::Isize
        | Scalar::U8
        | Scalar::U16
        | Scalar::U32
        | Scalar::U64
        | Scalar::Usize => (quote!(0), quote!(1)),
        Scalar::E4m3
        | Scalar::E5m2
        | Scalar::F16x2
        | Scalar::Bf16x2
        | Scalar::I4x8
        | Scalar::U4x8 => {
            unreachable!("`{scalar}` is no number")
        }
    }
}

/// The constants of a member.
fn values(class: Class, scalar: Scalar) -> TokenStream {
    let ty = format_ident!("{}", scalar.name());
    let own = |name: &str| {
        let name = format_ident!("{name}");
        quote!(const #name: Self = <#ty>::#name;)
    };
    match class {
        Class::Number => {
            let (min, max) = (own("MIN"), own("MAX"));
            let (zero, one) = zero_and_one(scalar);
            quote!(const ZERO: Self = #zero; const ONE: Self = #one; #min #max)
        }
        Class::Float => {
            let values = FLOAT.map(|(name, _)| own(name));
            quote!(#(#values)*)
        }
        Class::MmaFactor => {
            let sum = format_ident!("{}", sum_of(scalar).name());
            quote!(type Sum = #sum;)
        }
        Class::Pair => {
            let half = scalar.half().map(|half| format_ident!("{}", half.name()));
            quote!(type Half = #half;)
        }
        Class::Scalar
        | Class::Int
        | Class::SignedInt
        | Class::UnsignedInt
        | Class::Signed
        | Class::Real
        | Class::Half
        | Class::NumberOrPair
        | Class::SignedOrPair
        | Class::FloatOrPair
        | Class::HasBits
        | Class::WideInt
        | Class::AtomicAdd
        | Class::Word
        | Class::AtomicCas
        | Class::Int32
        | Class::U32Only
        | Class::U64Only
        | Class::WgmmaFactor
        | Class::MatrixElem
        | Class::Lane
        | Class::ConstU8 => TokenStream::new(),
    }
}

/// The methods that every member of a class has, whose types it can say.
fn rows_of(class: Class) -> impl Iterator<Item = &'static Row> {
    rows().filter(move |row| {
        let of_class = matches!(row.generics, [("T", of)] if *of == class);
        let types = row.params.iter().map(|(_, ty)| *ty).chain([row.ret]);
        let simple = types.filter_map(SigTy::parse).all(|ty| is_simple(&ty));
        row.kind == Kind::Method && of_class && simple
    })
}

fn is_simple(ty: &SigTy) -> bool {
    match ty {
        SigTy::Unit | SigTy::Never | SigTy::Scalar(_) | SigTy::Generic(_) => true,
        SigTy::Tuple(parts) => parts.iter().all(is_simple),
        SigTy::Bits(_)
        | SigTy::Half(_)
        | SigTy::Vector(..)
        | SigTy::FixedVector(..)
        | SigTy::Place { .. }
        | SigTy::Memory { .. }
        | SigTy::Sum(_)
        | SigTy::Fragment(..)
        | SigTy::InPlace(_)
        | SigTy::WarpgroupSum(_)
        | SigTy::Factor { .. }
        | SigTy::Words(_)
        | SigTy::Map { .. }
        | SigTy::Coordinates
        | SigTy::CachePolicy
        | SigTy::Scope
        | SigTy::Order => false,
    }
}

fn methods(class: Class) -> Option<TokenStream> {
    let methods: Vec<_> = rows_of(class).map(super::shims::method).collect();
    if methods.is_empty() {
        return None;
    }
    let name = format_ident!("{}Methods", class.name());
    let doc = format!("The methods of what is {}.", class.words());
    let impls = members(class).map(|scalar| {
        let scalar = format_ident!("{}", scalar.name());
        quote!(impl #name for #scalar {})
    });
    Some(quote! {
        #[doc = #doc]
        pub trait #name: Sized {
            #(#methods)*
        }
        #(#impls)*
    })
}
