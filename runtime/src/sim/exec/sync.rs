//! Barriers, fences and what the lanes of a warp do together. PTX ISA, "Parallel Synchronization
//! and Communication Instructions".

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{BarRedOp, Proxy, ReduxOp, ShflMode, VoteMode};
use firesteel_ptx::operand::{PredUse, Use, Value};
use firesteel_ptx::ty::{ReduxTy, Ty, WordTy};

use super::map::compute;
use super::memory::access_action;
use super::{Decoded, Decoder};
use crate::sim::link::pool::TRUE;
use crate::sim::memory::Checked;
use crate::sim::num::single::{self, MinMax};
use crate::sim::program::{Action, Barrier, Collective, Reduction};
use crate::sim::race::Party;
use crate::sim::registers::{self, Lanes, Row, each_lane};
use crate::sim::report::{Fault, Violation};
use crate::sim::warp::Cx;

/// A barrier instruction without a reduction.
fn barrier(
    cx: &mut Decoder<'_>,
    id: &Value,
    count: Option<&Value>,
    (waits, aligned): (bool, bool),
) -> Result<Barrier, String> {
    Ok(Barrier {
        id: cx.value::<u32>(id)?,
        count: count.map(|it| cx.value::<u32>(it)).transpose()?,
        waits,
        aligned,
        pred: (TRUE, 0),
        reduction: Reduction::None,
    })
}

fn action(barrier: Barrier) -> Decoded {
    Ok(Action::Barrier(Box::new(barrier)))
}

fn value(count: Option<&Use>) -> Option<&Value> {
    count.map(|it| &it.0)
}

pub(super) fn bar_sync(cx: &mut Decoder<'_>, it: &BarSync) -> Decoded {
    action(barrier(cx, &it.id.0, value(it.count.as_ref()), (true, true))?)
}

pub(super) fn barrier_sync(cx: &mut Decoder<'_>, it: &BarrierSync) -> Decoded {
    let aligned = it.aligned.is_some();
    action(barrier(cx, &it.id.0, value(it.count.as_ref()), (true, aligned))?)
}

pub(super) fn bar_arrive(cx: &mut Decoder<'_>, it: &BarArrive) -> Decoded {
    action(barrier(cx, &it.id.0, Some(&it.count.0), (false, true))?)
}

pub(super) fn barrier_arrive(cx: &mut Decoder<'_>, it: &BarrierArrive) -> Decoded {
    let aligned = it.aligned.is_some();
    action(barrier(cx, &it.id.0, Some(&it.count.0), (false, aligned))?)
}

/// A barrier that reduces a predicate.
fn reducing(
    cx: &mut Decoder<'_>,
    mut barrier: Barrier,
    c: PredUse,
    reduction: Reduction,
) -> Decoded {
    let pred = cx.pred(c)?;
    barrier.pred = (pred.slot, pred.invert);
    barrier.reduction = reduction;
    action(barrier)
}

fn reduction(cx: &Decoder<'_>, op: BarRedOp, d: Reg) -> Result<Reduction, String> {
    let d = cx.def_pred(d)?;
    Ok(match op {
        BarRedOp::And => Reduction::All(d),
        BarRedOp::Or => Reduction::Any(d),
    })
}

pub(super) fn bar_red_popc(cx: &mut Decoder<'_>, it: &BarRedPopc) -> Decoded {
    let barrier = barrier(cx, &it.id.0, it.count.0.as_ref(), (true, true))?;
    let reduction = Reduction::Count(cx.def::<u32>(it.d.0)?);
    reducing(cx, barrier, it.c, reduction)
}

pub(super) fn bar_red(cx: &mut Decoder<'_>, it: &BarRed) -> Decoded {
    let barrier = barrier(cx, &it.id.0, it.count.0.as_ref(), (true, true))?;
    let reduction = reduction(cx, it.op, it.d.0)?;
    reducing(cx, barrier, it.c, reduction)
}

pub(super) fn barrier_red_popc(cx: &mut Decoder<'_>, it: &BarrierRedPopc) -> Decoded {
    let aligned = it.aligned.is_some();
    let barrier = barrier(cx, &it.id.0, it.count.0.as_ref(), (true, aligned))?;
    let reduction = Reduction::Count(cx.def::<u32>(it.d.0)?);
    reducing(cx, barrier, it.c, reduction)
}

pub(super) fn barrier_red(cx: &mut Decoder<'_>, it: &BarrierRed) -> Decoded {
    let aligned = it.aligned.is_some();
    let barrier = barrier(cx, &it.id.0, it.count.0.as_ref(), (true, aligned))?;
    let reduction = reduction(cx, it.op, it.d.0)?;
    reducing(cx, barrier, it.c, reduction)
}

pub(super) fn membar(_: &mut Decoder<'_>, _: &Membar) -> Decoded {
    fence_action()
}

pub(super) fn fence(_: &mut Decoder<'_>, _: &Fence) -> Decoded {
    fence_action()
}

fn fence_action() -> Decoded {
    access_action(|cx, _| {
        cx.fence();
        Ok(())
    })
}

/// All proxies see memory alike here, so the fence is for the checks.
pub(super) fn fence_proxy(_: &mut Decoder<'_>, it: &FenceProxy) -> Decoded {
    match it.proxy {
        Proxy::AsyncGlobal | Proxy::Alias => return Ok(Action::Nothing),
        Proxy::Async | Proxy::AsyncShared | Proxy::AsyncSharedCluster => {}
    }
    access_action(|cx, mask| {
        if let Some(unfenced) = &mut cx.block.unfenced {
            let (own, clocks) = (cx.block.rank, cx.block.clocks.as_ref());
            unfenced.fence(own, (cx.warp, mask), clocks);
            for peer in cx.block.peers.iter_mut().filter_map(|it| it.unfenced.as_mut()) {
                peer.fence(own, (cx.warp, mask), clocks);
            }
        }
        Ok(())
    })
}

/// What the lanes of `members` do once all of them are there.
fn together(
    cx: &mut Decoder<'_>,
    members: &Use,
    run: impl Fn(&mut Cx<'_>, u32) -> Checked + Send + Sync + 'static,
) -> Decoded {
    let members = Some(cx.value::<u32>(&members.0)?);
    Ok(Action::Collective(Box::new(Collective { members, anywhere: false, run: Box::new(run) })))
}

pub(super) fn bar_warp_sync(cx: &mut Decoder<'_>, it: &BarWarpSync) -> Decoded {
    let members = Some(cx.value::<u32>(&it.mask.0)?);
    Ok(Action::Collective(Box::new(Collective {
        members,
        anywhere: true,
        run: Box::new(|cx, mask| {
            if let Some(clocks) = &mut cx.block.clocks {
                clocks.warp_sync(cx.warp, mask, cx.live);
            }
            Ok(())
        }),
    })))
}

/// The lane that `lane` reads, and whether it is in range. PTX ISA, `shfl.sync`, its pseudo code.
#[inline(always)]
fn source(mode: ShflMode, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (b, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
    let max = (lane & segment) | (clamp & !segment);
    let min = lane & segment;
    let (from, inside) = match mode {
        ShflMode::Up => {
            let from = lane.wrapping_sub(b);
            (from, from as i32 >= max as i32)
        }
        ShflMode::Down => (lane + b, lane + b <= max),
        ShflMode::Bfly => (lane ^ b, lane ^ b <= max),
        ShflMode::Idx => {
            let from = min | (b & !segment);
            (from, from <= max)
        }
    };
    if inside { (from & 31, true) } else { (lane, false) }
}

pub(super) fn shfl(cx: &mut Decoder<'_>, it: &Shfl) -> Decoded {
    let (d, p) = (cx.def::<u32>(it.d.first)?, it.d.second.map(|it| cx.def_pred(it)).transpose()?);
    let a = cx.value::<u32>(&it.a.0)?;
    let (b, c) = (cx.value::<u32>(&it.b.0)?, cx.value::<u32>(&it.c.0)?);
    let (mode, members) = (it.mode, cx.value::<u32>(&it.mask.0)?);
    together(cx, &it.mask, move |cx, mask| {
        let (a, b, c) = (*cx.regs.words(a), *cx.regs.words(b), *cx.regs.words(c));
        let sources: Row<(u32, bool)> =
            std::array::from_fn(|lane| source(mode, lane as u32, b[lane], c[lane]));
        let read = Lanes(mask).fold(0, |read, lane| read | 1u32 << sources[lane].0);
        if cx.launch.checked && read & !mask != 0 {
            // Whoever reads it gets anything.
            let reads = |lane: &usize| mask >> sources[*lane].0 & 1 == 0;
            let lane = Lanes(mask).find(reads).unwrap_or(0);
            let fault: Fault<Party> =
                Fault::DivergentSync { mask: cx.regs.words(members)[lane], present: mask };
            return Err(Box::new(Violation { lane: lane as u32, fault }));
        }
        let row = &mut cx.regs.words[d.0 as usize];
        each_lane(mask, |lane| row[lane] = a[sources[lane].0 as usize]);
        if let Some(p) = p {
            let inside = registers::ballot(mask, |lane| sources[lane].1);
            cx.regs.set_pred(p, mask, inside);
        }
        Ok(())
    })
}

pub(super) fn vote(cx: &mut Decoder<'_>, it: &Vote) -> Decoded {
    let (p, a, mode) = (cx.def_pred(it.p.0)?, cx.pred(it.a)?, it.mode);
    together(cx, &it.mask, move |cx, mask| {
        let held = a.lanes(cx.regs) & mask;
        let result = match mode {
            VoteMode::All => held == mask,
            VoteMode::Any => held != 0,
            VoteMode::Uni => held == mask || held == 0,
        };
        cx.regs.set_pred(p, mask, if result { u32::MAX } else { 0 });
        Ok(())
    })
}

pub(super) fn ballot(cx: &mut Decoder<'_>, it: &Ballot) -> Decoded {
    let (d, a) = (cx.def_any(it.d.0)?, cx.pred(it.a)?);
    together(cx, &it.mask, move |cx, mask| {
        let held = u64::from(a.lanes(cx.regs) & mask);
        d.store(cx.regs, mask, |_| held);
        Ok(())
    })
}

pub(super) fn activemask(cx: &mut Decoder<'_>, it: &Activemask) -> Decoded {
    let d = cx.def_any(it.d.0)?;
    compute(move |regs, mask| d.store(regs, mask, |_| mask.into()))
}

fn word(ty: WordTy) -> Ty {
    match ty {
        WordTy::B32 => Ty::B32,
        WordTy::B64 => Ty::B64,
    }
}

pub(super) fn match_any(cx: &mut Decoder<'_>, it: &MatchAny) -> Decoded {
    let (d, a) = (cx.def_any(it.d.0)?, cx.value_of(&it.a.0, word(it.ty))?);
    together(cx, &it.mask, move |cx, mask| {
        let a = a.load(cx.regs);
        let twins = |lane: usize| registers::ballot(mask, |other| a[other] == a[lane]);
        d.store(cx.regs, mask, |lane| twins(lane).into());
        Ok(())
    })
}

pub(super) fn match_all(cx: &mut Decoder<'_>, it: &MatchAll) -> Decoded {
    let (d, p) = (cx.def_any(it.d.first)?, it.d.second.map(|it| cx.def_pred(it)).transpose()?);
    let a = cx.value_of(&it.a.0, word(it.ty))?;
    together(cx, &it.mask, move |cx, mask| {
        let a = a.load(cx.regs);
        let first = a[mask.trailing_zeros() as usize & 31];
        let equal = Lanes(mask).all(|lane| a[lane] == first);
        let result = if equal { mask } else { 0 };
        d.store(cx.regs, mask, |_| result.into());
        if let Some(p) = p {
            cx.regs.set_pred(p, mask, if equal { u32::MAX } else { 0 });
        }
        Ok(())
    })
}

fn redux_step(op: ReduxOp, ty: ReduxTy) -> fn(u32, u32) -> u32 {
    let signed = ty == ReduxTy::S32;
    match op {
        ReduxOp::Add => u32::wrapping_add,
        ReduxOp::And => |a, b| a & b,
        ReduxOp::Or => |a, b| a | b,
        ReduxOp::Xor => |a, b| a ^ b,
        ReduxOp::Min if ty == ReduxTy::F32 => |a, b| single::min(a, b, MinMax::default()),
        ReduxOp::Max if ty == ReduxTy::F32 => |a, b| single::max(a, b, MinMax::default()),
        ReduxOp::Min if signed => |a, b| (a as i32).min(b as i32) as u32,
        ReduxOp::Max if signed => |a, b| (a as i32).max(b as i32) as u32,
        ReduxOp::Min => u32::min,
        ReduxOp::Max => u32::max,
    }
}

pub(super) fn redux(cx: &mut Decoder<'_>, it: &Redux) -> Decoded {
    let (d, a) = (cx.def_any(it.d.0)?, cx.value::<u32>(&it.a.0)?);
    let step = redux_step(it.op, it.ty);
    together(cx, &it.mask, move |cx, mask| {
        let a = *cx.regs.words(a);
        let result = Lanes(mask).map(|lane| a[lane]).reduce(step).unwrap_or(0);
        d.store(cx.regs, mask, |_| result.into());
        Ok(())
    })
}

pub(super) fn elect(cx: &mut Decoder<'_>, it: &Elect) -> Decoded {
    let d = it.d.lane.map(|reg| cx.def_any(reg)).transpose()?;
    let p = cx.def_pred(it.d.elected)?;
    together(cx, &it.mask, move |cx, mask| {
        let leader = mask.trailing_zeros();
        if let Some(d) = d {
            d.store(cx.regs, mask, |_| leader.into());
        }
        cx.regs.set_pred(p, mask, 1 << (leader & 31));
        Ok(())
    })
}
