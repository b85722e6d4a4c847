//! Short spellings of the instructions that lowering emits most: without the modifiers that
//! these uses leave out.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{
    AddInt, And, Cvt, Ld, MulInt, MulWide, Not, Or, Selp, Setp, Shl, Shr, St, SubInt, Xor,
};
use firesteel_ptx::modifier::{Cmp, CvtRound, Half, Space};
use firesteel_ptx::operand::{Addr, Def, Defs, PairDef, PredUse, Use, Uses, WideDef, WideUse};
use firesteel_ptx::ty::{BitsTy, CompareTy, CvtTy, IntTy, LogicTy, MemTy, ShrTy, WideTy};

use super::val::Operand;

/// `d = a + b`.
pub(crate) fn add(ty: IntTy, d: Def, a: impl Into<Operand>, b: impl Into<Operand>) -> AddInt {
    AddInt { sat: None, ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = a - b`.
pub(crate) fn sub(ty: IntTy, d: Def, a: impl Into<Operand>, b: impl Into<Operand>) -> SubInt {
    SubInt { sat: None, ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = a * b`, the low half.
pub(crate) fn mul(ty: IntTy, d: Def, a: impl Into<Operand>, b: impl Into<Operand>) -> MulInt {
    MulInt { half: Half::Lo, ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = a * b`, both halves.
pub(crate) fn mul_wide(
    ty: WideTy,
    d: Def,
    a: impl Into<Operand>,
    b: impl Into<Operand>,
) -> MulWide {
    MulWide { ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = a & b`.
pub(crate) fn and(ty: LogicTy, d: Def, a: impl Into<Operand>, b: impl Into<Operand>) -> And {
    And { ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = a | b`.
pub(crate) fn or(ty: LogicTy, d: Def, a: impl Into<Operand>, b: impl Into<Operand>) -> Or {
    Or { ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = a ^ b`.
pub(crate) fn xor(ty: LogicTy, d: Def, a: impl Into<Operand>, b: impl Into<Operand>) -> Xor {
    Xor { ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = !a`.
pub(crate) fn not(ty: LogicTy, d: Def, a: impl Into<Operand>) -> Not {
    Not { ty, d, a: Use(a.into()) }
}

/// `d = a << b`; `b` is a `u32`.
pub(crate) fn shl(ty: BitsTy, d: Def, a: impl Into<Operand>, b: impl Into<Operand>) -> Shl {
    Shl { ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = a >> b`; `b` is a `u32`. The type says what moves in.
pub(crate) fn shr(ty: ShrTy, d: Def, a: impl Into<Operand>, b: impl Into<Operand>) -> Shr {
    Shr { ty, d, a: Use(a.into()), b: Use(b.into()) }
}

/// `p = a cmp b`.
pub(crate) fn setp(
    cmp: Cmp,
    ty: CompareTy,
    p: Def,
    a: impl Into<Operand>,
    b: impl Into<Operand>,
) -> Setp {
    let p = PairDef { first: p.0, second: None };
    Setp { cmp, ftz: None, ty, p, a: Use(a.into()), b: Use(b.into()) }
}

/// `d = p ? a : b`.
pub(crate) fn selp(
    ty: CompareTy,
    d: Def,
    a: impl Into<Operand>,
    b: impl Into<Operand>,
    p: Reg,
) -> Selp {
    let c = PredUse { reg: p, negated: false };
    Selp { ty, d, a: Use(a.into()), b: Use(b.into()), c }
}

/// `d = a` as another type.
pub(crate) fn cvt(
    round: Option<CvtRound>,
    to: CvtTy,
    d: Def,
    from: CvtTy,
    a: impl Into<Operand>,
) -> Cvt {
    Cvt {
        round,
        relu: None,
        ftz: None,
        satfinite: None,
        sat: None,
        dty: to,
        aty: from,
        d: WideDef(d.0),
        a: WideUse(a.into()),
    }
}

/// `d = [addr]`.
pub(crate) fn ld(space: Space, ty: MemTy, d: Def, addr: Addr) -> Ld {
    Ld {
        sem: None,
        scope: None,
        space: Some(space),
        cache: None,
        evict: None,
        hint: None,
        prefetch: None,
        vec: None,
        ty,
        d: Defs(vec![d.0]),
        addr,
        policy: None,
    }
}

/// `[addr] = a`.
pub(crate) fn st(space: Space, ty: MemTy, addr: Addr, a: impl Into<Operand>) -> St {
    St {
        sem: None,
        scope: None,
        space: Some(space),
        cache: None,
        evict: None,
        hint: None,
        vec: None,
        ty,
        addr,
        a: Uses(vec![a.into()]),
        policy: None,
    }
}
