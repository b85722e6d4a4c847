//! `#[unroll(n)]`: several turns at once, and a loop for those that are left.
//!
//! The turns are counted from 0, whatever the range is, so that one form serves all ranges:
//!
//! ```text
//! if start < end {
//!     let count = (end - 1 - start) / step + 1;
//!     let mut turn = 0;
//!     'exit: {
//!         while count - turn >= n { n times { let i = start + (turn + k) * step; .. } turn += n }
//!         while turn < count { let i = start + turn * step; ..; turn += 1 }
//!     }
//! }
//! ```

use super::Fold;
use super::expr::statement;
use super::unroll::{Bounds, Jumps, Trips, declaration, jumps, literal, unit_block};
use crate::hir::{
    BinOp, Block, Expr, ExprKind, For, LocalId, LoopId, Place, Rev, Root, Scalar, SpanRange, Stmt,
    Ty, Value,
};
use crate::value;
use crate::walk;

/// A loop that counts its turns.
struct Counted {
    start: LocalId,
    /// The last value of the range, or of the stepped range.
    end: LocalId,
    step: Expr,
    count: LocalId,
    turn: LocalId,
    /// The type of the variable, as unsigned.
    unsigned: Scalar,
    /// The type that counts: it holds the number of turns.
    counter: Scalar,
    exit: LoopId,
    jumps: Jumps,
}

impl Fold<'_> {
    pub(super) fn unrolled_by(
        &mut self,
        it: &For,
        bounds: Bounds,
        n: u32,
        trips: Option<Trips>,
        span: SpanRange,
    ) -> ExprKind {
        let assigned = walk::assigned(&it.body);
        self.forget(&assigned);
        let outer = std::mem::replace(&mut self.copying, true);
        let mut stmts = Vec::new();
        let counted = self.counted(it, bounds, span, &mut stmts);
        let op = if it.inclusive { BinOp::Le } else { BinOp::Lt };
        let not_empty =
            binary(op, load(counted.start, it.ty, span), load(counted.end, it.ty, span), span);
        let then = self.counted_body(it, &counted, (n, trips), span);
        stmts.push(statement(if_then(not_empty, then, span)));
        self.copying = outer;
        self.forget(&assigned);
        ExprKind::Block { label: None, block: unit_block(stmts, span) }
    }

    /// Evaluates the bounds.
    fn counted(
        &mut self,
        it: &For,
        bounds: Bounds,
        span: SpanRange,
        stmts: &mut Vec<Stmt>,
    ) -> Counted {
        let unsigned = it.ty.unsigned();
        let counter = match unsigned.bits() {
            8 | 16 => Scalar::U32,
            32 if !it.inclusive => Scalar::U32,
            _ => Scalar::U64,
        };
        let start = self.new_local("start", it.ty, false, span);
        let end = self.new_local("end", it.ty, false, span);
        stmts.push(declaration(start, bounds.start));
        stmts.push(declaration(end, bounds.end));
        let step = match bounds.step {
            None => literal(Value::int(unsigned, 1), span),
            Some(step) => self.counted_step(step, unsigned, stmts),
        };
        let count = self.new_local("count", counter, false, span);
        let turn = self.new_local("turn", counter, true, span);
        let (exit, jumps) = (self.new_loop(), jumps(&it.body, it.id));
        Counted { start, end, step, count, turn, unsigned, counter, exit, jumps }
    }

    /// The step in the unsigned type of the variable: larger ones are cut off, which is the same.
    fn counted_step(&mut self, step: Expr, to: Scalar, stmts: &mut Vec<Stmt>) -> Expr {
        let span = step.span;
        let (_, most) = to.int_range();
        if let Some(value) = super::value(&step).filter(|value| value.as_int() != 0) {
            return literal(value::Value::int(to, value.as_int().min(most)), span);
        }
        let from = step.ty.scalar().unwrap_or(Scalar::Usize);
        let whole = self.new_local("step", from, false, span);
        stmts.push(declaration(whole, step));
        if self.checked {
            let zero = literal(Value::int(from, 0), span);
            let not_zero = binary(BinOp::Ne, load(whole, from, span), zero, span);
            let message = "assertion failed: step != 0".to_owned();
            let kind = ExprKind::Assert { cond: Box::new(not_zero), message };
            stmts.push(statement(Expr { kind, ty: Ty::Unit, span }));
        }
        let cut = literal(Value::int(from, most), span);
        let too_large = binary(BinOp::Gt, load(whole, from, span), cut.clone(), span);
        let value = |expr: Expr| Block {
            stmts: Vec::new(),
            ty: expr.ty.clone(),
            span,
            tail: Some(Box::new(expr)),
        };
        let kind = ExprKind::If {
            cond: Box::new(too_large),
            then: value(cut),
            otherwise: Some(value(load(whole, from, span))),
        };
        let step = self.new_local("step", to, false, span);
        let chosen = Expr { kind, ty: Ty::Scalar(from), span };
        stmts.push(declaration(step, cast(chosen, to)));
        load(step, to, span)
    }

    /// What is done if the range is not empty.
    fn counted_body(
        &mut self,
        it: &For,
        counted: &Counted,
        (n, trips): (u32, Option<Trips>),
        span: SpanRange,
    ) -> Block {
        let Counted { counter, count, turn, .. } = *counted;
        let one = literal(Value::int(counter, 1), span);
        let turns = binary(BinOp::Div, distance(it, counted, span), counted.step.clone(), span);
        let turns = binary(BinOp::Add, cast(turns, counter), one.clone(), span);
        let n_turns = literal(Value::int(counter, i128::from(n)), span);
        let left = binary(BinOp::Sub, load(count, counter, span), load(turn, counter, span), span);
        let enough = binary(BinOp::Ge, left, n_turns, span);
        let mut loops = vec![self.counted_loop(it, counted, enough, n, span)];
        if trips.is_none_or(|trips| !trips.count.is_multiple_of(u128::from(n))) {
            let (at, count) = (load(turn, counter, span), load(count, counter, span));
            let more = binary(BinOp::Lt, at, count, span);
            loops.push(self.counted_loop(it, counted, more, 1, span));
        }
        let all = ExprKind::Block { label: Some(counted.exit), block: unit_block(loops, span) };
        let zero = literal(Value::int(counter, 0), span);
        unit_block(
            vec![
                declaration(count, turns),
                declaration(turn, zero),
                statement(Expr { kind: all, ty: Ty::Unit, span }),
            ],
            span,
        )
    }

    /// `while cond { n turns; turn += n; }`
    fn counted_loop(
        &mut self,
        it: &For,
        counted: &Counted,
        cond: Expr,
        n: u32,
        span: SpanRange,
    ) -> Stmt {
        let assigned = walk::assigned(&it.body);
        self.forget(&assigned);
        let mut stmts = Vec::new();
        for k in 0..n {
            let index = index(it, counted, k, span);
            let turn = self.turn(it, Some(counted.exit), &counted.jumps, |cx, local, stmts| {
                cx.known.remove(&local);
                stmts.push(declaration(local, index));
            });
            stmts.push(statement(turn));
        }
        let by = literal(Value::int(counted.counter, i128::from(n)), span);
        let place = local_place(counted.turn, counted.counter, span);
        let kind = ExprKind::AssignOp { op: BinOp::Add, place, value: Box::new(by) };
        stmts.push(statement(Expr { kind, ty: Ty::Unit, span }));
        self.forget(&assigned);
        let (id, body) = (self.new_loop(), unit_block(stmts, span));
        let kind = ExprKind::While { id, cond: Box::new(cond), body };
        statement(Expr { kind, ty: Ty::Unit, span })
    }
}

/// From the first to the last value of the range.
fn distance(it: &For, counted: &Counted, span: SpanRange) -> Expr {
    let unsigned = counted.unsigned;
    let start = cast(load(counted.start, it.ty, span), unsigned);
    binary(BinOp::Sub, last(it, counted, span), start, span)
}

/// The last value of the range, as unsigned.
fn last(it: &For, counted: &Counted, span: SpanRange) -> Expr {
    let end = cast(load(counted.end, it.ty, span), counted.unsigned);
    if it.inclusive {
        return end;
    }
    binary(BinOp::Sub, end, literal(Value::int(counted.unsigned, 1), span), span)
}

/// The variable in the turn `turn + k`.
fn index(it: &For, counted: &Counted, k: u32, span: SpanRange) -> Expr {
    let Counted { counter, unsigned, count, turn, .. } = *counted;
    let k = literal(Value::int(counter, i128::from(k)), span);
    let mut at = binary(BinOp::Add, load(turn, counter, span), k, span);
    if it.rev == Rev::AfterStep {
        let one = literal(Value::int(counter, 1), span);
        let last = binary(BinOp::Sub, load(count, counter, span), one, span);
        at = binary(BinOp::Sub, last, at, span);
    }
    let offset = binary(BinOp::Mul, cast(at, unsigned), counted.step.clone(), span);
    let value = match it.rev {
        Rev::BeforeStep => binary(BinOp::Sub, last(it, counted, span), offset, span),
        Rev::No | Rev::AfterStep => {
            let start = cast(load(counted.start, it.ty, span), unsigned);
            binary(BinOp::Add, start, offset, span)
        }
    };
    cast(value, it.ty)
}

fn local_place(local: LocalId, ty: Scalar, span: SpanRange) -> Place {
    Place { root: Root::Local(local), path: Vec::new(), ty: Ty::Scalar(ty), span }
}

fn load(local: LocalId, ty: Scalar, span: SpanRange) -> Expr {
    Expr { kind: ExprKind::Load(local_place(local, ty, span)), ty: Ty::Scalar(ty), span }
}

fn binary(op: BinOp, a: Expr, b: Expr, span: SpanRange) -> Expr {
    let ty = if op.is_comparison() { Ty::Scalar(Scalar::Bool) } else { a.ty.clone() };
    Expr { kind: ExprKind::Binary(op, Box::new(a), Box::new(b)), ty, span }
}

fn cast(expr: Expr, to: Scalar) -> Expr {
    let span = expr.span;
    Expr { kind: ExprKind::Cast(Box::new(expr)), ty: Ty::Scalar(to), span }
}

fn if_then(cond: Expr, then: Block, span: SpanRange) -> Expr {
    let kind = ExprKind::If { cond: Box::new(cond), then, otherwise: None };
    Expr { kind, ty: Ty::Unit, span }
}
