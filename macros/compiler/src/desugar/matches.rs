//! `match` to a chain of `if`.
//!
//! The value is computed once; an arm's test is a comparison or bit operations on comparisons,
//! its names are read before the guard, which has no effect that could be seen. The last arm is
//! taken without a test: rustc, which sees the same `match` in the shadow function, demands that
//! the arms cover every value.

use super::expr::bool_expr;
use super::{Desugar, load, local_place};
use crate::ast::{Arm, Expr, Pat, PatKind};
use crate::hir::{self, BinOp, Place, SpanRange, UnOp};
use crate::value::Scalar;

impl Desugar<'_> {
    pub(super) fn matching(
        &mut self,
        scrutinee: &Expr,
        arms: &[Arm],
        expr: &Expr,
    ) -> hir::ExprKind {
        let span = scrutinee.span;
        let init = self.expr(scrutinee);
        let ty = self.ty(scrutinee.id);
        let local = self.temporary("match", ty.clone(), span);
        let kind = hir::StmtKind::Let { local, init: Some(init) };
        let place = local_place(local, ty, span);
        let mut chain = self.arms(arms, &place, expr);
        chain.stmts.insert(0, hir::Stmt { kind, span });
        hir::ExprKind::Block { label: None, block: chain }
    }

    /// The first arm that matches.
    fn arms(&mut self, arms: &[Arm], place: &Place, expr: &Expr) -> hir::Block {
        let Some((arm, rest)) = arms.split_first() else {
            unreachable!("`infer` demands an arm, and the last one ends the chain")
        };
        let mut stmts = Vec::new();
        self.bind(&arm.pat, place, &mut stmts);
        let test = self.condition(arm, place, rest.is_empty());
        let body = self.as_block(&arm.body);
        let tail = match test {
            None => {
                let (ty, span) = (body.ty.clone(), body.span);
                hir::Expr { kind: hir::ExprKind::Block { label: None, block: body }, ty, span }
            }
            Some(cond) => {
                let otherwise = Some(self.arms(rest, place, expr));
                let kind = hir::ExprKind::If { cond: Box::new(cond), then: body, otherwise };
                hir::Expr { kind, ty: self.ty(expr.id), span: expr.span }
            }
        };
        let ty = tail.ty.clone();
        hir::Block { stmts, tail: Some(Box::new(tail)), ty, span: arm.pat.span }
    }

    /// When the arm is taken; `None` if always.
    fn condition(&mut self, arm: &Arm, place: &Place, last: bool) -> Option<hir::Expr> {
        if last {
            return None;
        }
        let guard = arm.guard.as_ref().map(|guard| self.expr(guard));
        match (self.test(&arm.pat, place), guard) {
            (test, None) => test,
            (None, guard) => guard,
            (Some(test), Some(guard)) => {
                let span = guard.span;
                let (left, right) = (Box::new(test), Box::new(guard));
                Some(bool_expr(hir::ExprKind::Logic { and: true, left, right }, span))
            }
        }
    }

    /// Whether the place has the form of the pattern; `None` if it always has.
    fn test(&mut self, pat: &Pat, place: &Place) -> Option<hir::Expr> {
        match &pat.kind {
            PatKind::Wild | PatKind::Error | PatKind::Bind(_, None) => None,
            PatKind::Bind(_, Some(inner)) => self.test(inner, place),
            PatKind::Value(value) => {
                let value = self.expr(value);
                Some(self.equals(place, value, pat.span))
            }
            PatKind::Range { start, end, inclusive } => {
                let below = if *inclusive { BinOp::Le } else { BinOp::Lt };
                let low = start.as_ref().map(|start| self.bound(BinOp::Ge, place, start));
                let high = end.as_ref().map(|end| self.bound(below, place, end));
                both(BinOp::BitAnd, low, high, pat.span)
            }
            PatKind::Or(pats) => {
                let tests: Option<Vec<_>> = pats.iter().map(|pat| self.test(pat, place)).collect();
                let either = |a, b| bit(BinOp::BitOr, a, b, pat.span);
                tests?.into_iter().reduce(either)
            }
            PatKind::Tuple(pats) => {
                let parts: Vec<_> = pats.iter().enumerate().collect();
                self.test_parts(&parts, place, pat.span)
            }
            PatKind::Struct(of, _) => {
                let parts: Vec<_> =
                    of.fields.iter().map(|(i, _, pat)| (*i as usize, pat)).collect();
                self.test_parts(&parts, place, pat.span)
            }
        }
    }

    /// Whether the fields have the forms of their patterns.
    fn test_parts(
        &mut self,
        parts: &[(usize, &Pat)],
        place: &Place,
        span: SpanRange,
    ) -> Option<hir::Expr> {
        let mut test = None;
        for (i, part) in parts {
            let field = self.field_of(place, *i, part.id, part.span);
            let next = self.test(part, &field);
            test = both(BinOp::BitAnd, test, next, span);
        }
        test
    }

    fn bound(&mut self, op: BinOp, place: &Place, bound: &Expr) -> hir::Expr {
        let span = bound.span;
        let bound = self.expr(bound);
        bit(op, load(place.clone()), bound, span)
    }

    fn equals(&mut self, place: &Place, value: hir::Expr, span: SpanRange) -> hir::Expr {
        let is_bool = value.ty.scalar() == Some(Scalar::Bool);
        match value.kind {
            hir::ExprKind::Value(known) if is_bool && known.as_bool() => load(place.clone()),
            hir::ExprKind::Value(_) if is_bool => {
                bool_expr(hir::ExprKind::Unary(UnOp::Not, Box::new(load(place.clone()))), span)
            }
            _ => bit(BinOp::Eq, load(place.clone()), value, span),
        }
    }
}

fn bit(op: BinOp, left: hir::Expr, right: hir::Expr, span: SpanRange) -> hir::Expr {
    bool_expr(hir::ExprKind::Binary(op, Box::new(left), Box::new(right)), span)
}

fn both(
    op: BinOp,
    left: Option<hir::Expr>,
    right: Option<hir::Expr>,
    span: SpanRange,
) -> Option<hir::Expr> {
    match (left, right) {
        (Some(left), Some(right)) => Some(bit(op, left, right, span)),
        (left, right) => left.or(right),
    }
}
