//! Device functions and constants: what a path outside of the body means, and its body in place.

use std::rc::Rc;

use proc_macro2::Ident;
use syn::{FnArg, ItemFn, Pat, ReturnType, Type};

use super::generics::Generics;
use super::pat::At;
use super::scope::{Def, Scopes};
use super::structs::of_a_type;
use super::{Parser, Returns};
use crate::ast::{
    ConstDecl, ConstId, Expr, ExprKind, Inline, InlineParam, LocalDecl, MapExpr, Return, TyExpr,
    TyExprKind,
};
use crate::diag::Code;
use crate::hir::{LoopId, Memory, Param, ParamId, ParamKind};
use crate::link::{Item, Kind};
use crate::span::SpanRange;
use crate::value::Scalar;

/// Whether a function's types depend on its callers: it is generic, or takes closures.
pub(crate) fn is_generic(function: &ItemFn) -> bool {
    let is_closure = |param: &FnArg| match param {
        FnArg::Typed(param) => matches!(&*param.ty, Type::ImplTrait(_)),
        FnArg::Receiver(_) => false,
    };
    !function.sig.generics.params.is_empty() || function.sig.inputs.iter().any(is_closure)
}

/// What the caller of a device function goes on with.
struct Caller {
    scopes: Scopes,
    returns: Returns,
}

impl Parser<'_, '_> {
    /// What a path outside of the body names. One that is not known yet is noted as wanted.
    pub(super) fn device_item(&mut self, path: &syn::Path) -> Option<Rc<Item>> {
        let inside = self.inside.last().map(|item| &**item);
        if inside.is_none() && self.linker.is_own(path) {
            let name = SpanRange::of(path);
            let message = format!("`{0}` needs itself: `{0}` -> `{0}`", crate::link::key(path));
            let help = "device code is inlined and has no recursion: write a loop";
            self.error(Code::Recursion, name, message, help);
            self.linker.broken = true;
            return None;
        }
        let found = self.linker.links.find(inside, path);
        if found.is_none() {
            self.linker.want(path);
        }
        found
    }

    /// A call of a path that is no intrinsic.
    pub(super) fn device_call(
        &mut self,
        path: &syn::Path,
        args: Vec<Expr>,
        span: SpanRange,
    ) -> Expr {
        if let Some((ty, name)) = of_a_type(path) {
            return self.associated_call(path, &ty, &name, args, span);
        }
        let Some(item) = self.device_item(path) else {
            return self.node(ExprKind::Error(args), span);
        };
        match &item.kind {
            Kind::Struct(of, _) => self.positional_struct(path, &item, of, args, span),
            Kind::Impl(..) => self.node(ExprKind::Error(args), span),
            Kind::Kernel(..) => {
                self.names_a_kernel(path, &item);
                self.node(ExprKind::Error(args), span)
            }
            Kind::Function(function) => self.inline(path, &item, function, args, span),
            Kind::Const(_) => {
                let message = format!("`{}` is a constant, not a function", item.name);
                let help = format!("write `{}` without parentheses", item.name);
                self.error(Code::WrongKind, SpanRange::of(path), message, help);
                self.node(ExprKind::Error(args), span)
            }
            Kind::Broken => {
                self.linker.broken = true;
                self.node(ExprKind::Error(args), span)
            }
        }
    }

    fn names_a_kernel(&mut self, path: &syn::Path, item: &Item) {
        let message = format!("`{}` is a kernel, which the host launches", item.name);
        let help = "put what both need into a function under `#[gpu_fn]`";
        self.error(Code::WrongKind, SpanRange::of(path), message, help);
    }

    pub(super) fn inline(
        &mut self,
        path: &syn::Path,
        item: &Rc<Item>,
        function: &ItemFn,
        args: Vec<Expr>,
        span: SpanRange,
    ) -> Expr {
        let (want, got) = (function.sig.inputs.len(), args.len());
        if want != got {
            let plural = if want == 1 { "" } else { "s" };
            let message = format!("`{}` takes {want} argument{plural}, not {got}", item.name);
            let help = format!("write `{}({})`", item.name, parameters(function).join(", "));
            self.error(Code::WrongArity, SpanRange::of(path), message, help);
            return self.node(ExprKind::Error(args), span);
        }
        let Some(generics) = self.generic_arguments(path, function) else {
            return self.node(ExprKind::Error(args), span);
        };
        let given: Vec<&Expr> = args.iter().collect();
        self.inside.push(Rc::clone(item));
        let inline = self.device_body(path.clone(), function, generics, &given);
        self.inside.pop();
        let inline = Inline { args, ..inline };
        self.node(ExprKind::Inline(Box::new(inline)), span)
    }

    /// Parameters, result and body, in scopes of their own.
    pub(super) fn device_body(
        &mut self,
        path: syn::Path,
        function: &ItemFn,
        generics: Generics,
        args: &[&Expr],
    ) -> Inline {
        let label = self.loop_id();
        let caller = self.enter_device(label);
        for (name, def) in generics.names {
            self.scopes.define(name, def);
        }
        let inputs = function.sig.inputs.iter().enumerate();
        let params =
            inputs.map(|(i, param)| self.device_param(param, args.get(i).copied())).collect();
        let ret = match &function.sig.output {
            ReturnType::Default => {
                let span = function.sig.ident.span().into();
                TyExpr { kind: TyExprKind::Unit, span }
            }
            ReturnType::Type(_, ty) => self.ty(ty),
        };
        let body = self.block(&function.block);
        (self.scopes, self.returns) = (caller.scopes, caller.returns);
        Inline {
            path,
            types: generics.types,
            open: generics.open,
            written: generics.written,
            params,
            args: Vec::new(),
            label,
            ret,
            body,
        }
    }

    fn enter_device(&mut self, label: LoopId) -> Caller {
        Caller {
            scopes: std::mem::replace(&mut self.scopes, Scopes::new()),
            returns: std::mem::replace(&mut self.returns, Returns::Value(label)),
        }
    }

    fn device_param(&mut self, param: &FnArg, arg: Option<&Expr>) -> InlineParam {
        let param = match param {
            FnArg::Typed(param) => param,
            FnArg::Receiver(receiver) => return self.receiver(receiver),
        };
        if let Type::ImplTrait(_) = &*param.ty {
            return self.closure_param(param, arg);
        }
        if let Type::Tuple(types) = &*param.ty
            && types.elems.iter().any(is_memory)
        {
            return self.group_param(&param.pat, types, arg);
        }
        if let Some((ty, mutable)) = single_reference(&param.ty) {
            return self.place_param(&param.pat, ty, mutable);
        }
        match self.memory_param(param, arg) {
            Some(Some(param)) => param,
            Some(None) => {
                let ty = self.ty(&param.ty);
                InlineParam::Value(self.pat(&param.pat, At::Let), ty)
            }
            None => {
                self.bad_pat(&param.pat);
                InlineParam::Error
            }
        }
    }

    /// `(a, b): (&[T], &mut [U])`.
    fn group_param(
        &mut self,
        pat: &Pat,
        types: &syn::TypeTuple,
        arg: Option<&Expr>,
    ) -> InlineParam {
        let pats = match pat {
            Pat::Tuple(pats) if pats.elems.len() == types.elems.len() => pats,
            _ => {
                let message = "a parameter with slices in a tuple is a tuple of names";
                let help = "write `(a, b): (&[T], &mut [T])`";
                self.error(Code::BadParameter, SpanRange::of(pat), message, help);
                self.bad_pat(pat);
                return InlineParam::Error;
            }
        };
        let args = match arg.map(|arg| (&arg.kind, arg.span)) {
            None | Some((ExprKind::Error(_), _)) => None,
            Some((ExprKind::Tuple(args), _)) if args.len() == pats.elems.len() => Some(args),
            Some((_, at)) => {
                let message = "this parameter wants a tuple of slices here";
                let names = vec!["_"; pats.elems.len()].join(", ");
                let help = format!("write one as it is: `({names})`, with the slices' names");
                self.error(Code::BadArgument, at, message, help);
                self.bad_pat(pat);
                return InlineParam::Error;
            }
        };
        let parts = pats.elems.iter().zip(&types.elems).enumerate();
        let parts = parts.map(|(i, (pat, ty))| {
            let param: FnArg = syn::parse_quote!(#pat: #ty);
            self.device_param(&param, args.and_then(|args| args.get(i)))
        });
        InlineParam::Group(parts.collect())
    }

    /// A tensor map or a slice. `Some(None)` for a type that is neither, `None` for one that was
    /// reported.
    fn memory_param(
        &mut self,
        param: &syn::PatType,
        arg: Option<&Expr>,
    ) -> Option<Option<InlineParam>> {
        if let Some(ty) = self.tensor_map(&param.ty)? {
            return Some(Some(self.map_param(&param.pat, ty, arg)));
        }
        let slice = self.slice(&param.ty)?;
        Some(slice.map(|slice| self.slice_param(&param.pat, slice, arg)))
    }

    /// `&T` or `&mut T`: a variable that is another name of the argument.
    fn place_param(&mut self, pat: &Pat, ty: &Type, mutable: bool) -> InlineParam {
        let ty = self.ty(ty);
        let Pat::Ident(name) = pat else {
            let message = "a parameter that is a reference is a name";
            self.error(Code::BadParameter, SpanRange::of(pat), message, "give it a name");
            self.bad_pat(pat);
            return InlineParam::Error;
        };
        if let Some(token) = &name.mutability {
            let help = "remove it; `&mut T` makes what it stands for writable";
            let message = "a parameter that is a reference is not `mut`";
            self.error(Code::BadParameter, token.span, message, help);
        }
        let local = self.declare_local(LocalDecl {
            ident: name.ident.clone(),
            mutable: false,
            deferred: false,
            param: None,
            reference: Some(mutable),
        });
        self.scopes.define(name.ident.to_string(), Def::Local(local));
        InlineParam::Place { local, ty, mutable }
    }

    fn slice_param(
        &mut self,
        pat: &Pat,
        (elem, mutable): (TyExpr, bool),
        arg: Option<&Expr>,
    ) -> InlineParam {
        let Pat::Ident(name) = pat else {
            let message = "a slice parameter is a name";
            self.error(Code::BadParameter, SpanRange::of(pat), message, "give it a name");
            return InlineParam::Error;
        };
        let name = name.ident.clone();
        let def = match arg.map(dereferenced) {
            None => {
                let kind = ParamKind::Slice { elem: super::item::element(&elem), mutable };
                Def::Memory(Memory::Slice(self.lone_param(&name, kind)))
            }
            Some(arg) => self.memory_of(arg, &name),
        };
        self.scopes.define(name.to_string(), def);
        InlineParam::Memory { name, elem, mutable }
    }

    /// The slice or shared array that an argument names.
    fn memory_of(&mut self, arg: &Expr, param: &Ident) -> Def {
        match &arg.kind {
            ExprKind::Memory(memory, _) => Def::Memory(*memory),
            ExprKind::Error(_) => Def::Error,
            _ => {
                let message = format!("`{param}` wants a slice or a shared array here");
                self.error(Code::BadArgument, arg.span, message, "write its name");
                Def::Error
            }
        }
    }

    /// A parameter that is a tensor map.
    fn map_param(&mut self, pat: &Pat, ty: MapExpr, arg: Option<&Expr>) -> InlineParam {
        let Pat::Ident(name) = pat else {
            let message = "a parameter that is a tensor map is a name";
            self.error(Code::BadParameter, SpanRange::of(pat), message, "give it a name");
            return InlineParam::Error;
        };
        let name = name.ident.clone();
        let def = match arg.map(dereferenced).map(|arg| (&arg.kind, arg.span)) {
            None => {
                let MapExpr { elem, rank, mutable } = &ty;
                let (elem, rank, mutable) = (known(elem), *rank, *mutable);
                let kind = ParamKind::TensorMap { elem, rank, mutable };
                Def::Map(self.lone_param(&name, kind))
            }
            Some((ExprKind::Map(param, _), _)) => Def::Map(*param),
            Some((ExprKind::Error(_), _)) => Def::Error,
            Some((_, at)) => {
                let message = format!("`{name}` wants a tensor map here");
                self.error(Code::BadArgument, at, message, "write its name");
                Def::Error
            }
        };
        self.scopes.define(name.to_string(), def);
        InlineParam::Map(name, ty)
    }

    /// A slice or tensor map of a device function that is checked by itself.
    fn lone_param(&mut self, name: &Ident, kind: ParamKind) -> ParamId {
        self.slices.push(Param {
            name: name.clone(),
            attrs: Vec::new(),
            written: quote::ToTokens::to_token_stream(name),
            generic: None,
            structure: None,
            kind,
        });
        ParamId(self.slices.len() - 1)
    }

    /// A path that is no constant of the body or of a type.
    pub(super) fn device_const(&mut self, path: &syn::Path) -> Expr {
        let span = SpanRange::of(path);
        if let Some((ty, name)) = of_a_type(path) {
            return self.associated_const(path, &ty, &name);
        }
        let Some(item) = self.device_item(path) else { return self.error_node(span) };
        match &item.kind {
            Kind::Const(written) => {
                let id = match self.linked_consts.get(&item.id) {
                    Some(id) => *id,
                    None => self.device_const_value(&item, item.id.clone(), written),
                };
                self.node(ExprKind::Const(id, path.clone()), span)
            }
            Kind::Function(_) => {
                let message = format!("`{}` is a function", item.name);
                let help = format!("call it: `{}(..)`", item.name);
                self.error(Code::WrongKind, span, message, help);
                self.error_node(span)
            }
            Kind::Kernel(..) => {
                self.names_a_kernel(path, &item);
                self.error_node(span)
            }
            Kind::Struct(..) | Kind::Impl(..) => {
                let message = format!("`{}` is a struct, not a value", item.name);
                let help = format!("make one: `{} {{ .. }}`", item.name);
                self.error(Code::WrongKind, span, message, help);
                self.error_node(span)
            }
            Kind::Broken => {
                self.linker.broken = true;
                self.error_node(span)
            }
        }
    }

    pub(super) fn device_const_value(
        &mut self,
        item: &Rc<Item>,
        id: String,
        written: &syn::ItemConst,
    ) -> ConstId {
        self.inside.push(Rc::clone(item));
        let scopes = std::mem::replace(&mut self.scopes, Scopes::new());
        let constant = self.const_item(written);
        self.scopes = scopes;
        self.inside.pop();
        self.linked_consts.insert(id, constant);
        constant
    }

    /// A constant with a name, in the scope where it stands.
    pub(super) fn const_item(&mut self, item: &syn::ItemConst) -> ConstId {
        let ty = self.ty(&item.ty);
        let expr = self.const_expr(&item.expr);
        let (ident, span) = (Some(item.ident.clone()), expr.span);
        self.declare_const(ConstDecl { ident, ty, expr: Some(expr), span })
    }

    /// `return` in a device function.
    pub(super) fn device_return(&mut self, target: LoopId, value: Option<&syn::Expr>) -> ExprKind {
        let value = value.map(|value| Box::new(self.expr(value)));
        ExprKind::Return(Some(Return { target, value }))
    }
}

/// The type of an element of a parameter. A function with type parameters gets its types where it
/// is called, and stands with others until then.
fn known(elem: &TyExpr) -> Scalar {
    match elem.kind {
        TyExprKind::Scalar(elem) => elem,
        _ => Scalar::F32,
    }
}

/// What stands under `&` and `&mut`.
fn dereferenced(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Ref(_, inner) => dereferenced(inner),
        _ => expr,
    }
}

/// The type under a reference that is no slice and no tensor map, and whether it is `&mut`.
fn single_reference(ty: &Type) -> Option<(&Type, bool)> {
    let reference = match ty {
        Type::Group(group) => return single_reference(&group.elem),
        Type::Paren(paren) => return single_reference(&paren.elem),
        Type::Reference(reference) => reference,
        _ => return None,
    };
    (!is_memory(ty)).then_some((&*reference.elem, reference.mutability.is_some()))
}

/// Whether a type is that of a slice or a tensor map.
fn is_memory(ty: &Type) -> bool {
    let reference = match ty {
        Type::Group(group) => return is_memory(&group.elem),
        Type::Paren(paren) => return is_memory(&paren.elem),
        Type::Reference(reference) => reference,
        _ => return false,
    };
    match &*reference.elem {
        Type::Slice(_) => true,
        Type::Path(path) => path.path.segments.last().is_some_and(|it| it.ident == "TensorMap"),
        _ => false,
    }
}

/// The names of the parameters, as far as they have some.
fn parameters(function: &ItemFn) -> Vec<String> {
    let name = |param: &FnArg| match param {
        FnArg::Typed(param) => match &*param.pat {
            Pat::Ident(name) => name.ident.to_string(),
            _ => "_".to_owned(),
        },
        FnArg::Receiver(_) => "self".to_owned(),
    };
    function.sig.inputs.iter().map(name).collect()
}
