//! Values in registers: the layout of a type, and the PTX types of the scalars.
//!
//! A value is a flat list of operands, one for each scalar in it: tuples, arrays and vectors
//! exist only as ranges of that list, so no value ever needs memory.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::modifier::Space;
pub(crate) use firesteel_ptx::operand::Value as Operand;
use firesteel_ptx::ty::{BitsTy, CompareTy, CvtTy, FloatTy, IntTy, LogicTy, MemTy, Ty as PtxTy};

use crate::hir::{Scalar, Ty, Value};

/// The operands of a value, one for each scalar, in order.
///
/// The value of an expression that does not return has none, and nothing that follows it is
/// emitted, see [`super::Lower::emit`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Val(Vec<Operand>);

impl Val {
    /// `()`, and the value of what does not return.
    pub(crate) const fn unit() -> Self {
        Self(Vec::new())
    }

    /// A scalar.
    pub(crate) fn scalar(operand: impl Into<Operand>) -> Self {
        Self(vec![operand.into()])
    }

    /// The lanes of a vector, or the flattened elements of a tuple or an array.
    pub(crate) const fn parts(parts: Vec<Operand>) -> Self {
        Self(parts)
    }

    /// The operand of a scalar. After an expression that does not return, an operand that
    /// nothing will be emitted with.
    pub(crate) fn one(&self) -> Operand {
        self.0.first().cloned().unwrap_or(Operand::Int(0))
    }

    /// All operands.
    pub(crate) fn as_slice(&self) -> &[Operand] {
        &self.0
    }

    /// All operands.
    pub(crate) fn into_parts(self) -> Vec<Operand> {
        self.0
    }
}

impl From<Reg> for Val {
    fn from(reg: Reg) -> Self {
        Self::scalar(reg)
    }
}

/// The scalars of a type, in order.
pub(crate) fn layout(ty: &Ty) -> Vec<Scalar> {
    let mut scalars = Vec::new();
    flatten(ty, &mut scalars);
    scalars
}

fn flatten(ty: &Ty, into: &mut Vec<Scalar>) {
    match ty {
        Ty::Scalar(scalar) => into.push(*scalar),
        Ty::Vector(vector) => into.extend((0..vector.lanes).map(|_| vector.elem)),
        Ty::Fragment(fragment) => {
            let (register, count) = fragment.registers();
            into.extend((0..count).map(|_| register));
        }
        Ty::Unit | Ty::Never => {}
        Ty::Tuple(items) => items.iter().for_each(|item| flatten(item, into)),
        Ty::Array(elem, len) => (0..*len).for_each(|_| flatten(elem, into)),
        Ty::Error => unreachable!("a kernel with errors is not lowered"),
    }
}

/// How many scalars a type has.
pub(crate) fn width(ty: &Ty) -> usize {
    match ty {
        Ty::Scalar(_) => 1,
        Ty::Vector(vector) => vector.lanes as usize,
        Ty::Fragment(fragment) => fragment.registers().1 as usize,
        Ty::Unit | Ty::Never => 0,
        Ty::Tuple(items) => items.iter().map(width).sum(),
        Ty::Array(elem, len) => width(elem) * *len as usize,
        Ty::Error => unreachable!("a kernel with errors is not lowered"),
    }
}

/// The register class of a scalar: `bool` is a predicate, integers and floats of 8 bits are kept
/// extended in 16, the short floats are untyped.
pub(crate) const fn reg_ty(ty: Scalar) -> PtxTy {
    match ty {
        Scalar::Bool => PtxTy::Pred,
        Scalar::I8
        | Scalar::U8
        | Scalar::E4m3
        | Scalar::E5m2
        | Scalar::I16
        | Scalar::U16
        | Scalar::F16
        | Scalar::Bf16 => PtxTy::B16,
        Scalar::I32
        | Scalar::U32
        | Scalar::F16x2
        | Scalar::Bf16x2
        | Scalar::I4x8
        | Scalar::U4x8 => PtxTy::B32,
        Scalar::I64 | Scalar::U64 | Scalar::Isize | Scalar::Usize => PtxTy::B64,
        Scalar::F32 => PtxTy::F32,
        Scalar::F64 => PtxTy::F64,
    }
}

/// The type in which integers of this type are computed.
pub(crate) fn int_ty(ty: Scalar) -> IntTy {
    match ty {
        Scalar::I8 | Scalar::I16 => IntTy::S16,
        Scalar::U8 | Scalar::U16 => IntTy::U16,
        Scalar::I32 => IntTy::S32,
        Scalar::U32 => IntTy::U32,
        Scalar::I64 | Scalar::Isize => IntTy::S64,
        Scalar::U64 | Scalar::Usize => IntTy::U64,
        Scalar::Bool
        | Scalar::E4m3
        | Scalar::E5m2
        | Scalar::F16
        | Scalar::Bf16
        | Scalar::F32
        | Scalar::F64
        | Scalar::F16x2
        | Scalar::Bf16x2
        | Scalar::I4x8
        | Scalar::U4x8 => {
            unreachable!("`infer` does integer arithmetic on integers, not on {ty}")
        }
    }
}

/// The type in which floats of this type are computed natively.
pub(crate) fn float_ty(ty: Scalar) -> FloatTy {
    match ty {
        Scalar::F16 => FloatTy::F16,
        Scalar::Bf16 => FloatTy::BF16,
        Scalar::F32 => FloatTy::F32,
        Scalar::F64 => FloatTy::F64,
        Scalar::F16x2 => FloatTy::F16x2,
        Scalar::Bf16x2 => FloatTy::BF16x2,
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
        | Scalar::Usize
        | Scalar::E4m3
        | Scalar::E5m2
        | Scalar::I4x8
        | Scalar::U4x8 => unreachable!("`infer` does float arithmetic on floats, not on {ty}"),
    }
}

/// The type that logic instructions give a scalar.
pub(crate) const fn logic_ty(ty: Scalar) -> LogicTy {
    match reg_ty(ty) {
        PtxTy::Pred => LogicTy::Pred,
        PtxTy::B16 => LogicTy::B16,
        PtxTy::B32 | PtxTy::F32 => LogicTy::B32,
        _ => LogicTy::B64,
    }
}

/// The untyped word of a scalar other than `bool`.
pub(crate) const fn bits_ty(ty: Scalar) -> BitsTy {
    match reg_ty(ty) {
        PtxTy::Pred | PtxTy::B16 => BitsTy::B16,
        PtxTy::B32 | PtxTy::F32 => BitsTy::B32,
        _ => BitsTy::B64,
    }
}

/// The type in which `setp` compares scalars other than `bool`.
pub(crate) fn compare_ty(ty: Scalar) -> CompareTy {
    let ptx = if ty.is_float() { float_ty(ty).ty() } else { int_ty(ty).ty() };
    CompareTy::from_ty(ptx).unwrap_or(CompareTy::B64)
}

/// The type in which `selp` selects scalars other than `bool`.
pub(crate) const fn select_ty(ty: Scalar) -> CompareTy {
    match reg_ty(ty) {
        PtxTy::Pred | PtxTy::B16 => CompareTy::B16,
        PtxTy::B32 => CompareTy::B32,
        PtxTy::F32 => CompareTy::F32,
        PtxTy::F64 => CompareTy::F64,
        _ => CompareTy::B64,
    }
}

/// The type in which memory holds a scalar.
pub(crate) const fn mem_ty(ty: Scalar) -> MemTy {
    match ty {
        Scalar::Bool | Scalar::U8 | Scalar::E4m3 | Scalar::E5m2 => MemTy::U8,
        Scalar::I8 => MemTy::S8,
        Scalar::I16 => MemTy::S16,
        Scalar::U16 => MemTy::U16,
        Scalar::F16 | Scalar::Bf16 => MemTy::B16,
        Scalar::F16x2 | Scalar::Bf16x2 | Scalar::I4x8 | Scalar::U4x8 => MemTy::B32,
        Scalar::I32 => MemTy::S32,
        Scalar::U32 => MemTy::U32,
        Scalar::I64 | Scalar::Isize => MemTy::S64,
        Scalar::U64 | Scalar::Usize => MemTy::U64,
        Scalar::F32 => MemTy::F32,
        Scalar::F64 => MemTy::F64,
    }
}

/// The type that `cvt` gives a scalar other than `bool`; `None` for `bf16`, whose conversions
/// depend on the machine, for the floats of 8 bits, which it converts in pairs, and for pairs.
pub(crate) const fn cvt_ty(ty: Scalar) -> Option<CvtTy> {
    match ty {
        Scalar::Bool | Scalar::U8 => Some(CvtTy::U8),
        Scalar::I8 => Some(CvtTy::S8),
        Scalar::I16 => Some(CvtTy::S16),
        Scalar::U16 => Some(CvtTy::U16),
        Scalar::I32 => Some(CvtTy::S32),
        Scalar::U32 => Some(CvtTy::U32),
        Scalar::I64 | Scalar::Isize => Some(CvtTy::S64),
        Scalar::U64 | Scalar::Usize => Some(CvtTy::U64),
        Scalar::F16 => Some(CvtTy::F16),
        Scalar::F32 => Some(CvtTy::F32),
        Scalar::F64 => Some(CvtTy::F64),
        Scalar::Bf16
        | Scalar::E4m3
        | Scalar::E5m2
        | Scalar::F16x2
        | Scalar::Bf16x2
        | Scalar::I4x8
        | Scalar::U4x8 => None,
    }
}

/// A constant as an operand. Integers are extended by their sign, short floats are their bits.
pub(crate) fn immediate(value: Value) -> Operand {
    match value.ty() {
        Scalar::F32 => Operand::F32(value.bits() as u32),
        Scalar::F64 => Operand::F64(value.bits()),
        Scalar::E4m3
        | Scalar::E5m2
        | Scalar::F16
        | Scalar::Bf16
        | Scalar::F16x2
        | Scalar::Bf16x2
        | Scalar::I4x8
        | Scalar::U4x8 => Operand::Int(value.bits() as i64),
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
        | Scalar::Usize => Operand::Int(value.as_int() as i64),
    }
}

/// The constant that an operand is, if it is one.
pub(crate) fn constant(operand: &Operand, ty: Scalar) -> Option<Value> {
    match operand {
        Operand::Int(bits) => Some(Value::from_bits(ty, *bits as u64)),
        Operand::F32(bits) => Some(Value::from_bits(ty, u64::from(*bits))),
        Operand::F64(bits) => Some(Value::from_bits(ty, *bits)),
        Operand::Reg(_) | Operand::Special(_) | Operand::Symbol(..) => None,
    }
}

/// An element of memory: where it is and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    /// [`Space::Global`] or [`Space::Shared`].
    pub(crate) space: Space,
    /// Base and offset in bytes.
    pub(crate) addr: firesteel_ptx::operand::Addr,
    /// The type of the element.
    pub(crate) elem: Scalar,
}
