//! What the rows of bulk copies and of the matrix instructions of a warpgroup say about
//! combinations of modifiers and operands.

use super::rules::factors_fit;
use crate::modifier::*;
use crate::operand::*;
use crate::ty::*;

/// Bulk copies move pieces of 16 bytes.
pub(super) fn bulk_bytes_fit(bytes: &Use) -> bool {
    match bytes.0 {
        Value::Int(bytes) => bytes % 16 == 0 && (0..1 << 20).contains(&bytes),
        _ => true,
    }
}

/// The types that PTX gives each reduction by a bulk copy.
pub(super) fn bulk_op_fits(op: BulkOp, ty: BulkTy) -> bool {
    use BulkTy::{B32, B64, BF16, F16, F32, F64, S32, S64, U32, U64};
    match op {
        BulkOp::And | BulkOp::Or | BulkOp::Xor => matches!(ty, B32 | B64),
        BulkOp::Add => matches!(ty, U32 | U64 | S32 | F32 | F64 | F16 | BF16),
        BulkOp::Min | BulkOp::Max => matches!(ty, U32 | U64 | S32 | S64 | F16 | BF16),
        BulkOp::Inc | BulkOp::Dec => ty == U32,
    }
}

/// Halves are added without flushing, and must say so.
pub(super) fn bulk_noftz_fits(noftz: Option<NoFtz>, op: BulkOp, ty: BulkTy) -> bool {
    noftz.is_some() == (op == BulkOp::Add && matches!(ty, BulkTy::F16 | BulkTy::BF16))
}

/// As many coordinates as dimensions.
pub(super) fn coords_fit(dim: TensorDim, at: &TensorAddr) -> bool {
    at.coords.len() == dim.count()
}

/// The registers of one thread for the sum of a matrix instruction of a warpgroup, or `None` if
/// the shape does not have these types.
///
/// PTX ISA, "Matrix Shape" of `wgmma.mma_async` and "Register Fragments".
#[must_use]
pub fn wgmma_registers(shape: WgmmaShape, factor: MmaTy, sum: MmaAccTy) -> Option<usize> {
    let k = match (factor, sum) {
        (MmaTy::F16, MmaAccTy::F16 | MmaAccTy::F32) | (MmaTy::BF16, MmaAccTy::F32) => 16,
        (MmaTy::TF32, MmaAccTy::F32) => 8,
        (MmaTy::E4m3 | MmaTy::E5m2, MmaAccTy::F16 | MmaAccTy::F32) => 32,
        (MmaTy::S8 | MmaTy::U8, MmaAccTy::S32) => 32,
        _ => return None,
    };
    let step = if sum == MmaAccTy::S32 && shape.n > 24 { 16 } else { 8 };
    let fits = shape.k == k && shape.n.is_multiple_of(step) && (8..=256).contains(&shape.n);
    let of_a_register = if sum == MmaAccTy::F16 { 2 } else { 1 };
    fits.then_some(usize::from(shape.n) / 2 / of_a_register)
}

/// Whether the shape has these types, and the sum as many registers as it needs.
pub(super) fn wgmma_fits(
    shape: WgmmaShape,
    (a, b): (MmaTy, MmaTy),
    sum: MmaAccTy,
    count: usize,
) -> bool {
    factors_fit(a, b) && wgmma_registers(shape, a, sum) == Some(count)
}

/// Float factors have signs, 1 or -1; integer ones do not.
pub(super) fn wgmma_scales_fit(ty: MmaTy, scales: [&Option<Use>; 2]) -> bool {
    let integer = matches!(ty, MmaTy::S8 | MmaTy::U8);
    scales.iter().all(|scale| match scale {
        None => integer,
        Some(Use(value)) => !integer && matches!(value, Value::Int(-1 | 1)),
    })
}

/// Factors of 16 bits say whether they are transposed, others are not.
pub(super) fn wgmma_trans_fits(ty: MmaTy, trans: &Option<Use>) -> bool {
    let halves = matches!(ty, MmaTy::F16 | MmaTy::BF16);
    match trans {
        None => !halves,
        Some(Use(value)) => halves && matches!(value, Value::Int(0 | 1)),
    }
}

/// The register type of the left factor.
pub(super) fn wgmma_factor(ty: MmaTy) -> Ty {
    match ty {
        MmaTy::F16 | MmaTy::BF16 => Ty::F16x2,
        _ => super::rules::fragment(ty.ty()),
    }
}

/// What a matrix instruction of a warpgroup asks of the machine.
pub(super) fn wgmma_since(a: MmaTy, b: MmaTy) -> Since {
    let mixed = matches!((a, b), (MmaTy::S8, MmaTy::U8) | (MmaTy::U8, MmaTy::S8));
    since_exact(8, if mixed { 4 } else { 0 }, 90)
}
