//! Two floats of 16 bits in one register.
//!
//! What the machine does not have for both halves at once is done for each of them.

use firesteel_ptx::isa::{MaxFloat, MinFloat};
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::{LogicTy, PackTy, Ty as PtxTy};

use super::super::val::{constant, float_ty, immediate, reg_ty};
use super::super::{Lower, Operand, Val, op};
use super::float::BF16_FMA_SM;
use crate::hir::{BinOp, Call, Op, Scalar, SpanRange, Ty, Value};

/// All bits of a pair but the signs.
const MAGNITUDES: i64 = 0x7fff_7fff;
/// The lowest architecture that has `min` and `max` of pairs, and packs singles into pairs.
const PAIR_SM: u32 = 80;
/// The lowest architecture that has `add`, `sub` and `mul` of `bf16x2`.
const BF16_ADD_SM: u32 = 90;

impl Lower<'_> {
    pub(super) fn pair(&mut self, call: &Call, result: &Ty, _span: SpanRange) -> Val {
        let args = self.operands_of(call);
        let to = result.scalar().unwrap_or(Scalar::F16x2);
        let from = self.type_of_first(call);
        match (call.op, args.as_slice()) {
            (Op::PairNew, [low, high]) => Val::scalar(self.join_halves(to, low, high)),
            (Op::PairSplat, [half]) => Val::scalar(self.join_halves(to, half, half)),
            (Op::PairFromF32, [low, high]) => Val::scalar(self.round_to_pair(to, low, high)),
            (Op::PairLo, [pair]) => {
                let [low, _] = self.halves(from, pair);
                Val::scalar(low)
            }
            (Op::PairHi, [pair]) => {
                let [_, high] = self.halves(from, pair);
                Val::scalar(high)
            }
            (Op::PairToF32, [pair]) => {
                let half = half_of(from);
                let halves = self.halves(from, pair);
                let singles = halves.map(|it| self.convert(it, half, Scalar::F32));
                Val::parts(singles.to_vec())
            }
            (other, _) => unreachable!("`{other:?}` makes no pair and reads none"),
        }
    }

    /// The pair of two halves.
    fn join_halves(&mut self, pair: Scalar, low: &Operand, high: &Operand) -> Operand {
        let half = half_of(pair);
        if let (Some(low), Some(high)) = (constant(low, half), constant(high, half)) {
            return immediate(Value::pair(pair, low, high));
        }
        self.pack_pair(low, high, half).into()
    }

    /// The halves of a pair.
    fn halves(&mut self, pair: Scalar, of: &Operand) -> [Operand; 2] {
        if let Some(halves) = constant(of, pair).and_then(Value::halves) {
            return halves.map(immediate);
        }
        let word = self.in_reg(of, pair);
        let halves = self.unpack_pair(word, half_of(pair));
        <[Operand; 2]>::try_from(halves)
            .unwrap_or_else(|halves| unreachable!("{} halves instead of two", halves.len()))
    }

    fn round_to_pair(&mut self, pair: Scalar, low: &Operand, high: &Operand) -> Operand {
        let known = [low, high].iter().all(|it| constant(it, Scalar::F32).is_some());
        if known || self.kernel.signature.options.sm < PAIR_SM {
            let half = half_of(pair);
            let [low, high] = [low, high].map(|it| self.convert(it.clone(), Scalar::F32, half));
            return self.join_halves(pair, &low, &high);
        }
        let to = if pair == Scalar::F16x2 { PackTy::F16x2 } else { PackTy::BF16x2 };
        self.pack_singles(low.clone(), high.clone(), to).into()
    }

    /// Does something with each half.
    pub(super) fn half_by_half<const N: usize>(
        &mut self,
        pair: Scalar,
        of: [&Operand; N],
        mut each: impl FnMut(&mut Self, Scalar, [&Operand; N]) -> Operand,
    ) -> Operand {
        let halves = of.map(|it| self.halves(pair, it));
        let low = each(self, half_of(pair), std::array::from_fn(|i| &halves[i][0]));
        let high = each(self, half_of(pair), std::array::from_fn(|i| &halves[i][1]));
        self.join_halves(pair, &low, &high)
    }

    /// `a + b`, `a - b`, `a * b`.
    ///
    /// From `sm_80` on `bf16x2` has `fma` alone, which gives the same bits: a product plus -0 is
    /// the product with its sign, and a product with 1 or -1 is exact.
    pub(in super::super) fn pair_binary(
        &mut self,
        binop: BinOp,
        ty: Scalar,
        a: &Operand,
        b: &Operand,
        span: SpanRange,
    ) -> Operand {
        let sm = self.kernel.signature.options.sm;
        if ty == Scalar::F16x2 || sm >= BF16_ADD_SM {
            return self.native_float(binop, ty, a.clone(), b.clone());
        }
        if sm < BF16_FMA_SM {
            return self.half_by_half(ty, [a, b], |cx, half, [a, b]| {
                cx.binary(binop, half, a.clone(), (b.clone(), half), span)
            });
        }
        let both = |value: f64| {
            let half = Value::float(Scalar::Bf16, value);
            immediate(Value::pair(Scalar::Bf16x2, half, half))
        };
        match binop {
            BinOp::Add => self.mul_add(ty, a, &both(1.0), b),
            BinOp::Sub => self.mul_add(ty, b, &both(-1.0), a),
            _ => self.mul_add(ty, a, b, &both(-0.0)),
        }
    }

    /// The magnitudes.
    pub(super) fn pair_abs(&mut self, ty: Scalar, x: Operand) -> Operand {
        self.pure(reg_ty(ty), |d| op::and(LogicTy::B32, d, x, Operand::Int(MAGNITUDES))).into()
    }

    /// The smaller (or larger) ones; of a NaN and a number, the number.
    pub(super) fn pair_min_max(
        &mut self,
        ty: Scalar,
        max: bool,
        a: &Operand,
        b: &Operand,
    ) -> Operand {
        if self.kernel.signature.options.sm < PAIR_SM {
            return self.half_by_half(ty, [a, b], |cx, half, [a, b]| {
                cx.min_max(half, max, a.clone(), b.clone())
            });
        }
        let [a, b] = [a, b].map(|it| Use(self.float_operand(it.clone(), ty)));
        let (ftz, nan, reg, ty) = (None, None, PtxTy::B32, float_ty(ty));
        match max {
            true => self.pure(reg, |d| MaxFloat { ftz, nan, ty, d, a, b }).into(),
            false => self.pure(reg, |d| MinFloat { ftz, nan, ty, d, a, b }).into(),
        }
    }
}

/// The type of the halves of a pair.
fn half_of(pair: Scalar) -> Scalar {
    pair.half().unwrap_or_else(|| unreachable!("`infer` takes {pair} for no pair"))
}
