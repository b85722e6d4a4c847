//! Barriers and fences.

use firesteel_ptx::isa::{BarArrive, BarRed, BarRedPopc, BarSync, BarWarpSync, Membar};
use firesteel_ptx::modifier::{BarLevel, BarRedOp};
use firesteel_ptx::operand::{Def, MiddleUse, PredUse, Use};
use firesteel_ptx::ty::{Int32Ty, PredTy};

use super::super::{Lower, Operand, Val};
use crate::hir::{Call, Op, Scalar, SpanRange, Ty};

/// The barrier of the whole block.
const BLOCK_BARRIER: Operand = Operand::Int(0);

impl Lower<'_> {
    pub(super) fn sync(&mut self, call: &Call, _ty: &Ty, _span: SpanRange) -> Val {
        let args = self.operands_of(call);
        match (call.op, args.as_slice()) {
            (Op::BarSync, _) => self.block_barrier(),
            (Op::BarSyncNamed, [id, threads]) => {
                let count = Some(Use(threads.clone()));
                self.emit(BarSync { id: Use(id.clone()), count });
            }
            (Op::BarArrive, [id, threads]) => {
                self.emit(BarArrive { id: Use(id.clone()), count: Use(threads.clone()) });
            }
            (Op::BarAny, [predicate]) => return self.barrier_vote(BarRedOp::Or, predicate),
            (Op::BarAll, [predicate]) => return self.barrier_vote(BarRedOp::And, predicate),
            (Op::BarCount, [predicate]) => return self.barrier_count(predicate),
            (Op::WarpSync, [mask]) => self.emit(BarWarpSync { mask: Use(mask.clone()) }),
            (Op::FenceBlock, _) => self.emit(Membar { level: BarLevel::Cta }),
            (Op::FenceDevice, _) => self.emit(Membar { level: BarLevel::Gl }),
            (Op::FenceSystem, _) => self.emit(Membar { level: BarLevel::Sys }),
            (other, _) => unreachable!("`{other:?}` is no barrier, or has other arguments"),
        }
        Val::unit()
    }

    /// Waits for all threads of the block.
    pub(super) fn block_barrier(&mut self) {
        self.emit(BarSync { id: Use(BLOCK_BARRIER), count: None });
    }

    fn barrier_vote(&mut self, op: BarRedOp, predicate: &Operand) -> Val {
        let c = self.predicate(predicate);
        let d = self.fresh(Scalar::Bool);
        let id = Use(BLOCK_BARRIER);
        self.emit(BarRed { op, ty: PredTy::Pred, d: Def(d), id, count: MiddleUse(None), c });
        d.into()
    }

    fn barrier_count(&mut self, predicate: &Operand) -> Val {
        let c = self.predicate(predicate);
        let d = self.fresh(Scalar::U32);
        let id = Use(BLOCK_BARRIER);
        self.emit(BarRedPopc { ty: Int32Ty::U32, d: Def(d), id, count: MiddleUse(None), c });
        d.into()
    }

    /// A `bool` as the operand of an instruction that wants a predicate.
    pub(super) fn predicate(&mut self, operand: &Operand) -> PredUse {
        PredUse { reg: self.in_reg(operand, Scalar::Bool), negated: false }
    }
}
