//! `#[gpu_struct]` on a struct, and on the `impl` with its methods.
//!
//! A path of the struct leads to one macro. That of a struct alone brings the struct. Of a struct
//! under `#[gpu_struct(methods)]` it comes from the `impl`, and brings both; the `impl` itself
//! finds its struct by a second name of the struct's macro.

use std::rc::Rc;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};

use super::{Item, Job, Kind, Linker, Links, Target, export_as, identity, run};
use crate::ast::{Ast, TyExpr, TyExprKind};
use crate::diag::{Code, Diag, Diags};
use crate::hir;
use crate::infer::Facts;
use crate::layout;
use crate::span::SpanRange;

/// What the macro of a struct is called for its `impl`, before the struct's name.
const OF_METHODS: &str = "__firesteel_struct_";

/// The path of the struct, of the path by which its `impl` finds it.
pub(super) fn of_methods(path: &syn::Path) -> Option<syn::Path> {
    let mut path = path.clone();
    let last = path.segments.last_mut()?;
    let name = last.ident.to_string();
    last.ident = Ident::new(name.strip_prefix(OF_METHODS)?, last.ident.span());
    Some(path)
}

fn for_methods(name: &Ident) -> Ident {
    format_ident!("{OF_METHODS}{name}", span = name.span())
}

/// A checked struct: itself, and its macro.
pub(super) fn device_struct(
    attr: &TokenStream,
    item: &syn::ItemStruct,
    linker: &mut Linker<'_>,
) -> TokenStream {
    let mut diags = Diags::new();
    let has_methods = !attr.is_empty();
    if has_methods && attr.to_string() != "methods" {
        let diag = Diag::new(
            Code::BadAttribute,
            SpanRange::of(attr),
            "`#[gpu_struct]` takes `methods` or nothing",
        );
        let help =
            "write `#[gpu_struct(methods)]` for a struct whose `impl` is under `#[gpu_struct]`";
        diags.push(diag.help(help));
    }
    linker.own = Some(item.ident.clone());
    let ast = crate::parse::device_struct(item, linker, &mut diags);
    if linker.is_waiting() {
        diags.take();
        return TokenStream::new();
    }
    let facts = crate::infer::infer(&ast, &mut diags);
    if diags.is_empty() {
        memory_layout(item, &ast, &facts, &mut diags);
    }
    let is_sound = diags.is_empty() && !linker.broken;
    let shown = if is_sound { crate::shadow::structure(item, &ast, &facts) } else { quote!(#item) };
    let kind =
        if is_sound { Kind::Struct(Rc::new(item.clone()), has_methods) } else { Kind::Broken };
    let (name, id) = (&item.ident, identity(&item.ident));
    let mut names = vec![for_methods(name)];
    if !has_methods {
        names.push(name.clone());
    }
    let exported =
        Item { id: id.clone(), name: name.to_string(), kind, names: linker.links.names.clone() };
    let exported = export_as(&names, &item.vis, &id, &exported, linker.links);
    let errors = diags.take_tokens();
    quote!(#shown #exported #errors)
}

/// What memory demands of a struct with `#[repr(C)]`: numbers, and nothing between them.
fn memory_layout(item: &syn::ItemStruct, ast: &Ast, facts: &Facts, diags: &mut Diags) {
    let Some((decl, hir::Ty::Tuple(types))) = ast.structs.last().zip(facts.structs.last()) else {
        return;
    };
    if !decl.in_memory {
        return;
    }
    let mut end = 0;
    for (i, (name, ty)) in decl.fields.iter().enumerate() {
        if !is_plain(ty, ast) {
            let message = format!("the field `{name}` cannot be in memory");
            let help = "memory holds numbers, arrays of them and structs with `#[repr(C)]`; a struct \
                        for registers alone needs no `#[repr(C)]`";
            diags.push(Diag::new(Code::BadStruct, ty.span, message).help(help));
            return;
        }
        let at = layout::offset_of(types, i);
        if at != end {
            let gap = at - end;
            let message = format!("there {} of padding before the field `{name}`", bytes(gap));
            let help = format!("reorder the fields, or put a field `[u8; {gap}]` before it");
            diags.push(Diag::new(Code::BadStruct, ty.span, message).help(help));
        }
        end = at + layout::size_align(&types[i]).0;
    }
    let size = facts.structs.last().map_or(0, |ty| layout::size_align(ty).0);
    if size != end {
        let gap = size - end;
        let message = format!("there {} of padding at the end of `{}`", bytes(gap), decl.name);
        let help = format!("end it with a field `[u8; {gap}]`");
        diags.push(Diag::new(Code::BadStruct, item.ident.span(), message).help(help));
    }
}

fn bytes(count: u64) -> String {
    if count == 1 { "is 1 byte".to_owned() } else { format!("are {count} bytes") }
}

/// Whether every bit pattern is a value of the type, and its layout is known.
fn is_plain(ty: &TyExpr, ast: &Ast) -> bool {
    match &ty.kind {
        TyExprKind::Scalar(scalar) => *scalar != hir::Scalar::Bool,
        TyExprKind::Array(elem, _) => is_plain(elem, ast),
        TyExprKind::Struct(id, _) => ast.structs[id.0].in_memory,
        TyExprKind::Vector(..)
        | TyExprKind::Fragment(..)
        | TyExprKind::Unit
        | TyExprKind::Tuple(_)
        | TyExprKind::Param(..)
        | TyExprKind::Infer
        | TyExprKind::Error => false,
    }
}

/// Begins with an `impl`, whose struct is wanted first.
pub(super) fn start_impl(
    attr: &TokenStream,
    parsed: &syn::ItemImpl,
    item: TokenStream,
) -> TokenStream {
    let mut diags = Diags::new();
    let mut error = |at: SpanRange, message: &str, help: &str| {
        diags.push(Diag::new(Code::BadStruct, at, message).help(help));
    };
    if !attr.is_empty() {
        let help = "write `#[gpu_struct]`; `methods` stands at the struct";
        error(SpanRange::of(attr), "the `impl` of a struct takes no arguments", help);
    }
    if let Some((path, _)) = &parsed.trait_ {
        let help = "make its functions methods of the struct: `impl Block { .. }`";
        error(SpanRange::of(path), "the device has no traits of its own", help);
    }
    if let Some(param) = parsed.generics.params.first() {
        let help = "make its methods generic";
        error(SpanRange::of(param), "the `impl` of a struct has no generic parameters", help);
    }
    let path = match &*parsed.self_ty {
        syn::Type::Path(path) if path.qself.is_none() => Some(path.path.clone()),
        other => {
            error(SpanRange::of(other), "an `impl` is that of a struct", "name a struct");
            None
        }
    };
    let Some((mut path, true)) = path.map(|path| (path, diags.is_empty())) else {
        let errors = diags.take_tokens();
        return quote!(#item #errors);
    };
    if let Some(last) = path.segments.last_mut() {
        last.ident = for_methods(&last.ident);
        last.arguments = syn::PathArguments::None;
    }
    run(Job { target: Target::Impl { item }, wanted: vec![path], links: Links::default() })
}

/// A checked `impl`: its functions for rustc, and the macro of the struct.
pub(super) fn device_impl(item: &syn::ItemImpl, linker: &mut Linker<'_>) -> TokenStream {
    let syn::Type::Path(written) = &*item.self_ty else { return TokenStream::new() };
    let Some(name) = written.path.segments.last().map(|last| last.ident.clone()) else {
        return TokenStream::new();
    };
    let mut diags = Diags::new();
    let links = linker.links;
    let Some(of) = links.find(None, &written.path) else { return TokenStream::new() };
    let (vis, has_methods) = match &of.kind {
        Kind::Struct(of, has_methods) => (of.vis.clone(), *has_methods),
        Kind::Function(_) | Kind::Const(_) | Kind::Impl(..) | Kind::Kernel(..) | Kind::Broken => {
            return quote!(#item);
        }
    };
    if !has_methods {
        let message = format!("the struct `{name}` does not say that it has methods");
        let diag = Diag::new(Code::BadStruct, name.span(), message);
        diags.push(diag.help("write `#[gpu_struct(methods)]` at the struct"));
        let errors = diags.take_tokens();
        return quote!(#item #errors);
    }
    let id = identity(&name);
    let exported = Item {
        id: id.clone(),
        name: name.to_string(),
        kind: Kind::Impl(of.id.clone(), Rc::new(item.clone())),
        names: links.names.clone(),
    };
    linker.own_impl = Some(Rc::new(exported.clone()));
    let shown: TokenStream =
        item.items.iter().map(|part| impl_item(part, linker, &mut diags)).collect();
    if linker.is_waiting() {
        diags.take();
        return TokenStream::new();
    }
    let is_sound = diags.is_empty() && !linker.broken;
    let (answer, exported) = match is_sound {
        true => (of.id.clone(), exported),
        false => (id, Item { kind: Kind::Broken, ..exported }),
    };
    let exported = export_as(&[name], &vis, &answer, &exported, links);
    let (attrs, self_ty, errors) = (&item.attrs, &item.self_ty, diags.take_tokens());
    quote!(#(#attrs)* impl #self_ty { #shown } #exported #errors)
}

/// A function or constant as rustc sees it.
fn impl_item(part: &syn::ImplItem, linker: &mut Linker<'_>, diags: &mut Diags) -> TokenStream {
    match part {
        syn::ImplItem::Fn(method) => method_item(&crate::parse::as_function(method), linker, diags),
        syn::ImplItem::Const(constant) => {
            let item = crate::parse::as_constant(constant);
            let ast = crate::parse::device_constant(&item, linker, diags);
            if !linker.is_waiting() {
                crate::infer::infer(&ast, diags);
            }
            constant.to_token_stream()
        }
        other => {
            let message = "the `impl` of a struct of the device has functions and constants";
            let diag = Diag::new(Code::BadStruct, SpanRange::of(other), message);
            diags.push(diag.help("move this to an `impl` without `#[gpu_struct]`"));
            other.to_token_stream()
        }
    }
}

fn method_item(function: &syn::ItemFn, linker: &mut Linker<'_>, diags: &mut Diags) -> TokenStream {
    let before = diags.iter().len();
    let mut own = Diags::new();
    let shown = match crate::parse::device_shape(function, linker, &mut own) {
        false => None,
        true => {
            let ast = crate::parse::device_function(function, linker, &mut own);
            let facts = match linker.is_waiting() || crate::parse::is_generic(function) {
                true => Facts::unknown(&ast),
                false => crate::infer::infer(&ast, &mut own),
            };
            let agrees = own.rustc_agrees() || linker.broken;
            (!agrees).then(|| crate::shadow::method(function, &ast, &facts))
        }
    };
    own.take().into_iter().for_each(|diag| diags.push(diag));
    debug_assert!(shown.is_some() || diags.iter().len() > before || linker.broken);
    shown.unwrap_or_else(|| {
        let (attrs, vis, sig) = (&function.attrs, &function.vis, &function.sig);
        quote! {
            #(#attrs)*
            #[allow(unused)]
            #vis #sig { ::core::panic!("the method did not compile") }
        }
    })
}
