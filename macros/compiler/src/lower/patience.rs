//! Waits at an `mbarrier` that end when a thread of the launch has failed a check.
//!
//! A thread that fails a check ends, and what it would have done for others never happens: they
//! would ask their `mbarrier` for ever. So where an attempt to wait is in vain, the thread looks
//! whether the fault record is claimed. If it is, the thread has a little patience left, so that
//! what is on its way arrives, and ends then.
//!
//! Patience has two reasons. Copies in flight must not land in the shared memory of a block that
//! has ended, and blocks of a cluster that are still at work reach into the shared memory of
//! others.

use firesteel_ptx::channel;
use firesteel_ptx::ir::{Label, Reg};
use firesteel_ptx::isa::{Exit, Nanosleep};
use firesteel_ptx::modifier::{Cmp, Scope, Sem, Space};
use firesteel_ptx::operand::{Addr, Def, Use};
use firesteel_ptx::ty::{CompareTy, IntTy, MemTy, U32Ty};

use super::emit::{unless, when};
use super::fault::field;
use super::{Lower, Operand, op};
use crate::hir::{Scalar, SpanRange};

/// How often a thread asks after a failure.
const ATTEMPTS: i64 = 32;
/// What it sleeps in between, the most that `nanosleep` takes.
const NANOSECONDS: i64 = 1_000_000;

/// Waits at `mbarrier`s.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Whether there is one.
    any: bool,
    /// Whether they look for failures.
    watchful: bool,
    /// Those whose second half is not yet emitted.
    vain: Vec<Vain>,
}

impl Waits {
    /// Waits that look for failures.
    pub(super) fn watchful() -> Self {
        Self { watchful: true, ..Self::default() }
    }
}

/// An attempt to wait.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    /// Whether the phase is complete.
    pub(super) p: Reg,
    /// The `mbarrier`.
    pub(super) addr: Addr,
    /// The parity of the phase.
    pub(super) parity: Use,
    /// Where it is in the source.
    pub(super) span: SpanRange,
    /// Where the attempt is repeated, if it is.
    pub(super) again: Option<Label>,
}

/// What an attempt in vain leads to.
#[derive(Clone, Debug)]
struct Vain {
    wait: Wait,
    label: Label,
    /// Where the thread goes on.
    done: Label,
}

impl Lower<'_> {
    /// Whether waits are to look for failures and have not.
    pub(super) fn may_wait_for_the_failed(&self) -> bool {
        self.waits.any && self.may_fail() && !self.waits.watchful
    }

    /// After an attempt to wait: if it was in vain, looks whether a thread has failed. Gives
    /// whether it does.
    pub(super) fn watch_for_failure(&mut self, wait: Wait) -> bool {
        self.waits.any |= self.is_reachable();
        if !self.waits.watchful || !self.is_reachable() {
            return false;
        }
        self.written(wait.p);
        let (label, done) = (self.label(), self.label());
        self.jump_if(unless(wait.p), label);
        self.place_head(done);
        self.waits.vain.push(Vain { wait, label, done });
        true
    }

    /// The second halves of all waits, behind the end of the body.
    pub(super) fn emit_waits(&mut self) {
        for vain in std::mem::take(&mut self.waits.vain) {
            self.scoped(|cx| cx.emit_vain(vain));
        }
    }

    fn emit_vain(&mut self, Vain { wait, label, done }: Vain) {
        let Wait { p, addr, parity, span, again } = wait;
        self.place(label);
        self.loc(span);
        let failed = self.failed();
        self.jump_if(unless(failed), again.unwrap_or(done));
        let left = self.fresh(Scalar::U32);
        self.assign(left, Operand::Int(ATTEMPTS));
        let next = self.label();
        self.place_head(next);
        self.emit(Nanosleep { ty: U32Ty::U32, t: Use(Operand::Int(NANOSECONDS)) });
        self.try_wait(p, addr, parity);
        self.jump_if(when(p), done);
        self.emit(op::add(IntTy::S32, Def(left), left, Operand::Int(-1)));
        let more = self.fresh(Scalar::Bool);
        self.emit(op::setp(Cmp::Ne, CompareTy::B32, Def(more), left, Operand::Int(0)));
        self.jump_if(when(more), next);
        self.emit(Exit {});
        self.never_returns();
    }

    /// Whether a thread has claimed the fault record.
    fn failed(&mut self) -> Reg {
        let base = self.channel();
        let claimed = self.fresh(Scalar::U32);
        let mut load =
            op::ld(Space::Global, MemTy::U32, Def(claimed), field(base, channel::CLAIMED));
        (load.sem, load.scope) = (Some(Sem::Relaxed), Some(Scope::Sys));
        self.emit(load);
        let failed = self.fresh(Scalar::Bool);
        self.emit(op::setp(Cmp::Ne, CompareTy::B32, Def(failed), claimed, Operand::Int(0)));
        failed
    }
}
