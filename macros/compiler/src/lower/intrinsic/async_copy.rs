//! Copies from global to shared memory in the background.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{CpAsync, CpAsyncCommit, CpAsyncWait};
use firesteel_ptx::modifier::{CpCache, SharedGlobal};
use firesteel_ptx::operand::Use;

use super::super::val::Address;
use super::super::{Lower, Operand, Val};
use super::memory::hinted;
use crate::hir::{Arg, Call, Expr, Memory, Op, Place, Root, Scalar, SpanRange, Ty};

impl Lower<'_> {
    pub(super) fn async_copy(&mut self, call: &Call, _ty: &Ty, span: SpanRange) -> Val {
        match call.op {
            Op::CpAsyncCommit => self.emit(CpAsyncCommit {}),
            Op::CpAsyncWait => {
                let groups = self.operands_of(call).pop().unwrap_or(Operand::Int(0));
                self.emit(CpAsyncWait { n: Use(groups) });
            }
            Op::CpAsync4 => self.copy(call, 4, span),
            Op::CpAsync8 => self.copy(call, 8, span),
            Op::CpAsync16 => self.copy(call, 16, span),
            Op::CpAsync16Policy => self.copy(call, 16, span),
            Op::CpAsync4Or0 => self.copy_or_zero(call, 4, span),
            Op::CpAsync8Or0 => self.copy_or_zero(call, 8, span),
            Op::CpAsync16Or0 => self.copy_or_zero(call, 16, span),
            other => unreachable!("`{other:?}` is no copy"),
        }
        Val::unit()
    }

    fn copy(&mut self, call: &Call, bytes: u32, span: SpanRange) {
        let [to, from] = places(call).map(|(memory, index)| {
            let count = bytes / self.elem_of(memory).bytes();
            let at = self.element(memory, index, count, span);
            self.check_alignment(&at, count, span);
            at
        });
        let mut args = self.operands_of(call);
        let policy = (!args.is_empty()).then(|| self.policy_of(&mut args));
        // A policy stands behind the number of bytes that are read.
        let source = policy.map(|_| Operand::Int(i64::from(bytes)));
        self.emit_copy(&to, &from, (bytes, source), policy);
    }

    fn copy_or_zero(&mut self, call: &Call, bytes: u32, span: SpanRange) {
        let [(to_memory, to_index), from] = places(call);
        let count = bytes / self.elem_of(to_memory).bytes();
        let to = self.element(to_memory, to_index, count, span);
        self.check_alignment(&to, count, span);
        let valid = self.operands_of(call).pop().unwrap_or(Operand::Int(1));
        let valid = self.in_reg(&valid, Scalar::Bool);
        let from = self.element_where(valid, from, count, span);
        let (all, none) = (Operand::Int(i64::from(bytes)), Operand::Int(0));
        let source = self.select(Scalar::U32, valid.into(), all, none);
        self.emit_copy(&to, &from, (bytes, Some(source)), None);
    }

    fn emit_copy(
        &mut self,
        to: &Address,
        from: &Address,
        (bytes, source): (u32, Option<Operand>),
        policy: Option<Reg>,
    ) {
        let (hint, policy) = hinted(policy);
        let cache = if bytes == 16 { CpCache::Cg } else { CpCache::Ca };
        self.emit(CpAsync {
            cache,
            route: SharedGlobal::Shared,
            hint,
            prefetch: None,
            to: to.addr.clone(),
            from: from.addr.clone(),
            bytes: Use(Operand::Int(i64::from(bytes))),
            source: source.map(Use),
            policy,
        });
    }
}

/// The elements at which the destination and the source begin.
fn places(call: &Call) -> [(Memory, &Expr); 2] {
    let places: Vec<_> = call.args.iter().filter_map(element).collect();
    <[_; 2]>::try_from(places)
        .unwrap_or_else(|places| unreachable!("{} places instead of two", places.len()))
}

/// The element that an argument names.
pub(super) fn element(arg: &Arg) -> Option<(Memory, &Expr)> {
    match arg {
        Arg::Place(Place { root: Root::Element { memory, index }, .. }) => Some((*memory, index)),
        Arg::Place(_)
        | Arg::Value(_)
        | Arg::Memory(_)
        | Arg::Map(_)
        | Arg::Const(_)
        | Arg::Scope(_)
        | Arg::Order(_) => None,
    }
}
