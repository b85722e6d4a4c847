//! Loops over ranges: which are unrolled, and how.
//!
//! A loop is unrolled completely where the user says so, where it is small, and where its body
//! indexes registers in a way that is constant only then. A turn that is copied becomes a block;
//! `continue` leaves that block, `break` leaves the block around all turns.

use super::expr::statement;
use super::{Fold, Known, value};
use crate::diag::Code;
use crate::hir::{
    Block, Expr, ExprKind, For, Local, LocalId, LoopId, Rev, SpanRange, Stmt, StmtKind, Ty, Unroll,
    Value,
};
use crate::value::Scalar;
use crate::walk;

/// The most expressions that unrolling one loop may make.
const MAX_SIZE: u128 = 1 << 17;
/// The most expressions that unrolling a loop without being asked may make.
const SMALL_SIZE: u128 = 64;

/// The values of a loop with constant bounds.
#[derive(Clone, Copy)]
pub(super) struct Trips {
    pub(super) first: i128,
    pub(super) stride: i128,
    pub(super) count: u128,
}

/// Start, end and step of a loop, folded.
pub(super) struct Bounds {
    pub(super) start: Expr,
    pub(super) end: Expr,
    pub(super) step: Option<Expr>,
}

/// Which jumps a body has to its own loop.
pub(super) struct Jumps {
    pub(super) breaks: bool,
    pub(super) continues: bool,
}

impl Fold<'_> {
    pub(super) fn for_loop(&mut self, it: &For, span: SpanRange) -> ExprKind {
        let start = self.expr(&it.start);
        let end = self.expr(&it.end);
        let step = it.step.as_ref().map(|step| self.expr(step));
        let bounds = Bounds { start, end, step };
        let trips = trips(it, &bounds);
        match (it.unroll, trips) {
            (Unroll::Full, None) => {
                let message = "`#[unroll]` needs bounds that are constant".to_owned();
                let help = "make them constant, or write `#[unroll(4)]`";
                self.report(&it.end, Code::CannotUnroll, it.end.span, message, help);
                self.rolled(it, bounds)
            }
            (Unroll::Full, Some(trips)) => self.unrolled_if_small(it, bounds, trips),
            (Unroll::By(n), Some(trips)) if trips.count <= u128::from(n) => {
                self.unrolled_if_small(it, bounds, trips)
            }
            (Unroll::By(n), _) if n > 1 => self.unrolled_by(it, bounds, n, trips, span),
            (Unroll::Never, _) | (Unroll::Auto | Unroll::By(_), None) => self.rolled(it, bounds),
            (Unroll::Auto | Unroll::By(_), Some(trips)) => self.automatic(it, bounds, trips),
        }
    }

    /// `continue`; in a copied turn it leaves the turn's block.
    pub(super) fn continue_expr(&mut self, target: LoopId) -> ExprKind {
        match self.turns.get(&target) {
            Some(turn) => ExprKind::Break { target: *turn, value: None },
            None => ExprKind::Continue { target: self.loop_id(target) },
        }
    }

    /// Keeps the loop as it is.
    fn rolled(&mut self, it: &For, bounds: Bounds) -> ExprKind {
        self.turns.remove(&it.id);
        let id = self.declare_loop(it.id);
        let local = it.local.map(|local| self.declare(local));
        let body = self.repeated(&it.body, |cx| {
            if let Some(local) = local {
                cx.known.remove(&local);
            }
            cx.block(&it.body)
        });
        let Bounds { start, end, step } = bounds;
        let &For { ty, inclusive, rev, unroll, .. } = it;
        ExprKind::For(Box::new(For {
            id,
            local,
            ty,
            start,
            end,
            inclusive,
            step,
            rev,
            unroll,
            body,
        }))
    }

    /// Unrolls where it is worth it or where the indices of registers demand it.
    fn automatic(&mut self, it: &For, bounds: Bounds, trips: Trips) -> ExprKind {
        let size = trips.count.saturating_mul(weight(&it.body));
        if size > MAX_SIZE {
            return self.rolled(it, bounds);
        }
        if size <= SMALL_SIZE || self.must_unroll.contains(&it.id) {
            return self.unrolled(it, trips);
        }
        // Tries without; a register index that is not constant decides otherwise.
        let (found, reported) = (self.found.len(), self.reported.clone());
        let known = self.known.clone();
        let (n_locals, n_loops) = (self.locals.len(), self.n_loops);
        let rolled = self.rolled(it, bounds);
        let dynamic = |diag: &crate::diag::Diag| diag.code == Code::DynamicRegisterIndex;
        if !self.found[found..].iter().any(dynamic) {
            return rolled;
        }
        self.found.truncate(found);
        self.locals.truncate(n_locals);
        (self.reported, self.known, self.n_loops) = (reported, known, n_loops);
        self.must_unroll.insert(it.id);
        self.unrolled(it, trips)
    }

    fn unrolled_if_small(&mut self, it: &For, bounds: Bounds, trips: Trips) -> ExprKind {
        if trips.count.saturating_mul(weight(&it.body)) <= MAX_SIZE {
            return self.unrolled(it, trips);
        }
        let message = format!("a loop of {} turns is too long to be unrolled", trips.count);
        let help = "write `#[unroll(8)]` to unroll it in part";
        self.report(&it.end, Code::CannotUnroll, it.end.span, message, help);
        self.rolled(it, bounds)
    }

    /// All turns, one after the other.
    fn unrolled(&mut self, it: &For, trips: Trips) -> ExprKind {
        let jumps = jumps(&it.body, it.id);
        let exit = jumps.breaks.then(|| self.new_loop());
        let outer = self.copying;
        self.copying |= trips.count > 1;
        let mut stmts = Vec::new();
        let mut at = trips.first;
        for _ in 0..trips.count {
            let index = Value::int(it.ty, at);
            let turn = self.turn(it, exit, &jumps, |cx, local, stmts| {
                cx.learn(local, Some(Known::Scalar(index)));
                if cx.locals[local.0].mutable {
                    stmts.push(declaration(local, literal(index, it.end.span)));
                }
            });
            stmts.push(statement(turn));
            at += trips.stride;
        }
        self.copying = outer;
        if jumps.breaks {
            self.forget(&walk::assigned(&it.body));
        }
        ExprKind::Block { label: exit, block: unit_block(stmts, it.body.span) }
    }

    /// One turn: a block that declares the variable as `declare` says. `break` goes to `exit`.
    pub(super) fn turn(
        &mut self,
        it: &For,
        exit: Option<LoopId>,
        jumps: &Jumps,
        declare: impl FnOnce(&mut Self, LocalId, &mut Vec<Stmt>),
    ) -> Expr {
        let label = jumps.continues.then(|| self.new_loop());
        match label {
            Some(label) => self.turns.insert(it.id, label),
            None => self.turns.remove(&it.id),
        };
        if let Some(exit) = exit {
            self.loop_copies.insert(it.id, exit);
        }
        let mut stmts = Vec::new();
        if let Some(local) = it.local {
            let local = self.declare(local);
            declare(self, local, &mut stmts);
        }
        let mut body = self.block(&it.body);
        if jumps.breaks || jumps.continues {
            self.forget(&walk::assigned(&it.body));
        }
        body.stmts.splice(0..0, stmts);
        let span = body.span;
        Expr { kind: ExprKind::Block { label, block: body }, ty: Ty::Unit, span }
    }

    /// A variable that the source does not have.
    pub(super) fn new_local(
        &mut self,
        name: &str,
        ty: Scalar,
        mutable: bool,
        span: SpanRange,
    ) -> LocalId {
        self.locals.push(Local { name: name.to_owned(), ty: Ty::Scalar(ty), mutable, span });
        LocalId(self.locals.len() - 1)
    }
}

/// The values of a loop, if its bounds are constants and its step is one and not 0.
fn trips(it: &For, bounds: &Bounds) -> Option<Trips> {
    let (low, end) = (value(&bounds.start)?.as_int(), value(&bounds.end)?.as_int());
    let high = if it.inclusive { end } else { end - 1 };
    let step = match &bounds.step {
        Some(step) => value(step)?.as_int(),
        None => 1,
    };
    if step == 0 {
        return None;
    }
    let count = if low > high { 0 } else { (high - low) / step + 1 };
    let (first, stride) = match it.rev {
        Rev::No => (low, step),
        Rev::BeforeStep => (high, -step),
        Rev::AfterStep => (low + (count - 1) * step, -step),
    };
    Some(Trips { first, stride, count: count as u128 })
}

/// The number of expressions in a body.
fn weight(body: &Block) -> u128 {
    let mut weight = 1;
    walk::block(body, &mut |_| weight += 1);
    weight
}

/// Which jumps a body has to the loop `id`.
pub(super) fn jumps(body: &Block, id: LoopId) -> Jumps {
    let mut jumps = Jumps { breaks: false, continues: false };
    walk::block(body, &mut |it| match it.kind {
        ExprKind::Break { target, .. } => jumps.breaks |= target == id,
        ExprKind::Continue { target } => jumps.continues |= target == id,
        _ => {}
    });
    jumps
}

/// `let local = init;`
pub(super) fn declaration(local: LocalId, init: Expr) -> Stmt {
    let span = init.span;
    Stmt { kind: StmtKind::Let { local, init: Some(init) }, span }
}

/// A constant.
pub(super) fn literal(value: Value, span: SpanRange) -> Expr {
    Expr { ty: Ty::Scalar(value.ty()), kind: ExprKind::Value(value), span }
}

/// Statements without a value.
pub(super) fn unit_block(stmts: Vec<Stmt>, span: SpanRange) -> Block {
    Block { stmts, tail: None, ty: Ty::Unit, span }
}
