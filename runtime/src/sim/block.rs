//! A block: its warps, taking turns, and what they share.

use std::collections::HashMap;
use std::sync::Arc;

use super::asynchrony::Pending;
use super::bulk::{Loads, Origin};
use super::cluster::{Peers, Thread, Visits};
use super::launch::Launch;
use super::mbarrier::Mbarrier;
use super::memory::SharedMemory;
use super::program::{Barrier, Reduction};
use super::proxy::Unfenced;
use super::race::{BlockClocks, Party};
use super::registers::Lanes;
use super::report::{Fault, MbarrierProblem, Violation};
use super::warp::{Failure, State, Stop, Warp};

/// Named barriers of a block.
const BARRIERS: u32 = 16;
/// Steps of a warp before the next one has a turn.
const TURN: u64 = 4096;

/// One of the named barriers, while threads are arriving.
#[derive(Clone, Copy, Debug, Default)]
struct Arrivals {
    arrived: u32,
    /// Zero while nobody has arrived.
    expected: u32,
    /// Whether it is for all threads of the block.
    whole: bool,
    /// Threads whose predicate held.
    held: u32,
    /// Threads that gave one.
    asked: u32,
    /// Whether somebody arrived without waiting.
    gives: bool,
    warps: u32,
}

/// What the warps of a block share.
pub(crate) struct BlockState {
    /// Linear index in the grid.
    pub(crate) index: u32,
    pub(crate) threads: u32,
    /// The block in its cluster, and the others while this one has its turn.
    pub(crate) rank: u32,
    pub(crate) peers: Peers,
    /// What other blocks did to its shared memory.
    pub(crate) visits: Visits,
    /// All of its threads have exited.
    pub(crate) ended: bool,
    pub(crate) shared: SharedMemory,
    /// `None` if races are not checked.
    pub(crate) clocks: Option<BlockClocks>,
    pub(crate) pending: Pending,
    /// Bulk copies to shared memory.
    pub(crate) loads: Loads,
    /// `None` if nothing asks for it.
    pub(crate) unfenced: Option<Unfenced>,
    pub(crate) mbarriers: HashMap<u64, Mbarrier>,
    /// Instructions executed, by warps: the block's clock.
    pub(crate) steps: u64,
    /// Counts what may change something that a thread waits for.
    pub(crate) activity: u64,
    /// While somebody wants to know: threads that asked an `mbarrier` in vain, with the
    /// instruction and the address.
    pub(crate) asked: Option<Vec<(u32, u32, u64)>>,
    arrivals: [Arrivals; BARRIERS as usize],
    /// A barrier that is complete.
    released: Option<u32>,
}

impl BlockState {
    /// The lanes of `mask` arrive at a barrier; whether that completes it.
    pub(crate) fn arrive(
        &mut self,
        warp: &mut Warp,
        it: &Barrier,
        pc: u32,
        mask: u32,
    ) -> Result<bool, Box<Violation>> {
        let mut rest = mask;
        let mut released = false;
        while rest != 0 {
            let first = rest.trailing_zeros() as usize;
            let ids = *warp.regs.words(it.id);
            let own = Lanes(rest).filter(|lane| ids[*lane] == ids[first]);
            let own = own.fold(0, |mask, lane| mask | 1 << lane);
            rest &= !own;
            let count = it.count.map(|slot| warp.regs.words(slot)[first]);
            released |= self.arrive_at(warp, it, pc, (own, ids[first], count))?;
        }
        Ok(released)
    }

    fn arrive_at(
        &mut self,
        warp: &mut Warp,
        it: &Barrier,
        pc: u32,
        (mask, id, count): (u32, u32, Option<u32>),
    ) -> Result<bool, Box<Violation>> {
        let lane = mask.trailing_zeros() as usize;
        let expected = self.expected(id, count).map_err(|reason| illegal(lane, reason))?;
        let barrier = &mut self.arrivals[id as usize];
        if barrier.expected != 0 && barrier.expected != expected {
            let reason = format!(
                "barrier {id} is waited for by {} threads and by {expected}",
                barrier.expected
            );
            return Err(illegal(lane, reason));
        }
        let mut arriving = mask.count_ones();
        // PTX counts whole warps: lanes that stand for no thread come with the first.
        if count.is_some() && mask & warp.existing & warp.existing.wrapping_neg() != 0 {
            arriving += (!warp.existing).count_ones();
        }
        barrier.expected = expected;
        barrier.whole = count.is_none();
        barrier.arrived += arriving;
        barrier.warps |= 1 << warp.index;
        barrier.gives |= !it.waits;
        if it.reduction != Reduction::None {
            let (slot, invert) = it.pred;
            barrier.held += ((warp.regs.pred(slot) ^ invert) & mask).count_ones();
            barrier.asked += mask.count_ones();
        }
        if let Some(clocks) = &mut self.clocks
            && count.is_some()
        {
            clocks.barrier_arrive(id, warp.index);
        }
        let state = if it.waits { State::Waiting { barrier: id } } else { State::Ready };
        warp.push(if it.waits { pc } else { pc + 1 }, mask, state);
        if barrier.arrived > expected {
            let reason = format!("more than {expected} threads arrive at barrier {id}");
            return Err(illegal(lane, reason));
        }
        let complete = barrier.arrived == expected;
        if complete {
            self.released = Some(id);
        }
        Ok(complete)
    }

    fn expected(&self, id: u32, count: Option<u32>) -> Result<u32, String> {
        if id >= BARRIERS {
            return Err(format!("there is no barrier {id}, only 0 to 15"));
        }
        match count {
            None => Ok(self.threads),
            Some(count) if count % 32 == 0 && count != 0 => Ok(count),
            Some(count) => Err(format!("barrier {id} for {count} threads, no multiple of a warp")),
        }
    }
}

fn illegal(lane: usize, reason: String) -> Box<Violation> {
    let fault: Fault<Party> = Fault::Illegal { reason };
    Box::new(Violation { lane: lane as u32, fault })
}

/// Why a block stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockStop {
    /// All threads have exited.
    Done,
    /// It has had its turn.
    Turn {
        /// All of its warps seem to wait for other blocks.
        spinning: bool,
    },
}

/// What the warps of a block did when each had a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Some have not ended.
    pub(crate) alive: bool,
    /// Some did something.
    pub(crate) moved: bool,
    /// Those seem to wait.
    pub(crate) spinning: bool,
}

/// A block that is running.
pub(crate) struct Block {
    pub(crate) state: BlockState,
    pub(crate) warps: Vec<Warp>,
}

impl Block {
    /// Steps that a warp has in its turn.
    pub(crate) const fn turn() -> u64 {
        TURN
    }

    /// For blocks with that rank in their clusters.
    pub(crate) fn new(launch: &Launch<'_>, rank: u32) -> Self {
        let threads = launch.threads();
        let variables = launch.shared_variables.clone();
        let state = BlockState {
            index: 0,
            threads,
            rank,
            peers: Peers::default(),
            visits: Visits::default(),
            ended: false,
            shared: SharedMemory::new(variables, launch.checked),
            clocks: None,
            pending: Pending::default(),
            loads: Loads::default(),
            unfenced: (launch.checked && launch.program.proxies).then(Unfenced::default),
            mbarriers: HashMap::new(),
            steps: 0,
            activity: 0,
            asked: None,
            arrivals: Default::default(),
            released: None,
        };
        let warps = (0..threads.div_ceil(32))
            .map(|index| Warp::new(launch.program, index, launch.checked))
            .collect();
        Self { state, warps }
    }

    /// Makes this a block of the cluster whose blocks have these linear indices, by rank.
    pub(crate) fn begin(&mut self, launch: &Launch<'_>, blocks: &Arc<[u32]>) {
        let state = &mut self.state;
        let index = blocks[state.rank as usize];
        let (alone, warps) = (blocks.len() == 1, self.warps.len() as u32);
        state.index = index;
        state.ended = false;
        state.visits.clear();
        state.clocks = launch.checked.then(|| {
            let clocks = BlockClocks::new(&launch.sync, index, warps);
            if alone { clocks } else { clocks.in_cluster(&launch.sync, state.rank, blocks) }
        });
        state.shared.begin_ranked(launch.shared_bytes as usize, state.rank);
        state.pending.clear(blocks);
        state.loads.clear();
        if let Some(unfenced) = &mut state.unfenced {
            unfenced.clear(blocks);
        }
        state.mbarriers.clear();
        state.asked = None;
        state.arrivals = Default::default();
        state.released = None;
        for warp in &mut self.warps {
            warp.begin(launch, state.threads, index);
        }
    }

    /// Gives each warp a turn; takes the steps that they used from `budget`.
    pub(crate) fn round(
        &mut self,
        launch: &Launch<'_>,
        budget: &mut u64,
    ) -> Result<Round, Failure> {
        let mut round = Round { alive: false, moved: false, spinning: true };
        for index in 0..self.warps.len() {
            let mut turn = TURN;
            let stop = self.warps[index].run(&mut self.state, launch, &mut turn);
            let ran = TURN - turn;
            *budget = budget.saturating_sub(ran);
            self.state.steps += ran;
            match stop? {
                Stop::Done => continue,
                Stop::Blocked => {}
                Stop::Turn { spinning } => {
                    round.moved = true;
                    round.spinning &= spinning;
                }
                Stop::Released => {
                    self.release(launch)?;
                    (round.moved, round.spinning) = (true, false);
                }
            }
            round.alive = true;
        }
        Ok(round)
    }

    /// All threads have exited: copies to global memory complete, others must have.
    pub(crate) fn finish(&mut self, launch: &Launch<'_>) -> Result<(), Failure> {
        if launch.checked && !launch.fault_claimed() {
            self.check_finished()?;
        }
        self.warps.iter_mut().try_for_each(|warp| warp.finish(&mut self.state, launch))
    }

    fn check_finished(&self) -> Result<(), Failure> {
        if let Some((origin, touch)) = self.state.loads.left() {
            return Err(self.failure(origin, Fault::UnfinishedCopy { touch }));
        }
        for (address, origin) in self.state.loads.expecting() {
            let bytes = self.state.mbarriers.get(&address).map_or(0, |it| it.bytes_left());
            if bytes != 0 {
                let problem = MbarrierProblem::BytesLeft { bytes };
                let fault = Fault::Mbarrier { address, peer: None, problem };
                return Err(self.failure(origin, fault));
            }
        }
        Ok(())
    }

    /// A fault in this block that `origin` has brought about. If that was another block, this
    /// one's first thread stands for it.
    pub(crate) fn failure(&self, Origin { pc, thread }: Origin, fault: Fault<Party>) -> Failure {
        let own = thread.rank() == self.state.rank;
        let index = if own { thread } else { Thread::new(self.state.rank, 0) }.index();
        let violation = Violation::boxed(index as usize % 32, fault);
        Failure { pc, warp: index / 32, violation }
    }

    /// Lets the threads go that wait at the completed barrier.
    fn release(&mut self, launch: &Launch<'_>) -> Result<(), Failure> {
        let Some(id) = self.state.released.take() else { return Ok(()) };
        let arrivals = std::mem::take(&mut self.state.arrivals[id as usize]);
        self.order(id, &arrivals);
        for warp in &mut self.warps {
            let mut places: Option<u32> = None;
            for index in 0..warp.groups.len() {
                let group = warp.groups[index];
                if group.state != (State::Waiting { barrier: id }) {
                    continue;
                }
                let barrier = launch.program.barrier(group.pc);
                let other = *places.get_or_insert(group.pc);
                if other != group.pc && barrier.aligned {
                    let reason = format!("lanes of one warp wait at barrier {id} in two places");
                    let violation = illegal(group.mask.trailing_zeros() as usize, reason);
                    return Err(Failure { pc: group.pc, warp: warp.index, violation });
                }
                deliver(warp, barrier.reduction, group.mask, &arrivals);
                warp.groups[index].state = State::Ready;
                warp.groups[index].pc += 1;
            }
        }
        Ok(())
    }

    /// Tells the clocks what the barrier orders.
    fn order(&mut self, id: u32, arrivals: &Arrivals) {
        let Some(clocks) = &mut self.state.clocks else { return };
        if arrivals.whole {
            clocks.barrier_all();
        } else if arrivals.gives {
            let waits = |warp: &&Warp| {
                warp.groups.iter().any(|it| it.state == State::Waiting { barrier: id })
            };
            for warp in self.warps.iter().filter(waits) {
                clocks.barrier_leave(id, warp.index);
            }
        } else {
            clocks.barrier_join(arrivals.warps);
        }
    }
}

/// Gives waiting lanes the result of a reduction.
fn deliver(warp: &mut Warp, reduction: Reduction, mask: u32, arrivals: &Arrivals) {
    let all = |holds: bool| if holds { u32::MAX } else { 0 };
    match reduction {
        Reduction::None => {}
        Reduction::Count(slot) => {
            let row = &mut warp.regs.words[slot.0 as usize];
            Lanes(mask).for_each(|lane| row[lane] = arrivals.held);
        }
        Reduction::All(slot) => {
            warp.regs.set_pred(slot, mask, all(arrivals.held == arrivals.asked));
        }
        Reduction::Any(slot) => warp.regs.set_pred(slot, mask, all(arrivals.held != 0)),
    }
}
