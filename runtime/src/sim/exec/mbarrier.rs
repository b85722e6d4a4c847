//! Barriers in shared memory. PTX ISA, `mbarrier`.

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{self, Sem};
use firesteel_ptx::operand::{Addr, SinkDef, Use};
use firesteel_ptx::ty::Ty;

use super::memory::{At, Named, Order, access_action, named};
use super::{Decoded, Decoder};
use crate::sim::block::BlockState;
use crate::sim::cluster::Reach;
use crate::sim::link::decoder::{Address, Sink};
use crate::sim::mbarrier::{Mbarrier, Token};
use crate::sim::memory::Checked;
use crate::sim::program::Action;
use crate::sim::race::Party;
use crate::sim::registers::{Lanes, ballot};
use crate::sim::report::{AccessKind, Fault, MbarrierProblem, Space, Touch, Violation};
use crate::sim::warp::Cx;

/// The object that an instruction names.
#[derive(Clone, Copy)]
struct Object {
    space: Named,
    address: Address,
    /// Whether it may be another block's.
    remote: bool,
}

/// The rank of a block in the cluster, and an address in its shared memory.
type Place = (u32, u64);

fn object(
    cx: &mut Decoder<'_>,
    space: Option<modifier::Space>,
    addr: &Addr,
) -> Result<Object, String> {
    Ok(Object { space: named(space), address: cx.address(addr)?, remote: false })
}

/// [`object`], perhaps of another block.
fn any_object(
    cx: &mut Decoder<'_>,
    space: Option<modifier::Space>,
    addr: &Addr,
) -> Result<Object, String> {
    Ok(Object { remote: true, ..object(cx, space, addr)? })
}

fn problem(lane: usize, address: u64, problem: MbarrierProblem) -> Box<Violation> {
    let fault: Fault<Party> = Fault::Mbarrier { address, peer: None, problem };
    Box::new(Violation { lane: lane as u32, fault })
}

impl Cx<'_> {
    /// Calls `f` with each lane and the place of its object.
    fn each_object(
        &mut self,
        object: Object,
        mask: u32,
        mut f: impl FnMut(&mut Self, usize, Place) -> Checked,
    ) -> Checked {
        let addresses = object.address.load(self.regs);
        self.by_space(object.space, At { addresses: &addresses, mask }, |cx, space, at| {
            for lane in Lanes(at.mask) {
                let place = cx.check_object(lane, (space, object.remote), at.addresses[lane])?;
                f(cx, lane, place)?;
            }
            Ok(())
        })
    }

    fn check_object(
        &mut self,
        lane: usize,
        (space, remote): (Space, bool),
        address: u64,
    ) -> Result<Place, Box<Violation>> {
        let touch = Touch { kind: AccessKind::Atomic, space, address, bytes: 8 };
        let fail = |fault: Fault<Party>| Err(Box::new(Violation { lane: lane as u32, fault }));
        let rank = match space {
            Space::Shared => self.block.rank,
            Space::Peer(rank) if remote || rank == self.block.rank => rank,
            Space::Peer(_) => {
                let reason = "asks for the state of another block's mbarrier".to_owned();
                return fail(Fault::Illegal { reason });
            }
            Space::Global | Space::Local | Space::Const | Space::Param => {
                return fail(Fault::OutOfBounds { touch, nearest: None });
            }
        };
        let size = self.block.of_rank(rank).map_or(0, |it| it.shared.len() as u64);
        if address.saturating_add(8) > size {
            return fail(Fault::OutOfBounds { touch, nearest: None });
        }
        if !address.is_multiple_of(8) {
            return fail(Fault::Misaligned { touch });
        }
        Ok((rank, address))
    }

    /// Changes the object at a place.
    fn change<T>(
        &mut self,
        lane: usize,
        (rank, address): Place,
        f: impl FnOnce(&mut Mbarrier) -> Result<T, MbarrierProblem>,
    ) -> Result<T, Box<Violation>> {
        let touch = Touch { kind: AccessKind::Atomic, space: Space::Shared, address, bytes: 8 };
        let change = |block: &mut BlockState| {
            let found = block.mbarriers.get_mut(&address);
            let found = found.ok_or(MbarrierProblem::NotInitialised);
            found.and_then(f).map_err(|it| problem(lane, address, it))
        };
        if rank == self.block.rank {
            return change(self.block);
        }
        let reach = Reach { lane, touch, published: false };
        self.in_block(rank, reach, |block, _| change(block))
    }

    /// Whether the object is there, and its making is ordered before what the lane does.
    pub(crate) fn check_made(&mut self, lane: usize, place: Place) -> Checked {
        let (made, stamp) = self.change(lane, place, |it| Ok(it.made))?;
        let Some(clocks) = &self.block.clocks else { return Ok(()) };
        let known = if made.rank() == self.block.rank {
            clocks.ordered(self.warp * 32 + lane as u32, made.index(), stamp)
        } else {
            clocks.mate_ordered(self.warp, made.rank(), made.index() / 32, stamp)
        };
        if known {
            return Ok(());
        }
        let mut found = problem(lane, place.1, MbarrierProblem::InitNotSeen);
        if place.0 != self.block.rank {
            found.fault = found.fault.at_peer(place.0);
        }
        Err(found)
    }

    /// What the warp did is known to those who see the phase of an object complete.
    pub(crate) fn mbarrier_released(&mut self, (rank, address): Place) {
        let (own, warp) = (self.block.rank, self.warp);
        let Some(clocks) = &mut self.block.clocks else { return };
        if rank == own {
            clocks.mbarrier_arrive(address, warp);
            return;
        }
        let given = clocks.give(warp);
        if let Some(peer) = self.block.peers.get_mut(rank)
            && let Some(clocks) = &mut peer.clocks
        {
            clocks.mbarrier_arrive_from(address, &given);
        }
    }
}

pub(super) fn mbarrier_init(cx: &mut Decoder<'_>, it: &MbarrierInit) -> Decoded {
    let (object, count) = (object(cx, it.space, &it.addr)?, cx.value::<u32>(&it.count.0)?);
    access_action(move |cx, mask| {
        let counts = *cx.regs.words(count);
        cx.each_object(object, mask, |cx, lane, (_, address)| {
            let stamp = cx.block.clocks.as_ref().map_or(0, |it| it.stamp(cx.warp));
            let made = (cx.origin(lane).thread, stamp);
            let barrier = Mbarrier::new(counts[lane], made);
            let barrier = barrier.map_err(|it| problem(lane, address, it))?;
            if cx.block.mbarriers.insert(address, barrier).is_some() {
                return Err(problem(lane, address, MbarrierProblem::InUse));
            }
            Ok(())
        })
    })
}

pub(super) fn mbarrier_inval(cx: &mut Decoder<'_>, it: &MbarrierInval) -> Decoded {
    let object = object(cx, it.space, &it.addr)?;
    access_action(move |cx, mask| {
        cx.each_object(object, mask, |cx, lane, (_, address)| {
            let found = cx.block.mbarriers.remove(&address);
            found.map(drop).ok_or_else(|| problem(lane, address, MbarrierProblem::NotInitialised))
        })
    })
}

/// What an arrival does besides arriving.
#[derive(Clone, Copy)]
enum Arrival {
    Plain,
    ExpectBytes,
    Drop,
}

fn arrival(
    cx: &mut Decoder<'_>,
    object: Object,
    (state, amount): (Option<Sink>, Option<&Use>),
    sem: Option<Sem>,
    kind: Arrival,
) -> Decoded {
    let amount = amount.map(|it| cx.value::<u32>(&it.0)).transpose()?;
    let relaxed = sem == Some(Sem::Relaxed);
    Ok(Action::Signal(Box::new(move |cx, mask| {
        let amounts = amount.map_or([1; 32], |slot| *cx.regs.words(slot));
        let mut tokens = [0; 32];
        cx.each_object(object, mask, |cx, lane, place| {
            cx.check_made(lane, place)?;
            if matches!(kind, Arrival::ExpectBytes) {
                cx.note_expectation(lane, place);
            }
            let token = cx.change(lane, place, |it| match kind {
                Arrival::Plain => it.arrive(amounts[lane]),
                Arrival::Drop => it.arrive_drop(amounts[lane]),
                Arrival::ExpectBytes => {
                    it.expect_bytes(amounts[lane])?;
                    it.arrive(1)
                }
            })?;
            if !relaxed {
                cx.mbarrier_released(place);
            }
            tokens[lane] = token.0;
            Ok(())
        })?;
        if let Some(state) = state {
            state.store(cx.regs, mask, |lane| tokens[lane]);
        }
        Ok(())
    })))
}

fn sink(cx: &Decoder<'_>, state: &SinkDef) -> Result<Option<Sink>, String> {
    state.0.map(|reg| cx.def_any(reg)).transpose()
}

pub(super) fn mbarrier_arrive(cx: &mut Decoder<'_>, it: &MbarrierArrive) -> Decoded {
    let (object, state) = (any_object(cx, it.space, &it.addr)?, sink(cx, &it.state)?);
    arrival(cx, object, (state, it.count.as_ref()), it.sem, Arrival::Plain)
}

pub(super) fn mbarrier_arrive_expect_tx(
    cx: &mut Decoder<'_>,
    it: &MbarrierArriveExpectTx,
) -> Decoded {
    let (object, state) = (any_object(cx, it.space, &it.addr)?, sink(cx, &it.state)?);
    arrival(cx, object, (state, Some(&it.tx)), it.sem, Arrival::ExpectBytes)
}

pub(super) fn mbarrier_arrive_no_complete(
    cx: &mut Decoder<'_>,
    it: &MbarrierArriveNoComplete,
) -> Decoded {
    let (object, state) = (object(cx, it.space, &it.addr)?, cx.def_any(it.state.0)?);
    arrival(cx, object, (Some(state), Some(&it.count)), it.sem, Arrival::Plain)
}

pub(super) fn mbarrier_arrive_drop(cx: &mut Decoder<'_>, it: &MbarrierArriveDrop) -> Decoded {
    let (object, state) = (any_object(cx, it.space, &it.addr)?, sink(cx, &it.state)?);
    arrival(cx, object, (state, it.count.as_ref()), it.sem, Arrival::Drop)
}

pub(super) fn mbarrier_expect_tx(cx: &mut Decoder<'_>, it: &MbarrierExpectTx) -> Decoded {
    let (object, tx) = (any_object(cx, it.space, &it.addr)?, cx.value::<u32>(&it.tx.0)?);
    access_action(move |cx, mask| {
        let bytes = *cx.regs.words(tx);
        cx.each_object(object, mask, |cx, lane, place| {
            cx.check_made(lane, place)?;
            cx.note_expectation(lane, place);
            cx.change(lane, place, |it| it.expect_bytes(bytes[lane]))
        })
    })
}

/// Asks whether a phase is complete; `ask` gets the object and the lane's operand.
fn test(
    cx: &mut Decoder<'_>,
    object: Object,
    (p, operand, ty): (firesteel_ptx::ir::Reg, &Use, Ty),
    sem: Option<Sem>,
    ask: fn(Mbarrier, u64) -> bool,
) -> Decoded {
    let (p, operand) = (cx.def_pred(p)?, cx.value_of(&operand.0, ty)?);
    let order = Order::of(sem.or(Some(Sem::Acquire)));
    Ok(Action::Ask(Box::new(move |cx, mask| {
        let operands = operand.load(cx.regs);
        let mut complete = 0;
        cx.each_object(object, mask, |cx, lane, place| {
            let address = place.1;
            cx.check_made(lane, place)?;
            if !cx.change(lane, place, |it| Ok(ask(*it, operands[lane])))? {
                cx.land_loads(lane, address)?;
            }
            let done = cx.change(lane, place, |it| Ok(ask(*it, operands[lane])))?;
            if let Some(asked) = &mut cx.block.asked
                && !done
            {
                asked.push((cx.warp * 32 + lane as u32, cx.pc, address));
            }
            complete |= u32::from(done) << lane;
            if done
                && order.acquire
                && let Some(clocks) = &mut cx.block.clocks
            {
                clocks.mbarrier_observe(address, cx.warp);
            }
            Ok(())
        })?;
        let holds = ballot(mask, |lane| complete >> lane & 1 == 1);
        cx.regs.set_pred(p, mask, holds);
        Ok(())
    })))
}

fn by_token(barrier: Mbarrier, token: u64) -> bool {
    barrier.is_complete(Token(token))
}

fn by_parity(barrier: Mbarrier, parity: u64) -> bool {
    barrier.is_parity_complete(parity as u32)
}

pub(super) fn mbarrier_test_wait(cx: &mut Decoder<'_>, it: &MbarrierTestWait) -> Decoded {
    let object = object(cx, it.space, &it.addr)?;
    test(cx, object, (it.p.0, &it.state, Ty::B64), it.sem, by_token)
}

pub(super) fn mbarrier_test_wait_parity(
    cx: &mut Decoder<'_>,
    it: &MbarrierTestWaitParity,
) -> Decoded {
    let object = object(cx, it.space, &it.addr)?;
    test(cx, object, (it.p.0, &it.parity, Ty::U32), it.sem, by_parity)
}

pub(super) fn mbarrier_try_wait(cx: &mut Decoder<'_>, it: &MbarrierTryWait) -> Decoded {
    let object = object(cx, it.space, &it.addr)?;
    test(cx, object, (it.p.0, &it.state, Ty::B64), it.sem, by_token)
}

pub(super) fn mbarrier_try_wait_parity(
    cx: &mut Decoder<'_>,
    it: &MbarrierTryWaitParity,
) -> Decoded {
    let object = object(cx, it.space, &it.addr)?;
    test(cx, object, (it.p.0, &it.parity, Ty::U32), it.sem, by_parity)
}

pub(super) fn mbarrier_pending_count(cx: &mut Decoder<'_>, it: &MbarrierPendingCount) -> Decoded {
    cx.map1(it.d.0, &it.state.0, |state: u64| Token(state).pending())
}

/// The thread's copies land here: to wait for them later than this is to wait for the barrier.
pub(super) fn cp_async_mbarrier_arrive(
    cx: &mut Decoder<'_>,
    it: &CpAsyncMbarrierArrive,
) -> Decoded {
    let object = object(cx, it.space, &it.addr)?;
    let increment = it.noinc.is_none();
    Ok(Action::Signal(Box::new(move |cx, mask| {
        cx.land_copies(mask, None)?;
        cx.each_object(object, mask, |cx, lane, place| {
            cx.check_made(lane, place)?;
            cx.mbarrier_released(place);
            let arrived = cx.change(lane, place, |it| {
                if increment {
                    it.expect_one_more()?;
                }
                it.arrive(1)
            });
            arrived.map(drop)
        })
    })))
}

pub(super) fn fence_mbarrier_init(_: &mut Decoder<'_>, _: &FenceMbarrierInit) -> Decoded {
    access_action(|cx, _| {
        cx.fence();
        Ok(())
    })
}
