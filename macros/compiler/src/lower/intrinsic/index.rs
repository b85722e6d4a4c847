//! Where the thread is.

use firesteel_ptx::operand::Special;

use super::super::{Lower, Operand, Val};
use crate::hir::{BinOp, Call, Op, Scalar, SpanRange, Ty};

/// Threads of a warp.
const WARP: u32 = 32;

impl Lower<'_> {
    pub(super) fn index(&mut self, call: &Call, _ty: &Ty, span: SpanRange) -> Val {
        let [x, y, z] = self.kernel.signature.options.block;
        let constant = |n: u32| Val::scalar(Operand::Int(i64::from(n)));
        let special = match call.op {
            // `.reqntid` makes every launch have this block.
            Op::BlockDimX => return constant(x),
            Op::BlockDimY => return constant(y),
            Op::BlockDimZ => return constant(z),
            Op::WarpsPerBlock => return constant((x * y * z).div_ceil(WARP)),
            Op::ThreadRank => return Val::scalar(self.thread_rank(span)),
            Op::WarpId => return Val::scalar(self.warp_id(span)),
            Op::ThreadIdxX => Special::TidX,
            Op::ThreadIdxY => Special::TidY,
            Op::ThreadIdxZ => Special::TidZ,
            Op::BlockIdxX => Special::CtaidX,
            Op::BlockIdxY => Special::CtaidY,
            Op::BlockIdxZ => Special::CtaidZ,
            Op::GridDimX => Special::NctaidX,
            Op::GridDimY => Special::NctaidY,
            Op::GridDimZ => Special::NctaidZ,
            Op::LaneId => Special::Laneid,
            Op::LaneMaskLt => Special::LanemaskLt,
            Op::LaneMaskLe => Special::LanemaskLe,
            Op::LaneMaskEq => Special::LanemaskEq,
            Op::LaneMaskGe => Special::LanemaskGe,
            Op::LaneMaskGt => Special::LanemaskGt,
            other => unreachable!("`{other:?}` is no index"),
        };
        Val::scalar(self.special(special))
    }

    /// `x + X * (y + Y * z)`, where an axis of one thread counts nothing.
    pub(crate) fn thread_rank(&mut self, span: SpanRange) -> Operand {
        let [x, y, z] = self.kernel.signature.options.block;
        let mut rank = Operand::Int(0);
        for (threads, special) in [(z, Special::TidZ), (y, Special::TidY), (x, Special::TidX)] {
            if threads > 1 {
                let index = self.special(special);
                let scale = (Operand::Int(i64::from(threads)), Scalar::U32);
                let scaled = self.binary(BinOp::Mul, Scalar::U32, rank, scale, span);
                rank = self.binary(BinOp::Add, Scalar::U32, index, (scaled, Scalar::U32), span);
            }
        }
        rank
    }

    /// `%warpid` may change while a kernel runs, so the rank says it.
    pub(crate) fn warp_id(&mut self, span: SpanRange) -> Operand {
        let rank = self.thread_rank(span);
        self.binary(BinOp::Shr, Scalar::U32, rank, (Operand::Int(5), Scalar::U32), span)
    }
}
