//! Constants: as rustc has them, and what stands for those that stable Rust cannot have.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::Shadow;
use crate::ast::{Block, ConstId, Expr, ExprKind, TyExpr, TyExprKind};

impl Shadow<'_> {
    pub(super) fn const_item(&self, id: ConstId) -> TokenStream {
        let decl = &self.ast.consts[id.0];
        let Some(value) = &decl.expr else { return TokenStream::new() };
        let (name, ty, span) = (&decl.ident, self.ty(&decl.ty), decl.ty.span.start);
        if self.is_generic && (self.depends(value) || of_parameter(&decl.ty)) {
            // An item cannot use the parameters of the function around it.
            let value = self.expr(value);
            return quote_spanned!(span=> #[allow(non_snake_case)] let #name: #ty = #value;);
        }
        let value = self.constant(value);
        quote_spanned!(span=> const #name: #ty = #value;)
    }

    /// The length of an array.
    pub(super) fn length(&self, id: ConstId) -> TokenStream {
        self.ast.consts[id.0].expr.as_ref().map_or(quote!(0), |len| self.constant(len))
    }

    /// The length of a shared array, which is a value to rustc.
    pub(super) fn length_value(&self, id: ConstId) -> TokenStream {
        self.ast.consts[id.0].expr.as_ref().map_or(quote!(0), |len| self.expr(len))
    }

    fn constant(&self, expr: &Expr) -> TokenStream {
        let outer = self.in_const.replace(true);
        let tokens = self.expr(expr);
        self.in_const.set(outer);
        tokens
    }

    /// Whether a constant is computed from a const parameter, and is not such a parameter itself.
    pub(super) fn is_computed(&self, id: ConstId) -> bool {
        let Some(expr) = &self.ast.consts[id.0].expr else { return false };
        let is_param = matches!(&expr.kind, ExprKind::Const(id, _)
            if self.ast.consts[id.0].expr.is_none());
        self.is_generic && !is_param && self.depends(expr)
    }

    /// Whether an expression mentions a generic parameter.
    fn depends(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Const(id, _) => {
                self.ast.consts[id.0].expr.as_ref().is_none_or(|value| self.depends(value))
            }
            ExprKind::Associated(_, ty, _) => of_parameter(ty),
            ExprKind::Unary(_, _, inner)
            | ExprKind::Cast(inner, _)
            | ExprKind::From(_, _, inner)
            | ExprKind::Field(inner, _)
            | ExprKind::Repeat(inner, _) => self.depends(inner),
            ExprKind::Binary(_, _, left, right)
            | ExprKind::Logic(_, _, left, right)
            | ExprKind::Index(left, right) => self.depends(left) || self.depends(right),
            ExprKind::Method(receiver, _, args) => {
                self.depends(receiver) || args.iter().any(|arg| self.depends(arg))
            }
            ExprKind::Tuple(elems) | ExprKind::Array(elems) => {
                elems.iter().any(|elem| self.depends(elem))
            }
            ExprKind::If(cond, then, otherwise) => {
                self.depends(cond)
                    || self.tail_depends(then)
                    || otherwise.as_ref().is_some_and(|it| self.depends(it))
            }
            ExprKind::Block(_, block) => self.tail_depends(block),
            ExprKind::Struct(of, base) => {
                of.fields.iter().any(|(_, _, value)| self.depends(value))
                    || base.as_ref().is_some_and(|base| self.depends(base))
            }
            // No constant is one of these.
            ExprKind::MethodCall(_) => false,
            ExprKind::Lit(_)
            | ExprKind::Local(..)
            | ExprKind::Memory(..)
            | ExprKind::Map(..)
            | ExprKind::Scope(..)
            | ExprKind::Order(..)
            | ExprKind::Ref(..)
            | ExprKind::Deref(..)
            | ExprKind::Call(_)
            | ExprKind::Inline(_)
            | ExprKind::Closure(_)
            | ExprKind::Vector { .. }
            | ExprKind::Zero(..)
            | ExprKind::Loop(..)
            | ExprKind::While(..)
            | ExprKind::For(_)
            | ExprKind::Match(..)
            | ExprKind::Break(..)
            | ExprKind::Continue(..)
            | ExprKind::Return(_)
            | ExprKind::Assign(..)
            | ExprKind::AssignOp(..)
            | ExprKind::Assert(..)
            | ExprKind::Print(..)
            | ExprKind::Error(_) => false,
        }
    }

    fn tail_depends(&self, block: &Block) -> bool {
        block.tail.as_ref().is_some_and(|tail| self.depends(tail))
    }
}

/// Whether a type mentions a type parameter.
fn of_parameter(ty: &TyExpr) -> bool {
    match &ty.kind {
        TyExprKind::Param(..) => true,
        TyExprKind::Array(elem, _) | TyExprKind::Fragment(_, elem, _) => of_parameter(elem),
        TyExprKind::Tuple(elems) => elems.iter().any(of_parameter),
        TyExprKind::Scalar(_)
        | TyExprKind::Vector(..)
        | TyExprKind::Struct(..)
        | TyExprKind::Unit
        | TyExprKind::Infer
        | TyExprKind::Error => false,
    }
}
