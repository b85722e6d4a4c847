//! Integer arithmetic. PTX ISA, "Integer Arithmetic Instructions".

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{Half, ShiftMode};
use firesteel_ptx::ty::{Int32Ty, IntTy, IntWordTy, SignedTy, WideTy, WordTy};

use super::map::compute;
use super::{Decoded, Decoder};
use crate::sim::num::{bits, dot, int};
use crate::sim::registers::each_lane;

/// Evaluates `$make` with `$T` as the Rust type of a PTX integer type.
macro_rules! by_int {
    ($ty:expr, $T:ident => $make:expr) => {
        match $ty {
            IntTy::U16 => {
                type $T = u16;
                $make
            }
            IntTy::U32 => {
                type $T = u32;
                $make
            }
            IntTy::U64 => {
                type $T = u64;
                $make
            }
            IntTy::S16 => {
                type $T = i16;
                $make
            }
            IntTy::S32 => {
                type $T = i32;
                $make
            }
            IntTy::S64 => {
                type $T = i64;
                $make
            }
        }
    };
}

/// [`by_int`] for the signed types.
macro_rules! by_signed {
    ($ty:expr, $T:ident => $make:expr) => {
        match $ty {
            SignedTy::S16 => {
                type $T = i16;
                $make
            }
            SignedTy::S32 => {
                type $T = i32;
                $make
            }
            SignedTy::S64 => {
                type $T = i64;
                $make
            }
        }
    };
}

pub(super) fn add_int(cx: &mut Decoder<'_>, it: &AddInt) -> Decoded {
    let ab = [&it.a.0, &it.b.0];
    if it.sat.is_some() {
        return cx.map2(it.d.0, ab, int::add_sat);
    }
    by_int!(it.ty, T => cx.map2(it.d.0, ab, |a: T, b: T| a.wrapping_add(b)))
}

pub(super) fn sub_int(cx: &mut Decoder<'_>, it: &SubInt) -> Decoded {
    let ab = [&it.a.0, &it.b.0];
    if it.sat.is_some() {
        return cx.map2(it.d.0, ab, int::sub_sat);
    }
    by_int!(it.ty, T => cx.map2(it.d.0, ab, |a: T, b: T| a.wrapping_sub(b)))
}

/// An operation with the carry flag: `(value, flag) = f(inputs, flag)`.
///
/// `reads` says whether the flag goes in (else it goes in as clear), `writes` whether it is kept.
fn carrying(
    cx: &mut Decoder<'_>,
    ty: IntWordTy,
    d: firesteel_ptx::ir::Reg,
    operands: &[&firesteel_ptx::operand::Value],
    (reads, writes): (bool, bool),
    f: fn([u64; 3], bool, IntWordTy) -> (u64, bool),
) -> Decoded {
    let d = cx.def_any(d)?;
    let mut slots = [None; 3];
    for (slot, value) in slots.iter_mut().zip(operands) {
        *slot = Some(cx.value_of(value, ty.ty())?);
    }
    compute(move |regs, mask| {
        let rows = slots.map(|it| it.map_or([0; 32], |it| it.load(regs)));
        let (carry_in, mut carry_out) = (if reads { regs.carry } else { 0 }, regs.carry);
        let mut result = [0; 32];
        each_lane(mask, |lane| {
            let (value, carry) = f(rows.map(|row| row[lane]), carry_in >> lane & 1 == 1, ty);
            result[lane] = value;
            carry_out = (carry_out & !(1 << lane)) | (u32::from(carry) << lane);
        });
        d.store(regs, mask, |lane| result[lane]);
        if writes {
            regs.carry = carry_out;
        }
    })
}

fn add_with([a, b, _]: [u64; 3], carry: bool, ty: IntWordTy) -> (u64, bool) {
    int::add_carry(a, b, carry, ty.ty().bits())
}

fn sub_with([a, b, _]: [u64; 3], borrow: bool, ty: IntWordTy) -> (u64, bool) {
    int::sub_borrow(a, b, borrow, ty.ty().bits())
}

fn mad_with(hi: bool, [a, b, c]: [u64; 3], carry: bool, ty: IntWordTy) -> (u64, bool) {
    match ty {
        IntWordTy::U32 => int::mad_carry(a as u32, b as u32, c as u32, carry, hi),
        IntWordTy::S32 => int::mad_carry(a as i32, b as i32, c as i32, carry, hi),
        IntWordTy::U64 => int::mad_carry(a, b, c, carry, hi),
        IntWordTy::S64 => int::mad_carry(a as i64, b as i64, c as i64, carry, hi),
    }
}

fn mad_half(half: Half) -> fn([u64; 3], bool, IntWordTy) -> (u64, bool) {
    match half {
        Half::Hi => |abc, carry, ty| mad_with(true, abc, carry, ty),
        Half::Lo => |abc, carry, ty| mad_with(false, abc, carry, ty),
    }
}

pub(super) fn add_carry_out(cx: &mut Decoder<'_>, it: &AddCarryOut) -> Decoded {
    carrying(cx, it.ty, it.d.0, &[&it.a.0, &it.b.0], (false, true), add_with)
}

pub(super) fn add_carry(cx: &mut Decoder<'_>, it: &AddCarry) -> Decoded {
    carrying(cx, it.ty, it.d.0, &[&it.a.0, &it.b.0], (true, it.out.is_some()), add_with)
}

pub(super) fn sub_carry_out(cx: &mut Decoder<'_>, it: &SubCarryOut) -> Decoded {
    carrying(cx, it.ty, it.d.0, &[&it.a.0, &it.b.0], (false, true), sub_with)
}

pub(super) fn sub_carry(cx: &mut Decoder<'_>, it: &SubCarry) -> Decoded {
    carrying(cx, it.ty, it.d.0, &[&it.a.0, &it.b.0], (true, it.out.is_some()), sub_with)
}

pub(super) fn mad_carry_out(cx: &mut Decoder<'_>, it: &MadCarryOut) -> Decoded {
    let operands = [&it.a.0, &it.b.0, &it.c.0];
    carrying(cx, it.ty, it.d.0, &operands, (false, true), mad_half(it.half))
}

pub(super) fn mad_carry(cx: &mut Decoder<'_>, it: &MadCarry) -> Decoded {
    let operands = [&it.a.0, &it.b.0, &it.c.0];
    carrying(cx, it.ty, it.d.0, &operands, (true, it.out.is_some()), mad_half(it.half))
}

pub(super) fn mul_int(cx: &mut Decoder<'_>, it: &MulInt) -> Decoded {
    let ab = [&it.a.0, &it.b.0];
    match it.half {
        Half::Lo => by_int!(it.ty, T => cx.map2(it.d.0, ab, |a: T, b: T| a.wrapping_mul(b))),
        Half::Hi => by_int!(it.ty, T => cx.map2(it.d.0, ab, int::mul_hi::<T>)),
    }
}

pub(super) fn mul_wide(cx: &mut Decoder<'_>, it: &MulWide) -> Decoded {
    let ab = [&it.a.0, &it.b.0];
    match it.ty {
        WideTy::U16 => cx.map2(it.d.0, ab, |a: u16, b: u16| u32::from(a) * u32::from(b)),
        WideTy::S16 => cx.map2(it.d.0, ab, |a: i16, b: i16| i32::from(a) * i32::from(b)),
        WideTy::U32 => cx.map2(it.d.0, ab, |a: u32, b: u32| u64::from(a) * u64::from(b)),
        WideTy::S32 => cx.map2(it.d.0, ab, |a: i32, b: i32| i64::from(a) * i64::from(b)),
    }
}

pub(super) fn mad_int(cx: &mut Decoder<'_>, it: &MadInt) -> Decoded {
    let abc = [&it.a.0, &it.b.0, &it.c.0];
    match it.half {
        Half::Lo => by_int!(it.ty, T => {
            cx.map3(it.d.0, abc, |a: T, b: T, c: T| a.wrapping_mul(b).wrapping_add(c))
        }),
        Half::Hi if it.sat.is_some() => cx.map3(it.d.0, abc, int::mad_hi_sat),
        Half::Hi => by_int!(it.ty, T => cx.map3(it.d.0, abc, int::mad_hi::<T>)),
    }
}

pub(super) fn mad_wide(cx: &mut Decoder<'_>, it: &MadWide) -> Decoded {
    let abc = [&it.a.0, &it.b.0, &it.c.0];
    let d = it.d.0;
    match it.ty {
        WideTy::U16 => {
            cx.map3(d, abc, |a: u16, b: u16, c: u32| (u32::from(a) * u32::from(b)).wrapping_add(c))
        }
        WideTy::S16 => {
            cx.map3(d, abc, |a: i16, b: i16, c: i32| (i32::from(a) * i32::from(b)).wrapping_add(c))
        }
        WideTy::U32 => {
            cx.map3(d, abc, |a: u32, b: u32, c: u64| (u64::from(a) * u64::from(b)).wrapping_add(c))
        }
        WideTy::S32 => {
            cx.map3(d, abc, |a: i32, b: i32, c: i64| (i64::from(a) * i64::from(b)).wrapping_add(c))
        }
    }
}

pub(super) fn mul24(cx: &mut Decoder<'_>, it: &Mul24) -> Decoded {
    let (ab, hi) = ([&it.a.0, &it.b.0], it.half == Half::Hi);
    match it.ty {
        Int32Ty::U32 => cx.map2(it.d.0, ab, move |a: u32, b: u32| int::mul24(a, b, hi)),
        Int32Ty::S32 => cx.map2(it.d.0, ab, move |a: i32, b: i32| int::mul24(a, b, hi)),
    }
}

pub(super) fn mad24(cx: &mut Decoder<'_>, it: &Mad24) -> Decoded {
    let (abc, hi) = ([&it.a.0, &it.b.0, &it.c.0], it.half == Half::Hi);
    if it.sat.is_some() {
        return cx.map3(it.d.0, abc, move |a: i32, b: i32, c: i32| {
            (int::mul24(a, b, hi) as i32).saturating_add(c)
        });
    }
    match it.ty {
        Int32Ty::U32 => {
            cx.map3(it.d.0, abc, move |a: u32, b: u32, c: u32| int::mul24(a, b, hi).wrapping_add(c))
        }
        Int32Ty::S32 => {
            cx.map3(it.d.0, abc, move |a: i32, b: i32, c: u32| int::mul24(a, b, hi).wrapping_add(c))
        }
    }
}

pub(super) fn sad(cx: &mut Decoder<'_>, it: &Sad) -> Decoded {
    by_int!(it.ty, T => cx.map3(it.d.0, [&it.a.0, &it.b.0, &it.c.0], int::sad::<T>))
}

pub(super) fn div_int(cx: &mut Decoder<'_>, it: &DivInt) -> Decoded {
    by_int!(it.ty, T => cx.map2(it.d.0, [&it.a.0, &it.b.0], int::div::<T>))
}

pub(super) fn rem_int(cx: &mut Decoder<'_>, it: &RemInt) -> Decoded {
    by_int!(it.ty, T => cx.map2(it.d.0, [&it.a.0, &it.b.0], int::rem::<T>))
}

pub(super) fn abs_int(cx: &mut Decoder<'_>, it: &AbsInt) -> Decoded {
    by_signed!(it.ty, T => cx.map1(it.d.0, &it.a.0, |a: T| a.wrapping_abs()))
}

pub(super) fn neg_int(cx: &mut Decoder<'_>, it: &NegInt) -> Decoded {
    by_signed!(it.ty, T => cx.map1(it.d.0, &it.a.0, |a: T| a.wrapping_neg()))
}

pub(super) fn min_int(cx: &mut Decoder<'_>, it: &MinInt) -> Decoded {
    by_int!(it.ty, T => cx.map2(it.d.0, [&it.a.0, &it.b.0], |a: T, b: T| a.min(b)))
}

pub(super) fn max_int(cx: &mut Decoder<'_>, it: &MaxInt) -> Decoded {
    by_int!(it.ty, T => cx.map2(it.d.0, [&it.a.0, &it.b.0], |a: T, b: T| a.max(b)))
}

pub(super) fn popc(cx: &mut Decoder<'_>, it: &Popc) -> Decoded {
    match it.ty {
        WordTy::B32 => cx.map1(it.d.0, &it.a.0, u32::count_ones),
        WordTy::B64 => cx.map1(it.d.0, &it.a.0, u64::count_ones),
    }
}

pub(super) fn clz(cx: &mut Decoder<'_>, it: &Clz) -> Decoded {
    match it.ty {
        WordTy::B32 => cx.map1(it.d.0, &it.a.0, u32::leading_zeros),
        WordTy::B64 => cx.map1(it.d.0, &it.a.0, u64::leading_zeros),
    }
}

pub(super) fn bfind(cx: &mut Decoder<'_>, it: &Bfind) -> Decoded {
    let amount = it.amount.is_some();
    let signed = matches!(it.ty, IntWordTy::S32 | IntWordTy::S64);
    match it.ty {
        IntWordTy::U32 | IntWordTy::S32 => {
            cx.map1(it.d.0, &it.a.0, move |a: u32| bits::bfind(a.into(), 32, signed, amount))
        }
        IntWordTy::U64 | IntWordTy::S64 => {
            cx.map1(it.d.0, &it.a.0, move |a: u64| bits::bfind(a, 64, signed, amount))
        }
    }
}

pub(super) fn brev(cx: &mut Decoder<'_>, it: &Brev) -> Decoded {
    match it.ty {
        WordTy::B32 => cx.map1(it.d.0, &it.a.0, u32::reverse_bits),
        WordTy::B64 => cx.map1(it.d.0, &it.a.0, u64::reverse_bits),
    }
}

pub(super) fn bfe(cx: &mut Decoder<'_>, it: &Bfe) -> Decoded {
    let abc = [&it.a.0, &it.b.0, &it.c.0];
    let signed = matches!(it.ty, IntWordTy::S32 | IntWordTy::S64);
    match it.ty {
        IntWordTy::U32 | IntWordTy::S32 => cx.map3(it.d.0, abc, move |a: u32, b: u32, c: u32| {
            bits::bfe(a.into(), b, c, 32, signed) as u32
        }),
        IntWordTy::U64 | IntWordTy::S64 => {
            cx.map3(it.d.0, abc, move |a: u64, b: u32, c: u32| bits::bfe(a, b, c, 64, signed))
        }
    }
}

pub(super) fn bfi(cx: &mut Decoder<'_>, it: &Bfi) -> Decoded {
    let operands = [&it.a.0, &it.b.0, &it.c.0, &it.e.0];
    match it.ty {
        WordTy::B32 => cx.map4(it.d.0, operands, |a: u32, b, c, e| {
            bits::bfi(a.into(), b.into(), c, e, 32) as u32
        }),
        WordTy::B64 => cx.map4(it.d.0, operands, |a: u64, b, c, e| bits::bfi(a, b, c, e, 64)),
    }
}

pub(super) fn beyond(mode: ShiftMode) -> bits::Beyond {
    match mode {
        ShiftMode::Clamp => bits::Beyond::Clamp,
        ShiftMode::Wrap => bits::Beyond::Wrap,
    }
}

pub(super) fn szext(cx: &mut Decoder<'_>, it: &Szext) -> Decoded {
    let (mode, signed) = (beyond(it.mode), it.ty == Int32Ty::S32);
    cx.map2(it.d.0, [&it.a.0, &it.b.0], move |a, b| bits::szext(a, b, signed, mode))
}

pub(super) fn bmsk(cx: &mut Decoder<'_>, it: &Bmsk) -> Decoded {
    let mode = beyond(it.mode);
    cx.map2(it.d.0, [&it.a.0, &it.b.0], move |a, b| bits::bmsk(a, b, mode))
}

pub(super) fn fns(cx: &mut Decoder<'_>, it: &Fns) -> Decoded {
    cx.map3(it.d.0, [&it.mask.0, &it.base.0, &it.offset.0], bits::fns)
}

pub(super) fn dp4a(cx: &mut Decoder<'_>, it: &Dp4a) -> Decoded {
    let abc = [&it.a.0, &it.b.0, &it.c.0];
    match (it.aty, it.bty) {
        (Int32Ty::S32, Int32Ty::S32) => {
            cx.map3(it.d.0, abc, |a, b, c| dot::dp4a(a, b, c, true, true))
        }
        (Int32Ty::S32, Int32Ty::U32) => {
            cx.map3(it.d.0, abc, |a, b, c| dot::dp4a(a, b, c, true, false))
        }
        (Int32Ty::U32, Int32Ty::S32) => {
            cx.map3(it.d.0, abc, |a, b, c| dot::dp4a(a, b, c, false, true))
        }
        (Int32Ty::U32, Int32Ty::U32) => {
            cx.map3(it.d.0, abc, |a, b, c| dot::dp4a(a, b, c, false, false))
        }
    }
}

pub(super) fn dp2a(cx: &mut Decoder<'_>, it: &Dp2a) -> Decoded {
    let signed = (it.aty == Int32Ty::S32, it.bty == Int32Ty::S32);
    let hi = it.half == Half::Hi;
    cx.map3(it.d.0, [&it.a.0, &it.b.0, &it.c.0], move |a, b, c| dot::dp2a(a, b, c, signed, hi))
}
