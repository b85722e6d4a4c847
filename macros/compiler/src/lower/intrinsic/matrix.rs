//! Fragments of matrices: loads, stores and products of a warp.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{CvtFromFp8, CvtPack, Ldmatrix, Mma, Stmatrix};
use firesteel_ptx::modifier::{CvtRound, Layout, MatrixCount, MmaShape, SatFinite, Space, Trans};
use firesteel_ptx::operand::{Use, VecDef, VecUse};
use firesteel_ptx::ty::{
    Fp8PairTy, HalfPairTy, MatrixTy, MmaAccTy, MmaTy, PackTy, SingleTy, Ty as PtxTy,
};

use super::super::val::reg_ty;
use super::super::{Lower, Operand, Val};
use super::vector::memory_and_index;
use crate::hir::{Arg, Call, Fragment, Op, Place, Scalar, SpanRange, Ty};

/// The bytes of a row of the matrices that `ldmatrix` and `stmatrix` move.
const ROW: u32 = 16;

impl Lower<'_> {
    pub(super) fn matrix(&mut self, call: &Call, _ty: &Ty, span: SpanRange) -> Val {
        match call.op {
            Op::LdmatrixA => self.ldmatrix(call, MatrixCount::X4, false, span),
            Op::LdmatrixATrans => self.ldmatrix_a_trans(call, span),
            Op::LdmatrixB => self.ldmatrix(call, MatrixCount::X2, false, span),
            Op::LdmatrixBTrans => self.ldmatrix(call, MatrixCount::X2, true, span),
            Op::LdmatrixB2 => self.ldmatrix(call, MatrixCount::X4, false, span),
            Op::LdmatrixB2Trans => self.ldmatrix(call, MatrixCount::X4, true, span),
            Op::StmatrixX4 => self.stmatrix(call, false, span),
            Op::StmatrixX4Trans => self.stmatrix(call, true, span),
            Op::FragAFromWords
            | Op::FragAWords
            | Op::FragBFromWords
            | Op::FragBWords
            | Op::FragAFromF64
            | Op::FragBFromF64 => {
                let parts = self.values(call).into_iter().flat_map(Val::into_parts);
                Val::parts(parts.collect())
            }
            Op::Mma => self.mma(call),
            Op::PackF16x2 => self.pack_floats(call, PackTy::F16x2),
            Op::PackBf16x2 => self.pack_floats(call, PackTy::BF16x2),
            Op::PackE4m3x2 => self.pack_floats(call, PackTy::E4m3x2),
            Op::PackE5m2x2 => self.pack_floats(call, PackTy::E5m2x2),
            Op::UnpackE4m3x2 => self.unpack_narrow(call, Fp8PairTy::E4m3x2),
            Op::UnpackE5m2x2 => self.unpack_narrow(call, Fp8PairTy::E5m2x2),
            other => unreachable!("`{other:?}` has no matrix"),
        }
    }

    /// The matrices at the lanes' addresses, a word of each.
    fn ldmatrix(&mut self, call: &Call, count: MatrixCount, trans: bool, span: SpanRange) -> Val {
        let (memory, index) = memory_and_index(call);
        let elements = ROW / self.elem_of(memory).bytes();
        let at = self.element(memory, index, elements, span);
        self.check_alignment(&at, elements, span);
        let n = if count == MatrixCount::X4 { 4 } else { 2 };
        let regs: Vec<Reg> = (0..n).map(|_| self.fresh(Scalar::U32)).collect();
        self.emit(Ldmatrix {
            count,
            trans: trans.then_some(Trans::Trans),
            space: Some(Space::Shared),
            ty: MatrixTy::B16,
            d: VecDef(regs.iter().copied().map(Some).collect()),
            addr: at.addr,
        });
        Val::parts(regs.into_iter().map(Operand::Reg).collect())
    }

    fn ldmatrix_a_trans(&mut self, call: &Call, span: SpanRange) -> Val {
        self.ldmatrix(call, MatrixCount::X4, true, span)
    }

    fn stmatrix(&mut self, call: &Call, trans: bool, span: SpanRange) -> Val {
        let (memory, index) = memory_and_index(call);
        let elements = ROW / self.elem_of(memory).bytes();
        let at = self.element(memory, index, elements, span);
        self.check_alignment(&at, elements, span);
        let words = call.args.iter().filter_map(Arg::value).nth(1);
        let words = words.map_or_else(Val::unit, |words| self.expr(words)).into_parts();
        let words = words.iter().map(|word| self.in_reg(word, Scalar::U32).into()).collect();
        self.emit(Stmatrix {
            count: MatrixCount::X4,
            trans: trans.then_some(Trans::Trans),
            space: Some(Space::Shared),
            ty: MatrixTy::B16,
            addr: at.addr,
            a: VecUse(words),
        });
        Val::unit()
    }

    fn mma(&mut self, call: &Call) -> Val {
        let elem = factor_of(call);
        let sums = self.in_place_argument(call);
        let factors = self.values(call);
        let in_regs = |cx: &mut Self, val: &Val| {
            let ty = if elem == Scalar::F64 { Scalar::F64 } else { Scalar::U32 };
            val.as_slice().iter().map(|it| cx.in_reg(it, ty).into()).collect()
        };
        let [a, b] = [0, 1].map(|at| factors.get(at).map(|val| in_regs(self, val)));
        let (Some(a), Some(b)) = (a, b) else { unreachable!("`mma` has two factors") };
        if sums.is_empty() {
            return Val::unit();
        }
        let (shape, ty, sum) = mma_types(elem);
        self.emit(Mma {
            shape,
            alayout: Layout::Row,
            blayout: Layout::Col,
            satfinite: None,
            dty: sum,
            aty: ty,
            bty: ty,
            cty: sum,
            d: VecDef(sums.iter().copied().map(Some).collect()),
            a: VecUse(a),
            b: VecUse(b),
            c: VecUse(sums.into_iter().map(Operand::Reg).collect()),
        });
        Val::unit()
    }

    /// The registers of the variable that a call works on in place.
    pub(super) fn in_place_argument(&mut self, call: &Call) -> Vec<Reg> {
        let place = call.args.iter().find_map(place);
        match place {
            Some(place) => self.registers_of(place),
            None => unreachable!("`{:?}` works on a variable", call.op),
        }
    }

    fn pack_floats(&mut self, call: &Call, dty: PackTy) -> Val {
        let args = self.operands_of(call);
        let [low, high] = [0, 1].map(|at| args.get(at).cloned().unwrap_or(Operand::Int(0)));
        self.pack_singles(low, high, dty).into()
    }

    /// Two singles, rounded and in one register.
    pub(in super::super) fn pack_singles(
        &mut self,
        low: Operand,
        high: Operand,
        dty: PackTy,
    ) -> Reg {
        let [a, b] = [high, low].map(|it| Use(self.in_reg(&it, Scalar::F32).into()));
        // Halves that are too large become infinite, and floats of 8 bits the largest number.
        let (ty, satfinite) = match dty {
            PackTy::F16x2 | PackTy::BF16x2 => (Scalar::U32, None),
            PackTy::E4m3x2 | PackTy::E5m2x2 => (Scalar::U16, Some(SatFinite::SatFinite)),
        };
        let (round, relu, aty) = (CvtRound::Rn, None, SingleTy::F32);
        self.pure(reg_ty(ty), |d| CvtPack { round, satfinite, relu, dty, aty, d, a, b })
    }

    fn unpack_narrow(&mut self, call: &Call, aty: Fp8PairTy) -> Val {
        let pair = self.operands_of(call).pop().unwrap_or(Operand::Int(0));
        self.narrow_to_pair(pair, aty).into()
    }

    /// Two floats of 8 bits as `f16`, which holds every value of theirs.
    pub(in super::super) fn narrow_to_halves(
        &mut self,
        pair: Operand,
        aty: Fp8PairTy,
    ) -> Vec<Operand> {
        let word = self.narrow_to_pair(pair, aty);
        self.unpack_pair(word, Scalar::F16)
    }

    /// The same in one register.
    fn narrow_to_pair(&mut self, pair: Operand, aty: Fp8PairTy) -> Reg {
        let a = Use(self.in_reg(&pair, Scalar::U16).into());
        let (relu, dty) = (None, HalfPairTy::F16x2);
        self.pure(PtxTy::B32, |d| CvtFromFp8 { relu, dty, aty, d, a })
    }
}

fn place(arg: &Arg) -> Option<&Place> {
    match arg {
        Arg::Place(place) => Some(place),
        Arg::Value(_)
        | Arg::Memory(_)
        | Arg::Map(_)
        | Arg::Const(_)
        | Arg::Scope(_)
        | Arg::Order(_) => None,
    }
}

/// The type of the elements that a product multiplies.
pub(super) fn factor_of(call: &Call) -> Scalar {
    let fragment = call.args.iter().filter_map(Arg::value).find_map(|value| match value.ty {
        Ty::Fragment(Fragment { elem, .. }) => Some(elem),
        _ => None,
    });
    fragment.unwrap_or(Scalar::F16)
}

/// Shape and types of a product. PTX ISA, "Matrix shape".
fn mma_types(elem: Scalar) -> (MmaShape, MmaTy, MmaAccTy) {
    match elem {
        Scalar::E4m3 => (MmaShape::M16n8k32, MmaTy::E4m3, MmaAccTy::F32),
        Scalar::E5m2 => (MmaShape::M16n8k32, MmaTy::E5m2, MmaAccTy::F32),
        Scalar::F16 => (MmaShape::M16n8k16, MmaTy::F16, MmaAccTy::F32),
        Scalar::Bf16 => (MmaShape::M16n8k16, MmaTy::BF16, MmaAccTy::F32),
        Scalar::F32 => (MmaShape::M16n8k8, MmaTy::TF32, MmaAccTy::F32),
        Scalar::F64 => (MmaShape::M8n8k4, MmaTy::F64, MmaAccTy::F64),
        Scalar::I8 => (MmaShape::M16n8k32, MmaTy::S8, MmaAccTy::S32),
        Scalar::U8 => (MmaShape::M16n8k32, MmaTy::U8, MmaAccTy::S32),
        Scalar::I4x8 => (MmaShape::M16n8k64, MmaTy::S4, MmaAccTy::S32),
        Scalar::U4x8 => (MmaShape::M16n8k64, MmaTy::U4, MmaAccTy::S32),
        other => unreachable!("`infer` lets nobody multiply matrices of {other}"),
    }
}
