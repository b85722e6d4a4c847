//! Barriers in shared memory. PTX ISA, `mbarrier`.

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{Sem, Space as Named};
use firesteel_ptx::operand::{Addr, SinkDef, Use};
use firesteel_ptx::ty::Ty;

use super::memory::{At, Order, access_action, named};
use super::{Decoded, Decoder};
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
    space: Option<Space>,
    address: Address,
}

fn object(cx: &mut Decoder<'_>, space: Option<Named>, addr: &Addr) -> Result<Object, String> {
    Ok(Object { space: named(space), address: cx.address(addr)? })
}

fn problem(lane: usize, address: u64, problem: MbarrierProblem) -> Box<Violation> {
    let fault: Fault<Party> = Fault::Mbarrier { address, problem };
    Box::new(Violation { lane: lane as u32, fault })
}

impl Cx<'_> {
    /// Calls `f` with each lane and the address of its object in shared memory.
    fn each_object(
        &mut self,
        object: Object,
        mask: u32,
        mut f: impl FnMut(&mut Self, usize, u64) -> Checked,
    ) -> Checked {
        let addresses = object.address.load(self.regs);
        self.by_space(object.space, At { addresses: &addresses, mask }, |cx, space, at| {
            for lane in Lanes(at.mask) {
                let address = at.addresses[lane];
                cx.check_object(lane, space, address)?;
                f(cx, lane, address)?;
            }
            Ok(())
        })
    }

    fn check_object(&self, lane: usize, space: Space, address: u64) -> Checked {
        let touch = Touch { kind: AccessKind::Atomic, space, address, bytes: 8 };
        let inside = address.saturating_add(8) <= self.block.shared.len() as u64;
        let fault: Fault<Party> = match space {
            Space::Shared if !address.is_multiple_of(8) => Fault::Misaligned { touch },
            Space::Shared if inside => return Ok(()),
            _ => Fault::OutOfBounds { touch, nearest: None },
        };
        Err(Box::new(Violation { lane: lane as u32, fault }))
    }

    /// Changes the object at `address`.
    fn change<T>(
        &mut self,
        lane: usize,
        address: u64,
        f: impl FnOnce(&mut Mbarrier) -> Result<T, MbarrierProblem>,
    ) -> Result<T, Box<Violation>> {
        let found = self.block.mbarriers.get_mut(&address);
        let found = found.ok_or(MbarrierProblem::NotInitialised);
        found.and_then(f).map_err(|it| problem(lane, address, it))
    }

    fn mbarrier_released(&mut self, address: u64) {
        if let Some(clocks) = &mut self.block.clocks {
            clocks.mbarrier_arrive(address, self.warp);
        }
    }
}

pub(super) fn mbarrier_init(cx: &mut Decoder<'_>, it: &MbarrierInit) -> Decoded {
    let (object, count) = (object(cx, it.space, &it.addr)?, cx.value::<u32>(&it.count.0)?);
    access_action(move |cx, mask| {
        let counts = *cx.regs.words(count);
        cx.each_object(object, mask, |cx, lane, address| {
            let barrier = Mbarrier::new(counts[lane]).map_err(|it| problem(lane, address, it))?;
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
        cx.each_object(object, mask, |cx, lane, address| {
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
        cx.each_object(object, mask, |cx, lane, address| {
            if !relaxed {
                cx.mbarrier_released(address);
            }
            if matches!(kind, Arrival::ExpectBytes) {
                cx.note_expectation(lane, address);
            }
            let token = cx.change(lane, address, |it| match kind {
                Arrival::Plain => it.arrive(amounts[lane]),
                Arrival::Drop => it.arrive_drop(amounts[lane]),
                Arrival::ExpectBytes => {
                    it.expect_bytes(amounts[lane])?;
                    it.arrive(1)
                }
            })?;
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
    let (object, state) = (object(cx, it.space, &it.addr)?, sink(cx, &it.state)?);
    arrival(cx, object, (state, it.count.as_ref()), it.sem, Arrival::Plain)
}

pub(super) fn mbarrier_arrive_expect_tx(
    cx: &mut Decoder<'_>,
    it: &MbarrierArriveExpectTx,
) -> Decoded {
    let (object, state) = (object(cx, it.space, &it.addr)?, sink(cx, &it.state)?);
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
    let (object, state) = (object(cx, it.space, &it.addr)?, sink(cx, &it.state)?);
    arrival(cx, object, (state, it.count.as_ref()), it.sem, Arrival::Drop)
}

pub(super) fn mbarrier_expect_tx(cx: &mut Decoder<'_>, it: &MbarrierExpectTx) -> Decoded {
    let (object, tx) = (object(cx, it.space, &it.addr)?, cx.value::<u32>(&it.tx.0)?);
    access_action(move |cx, mask| {
        let bytes = *cx.regs.words(tx);
        cx.each_object(object, mask, |cx, lane, address| {
            cx.note_expectation(lane, address);
            cx.change(lane, address, |it| it.expect_bytes(bytes[lane]))
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
    Ok(Action::Signal(Box::new(move |cx, mask| {
        let operands = operand.load(cx.regs);
        let mut complete = 0;
        cx.each_object(object, mask, |cx, lane, address| {
            if !cx.change(lane, address, |it| Ok(ask(*it, operands[lane])))? {
                cx.land_loads(lane, address)?;
            }
            let done = cx.change(lane, address, |it| Ok(ask(*it, operands[lane])))?;
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
        cx.each_object(object, mask, |cx, lane, address| {
            cx.mbarrier_released(address);
            let arrived = cx.change(lane, address, |it| {
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
