//! What the lanes of a warp do together: shuffles, votes, matches, reductions in hardware.
//!
//! None of these is a pure instruction: the result depends on the other lanes.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{
    Activemask, Ballot, MatchAll, MatchAny, MovPack, MovUnpack, Redux, Shfl, Vote,
};
use firesteel_ptx::modifier::{ReduxOp, ShflMode, VoteMode};
use firesteel_ptx::operand::{Def, PairDef, Use, VecDef, VecUse};
use firesteel_ptx::ty::{B32Ty, BitsTy, IntTy, LogicTy, PredTy, ReduxTy, Ty as PtxTy};

use super::super::op;
use super::super::val::reg_ty;
use super::super::{Lower, Operand, Val};
use super::bits::word;
use crate::hir::{Call, Op, Scalar, SpanRange, Ty, Value};

/// Lanes of a warp.
pub(super) const WARP: u32 = 32;
/// The mask of all lanes.
pub(super) const ALL_LANES: Operand = Operand::Int(0xffff_ffff);

impl Lower<'_> {
    pub(super) fn warp(&mut self, call: &Call, result: &Ty, _span: SpanRange) -> Val {
        let args = self.operands_of(call);
        match (call.op, args.as_slice()) {
            (Op::ShflDown, args) => self.shuffle_call(ShflMode::Down, args, result),
            (Op::ShflUp, args) => self.shuffle_call(ShflMode::Up, args, result),
            (Op::ShflBfly, args) => self.shuffle_call(ShflMode::Bfly, args, result),
            (Op::ShflIdx, args) => self.shuffle_call(ShflMode::Idx, args, result),
            (Op::VoteAny, [mask, p]) => self.vote(VoteMode::Any, mask, p),
            (Op::VoteAll, [mask, p]) => self.vote(VoteMode::All, mask, p),
            (Op::VoteUni, [mask, p]) => self.vote(VoteMode::Uni, mask, p),
            (Op::Ballot, [mask, p]) => self.ballot(mask, p),
            (Op::ActiveMask, _) => {
                let d = self.fresh(Scalar::U32);
                self.emit(Activemask { ty: B32Ty::B32, d: Def(d) });
                d.into()
            }
            (Op::MatchAny, [mask, value]) => {
                let ty = self.type_of_last(call);
                self.match_any(ty, mask, value)
            }
            (Op::MatchAll, [mask, value]) => {
                let ty = self.type_of_last(call);
                self.match_all(ty, mask, value)
            }
            (op, [mask, value]) => {
                let ty = self.type_of_last(call);
                Val::scalar(self.redux(redux_op(op), ty, mask, value))
            }
            (other, _) => unreachable!("`{other:?}` is not of a warp, or has other arguments"),
        }
    }

    fn shuffle_call(&mut self, mode: ShflMode, args: &[Operand], result: &Ty) -> Val {
        let [mask, value, lane, width] = args else {
            unreachable!("a shuffle has four arguments");
        };
        let ty = result.scalar().unwrap_or(Scalar::U32);
        let bounds = self.shuffle_bounds(mode, width);
        let words = self.split_words(value.clone(), ty);
        let shuffled = words
            .into_iter()
            .map(|word| self.shuffle_word(mode, &word, lane, &bounds, mask).0.into())
            .collect();
        Val::scalar(self.join_words(shuffled, ty))
    }

    /// The operand that splits the warp: which bits of the lane number the parts share, and the
    /// last lane (or the first one, upwards) of a part.
    fn shuffle_bounds(&mut self, mode: ShflMode, width: &Operand) -> Operand {
        let clamp = if mode == ShflMode::Up { 0 } else { i64::from(WARP) - 1 };
        if let Some(width) = self.constant(width, Scalar::U32) {
            let split = (i128::from(WARP) - width.as_int()) & 0x1f;
            return Operand::Int((split as i64) << 8 | clamp);
        }
        let (b32, int) = (PtxTy::B32, IntTy::U32);
        let parts = self.pure(b32, |d| op::sub(int, d, Operand::Int(32), width.clone()));
        let parts = self.pure(b32, |d| op::and(LogicTy::B32, d, parts, Operand::Int(0x1f)));
        let parts = self.pure(b32, |d| op::shl(BitsTy::B32, d, parts, Operand::Int(8)));
        self.pure(b32, |d| op::or(LogicTy::B32, d, parts, Operand::Int(clamp))).into()
    }

    /// One word of another lane, and whether there was such a lane.
    pub(super) fn shuffle_word(
        &mut self,
        mode: ShflMode,
        word: &Operand,
        lane: &Operand,
        bounds: &Operand,
        mask: &Operand,
    ) -> (Reg, Reg) {
        let a = Use(self.in_reg(word, Scalar::U32).into());
        let (b, c, mask) = (Use(lane.clone()), Use(bounds.clone()), Use(mask.clone()));
        let (first, inside) = (self.fresh(Scalar::U32), self.fresh(Scalar::Bool));
        let d = PairDef { first, second: Some(inside) };
        self.emit(Shfl { mode, ty: B32Ty::B32, d, a, b, c, mask });
        (first, inside)
    }

    /// A scalar as words of 32 bits, the low one first.
    pub(super) fn split_words(&mut self, value: Operand, ty: Scalar) -> Vec<Operand> {
        let bits = if ty.is_real() { self.float_bits(value, ty) } else { value };
        let int = if ty.is_real() { ty.unsigned() } else { ty };
        if ty.bits() < 64 {
            let wide = if int.is_signed() { Scalar::I32 } else { Scalar::U32 };
            return vec![self.convert(bits, int, wide)];
        }
        if let Some(value) = self.constant(&bits, int) {
            let half = |shift: u32| {
                let bits = value.bits() >> shift & u64::from(u32::MAX);
                self.immediate(Value::from_bits(Scalar::U32, bits))
            };
            return vec![half(0), half(32)];
        }
        let words = [self.fresh(Scalar::U32), self.fresh(Scalar::U32)];
        let d = VecDef(words.map(Some).to_vec());
        self.emit(MovUnpack { ty: BitsTy::B64, d, a: Use(bits) });
        words.map(Operand::Reg).to_vec()
    }

    /// The scalar of these words.
    pub(super) fn join_words(&mut self, words: Vec<Operand>, ty: Scalar) -> Operand {
        let int = if ty.is_real() { ty.unsigned() } else { ty };
        let bits = match words.as_slice() {
            [word] => {
                let wide = if int.is_signed() { Scalar::I32 } else { Scalar::U32 };
                self.convert(word.clone(), wide, int)
            }
            _ => {
                let a =
                    VecUse(words.iter().map(|it| self.in_reg(it, Scalar::U32).into()).collect());
                self.pure(reg_ty(int), |d| MovPack { ty: BitsTy::B64, d, a }).into()
            }
        };
        if ty.is_real() { self.float_from_bits(bits, ty) } else { bits }
    }

    fn vote(&mut self, mode: VoteMode, mask: &Operand, predicate: &Operand) -> Val {
        let a = self.predicate(predicate);
        let p = self.fresh(Scalar::Bool);
        self.emit(Vote { mode, ty: PredTy::Pred, p: Def(p), a, mask: Use(mask.clone()) });
        p.into()
    }

    fn ballot(&mut self, mask: &Operand, predicate: &Operand) -> Val {
        let a = self.predicate(predicate);
        let d = self.fresh(Scalar::U32);
        self.emit(Ballot { ty: B32Ty::B32, d: Def(d), a, mask: Use(mask.clone()) });
        d.into()
    }

    fn match_any(&mut self, ty: Scalar, mask: &Operand, value: &Operand) -> Val {
        let a = Use(self.bits_in_reg(value, ty).into());
        let d = self.fresh(Scalar::U32);
        self.emit(MatchAny { ty: word(ty), d: Def(d), a, mask: Use(mask.clone()) });
        d.into()
    }

    fn match_all(&mut self, ty: Scalar, mask: &Operand, value: &Operand) -> Val {
        let a = Use(self.bits_in_reg(value, ty).into());
        let (first, all) = (self.fresh(Scalar::U32), self.fresh(Scalar::Bool));
        let d = PairDef { first, second: Some(all) };
        self.emit(MatchAll { ty: word(ty), d, a, mask: Use(mask.clone()) });
        Val::parts(vec![first.into(), all.into()])
    }

    /// The bits of a scalar of 16, 32 or 64 bits, in an untyped register.
    pub(super) fn bits_in_reg(&mut self, value: &Operand, ty: Scalar) -> Reg {
        if !ty.is_float() {
            return self.in_reg(value, ty);
        }
        let bits = self.float_bits(value.clone(), ty);
        self.in_reg(&bits, ty.unsigned())
    }

    /// A reduction of an `i32` or `u32` over the lanes of a mask, by one instruction.
    pub(super) fn redux(
        &mut self,
        op: ReduxOp,
        ty: Scalar,
        mask: &Operand,
        value: &Operand,
    ) -> Operand {
        let a = Use(self.in_reg(value, ty).into());
        let redux = match op {
            ReduxOp::And | ReduxOp::Or | ReduxOp::Xor => ReduxTy::B32,
            ReduxOp::Add | ReduxOp::Min | ReduxOp::Max if ty.is_signed() => ReduxTy::S32,
            ReduxOp::Add | ReduxOp::Min | ReduxOp::Max => ReduxTy::U32,
        };
        let d = self.fresh(ty);
        self.emit(Redux { op, ty: redux, d: Def(d), a, mask: Use(mask.clone()) });
        self.made(d);
        d.into()
    }
}

fn redux_op(op: Op) -> ReduxOp {
    match op {
        Op::ReduxAdd => ReduxOp::Add,
        Op::ReduxMin => ReduxOp::Min,
        Op::ReduxMax => ReduxOp::Max,
        Op::ReduxAnd => ReduxOp::And,
        Op::ReduxOr => ReduxOp::Or,
        Op::ReduxXor => ReduxOp::Xor,
        other => unreachable!("`{other:?}` is no reduction in hardware"),
    }
}
