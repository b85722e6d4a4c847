//! Methods of floats.
//!
//! `f16` and `bf16` are computed in `f32` and rounded.

use firesteel_ptx::isa::{Copysign, FmaFloat};
use firesteel_ptx::modifier::{Cmp, FloatClass, Ftz, Round};
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::{CompareTy, FloatTy, RealTy, Ty as PtxTy};

use super::super::math::{Math, Num, Real};
use super::super::val::{float_ty, logic_ty, reg_ty};
use super::super::{Lower, Operand, Val, op};
use crate::hir::{BinOp, Call, Op, Scalar, SpanRange, Ty};

/// The lowest architecture that has `fma.rn.bf16`.
pub(super) const BF16_FMA_SM: u32 = 80;

impl Lower<'_> {
    pub(super) fn float(&mut self, call: &Call, result: &Ty, _span: SpanRange) -> Val {
        let ty = self.type_of_first(call);
        let to = result.scalar().unwrap_or(ty);
        let args = self.operands_of(call);
        let operand = match (call.op, args.as_slice()) {
            (Op::MulAdd, [a, b, c]) => self.mul_add(ty, a, b, c),
            (Op::Copysign, [x, sign]) => self.copysign(ty, x.clone(), sign.clone()),
            (Op::IsNan, [x]) => self.is_nan(x.clone(), ty),
            (Op::IsFinite, [x]) => self.float_class(FloatClass::Finite, ty, x.clone()),
            (Op::IsInfinite, [x]) => self.float_class(FloatClass::Infinite, ty, x.clone()),
            (Op::IsSignNegative, [x]) => self.sign_bit(ty, x.clone()),
            (Op::ToBits, [x]) => self.float_bits(x.clone(), ty),
            (Op::FromBits, [bits]) => self.float_from_bits(bits.clone(), to),
            (Op::ToF32, [x]) => self.convert(x.clone(), ty, Scalar::F32),
            (Op::FromF32, [x]) => self.convert(x.clone(), Scalar::F32, to),
            (Op::Recip, [x]) if self.ftz(ty).is_some() => self.fast_recip(x, Some(Ftz::Ftz)),
            (op, [x]) => self.elementary(op, ty, x.clone(), None),
            (op, [x, y]) => self.elementary(op, ty, x.clone(), Some(y.clone())),
            (other, _) => unreachable!("`{other:?}` has one argument, or two"),
        };
        Val::scalar(operand)
    }

    /// `a * b + c`, rounded once.
    pub(super) fn mul_add(&mut self, ty: Scalar, a: &Operand, b: &Operand, c: &Operand) -> Operand {
        if ty == Scalar::Bf16x2 && self.kernel.signature.options.sm < BF16_FMA_SM {
            return self
                .half_by_half(ty, [a, b, c], |cx, half, [a, b, c]| cx.mul_add(half, a, b, c));
        }
        if ty == Scalar::Bf16 && self.kernel.signature.options.sm < BF16_FMA_SM {
            let [a, b, c] = [a, b, c].map(|it| self.convert(it.clone(), ty, Scalar::F32));
            let single = self.fma_to_odd(&a, &b, &c);
            return self.convert(single, Scalar::F32, ty);
        }
        let [a, b, c] = [a, b, c].map(|it| self.float_operand(it.clone(), ty));
        let (float, reg, ftz) = (float_ty(ty), reg_ty(ty), self.ftz(ty));
        self.pure(reg, |d| FmaFloat { ftz, ..fma(Round::Rn, float, d, &a, &b, &c) }).into()
    }

    /// `a * b + c`, odd in its last place where bits were lost, so that rounding it again is as
    /// good as rounding the exact sum.
    fn fma_to_odd(&mut self, a: &Operand, b: &Operand, c: &Operand) -> Operand {
        let [near, above, below] = [Round::Rz, Round::Rp, Round::Rm]
            .map(|round| self.pure(PtxTy::F32, |d| fma(round, FloatTy::F32, d, a, b, c)));
        let lost = self.pure(PtxTy::Pred, |d| op::setp(Cmp::Ne, CompareTy::F32, d, above, below));
        self.make_odd(near, lost)
    }

    /// `x` with the sign of `sign`.
    pub(super) fn copysign(&mut self, ty: Scalar, x: Operand, sign: Operand) -> Operand {
        let Some(real) = RealTy::from_ty(float_ty(ty).ty()) else {
            let (logic, reg) = (logic_ty(ty), reg_ty(ty));
            let size = self.pure(reg, |d| op::and(logic, d, x, Operand::Int(0x7fff)));
            let sign = self.pure(reg, |d| op::and(logic, d, sign, Operand::Int(0x8000)));
            return self.pure(reg, |d| op::or(logic, d, size, sign)).into();
        };
        self.pure(reg_ty(ty), |d| Copysign { ty: real, d, a: Use(sign), b: Use(x) }).into()
    }

    fn float_class(&mut self, class: FloatClass, ty: Scalar, x: Operand) -> Operand {
        match RealTy::from_ty(float_ty(ty).ty()) {
            Some(real) => self.test_class(class, real, x),
            None => {
                let single = self.convert(x, ty, Scalar::F32);
                self.test_class(class, RealTy::F32, single)
            }
        }
    }

    fn sign_bit(&mut self, ty: Scalar, x: Operand) -> Operand {
        let bits = self.float_bits(x, ty);
        let signed = match ty.bits() {
            16 => Scalar::I16,
            32 => Scalar::I32,
            _ => Scalar::I64,
        };
        self.compare(BinOp::Lt, signed, bits, Operand::Int(0))
    }

    /// A function of one number or two.
    fn elementary(&mut self, op: Op, ty: Scalar, x: Operand, y: Option<Operand>) -> Operand {
        if ty.bits() == 16 {
            let x = self.convert(x, ty, Scalar::F32);
            let y = y.map(|y| if op == Op::Powi { y } else { self.convert(y, ty, Scalar::F32) });
            let single = self.elementary(op, Scalar::F32, x, y);
            return self.convert(single, Scalar::F32, ty);
        }
        let (real, int) = match ty {
            Scalar::F64 => (Real::Double, Scalar::I64),
            _ => (Real::Single, Scalar::I32),
        };
        let x = Num::Reg(self.in_reg(&x, ty));
        let y = y.map(|y| {
            let (y, ty) = match op == Op::Powi {
                true => (self.convert(y, Scalar::I32, int), int),
                false => (y, ty),
            };
            Num::Reg(self.in_reg(&y, ty))
        });
        let math = &mut Math::new(self, real);
        let result = match y {
            None => function(math, op, x),
            Some(y) => function_of_two(math, op, x, y),
        };
        math.operand(result)
    }
}

fn function(math: &mut Math<'_, '_>, op: Op, x: Num) -> Num {
    match op {
        Op::Sqrt => math.sqrt(x),
        Op::Recip => math.rcp(x),
        Op::Rsqrt => math.rsqrt(x),
        Op::Exp => math.exp(x),
        Op::Exp2 => math.exp2(x),
        Op::ExpM1 => math.exp_m1(x),
        Op::Ln => math.ln(x),
        Op::Ln1p => math.ln_1p(x),
        Op::Log2 => math.log2(x),
        Op::Log10 => math.log10(x),
        Op::Sin => math.sin(x),
        Op::Cos => math.cos(x),
        Op::Tan => math.tan(x),
        Op::Tanh => math.tanh(x),
        Op::Floor => math.floor(x),
        Op::Ceil => math.ceil(x),
        Op::Round => math.round(x),
        Op::RoundTiesEven => math.round_ties_even(x),
        Op::Trunc => math.trunc(x),
        Op::Fract => math.fract(x),
        other => unreachable!("`{other:?}` is no function of one float"),
    }
}

fn function_of_two(math: &mut Math<'_, '_>, op: Op, x: Num, y: Num) -> Num {
    match op {
        Op::Powi => math.powi(x, y),
        Op::Powf => math.powf(x, y),
        other => unreachable!("`{other:?}` is no function of two floats"),
    }
}

/// `d = a * b + c`.
fn fma(
    round: Round,
    ty: FloatTy,
    d: firesteel_ptx::operand::Def,
    a: &Operand,
    b: &Operand,
    c: &Operand,
) -> FmaFloat {
    let [a, b, c] = [a, b, c].map(|it| Use(it.clone()));
    FmaFloat { round, ftz: None, sat: None, relu: None, ty, d, a, b, c }
}
