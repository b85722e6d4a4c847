//! Operators on scalars.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{
    AddFloat, DivApprox, DivFloat, DivInt, MulFloat, NegFloat, NegInt, RemInt, SubFloat,
};
use firesteel_ptx::modifier::{Cmp, DivMode, Ftz, Round};
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::{CvtTy, FloatTy, LogicTy, RealTy, ShrTy, SignedTy, SingleTy, Ty as PtxTy};

use super::emit::when;
use super::number::Fact;
use super::val::{
    bits_ty, compare_ty, constant, float_ty, immediate, int_ty, logic_ty, reg_ty, select_ty,
};
use super::{Lower, Operand, SiteKind, op};
use crate::hir::{BinOp, Scalar, SpanRange, UnOp, Value};

/// The signs of a pair.
pub(super) const PAIR_SIGNS: i64 = 0x8000_8000;

impl Lower<'_> {
    /// `a op b`, where only the amount of a shift may have another type than `ty`.
    pub(crate) fn binary(
        &mut self,
        binop: BinOp,
        ty: Scalar,
        a: Operand,
        (b, b_ty): (Operand, Scalar),
        span: SpanRange,
    ) -> Operand {
        if let (Some(x), Some(y)) = (constant(&a, ty), constant(&b, b_ty))
            && let Some(value) = x.binary(binop, y)
        {
            return immediate(value);
        }
        if binop.is_comparison() {
            return self.compare(binop, ty, a, b);
        }
        if let Some(same) = neutral(binop, ty, &a, constant(&b, b_ty)) {
            return same;
        }
        if ty.is_pair() {
            return self.pair_binary(binop, ty, &a, &b, span);
        }
        if !ty.is_int() {
            return self.compute(binop, ty, a, (b, b_ty), span);
        }
        let operands = (a.clone(), b.clone());
        let result = self.compute(binop, ty, a, (b, b_ty), span);
        self.describe_binary(binop, ty, (&operands.0, &operands.1, b_ty), &result);
        result
    }

    /// The instructions of `a op b`.
    fn compute(
        &mut self,
        binop: BinOp,
        ty: Scalar,
        a: Operand,
        (b, b_ty): (Operand, Scalar),
        span: SpanRange,
    ) -> Operand {
        match binop {
            BinOp::BitAnd | BinOp::BitOr | BinOp::BitXor => self.bitwise(binop, ty, a, b),
            BinOp::Shl | BinOp::Shr => self.shift(binop, ty, a, b, b_ty),
            BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Div | BinOp::Rem if ty.is_float() => {
                self.float_binary(binop, ty, a, b)
            }
            BinOp::Add | BinOp::Sub | BinOp::Mul => self.int_binary(binop, ty, a, b),
            BinOp::Div | BinOp::Rem => self.divide(binop, ty, a, b, span),
            BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => {
                unreachable!("comparisons are lowered above")
            }
        }
    }

    fn int_binary(&mut self, binop: BinOp, ty: Scalar, a: Operand, b: Operand) -> Operand {
        if let (BinOp::Sub, Some(wide)) = (binop, widened(ty)) {
            let (a, b) = (self.convert(a, ty, wide), self.convert(b, ty, wide));
            let result = self.int_binary(binop, wide, a, b);
            return self.convert(result, wide, ty);
        }
        let int = int_ty(ty);
        let reg = match binop {
            BinOp::Add => self.pure(reg_ty(ty), |d| op::add(int, d, a, b)),
            BinOp::Sub => self.pure(reg_ty(ty), |d| op::sub(int, d, a, b)),
            _ => self.pure(reg_ty(ty), |d| op::mul(int, d, a, b)),
        };
        self.normalise(ty, reg)
    }

    /// Extends the low 8 bits of the register of an `i8` or `u8` again; other types need nothing.
    pub(crate) fn normalise(&mut self, ty: Scalar, reg: Reg) -> Operand {
        let cvt = match ty {
            Scalar::I8 => (CvtTy::S16, CvtTy::S8),
            Scalar::U8 => (CvtTy::U16, CvtTy::U8),
            Scalar::Bool
            | Scalar::I16
            | Scalar::I32
            | Scalar::I64
            | Scalar::Isize
            | Scalar::U16
            | Scalar::U32
            | Scalar::U64
            | Scalar::Usize
            | Scalar::E4m3
            | Scalar::E5m2
            | Scalar::F16
            | Scalar::Bf16
            | Scalar::F32
            | Scalar::F64
            | Scalar::F16x2
            | Scalar::Bf16x2
            | Scalar::I4x8
            | Scalar::U4x8 => return reg.into(),
        };
        self.pure(PtxTy::B16, |d| op::cvt(None, cvt.0, d, cvt.1, reg)).into()
    }

    /// `a & b`, `a | b`, `a ^ b`. Of extended values the result is extended.
    fn bitwise(&mut self, binop: BinOp, ty: Scalar, a: Operand, b: Operand) -> Operand {
        let logic = logic_ty(ty);
        let reg = match binop {
            BinOp::BitAnd => self.pure(reg_ty(ty), |d| op::and(logic, d, a, b)),
            BinOp::BitOr => self.pure(reg_ty(ty), |d| op::or(logic, d, a, b)),
            _ => self.pure(reg_ty(ty), |d| op::xor(logic, d, a, b)),
        };
        reg.into()
    }

    /// `a << b`, `a >> b`, of `b` the bits that count. PTX clamps the amount instead.
    fn shift(&mut self, binop: BinOp, ty: Scalar, a: Operand, b: Operand, b_ty: Scalar) -> Operand {
        let mask = i64::from(ty.bits() - 1);
        let amount = match constant(&b, b_ty) {
            Some(value) => Operand::Int(value.bits() as i64 & mask),
            None => {
                let amount = self.convert(b, b_ty, Scalar::U32);
                self.pure(PtxTy::B32, |d| op::and(LogicTy::B32, d, amount, Operand::Int(mask)))
                    .into()
            }
        };
        let reg = match binop {
            BinOp::Shl => self.pure(reg_ty(ty), |d| op::shl(bits_ty(ty), d, a, amount)),
            _ => {
                let shr = ShrTy::from_ty(int_ty(ty).ty())
                    .unwrap_or_else(|| unreachable!("`shr` takes every integer type"));
                self.pure(reg_ty(ty), |d| op::shr(shr, d, a, amount))
            }
        };
        self.normalise(ty, reg)
    }

    /// `a / b`, `a % b` of integers. A zero faults; the smallest by -1 wraps.
    fn divide(
        &mut self,
        binop: BinOp,
        ty: Scalar,
        a: Operand,
        b: Operand,
        span: SpanRange,
    ) -> Operand {
        let known = constant(&b, ty).map(Value::as_int);
        match known {
            Some(-1) if binop == BinOp::Div => return self.unary(UnOp::Neg, ty, a),
            Some(-1) => return Operand::Int(0),
            Some(divisor) if divisor != 0 => return self.divide_by(binop, ty, a, divisor),
            Some(_) | None => self.check_divisor(ty, &b, span),
        }
        if !ty.is_signed() || ty.bits() == 8 || known.is_some() {
            // The quotient of -128 and -1 is exact in 16 bits and wraps with the others.
            return self.quotient(binop, ty, a, b);
        }
        let minus_one = self.compare(BinOp::Eq, ty, b.clone(), Operand::Int(-1));
        let safe = self.select(ty, minus_one.clone(), Operand::Int(1), b);
        let result = self.quotient(binop, ty, a, safe);
        if binop == BinOp::Rem {
            // Any number leaves 0 when divided by 1, as by -1.
            return result;
        }
        let negated = self.unary(UnOp::Neg, ty, result.clone());
        self.select(ty, minus_one, negated, result)
    }

    /// Faults where the divisor is zero, unless the kernel is unchecked.
    pub(crate) fn check_divisor(&mut self, ty: Scalar, divisor: &Operand, span: SpanRange) {
        if self.kernel.signature.options.unchecked {
            return;
        }
        match divisor {
            Operand::Reg(reg) => {
                if self.numbers.check(Fact::NonZero, *reg) {
                    return;
                }
                let fault = self.fault(span, SiteKind::DivisionByZero);
                let zero = self.compare_reg(BinOp::Eq, ty, divisor.clone(), Operand::Int(0));
                self.jump_if(when(zero), fault);
            }
            Operand::Int(0) => {
                let fault = self.fault(span, SiteKind::DivisionByZero);
                self.jump(fault);
            }
            Operand::Int(_)
            | Operand::F32(_)
            | Operand::F64(_)
            | Operand::Special(_)
            | Operand::Symbol(..) => {}
        }
    }

    /// The same by a constant other than 0 and -1. A power of two shifts and masks what is not
    /// negative; the rest is left to `ptxas`.
    fn divide_by(&mut self, binop: BinOp, ty: Scalar, a: Operand, divisor: i128) -> Operand {
        let b = Operand::Int(divisor as i64);
        let power = divisor > 0 && divisor.count_ones() == 1;
        if !power || self.range(&a, ty).low < 0 {
            return self.quotient(binop, ty, a, b);
        }
        match binop {
            BinOp::Div => {
                let amount = Operand::Int(i64::from(divisor.trailing_zeros()));
                self.shift(BinOp::Shr, ty, a, amount, Scalar::U32)
            }
            _ => self.bitwise(BinOp::BitAnd, ty, a, Operand::Int(divisor as i64 - 1)),
        }
    }

    /// The quotient or remainder as PTX has it.
    pub(super) fn quotient(&mut self, binop: BinOp, ty: Scalar, a: Operand, b: Operand) -> Operand {
        let (a, b, int) = (Use(a), Use(b), int_ty(ty));
        let reg = match binop {
            BinOp::Div => self.pure(reg_ty(ty), |d| DivInt { ty: int, d, a, b }),
            _ => self.pure(reg_ty(ty), |d| RemInt { ty: int, d, a, b }),
        };
        self.normalise(ty, reg)
    }

    /// `+ - * / %` of floats, rounded once.
    ///
    /// `bf16` is computed in `f32`, and so is division of `f16`: 24 bits are more than twice
    /// their 11 and 8 and two, so the two roundings equal one (Figueroa, 1995).
    fn float_binary(&mut self, binop: BinOp, ty: Scalar, a: Operand, b: Operand) -> Operand {
        let native = ty != Scalar::Bf16 && (ty != Scalar::F16 || binop != BinOp::Div);
        if binop == BinOp::Rem {
            return self.float_rem(ty, a, b);
        }
        if native {
            return self.native_float(binop, ty, a, b);
        }
        let (a, b) = (self.convert(a, ty, Scalar::F32), self.convert(b, ty, Scalar::F32));
        let wide = self.native_float(binop, Scalar::F32, a, b);
        self.convert(wide, Scalar::F32, ty)
    }

    pub(super) fn native_float(
        &mut self,
        binop: BinOp,
        ty: Scalar,
        a: Operand,
        b: Operand,
    ) -> Operand {
        let (a, b) = (self.float_operand(a, ty), self.float_operand(b, ty));
        let (round, ftz, sat) = (self.round(), self.ftz(ty), None);
        let (a, b, reg, ty) = (Use(a), Use(b), reg_ty(ty), float_ty(ty));
        let result = match binop {
            BinOp::Add => self.pure(reg, |d| AddFloat { round, ftz, sat, ty, d, a, b }),
            BinOp::Sub => self.pure(reg, |d| SubFloat { round, ftz, sat, ty, d, a, b }),
            BinOp::Mul => self.pure(reg, |d| MulFloat { round, ftz, sat, ty, d, a, b }),
            _ if ftz.is_some() => {
                let (mode, ty) = (DivMode::Approx, SingleTy::F32);
                self.pure(reg, |d| DivApprox { mode, ftz, ty, d, a, b })
            }
            _ => {
                let (round, ty) = (Round::Rn, real(ty));
                self.pure(reg, |d| DivFloat { round, ftz, ty, d, a, b })
            }
        };
        result.into()
    }

    /// An operand of a float instruction: immediates of `f16`, `bf16` and pairs of them must be in
    /// registers.
    pub(crate) fn float_operand(&mut self, a: Operand, ty: Scalar) -> Operand {
        match ty.bits() {
            16 => self.in_reg(&a, ty).into(),
            _ if ty.is_pair() => self.in_reg(&a, ty).into(),
            _ => a,
        }
    }

    /// The rounding of sums and products: without one, `ptxas` may contract them.
    pub(crate) fn round(&self) -> Option<Round> {
        (!self.kernel.signature.options.fast_math).then_some(Round::Rn)
    }

    /// Whether denormals of this type count as zero.
    pub(crate) fn ftz(&self, ty: Scalar) -> Option<Ftz> {
        (self.kernel.signature.options.fast_math && ty == Scalar::F32).then_some(Ftz::Ftz)
    }

    /// `-a`, `!a`.
    pub(crate) fn unary(&mut self, unop: UnOp, ty: Scalar, a: Operand) -> Operand {
        if let Some(value) = constant(&a, ty).and_then(|value| value.unary(unop)) {
            return immediate(value);
        }
        if let (UnOp::Neg, Some(wide)) = (unop, widened(ty)) {
            let wider = self.convert(a, ty, wide);
            let result = self.unary(unop, wide, wider);
            return self.convert(result, wide, ty);
        }
        let (reg, logic) = (reg_ty(ty), logic_ty(ty));
        let result = match (unop, ty) {
            (UnOp::Not, _) => self.pure(reg, |d| op::not(logic, d, a)),
            (UnOp::Neg, Scalar::F32 | Scalar::F64) => {
                let (ftz, ty) = (self.ftz(ty), float_ty(ty));
                self.pure(reg, |d| NegFloat { ftz, ty, d, a: Use(a) })
            }
            (UnOp::Neg, Scalar::F16x2 | Scalar::Bf16x2) => {
                self.pure(reg, |d| op::xor(logic, d, a, Operand::Int(PAIR_SIGNS)))
            }
            (UnOp::Neg, Scalar::F16 | Scalar::Bf16) => {
                self.pure(reg, |d| op::xor(logic, d, a, Operand::Int(0x8000)))
            }
            (UnOp::Neg, _) => {
                let ty = SignedTy::from_ty(int_ty(ty).ty())
                    .unwrap_or_else(|| unreachable!("`infer` negates signed numbers alone"));
                self.pure(reg, |d| NegInt { ty, d, a: Use(a) })
            }
        };
        self.normalise(ty, result)
    }

    /// `a cmp b`, a predicate or a constant.
    pub(crate) fn compare(&mut self, binop: BinOp, ty: Scalar, a: Operand, b: Operand) -> Operand {
        match (constant(&a, ty), constant(&b, ty)) {
            (Some(x), Some(y)) => x.binary(binop, y).map_or(Operand::Int(0), immediate),
            _ => self.compare_reg(binop, ty, a, b).into(),
        }
    }

    /// `a cmp b`, in a predicate.
    pub(crate) fn compare_reg(&mut self, binop: BinOp, ty: Scalar, a: Operand, b: Operand) -> Reg {
        match ty {
            Scalar::Bool => self.compare_bool(binop, a, b),
            Scalar::E4m3
            | Scalar::E5m2
            | Scalar::F16x2
            | Scalar::Bf16x2
            | Scalar::I4x8
            | Scalar::U4x8 => {
                unreachable!("`infer` lets nobody compare {ty}")
            }
            Scalar::Bf16 => {
                let (a, b) = (self.convert(a, ty, Scalar::F32), self.convert(b, ty, Scalar::F32));
                self.compare_reg(binop, Scalar::F32, a, b)
            }
            Scalar::I8
            | Scalar::I16
            | Scalar::I32
            | Scalar::I64
            | Scalar::Isize
            | Scalar::U8
            | Scalar::U16
            | Scalar::U32
            | Scalar::U64
            | Scalar::Usize
            | Scalar::F16
            | Scalar::F32
            | Scalar::F64 => {
                let (a, b) = (self.float_operand_if(a, ty), self.float_operand_if(b, ty));
                let (cmp, ptx) = (comparison(binop, ty), compare_ty(ty));
                let ftz = self.ftz(ty);
                self.pure(PtxTy::Pred, |d| {
                    let mut setp = op::setp(cmp, ptx, d, a, b);
                    setp.ftz = ftz;
                    setp
                })
            }
        }
    }

    fn float_operand_if(&mut self, a: Operand, ty: Scalar) -> Operand {
        if ty.is_float() { self.float_operand(a, ty) } else { a }
    }

    /// `false < true`.
    fn compare_bool(&mut self, binop: BinOp, a: Operand, b: Operand) -> Reg {
        let pred = LogicTy::Pred;
        let (a, b): (Operand, Operand) =
            (self.in_reg(&a, Scalar::Bool).into(), self.in_reg(&b, Scalar::Bool).into());
        let not = |cx: &mut Self, x: Operand| -> Operand {
            cx.pure(PtxTy::Pred, |d| op::not(pred, d, x)).into()
        };
        match binop {
            BinOp::Ne => self.pure(PtxTy::Pred, |d| op::xor(pred, d, a, b)),
            BinOp::Lt => {
                let a = not(self, a);
                self.pure(PtxTy::Pred, |d| op::and(pred, d, a, b))
            }
            BinOp::Gt => {
                let b = not(self, b);
                self.pure(PtxTy::Pred, |d| op::and(pred, d, a, b))
            }
            BinOp::Le => {
                let a = not(self, a);
                self.pure(PtxTy::Pred, |d| op::or(pred, d, a, b))
            }
            BinOp::Ge => {
                let b = not(self, b);
                self.pure(PtxTy::Pred, |d| op::or(pred, d, a, b))
            }
            _ => {
                let differ = self.pure(PtxTy::Pred, |d| op::xor(pred, d, a, b));
                self.pure(PtxTy::Pred, |d| op::not(pred, d, differ))
            }
        }
    }

    /// `cond ? a : b` of a scalar; both are computed already.
    pub(crate) fn select(&mut self, ty: Scalar, cond: Operand, a: Operand, b: Operand) -> Operand {
        let Operand::Reg(cond) = cond else {
            let holds = constant(&cond, Scalar::Bool).is_some_and(Value::as_bool);
            return if holds { a } else { b };
        };
        if a == b {
            return a;
        }
        if ty == Scalar::Bool {
            return self.select_bool(cond, a, b);
        }
        self.pure(reg_ty(ty), |d| op::selp(select_ty(ty), d, a, b, cond)).into()
    }

    /// Predicates have no `selp`: `cond & a | !cond & b`.
    fn select_bool(&mut self, cond: Reg, a: Operand, b: Operand) -> Operand {
        let pred = LogicTy::Pred;
        let (a, b) = (self.in_reg(&a, Scalar::Bool), self.in_reg(&b, Scalar::Bool));
        let left = self.pure(PtxTy::Pred, |d| op::and(pred, d, cond, a));
        let other = self.pure(PtxTy::Pred, |d| op::not(pred, d, cond));
        let right = self.pure(PtxTy::Pred, |d| op::and(pred, d, other, b));
        self.pure(PtxTy::Pred, |d| op::or(pred, d, left, right)).into()
    }

    /// The smaller (or larger) of two integers.
    pub(crate) fn int_min_max(&mut self, ty: Scalar, max: bool, a: Operand, b: Operand) -> Operand {
        let (int, a, b) = (int_ty(ty), Use(a), Use(b));
        let reg = if max {
            self.pure(reg_ty(ty), |d| firesteel_ptx::isa::MaxInt { ty: int, d, a, b })
        } else {
            self.pure(reg_ty(ty), |d| firesteel_ptx::isa::MinInt { ty: int, d, a, b })
        };
        reg.into()
    }
}

/// `a`, where `a op b` is `a` for that constant `b`.
fn neutral(binop: BinOp, ty: Scalar, a: &Operand, b: Option<Value>) -> Option<Operand> {
    let b = b.filter(|_| ty.is_int())?.as_int();
    let same = match binop {
        BinOp::Add | BinOp::Sub | BinOp::BitOr | BinOp::BitXor | BinOp::Shl | BinOp::Shr => b == 0,
        BinOp::Mul | BinOp::Div => b == 1,
        BinOp::Rem
        | BinOp::BitAnd
        | BinOp::Eq
        | BinOp::Ne
        | BinOp::Lt
        | BinOp::Le
        | BinOp::Gt
        | BinOp::Ge => false,
    };
    same.then(|| a.clone())
}

/// The comparison of PTX. Of a NaN only "not equal" holds.
const fn comparison(binop: BinOp, ty: Scalar) -> Cmp {
    match binop {
        BinOp::Eq => Cmp::Eq,
        BinOp::Ne if ty.is_float() => Cmp::Neu,
        BinOp::Ne => Cmp::Ne,
        BinOp::Lt => Cmp::Lt,
        BinOp::Le => Cmp::Le,
        BinOp::Gt => Cmp::Gt,
        BinOp::Ge
        | BinOp::Add
        | BinOp::Sub
        | BinOp::Mul
        | BinOp::Div
        | BinOp::Rem
        | BinOp::BitAnd
        | BinOp::BitOr
        | BinOp::BitXor
        | BinOp::Shl
        | BinOp::Shr => Cmp::Ge,
    }
}

/// The type of instructions that only singles and doubles have.
pub(crate) fn real(ty: FloatTy) -> RealTy {
    RealTy::from_ty(ty.ty()).unwrap_or_else(|| unreachable!("{ty:?} is computed in `f32`"))
}

/// The type in which a negation, a difference or an absolute value of 16 bits is computed.
///
/// NVIDIA's assembler (12.9 and 13.0, seen on sm_90) takes `neg.s16` and `abs.s16` for free of
/// overflow, also where it makes a `neg` of `0 - x` itself: what reads `-32768`, negated, as a
/// signed number then finds `32768`.
pub(super) const fn widened(ty: Scalar) -> Option<Scalar> {
    match ty {
        Scalar::I16 => Some(Scalar::I32),
        Scalar::U16 => Some(Scalar::U32),
        _ => None,
    }
}
