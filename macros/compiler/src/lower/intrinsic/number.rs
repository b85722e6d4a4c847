//! What integers and floats have in common.

use firesteel_ptx::isa::{AbsFloat, AbsInt, MaxFloat, MinFloat};
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::SignedTy;

use super::super::op;
use super::super::val::{float_ty, int_ty, logic_ty, reg_ty};
use super::super::{Lower, Operand, Val};
use crate::hir::{BinOp, Call, Op, Scalar, SpanRange, Ty, Value};

impl Lower<'_> {
    pub(super) fn number(&mut self, call: &Call, _ty: &Ty, _span: SpanRange) -> Val {
        let ty = self.type_of_first(call);
        let args = self.operands_of(call);
        let operand = match (call.op, args.as_slice()) {
            (Op::Abs, [x]) if ty.is_pair() => self.pair_abs(ty, x.clone()),
            (Op::Min, [a, b]) if ty.is_pair() => self.pair_min_max(ty, false, a, b),
            (Op::Max, [a, b]) if ty.is_pair() => self.pair_min_max(ty, true, a, b),
            (Op::Abs, [x]) => self.abs(ty, x.clone()),
            (Op::Min, [a, b]) => self.min_max(ty, false, a.clone(), b.clone()),
            (Op::Max, [a, b]) => self.min_max(ty, true, a.clone(), b.clone()),
            (Op::Clamp, [x, low, high]) => self.clamp(ty, x.clone(), low, high),
            (Op::Signum, [x]) => self.signum(ty, x.clone()),
            (other, _) => unreachable!("`{other:?}` is not for all numbers"),
        };
        Val::scalar(operand)
    }

    /// `|x|`; of the smallest integer itself. Why 16 bits are widened: see `arith::widened`.
    pub(super) fn abs(&mut self, ty: Scalar, x: Operand) -> Operand {
        match ty {
            Scalar::F16 | Scalar::Bf16 => {
                let logic = logic_ty(ty);
                self.pure(reg_ty(ty), |d| op::and(logic, d, x, Operand::Int(0x7fff))).into()
            }
            Scalar::F32 | Scalar::F64 => {
                let (ftz, float) = (self.ftz(ty), float_ty(ty));
                self.pure(reg_ty(ty), |d| AbsFloat { ftz, ty: float, d, a: Use(x) }).into()
            }
            Scalar::I16 => {
                let wider = self.convert(x, ty, Scalar::I32);
                let result = self.abs(Scalar::I32, wider);
                self.convert(result, Scalar::I32, ty)
            }
            Scalar::I8 | Scalar::I32 | Scalar::I64 | Scalar::Isize => {
                let int = SignedTy::from_ty(int_ty(ty).ty())
                    .unwrap_or_else(|| unreachable!("{ty} is signed"));
                let reg = self.pure(reg_ty(ty), |d| AbsInt { ty: int, d, a: Use(x) });
                self.normalise(ty, reg)
            }
            Scalar::Bool
            | Scalar::U8
            | Scalar::U16
            | Scalar::U32
            | Scalar::U64
            | Scalar::Usize
            | Scalar::E4m3
            | Scalar::E5m2
            | Scalar::F16x2
            | Scalar::Bf16x2
            | Scalar::I4x8
            | Scalar::U4x8 => {
                unreachable!("the table gives signed numbers alone, not {ty}")
            }
        }
    }

    /// The smaller (or larger) one; of a NaN and a number, the number. Halves have no such
    /// instruction on older machines; in `f32` it is exact.
    pub(super) fn min_max(&mut self, ty: Scalar, max: bool, a: Operand, b: Operand) -> Operand {
        match ty {
            Scalar::F16 | Scalar::Bf16 => {
                let (a, b) = (self.convert(a, ty, Scalar::F32), self.convert(b, ty, Scalar::F32));
                let single = self.min_max(Scalar::F32, max, a, b);
                self.convert(single, Scalar::F32, ty)
            }
            Scalar::F32 | Scalar::F64 => {
                let (ftz, nan, a, b) = (self.ftz(ty), None, Use(a), Use(b));
                let (reg, ty) = (reg_ty(ty), float_ty(ty));
                match max {
                    true => self.pure(reg, |d| MaxFloat { ftz, nan, ty, d, a, b }).into(),
                    false => self.pure(reg, |d| MinFloat { ftz, nan, ty, d, a, b }).into(),
                }
            }
            Scalar::Bool
            | Scalar::I8
            | Scalar::I16
            | Scalar::I32
            | Scalar::I64
            | Scalar::Isize
            | Scalar::U8
            | Scalar::U16
            | Scalar::U32
            | Scalar::U64
            | Scalar::Usize => self.int_min_max(ty, max, a, b),
            Scalar::E4m3
            | Scalar::E5m2
            | Scalar::F16x2
            | Scalar::Bf16x2
            | Scalar::I4x8
            | Scalar::U4x8 => {
                unreachable!("{ty} is no number of the table")
            }
        }
    }

    /// The nearest value between the bounds; a NaN stays one.
    fn clamp(&mut self, ty: Scalar, x: Operand, low: &Operand, high: &Operand) -> Operand {
        if ty.is_int() {
            let x = self.int_min_max(ty, true, x, low.clone());
            return self.int_min_max(ty, false, x, high.clone());
        }
        let below = self.compare(BinOp::Lt, ty, x.clone(), low.clone());
        let x = self.select(ty, below, low.clone(), x);
        let above = self.compare(BinOp::Gt, ty, x.clone(), high.clone());
        self.select(ty, above, high.clone(), x)
    }

    /// The sign as a number: of an integer -1, 0 or 1, of a float -1 or 1, or NaN.
    fn signum(&mut self, ty: Scalar, x: Operand) -> Operand {
        if ty.is_int() {
            let x = self.int_min_max(ty, true, x, Operand::Int(-1));
            return self.int_min_max(ty, false, x, Operand::Int(1));
        }
        let one = self.immediate(Value::float(ty, 1.0));
        let sign = self.copysign(ty, one, x.clone());
        let nan = self.is_nan(x.clone(), ty);
        self.select(ty, nan, x, sign)
    }
}
