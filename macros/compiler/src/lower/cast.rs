//! `as`: conversions between scalars, as Rust defines them.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{Mov, MovPack, Testp};
use firesteel_ptx::modifier::{Cmp, CvtRound, FloatClass};
use firesteel_ptx::operand::{Use, VecUse};
use firesteel_ptx::ty::{
    BitsTy, CompareTy, CvtTy, Fp8PairTy, IntTy, LogicTy, MovTy, PackTy, RealTy, ShrTy, Ty as PtxTy,
};

use super::val::{compare_ty, constant, cvt_ty, immediate, int_ty, reg_ty, select_ty};
use super::{Lower, Operand, op};
use crate::hir::{BinOp, Scalar, Value};

/// The lowest architecture that converts between `f32` and `bf16`.
const BF16_SM: u32 = 80;

impl Lower<'_> {
    /// `a as to`: integers wrap, floats saturate and take NaN to 0, everything rounds once.
    pub(crate) fn convert(&mut self, a: Operand, from: Scalar, to: Scalar) -> Operand {
        if let Some(value) = constant(&a, from) {
            return immediate(value.cast(to));
        }
        match (from.is_real(), to.is_real()) {
            _ if from == to => a,
            (false, false) => {
                let result = self.int_to_int(a.clone(), from, to);
                if from.is_int() && to.is_int() {
                    self.describe_cast(&a, from, to, &result);
                }
                result
            }
            (false, true) => self.int_to_float(a, from, to),
            (true, false) => self.float_to_int(a, from, to),
            (true, true) => self.float_to_float(a, from, to),
        }
    }

    fn int_to_int(&mut self, a: Operand, from: Scalar, to: Scalar) -> Operand {
        if from == Scalar::Bool {
            let ty = select_ty(to);
            let cond = self.in_reg(&a, from);
            return self
                .pure(reg_ty(to), |d| op::selp(ty, d, Operand::Int(1), Operand::Int(0), cond))
                .into();
        }
        if to == Scalar::Bool {
            return self.compare(BinOp::Ne, from, a, Operand::Int(0));
        }
        let reg = match (reg_ty(from), reg_ty(to)) {
            (x, y) if x == y => self.in_reg(&a, from),
            (PtxTy::B16, _) | (PtxTy::B32, PtxTy::B64) => {
                // The value is extended by its own sign.
                let (wide, narrow) = (cvt_int(to, from), cvt_int(from, from));
                return self.pure(reg_ty(to), |d| op::cvt(None, wide, d, narrow, a)).into();
            }
            _ => {
                let (narrow, wide) = (cvt_int(to, to), cvt_int(from, to));
                self.pure(reg_ty(to), |d| op::cvt(None, narrow, d, wide, a))
            }
        };
        // A value of 8 bits that becomes one of 16 is extended as it should be.
        self.normalise(to, reg)
    }

    fn int_to_float(&mut self, a: Operand, from: Scalar, to: Scalar) -> Operand {
        if from == Scalar::Bool {
            let wide = self.int_to_int(a, from, Scalar::U32);
            return self.int_to_float(wide, Scalar::U32, to);
        }
        if to == Scalar::Bf16 || to.is_narrow() {
            let single = self.int_to_odd_single(a, from);
            return self.single_to_short(single, to);
        }
        let (float, int) = (cvt_float(to), cvt_int(from, from));
        self.pure(reg_ty(to), |d| op::cvt(Some(CvtRound::Rn), float, d, int, a)).into()
    }

    /// An integer as `f32`, odd in its last place where bits were lost, so that the next
    /// rounding sees that there was more.
    fn int_to_odd_single(&mut self, a: Operand, from: Scalar) -> Operand {
        let int = cvt_int(from, from);
        if from.bits() <= 16 {
            return self
                .pure(PtxTy::F32, |d| op::cvt(Some(CvtRound::Rn), CvtTy::F32, d, int, a))
                .into();
        }
        let near =
            self.pure(PtxTy::F32, |d| op::cvt(Some(CvtRound::Rz), CvtTy::F32, d, int, a.clone()));
        let back =
            self.pure(reg_ty(from), |d| op::cvt(Some(CvtRound::Rzi), int, d, CvtTy::F32, near));
        let ty = compare_ty(from);
        let lost = self.pure(PtxTy::Pred, |d| op::setp(Cmp::Ne, ty, d, back, a));
        self.make_odd(near, lost)
    }

    /// `x` with its last bit set where `lost` holds.
    pub(super) fn make_odd(&mut self, x: Reg, lost: Reg) -> Operand {
        let bits = self.float_bits(x.into(), Scalar::F32);
        let odd = self.pure(PtxTy::B32, |d| op::or(LogicTy::B32, d, bits.clone(), Operand::Int(1)));
        let bits = self.pure(PtxTy::B32, |d| op::selp(CompareTy::B32, d, odd, bits, lost));
        self.float_from_bits(bits.into(), Scalar::F32)
    }

    /// PTX clamps to the range of the type; NaN gives 0 for singles and 32 bits alone.
    fn float_to_int(&mut self, a: Operand, from: Scalar, to: Scalar) -> Operand {
        if from.bits() <= 16 {
            let single = self.convert(a, from, Scalar::F32);
            return self.float_to_int(single, Scalar::F32, to);
        }
        let float = cvt_float(from);
        if to.bits() <= 16 {
            let word = self.float_to_int(a, from, Scalar::I32);
            return self.clamp_word(word, to);
        }
        let int = cvt_int(to, to);
        let reg = self.pure(reg_ty(to), |d| op::cvt(Some(CvtRound::Rzi), int, d, float, a.clone()));
        if from == Scalar::F32 && to.bits() == 32 {
            return reg.into();
        }
        let nan = self.is_nan(a, from);
        self.select(to, nan, Operand::Int(0), reg.into())
    }

    /// An `i32`, clamped to a type of at most 16 bits.
    fn clamp_word(&mut self, word: Operand, to: Scalar) -> Operand {
        let (low, high) = to.int_range();
        let clamped = self.int_min_max(Scalar::I32, true, word, Operand::Int(low as i64));
        let clamped = self.int_min_max(Scalar::I32, false, clamped, Operand::Int(high as i64));
        self.pure(PtxTy::B16, |d| op::cvt(None, CvtTy::U16, d, CvtTy::U32, clamped)).into()
    }

    /// Whether a float is NaN.
    pub(crate) fn is_nan(&mut self, a: Operand, ty: Scalar) -> Operand {
        self.compare(BinOp::Ne, ty, a.clone(), a)
    }

    fn float_to_float(&mut self, a: Operand, from: Scalar, to: Scalar) -> Operand {
        match (from, to) {
            (Scalar::Bf16, Scalar::F32) => {
                let a = self.in_reg(&a, from);
                let parts = VecUse(vec![Operand::Int(0), a.into()]);
                self.pure(PtxTy::F32, |d| MovPack { ty: BitsTy::B32, d, a: parts }).into()
            }
            (Scalar::Bf16, _) => {
                let single = self.float_to_float(a, from, Scalar::F32);
                self.convert(single, Scalar::F32, to)
            }
            (Scalar::E4m3, _) => self.narrow_to_float(a, Fp8PairTy::E4m3x2, to),
            (Scalar::E5m2, _) => self.narrow_to_float(a, Fp8PairTy::E5m2x2, to),
            (Scalar::F32, Scalar::Bf16 | Scalar::E4m3 | Scalar::E5m2) => {
                self.single_to_short(a, to)
            }
            (Scalar::F64, Scalar::Bf16 | Scalar::E4m3 | Scalar::E5m2) => {
                let single = self.double_to_odd_single(a);
                self.single_to_short(single, to)
            }
            (_, Scalar::Bf16 | Scalar::E4m3 | Scalar::E5m2) => {
                let single = self.float_to_float(a, from, Scalar::F32);
                self.single_to_short(single, to)
            }
            _ => {
                let a = self.float_operand(a, from);
                let round = (from.bits() > to.bits()).then_some(CvtRound::Rn);
                let (to_ty, from_ty) = (cvt_float(to), cvt_float(from));
                self.pure(reg_ty(to), |d| op::cvt(round, to_ty, d, from_ty, a)).into()
            }
        }
    }

    /// An `f64` as `f32`, odd in its last place where bits were lost.
    fn double_to_odd_single(&mut self, a: Operand) -> Operand {
        let near = self.pure(PtxTy::F32, |d| {
            op::cvt(Some(CvtRound::Rz), CvtTy::F32, d, CvtTy::F64, a.clone())
        });
        let back = self.pure(PtxTy::F64, |d| op::cvt(None, CvtTy::F64, d, CvtTy::F32, near));
        let lost = self.pure(PtxTy::Pred, |d| op::setp(Cmp::Neu, CompareTy::F64, d, back, a));
        self.make_odd(near, lost)
    }

    /// Rounds an `f32` to a type that `cvt` does not make of every other, to nearest even.
    fn single_to_short(&mut self, a: Operand, to: Scalar) -> Operand {
        let pair = match to {
            Scalar::E4m3 => PackTy::E4m3x2,
            Scalar::E5m2 => PackTy::E5m2x2,
            _ => return self.single_to_bf16(a),
        };
        // The other half of the pair is zero, so the register holds the byte extended.
        self.pack_singles(a, Operand::F32(0), pair).into()
    }

    /// A float of 8 bits as any other float, by way of `f16`, which holds its value.
    fn narrow_to_float(&mut self, a: Operand, pair: Fp8PairTy, to: Scalar) -> Operand {
        let halves = self.narrow_to_halves(a, pair);
        let half = halves.into_iter().next().unwrap_or(Operand::Int(0));
        self.convert(half, Scalar::F16, to)
    }

    /// Rounds an `f32` to `bf16`, to nearest even.
    fn single_to_bf16(&mut self, a: Operand) -> Operand {
        if self.kernel.signature.options.sm >= BF16_SM {
            let round = Some(CvtRound::Rn);
            return self.pure(PtxTy::B16, |d| op::cvt(round, CvtTy::BF16, d, CvtTy::F32, a)).into();
        }
        let b32 = PtxTy::B32;
        let nan = self.is_nan(a.clone(), Scalar::F32);
        let bits = self.float_bits(a, Scalar::F32);
        // Adds just less than half a unit, and half a unit where the result would be odd.
        let high = self.pure(b32, |d| op::shr(ShrTy::U32, d, bits.clone(), Operand::Int(16)));
        let odd = self.pure(b32, |d| op::and(LogicTy::B32, d, high, Operand::Int(1)));
        let sum = self.pure(b32, |d| op::add(IntTy::U32, d, bits, Operand::Int(0x7fff)));
        let sum = self.pure(b32, |d| op::add(IntTy::U32, d, sum, odd));
        let rounded = self.pure(b32, |d| op::shr(ShrTy::U32, d, sum, Operand::Int(16)));
        // A NaN keeps its sign and becomes quiet.
        let quiet = self.pure(b32, |d| op::or(LogicTy::B32, d, high, Operand::Int(0x40)));
        let word = self.select(Scalar::U32, nan, quiet.into(), rounded.into());
        self.pure(PtxTy::B16, |d| op::cvt(None, CvtTy::U16, d, CvtTy::U32, word)).into()
    }

    /// The bits of a float, in a register of the unsigned integer of its size.
    pub(crate) fn float_bits(&mut self, a: Operand, ty: Scalar) -> Operand {
        if let Some(value) = constant(&a, ty) {
            return immediate(Value::from_bits(ty.unsigned(), value.bits()));
        }
        self.reinterpret(a, reg_ty(ty.unsigned()))
    }

    /// The float of these bits.
    pub(crate) fn float_from_bits(&mut self, bits: Operand, ty: Scalar) -> Operand {
        if let Some(value) = constant(&bits, ty.unsigned()) {
            return immediate(Value::from_bits(ty, value.bits()));
        }
        self.reinterpret(bits, reg_ty(ty))
    }

    fn reinterpret(&mut self, a: Operand, to: PtxTy) -> Operand {
        match to {
            PtxTy::B16 => a,
            PtxTy::B32 | PtxTy::F32 => {
                self.pure(to, |d| Mov { ty: MovTy::B32, d, a: Use(a) }).into()
            }
            _ => self.pure(to, |d| Mov { ty: MovTy::B64, d, a: Use(a) }).into(),
        }
    }

    /// Whether a single or double is of a class.
    pub(crate) fn test_class(&mut self, class: FloatClass, ty: RealTy, a: Operand) -> Operand {
        self.pure(PtxTy::Pred, |d| Testp { class, ty, p: d, a: Use(a) }).into()
    }
}

/// The integer type of the width of `width` and the sign of `sign`, for `cvt`.
///
/// Integers of 8 bits are extended in their registers, so they take part as 16 bits.
fn cvt_int(width: Scalar, sign: Scalar) -> CvtTy {
    match (int_ty(width), sign.is_signed()) {
        (IntTy::U16 | IntTy::S16, true) => CvtTy::S16,
        (IntTy::U16 | IntTy::S16, false) => CvtTy::U16,
        (IntTy::U32 | IntTy::S32, true) => CvtTy::S32,
        (IntTy::U32 | IntTy::S32, false) => CvtTy::U32,
        (IntTy::U64 | IntTy::S64, true) => CvtTy::S64,
        (IntTy::U64 | IntTy::S64, false) => CvtTy::U64,
    }
}

/// The type that `cvt` gives a float other than `bf16` and those of 8 bits.
fn cvt_float(ty: Scalar) -> CvtTy {
    cvt_ty(ty).unwrap_or_else(|| unreachable!("{ty} is converted by way of another float"))
}
