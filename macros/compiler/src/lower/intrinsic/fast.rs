//! Approximate math: one or two instructions each.

use firesteel_ptx::isa::{
    Cos, DivApprox, Ex2, Lg2, MulFloat, RcpApprox, Rsqrt, Sin, SqrtApprox, Tanh,
};
use firesteel_ptx::modifier::{DivMode, Ftz, Round};
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::{Ex2Ty, FloatTy, RealTy, SingleTy, Ty as PtxTy};

use super::super::{Lower, Operand, Val};
use crate::hir::{BinOp, Call, Op, Scalar, SpanRange, Ty};

const SINGLE: PtxTy = PtxTy::F32;
/// The functions of the module `fast` take denormals for zero, which saves them two steps.
const FTZ: Option<Ftz> = Some(Ftz::Ftz);

impl Lower<'_> {
    pub(super) fn fast(&mut self, call: &Call, _ty: &Ty, span: SpanRange) -> Val {
        let args = self.operands_of(call);
        let ty = SingleTy::F32;
        let operand: Operand = match (call.op, args.as_slice()) {
            (Op::KaioExp, [x]) => self.fast_exp(x, None),
            (Op::KaioLog, [x]) => self.fast_ln(x, None),
            (Op::KaioTanh, [x]) => self.kaio_tanh(x, span),
            (Op::FastExp, [x]) => self.fast_exp(x, FTZ),
            (Op::FastExp2, [x]) => self.ex2(x.clone(), FTZ),
            (Op::FastLn, [x]) => self.fast_ln(x, FTZ),
            (Op::FastLog2, [x]) => self.lg2(x, FTZ),
            (Op::FastSin, [x]) => {
                self.pure(SINGLE, |d| Sin { ftz: FTZ, ty, d, a: using(x) }).into()
            }
            (Op::FastCos, [x]) => {
                self.pure(SINGLE, |d| Cos { ftz: FTZ, ty, d, a: using(x) }).into()
            }
            (Op::FastTanh, [x]) => {
                self.pure(SINGLE, |d| Tanh { ty: Ex2Ty::F32, d, a: using(x) }).into()
            }
            (Op::FastSqrt, [x]) => {
                self.pure(SINGLE, |d| SqrtApprox { ftz: FTZ, ty, d, a: using(x) }).into()
            }
            (Op::FastRsqrt, [x]) => {
                self.pure(SINGLE, |d| Rsqrt { ftz: FTZ, ty: RealTy::F32, d, a: using(x) }).into()
            }
            (Op::FastRecip, [x]) => self.fast_recip(x, FTZ),
            (Op::FastDiv, [x, y]) => {
                let (mode, ftz, a, b) = (DivMode::Approx, FTZ, using(x), using(y));
                self.pure(SINGLE, |d| DivApprox { mode, ftz, ty, d, a, b }).into()
            }
            (Op::FastPowf, [x, y]) => {
                let log = self.lg2(x, FTZ);
                let power = self.scaled(&log, y.clone(), FTZ);
                self.ex2(power, FTZ)
            }
            (other, _) => unreachable!("`{other:?}` is not approximate, or has other arguments"),
        };
        Val::scalar(operand)
    }

    fn fast_exp(&mut self, x: &Operand, ftz: Option<Ftz>) -> Operand {
        let power = self.scaled(x, single(std::f32::consts::LOG2_E), ftz);
        self.ex2(power, ftz)
    }

    fn fast_ln(&mut self, x: &Operand, ftz: Option<Ftz>) -> Operand {
        let log = self.lg2(x, ftz);
        self.scaled(&log, single(std::f32::consts::LN_2), ftz)
    }

    /// `1 - 2 / (exp(2x) + 1)`: where the power is infinite the quotient is 0, not NaN.
    fn kaio_tanh(&mut self, x: &Operand, span: SpanRange) -> Operand {
        let power = self.scaled(x, single(2.0 * std::f32::consts::LOG2_E), None);
        let power = self.ex2(power, None);
        let one = (single(1.0), Scalar::F32);
        let sum = self.binary(BinOp::Add, Scalar::F32, power, one, span);
        let part = self.fast_recip(&sum, None);
        let twice = (part.clone(), Scalar::F32);
        let part = self.binary(BinOp::Add, Scalar::F32, part, twice, span);
        self.binary(BinOp::Sub, Scalar::F32, single(1.0), (part, Scalar::F32), span)
    }

    /// `1 / x`, within a unit in the last place.
    pub(super) fn fast_recip(&mut self, x: &Operand, ftz: Option<Ftz>) -> Operand {
        self.pure(SINGLE, |d| RcpApprox { ftz, ty: RealTy::F32, d, a: using(x) }).into()
    }

    fn ex2(&mut self, x: Operand, ftz: Option<Ftz>) -> Operand {
        self.pure(SINGLE, |d| Ex2 { ftz, ty: Ex2Ty::F32, d, a: Use(x) }).into()
    }

    fn lg2(&mut self, x: &Operand, ftz: Option<Ftz>) -> Operand {
        self.pure(SINGLE, |d| Lg2 { ftz, ty: SingleTy::F32, d, a: using(x) }).into()
    }

    fn scaled(&mut self, x: &Operand, by: Operand, ftz: Option<Ftz>) -> Operand {
        let (round, ty, a, b) = (Some(Round::Rn), FloatTy::F32, using(x), Use(by));
        self.pure(SINGLE, |d| MulFloat { round, ftz, sat: None, ty, d, a, b }).into()
    }
}

fn using(x: &Operand) -> Use {
    Use(x.clone())
}

fn single(x: f32) -> Operand {
    Operand::F32(x.to_bits())
}
