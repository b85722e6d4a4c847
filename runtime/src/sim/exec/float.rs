//! Floating-point arithmetic. PTX ISA, "Floating Point Instructions" and "Half Precision
//! Floating Point Instructions".

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{DivMode, FloatClass, Ftz, NanMode, Relu, Round, Sat};
use firesteel_ptx::operand::Value;
use firesteel_ptx::ty::{Ex2Ty, FloatTy, RealTy};

use super::map::compute;
use super::{Decoded, Decoder};
use crate::sim::num::narrow::{self, Narrow, NarrowMode};
use crate::sim::num::single::MinMax;
use crate::sim::num::{Class, Mode, Rounding, approx, double, single};
use crate::sim::registers::{Lane, ballot};

pub(super) fn rounding(round: Round) -> Rounding {
    match round {
        Round::Rn => Rounding::Nearest,
        Round::Rz => Rounding::Zero,
        Round::Rm => Rounding::Down,
        Round::Rp => Rounding::Up,
    }
}

fn mode(round: Option<Round>, ftz: Option<Ftz>, sat: Option<Sat>) -> Mode {
    let round = round.map_or(Rounding::Nearest, rounding);
    Mode { round, ftz: ftz.is_some(), sat: sat.is_some() }
}

fn narrow_mode(ftz: Option<Ftz>, sat: Option<Sat>, relu: Option<Relu>) -> NarrowMode {
    NarrowMode { ftz: ftz.is_some(), sat: sat.is_some(), relu: relu.is_some() }
}

/// Evaluates `$make` with `$m` a constant for the common modes, so that their loops have no
/// branches, and a variable for the others.
macro_rules! by_mode {
    ($mode:expr, $m:ident => $make:expr) => {{
        let mode = $mode;
        if mode == Mode::RN {
            #[allow(non_upper_case_globals, reason = "stands for a variable")]
            const $m: Mode = Mode::RN;
            $make
        } else if mode == Mode::RN.flushed() {
            #[allow(non_upper_case_globals, reason = "stands for a variable")]
            const $m: Mode = Mode::RN.flushed();
            $make
        } else {
            let $m = mode;
            $make
        }
    }};
}

/// A binary instruction of all float types, given its operation on each.
macro_rules! binary {
    ($cx:ident, $it:ident, $op:ident, $mode:expr, $narrow:expr) => {{
        let (d, ab, mode, how) = ($it.d.0, [&$it.a.0, &$it.b.0], $mode, $narrow);
        match $it.ty {
            FloatTy::F32 => by_mode!(mode, m => $cx.map2(d, ab, move |a, b| single::$op(a, b, m))),
            FloatTy::F64 => match mode.round {
                Rounding::Nearest => {
                    $cx.map2(d, ab, |a, b| double::$op(a, b, Rounding::Nearest))
                }
                round => $cx.map2(d, ab, move |a, b| double::$op(a, b, round)),
            },
            FloatTy::F16 => $cx.map2(d, ab, move |a, b| Narrow::F16.$op(a, b, how)),
            FloatTy::BF16 => $cx.map2(d, ab, move |a, b| Narrow::Bf16.$op(a, b, how)),
            FloatTy::F16x2 => $cx.map2(d, ab, move |a, b| {
                narrow::packed2(a, b, |a, b| Narrow::F16.$op(a, b, how))
            }),
            FloatTy::BF16x2 => $cx.map2(d, ab, move |a, b| {
                narrow::packed2(a, b, |a, b| Narrow::Bf16.$op(a, b, how))
            }),
        }
    }};
}

pub(super) fn add_float(cx: &mut Decoder<'_>, it: &AddFloat) -> Decoded {
    binary!(cx, it, add, mode(it.round, it.ftz, it.sat), narrow_mode(it.ftz, it.sat, None))
}

pub(super) fn sub_float(cx: &mut Decoder<'_>, it: &SubFloat) -> Decoded {
    binary!(cx, it, sub, mode(it.round, it.ftz, it.sat), narrow_mode(it.ftz, it.sat, None))
}

pub(super) fn mul_float(cx: &mut Decoder<'_>, it: &MulFloat) -> Decoded {
    binary!(cx, it, mul, mode(it.round, it.ftz, it.sat), narrow_mode(it.ftz, it.sat, None))
}

fn fma_real(cx: &mut Decoder<'_>, ty: RealTy, d: Reg, abc: [&Value; 3], mode: Mode) -> Decoded {
    match ty {
        RealTy::F32 => {
            by_mode!(mode, m => cx.map3(d, abc, move |a, b, c| single::fma(a, b, c, m)))
        }
        RealTy::F64 => cx.map3(d, abc, move |a, b, c| double::fma(a, b, c, mode.round)),
    }
}

pub(super) fn fma_float(cx: &mut Decoder<'_>, it: &FmaFloat) -> Decoded {
    let abc = [&it.a.0, &it.b.0, &it.c.0];
    let (d, mode) = (it.d.0, mode(Some(it.round), it.ftz, it.sat));
    let how = narrow_mode(it.ftz, it.sat, it.relu);
    match it.ty {
        FloatTy::F32 => fma_real(cx, RealTy::F32, d, abc, mode),
        FloatTy::F64 => fma_real(cx, RealTy::F64, d, abc, mode),
        FloatTy::F16 => cx.map3(d, abc, move |a, b, c| Narrow::F16.fma(a, b, c, how)),
        FloatTy::BF16 => cx.map3(d, abc, move |a, b, c| Narrow::Bf16.fma(a, b, c, how)),
        FloatTy::F16x2 => cx.map3(d, abc, move |a, b, c| {
            narrow::packed3(a, b, c, |a, b, c| Narrow::F16.fma(a, b, c, how))
        }),
        FloatTy::BF16x2 => cx.map3(d, abc, move |a, b, c| {
            narrow::packed3(a, b, c, |a, b, c| Narrow::Bf16.fma(a, b, c, how))
        }),
    }
}

pub(super) fn mad_float(cx: &mut Decoder<'_>, it: &MadFloat) -> Decoded {
    let mode = mode(Some(it.round), it.ftz, it.sat);
    fma_real(cx, it.ty, it.d.0, [&it.a.0, &it.b.0, &it.c.0], mode)
}

pub(super) fn div_float(cx: &mut Decoder<'_>, it: &DivFloat) -> Decoded {
    let (ab, mode) = ([&it.a.0, &it.b.0], mode(Some(it.round), it.ftz, None));
    match it.ty {
        RealTy::F32 => {
            by_mode!(mode, m => cx.map2(it.d.0, ab, move |a, b| single::div(a, b, m)))
        }
        RealTy::F64 => cx.map2(it.d.0, ab, move |a, b| double::div(a, b, mode.round)),
    }
}

pub(super) fn div_approx(cx: &mut Decoder<'_>, it: &DivApprox) -> Decoded {
    let (ab, ftz) = ([&it.a.0, &it.b.0], it.ftz.is_some());
    match it.mode {
        DivMode::Approx => cx.map2(it.d.0, ab, move |a, b| approx::div(a, b, ftz)),
        DivMode::Full => cx.map2(it.d.0, ab, move |a, b| approx::div_full(a, b, ftz)),
    }
}

/// `abs` or `neg` of any float type.
macro_rules! sign {
    ($cx:ident, $it:ident, $op:ident) => {{
        let (d, a, ftz) = ($it.d.0, &$it.a.0, $it.ftz.is_some());
        match $it.ty {
            FloatTy::F32 if !ftz => $cx.map1(d, a, |a| single::$op(a, false)),
            FloatTy::F32 => $cx.map1(d, a, |a| single::$op(a, true)),
            FloatTy::F64 => $cx.map1(d, a, double::$op),
            FloatTy::F16 => $cx.map1(d, a, move |a| Narrow::F16.$op(a, ftz)),
            FloatTy::BF16 => $cx.map1(d, a, move |a| Narrow::Bf16.$op(a, ftz)),
            FloatTy::F16x2 => {
                $cx.map1(d, a, move |a| narrow::packed1(a, |a| Narrow::F16.$op(a, ftz)))
            }
            FloatTy::BF16x2 => {
                $cx.map1(d, a, move |a| narrow::packed1(a, |a| Narrow::Bf16.$op(a, ftz)))
            }
        }
    }};
}

pub(super) fn abs_float(cx: &mut Decoder<'_>, it: &AbsFloat) -> Decoded {
    sign!(cx, it, abs)
}

pub(super) fn neg_float(cx: &mut Decoder<'_>, it: &NegFloat) -> Decoded {
    sign!(cx, it, neg)
}

fn min_max(ftz: Option<Ftz>, nan: Option<NanMode>) -> MinMax {
    MinMax { ftz: ftz.is_some(), nan: nan.is_some(), xorsign_abs: false }
}

/// `min` or `max` of any float type.
macro_rules! pick {
    ($cx:ident, $it:ident, $op:ident) => {{
        let (d, ab, how) = ($it.d.0, [&$it.a.0, &$it.b.0], min_max($it.ftz, $it.nan));
        match $it.ty {
            FloatTy::F32 if how == MinMax::default() => {
                const PLAIN: MinMax = MinMax { ftz: false, nan: false, xorsign_abs: false };
                $cx.map2(d, ab, |a, b| single::$op(a, b, PLAIN))
            }
            FloatTy::F32 => $cx.map2(d, ab, move |a, b| single::$op(a, b, how)),
            FloatTy::F64 => $cx.map2(d, ab, double::$op),
            FloatTy::F16 => $cx.map2(d, ab, move |a, b| Narrow::F16.$op(a, b, how)),
            FloatTy::BF16 => $cx.map2(d, ab, move |a, b| Narrow::Bf16.$op(a, b, how)),
            FloatTy::F16x2 => $cx
                .map2(d, ab, move |a, b| narrow::packed2(a, b, |a, b| Narrow::F16.$op(a, b, how))),
            FloatTy::BF16x2 => $cx
                .map2(d, ab, move |a, b| narrow::packed2(a, b, |a, b| Narrow::Bf16.$op(a, b, how))),
        }
    }};
}

pub(super) fn min_float(cx: &mut Decoder<'_>, it: &MinFloat) -> Decoded {
    pick!(cx, it, min)
}

pub(super) fn max_float(cx: &mut Decoder<'_>, it: &MaxFloat) -> Decoded {
    pick!(cx, it, max)
}

pub(super) fn rcp(cx: &mut Decoder<'_>, it: &Rcp) -> Decoded {
    let mode = mode(Some(it.round), it.ftz, None);
    match it.ty {
        RealTy::F32 => by_mode!(mode, m => cx.map1(it.d.0, &it.a.0, move |a| single::rcp(a, m))),
        RealTy::F64 => cx.map1(it.d.0, &it.a.0, move |a| double::rcp(a, mode.round)),
    }
}

pub(super) fn sqrt(cx: &mut Decoder<'_>, it: &Sqrt) -> Decoded {
    let mode = mode(Some(it.round), it.ftz, None);
    match it.ty {
        RealTy::F32 => by_mode!(mode, m => cx.map1(it.d.0, &it.a.0, move |a| single::sqrt(a, m))),
        RealTy::F64 => cx.map1(it.d.0, &it.a.0, move |a| double::sqrt(a, mode.round)),
    }
}

pub(super) fn rcp_approx(cx: &mut Decoder<'_>, it: &RcpApprox) -> Decoded {
    let ftz = it.ftz.is_some();
    match it.ty {
        RealTy::F32 => cx.map1(it.d.0, &it.a.0, move |a| approx::rcp(a, ftz)),
        RealTy::F64 => cx.map1(it.d.0, &it.a.0, approx::rcp_f64),
    }
}

pub(super) fn sqrt_approx(cx: &mut Decoder<'_>, it: &SqrtApprox) -> Decoded {
    let ftz = it.ftz.is_some();
    cx.map1(it.d.0, &it.a.0, move |a| approx::sqrt(a, ftz))
}

pub(super) fn rsqrt(cx: &mut Decoder<'_>, it: &Rsqrt) -> Decoded {
    let ftz = it.ftz.is_some();
    match it.ty {
        RealTy::F32 => cx.map1(it.d.0, &it.a.0, move |a| approx::rsqrt(a, ftz)),
        RealTy::F64 => cx.map1(it.d.0, &it.a.0, move |a| approx::rsqrt_f64(a, ftz)),
    }
}

pub(super) fn sin(cx: &mut Decoder<'_>, it: &Sin) -> Decoded {
    let ftz = it.ftz.is_some();
    cx.map1(it.d.0, &it.a.0, move |a| approx::sin(a, ftz))
}

pub(super) fn cos(cx: &mut Decoder<'_>, it: &Cos) -> Decoded {
    let ftz = it.ftz.is_some();
    cx.map1(it.d.0, &it.a.0, move |a| approx::cos(a, ftz))
}

pub(super) fn lg2(cx: &mut Decoder<'_>, it: &Lg2) -> Decoded {
    let ftz = it.ftz.is_some();
    cx.map1(it.d.0, &it.a.0, move |a| approx::lg2(a, ftz))
}

pub(super) fn ex2(cx: &mut Decoder<'_>, it: &Ex2) -> Decoded {
    let (d, a, ftz) = (it.d.0, &it.a.0, it.ftz.is_some());
    match it.ty {
        Ex2Ty::F32 => cx.map1(d, a, move |a| approx::ex2(a, ftz)),
        Ex2Ty::F16 => cx.map1(d, a, |a| approx::ex2_narrow(Narrow::F16, a)),
        Ex2Ty::BF16 => cx.map1(d, a, |a| approx::ex2_narrow(Narrow::Bf16, a)),
        Ex2Ty::F16x2 => cx.map1(d, a, |a| approx::ex2_packed(Narrow::F16, a)),
        Ex2Ty::BF16x2 => cx.map1(d, a, |a| approx::ex2_packed(Narrow::Bf16, a)),
    }
}

pub(super) fn tanh(cx: &mut Decoder<'_>, it: &Tanh) -> Decoded {
    let (d, a) = (it.d.0, &it.a.0);
    match it.ty {
        Ex2Ty::F32 => cx.map1(d, a, approx::tanh),
        Ex2Ty::F16 => cx.map1(d, a, |a| approx::tanh_narrow(Narrow::F16, a)),
        Ex2Ty::BF16 => cx.map1(d, a, |a| approx::tanh_narrow(Narrow::Bf16, a)),
        Ex2Ty::F16x2 => cx.map1(d, a, |a| approx::tanh_packed(Narrow::F16, a)),
        Ex2Ty::BF16x2 => cx.map1(d, a, |a| approx::tanh_packed(Narrow::Bf16, a)),
    }
}

pub(super) fn copysign(cx: &mut Decoder<'_>, it: &Copysign) -> Decoded {
    match it.ty {
        RealTy::F32 => cx.map2(it.d.0, [&it.a.0, &it.b.0], single::copysign),
        RealTy::F64 => cx.map2(it.d.0, [&it.a.0, &it.b.0], double::copysign),
    }
}

fn class(class: FloatClass) -> Class {
    match class {
        FloatClass::Finite => Class::Finite,
        FloatClass::Infinite => Class::Infinite,
        FloatClass::Number => Class::Number,
        FloatClass::NotANumber => Class::NotANumber,
        FloatClass::Normal => Class::Normal,
        FloatClass::Subnormal => Class::Subnormal,
    }
}

pub(super) fn testp(cx: &mut Decoder<'_>, it: &Testp) -> Decoded {
    let class = class(it.class);
    let p = cx.def_pred(it.p.0)?;
    match it.ty {
        RealTy::F32 => {
            let a = cx.value::<u32>(&it.a.0)?;
            compute(move |regs, mask| {
                let a = u32::load(regs, a);
                let holds = ballot(mask, |lane| single::test(class, a[lane]));
                regs.set_pred(p, mask, holds);
            })
        }
        RealTy::F64 => {
            let a = cx.value::<u64>(&it.a.0)?;
            compute(move |regs, mask| {
                let a = u64::load(regs, a);
                let holds = ballot(mask, |lane| double::test(class, a[lane]));
                regs.set_pred(p, mask, holds);
            })
        }
    }
}
