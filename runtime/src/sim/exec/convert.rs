//! Conversions. PTX ISA, `cvt` and `cvt.pack`.

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::CvtRound;
use firesteel_ptx::ty::{CvtTy, Fp8PairTy, Kind, PackByteTy, PackHalfTy, PackTy, Ty};

use super::map::compute;
use super::{Decoded, Decoder};
use crate::sim::num::convert::{self, IntType};
use crate::sim::num::narrow::{Narrow, f16_to_f32};
use crate::sim::num::soft::{self, Format};
use crate::sim::num::{Mode, Rounding, single};

fn rounding(round: Option<CvtRound>) -> Rounding {
    match round {
        None | Some(CvtRound::Rni | CvtRound::Rn) => Rounding::Nearest,
        Some(CvtRound::Rzi | CvtRound::Rz) => Rounding::Zero,
        Some(CvtRound::Rmi | CvtRound::Rm) => Rounding::Down,
        Some(CvtRound::Rpi | CvtRound::Rp) => Rounding::Up,
        Some(CvtRound::Rna) => Rounding::NearestAway,
    }
}

/// Whether the rounding asks for an integral result.
fn to_integral(round: Option<CvtRound>) -> bool {
    match round {
        Some(CvtRound::Rni | CvtRound::Rzi | CvtRound::Rmi | CvtRound::Rpi) => true,
        None | Some(CvtRound::Rn | CvtRound::Rna | CvtRound::Rz | CvtRound::Rm | CvtRound::Rp) => {
            false
        }
    }
}

/// What a type of `cvt` means.
#[derive(Clone, Copy)]
enum Meaning {
    Int(IntType),
    Float(Format),
}

fn meaning(ty: CvtTy) -> Meaning {
    let bits = ty.ty().bits();
    match ty {
        CvtTy::U8 | CvtTy::U16 | CvtTy::U32 | CvtTy::U64 => Meaning::Int(IntType::unsigned(bits)),
        CvtTy::S8 | CvtTy::S16 | CvtTy::S32 | CvtTy::S64 => Meaning::Int(IntType::signed(bits)),
        CvtTy::F16 => Meaning::Float(soft::F16),
        CvtTy::BF16 => Meaning::Float(soft::BF16),
        CvtTy::F32 => Meaning::Float(soft::F32),
        CvtTy::F64 => Meaning::Float(soft::F64),
        CvtTy::TF32 => Meaning::Float(soft::TF32),
    }
}

pub(super) fn cvt(cx: &mut Decoder<'_>, it: &Cvt) -> Decoded {
    if let Some(action) = quick(cx, it) {
        return action;
    }
    let a = cx.value_of(&it.a.0, it.aty.ty())?;
    let d = cx.def_any(it.d.0)?;
    let how = convert::Cvt {
        round: rounding(it.round),
        ftz: it.ftz.is_some(),
        sat: it.sat.is_some(),
        relu: it.relu.is_some(),
        satfinite: it.satfinite.is_some(),
    };
    let (from, to) = (meaning(it.aty), meaning(it.dty));
    let integral = to_integral(it.round);
    compute(move |regs, mask| {
        let a = a.load(regs);
        d.store(regs, mask, |lane| match (from, to) {
            (Meaning::Int(from), Meaning::Int(to)) => {
                convert::int_to_int(a[lane], from, to, how.sat)
            }
            (Meaning::Int(from), Meaning::Float(to)) => {
                convert::int_to_float(a[lane], from, to, how)
            }
            (Meaning::Float(from), Meaning::Int(to)) => {
                to.extend(convert::float_to_int(a[lane], from, to, how))
            }
            (Meaning::Float(from), Meaning::Float(to)) if integral && from == to => {
                convert::float_to_integral(a[lane], from, how)
            }
            (Meaning::Float(from), Meaning::Float(to)) => {
                convert::float_to_float(a[lane], from, to, how)
            }
        });
    })
}

/// The conversions that real kernels are full of, when no modifier changes them and the
/// registers are as wide as the types.
fn quick(cx: &mut Decoder<'_>, it: &Cvt) -> Option<Decoded> {
    let plain = it.sat.is_none()
        && it.ftz.is_none()
        && it.relu.is_none()
        && it.satfinite.is_none()
        && cx.is_as_wide(it.d.0, it.dty.ty())
        && cx.value_is_as_wide(&it.a.0, it.aty.ty());
    if !plain {
        return None;
    }
    let (d, a) = (it.d.0, &it.a.0);
    let single = |value: f32| value.to_bits();
    Some(match (it.dty, it.aty, it.round) {
        (CvtTy::U64 | CvtTy::S64, CvtTy::U32, _) => cx.map1(d, a, |a: u32| u64::from(a)),
        (CvtTy::U64 | CvtTy::S64, CvtTy::S32, _) => cx.map1(d, a, |a: i32| i64::from(a)),
        (CvtTy::U32 | CvtTy::S32, CvtTy::U64 | CvtTy::S64, _) => cx.map1(d, a, |a: u64| a as u32),
        (CvtTy::U32 | CvtTy::S32, CvtTy::U16, _) => cx.map1(d, a, |a: u16| u32::from(a)),
        (CvtTy::U32 | CvtTy::S32, CvtTy::S16, _) => cx.map1(d, a, |a: i16| i32::from(a)),
        (CvtTy::U16 | CvtTy::S16, CvtTy::U32 | CvtTy::S32, _) => cx.map1(d, a, |a: u32| a as u16),
        (CvtTy::F32, CvtTy::S32, Some(CvtRound::Rn)) => {
            cx.map1(d, a, move |a: i32| single(a as f32))
        }
        (CvtTy::F32, CvtTy::U32, Some(CvtRound::Rn)) => {
            cx.map1(d, a, move |a: u32| single(a as f32))
        }
        (CvtTy::S32, CvtTy::F32, Some(CvtRound::Rzi)) => {
            cx.map1(d, a, |a: u32| f32::from_bits(a) as i32)
        }
        (CvtTy::U32, CvtTy::F32, Some(CvtRound::Rzi)) => {
            cx.map1(d, a, |a: u32| f32::from_bits(a) as u32)
        }
        (CvtTy::F32, CvtTy::F16, _) => cx.map1(d, a, f16_to_f32),
        (CvtTy::F32, CvtTy::BF16, _) => cx.map1(d, a, |a: u16| Narrow::Bf16.widen(a)),
        (CvtTy::F16, CvtTy::F32, Some(CvtRound::Rn)) => cx.map1(d, a, |a| Narrow::F16.round(a)),
        (CvtTy::BF16, CvtTy::F32, Some(CvtRound::Rn)) => cx.map1(d, a, |a| Narrow::Bf16.round(a)),
        (CvtTy::F32, CvtTy::F64, Some(CvtRound::Rn)) => {
            cx.map1(d, a, |a: u64| single::output((f64::from_bits(a) as f32).to_bits(), Mode::RN))
        }
        _ => return None,
    })
}

fn pack_format(ty: PackTy) -> Format {
    match ty {
        PackTy::F16x2 => soft::F16,
        PackTy::BF16x2 => soft::BF16,
        PackTy::E4m3x2 => soft::E4M3,
        PackTy::E5m2x2 => soft::E5M2,
    }
}

fn fp8_format(ty: Fp8PairTy) -> Format {
    match ty {
        Fp8PairTy::E4m3x2 => soft::E4M3,
        Fp8PairTy::E5m2x2 => soft::E5M2,
    }
}

pub(super) fn cvt_pack(cx: &mut Decoder<'_>, it: &CvtPack) -> Decoded {
    let (d, ab, format) = (it.d.0, [&it.a.0, &it.b.0], pack_format(it.dty));
    let how = convert::Cvt {
        relu: it.relu.is_some(),
        satfinite: it.satfinite.is_some(),
        ..convert::Cvt::rounded(rounding(Some(it.round)))
    };
    match it.dty {
        PackTy::F16x2 | PackTy::BF16x2 => {
            cx.map2(d, ab, move |a: u32, b: u32| convert::pack_f32x2(a, b, format, how))
        }
        PackTy::E4m3x2 | PackTy::E5m2x2 => {
            cx.map2(d, ab, move |a: u32, b: u32| convert::pack_fp8x2(a, b, format, how.relu))
        }
    }
}

pub(super) fn cvt_from_fp8(cx: &mut Decoder<'_>, it: &CvtFromFp8) -> Decoded {
    let (format, relu) = (fp8_format(it.aty), it.relu.is_some());
    cx.map1(it.d.0, &it.a.0, move |a| convert::fp8x2_to_f16x2(a, format, relu))
}

pub(super) fn cvt_to_fp8(cx: &mut Decoder<'_>, it: &CvtToFp8) -> Decoded {
    let (format, relu) = (fp8_format(it.dty), it.relu.is_some());
    cx.map1(it.d.0, &it.a.0, move |a| convert::fp8x2_from_f16x2(a, format, relu))
}

fn integer(ty: Ty) -> IntType {
    IntType { bits: ty.bits(), signed: ty.kind() == Kind::Signed }
}

pub(super) fn cvt_pack_halves(cx: &mut Decoder<'_>, it: &CvtPackHalves) -> Decoded {
    let to = integer(PackHalfTy::ty(it.dty));
    cx.map2(it.d.0, [&it.a.0, &it.b.0], move |a, b| convert::pack_int(a, b, 0, to))
}

pub(super) fn cvt_pack_bytes(cx: &mut Decoder<'_>, it: &CvtPackBytes) -> Decoded {
    let to = integer(PackByteTy::ty(it.dty));
    cx.map3(it.d.0, [&it.a.0, &it.b.0, &it.c.0], move |a, b, c| convert::pack_int(a, b, c, to))
}
