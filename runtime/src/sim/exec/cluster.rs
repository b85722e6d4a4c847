//! Clusters and grids. PTX ISA, "barrier.cluster", "mapa", "getctarank", "griddepcontrol",
//! "setmaxnreg".

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::Sem;
use firesteel_ptx::ty::{AddressTy, Ty};

use super::memory::access_action;
use super::{Decoded, Decoder};
use crate::sim::memory::{SHARED_WINDOW, at_rank, resolve, resolve_cluster};
use crate::sim::program::Action;
use crate::sim::race::Party;
use crate::sim::registers::Lanes;
use crate::sim::report::{Fault, Space, Violation};

pub(super) fn cluster_arrive(_: &mut Decoder<'_>, it: &ClusterArrive) -> Decoded {
    let (relaxed, aligned) = (it.sem == Some(Sem::Relaxed), it.aligned.is_some());
    Ok(Action::ClusterArrive { relaxed, aligned })
}

pub(super) fn cluster_wait(_: &mut Decoder<'_>, it: &ClusterWait) -> Decoded {
    Ok(Action::ClusterWait { aligned: it.aligned.is_some() })
}

fn address_ty(ty: AddressTy) -> Ty {
    match ty {
        AddressTy::U32 => Ty::U32,
        AddressTy::U64 => Ty::U64,
    }
}

fn illegal(lane: usize, reason: String) -> Box<Violation> {
    let fault: Fault<Party> = Fault::Illegal { reason };
    Violation::boxed(lane, fault)
}

/// The rank of the block that an address is of, `own` if it says none; and whether the address is
/// one of shared memory.
fn rank_of(address: u64, generic: bool, own: u32) -> Option<u32> {
    let resolve = if generic { resolve } else { resolve_cluster };
    match resolve(address).0 {
        Space::Shared => Some(own),
        Space::Peer(rank) => Some(rank),
        Space::Global | Space::Local | Space::Const | Space::Param => None,
    }
}

pub(super) fn mapa(cx: &mut Decoder<'_>, it: &Mapa) -> Decoded {
    let (d, a) = (cx.def_any(it.d.0)?, cx.value_of(&it.a.0, address_ty(it.ty))?);
    let (rank, generic) = (cx.value::<u32>(&it.rank.0)?, it.space.is_none());
    access_action(move |cx, mask| {
        let (a, ranks) = (a.load(cx.regs), *cx.regs.words(rank));
        let size: u32 = cx.launch.cluster.iter().product();
        for lane in Lanes(mask) {
            if ranks[lane] >= size {
                let reason = format!("block {} of a cluster of {size}", ranks[lane]);
                return Err(illegal(lane, reason));
            }
            if rank_of(a[lane], generic, 0).is_none() {
                let reason = format!("{:#x} is no address of shared memory", a[lane]);
                return Err(illegal(lane, reason));
            }
        }
        let window = if generic { SHARED_WINDOW } else { 0 };
        d.store(cx.regs, mask, |lane| window + at_rank(a[lane] - window, ranks[lane]));
        Ok(())
    })
}

pub(super) fn getctarank(cx: &mut Decoder<'_>, it: &Getctarank) -> Decoded {
    let (d, a) = (cx.def_any(it.d.0)?, cx.value_of(&it.a.0, address_ty(it.ty))?);
    let generic = it.space.is_none();
    access_action(move |cx, mask| {
        let (a, own) = (a.load(cx.regs), cx.block.rank);
        let rank = |lane: usize| rank_of(a[lane], generic, own);
        if let Some(lane) = Lanes(mask).find(|lane| rank(*lane).is_none()) {
            let reason = format!("{:#x} is no address of shared memory", a[lane]);
            return Err(illegal(lane, reason));
        }
        d.store(cx.regs, mask, |lane| rank(lane).unwrap_or(own).into());
        Ok(())
    })
}

/// Launches run one after the other, so what a grid depends on is always complete.
pub(super) fn griddepcontrol(_: &mut Decoder<'_>, _: &Griddepcontrol) -> Decoded {
    Ok(Action::Nothing)
}

/// Registers are not scarce.
pub(super) fn setmaxnreg(_: &mut Decoder<'_>, _: &Setmaxnreg) -> Decoded {
    Ok(Action::Nothing)
}
