//! Expressions without control flow.

use proc_macro2::Span;
use syn::spanned::Spanned;

use super::Parser;
use crate::ast::{Expr, ExprKind, Member, TyExprKind};
use crate::diag::{Code, nearest};
use crate::intrinsics;
use crate::span::SpanRange;
use crate::value::{BinOp, Scalar, UnOp};

/// The expression in invisible delimiters, which `macro_rules` leaves.
pub(super) fn ungroup(expr: &syn::Expr) -> &syn::Expr {
    match expr {
        syn::Expr::Group(group) => ungroup(&group.expr),
        other => other,
    }
}

/// What a binary token means.
enum Token {
    Op(BinOp),
    Assign(BinOp),
    Logic(bool),
}

fn token(op: &syn::BinOp) -> Option<Token> {
    use syn::BinOp as T;
    Some(match op {
        T::Add(_) => Token::Op(BinOp::Add),
        T::Sub(_) => Token::Op(BinOp::Sub),
        T::Mul(_) => Token::Op(BinOp::Mul),
        T::Div(_) => Token::Op(BinOp::Div),
        T::Rem(_) => Token::Op(BinOp::Rem),
        T::And(_) => Token::Logic(true),
        T::Or(_) => Token::Logic(false),
        T::BitXor(_) => Token::Op(BinOp::BitXor),
        T::BitAnd(_) => Token::Op(BinOp::BitAnd),
        T::BitOr(_) => Token::Op(BinOp::BitOr),
        T::Shl(_) => Token::Op(BinOp::Shl),
        T::Shr(_) => Token::Op(BinOp::Shr),
        T::Eq(_) => Token::Op(BinOp::Eq),
        T::Lt(_) => Token::Op(BinOp::Lt),
        T::Le(_) => Token::Op(BinOp::Le),
        T::Ne(_) => Token::Op(BinOp::Ne),
        T::Ge(_) => Token::Op(BinOp::Ge),
        T::Gt(_) => Token::Op(BinOp::Gt),
        T::AddAssign(_) => Token::Assign(BinOp::Add),
        T::SubAssign(_) => Token::Assign(BinOp::Sub),
        T::MulAssign(_) => Token::Assign(BinOp::Mul),
        T::DivAssign(_) => Token::Assign(BinOp::Div),
        T::RemAssign(_) => Token::Assign(BinOp::Rem),
        T::BitXorAssign(_) => Token::Assign(BinOp::BitXor),
        T::BitAndAssign(_) => Token::Assign(BinOp::BitAnd),
        T::BitOrAssign(_) => Token::Assign(BinOp::BitOr),
        T::ShlAssign(_) => Token::Assign(BinOp::Shl),
        T::ShrAssign(_) => Token::Assign(BinOp::Shr),
        _ => return None,
    })
}

impl Parser<'_, '_> {
    pub(super) fn expr(&mut self, expr: &syn::Expr) -> Expr {
        match expr {
            syn::Expr::Group(it) => self.expr(&it.expr),
            syn::Expr::Paren(it) => {
                let span = it.paren_token.span;
                let inner = self.expr(&it.expr);
                Expr { span: SpanRange { start: span.open(), end: span.close() }, ..inner }
            }
            syn::Expr::Lit(it) => self.lit(&it.lit),
            syn::Expr::Path(it) => self.path(it),
            syn::Expr::Unary(it) => self.unary(it),
            syn::Expr::Binary(it) => self.binary(it),
            syn::Expr::Cast(it) => self.cast(it),
            syn::Expr::Index(it) => self.index(it),
            syn::Expr::Field(it) => self.field(it),
            syn::Expr::Tuple(it) => {
                let span = it.paren_token.span;
                let elems = it.elems.iter().map(|elem| self.expr(elem)).collect();
                let span = SpanRange { start: span.open(), end: span.close() };
                self.node(ExprKind::Tuple(elems), span)
            }
            syn::Expr::Array(it) => {
                let elems = it.elems.iter().map(|elem| self.expr(elem)).collect();
                self.node(ExprKind::Array(elems), brackets(it.bracket_token))
            }
            syn::Expr::Repeat(it) => {
                let elem = Box::new(self.expr(&it.expr));
                let len = self.anonymous_const(TyExprKind::Scalar(Scalar::Usize), &it.len);
                self.node(ExprKind::Repeat(elem, len), brackets(it.bracket_token))
            }
            syn::Expr::Reference(it) => {
                let inner = Box::new(self.expr(&it.expr));
                let span = SpanRange::from(it.and_token.span).to(inner.span);
                self.node(ExprKind::Ref(it.mutability.is_some(), inner), span)
            }
            syn::Expr::Struct(it) => self.struct_literal(it),
            syn::Expr::Call(it) => self.call(it),
            syn::Expr::MethodCall(it) => self.method(it),
            syn::Expr::Macro(it) => self.macro_call(&it.mac),
            syn::Expr::Assign(it) => self.assignment(it),
            _ => self.control(expr),
        }
    }

    fn unary(&mut self, unary: &syn::ExprUnary) -> Expr {
        let (op, at) = match &unary.op {
            syn::UnOp::Neg(token) => (UnOp::Neg, token.span()),
            syn::UnOp::Not(token) => (UnOp::Not, token.span()),
            syn::UnOp::Deref(token) => return self.dereference(unary, token.span()),
            _ => {
                self.unsupported(
                    SpanRange::of(unary),
                    "this operator",
                    "use the operators of Rust",
                );
                return self.error_node(SpanRange::of(unary));
            }
        };
        let inner = self.expr(&unary.expr);
        let span = SpanRange::from(at).to(inner.span);
        self.node(ExprKind::Unary(op, at, Box::new(inner)), span)
    }

    /// `*a`, where `a` is a parameter that is a reference.
    fn dereference(&mut self, unary: &syn::ExprUnary, at: Span) -> Expr {
        let span = SpanRange::of(unary);
        let syn::Expr::Path(_) = ungroup(&unary.expr) else {
            let help = "kernels have no references: write the element, `x[i]`";
            self.unsupported(span, "`*`", help);
            return self.error_node(span);
        };
        let inner = self.expr(&unary.expr);
        match inner.kind {
            ExprKind::Local(id, _) if self.locals[id.0].reference.is_some() => {
                self.node(ExprKind::Deref(at, Box::new(inner)), span)
            }
            ExprKind::Error(_) => inner,
            _ => {
                let help = "remove the `*`: only a parameter `&T` or `&mut T` is a reference";
                self.unsupported(span, "`*` of a value", help);
                self.error_node(span)
            }
        }
    }

    fn binary(&mut self, binary: &syn::ExprBinary) -> Expr {
        let at = SpanRange::of(&binary.op);
        let left = Box::new(self.expr(&binary.left));
        let right = Box::new(self.expr(&binary.right));
        let span = left.span.to(right.span);
        let kind = match token(&binary.op) {
            Some(Token::Op(op)) => ExprKind::Binary(op, at, left, right),
            Some(Token::Assign(op)) => {
                self.not_captured(&left);
                ExprKind::AssignOp(op, at, left, right)
            }
            Some(Token::Logic(and)) => ExprKind::Logic(and, at, left, right),
            None => {
                self.unsupported(at, "this operator", "use the operators of Rust");
                ExprKind::Error(vec![*left, *right])
            }
        };
        self.node(kind, span)
    }

    fn cast(&mut self, cast: &syn::ExprCast) -> Expr {
        let inner = self.expr(&cast.expr);
        let ty = self.ty(&cast.ty);
        let span = inner.span.to(ty.span);
        self.node(ExprKind::Cast(Box::new(inner), ty), span)
    }

    fn index(&mut self, index: &syn::ExprIndex) -> Expr {
        let base = self.expr(&index.expr);
        let at = self.expr(&index.index);
        let span = base.span.to(SpanRange::from(index.bracket_token.span.close()));
        self.node(ExprKind::Index(Box::new(base), Box::new(at)), span)
    }

    fn field(&mut self, field: &syn::ExprField) -> Expr {
        let base = self.expr(&field.base);
        let member = match &field.member {
            syn::Member::Named(name) => Member::Named(name.clone()),
            syn::Member::Unnamed(index) => Member::Index(index.index, index.span),
        };
        let span = base.span.to(SpanRange::from(field.member.span()));
        self.node(ExprKind::Field(Box::new(base), member), span)
    }

    fn method(&mut self, call: &syn::ExprMethodCall) -> Expr {
        if self.has_method(&call.method.to_string()) {
            return self.method_call(call);
        }
        let receiver = self.expr(&call.receiver);
        let args: Vec<Expr> = call.args.iter().map(|arg| self.expr(arg)).collect();
        let span = receiver.span.to(SpanRange::from(call.paren_token.span.close()));
        if let Some(turbofish) = &call.turbofish {
            let message = "methods of kernels have no generic arguments";
            self.error(Code::UnknownMethod, SpanRange::of(turbofish), message, "leave them out");
        }
        let name = call.method.to_string();
        let known = matches!(&*name, "len" | "to_f32") || intrinsics::method(&name).is_some();
        if !known {
            let methods = intrinsics::rows().filter(|row| row.kind.is_method());
            let of_structs = self.method_names();
            let of_structs = of_structs.iter().map(String::as_str);
            let help = match nearest(&name, methods.map(|row| row.name).chain(of_structs)) {
                Some(near) => format!("did you mean `{near}`?"),
                None if intrinsics::function(&[&name]).is_some() => {
                    format!("it is a function: write `{name}(..)`")
                }
                None => "kernels have the methods of scalars that the documentation lists".into(),
            };
            let message = format!("no method named `{name}`");
            self.error(Code::UnknownMethod, call.method.span(), message, help);
            let mut parts = vec![receiver];
            parts.extend(args);
            return self.node(ExprKind::Error(parts), span);
        }
        self.node(ExprKind::Method(Box::new(receiver), call.method.clone(), args), span)
    }
}

fn brackets(token: syn::token::Bracket) -> SpanRange {
    SpanRange { start: token.span.open(), end: token.span.close() }
}
