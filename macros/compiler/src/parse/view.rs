//! `let words = cast_slice::<u32>(bytes);`: memory as elements of another type.

use proc_macro2::Ident;
use syn::{GenericArgument, PathArguments};

use super::Parser;
use super::scope::Def;
use crate::ast::{ExprKind, Stmt, TyExpr, ViewDecl};
use crate::diag::Code;
use crate::hir::{Memory, ViewId};
use crate::span::SpanRange;

/// The function that makes one.
pub(super) const CAST_SLICE: &str = "cast_slice";
pub(super) const HELP: &str = "write `let words = cast_slice::<u32>(bytes);`";

/// The call if the expression is one that makes a view.
pub(super) fn view_call(expr: &syn::Expr) -> Option<&syn::ExprCall> {
    let syn::Expr::Call(call) = super::expr::ungroup(expr) else { return None };
    let syn::Expr::Path(path) = super::expr::ungroup(&call.func) else { return None };
    let ours = |name: &str| matches!(name, "firesteel" | "dsl" | "prelude");
    let segments = &path.path.segments;
    let before = segments.iter().rev().skip(1).all(|it| ours(&it.ident.to_string()));
    let last = segments.last().is_some_and(|last| last.ident == CAST_SLICE);
    (last && before).then_some(call)
}

impl Parser<'_, '_> {
    /// The statement, or the name alone where something is wrong with it.
    pub(super) fn view_let(
        &mut self,
        pat: &syn::Pat,
        ty: Option<&syn::Type>,
        call: &syn::ExprCall,
        span: SpanRange,
    ) -> Stmt {
        if let Some(ty) = ty {
            let message = "a view has no type annotation";
            self.error(Code::BadArgument, SpanRange::of(ty), message, HELP);
        }
        let at = SpanRange::of(call);
        let syn::Pat::Ident(name) = pat else {
            self.error(Code::BadArgument, SpanRange::of(pat), "a view is bound to one name", HELP);
            return Stmt::Expr(self.error_node(at), true);
        };
        let name = name.ident.clone();
        let elem = self.view_elem(call, at);
        let of = self.viewed(call, at);
        let (Some(elem), Some((of, of_ident))) = (elem, of) else {
            self.scopes.define(name.to_string(), Def::Error);
            return Stmt::Expr(self.error_node(at), true);
        };
        let id = ViewId(self.views.len());
        self.scopes.define(name.to_string(), Def::Memory(Memory::View(id)));
        self.views.push(ViewDecl { ident: name, of, of_ident, elem, span: at });
        Stmt::View(id, span)
    }

    /// The type between the angle brackets.
    fn view_elem(&mut self, call: &syn::ExprCall, at: SpanRange) -> Option<TyExpr> {
        if let syn::Expr::Path(path) = super::expr::ungroup(&call.func)
            && let Some(last) = path.path.segments.last()
            && let PathArguments::AngleBracketed(written) = &last.arguments
            && let (1, Some(GenericArgument::Type(ty))) = (written.args.len(), written.args.first())
            && !matches!(ty, syn::Type::Infer(_))
        {
            return Some(self.ty(ty));
        }
        let message = "`cast_slice` needs the type of the elements";
        self.error(Code::BadArgument, at, message, HELP);
        None
    }

    /// The memory that is the argument.
    fn viewed(&mut self, call: &syn::ExprCall, at: SpanRange) -> Option<(Memory, Ident)> {
        let args: Vec<_> = call.args.iter().map(|arg| self.expr(arg)).collect();
        let [arg] = args.as_slice() else {
            let message = format!("`cast_slice` takes 1 argument, not {}", args.len());
            self.error(Code::WrongArity, at, message, HELP);
            return None;
        };
        let mut target = arg;
        while let ExprKind::Ref(_, inner) = &target.kind {
            target = inner;
        }
        match &target.kind {
            ExprKind::Memory(memory, name) => Some((*memory, name.clone())),
            ExprKind::Error(_) => None,
            _ => {
                let message = "`cast_slice` wants a slice or a shared array here";
                self.error(Code::BadArgument, arg.span, message, "write its name");
                None
            }
        }
    }
}
