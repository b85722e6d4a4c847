//! The shadow: the kernel as an ordinary Rust function, for rustc and rust-analyzer.
//!
//! It has the user's names and spans and the types that `infer` found, written at every `let` and
//! literal. So rustc checks our inference, lints the user's code (unused variables, unreachable
//! statements) and finds what we leave to it (matches that miss a value, variables read before
//! they have one); an editor completes, hovers and renames in it.
//!
//! What differs from the user's tokens differs for a reason: register arrays are indexed with
//! `as usize`, since Rust has no other index; casts to and from `f16` are calls, since Rust has no
//! `as` for them; macros are what rustc needs to see of them.
//!
//! A generic device function has types only where it is called. Its shadow, and what stands in the
//! branch of a constant condition that is not taken, leaves types to rustc. There an array whose
//! length is computed from a const parameter is a `Registers`, since stable Rust has no such array.

mod constant;
mod expr;
mod stmt;

use std::cell::Cell;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use syn::GenericParam;

use crate::ast::{Ast, Expr, ExprKind, InlineParam, Stmt, TyExprKind};
use crate::hir::{Elem, Fragment, FragmentKind, ParamKind, SpanRange, Ty};
use crate::infer::Facts;
use crate::value::Scalar;

/// Attributes of the kernel that its shadow has too.
const KEPT: [&str; 6] = ["allow", "expect", "warn", "deny", "forbid", "cfg"];

struct Shadow<'a> {
    ast: &'a Ast,
    facts: &'a Facts,
    /// Whether it is that of a function whose const parameters have no values.
    is_generic: bool,
    /// Whether what is written must be a constant to rustc.
    in_const: Cell<bool>,
}

impl<'a> Shadow<'a> {
    fn new(ast: &'a Ast, facts: &'a Facts, is_generic: bool) -> Self {
        Self { ast, facts, is_generic, in_const: Cell::new(false) }
    }
}

/// Who sees a shadow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show {
    /// It is hidden from rustc.
    pub(crate) editor_only: bool,
    /// rustc says nothing of what is unused in it.
    pub(crate) quiet: bool,
}

/// The shadow function, in a nameless constant.
pub(crate) fn shadow(ast: &Ast, facts: &Facts, show: Show) -> TokenStream {
    let cx = Shadow::new(ast, facts, false);
    let name = &ast.signature.name;
    let kept = ast.signature.attrs.iter().filter(|attr| {
        let name = attr.path().get_ident().map(ToString::to_string);
        name.is_some_and(|name| KEPT.contains(&name.as_str()))
    });
    let params = ast.signature.params.iter().map(|param| cx.param(param));
    let body = cx.block_inside(&ast.body);
    let cfg = show.editor_only.then(|| quote!(#[cfg(rust_analyzer)]));
    let quiet = show.quiet.then(|| quote!(#[allow(warnings)]));
    let constants = ast.params.iter().map(|id| cx.const_item(*id));
    let aliases = ast.aliases.iter().map(|(name, ty)| {
        let ty = scalar(*ty, name.span());
        quote!(type #name = #ty;)
    });
    quote! {
        #[allow(unexpected_cfgs)]
        const _: () = {
            #(#[allow(dead_code)] #constants)*
            #(#[allow(dead_code)] #aliases)*
            #cfg
            #quiet
            #[allow(
                dead_code, unused_parens, unused_braces, unused_imports, arithmetic_overflow,
                unconditional_panic, clippy::all, clippy::pedantic, clippy::nursery
            )]
            #(#kept)*
            fn #name(#(#params),*) {
                use ::firesteel::dsl::*;
                #body
            }
        };
    }
}

/// A device function as rustc sees it: the user's function against the types of `firesteel::dsl`.
/// With `editor_only`, rustc sees its signature alone.
pub(crate) fn function(
    written: &syn::ItemFn,
    ast: &Ast,
    facts: &Facts,
    editor_only: bool,
) -> TokenStream {
    let shadow = method(written, ast, facts);
    if !editor_only {
        return shadow;
    }
    let cx = Shadow::new(ast, facts, crate::parse::is_generic(written));
    let (attrs, vis, name) = (&written.attrs, &written.vis, &written.sig.ident);
    let Some((generics, params, ret)) = cx.signature(written) else { return TokenStream::new() };
    quote! {
        #(#attrs)*
        #[allow(unused)]
        #vis fn #name #generics (#(#params),*) #ret { ::core::panic!("the function did not compile") }
        #[allow(unexpected_cfgs)]
        const _: () = {
            #[cfg(rust_analyzer)]
            #shadow
        };
    }
}

/// The same function alone, as it stands in an `impl`.
pub(crate) fn method(written: &syn::ItemFn, ast: &Ast, facts: &Facts) -> TokenStream {
    let cx = Shadow::new(ast, facts, crate::parse::is_generic(written));
    let Some(Stmt::Expr(Expr { kind: ExprKind::Inline(inline), .. }, _)) = ast.body.stmts.first()
    else {
        return TokenStream::new();
    };
    let Some((generics, params, ret)) = cx.signature(written) else { return TokenStream::new() };
    let (attrs, vis, name) = (&written.attrs, &written.vis, &written.sig.ident);
    let body = cx.block_inside(&inline.body);
    quote! {
        #(#attrs)*
        #[allow(
            unused_parens, unused_braces, unused_imports, arithmetic_overflow,
            unconditional_panic, clippy::all, clippy::pedantic, clippy::nursery
        )]
        #vis fn #name #generics (#(#params),*) #ret {
            use ::firesteel::dsl::*;
            #body
        }
    }
}

/// A struct as rustc sees it: as it is written, with the short floats found.
pub(crate) fn structure(written: &syn::ItemStruct, ast: &Ast, facts: &Facts) -> TokenStream {
    let cx = Shadow::new(ast, facts, false);
    let mut shown = written.clone();
    let types = ast.structs.last().map_or(&[][..], |decl| &decl.fields);
    for (field, (_, ty)) in shown.fields.iter_mut().zip(types) {
        field.ty = syn::Type::Verbatim(cx.ty(ty));
    }
    let memory = ast.structs.last().filter(|decl| decl.in_memory).zip(facts.structs.last());
    let memory = memory.map(|(decl, ty)| in_memory(written, &decl.name, ty));
    quote!(#shown #memory)
}

/// What makes a struct the element of buffers: that its bytes are what the device takes them for.
fn in_memory(written: &syn::ItemStruct, name: &str, ty: &Ty) -> TokenStream {
    let Ty::Tuple(types) = ty else { return TokenStream::new() };
    let (ident, size) = (&written.ident, crate::layout::size_align(ty).0 as usize);
    let offsets = written.fields.iter().enumerate().map(|(i, field)| {
        let member = match &field.ident {
            Some(name) => quote!(#name),
            None => {
                let index = syn::Index::from(i);
                quote!(#index)
            }
        };
        let offset = crate::layout::offset_of(types, i) as usize;
        quote!(::core::assert!(::core::mem::offset_of!(#ident, #member) == #offset);)
    });
    quote! {
        const _: () = {
            ::core::assert!(::core::mem::size_of::<#ident>() == #size);
            #(#offsets)*
            // SAFETY: The fields are numbers, arrays and structs of them, so each bit pattern is a
            // value, zero among them; as asserted, nothing is between them.
            unsafe impl ::firesteel::expansion::bytemuck::Zeroable for #ident {}
            unsafe impl ::firesteel::expansion::bytemuck::Pod for #ident {}
            impl ::firesteel::expansion::DeviceStruct for #ident {
                const NAME: &'static str = #name;
            }
        };
    }
}

impl<'a> Shadow<'a> {
    /// Generic parameters, parameters and result of the function that the tree is.
    fn signature(
        &self,
        written: &syn::ItemFn,
    ) -> Option<(TokenStream, Vec<TokenStream>, TokenStream)> {
        let Some(Stmt::Expr(Expr { kind: ExprKind::Inline(inline), .. }, _)) =
            self.ast.body.stmts.first()
        else {
            return None;
        };
        // What was reported is missing.
        let params = inline.params.iter().filter_map(|it| self.device_param(it)).collect();
        let ret = match inline.ret.kind {
            TyExprKind::Unit => TokenStream::new(),
            _ => {
                let (span, ret) = (inline.ret.span.start, self.ty(&inline.ret));
                quote_spanned!(span=> -> #ret)
            }
        };
        Some((self.generics(&written.sig.generics), params, ret))
    }
}

impl Shadow<'_> {
    /// The generic parameters of a device function.
    fn generics(&self, generics: &syn::Generics) -> TokenStream {
        let params = generics.params.iter().filter_map(|param| match param {
            GenericParam::Const(param) => {
                let (name, ty) = (&param.ident, &param.ty);
                Some(quote!(const #name: #ty))
            }
            GenericParam::Type(param) => {
                let (name, bounds) = (&param.ident, param.bounds.iter().filter_map(bound));
                Some(quote!(#name: #(#bounds)+*))
            }
            GenericParam::Lifetime(_) => None,
        });
        quote!(<#(#params),*>)
    }

    /// A parameter of a device function.
    fn device_param(&self, param: &InlineParam) -> Option<TokenStream> {
        let (name, ty) = self.param_parts(param)?;
        Some(quote!(#name: #ty))
    }

    /// Its pattern and its type, unless it was reported.
    fn param_parts(&self, param: &InlineParam) -> Option<(TokenStream, TokenStream)> {
        let of = |name: &Ident, ty: TokenStream| Some((name.to_token_stream(), ty));
        match param {
            InlineParam::Value(pat, ty) => Some((self.pat(pat), self.ty(ty))),
            InlineParam::Place { local, ty, mutable } => {
                let (name, ty) = (&self.ast.locals[local.0].ident, self.ty(ty));
                let mutable = mutable.then(|| quote!(mut));
                of(name, quote_spanned!(name.span()=> &#mutable #ty))
            }
            InlineParam::Memory { name, elem, mutable } => {
                let elem = self.ty(elem);
                let mutable = mutable.then(|| quote!(mut));
                of(name, quote_spanned!(name.span()=> &#mutable ::firesteel::dsl::Slice<#elem>))
            }
            InlineParam::Map(name, ty) => {
                of(name, map_type((self.ty(&ty.elem), ty.rank, ty.mutable), name.span()))
            }
            InlineParam::Closure { name, params, ret } => {
                let (params, ret) = (params.iter().map(|ty| self.ty(ty)), self.ty(ret));
                of(name, quote_spanned!(name.span()=> impl Fn(#(#params),*) -> #ret))
            }
            InlineParam::Group(params) => {
                let parts = params.iter().map(|param| self.param_parts(param));
                let (names, types): (Vec<_>, Vec<_>) =
                    parts.collect::<Option<Vec<_>>>()?.into_iter().unzip();
                Some((quote!((#(#names,)*)), quote!((#(#types,)*))))
            }
            InlineParam::Error => None,
        }
    }

    fn param(&self, param: &crate::hir::Param) -> TokenStream {
        let name = &param.name;
        // The tokens of the type carry the user's spans; the last is the element's name or `]`.
        let span = SpanRange::of(&param.written).start;
        match param.kind {
            ParamKind::Scalar { ty, local } => {
                let ty = scalar(ty, span);
                let mutable = self.ast.locals[local.0].mutable.then(|| quote!(mut));
                quote!(#mutable #name: #ty)
            }
            ParamKind::Slice { elem, mutable } => {
                let elem = match (elem, &param.structure) {
                    (Elem::Scalar(elem), _) => scalar(elem, span),
                    (Elem::Struct(_), path) => quote!(#path),
                };
                let mutable = mutable.then(|| quote!(mut));
                quote_spanned!(span=> #name: &#mutable ::firesteel::dsl::Slice<#elem>)
            }
            ParamKind::TensorMap { elem, rank, mutable } => {
                let ty = map_type((scalar(elem, span), rank, mutable), span);
                quote_spanned!(span=> #name: #ty)
            }
        }
    }
}

fn map_type((elem, rank, mutable): (TokenStream, u32, bool), span: Span) -> TokenStream {
    let (rank, mutable) = (rank as usize, mutable.then(|| quote!(mut)));
    quote_spanned!(span=> &#mutable ::firesteel::dsl::TensorMap<#elem, #rank>)
}

/// A bound of a type parameter, by the class's own path.
fn bound(bound: &syn::TypeParamBound) -> Option<TokenStream> {
    let name = Ident::new(crate::parse::class_of(bound)?.name(), SpanRange::of(bound).start);
    Some(quote_spanned!(name.span()=> ::firesteel::dsl::#name))
}

/// A scalar type at the user's place.
fn scalar(scalar: Scalar, span: Span) -> TokenStream {
    let name = Ident::new(scalar.name(), span);
    match scalar {
        short if Shadow::is_short(short) => quote_spanned!(span=> ::firesteel::dsl::#name),
        _ => quote!(#name),
    }
}

/// A type, written out; `_` for what was reported.
fn written(ty: &Ty, span: Span) -> TokenStream {
    match ty {
        Ty::Scalar(ty) => scalar(*ty, span),
        Ty::Vector(vector) => {
            let name = format_ident!("{vector}", span = span);
            quote_spanned!(span=> ::firesteel::dsl::#name)
        }
        Ty::Fragment(Fragment { kind: FragmentKind::CachePolicy, .. }) => {
            quote_spanned!(span=> ::firesteel::dsl::CachePolicy)
        }
        Ty::Fragment(fragment) => {
            let name = Ident::new(fragment.kind.name(), span);
            let (elem, cols) = (scalar(fragment.elem, span), fragment.cols);
            let cols = (cols > 0).then(|| quote!(, #cols));
            quote_spanned!(span=> ::firesteel::dsl::#name<#elem #cols>)
        }
        Ty::Unit => quote_spanned!(span=> ()),
        Ty::Never => quote_spanned!(span=> !),
        Ty::Tuple(elems) => {
            let elems = elems.iter().map(|elem| written(elem, span));
            quote_spanned!(span=> (#(#elems,)*))
        }
        Ty::Array(elem, len) => {
            let (elem, len) = (written(elem, span), *len as usize);
            quote_spanned!(span=> [#elem; #len])
        }
        Ty::Error => quote_spanned!(span=> _),
    }
}
