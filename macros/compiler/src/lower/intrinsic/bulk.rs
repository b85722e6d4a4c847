//! Copies of pieces of slices that the machine does by itself.

use firesteel_ptx::isa::{
    CpAsyncBulkLoad, CpAsyncBulkPrefetch, CpAsyncBulkStore, CpReduceAsyncBulk,
};
use firesteel_ptx::modifier::{
    BulkGroup, BulkOp, BulkPrefetchRoute, BulkRoute, BulkStoreRoute, CompleteTx, NoFtz,
};
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::{BulkTy, LogicTy, Ty as PtxTy};

use super::super::emit::when;
use super::super::val::constant;
use super::super::{Lower, Operand, SiteKind, Val, op};
use super::async_copy::element;
use super::memory::hinted;
use crate::hir::{BinOp, Call, Op, Scalar, SpanRange};

/// What places and sizes are multiples of.
const PIECE: u32 = 16;

impl Lower<'_> {
    pub(super) fn bulk(&mut self, call: &Call, span: SpanRange) -> Val {
        let mut args = self.operands_of(call);
        let policy = (call.op == Op::BulkLoadPolicy).then(|| self.policy_of(&mut args));
        let (hint, policy) = hinted(policy);
        let count = args.pop().unwrap_or(Operand::Int(0));
        let places: Vec<_> = call.args.iter().filter_map(element).collect();
        let elem = places.first().map_or(Scalar::U8, |(memory, _)| self.elem_of(*memory));
        let bytes = Use(self.bulk_bytes(&count, elem, span));
        let at = |cx: &mut Self, place: usize| {
            let at = cx.element_range(places[place], &count, span);
            cx.check_alignment(&at, PIECE / elem.bytes(), span);
            at.addr
        };
        match call.op {
            Op::BulkLoad | Op::BulkLoadPolicy => {
                let (to, from) = (at(self, 0), at(self, 1));
                let (memory, index) = places[2];
                let barrier = self.element(memory, index, 1, span).addr;
                let (route, tx) = (BulkRoute::Cluster, CompleteTx::Bytes);
                self.emit(CpAsyncBulkLoad { route, tx, hint, to, from, bytes, barrier, policy });
            }
            Op::BulkStore => {
                let (to, from) = (at(self, 0), at(self, 1));
                let (route, group) = (BulkStoreRoute::Global, BulkGroup::Group);
                self.emit(CpAsyncBulkStore { route, group, hint, to, from, bytes, policy });
            }
            Op::BulkReduceAdd => {
                let (to, from) = (at(self, 0), at(self, 1));
                let (route, group) = (BulkStoreRoute::Global, BulkGroup::Group);
                let (op, ty) = (BulkOp::Add, sum_ty(elem));
                let noftz = matches!(ty, BulkTy::F16 | BulkTy::BF16).then_some(NoFtz::NoFtz);
                self.emit(CpReduceAsyncBulk {
                    route,
                    group,
                    hint,
                    op,
                    noftz,
                    ty,
                    to,
                    from,
                    bytes,
                    policy,
                });
            }
            _ => {
                let (from, route) = (at(self, 0), BulkPrefetchRoute::L2);
                self.emit(CpAsyncBulkPrefetch { route, hint, from, bytes, policy });
            }
        }
        Val::unit()
    }

    /// The bytes of so many elements. What is no whole number of pieces is a fault of the thread:
    /// the machine would not survive it.
    fn bulk_bytes(&mut self, count: &Operand, elem: Scalar, span: SpanRange) -> Operand {
        let size = i64::from(elem.bytes());
        let of = (Operand::Int(size), Scalar::U32);
        let bytes = self.binary(BinOp::Mul, Scalar::U32, count.clone(), of, span);
        if self.kernel.signature.options.unchecked
            || !self.is_reachable()
            || constant(&bytes, Scalar::U32).is_some()
        {
            return bytes;
        }
        let message = format!("a bulk copy moves a multiple of {} elements", PIECE / elem.bytes());
        let fault = self.fault(span, SiteKind::Assert { message });
        let (logic, low) = (LogicTy::B32, Operand::Int(i64::from(PIECE - 1)));
        let low = self.pure(PtxTy::B32, |d| op::and(logic, d, bytes.clone(), low));
        let off = self.compare_reg(BinOp::Ne, Scalar::U32, low.into(), Operand::Int(0));
        self.jump_if(when(off), fault);
        bytes
    }
}

/// The type of a sum in memory.
fn sum_ty(elem: Scalar) -> BulkTy {
    match elem {
        Scalar::I32 => BulkTy::S32,
        Scalar::U32 => BulkTy::U32,
        Scalar::F16 => BulkTy::F16,
        Scalar::Bf16 => BulkTy::BF16,
        Scalar::F32 => BulkTy::F32,
        Scalar::F64 => BulkTy::F64,
        // Sums of both signs have the same bits.
        _ => BulkTy::U64,
    }
}
