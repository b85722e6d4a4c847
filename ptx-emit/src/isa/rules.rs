//! What the rows of the table say about combinations of modifiers and operands.
//!
//! NVIDIA's assembler is the source where the PTX ISA is silent; a test asks it about both sides
//! of each rule.

use crate::modifier::*;
use crate::operand::*;
use crate::ty::*;

/// What arithmetic on a float type asks of the machine.
pub(super) fn float_since(ty: FloatTy) -> Since {
    match ty {
        FloatTy::F32 | FloatTy::F64 => Since::BASE,
        FloatTy::F16 | FloatTy::F16x2 => since(6, 0, 53),
        FloatTy::BF16 | FloatTy::BF16x2 => since(7, 8, 90),
    }
}

/// What comparing, fusing or negating a float type asks of the machine.
pub(super) fn half_since(ty: FloatTy) -> Since {
    match ty {
        FloatTy::F32 | FloatTy::F64 => Since::BASE,
        FloatTy::F16 | FloatTy::F16x2 => since(6, 0, 53),
        FloatTy::BF16 | FloatTy::BF16x2 => since(7, 0, 80),
    }
}

pub(super) fn is_half(ty: Ty) -> bool {
    matches!(ty, Ty::F16 | Ty::F16x2 | Ty::BF16 | Ty::BF16x2)
}

/// `.ftz` is for singles and IEEE halves.
pub(super) fn ftz_fits(ftz: Option<Ftz>, ty: Ty) -> bool {
    ftz.is_none() || matches!(ty, Ty::F32 | Ty::F16 | Ty::F16x2)
}

/// Halves round to nearest alone.
pub(super) fn round_fits(round: Option<Round>, ty: Ty) -> bool {
    !is_half(ty) || matches!(round, None | Some(Round::Rn))
}

/// `.sat` on floats is for all but `f64` and bfloat16.
pub(super) fn sat_fits(sat: Option<Sat>, ty: Ty) -> bool {
    sat.is_none() || !matches!(ty, Ty::F64 | Ty::BF16 | Ty::BF16x2)
}

/// The types that each comparison is for.
pub(super) fn cmp_fits(cmp: Cmp, ty: Ty) -> bool {
    match cmp {
        Cmp::Eq | Cmp::Ne => true,
        Cmp::Lt | Cmp::Le | Cmp::Gt | Cmp::Ge => ty.kind() != Kind::Bits,
        Cmp::Lo | Cmp::Ls | Cmp::Hi | Cmp::Hs => ty.kind() == Kind::Unsigned,
        Cmp::Equ | Cmp::Neu | Cmp::Ltu | Cmp::Leu | Cmp::Gtu | Cmp::Geu | Cmp::Num | Cmp::Nan => {
            ty.kind() == Kind::Float
        }
    }
}

/// Whether the comparison gives as many predicates as its type has elements.
pub(super) fn pair_fits(p: &PairDef, ty: Ty) -> bool {
    match ty {
        Ty::F16x2 | Ty::BF16x2 => p.second.is_some(),
        Ty::F16 | Ty::BF16 => p.second.is_none(),
        _ => true,
    }
}

/// What comparing a type asks of the machine.
pub(super) fn compare_since(ty: CompareTy) -> Since {
    match ty {
        CompareTy::F16 | CompareTy::F16x2 => since(6, 0, 53),
        CompareTy::BF16 | CompareTy::BF16x2 => since(7, 8, 90),
        _ => Since::BASE,
    }
}

/// Elements that a packed register may have.
pub(super) fn pack_fits(ty: BitsTy, count: usize) -> bool {
    matches!((ty, count), (BitsTy::B16, 2) | (BitsTy::B32 | BitsTy::B64, 2 | 4))
}

/// What converting addresses of a space asks of the machine.
pub(super) fn window_since(space: Space) -> Since {
    if space == Space::Param { since(7, 7, 70) } else { Since::BASE }
}

/// The roundings of each conversion. PTX ISA, "cvt"; of what it leaves open, what the assembler
/// takes.
pub(super) fn cvt_round_fits(round: Option<CvtRound>, to: CvtTy, from: CvtTy) -> bool {
    use CvtRound::{Rm, Rmi, Rn, Rna, Rni, Rp, Rpi, Rz, Rzi};
    let none = round.is_none();
    let to_integral = matches!(round, Some(Rni | Rzi | Rmi | Rpi));
    let to_float = matches!(round, Some(Rn | Rz | Rm | Rp));
    let is_float = |ty: CvtTy| ty.ty().kind() == Kind::Float;
    match (to, from) {
        (CvtTy::TF32, CvtTy::F32) => matches!(round, Some(Rn | Rna | Rz)),
        (CvtTy::TF32, _) | (_, CvtTy::TF32) => false,
        (CvtTy::BF16, CvtTy::U8 | CvtTy::S8) | (CvtTy::U8 | CvtTy::S8, CvtTy::BF16) => false,
        _ if !is_float(to) && !is_float(from) => none,
        _ if !is_float(to) => to_integral,
        _ if !is_float(from) => to_float,
        _ if to == from => none || to_integral,
        (_, CvtTy::BF16) | (CvtTy::BF16, CvtTy::F16) => none || to_float,
        _ if to.ty().bits() > from.ty().bits() => none,
        _ => to_float,
    }
}

/// Whether it rounds a single to a smaller float, as `.relu` and `.satfinite` ask.
pub(super) fn cvt_small_fits(round: Option<CvtRound>, to: CvtTy, from: CvtTy) -> bool {
    matches!(to, CvtTy::F16 | CvtTy::BF16 | CvtTy::TF32)
        && from == CvtTy::F32
        && matches!(round, Some(CvtRound::Rn | CvtRound::Rz))
}

pub(super) fn satfinite_fits(
    satfinite: Option<SatFinite>,
    round: Option<CvtRound>,
    to: CvtTy,
    from: CvtTy,
) -> bool {
    satfinite.is_none()
        || match to {
            CvtTy::TF32 => from == CvtTy::F32 && round == Some(CvtRound::Rna),
            _ => cvt_small_fits(round, to, from),
        }
}

pub(super) fn ftz_cvt_fits(ftz: Option<Ftz>, to: CvtTy, from: CvtTy) -> bool {
    ftz.is_none() || (to == CvtTy::F32 || from == CvtTy::F32) && to != CvtTy::TF32
}

/// Saturation is for conversions that can leave the range, and to floats but bfloat16.
pub(super) fn sat_cvt_fits(sat: Option<Sat>, to: CvtTy, from: CvtTy) -> bool {
    let (wide, narrow) = (to.ty(), from.ty());
    let holds = match (wide.kind(), narrow.kind()) {
        (Kind::Float, _) | (_, Kind::Float) => false,
        (Kind::Signed, Kind::Unsigned) => wide.bits() > narrow.bits(),
        (Kind::Unsigned, Kind::Signed) => false,
        _ => wide.bits() >= narrow.bits(),
    };
    let odd = [to, from].iter().any(|ty| matches!(ty, CvtTy::BF16 | CvtTy::TF32));
    sat.is_none() || (!holds && !odd)
}

/// What a conversion asks of the machine.
pub(super) fn cvt_since(round: Option<CvtRound>, to: CvtTy, from: CvtTy) -> Since {
    use CvtRound::{Rn, Rna, Rz};
    match (to, from) {
        (CvtTy::TF32, _) if round == Some(Rna) => since(7, 0, 80),
        (CvtTy::TF32, _) => since(7, 8, 90),
        (CvtTy::BF16, CvtTy::F32) if matches!(round, Some(Rn | Rz)) => since(7, 0, 80),
        (CvtTy::F32, CvtTy::BF16) if round.is_none() => since(7, 1, 80),
        (CvtTy::BF16, _) | (_, CvtTy::BF16) => since(7, 8, 90),
        _ => Since::BASE,
    }
}

pub(super) fn cvt_pack_fits(round: CvtRound, satfinite: bool, to: PackTy) -> bool {
    match to {
        PackTy::E4m3x2 | PackTy::E5m2x2 => round == CvtRound::Rn && satfinite,
        PackTy::F16x2 | PackTy::BF16x2 => matches!(round, CvtRound::Rn | CvtRound::Rz),
    }
}

/// Halves are not types of memory.
pub(super) fn memory_fits(ty: Ty) -> bool {
    !is_half(ty)
}

/// Whether the elements fit into one access.
pub(super) fn width_fits(vec: Option<VecLen>, ty: Ty, space: Option<Space>) -> bool {
    match vec_len(vec) as u32 * ty.bits() {
        ..=128 => vec != Some(VecLen::V8),
        256 => ty.bits() >= 32 && ty.bits() <= 64 && space == Some(Space::Global),
        _ => false,
    }
}

/// The types of an asynchronous store.
pub(super) fn store_async_fits(ty: Ty) -> bool {
    matches!(ty.bits(), 32 | 64) && !matches!(ty, Ty::F16x2 | Ty::BF16x2)
}

/// What the width of an access asks of the machine.
pub(super) fn width_since(vec: Option<VecLen>, ty: Ty) -> Since {
    if vec_len(vec) as u32 * ty.bits() > 128 { since(8, 8, 100) } else { Since::BASE }
}

fn vec_len(vec: Option<VecLen>) -> usize {
    match vec {
        None => 1,
        Some(VecLen::V2) => 2,
        Some(VecLen::V4) => 4,
        Some(VecLen::V8) => 8,
    }
}

/// Whether the access has no ordering.
pub(super) fn plain(sem: Option<Sem>) -> bool {
    matches!(sem, None | Some(Sem::Weak))
}

/// A load or store has a scope exactly if it has an ordering.
pub(super) fn ordered(sem: Option<Sem>, scope: Option<Scope>) -> bool {
    let unordered = plain(sem) || sem == Some(Sem::Volatile);
    unordered == scope.is_none()
}

/// The spaces in which loads and stores may be ordered.
pub(super) fn ordered_space(sem: Option<Sem>, space: Option<Space>) -> bool {
    plain(sem) || atom_space(space)
}

/// A part of the accesses.
pub(super) fn fraction_fits(fraction: &Option<Use>) -> bool {
    match fraction {
        Some(Use(Value::F32(bits))) => (f32::MIN_POSITIVE..=1.0).contains(&f32::from_bits(*bits)),
        Some(Use(value)) => matches!(value, Value::Reg(_)),
        None => true,
    }
}

pub(super) fn source_fits(bytes: &Use, source: &Option<Use>) -> bool {
    match (&bytes.0, source) {
        (Value::Int(bytes), Some(Use(Value::Int(source)))) => (0..=*bytes).contains(source),
        _ => true,
    }
}

/// A block has 16 barriers.
pub(super) fn barrier_fits(id: &Use) -> bool {
    !matches!(id.0, Value::Int(..=-1 | 16..))
}

/// Barriers count warps.
pub(super) fn threads_fit(count: Option<&Value>) -> bool {
    !matches!(count, Some(Value::Int(count)) if *count <= 0 || count % 32 != 0)
}

pub(super) fn parity_fits(parity: &Use) -> bool {
    !matches!(parity.0, Value::Int(..=-1 | 2..))
}

/// The register type of `redux.sync`: an integer for `.b32`.
pub(super) fn redux_ty(ty: ReduxTy) -> Ty {
    if ty == ReduxTy::B32 { Ty::U32 } else { ty.ty() }
}

pub(super) fn registers(values: &VecUse) -> bool {
    values.0.iter().all(|it| matches!(it, Value::Reg(_)))
}

/// Integers of one width go together with and without sign, and so do the 8-bit floats.
pub(super) fn factors_fit(a: MmaTy, b: MmaTy) -> bool {
    use MmaTy::{E4m3, E5m2, S4, S8, U4, U8};
    a == b
        || matches!((a, b), (S8, U8) | (U8, S8) | (S4, U4) | (U4, S4) | (E4m3, E5m2) | (E5m2, E4m3))
}

/// What an ordering at an `mbarrier` asks of the machine.
pub(super) fn order_since(sem: Option<Sem>) -> Since {
    match sem {
        None => Since::BASE,
        Some(Sem::Relaxed) => since(8, 6, 90),
        Some(_) => since(8, 0, 80),
    }
}

/// Whether `count` operands agree with the vector modifier.
pub(super) fn vec_fits(vec: Option<VecLen>, count: usize) -> bool {
    vec_len(vec) == count
}

/// What an atomic operation on a type asks of the machine.
pub(super) fn atom_since(op: AtomOp, ty: AtomTy, scope: Option<Scope>) -> Since {
    let scoped = scope_since(scope);
    scoped.and(match (op, ty) {
        (AtomOp::Add, AtomTy::F64) => since(5, 0, 60),
        (AtomOp::Add, AtomTy::F16x2) => since(6, 2, 60),
        (AtomOp::Add, AtomTy::F16) => since(6, 3, 70),
        (AtomOp::Add, AtomTy::BF16 | AtomTy::BF16x2) => since(7, 8, 90),
        (_, AtomTy::B128) if scope == Some(Scope::Sys) => since(8, 4, 90),
        (_, AtomTy::B128) => since(8, 3, 90),
        _ => Since::BASE,
    })
}

/// What compare-and-swap of a type asks of the machine.
pub(super) fn cas_since(ty: CasTy, scope: Option<Scope>) -> Since {
    scope_since(scope).and(match ty {
        CasTy::B16 => since(6, 3, 70),
        CasTy::B32 | CasTy::B64 => Since::BASE,
        CasTy::B128 if scope == Some(Scope::Sys) => since(8, 4, 90),
        CasTy::B128 => since(8, 3, 90),
    })
}

/// Scopes of atomic operations came with Pascal.
fn scope_since(scope: Option<Scope>) -> Since {
    scope.map_or(Since::BASE, |_| since(5, 0, 60))
}

/// The spaces that have atomic operations.
pub(super) fn atom_space(space: Option<Space>) -> bool {
    shared(space) || space == Some(Space::Global)
}

/// The orderings of an atomic operation.
pub(super) fn atom_sem(sem: Option<Sem>) -> bool {
    matches!(sem, None | Some(Sem::Relaxed | Sem::Acquire | Sem::Release | Sem::AcqRel))
}

/// The types that PTX gives each atomic operation.
pub(super) fn atom_fits(op: AtomOp, ty: AtomTy) -> bool {
    use AtomTy::{B32, B64, B128, BF16, BF16x2, F16, F16x2, F32, F64, S32, S64, U32, U64};
    match op {
        AtomOp::And | AtomOp::Or | AtomOp::Xor => matches!(ty, B32 | B64),
        AtomOp::Exch => matches!(ty, B32 | B64 | B128),
        AtomOp::Add => matches!(ty, U32 | U64 | S32 | F32 | F64 | F16 | F16x2 | BF16 | BF16x2),
        AtomOp::Min | AtomOp::Max => matches!(ty, U32 | U64 | S32 | S64),
        AtomOp::Inc | AtomOp::Dec => matches!(ty, U32),
    }
}

/// Halves are added without flushing, and must say so.
pub(super) fn noftz_fits(noftz: Option<NoFtz>, ty: Ty) -> bool {
    noftz.is_some() == is_half(ty)
}

/// The registers of one thread for the factors and the accumulator of a matrix instruction:
/// `(a, b, c and d)`, or `None` if the shape does not have that type.
///
/// PTX ISA, "Matrix Fragments for mma".
#[must_use]
pub fn mma_registers(shape: MmaShape, ty: MmaTy, acc: MmaAccTy) -> Option<(usize, usize, usize)> {
    use MmaTy::{B1, BF16, E4m3, E5m2, F16, F64, S4, S8, TF32, U4, U8};
    let factors = match (shape, ty) {
        (MmaShape::M8n8k4, F64) => (1, 1),
        (MmaShape::M8n8k4, F16) => (2, 2),
        (MmaShape::M16n8k4, F64) => (2, 1),
        (MmaShape::M16n8k8, F64) => (4, 2),
        (MmaShape::M16n8k16, F64) => (8, 4),
        (MmaShape::M16n8k4, TF32) => (2, 1),
        (MmaShape::M16n8k8, TF32) => (4, 2),
        (MmaShape::M16n8k8, F16 | BF16) => (2, 1),
        (MmaShape::M16n8k16, F16 | BF16) => (4, 2),
        (MmaShape::M8n8k16, S8 | U8) | (MmaShape::M8n8k32, S4 | U4) => (1, 1),
        (MmaShape::M16n8k16, S8 | U8) | (MmaShape::M16n8k32, S4 | U4) => (2, 1),
        (MmaShape::M16n8k32, S8 | U8 | E4m3 | E5m2) | (MmaShape::M16n8k64, S4 | U4) => (4, 2),
        (_, B1) => return None,
        _ => return None,
    };
    let small = matches!(shape, MmaShape::M8n8k4 | MmaShape::M8n8k16 | MmaShape::M8n8k32);
    let sums = match (acc, ty) {
        (MmaAccTy::F16, F16) if small => 4,
        (MmaAccTy::F32, F16) if small => 8,
        (MmaAccTy::F16, F16 | E4m3 | E5m2) => 2,
        (MmaAccTy::F32, F16 | BF16 | TF32 | E4m3 | E5m2) => 4,
        (MmaAccTy::F64, F64) | (MmaAccTy::S32, S8 | U8 | S4 | U4) => {
            if small {
                2
            } else {
                4
            }
        }
        _ => return None,
    };
    Some((factors.0, factors.1, sums))
}

/// The register type that holds matrix elements: doubles and accumulators as they are, the
/// rest packed into 32 bits.
pub(super) fn fragment(ty: Ty) -> Ty {
    match ty {
        Ty::F16 => Ty::F16x2,
        Ty::F64 | Ty::F32 | Ty::S32 | Ty::TF32 => ty,
        _ if ty.kind() == Kind::Float => Ty::BF16x2,
        _ => Ty::U32,
    }
}

/// What a matrix instruction asks of the machine.
pub(super) fn mma_since(shape: MmaShape, ty: MmaTy, acc: MmaAccTy) -> Since {
    match (shape, ty) {
        (_, MmaTy::E4m3 | MmaTy::E5m2) if acc == MmaAccTy::F16 => since(8, 7, 120),
        (_, MmaTy::E4m3 | MmaTy::E5m2) => since(8, 4, 89),
        (MmaShape::M16n8k4 | MmaShape::M16n8k8 | MmaShape::M16n8k16, MmaTy::F64) => since(7, 8, 90),
        (MmaShape::M8n8k4, MmaTy::F16) => since(6, 4, 70),
        (MmaShape::M16n8k8, MmaTy::F16) => since(6, 5, 75),
        (MmaShape::M8n8k16 | MmaShape::M8n8k32, _) => since(6, 5, 75),
        _ => since(7, 0, 80),
    }
}

pub(super) fn mma_fits(shape: MmaShape, ty: MmaTy, acc: MmaAccTy, counts: [usize; 4]) -> bool {
    mma_registers(shape, ty, acc).is_some_and(|(a, b, c)| counts == [c, a, b, c])
}

/// Whether the space is that of `mbarrier`s: shared memory, or a generic address.
pub(super) fn shared(space: Option<Space>) -> bool {
    shared_cta(space) || space == Some(Space::SharedCluster)
}

/// [`shared`], of this block alone.
pub(super) fn shared_cta(space: Option<Space>) -> bool {
    matches!(space, None | Some(Space::Shared | Space::SharedCta))
}

/// The orderings of an arrival at an `mbarrier`.
pub(super) fn arrive_fits(sem: Option<Sem>, scope: Option<Scope>) -> bool {
    match sem {
        None => scope.is_none(),
        Some(sem) => {
            matches!(sem, Sem::Release | Sem::Relaxed)
                && matches!(scope, Some(Scope::Cta | Scope::Cluster))
        }
    }
}

/// The orderings of a wait at an `mbarrier`.
pub(super) fn wait_fits(sem: Option<Sem>, scope: Option<Scope>) -> bool {
    match sem {
        None => scope.is_none(),
        Some(sem) => {
            matches!(sem, Sem::Acquire | Sem::Relaxed)
                && matches!(scope, Some(Scope::Cta | Scope::Cluster))
        }
    }
}

/// Another block's `mbarrier` gives no state.
pub(super) fn remote_fits(space: Option<Space>, state: &SinkDef) -> bool {
    space != Some(Space::SharedCluster) || state.0.is_none()
}

/// What an arrival at an `mbarrier` asks of the machine.
pub(super) fn mbarrier_since(sem: Option<Sem>, space: Option<Space>, state: &SinkDef) -> Since {
    let local = match (space, state.0) {
        (Some(Space::SharedCluster), _) => since(8, 0, 90),
        (_, None) => since(7, 1, 80),
        _ => since(7, 0, 80),
    };
    local.and(order_since(sem))
}

/// The type of one of `count` elements of a packed register.
pub(super) fn element(ty: Ty, count: usize) -> Ty {
    match (ty.bits() as usize).checked_div(count) {
        Some(8) => Ty::B8,
        Some(16) => Ty::B16,
        Some(32) => Ty::B32,
        _ => Ty::B64,
    }
}

/// Matrices that one `ldmatrix` or `stmatrix` moves.
pub(super) const fn matrices(count: MatrixCount) -> usize {
    match count {
        MatrixCount::X1 => 1,
        MatrixCount::X2 => 2,
        MatrixCount::X4 => 4,
    }
}
