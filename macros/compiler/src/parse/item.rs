//! The signature: the function's shape and its parameters.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{
    FnArg, GenericArgument, GenericParam, ItemFn, Pat, PathArguments, PointerMutability,
    ReturnType, Safety, Type,
};

use super::scope::Def;
use super::{Parser, Returns};
use crate::ast::{Block, LocalDecl, MapExpr, StructId, TyExpr, TyExprKind};
use crate::diag::{Code, Diag, Diags};
use crate::hir::{Elem, Memory, Options, Param, ParamId, ParamKind, Signature};
use crate::instances::Instance;
use crate::span::SpanRange;
use crate::value::Scalar;

const PARAMETER_HELP: &str = "a parameter is a scalar, `&[T]`, `&mut [T]`, `*const [T]` or \
                              `*mut [T]` with a scalar or a struct `T`, or a `&TensorMap<T, 2>`";

const TENSOR_MAP_HELP: &str = "write it as `&TensorMap<bf16, 2>`";

/// Reports an item that is no function, or a function that does not parse.
pub(super) fn not_a_function(item: TokenStream, error: &syn::Error, diags: &mut Diags) {
    match syn::parse2::<syn::Item>(item) {
        Ok(other) if !matches!(other, syn::Item::Fn(_) | syn::Item::Verbatim(_)) => {
            let message = "`#[gpu_kernel]` stands on a function";
            let diag = Diag::new(Code::BadSignature, SpanRange::of(&other), message);
            diags.push(diag.help("move it to the `fn` that is the kernel"));
        }
        Ok(_) | Err(_) => diags.push_syn(error),
    }
}

impl Parser<'_, '_> {
    pub(super) fn signature(
        &mut self,
        options: Options,
        function: &ItemFn,
        instance: &Instance,
    ) -> Signature {
        self.shape(function);
        let generic: Vec<_> = function.sig.generics.type_params().map(|it| &it.ident).collect();
        let mut params = Vec::new();
        for input in &function.sig.inputs {
            params.extend(self.param(ParamId(params.len()), input, &generic));
        }
        Signature {
            name: function.sig.ident.clone(),
            entry: instance.entry(&function.sig.ident),
            vis: function.vis.clone(),
            attrs: function.attrs.clone(),
            options,
            params,
            origin: None,
        }
    }

    pub(super) fn body(&mut self, block: &syn::Block) -> Block {
        self.check_attributes(block);
        self.block(block)
    }

    fn bad_signature(&mut self, noun: &str, at: impl ToTokens, what: &str, help: &str) {
        let message = format!("{noun} {what}");
        self.error(Code::BadSignature, SpanRange::of(&at), message, help);
    }

    /// What neither a kernel nor a device function can be.
    fn plain_shape(&mut self, noun: &str, sig: &syn::Signature, unchecked: &str) {
        if let Some(token) = &sig.constness {
            self.bad_signature(noun, token, "is not a `const fn`", "remove `const`");
        }
        if let Some(token) = &sig.asyncness {
            self.bad_signature(noun, token, "is not `async`", "remove `async`");
        }
        if let Safety::Unsafe(token) = &sig.safety {
            self.bad_signature(noun, token, "is not an `unsafe fn`", unchecked);
        }
        if let Some(abi) = &sig.abi {
            self.bad_signature(noun, abi, "has no ABI of its own", "remove `extern`");
        }
        if let Some(clause) = &sig.generics.where_clause {
            self.bad_signature(noun, clause, "has no `where` clause", "remove it");
        }
        if let Some(variadic) = &sig.variadic {
            let what = "has a fixed number of parameters";
            self.bad_signature(noun, variadic, what, "remove `...`");
        }
    }

    pub(super) fn device_shape(&mut self, function: &ItemFn) {
        let (sig, noun) = (&function.sig, "a device function");
        self.plain_shape(noun, sig, "remove `unsafe`");
        for param in &sig.generics.params {
            let (what, help) = match param {
                GenericParam::Lifetime(_) => ("has no lifetimes", "write `&[T]` without one"),
                GenericParam::Type(param) => {
                    // What is wrong with the bounds is reported here, and not at each call.
                    self.bounds(param);
                    continue;
                }
                GenericParam::Const(_) => continue,
            };
            self.bad_signature(noun, param, what, help);
        }
        let is_method = self.linker.own_impl.is_some();
        if let Some(receiver) = sig.receiver().filter(|_| !is_method) {
            let help = "put `#[gpu_struct]` on the `impl`, and none on its functions";
            self.bad_signature(noun, receiver, "is a free function", help);
        }
        if !is_method && crate::intrinsics::function(&[&sig.ident.to_string()]).is_some() {
            let what = format!("cannot be called `{}`: an intrinsic has that name", sig.ident);
            self.bad_signature(noun, &sig.ident, &what, "rename it");
        }
    }

    fn shape(&mut self, function: &ItemFn) {
        let (sig, noun) = (&function.sig, "a kernel");
        let unchecked = "write `#[gpu_kernel(unchecked)]` to make `launch` unsafe";
        self.plain_shape(noun, sig, unchecked);
        for param in &sig.generics.params {
            let (what, help) = match param {
                GenericParam::Lifetime(_) => ("has no lifetimes", "write `&[T]` without one"),
                GenericParam::Type(param) => {
                    self.bounds(param);
                    continue;
                }
                GenericParam::Const(_) => continue,
            };
            self.bad_signature(noun, param, what, help);
        }
        if let ReturnType::Type(_, ty) = &sig.output
            && !matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty())
        {
            let help = "write results to a `&mut [T]` parameter";
            self.returns = Returns::Reported;
            self.bad_signature(noun, ty, "returns nothing", help);
        }
    }

    fn param(&mut self, id: ParamId, input: &FnArg, generic: &[&Ident]) -> Option<Param> {
        let input = match input {
            FnArg::Typed(input) => input,
            FnArg::Receiver(_) => unreachable!("`parse` rejects methods"),
        };
        let name = match &*input.pat {
            Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => name,
            other => {
                let message = "a parameter of a kernel is a name";
                let help = "give it a name and take it apart in the body";
                self.error(Code::BadParameter, SpanRange::of(other), message, help);
                return None;
            }
        };
        let repeated = self.scopes.find(&name.ident.to_string()).is_some();
        if repeated {
            let message = format!("the parameter `{}` is given twice", name.ident);
            let at = name.ident.span();
            self.error(Code::BadParameter, at, message, "rename one of them");
            return None;
        }
        let Some(kind) = self.param_kind(id, name, &input.ty) else {
            self.scopes.define(name.ident.to_string(), Def::Error);
            return None;
        };
        Some(Param {
            name: name.ident.clone(),
            attrs: input.attrs.clone(),
            written: input.ty.to_token_stream(),
            generic: mentioned(&input.ty, generic),
            structure: structure(&input.ty, kind),
            kind,
        })
    }

    fn param_kind(&mut self, id: ParamId, name: &syn::PatIdent, ty: &Type) -> Option<ParamKind> {
        let text = name.ident.to_string();
        if let Some(MapExpr { elem, rank, mutable }) = self.tensor_map(ty)? {
            if let Some(token) = &name.mutability {
                let help = "remove it; `&mut TensorMap<T, 2>` makes the tensor writable";
                let message = "a tensor map is not `mut`";
                self.error(Code::BadParameter, token.span, message, help);
            }
            self.scopes.define(text, Def::Map(id));
            let elem = known(elem);
            return Some(ParamKind::TensorMap { elem, rank, mutable });
        }
        if let Some((elem, mutable)) = self.slice(ty)? {
            if let Some(token) = &name.mutability {
                let help = "remove it; `&mut [T]` makes the elements writable";
                let message = "a slice parameter is not `mut`";
                self.error(Code::BadParameter, token.span, message, help);
            }
            self.scopes.define(text, Def::Memory(Memory::Slice(id)));
            return Some(ParamKind::Slice { elem: element(&elem), mutable });
        }
        let TyExprKind::Scalar(ty) = self.ty_or(ty, Code::BadParameter, PARAMETER_HELP)?.kind
        else {
            let message = "a kernel cannot take this type";
            self.error(Code::BadParameter, SpanRange::of(ty), message, PARAMETER_HELP);
            return None;
        };
        let local = self.declare_local(LocalDecl {
            ident: name.ident.clone(),
            mutable: name.mutability.is_some(),
            deferred: false,
            param: Some(ty),
            reference: None,
        });
        self.scopes.define(text, Def::Local(local));
        Some(ParamKind::Scalar { ty, local })
    }

    /// What the type of a tensor map says. `Some(None)` for a type that is none, `None` for one
    /// that was reported.
    pub(super) fn tensor_map(&mut self, ty: &Type) -> Option<Option<MapExpr>> {
        let reference = match ty {
            Type::Group(group) => return self.tensor_map(&group.elem),
            Type::Paren(paren) => return self.tensor_map(&paren.elem),
            Type::Reference(reference) => reference,
            _ => return Some(None),
        };
        let named = match &*reference.elem {
            Type::Path(path) => path.path.segments.last().filter(|it| it.ident == "TensorMap"),
            _ => None,
        };
        let Some(named) = named else { return Some(None) };
        let args: Vec<&GenericArgument> = match &named.arguments {
            PathArguments::AngleBracketed(args) => args.args.iter().collect(),
            PathArguments::None | PathArguments::Parenthesized(_) => Vec::new(),
        };
        let parts = match args.as_slice() {
            [GenericArgument::Type(elem), GenericArgument::Const(rank)] => Some((elem, rank)),
            _ => None,
        };
        let rank = parts.and_then(|(_, rank)| Instance::default().number(rank));
        let rank = rank.and_then(|rank| u32::try_from(rank).ok());
        let (Some((elem, _)), Some(rank @ 1..=5)) = (parts, rank) else {
            let message = "a tensor map has the type of an element and 1 to 5 dimensions";
            self.error(Code::BadParameter, SpanRange::of(named), message, TENSOR_MAP_HELP);
            return None;
        };
        let mutable = reference.mutability.is_some();
        let elem_ty = self.ty_or(elem, Code::BadParameter, TENSOR_MAP_HELP)?;
        match elem_ty.kind {
            TyExprKind::Scalar(elem) if elem != Scalar::Bool => {
                Some(Some(MapExpr { elem: elem_ty, rank, mutable }))
            }
            TyExprKind::Param(..) => Some(Some(MapExpr { elem: elem_ty, rank, mutable })),
            _ => {
                let message = "the elements of a tensor map are numbers";
                self.error(Code::BadParameter, SpanRange::of(elem), message, TENSOR_MAP_HELP);
                None
            }
        }
    }

    /// Reports that the elements of memory would be a struct that cannot be there.
    pub(super) fn not_in_memory(&mut self, id: StructId, code: Code, at: SpanRange) {
        let name = &self.structs[id.0].name;
        let message = format!("`{name}` has no layout in memory");
        let help = format!("write `#[repr(C)]` at `{name}`");
        self.error(code, at, message, help);
    }

    /// The element type of a slice parameter and whether it is writable. `Some(None)` for a type
    /// that is no slice, `None` for one that was reported.
    pub(super) fn slice(&mut self, ty: &Type) -> Option<Option<(TyExpr, bool)>> {
        let (target, mutable) = match ty {
            Type::Group(group) => return self.slice(&group.elem),
            Type::Paren(paren) => return self.slice(&paren.elem),
            Type::Reference(reference) => {
                // Others than this one are reported where they are declared.
                if let Some(lifetime) = &reference.lifetime
                    && lifetime.ident == "static"
                {
                    let message = "a kernel has no lifetimes";
                    let help = "write `&[T]` without one";
                    self.error(Code::BadParameter, lifetime.span(), message, help);
                }
                (&reference.elem, reference.mutability.is_some())
            }
            Type::Ptr(pointer) => {
                (&pointer.elem, matches!(pointer.mutability, PointerMutability::Mut(_)))
            }
            _ => return Some(None),
        };
        let Type::Slice(slice) = &**target else {
            let message = "a kernel takes slices, not references to single values";
            self.error(Code::BadParameter, SpanRange::of(ty), message, PARAMETER_HELP);
            return None;
        };
        let elem = self.ty_or(&slice.elem, Code::BadParameter, PARAMETER_HELP)?;
        match elem.kind {
            TyExprKind::Scalar(_) | TyExprKind::Param(..) => Some(Some((elem, mutable))),
            TyExprKind::Struct(id, _) if self.structs[id.0].in_memory => {
                Some(Some((elem, mutable)))
            }
            TyExprKind::Struct(id, _) => {
                self.not_in_memory(id, Code::BadParameter, SpanRange::of(ty));
                None
            }
            TyExprKind::Error => None,
            _ => {
                let message = "the elements of a slice are scalars or structs";
                self.error(Code::BadParameter, SpanRange::of(ty), message, PARAMETER_HELP);
                None
            }
        }
    }
}

/// A type of a kernel, whose type parameters are known in its instance.
fn known(ty: TyExpr) -> Scalar {
    match ty.kind {
        TyExprKind::Scalar(scalar) => scalar,
        _ => unreachable!("the elements of memory are scalars"),
    }
}

/// The same, of the elements of a slice.
pub(super) fn element(ty: &TyExpr) -> Elem {
    match ty.kind {
        TyExprKind::Scalar(scalar) => Elem::Scalar(scalar),
        TyExprKind::Struct(id, _) => Elem::Struct(id.0),
        // A function with type parameters gets its types where it is called, and stands with others
        // until then.
        _ => Elem::Scalar(Scalar::F32),
    }
}

/// The path of the struct that the elements of a slice are.
fn structure(ty: &Type, kind: ParamKind) -> Option<syn::Path> {
    let ParamKind::Slice { elem: Elem::Struct(_), .. } = kind else { return None };
    match ty {
        Type::Path(path) => Some(path.path.clone()),
        Type::Reference(reference) => structure(&reference.elem, kind),
        Type::Ptr(pointer) => structure(&pointer.elem, kind),
        Type::Slice(slice) => structure(&slice.elem, kind),
        Type::Group(group) => structure(&group.elem, kind),
        Type::Paren(paren) => structure(&paren.elem, kind),
        _ => None,
    }
}

/// The type parameter that a type, or that of its elements, is.
fn mentioned(ty: &Type, generic: &[&Ident]) -> Option<Ident> {
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            match &last.arguments {
                PathArguments::AngleBracketed(args) => match args.args.first()? {
                    GenericArgument::Type(elem) => mentioned(elem, generic),
                    _ => None,
                },
                PathArguments::None | PathArguments::Parenthesized(_) => {
                    generic.contains(&&last.ident).then(|| last.ident.clone())
                }
            }
        }
        Type::Reference(reference) => mentioned(&reference.elem, generic),
        Type::Ptr(pointer) => mentioned(&pointer.elem, generic),
        Type::Slice(slice) => mentioned(&slice.elem, generic),
        Type::Group(group) => mentioned(&group.elem, generic),
        Type::Paren(paren) => mentioned(&paren.elem, generic),
        _ => None,
    }
}
