//! Moves and addresses. PTX ISA, `mov`, `cvta`, `isspacep`.

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier;
use firesteel_ptx::operand::{Special, Value};
use firesteel_ptx::ty::{MovTy, Ty};

use super::map::compute;
use super::memory::access_action;
use super::{Decoded, Decoder};
use crate::sim::link::decoder::{Sink, is_clock};
use crate::sim::memory::{generic, resolve};
use crate::sim::program::Action;
use crate::sim::registers::{File, ballot};
use crate::sim::report::Space;
use crate::sim::warp::Cx;

pub(super) fn mov(cx: &mut Decoder<'_>, it: &Mov) -> Decoded {
    if let Value::Special(special) = it.a.0
        && is_clock(special)
    {
        return clock(cx.def_any(it.d.0)?, special);
    }
    match it.ty {
        MovTy::Pred => {
            let (d, a) = (cx.def_pred(it.d.0)?, cx.pred_value(&it.a.0)?);
            compute(move |regs, mask| {
                let value = a.lanes(regs);
                regs.set_pred(d, mask, value);
            })
        }
        MovTy::B128 => mov_quad(cx, it),
        MovTy::B64 | MovTy::U64 | MovTy::S64 | MovTy::F64 => cx.map1(it.d.0, &it.a.0, |a: u64| a),
        MovTy::B32 | MovTy::U32 | MovTy::S32 | MovTy::F32 => cx.map1(it.d.0, &it.a.0, |a: u32| a),
        MovTy::B16 | MovTy::U16 | MovTy::S16 | MovTy::F16 | MovTy::BF16 => {
            cx.map1(it.d.0, &it.a.0, |a: u16| a)
        }
    }
}

fn mov_quad(cx: &mut Decoder<'_>, it: &Mov) -> Decoded {
    let Value::Reg(a) = it.a.0 else {
        return Err("128 bits can only be moved between registers".to_owned());
    };
    let (d, a) = (cx.home(it.d.0)?, cx.home(a)?);
    if d.file != File::Quad || a.file != File::Quad {
        return Err("both registers must have 128 bits".to_owned());
    }
    compute(move |regs, mask| {
        let a = regs.quads[a.slot.0 as usize];
        let row = &mut regs.quads[d.slot.0 as usize];
        crate::sim::registers::each_lane(mask, |lane| row[lane] = a[lane]);
    })
}

/// The cycle counters count the instructions of the block, so that runs repeat; the timers are
/// those of the host.
fn clock(d: Sink, special: Special) -> Decoded {
    let read = move |cx: &Cx<'_>| match special {
        Special::ClockHi => cx.block.steps >> 32,
        Special::Globaltimer | Special::GlobaltimerLo => cx.launch.nanoseconds(),
        Special::GlobaltimerHi => cx.launch.nanoseconds() >> 32,
        _ => cx.block.steps,
    };
    Ok(Action::Signal(Box::new(move |cx, mask| {
        // No two reads may give the same, or loops that wait for time to pass would not end.
        cx.block.steps += 1;
        let now = read(cx);
        d.store(cx.regs, mask, |_| now);
        Ok(())
    })))
}

pub(super) fn mov_pack(cx: &mut Decoder<'_>, it: &MovPack) -> Decoded {
    let d = cx.def_any(it.d.0)?;
    let bits = it.ty.ty().bits() / it.a.0.len().max(1) as u32;
    let ty = part(bits);
    let parts: Vec<_> =
        it.a.0.iter().map(|value| cx.value_of(value, ty)).collect::<Result<_, _>>()?;
    compute(move |regs, mask| {
        let mut whole = [0; 32];
        for (k, part) in parts.iter().enumerate() {
            let part = part.load(regs);
            let shift = bits * k as u32;
            for (whole, part) in whole.iter_mut().zip(part) {
                *whole |= part << shift;
            }
        }
        d.store(regs, mask, |lane| whole[lane]);
    })
}

pub(super) fn mov_unpack(cx: &mut Decoder<'_>, it: &MovUnpack) -> Decoded {
    let a = cx.value_of(&it.a.0, it.ty.ty())?;
    let bits = it.ty.ty().bits() / it.d.0.len().max(1) as u32;
    let parts: Vec<_> =
        it.d.0
            .iter()
            .map(|reg| reg.map(|reg| cx.def_any(reg)).transpose())
            .collect::<Result<_, _>>()?;
    compute(move |regs, mask| {
        let whole = a.load(regs);
        for (k, part) in parts.iter().enumerate() {
            let shift = bits * k as u32;
            if let Some(part) = part {
                part.store(regs, mask, |lane| whole[lane] >> shift);
            }
        }
    })
}

fn part(bits: u32) -> Ty {
    match bits {
        8 => Ty::B8,
        16 => Ty::B16,
        32 => Ty::B32,
        _ => Ty::B64,
    }
}

/// The space that an instruction names; of `.shared::cluster`, that of a variable in it.
pub(super) fn space(space: modifier::Space) -> Space {
    match space {
        modifier::Space::Shared | modifier::Space::SharedCta | modifier::Space::SharedCluster => {
            Space::Shared
        }
        modifier::Space::Global => Space::Global,
        modifier::Space::Local => Space::Local,
        modifier::Space::Param => Space::Param,
        modifier::Space::Const => Space::Const,
    }
}

pub(super) fn cvta(cx: &mut Decoder<'_>, it: &Cvta) -> Decoded {
    let base = generic(space(it.space), 0);
    let (d, a) = (cx.def_any(it.d.0)?, cx.value_of(&it.a.0, it.ty.ty())?);
    if base == 0 {
        return compute(move |regs, mask| {
            let a = a.load(regs);
            d.store(regs, mask, |lane| a[lane]);
        });
    }
    let shift = if it.to.is_some() { base.wrapping_neg() } else { base };
    compute(move |regs, mask| {
        let a = a.load(regs);
        d.store(regs, mask, |lane| a[lane].wrapping_add(shift));
    })
}

pub(super) fn isspacep(cx: &mut Decoder<'_>, it: &Isspacep) -> Decoded {
    let (p, a) = (cx.def_pred(it.p.0)?, cx.value_of(&it.a.0, Ty::U64)?);
    let (want, cluster) = (space(it.space), it.space == modifier::Space::SharedCluster);
    access_action(move |cx, mask| {
        let (a, own) = (a.load(cx.regs), cx.block.rank);
        let inside = ballot(mask, |lane| match resolve(a[lane]).0 {
            Space::Peer(rank) => want == Space::Shared && (cluster || rank == own),
            found => found == want,
        });
        cx.regs.set_pred(p, mask, inside);
        Ok(())
    })
}
