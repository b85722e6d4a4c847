//! The Rust functions that stand for the intrinsics.
//!
//! rustc checks kernels against them and rust-analyzer shows their documentation. Nobody calls
//! them: their bodies say so. `firesteel_macros::__intrinsics!` expands to them inside of
//! `firesteel::dsl`, which declares what they mention: `Slice`, `TensorMap`, `Scope`, `Order`,
//! `Lanes`, `device_only` and the seals.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{Class, Kind, Op, Row, SigTy, rows};
use crate::hir::Vector;
use crate::value::Scalar;

/// All of them.
pub fn shims() -> TokenStream {
    let classes = super::classes::traits();
    let vectors = vector_types().map(vector);
    let free = rows().filter(|row| row.kind.is_free()).map(function);
    let fast = rows().filter(|row| row.kind == Kind::Fast).map(function);
    let extensions = rows().filter(|row| row.kind == Kind::Extension).map(method);
    let halves = rows().filter(|row| is_method_of(row, Scalar::F16)).map(method);
    let pairs = rows().filter(|row| is_method_of(row, Scalar::F16x2)).map(method);
    quote! {
        #classes
        #(#vectors)*
        #(#free)*

        /// Approximate math for `f32`: one or two instructions, with the error that PTX states.
        pub mod fast {
            use super::device_only;
            #(#fast)*
        }

        /// Methods of floats that Rust does not have.
        pub trait FloatExtensions: Float {
            #(#extensions)*
        }
        impl<T: Float> FloatExtensions for T {}

        /// The methods that Rust's own floats have, for `f16` and `bf16`.
        pub trait HalfMethods: Float {
            #(#halves)*
        }
        impl HalfMethods for f16 {}
        impl HalfMethods for bf16 {}

        /// What pairs compute with one instruction for both halves.
        pub trait PairExtensions: Pair {
            #(#pairs)*
        }
        impl<T: Pair> PairExtensions for T {}

        impl Lanes<2> for f16 {
            type Vector = f16x2;
        }
        impl Lanes<2> for bf16 {
            type Vector = bf16x2;
        }
    }
}

/// Every vector type.
fn vector_types() -> impl Iterator<Item = Vector> {
    Scalar::ALL
        .into_iter()
        .flat_map(|elem| [2, 4, 8, 16].into_iter().filter_map(move |n| Vector::new(elem, n)))
}

fn vector(vector: Vector) -> TokenStream {
    let name = format_ident!("{vector}");
    let elem = format_ident!("{}", vector.elem.name());
    let n = vector.lanes as usize;
    let doc = format!("{n} lanes of `{}`.", vector.elem);
    let names: Vec<_> = (0..n).map(|i| format_ident!("lane_{i}")).collect();
    let (fields, docs): (Vec<_>, Vec<_>) = ["x", "y", "z", "w"]
        .into_iter()
        .take(if n <= 4 { n } else { 0 })
        .enumerate()
        .map(|(i, name)| (format_ident!("{name}"), format!("Lane {i}.")))
        .unzip();
    quote! {
        #[doc = #doc]
        #[allow(non_camel_case_types, reason = "named like the scalars that it is made of")]
        #[allow(clippy::manual_non_exhaustive, reason = "no field of it is ever there")]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct #name {
            #(#[doc = #docs] pub #fields: #elem,)*
            _sealed: (),
        }

        impl #name {
            /// A vector of these lanes.
            #[allow(clippy::too_many_arguments, reason = "one for each lane")]
            pub fn new(#(#names: #elem),*) -> Self {
                let _ = (#(#names),*);
                device_only()
            }

            /// A vector whose lanes are all the same.
            pub fn splat(value: #elem) -> Self {
                let _ = value;
                device_only()
            }
        }

        impl Lanes<#n> for #elem {
            type Vector = #name;
        }

        impl<I: Int> std::ops::Index<I> for #name {
            type Output = #elem;
            fn index(&self, _: I) -> &#elem {
                device_only()
            }
        }

        impl<I: Int> std::ops::IndexMut<I> for #name {
            fn index_mut(&mut self, _: I) -> &mut #elem {
                device_only()
            }
        }
    }
}

/// The lines of documentation.
fn docs(row: &Row) -> TokenStream {
    let mut lines: Vec<String> = row.doc.iter().map(|line| (*line).to_owned()).collect();
    if row.sm > 70 {
        lines.extend([String::new(), format!(" Needs `arch = \"sm_{}\"`.", row.sm)]);
    }
    quote!(#(#[doc = #lines])*)
}

fn function(row: &'static Row) -> TokenStream {
    let (docs, name) = (docs(row), format_ident!("{}", row.name));
    let (generics, params, ret) = (generics(row), params(row.params), ret(row));
    let names: Vec<_> = row.params.iter().map(|(name, _)| format_ident!("{name}")).collect();
    quote! {
        #docs
        pub fn #name #generics (#params) #ret {
            let _ = (#(#names,)*);
            device_only()
        }
    }
}

/// A method of a trait, whose first generic parameter is `Self`.
pub(super) fn method(row: &'static Row) -> TokenStream {
    let (docs, name) = (docs(row), format_ident!("{}", row.name));
    let (params, ret) = (params(&row.params[1..]), ret(row));
    let names: Vec<_> = row.params[1..].iter().map(|(name, _)| format_ident!("{name}")).collect();
    let (params, ret) = (of_self(params), of_self(ret));
    quote! {
        #docs
        fn #name(self, #params) #ret {
            let _ = (#(#names,)*);
            device_only()
        }
    }
}

/// The tokens with `T` replaced by `Self`.
fn of_self(tokens: TokenStream) -> TokenStream {
    let replaced = tokens.into_iter().map(|token| match token {
        proc_macro2::TokenTree::Ident(ident) if ident == "T" => {
            proc_macro2::TokenTree::Ident(format_ident!("Self"))
        }
        other => other,
    });
    replaced.collect()
}

/// Whether the row is a method that this type, which Rust does not have, gets from a trait.
fn is_method_of(row: &Row, scalar: Scalar) -> bool {
    let Some((_, class)) = row.generics.first() else { return false };
    let bits = row.ret.contains("Bits");
    row.kind == Kind::Method && !bits && class.contains(scalar)
}

fn generics(row: &'static Row) -> TokenStream {
    let params = row.generics.iter().map(|(name, class)| {
        let ident = format_ident!("{name}");
        if *class == Class::ConstU8 {
            return quote!(const #ident: u8);
        }
        // rustc sees both branches of a constant `if`, so what only some elements have must be
        // there for all; the compiler checks the class of the row where it is reached.
        let class = match (row.op, class) {
            (Op::TileMn, Class::Half) => &Class::WgmmaFactor,
            (
                Op::StmatrixX4
                | Op::StmatrixX4Trans
                | Op::LdmatrixATrans
                | Op::LdmatrixBTrans
                | Op::LdmatrixB2Trans,
                Class::Half,
            ) => &Class::MatrixElem,
            _ => class,
        };
        let bound = format_ident!("{}", class.name());
        let lanes = row.params.iter().map(|(_, ty)| *ty).chain([row.ret]);
        let lanes = lanes.filter_map(SigTy::parse).find_map(|ty| match ty {
            SigTy::Vector(of, lanes) if of == *name => Some(lanes as usize),
            _ => None,
        });
        let lanes = lanes.map(|n| quote!(+ Lanes<#n>));
        quote!(#ident: #bound #lanes)
    });
    let rank = row.params.iter().filter_map(|(_, ty)| SigTy::parse(ty));
    let rank = rank.filter(|ty| *ty == SigTy::Coordinates).map(|_| quote!(const R: usize));
    let params: Vec<_> = params.chain(rank).collect();
    if params.is_empty() { TokenStream::new() } else { quote!(<#(#params),*>) }
}

fn params(params: &'static [(&'static str, &'static str)]) -> TokenStream {
    let params = params.iter().map(|(name, ty)| {
        let (name, ty) = (format_ident!("{name}"), ty_of(ty));
        quote!(#name: #ty)
    });
    quote!(#(#params),*)
}

fn ret(row: &'static Row) -> TokenStream {
    if row.ret.is_empty() {
        return TokenStream::new();
    }
    let ty = ty_of(row.ret);
    quote!(-> #ty)
}

fn ty_of(text: &'static str) -> TokenStream {
    match SigTy::parse(text) {
        Some(ty) => tokens(&ty),
        None => unreachable!("a test parses every signature of the table"),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each form of a type")]
fn tokens(ty: &SigTy) -> TokenStream {
    match ty {
        SigTy::Unit => quote!(()),
        SigTy::Never => quote!(!),
        SigTy::Scalar(scalar) => {
            let name = format_ident!("{}", scalar.name());
            quote!(#name)
        }
        SigTy::Generic(name) => {
            let name = format_ident!("{name}");
            quote!(#name)
        }
        SigTy::Bits(name) => {
            let name = format_ident!("{name}");
            quote!(#name::Bits)
        }
        SigTy::Half(name) => {
            let name = format_ident!("{name}");
            quote!(#name::Half)
        }
        SigTy::Vector(name, lanes) => {
            let (name, lanes) = (format_ident!("{name}"), *lanes as usize);
            quote!(<#name as Lanes<#lanes>>::Vector)
        }
        SigTy::FixedVector(elem, lanes) => {
            let name = format_ident!("{elem}x{lanes}");
            quote!(#name)
        }
        SigTy::Tuple(elems) => {
            let elems = elems.iter().map(tokens);
            quote!((#(#elems),*))
        }
        SigTy::Place { elem, mutable } => {
            let elem = format_ident!("{elem}");
            if *mutable { quote!(&mut #elem) } else { quote!(&#elem) }
        }
        // Shared even where it is written: the compiler checks who may write, and a borrow would
        // forbid to read the slice in the next argument.
        SigTy::Memory { elem, .. } => {
            let elem = tokens(elem);
            quote!(&Slice<#elem>)
        }
        SigTy::Sum(name) => {
            let name = format_ident!("{name}");
            quote!(<#name as MmaFactor>::Sum)
        }
        SigTy::Fragment(kind, elem) => {
            let (name, elem) = (format_ident!("{}", kind.name()), tokens(elem));
            quote!(#name<#elem>)
        }
        SigTy::InPlace(inner) => {
            let inner = tokens(inner);
            quote!(&mut #inner)
        }
        SigTy::WarpgroupSum(factor) => {
            let factor = format_ident!("{factor}");
            quote!(&mut impl WarpgroupSum<#factor>)
        }
        SigTy::Factor { elem, registers } => {
            let elem = format_ident!("{elem}");
            let bound = format_ident!("{}", if *registers { "FactorA" } else { "FactorB" });
            quote!(impl #bound<#elem>)
        }
        SigTy::Coordinates => quote!([i32; R]),
        SigTy::Words(count) => {
            let count = *count as usize;
            quote!([u32; #count])
        }
        SigTy::Map { elem, rank, .. } => {
            let elem = tokens(elem);
            match rank {
                Some(rank) => {
                    let rank = *rank as usize;
                    quote!(&TensorMap<#elem, #rank>)
                }
                None => quote!(&impl AnyRank<#elem>),
            }
        }
        SigTy::CachePolicy => quote!(CachePolicy),
        SigTy::Scope => quote!(Scope),
        SigTy::Order => quote!(Order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shims_are_rust() {
        let file: syn::File = syn::parse2(shims()).unwrap();
        assert!(file.items.len() > 200);
    }

    #[test]
    fn a_signature_is_that_of_the_table() {
        let row = super::super::function(&["atomic_add_vec2"]).unwrap();
        let text = function(row).to_string();
        assert!(text.contains("T : Half + Lanes < 2usize >"), "{text}");
        assert!(text.contains("memory : & Slice < T >"), "{text}");
    }
}
