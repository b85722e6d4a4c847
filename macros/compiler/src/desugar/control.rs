//! Branches, loops and jumps.

use super::Desugar;
use crate::ast::{Adapter, Block, Expr, ExprKind, For, PatKind, Return};
use crate::hir::{self, Rev};

impl Desugar<'_> {
    pub(super) fn control(&mut self, expr: &Expr) -> hir::ExprKind {
        match &expr.kind {
            ExprKind::If(cond, then, otherwise) => match self.facts.folded.get(&expr.id) {
                Some(taken) => self.taken(*taken, then, otherwise.as_deref()),
                None => hir::ExprKind::If {
                    cond: Box::new(self.expr(cond)),
                    then: self.block(then),
                    otherwise: otherwise.as_ref().map(|it| self.as_block(it)),
                },
            },
            ExprKind::Block(label, block) => hir::ExprKind::Block {
                label: label.as_ref().map(|label| label.id),
                block: self.block(block),
            },
            ExprKind::Loop(label, body) => {
                hir::ExprKind::Loop { id: label.id, body: self.block(body) }
            }
            ExprKind::While(label, cond, body) => hir::ExprKind::While {
                id: label.id,
                cond: Box::new(self.expr(cond)),
                body: self.block(body),
            },
            ExprKind::For(parts) => hir::ExprKind::For(Box::new(self.for_loop(parts))),
            ExprKind::Match(scrutinee, arms) => self.matching(scrutinee, arms, expr),
            ExprKind::Break(id, _, value) => hir::ExprKind::Break {
                target: *id,
                value: value.as_ref().map(|value| Box::new(self.expr(value))),
            },
            ExprKind::Continue(id, _) => hir::ExprKind::Continue { target: *id },
            ExprKind::Return(Some(Return { target, value })) => hir::ExprKind::Break {
                target: *target,
                value: value.as_ref().map(|value| Box::new(self.expr(value))),
            },
            ExprKind::Return(None) => hir::ExprKind::Return,
            other => unreachable!("`expr` handles {other:?}"),
        }
    }

    /// The branch of a constant condition that is compiled.
    fn taken(&mut self, taken: bool, then: &Block, otherwise: Option<&Expr>) -> hir::ExprKind {
        let block = match otherwise {
            _ if taken => self.block(then),
            Some(otherwise) => self.as_block(otherwise),
            None => return hir::ExprKind::Unit,
        };
        hir::ExprKind::Block { label: None, block }
    }

    /// An expression as the block that it is, or that holds it.
    pub(super) fn as_block(&mut self, expr: &Expr) -> hir::Block {
        match &expr.kind {
            ExprKind::Block(None, block) => self.block(block),
            _ => {
                let expr = self.expr(expr);
                let (ty, span) = (expr.ty.clone(), expr.span);
                hir::Block { stmts: Vec::new(), tail: Some(Box::new(expr)), ty, span }
            }
        }
    }

    fn for_loop(&mut self, parts: &For) -> hir::For {
        let (start, end) = (self.expr(&parts.start), self.expr(&parts.end));
        let mut step = None;
        let mut rev = Rev::No;
        for adapter in &parts.adapters {
            match adapter {
                Adapter::StepBy(_, by) => step = Some(self.expr(by)),
                Adapter::Rev(_) if step.is_some() => rev = Rev::AfterStep,
                Adapter::Rev(_) => rev = Rev::BeforeStep,
            }
        }
        let local = match parts.pat.kind {
            PatKind::Bind(local, _) => Some(local),
            _ => None,
        };
        hir::For {
            id: parts.label.id,
            local,
            ty: self.scalar(parts.start.id),
            start,
            end,
            inclusive: parts.inclusive,
            step,
            rev,
            unroll: parts.unroll,
            body: self.block(&parts.body),
        }
    }
}
