//! Clocks, sleep and the end.

use firesteel_ptx::isa::{Exit, Mov, Nanosleep, Trap};
use firesteel_ptx::operand::{Def, Special, Use};
use firesteel_ptx::ty::{MovTy, U32Ty};

use super::super::{Lower, Operand, Val};
use crate::hir::{Call, Op, Scalar, SpanRange, Ty};

impl Lower<'_> {
    pub(super) fn clock(&mut self, call: &Call, _ty: &Ty, _span: SpanRange) -> Val {
        let args = self.operands_of(call);
        match (call.op, args.as_slice()) {
            (Op::Clock, _) => self.read_clock(Special::Clock, Scalar::U32),
            (Op::Clock64, _) => self.read_clock(Special::Clock64, Scalar::U64),
            (Op::GlobalTimer, _) => self.read_clock(Special::Globaltimer, Scalar::U64),
            (Op::Nanosleep, [time]) => {
                self.emit(Nanosleep { ty: U32Ty::U32, t: Use(time.clone()) });
                Val::unit()
            }
            (Op::Trap, _) => {
                self.emit(Trap {});
                // `ptxas` takes a trap for an instruction after which others follow.
                self.emit(Exit {});
                self.never_returns();
                Val::unit()
            }
            (other, _) => unreachable!("`{other:?}` is no clock, or has other arguments"),
        }
    }

    /// Each reading counts: it is never taken from one before.
    fn read_clock(&mut self, special: Special, ty: Scalar) -> Val {
        let mov = if ty == Scalar::U64 { MovTy::U64 } else { MovTy::U32 };
        let d = self.fresh(ty);
        self.emit(Mov { ty: mov, d: Def(d), a: Use(Operand::Special(special)) });
        d.into()
    }
}
