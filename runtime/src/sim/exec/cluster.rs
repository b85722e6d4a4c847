//! Clusters and grids. PTX ISA, "barrier.cluster", "mapa", "getctarank", "griddepcontrol",
//! "setmaxnreg".
//!
//! Clusters have one block here, so the cluster's barrier is the block's, and there is no other
//! block's shared memory.

use firesteel_ptx::isa::*;
use firesteel_ptx::ty::{AddressTy, Ty};

use super::map::compute;
use super::memory::access_action;
use super::{Decoded, Decoder};
use crate::sim::block::CLUSTER_BARRIER;
use crate::sim::link::pool::TRUE;
use crate::sim::program::{Action, Barrier, Reduction};
use crate::sim::race::Party;
use crate::sim::registers::{File, Lanes};
use crate::sim::report::{Fault, Violation};

/// The wait is where the threads meet; to arrive is no more than to be on the way there.
pub(super) fn cluster_arrive(_: &mut Decoder<'_>, _: &ClusterArrive) -> Decoded {
    Ok(Action::Nothing)
}

pub(super) fn cluster_wait(cx: &mut Decoder<'_>, it: &ClusterWait) -> Decoded {
    Ok(Action::Barrier(Box::new(Barrier {
        id: cx.pool.constant(File::Word, CLUSTER_BARRIER.into()),
        count: None,
        waits: true,
        aligned: it.aligned.is_some(),
        pred: (TRUE, 0),
        reduction: Reduction::None,
    })))
}

pub(super) fn mapa(cx: &mut Decoder<'_>, it: &Mapa) -> Decoded {
    let ty = match it.ty {
        AddressTy::U32 => Ty::U32,
        AddressTy::U64 => Ty::U64,
    };
    let (d, a) = (cx.def_any(it.d.0)?, cx.value_of(&it.a.0, ty)?);
    let rank = cx.value::<u32>(&it.rank.0)?;
    access_action(move |cx, mask| {
        let ranks = cx.regs.words(rank);
        if let Some(lane) = Lanes(mask).find(|lane| ranks[*lane] != 0) {
            let reason = format!("block {} of a cluster of one block", ranks[lane]);
            let fault: Fault<Party> = Fault::Illegal { reason };
            return Err(Box::new(Violation { lane: lane as u32, fault }));
        }
        let a = a.load(cx.regs);
        d.store(cx.regs, mask, |lane| a[lane]);
        Ok(())
    })
}

pub(super) fn getctarank(cx: &mut Decoder<'_>, it: &Getctarank) -> Decoded {
    let d = cx.def_any(it.d.0)?;
    compute(move |regs, mask| d.store(regs, mask, |_| 0))
}

/// Launches run one after the other, so what a grid depends on is always complete.
pub(super) fn griddepcontrol(_: &mut Decoder<'_>, _: &Griddepcontrol) -> Decoded {
    Ok(Action::Nothing)
}

/// Registers are not scarce.
pub(super) fn setmaxnreg(_: &mut Decoder<'_>, _: &Setmaxnreg) -> Decoded {
    Ok(Action::Nothing)
}
