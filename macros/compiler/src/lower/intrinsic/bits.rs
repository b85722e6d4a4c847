//! Instructions on bits and bytes that Rust has no names for.

use firesteel_ptx::isa::{Bfe, Bfi, Lop3, MulInt, Prmt, Sad, Shf};
use firesteel_ptx::modifier::{Direction, Half, ShiftMode};
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::{B32Ty, IntWordTy, Ty as PtxTy, WordTy};

use super::super::val::{int_ty, reg_ty};
use super::super::{Lower, Operand, Val};
use crate::hir::{Arg, Call, Op, Scalar, SpanRange, Ty};

impl Lower<'_> {
    pub(super) fn bits(&mut self, call: &Call, _ty: &Ty, _span: SpanRange) -> Val {
        let ty = self.type_of_first(call);
        let args = self.operands_of(call);
        let operand = match (call.op, args.as_slice()) {
            (Op::Prmt, [a, b, selector]) => self.prmt(a, b, selector.clone()),
            (Op::Lop3, [a, b, c]) => {
                let [a, b, c] = [a, b, c].map(|it| Use(it.clone()));
                let lut = Use(Operand::Int(constant_of(call)));
                self.pure(PtxTy::B32, |d| Lop3 { ty: B32Ty::B32, d, a, b, c, lut }).into()
            }
            (Op::Bfe, [value, pos, len]) => {
                let [a, b, c] = [value, pos, len].map(|it| Use(it.clone()));
                self.pure(reg_ty(ty), |d| Bfe { ty: int_word(ty), d, a, b, c }).into()
            }
            (Op::Bfi, [bits, into, pos, len]) => {
                let [a, b, c, e] = [bits, into, pos, len].map(|it| Use(it.clone()));
                self.pure(reg_ty(ty), |d| Bfi { ty: word(ty), d, a, b, c, e }).into()
            }
            (Op::FunnelShl, [low, high, amount]) => self.funnel(Direction::L, low, high, amount),
            (Op::FunnelShr, [low, high, amount]) => self.funnel(Direction::R, low, high, amount),
            (Op::MulHi, [a, b]) => {
                let (a, b, int) = (Use(a.clone()), Use(b.clone()), int_ty(ty));
                self.pure(reg_ty(ty), |d| MulInt { half: Half::Hi, ty: int, d, a, b }).into()
            }
            (Op::Sad, [a, b, c]) => {
                let [a, b, c] = [a, b, c].map(|it| Use(it.clone()));
                self.pure(PtxTy::B32, |d| Sad { ty: int_ty(ty), d, a, b, c }).into()
            }
            (other, _) => unreachable!("`{other:?}` is about something else than bits"),
        };
        Val::scalar(operand)
    }

    /// Four bytes picked from the eight of two words.
    pub(super) fn prmt(&mut self, a: &Operand, b: &Operand, selector: Operand) -> Operand {
        let (a, b, c) = (Use(a.clone()), Use(b.clone()), Use(selector));
        self.pure(PtxTy::B32, |d| Prmt { ty: B32Ty::B32, mode: None, d, a, b, c }).into()
    }

    /// 32 of the 64 bits `high:low`, shifted by `amount & 31`.
    pub(super) fn funnel(
        &mut self,
        direction: Direction,
        low: &Operand,
        high: &Operand,
        amount: &Operand,
    ) -> Operand {
        let [a, b, c] = [low, high, amount].map(|it| Use(it.clone()));
        let (mode, ty) = (ShiftMode::Wrap, B32Ty::B32);
        self.pure(PtxTy::B32, |d| Shf { direction, mode, ty, d, a, b, c }).into()
    }
}

/// The integer type of 32 or 64 bits.
fn int_word(ty: Scalar) -> IntWordTy {
    IntWordTy::from_ty(int_ty(ty).ty())
        .unwrap_or_else(|| unreachable!("the table gives words alone, not {ty}"))
}

/// The untyped word of an integer of 32 or 64 bits.
pub(super) const fn word(ty: Scalar) -> WordTy {
    if ty.bits() == 64 { WordTy::B64 } else { WordTy::B32 }
}

/// The constant among the arguments.
fn constant_of(call: &Call) -> i64 {
    let mut constants = call.args.iter().filter_map(|arg| match arg {
        Arg::Const(value) => Some(value.cast_signed()),
        Arg::Value(_)
        | Arg::Place(_)
        | Arg::Memory(_)
        | Arg::Map(_)
        | Arg::Scope(_)
        | Arg::Order(_) => None,
    });
    constants.next().unwrap_or_else(|| unreachable!("the table gives a constant here"))
}
