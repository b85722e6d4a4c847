//! `for` over ranges.
//!
//! No count overflows: a loop that may end at the last value of its type asks how far the bound
//! is before it steps, and never computes a value outside of the range.

use firesteel_ptx::ir::{Label, Reg};
use firesteel_ptx::operand::Def;

use super::expr::scalar_of;
use super::val::{constant, immediate, int_ty};
use super::{Lower, Operand, SiteKind, Val, op};
use crate::hir::{BinOp, For, Rev, Scalar, SpanRange, Unroll, Value};

/// The bounds of a loop, evaluated.
struct Bounds {
    start: Operand,
    end: Operand,
    /// In the unsigned type of the width of the variable. Larger steps are cut off, which is
    /// the same: they leave the range.
    step: Operand,
    inclusive: bool,
    ty: Scalar,
    counter: Reg,
    exit: Label,
}

impl Bounds {
    fn steps_by_one(&self) -> bool {
        constant(&self.step, self.ty.unsigned()).is_some_and(|step| step.as_int() == 1)
    }
}

impl Lower<'_> {
    /// `for`, as a loop.
    pub(crate) fn for_loop(&mut self, it: &For) -> Val {
        let bounds = self.bounds(it);
        if !self.is_reachable() {
            return Val::unit();
        }
        let next = self.label();
        self.set_jumps(it.id, bounds.exit, next);
        match it.rev {
            Rev::No => self.count_up(it, &bounds, next),
            Rev::BeforeStep | Rev::AfterStep => self.count_down(it, &bounds, next),
        }
        self.place(bounds.exit);
        Val::unit()
    }

    fn bounds(&mut self, it: &For) -> Bounds {
        let start = self.scalar(&it.start);
        let start = self.pin_operand(start);
        let end = self.scalar(&it.end);
        let end = self.pin_operand(end);
        let ty = it.ty;
        let step = match &it.step {
            None => Operand::Int(1),
            Some(step) => {
                let (operand, from) = (self.scalar(step), scalar_of(&step.ty));
                let operand = self.pin_operand(operand);
                self.check_step(&operand, from, step.span);
                self.cut_step(operand, from, ty.unsigned())
            }
        };
        // The bounds are read again and again.
        self.keep();
        let (counter, exit) = (self.fresh(ty), self.label());
        Bounds { start, end, step, inclusive: it.inclusive, ty, counter, exit }
    }

    /// A step of 0 panics in Rust and faults here.
    fn check_step(&mut self, step: &Operand, ty: Scalar, span: SpanRange) {
        let nonzero = constant(step, ty).is_some_and(|step| step.as_int() != 0);
        if nonzero || self.kernel.signature.options.unchecked {
            return;
        }
        let message = "assertion failed: step != 0".to_owned();
        let fault = self.fault(span, SiteKind::Assert { message });
        let zero = self.compare(BinOp::Eq, ty, step.clone(), Operand::Int(0));
        self.branch_on(&zero, fault, true);
    }

    fn cut_step(&mut self, step: Operand, from: Scalar, to: Scalar) -> Operand {
        let (_, most) = to.int_range();
        if let Some(value) = constant(&step, from) {
            return immediate(Value::int(to, value.as_int().min(most)));
        }
        if from.bits() <= to.bits() {
            return self.convert(step, from, to);
        }
        let cut = self.int_min_max(from, false, step, Operand::Int(most as i64));
        self.convert(cut, from, to)
    }

    /// Leaves if the range is empty.
    fn skip_empty(&mut self, bounds: &Bounds) {
        let op = if bounds.inclusive { BinOp::Gt } else { BinOp::Ge };
        let empty = self.compare(op, bounds.ty, bounds.start.clone(), bounds.end.clone());
        self.branch_on(&empty, bounds.exit, true);
    }

    fn count_up(&mut self, it: &For, bounds: &Bounds, next: Label) {
        let checks_first = bounds.steps_by_one() && !bounds.inclusive;
        if !checks_first {
            self.skip_empty(bounds);
        }
        self.begin(it, bounds, bounds.start.clone());
        let head = self.label();
        self.place_head(head);
        self.forbid_unrolling(it);
        self.scoped(|cx| {
            if checks_first {
                let (counter, end) = (bounds.counter.into(), bounds.end.clone());
                let past = cx.compare(BinOp::Ge, bounds.ty, counter, end);
                cx.branch_on(&past, bounds.exit, true);
            }
            cx.turn(it, bounds.counter);
            cx.place(next);
            if !checks_first {
                cx.leave_at(bounds, true);
            }
            cx.step(bounds, BinOp::Add);
        });
        self.jump(head);
    }

    fn count_down(&mut self, it: &For, bounds: &Bounds, next: Label) {
        self.skip_empty(bounds);
        let one = (Operand::Int(1), bounds.ty);
        let last = match bounds.inclusive {
            true => bounds.end.clone(),
            false => self.binary(BinOp::Sub, bounds.ty, bounds.end.clone(), one, it.end.span),
        };
        let first = match it.rev {
            Rev::AfterStep if !bounds.steps_by_one() => self.last_stepped(bounds, last, it),
            Rev::AfterStep | Rev::BeforeStep | Rev::No => last,
        };
        self.begin(it, bounds, first);
        let head = self.label();
        self.place_head(head);
        self.forbid_unrolling(it);
        self.scoped(|cx| {
            cx.turn(it, bounds.counter);
            cx.place(next);
            cx.leave_at(bounds, false);
            cx.step(bounds, BinOp::Sub);
        });
        self.jump(head);
    }

    /// Sets the counter, before the first turn.
    fn begin(&mut self, it: &For, bounds: &Bounds, first: Operand) {
        self.assign(bounds.counter, first);
        self.enter_loop(&it.body);
        self.written(bounds.counter);
        // The bounds are pinned, and in the body the counter is between them.
        let (start, end) =
            (self.range(&bounds.start, bounds.ty), self.range(&bounds.end, bounds.ty));
        let high = if bounds.inclusive { end.high } else { end.high - 1 };
        let known = super::range::Range { low: start.low, high: high.max(start.low), zeros: 0 };
        self.describe(bounds.counter, known);
    }

    /// Passes `#[no_unroll]` on to `ptxas`.
    fn forbid_unrolling(&mut self, it: &For) {
        if it.unroll == Unroll::Never && self.is_reachable() {
            self.keep();
            self.ptx.pragma("nounroll");
        }
    }

    /// The last value that counting up in steps reaches: `last - (last - start) % step`.
    fn last_stepped(&mut self, bounds: &Bounds, last: Operand, it: &For) -> Operand {
        let (unsigned, span) = (bounds.ty.unsigned(), it.end.span);
        let start = (bounds.start.clone(), unsigned);
        let distance = self.binary(BinOp::Sub, unsigned, last.clone(), start, span);
        // `check_step` has excluded 0; in an unchecked kernel 0 is a broken promise.
        let rest = self.quotient(BinOp::Rem, unsigned, distance, bounds.step.clone());
        self.binary(BinOp::Sub, bounds.ty, last, (rest, bounds.ty), span)
    }

    /// One turn of the body with the variable at `counter`.
    fn turn(&mut self, it: &For, counter: Reg) {
        self.scoped(|cx| {
            if let Some(local) = it.local {
                if cx.kernel.locals[local.0].mutable {
                    let own = cx.fresh(it.ty);
                    cx.assign(own, counter.into());
                    cx.bind_registers(local, vec![own]);
                } else {
                    // The counter changes only behind the body.
                    cx.bind_operands(local, vec![counter.into()]);
                }
            }
            cx.block(&it.body);
        });
    }

    /// Leaves if the next step would leave the range.
    fn leave_at(&mut self, bounds: &Bounds, up: bool) {
        let bound = if up { bounds.end.clone() } else { bounds.start.clone() };
        let included = !up || bounds.inclusive;
        let (unsigned, counter) = (bounds.ty.unsigned(), Operand::Reg(bounds.counter));
        if bounds.steps_by_one() && included {
            let at_end = self.compare(BinOp::Eq, bounds.ty, counter, bound);
            return self.branch_on(&at_end, bounds.exit, true);
        }
        let (high, low) = if up { (bound, counter) } else { (counter, bound) };
        let span = SpanRange::from(proc_macro2::Span::call_site());
        let distance = self.binary(BinOp::Sub, unsigned, high, (low, unsigned), span);
        let op = if included { BinOp::Lt } else { BinOp::Le };
        let done = self.compare(op, unsigned, distance, bounds.step.clone());
        self.branch_on(&done, bounds.exit, true);
    }

    /// Moves the counter on, which stays within the bounds.
    fn step(&mut self, bounds: &Bounds, direction: BinOp) {
        let (counter, step) = (bounds.counter, bounds.step.clone());
        let (d, ty) = (Def(counter), int_ty(bounds.ty));
        self.written(counter);
        match direction {
            BinOp::Sub => self.emit(op::sub(ty, d, counter, step)),
            _ => self.emit(op::add(ty, d, counter, step)),
        }
        if bounds.ty.bits() == 8 {
            let value = self.normalise(bounds.ty, counter);
            self.assign(counter, value);
        }
    }
}
