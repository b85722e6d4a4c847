//! Comparison, selection, logic and shifts. PTX ISA, "Comparison and Selection Instructions"
//! and "Logic and Shift Instructions".

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{BoolOp, Cmp, Direction, Ftz, PrmtMode};
use firesteel_ptx::operand::{PairDef, Value};
use firesteel_ptx::ty::{BitsTy, CompareTy, CvtTy, LogicTy, ShrTy};

use super::int::beyond;
use super::map::{Combine, compute};
use super::{Decoded, Decoder};
use crate::sim::num::bits;
use crate::sim::num::narrow::Narrow;
use crate::sim::num::{Compare, double, single};
use crate::sim::registers::{Lane, ballot};

/// The unsigned names `lo ls hi hs` are the plain ones on unsigned operands.
fn compare(cmp: Cmp) -> Compare {
    match cmp {
        Cmp::Eq => Compare::Eq,
        Cmp::Ne => Compare::Ne,
        Cmp::Lt | Cmp::Lo => Compare::Lt,
        Cmp::Le | Cmp::Ls => Compare::Le,
        Cmp::Gt | Cmp::Hi => Compare::Gt,
        Cmp::Ge | Cmp::Hs => Compare::Ge,
        Cmp::Equ => Compare::Equ,
        Cmp::Neu => Compare::Neu,
        Cmp::Ltu => Compare::Ltu,
        Cmp::Leu => Compare::Leu,
        Cmp::Gtu => Compare::Gtu,
        Cmp::Geu => Compare::Geu,
        Cmp::Num => Compare::Num,
        Cmp::Nan => Compare::Nan,
    }
}

/// One comparison into predicates.
struct Test<'a> {
    p: PairDef,
    ab: [&'a Value; 2],
    op: Compare,
    ftz: Option<Ftz>,
    with: Option<Combine>,
}

impl Test<'_> {
    /// The operator is chosen here, once, so that the loop over the lanes has no branch.
    fn integer<T: Lane + PartialOrd>(self, cx: &mut Decoder<'_>) -> Decoded {
        let Self { p, ab, op, with, .. } = self;
        match op {
            Compare::Eq => cx.test2(p, ab, with, |a: T, b: T| a == b),
            Compare::Ne => cx.test2(p, ab, with, |a: T, b: T| a != b),
            Compare::Lt => cx.test2(p, ab, with, |a: T, b: T| a < b),
            Compare::Le => cx.test2(p, ab, with, |a: T, b: T| a <= b),
            Compare::Gt => cx.test2(p, ab, with, |a: T, b: T| a > b),
            Compare::Ge => cx.test2(p, ab, with, |a: T, b: T| a >= b),
            Compare::Equ
            | Compare::Neu
            | Compare::Ltu
            | Compare::Leu
            | Compare::Gtu
            | Compare::Geu
            | Compare::Num
            | Compare::Nan => Err("integers have no unordered comparison".to_owned()),
        }
    }

    fn single(self, cx: &mut Decoder<'_>) -> Decoded {
        let Self { p, ab, op, with, ftz } = self;
        let f = f32::from_bits;
        match op {
            _ if ftz.is_some() => {
                cx.test2(p, ab, with, move |a, b| single::compare(op, a, b, true))
            }
            Compare::Eq => cx.test2(p, ab, with, move |a, b| f(a) == f(b)),
            Compare::Lt => cx.test2(p, ab, with, move |a, b| f(a) < f(b)),
            Compare::Le => cx.test2(p, ab, with, move |a, b| f(a) <= f(b)),
            Compare::Gt => cx.test2(p, ab, with, move |a, b| f(a) > f(b)),
            Compare::Ge => cx.test2(p, ab, with, move |a, b| f(a) >= f(b)),
            Compare::Neu => cx.test2(p, ab, with, move |a, b| f(a) != f(b)),
            Compare::Ne
            | Compare::Equ
            | Compare::Ltu
            | Compare::Leu
            | Compare::Gtu
            | Compare::Geu
            | Compare::Num
            | Compare::Nan => cx.test2(p, ab, with, move |a, b| single::compare(op, a, b, false)),
        }
    }

    fn narrow(self, cx: &mut Decoder<'_>, format: Narrow) -> Decoded {
        let (op, ftz) = (self.op, self.ftz.is_some());
        cx.test2(self.p, self.ab, self.with, move |a, b| format.compare(op, a, b, ftz))
    }

    /// Of a packed pair, `p` is for the low and `q` for the high half.
    fn packed(self, cx: &mut Decoder<'_>, format: Narrow) -> Decoded {
        let (op, ftz, with) = (self.op, self.ftz.is_some(), self.with);
        let [a, b] = self.ab;
        let (a, b) = (cx.value::<u32>(a)?, cx.value::<u32>(b)?);
        let (low, high) = cx.pred_pair(self.p)?;
        let halves = [Some((low, 0)), high.map(|slot| (slot, 16))];
        compute(move |regs, mask| {
            let (a, b) = (u32::load(regs, a), u32::load(regs, b));
            for (slot, shift) in halves.into_iter().flatten() {
                let holds = ballot(mask, |lane| {
                    let (a, b) = ((a[lane] >> shift) as u16, (b[lane] >> shift) as u16);
                    format.compare(op, a, b, ftz)
                });
                let holds = with.map_or(holds, |with| with.apply(regs, holds));
                regs.set_pred(slot, mask, holds);
            }
        })
    }

    fn decode(self, cx: &mut Decoder<'_>, ty: CompareTy) -> Decoded {
        match ty {
            CompareTy::B16 | CompareTy::U16 => self.integer::<u16>(cx),
            CompareTy::B32 | CompareTy::U32 => self.integer::<u32>(cx),
            CompareTy::B64 | CompareTy::U64 => self.integer::<u64>(cx),
            CompareTy::S16 => self.integer::<i16>(cx),
            CompareTy::S32 => self.integer::<i32>(cx),
            CompareTy::S64 => self.integer::<i64>(cx),
            CompareTy::F32 => self.single(cx),
            CompareTy::F64 => {
                let op = self.op;
                cx.test2(self.p, self.ab, self.with, move |a, b| double::compare(op, a, b))
            }
            CompareTy::F16 => self.narrow(cx, Narrow::F16),
            CompareTy::BF16 => self.narrow(cx, Narrow::Bf16),
            CompareTy::F16x2 => self.packed(cx, Narrow::F16),
            CompareTy::BF16x2 => self.packed(cx, Narrow::Bf16),
        }
    }
}

pub(super) fn setp(cx: &mut Decoder<'_>, it: &Setp) -> Decoded {
    let (ab, op) = ([&it.a.0, &it.b.0], compare(it.cmp));
    Test { p: it.p, ab, op, ftz: it.ftz, with: None }.decode(cx, it.ty)
}

pub(super) fn setp_bool(cx: &mut Decoder<'_>, it: &SetpBool) -> Decoded {
    let op: fn(u32, u32) -> u32 = match it.op {
        BoolOp::And => |a, b| a & b,
        BoolOp::Or => |a, b| a | b,
        BoolOp::Xor => |a, b| a ^ b,
    };
    let with = Some(Combine { op, with: cx.pred(it.c)? });
    let (ab, op) = ([&it.a.0, &it.b.0], compare(it.cmp));
    Test { p: it.p, ab, op, ftz: it.ftz, with }.decode(cx, it.ty)
}

/// A comparison on values of type `ty`, given as their bits.
fn holds(op: Compare, ty: CompareTy, ftz: bool, a: u64, b: u64) -> bool {
    match ty {
        CompareTy::B16 | CompareTy::U16 => op.of(a as u16, b as u16),
        CompareTy::B32 | CompareTy::U32 => op.of(a as u32, b as u32),
        CompareTy::B64 | CompareTy::U64 => op.of(a, b),
        CompareTy::S16 => op.of(a as i16, b as i16),
        CompareTy::S32 => op.of(a as i32, b as i32),
        CompareTy::S64 => op.of(a as i64, b as i64),
        CompareTy::F32 => single::compare(op, a as u32, b as u32, ftz),
        CompareTy::F64 => double::compare(op, a, b),
        CompareTy::F16 | CompareTy::F16x2 => Narrow::F16.compare(op, a as u16, b as u16, ftz),
        CompareTy::BF16 | CompareTy::BF16x2 => Narrow::Bf16.compare(op, a as u16, b as u16, ftz),
    }
}

pub(super) fn set(cx: &mut Decoder<'_>, it: &Set) -> Decoded {
    let truth = if it.dty == CvtTy::F32 { 1f32.to_bits() } else { u32::MAX };
    let (op, ty, ftz) = (compare(it.cmp), it.ty, it.ftz.is_some());
    let (a, b) = (cx.value_of(&it.a.0, ty.ty())?, cx.value_of(&it.b.0, ty.ty())?);
    let d = cx.def::<u32>(it.d.0)?;
    compute(move |regs, mask| {
        let (a, b) = (a.load(regs), b.load(regs));
        let test = |lane: usize| holds(op, ty, ftz, a[lane], b[lane]);
        u32::store(regs, d, mask, |lane| if test(lane) { truth } else { 0 });
    })
}

pub(super) fn selp(cx: &mut Decoder<'_>, it: &Selp) -> Decoded {
    fn select<T: Lane>(cx: &mut Decoder<'_>, it: &Selp) -> Decoded {
        let (a, b) = (cx.value::<T>(&it.a.0)?, cx.value::<T>(&it.b.0)?);
        let (d, c) = (cx.def::<T>(it.d.0)?, cx.pred(it.c)?);
        compute(move |regs, mask| {
            let (a, b, c) = (T::load(regs, a), T::load(regs, b), c.lanes(regs));
            T::store(regs, d, mask, |lane| if c >> lane & 1 == 1 { a[lane] } else { b[lane] });
        })
    }
    match it.ty.ty().bits() {
        16 => select::<u16>(cx, it),
        32 => select::<u32>(cx, it),
        _ => select::<u64>(cx, it),
    }
}

pub(super) fn slct(cx: &mut Decoder<'_>, it: &Slct) -> Decoded {
    let ty = it.ty.ty();
    let (a, b) = (cx.value_of(&it.a.0, ty)?, cx.value_of(&it.b.0, ty)?);
    let (d, c) = (cx.def_any(it.d.0)?, cx.value::<u32>(&it.c.0)?);
    let (float, ftz) = (it.cty == CvtTy::F32, it.ftz.is_some());
    compute(move |regs, mask| {
        let (a, b, c) = (a.load(regs), b.load(regs), u32::load(regs, c));
        let first = |c: u32| match float {
            true => single::compare(Compare::Ge, c, 0, ftz),
            false => c as i32 >= 0,
        };
        d.store(regs, mask, |lane| if first(c[lane]) { a[lane] } else { b[lane] });
    })
}

/// A bitwise operation on predicates.
fn on_preds(cx: &mut Decoder<'_>, d: Reg, [a, b]: [&Value; 2], op: fn(u32, u32) -> u32) -> Decoded {
    let (d, a, b) = (cx.def_pred(d)?, cx.pred_value(a)?, cx.pred_value(b)?);
    compute(move |regs, mask| {
        let value = op(a.lanes(regs), b.lanes(regs));
        regs.set_pred(d, mask, value);
    })
}

/// `and`, `or` and `xor`, with the operation inlined into each width's loop.
macro_rules! logic {
    ($cx:ident, $it:ident, $op:tt) => {{
        let (d, ab) = ($it.d.0, [&$it.a.0, &$it.b.0]);
        match $it.ty {
            LogicTy::B16 => $cx.map2(d, ab, |a: u16, b: u16| a $op b),
            LogicTy::B32 => $cx.map2(d, ab, |a: u32, b: u32| a $op b),
            LogicTy::B64 => $cx.map2(d, ab, |a: u64, b: u64| a $op b),
            LogicTy::Pred => on_preds($cx, d, ab, |a, b| a $op b),
        }
    }};
}

pub(super) fn and(cx: &mut Decoder<'_>, it: &And) -> Decoded {
    logic!(cx, it, &)
}

pub(super) fn or(cx: &mut Decoder<'_>, it: &Or) -> Decoded {
    logic!(cx, it, |)
}

pub(super) fn xor(cx: &mut Decoder<'_>, it: &Xor) -> Decoded {
    logic!(cx, it, ^)
}

pub(super) fn not(cx: &mut Decoder<'_>, it: &Not) -> Decoded {
    let (d, a) = (it.d.0, &it.a.0);
    match it.ty {
        LogicTy::B16 => cx.map1(d, a, |a: u16| !a),
        LogicTy::B32 => cx.map1(d, a, |a: u32| !a),
        LogicTy::B64 => cx.map1(d, a, |a: u64| !a),
        LogicTy::Pred => {
            let (d, a) = (cx.def_pred(d)?, cx.pred_value(a)?);
            compute(move |regs, mask| {
                let value = !a.lanes(regs);
                regs.set_pred(d, mask, value);
            })
        }
    }
}

pub(super) fn cnot(cx: &mut Decoder<'_>, it: &Cnot) -> Decoded {
    let (d, a) = (it.d.0, &it.a.0);
    match it.ty {
        BitsTy::B16 => cx.map1(d, a, |a: u16| u16::from(a == 0)),
        BitsTy::B32 => cx.map1(d, a, |a: u32| u32::from(a == 0)),
        BitsTy::B64 => cx.map1(d, a, |a: u64| u64::from(a == 0)),
    }
}

pub(super) fn lop3(cx: &mut Decoder<'_>, it: &Lop3) -> Decoded {
    let abc = [&it.a.0, &it.b.0, &it.c.0];
    let Value::Int(lut) = it.lut.0 else {
        return Err("the truth table of `lop3` must be an integer".to_owned());
    };
    let d = it.d.0;
    // The tables that compilers emit most have an expression; the others are computed.
    match lut as u8 {
        0x80 => cx.map3(d, abc, |a: u32, b: u32, c: u32| a & b & c),
        0xfe => cx.map3(d, abc, |a: u32, b: u32, c: u32| a | b | c),
        0x96 => cx.map3(d, abc, |a: u32, b: u32, c: u32| a ^ b ^ c),
        0xea => cx.map3(d, abc, |a: u32, b: u32, c: u32| (a & b) | c),
        0xf8 => cx.map3(d, abc, |a: u32, b: u32, c: u32| a | (b & c)),
        0xca => cx.map3(d, abc, |a: u32, b: u32, c: u32| (a & b) | (!a & c)),
        table => cx.map3(d, abc, move |a, b, c| bits::lop3(a, b, c, table)),
    }
}

pub(super) fn shl(cx: &mut Decoder<'_>, it: &Shl) -> Decoded {
    let (d, ab) = (it.d.0, [&it.a.0, &it.b.0]);
    match it.ty {
        BitsTy::B16 => cx.map2(d, ab, |a: u16, b: u32| a.checked_shl(b).unwrap_or(0)),
        BitsTy::B32 => cx.map2(d, ab, |a: u32, b: u32| a.checked_shl(b).unwrap_or(0)),
        BitsTy::B64 => cx.map2(d, ab, |a: u64, b: u32| a.checked_shl(b).unwrap_or(0)),
    }
}

pub(super) fn shr(cx: &mut Decoder<'_>, it: &Shr) -> Decoded {
    let (d, ab) = (it.d.0, [&it.a.0, &it.b.0]);
    match it.ty {
        ShrTy::B16 | ShrTy::U16 => cx.map2(d, ab, |a: u16, b: u32| a.checked_shr(b).unwrap_or(0)),
        ShrTy::B32 | ShrTy::U32 => cx.map2(d, ab, |a: u32, b: u32| a.checked_shr(b).unwrap_or(0)),
        ShrTy::B64 | ShrTy::U64 => cx.map2(d, ab, |a: u64, b: u32| a.checked_shr(b).unwrap_or(0)),
        ShrTy::S16 => cx.map2(d, ab, |a: i16, b: u32| a >> b.min(15)),
        ShrTy::S32 => cx.map2(d, ab, |a: i32, b: u32| a >> b.min(31)),
        ShrTy::S64 => cx.map2(d, ab, |a: i64, b: u32| a >> b.min(63)),
    }
}

pub(super) fn shf(cx: &mut Decoder<'_>, it: &Shf) -> Decoded {
    let (abc, mode) = ([&it.a.0, &it.b.0, &it.c.0], beyond(it.mode));
    match it.direction {
        Direction::L => cx.map3(it.d.0, abc, move |a, b, c| bits::shf_l(a, b, c, mode)),
        Direction::R => cx.map3(it.d.0, abc, move |a, b, c| bits::shf_r(a, b, c, mode)),
    }
}

fn prmt_mode(mode: Option<PrmtMode>) -> bits::Prmt {
    match mode {
        None => bits::Prmt::Generic,
        Some(PrmtMode::F4e) => bits::Prmt::F4e,
        Some(PrmtMode::B4e) => bits::Prmt::B4e,
        Some(PrmtMode::Rc8) => bits::Prmt::Rc8,
        Some(PrmtMode::Ecl) => bits::Prmt::Ecl,
        Some(PrmtMode::Ecr) => bits::Prmt::Ecr,
        Some(PrmtMode::Rc16) => bits::Prmt::Rc16,
    }
}

pub(super) fn prmt(cx: &mut Decoder<'_>, it: &Prmt) -> Decoded {
    let mode = prmt_mode(it.mode);
    cx.map3(it.d.0, [&it.a.0, &it.b.0, &it.c.0], move |a, b, c| bits::prmt(a, b, c, mode))
}
