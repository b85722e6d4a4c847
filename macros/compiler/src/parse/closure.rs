//! Closures as arguments of device functions.
//!
//! A closure is read twice: once where it stands, for rustc, and once for each call of it, where
//! its body becomes part of the program. There it sees the names of the place where it stands.

use std::rc::Rc;

use proc_macro2::Ident;
use syn::{Expr as Syn, PatType, PathArguments, ReturnType, Type, TypeParamBound};

use super::expr::ungroup;
use super::pat::At;
use super::scope::{Def, Scopes};
use super::{Parser, Returns};
use crate::ast::{
    Block, Closure, ClosureId, ClosureKind, Expr, ExprKind, Inline, InlineParam, Pat, PatKind,
    TyExpr, TyExprKind,
};
use crate::diag::{Code, nearest};
use crate::link::{Item, Kind};
use crate::span::SpanRange;

/// What a closure means where it is called.
pub(super) struct Meaning {
    source: Source,
    /// The names that it sees.
    scopes: Scopes,
    /// The device items in whose bodies it stands.
    inside: Vec<Rc<Item>>,
    /// The types of its parameters and of its value, as the device function that takes it says.
    types: Option<(Vec<TyExpr>, TyExpr)>,
}

#[derive(Clone)]
enum Source {
    Closure(Rc<syn::ExprClosure>),
    Function(Rc<syn::Path>),
    /// The device function that takes it is checked by itself.
    Unknown,
}

impl Parser<'_, '_> {
    fn declare_closure(&mut self, meaning: Meaning) -> ClosureId {
        self.closures.push(Rc::new(meaning));
        ClosureId(self.closures.len() - 1)
    }

    fn captured_meaning(&self, source: Source) -> Meaning {
        let (scopes, inside) = (self.scopes.captured(), self.inside.clone());
        Meaning { source, scopes, inside, types: None }
    }

    /// An argument of a device function: a value, a slice, a closure or the name of one.
    pub(super) fn device_argument(&mut self, arg: &Syn) -> Expr {
        match ungroup(arg) {
            Syn::Closure(closure) => self.written_closure(closure),
            Syn::Reference(reference) if self.closure_name(&reference.expr).is_some() => {
                self.device_argument(&reference.expr)
            }
            Syn::Path(path) => match self.closure_name(arg) {
                Some((name, Some(id))) => {
                    let (span, kind) = (name.span(), ClosureKind::Param(name));
                    self.node(ExprKind::Closure(Box::new(Closure { id, kind })), span)
                }
                Some((_, None)) => self.function_argument(&path.path),
                None => self.expr(arg),
            },
            _ => self.expr(arg),
        }
    }

    /// The name of a closure, or perhaps of a device function.
    fn closure_name(&self, arg: &Syn) -> Option<(Ident, Option<ClosureId>)> {
        let Syn::Path(path) = ungroup(arg) else { return None };
        let last = path.path.segments.last()?;
        let name = last.ident.to_string();
        if path.qself.is_some() || super::is_constant_name(&name) {
            return None;
        }
        if path.path.segments.len() > 1 {
            let first = path.path.segments.first()?.ident.to_string();
            let of_module = name.starts_with(|c: char| c.is_ascii_lowercase())
                && super::path::of_a_module(&[&first, &name]);
            return of_module.then(|| (last.ident.clone(), None));
        }
        match self.scopes.find(&name) {
            Some(Ok(Def::Closure(id))) => Some((last.ident.clone(), Some(id))),
            Some(_) => None,
            None if crate::intrinsics::function(&[&name]).is_some() => None,
            // A mistyped variable is likelier than a function.
            None if nearest(&name, self.scopes.names()).is_some() => None,
            None => Some((last.ident.clone(), None)),
        }
    }

    /// A device function that stands for a closure.
    fn function_argument(&mut self, path: &syn::Path) -> Expr {
        let span = SpanRange::of(path);
        let Some(item) = self.device_item(path) else { return self.error_node(span) };
        match &item.kind {
            Kind::Function(_) => {
                let id = self.captured_meaning(Source::Function(Rc::new(path.clone())));
                let id = self.declare_closure(id);
                let kind = ClosureKind::Function(path.clone());
                self.node(ExprKind::Closure(Box::new(Closure { id, kind })), span)
            }
            Kind::Const(_) | Kind::Struct(..) | Kind::Impl(..) | Kind::Kernel(..) => {
                self.device_const(path)
            }
            Kind::Broken => {
                self.linker.broken = true;
                self.error_node(span)
            }
        }
    }

    fn written_closure(&mut self, closure: &syn::ExprClosure) -> Expr {
        let span = SpanRange::of(closure);
        let id = self.captured_meaning(Source::Closure(Rc::new(closure.clone())));
        let id = self.declare_closure(id);
        let scopes = self.scopes.captured();
        let (params, ret, body) = self.in_closure(scopes, |cx| {
            let params = closure.inputs.iter().map(|input| match input {
                syn::Pat::Type(typed) => (cx.pat(&typed.pat, At::Let), Some(cx.ty(&typed.ty))),
                pat => (cx.pat(pat, At::Let), None),
            });
            let params = params.collect();
            let ret = match &closure.output {
                ReturnType::Default => None,
                ReturnType::Type(_, ty) => Some(cx.ty(ty)),
            };
            (params, ret, Box::new(cx.expr(&closure.body)))
        });
        let kind = ClosureKind::Written { capture: closure.capture, params, ret, body };
        self.node(ExprKind::Closure(Box::new(Closure { id, kind })), span)
    }

    /// Reads what stands in a closure that sees these names.
    fn in_closure<T>(&mut self, scopes: Scopes, read: impl FnOnce(&mut Self) -> T) -> T {
        let scopes = std::mem::replace(&mut self.scopes, scopes);
        let returns = std::mem::replace(&mut self.returns, Returns::Closure);
        let captured = std::mem::replace(&mut self.captured, self.locals.len());
        self.scopes.enter();
        let result = read(self);
        (self.scopes, self.returns, self.captured) = (scopes, returns, captured);
        result
    }

    /// Reports an assignment to a variable that a closure captures.
    pub(super) fn not_captured(&mut self, place: &Expr) {
        match &place.kind {
            ExprKind::Local(id, name) if id.0 < self.captured => {
                let message = format!("a closure cannot assign the variable `{name}` around it");
                let help = "give the new value back, or write it to memory";
                self.error(Code::AssignImmutable, place.span, message, help);
            }
            ExprKind::Index(base, _) | ExprKind::Field(base, _) | ExprKind::Deref(_, base) => {
                self.not_captured(base);
            }
            _ => {}
        }
    }

    /// A parameter `f: impl Fn(f32) -> f32` and what it gets.
    pub(super) fn closure_param(&mut self, param: &PatType, arg: Option<&Expr>) -> InlineParam {
        let syn::Pat::Ident(name) = &*param.pat else {
            let message = "a closure is bound to a name";
            self.error(Code::BadParameter, SpanRange::of(&param.pat), message, "give it a name");
            return InlineParam::Error;
        };
        let name = name.ident.clone();
        let Some((params, ret)) = self.closure_type(&param.ty) else {
            self.scopes.define(name.to_string(), Def::Error);
            return InlineParam::Error;
        };
        let types = Some((params.clone(), ret.clone()));
        let known = match arg.map(|arg| &arg.kind) {
            None => {
                let (scopes, inside) = (Scopes::new(), Vec::new());
                Some(Meaning { source: Source::Unknown, scopes, inside, types })
            }
            Some(ExprKind::Closure(closure)) => {
                let meaning = &self.closures[closure.id.0];
                let (scopes, inside) = (meaning.scopes.clone(), meaning.inside.clone());
                Some(Meaning { source: meaning.source.clone(), scopes, inside, types })
            }
            Some(ExprKind::Error(_)) => None,
            Some(_) => {
                let at = arg.map_or(name.span().into(), |arg| arg.span);
                let message = format!("`{name}` wants a closure here");
                let help = "write `|x| ..`, or the name of a device function";
                self.error(Code::BadArgument, at, message, help);
                None
            }
        };
        let def = match known {
            Some(meaning) => Def::Closure(self.declare_closure(meaning)),
            None => Def::Error,
        };
        self.scopes.define(name.to_string(), def);
        InlineParam::Closure { name, params, ret }
    }

    /// The types of `impl Fn(A, B) -> C`.
    fn closure_type(&mut self, ty: &Type) -> Option<(Vec<TyExpr>, TyExpr)> {
        let span = SpanRange::of(ty);
        let bound = match ty {
            Type::ImplTrait(it) => match it.bounds.first() {
                Some(TypeParamBound::Trait(bound)) if it.bounds.len() == 1 => {
                    bound.path.segments.last()
                }
                _ => None,
            },
            _ => None,
        };
        let Some((segment, PathArguments::Parenthesized(types))) =
            bound.map(|segment| (segment, &segment.arguments))
        else {
            return self.no_closure_type(span);
        };
        if segment.ident != "Fn" {
            return self.no_closure_type(span);
        }
        let params = types.inputs.iter().map(|input| self.ty(&input.ty)).collect();
        let ret = match &types.output {
            ReturnType::Default => TyExpr { kind: TyExprKind::Unit, span },
            ReturnType::Type(_, ty) => self.ty(ty),
        };
        Some((params, ret))
    }

    fn no_closure_type<T>(&mut self, span: SpanRange) -> Option<T> {
        let message = "a parameter that is no value is a closure";
        self.error(Code::BadParameter, span, message, "write `impl Fn(f32, u32) -> f32`");
        None
    }

    /// `f(a, b)` of a parameter `f`.
    pub(super) fn closure_call(
        &mut self,
        name: &Ident,
        id: ClosureId,
        args: Vec<Expr>,
        span: SpanRange,
    ) -> Expr {
        let meaning = Rc::clone(&self.closures[id.0]);
        let Some((params, ret)) = &meaning.types else {
            unreachable!("a closure has its name from a parameter, which has types")
        };
        let count = |want: usize| (want != args.len()).then_some(want);
        if let Some(want) = count(params.len()) {
            let plural = if want == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {want} argument{plural}, not {}", args.len());
            let help = "give one for each type in `Fn(..)`";
            self.error(Code::WrongArity, name.span(), message, help);
            return self.node(ExprKind::Error(args), span);
        }
        let inside = std::mem::replace(&mut self.inside, meaning.inside.clone());
        let expr = match &meaning.source {
            Source::Function(path) => {
                let scopes = std::mem::replace(&mut self.scopes, meaning.scopes.clone());
                let expr = self.device_call(path, args, span);
                self.scopes = scopes;
                expr
            }
            Source::Closure(closure) => {
                self.closure_body(name, closure, &meaning.scopes, (params, ret), args, span)
            }
            Source::Unknown => {
                let params = params.iter().zip(&args).map(|(ty, arg)| {
                    let pat = Pat { id: self.node_id(), kind: PatKind::Wild, span: arg.span };
                    InlineParam::Value(pat, ty.clone())
                });
                let params = params.collect();
                let body = Block { consts: Vec::new(), stmts: Vec::new(), tail: None, span };
                self.closure_inline(name, (params, args), ret, body, span)
            }
        };
        self.inside = inside;
        expr
    }

    fn closure_body(
        &mut self,
        name: &Ident,
        closure: &syn::ExprClosure,
        scopes: &Scopes,
        (params, ret): (&[TyExpr], &TyExpr),
        args: Vec<Expr>,
        span: SpanRange,
    ) -> Expr {
        if closure.inputs.len() != params.len() {
            let (want, got) = (params.len(), closure.inputs.len());
            let plural = if want == 1 { "" } else { "s" };
            let message = format!("`{name}` has {want} parameter{plural}, and this closure {got}");
            let at = SpanRange { start: closure.inputs_begin.span, end: closure.inputs_end.span };
            self.error(Code::WrongArity, at, message, "name one for each type in `Fn(..)`");
            return self.node(ExprKind::Error(args), span);
        }
        let (params, tail) = self.in_closure(scopes.clone(), |cx| {
            let values = closure.inputs.iter().zip(params).map(|(input, ty)| {
                let pat = match input {
                    syn::Pat::Type(typed) => &typed.pat,
                    pat => pat,
                };
                InlineParam::Value(cx.pat(pat, At::Let), ty.clone())
            });
            (values.collect(), cx.expr(&closure.body))
        });
        let (tail_span, tail) = (tail.span, Some(Box::new(tail)));
        let body = Block { consts: Vec::new(), stmts: Vec::new(), tail, span: tail_span };
        self.closure_inline(name, (params, args), ret, body, span)
    }

    fn closure_inline(
        &mut self,
        name: &Ident,
        (params, args): (Vec<InlineParam>, Vec<Expr>),
        ret: &TyExpr,
        body: Block,
        span: SpanRange,
    ) -> Expr {
        let inline = Inline {
            path: name.clone().into(),
            types: Vec::new(),
            open: Vec::new(),
            written: Vec::new(),
            params,
            args,
            label: self.loop_id(),
            ret: ret.clone(),
            body,
        };
        self.node(ExprKind::Inline(Box::new(inline)), span)
    }
}
