//! A cluster: blocks that are resident together, taking turns, and reach each other's shared
//! memory. PTX ISA, "Cluster of Cooperative Thread Arrays" and "barrier.cluster".
//!
//! The block whose turn it is holds the others, so that an instruction which gets its own block
//! can get at them. A cluster of one block is no special case, except that nothing in it needs the
//! slow ways between blocks.
//!
//! What an instruction does to another block's shared memory is checked there: bounds, bytes that
//! nobody wrote, copies in flight, races. Moreover a block must not end before such an access:
//! each is remembered, and some warp of the block has to be ordered after it when the block ends.

use std::collections::HashMap;
use std::sync::Arc;

use super::block::{Block, BlockState, BlockStop, Round};
use super::launch::Launch;
use super::memory::Checked;
use super::race::{Actor, Foreign};
use super::report::{Fault, FaultKind, Space, Touch, Violation};
use super::stuck::Quiet;
use super::warp::{Cx, Failure, Group, State, Warp};

/// The most blocks that a cluster may have on any device.
pub(crate) const MAX_BLOCKS: u64 = 16;

/// Bits of a thread's index in its block.
const THREAD_BITS: u32 = 10;

/// A thread of a cluster: its index in the block, and above it the rank of the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Thread(pub(crate) u32);

impl Thread {
    pub(crate) fn new(rank: u32, thread: u32) -> Self {
        Self(rank << THREAD_BITS | thread)
    }

    pub(crate) fn rank(self) -> u32 {
        self.0 >> THREAD_BITS
    }

    /// Index in its block.
    pub(crate) fn index(self) -> u32 {
        self.0 & ((1 << THREAD_BITS) - 1)
    }
}

/// What goes from block to block with the turn.
#[derive(Default)]
pub(crate) struct Peers {
    /// By rank, all but the one whose turn it is. Empty in a cluster of one.
    blocks: Vec<Option<Box<Block>>>,
    pub(crate) barrier: ClusterBarrier,
}

impl Peers {
    /// The other blocks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().flatten().map(|it| &**it)
    }

    /// The other blocks, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut BlockState> {
        self.blocks.iter_mut().flatten().map(|it| &mut it.state)
    }

    pub(crate) fn get_mut(&mut self, rank: u32) -> Option<&mut BlockState> {
        Some(&mut self.blocks.get_mut(rank as usize)?.as_mut()?.state)
    }
}

/// The barrier of a cluster.
#[derive(Default)]
pub(crate) struct ClusterBarrier {
    /// Whether somebody has arrived since it was complete last.
    arrived: bool,
    /// What those knew who have arrived.
    clock: Option<Arc<Foreign>>,
    /// What those knew who had arrived when it was complete.
    given: Option<Arc<Foreign>>,
}

/// Where the lanes of a warp are with respect to the barrier of the cluster.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AtCluster {
    /// Lanes that have arrived, and where.
    arrived: u32,
    at: u32,
    /// Lanes that have arrived, at a barrier that is complete.
    passed: u32,
}

fn illegal(lanes: u32, reason: &str) -> Box<Violation> {
    Violation::boxed(lanes.trailing_zeros() as usize, Fault::Illegal { reason: reason.to_owned() })
}

impl Warp {
    /// The lanes of `mask` arrive at the barrier of the cluster.
    pub(crate) fn cluster_arrive(
        &mut self,
        (relaxed, aligned): (bool, bool),
        (pc, mask): (u32, u32),
        block: &mut BlockState,
    ) -> Checked {
        let again = mask & (self.cluster.arrived | self.cluster.passed);
        if again != 0 {
            return Err(illegal(again, "arrives at the cluster's barrier twice without a wait"));
        }
        if aligned && self.cluster.arrived != 0 && self.cluster.at != pc {
            return Err(illegal(
                mask,
                "lanes of one warp arrive at the cluster's barrier in two places",
            ));
        }
        self.cluster.arrived |= mask;
        self.cluster.at = pc;
        block.activity += 1;
        block.peers.barrier.arrived = true;
        if let Some(clocks) = &mut block.clocks
            && clocks.has_mates()
        {
            let given = if relaxed {
                clocks.give_fenced(self.index)
            } else {
                Some(clocks.give(self.index))
            };
            Foreign::join(&mut block.peers.barrier.clock, given.as_ref());
        }
        Ok(())
    }

    /// The lanes of `mask` wait at the barrier of the cluster; gives those that must. Those of a
    /// warp come from one place if the instruction is aligned.
    pub(crate) fn cluster_wait(
        &mut self,
        aligned: bool,
        (pc, mask): (u32, u32),
        block: &mut BlockState,
    ) -> Result<u32, Box<Violation>> {
        let stray = mask & !(self.cluster.arrived | self.cluster.passed);
        if stray != 0 {
            return Err(illegal(stray, "waits at the cluster's barrier without having arrived"));
        }
        let elsewhere = |it: &Group| it.state == State::Cluster && it.pc != pc;
        if aligned && self.groups.iter().any(elsewhere) {
            let reason = "lanes of one warp wait at the cluster's barrier in two places";
            return Err(illegal(mask, reason));
        }
        let passed = mask & self.cluster.passed;
        if passed != 0 {
            self.pass_cluster(passed, block);
        }
        Ok(mask & !passed)
    }

    /// Lanes go on from the complete barrier.
    fn pass_cluster(&mut self, mask: u32, block: &mut BlockState) {
        self.cluster.passed &= !mask;
        if let (Some(clocks), Some(given)) = (&mut block.clocks, &block.peers.barrier.given) {
            clocks.take(self.index, given);
        }
    }

    /// Whether no lane keeps the barrier of the cluster from being complete.
    fn is_at_cluster(&self) -> bool {
        self.existing & !(self.exited | self.cluster.arrived) == 0
    }

    /// The barrier of the cluster is complete.
    fn release_cluster(&mut self, block: &mut BlockState) {
        self.cluster.passed |= self.cluster.arrived & !self.exited;
        self.cluster.arrived = 0;
        let mut woken = 0;
        for group in &mut self.groups {
            if group.state == State::Cluster {
                group.state = State::Ready;
                group.pc += 1;
                woken |= group.mask;
            }
        }
        if woken != 0 {
            self.pass_cluster(woken, block);
        }
    }
}

/// The last access of a warp to the shared memory of another block.
#[derive(Clone, Copy, Debug)]
struct Visit {
    stamp: u32,
    pc: u32,
    lane: u32,
    touch: Touch,
}

/// The accesses of other blocks to the shared memory of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visits {
    /// By rank and warp.
    last: HashMap<(u32, u32), Visit>,
}

impl Visits {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.last.clear();
    }

    fn note(&mut self, by: Actor<'_>, Reach { lane, touch, published }: Reach) {
        let Some(clocks) = by.clocks else { return };
        // Who acquires what the access publishes is ordered after the access too.
        let fenced = if published { clocks.fenced_stamp(by.warp) } else { None };
        let stamp = fenced.unwrap_or_else(|| clocks.stamp(by.warp));
        let visit = Visit { stamp, pc: by.pc, lane: lane as u32, touch };
        self.last.insert((clocks.rank(), by.warp), visit);
    }
}

/// An access to the shared memory of a block of the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub(crate) lane: usize,
    pub(crate) touch: Touch,
    /// Whether it makes known what its warp has fenced.
    pub(crate) published: bool,
}

impl BlockState {
    /// The block of the cluster with that rank.
    pub(crate) fn of_rank(&mut self, rank: u32) -> Option<&mut BlockState> {
        if rank == self.rank { Some(self) } else { self.peers.get_mut(rank) }
    }

    /// An access of another block that no warp of this one is ordered after.
    fn late_visit(&self) -> Option<(u32, u32, Visit)> {
        let clocks = self.clocks.as_ref()?;
        let warps = self.threads.div_ceil(32);
        let late = |(rank, warp): &(u32, u32), visit: &Visit| {
            !(0..warps).any(|own| clocks.mate_ordered(own, *rank, *warp, visit.stamp))
        };
        let found = self.visits.last.iter().filter(|(by, visit)| late(by, visit));
        found.map(|((rank, warp), visit)| (*rank, *warp, *visit)).min_by_key(|it| (it.0, it.1))
    }
}

impl Cx<'_> {
    /// Calls `f` with the block of that rank, whose shared memory a lane accesses, and this warp
    /// as the one that does. What `f` finds wrong is said of that block.
    pub(crate) fn in_block<T>(
        &mut self,
        rank: u32,
        reach: Reach,
        f: impl FnOnce(&mut BlockState, Actor<'_>) -> Result<T, Box<Violation>>,
    ) -> Result<T, Box<Violation>> {
        let (warp, pc, own) = (self.warp, self.pc, self.block.rank);
        let Reach { lane, touch, .. } = reach;
        let (clocks, launch) = (self.block.clocks.take(), self.launch);
        let gone = |it: &BlockState| it.ended && launch.checked && !launch.fault_claimed();
        let by = Actor { clocks: clocks.as_ref(), warp, pc };
        let fail = |fault: Fault<_>| Err(Violation::boxed(lane, fault));
        let result = match self.block.of_rank(rank) {
            None => fail(Fault::OutOfBounds { touch, nearest: None }),
            Some(state) if gone(state) => fail(Fault::BlockExited { touch }),
            Some(state) => {
                if rank != own {
                    state.visits.note(by, reach);
                }
                f(state, by)
            }
        };
        self.block.clocks = clocks;
        result.map_err(|mut violation| {
            if rank != own {
                violation.fault = violation.fault.at_peer(rank);
            }
            violation
        })
    }
}

/// A cluster that is running.
pub(crate) struct Cluster {
    /// The block whose turn it is.
    pub(crate) block: Box<Block>,
    size: u32,
    pub(crate) quiet: Quiet,
}

impl Cluster {
    pub(crate) fn new(launch: &Launch<'_>) -> Self {
        let size = launch.cluster.iter().product();
        let mut block = Box::new(Block::new(launch, 0));
        if size > 1 {
            let others = (1..size).map(|rank| Some(Box::new(Block::new(launch, rank))));
            block.state.peers.blocks = std::iter::once(None).chain(others).collect();
        }
        Self { block, size, quiet: Quiet::default() }
    }

    /// Makes this the cluster with linear index `index`.
    pub(crate) fn begin(&mut self, launch: &Launch<'_>, index: u32) {
        let blocks: Arc<[u32]> = (0..self.size).map(|rank| launch.block_of(index, rank)).collect();
        for rank in 0..self.size {
            self.turn_to(rank);
            self.block.begin(launch, &blocks);
        }
        self.block.state.peers.barrier = ClusterBarrier::default();
        self.quiet = Quiet::default();
    }

    /// All blocks, that whose turn it is first.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        std::iter::once(&*self.block).chain(self.block.state.peers.iter())
    }

    /// Gives a block the turn.
    pub(crate) fn turn_to(&mut self, rank: u32) {
        let own = self.block.state.rank;
        if own == rank {
            return;
        }
        let mut peers = std::mem::take(&mut self.block.state.peers);
        let Some(next) = peers.blocks.get_mut(rank as usize).and_then(Option::take) else {
            unreachable!("a cluster has all ranks below its size");
        };
        peers.blocks[own as usize] = Some(std::mem::replace(&mut self.block, next));
        self.block.state.peers = peers;
    }

    /// The ranks, from that whose turn it is. So blocks run forwards and backwards in turn.
    pub(crate) fn ranks(&self) -> impl Iterator<Item = u32> + use<> {
        let (first, size) = (self.block.state.rank, self.size);
        (0..size).map(move |it| (first + it) % size)
    }

    /// Runs for about `budget` steps; takes from it what it used.
    pub(crate) fn run(
        &mut self,
        launch: &Launch<'_>,
        budget: &mut u64,
    ) -> Result<BlockStop, Failure> {
        loop {
            let round = self.round(launch, budget)?;
            if !round.alive {
                return Ok(BlockStop::Done);
            }
            if !round.moved && self.is_stuck() {
                if launch.fault_claimed() {
                    return Ok(BlockStop::Done);
                }
                return Err(self.stuck(launch));
            }
            if self.waits_for_ever(&round) {
                if launch.fault_claimed() {
                    return Ok(BlockStop::Done);
                }
                return Err(self.endless(launch));
            }
            // Who only asks `mbarrier`s waits for nobody outside of the cluster.
            let elsewhere = round.moved && round.spinning && !self.quiet.is_quiet();
            if *budget == 0 || elsewhere {
                return Ok(BlockStop::Turn { spinning: round.spinning });
            }
        }
    }

    /// Gives each warp of each block a turn.
    pub(crate) fn round(
        &mut self,
        launch: &Launch<'_>,
        budget: &mut u64,
    ) -> Result<Round, Failure> {
        let mut all = Round { alive: false, moved: false, spinning: true };
        for rank in self.ranks() {
            self.turn_to(rank);
            if self.block.state.ended {
                continue;
            }
            let round = match self.block.round(launch, budget) {
                Ok(round) => round,
                Err(failure) => return Err(self.explain(launch, failure)),
            };
            if !round.alive {
                self.end_block(launch)?;
            }
            all.alive |= round.alive;
            all.moved |= round.moved || !round.alive;
            all.spinning &= round.spinning;
            if self.block.state.peers.barrier.arrived && self.meets() {
                self.release_barrier();
                (all.moved, all.spinning) = (true, false);
            }
        }
        Ok(all)
    }

    /// All threads of the block whose turn it is have exited.
    fn end_block(&mut self, launch: &Launch<'_>) -> Result<(), Failure> {
        self.block.finish(launch)?;
        self.block.state.ended = true;
        if !launch.checked || launch.fault_claimed() {
            return Ok(());
        }
        let rank = self.block.state.rank;
        let unread = self.block.state.peers.iter().find_map(|it| it.state.loads.reading_of(rank));
        if let Some((origin, touch)) = unread {
            return Err(self.block.failure(origin, Fault::UnfinishedCopy { touch }));
        }
        match self.block.state.late_visit() {
            Some((by, warp, Visit { pc, lane, touch, .. })) => {
                let fault = Fault::BlockExited { touch }.at_peer(rank);
                self.turn_to(by);
                let violation = Violation::boxed(lane as usize, fault);
                Err(Failure { pc, warp, violation })
            }
            None => Ok(()),
        }
    }

    /// Whether all threads have arrived at the barrier of the cluster, or exited.
    fn meets(&self) -> bool {
        self.blocks().flat_map(|it| &it.warps).all(Warp::is_at_cluster)
    }

    fn release_barrier(&mut self) {
        let barrier = &mut self.block.state.peers.barrier;
        barrier.arrived = false;
        barrier.given = barrier.clock.take();
        let last = self.block.state.rank;
        for rank in self.ranks() {
            self.turn_to(rank);
            let Block { state, warps } = &mut *self.block;
            match &mut state.clocks {
                Some(clocks) if clocks.has_mates() => clocks.meet_fenced(),
                Some(clocks) => clocks.barrier_all(),
                None => {}
            }
            warps.iter_mut().for_each(|it| it.release_cluster(state));
        }
        self.turn_to(last);
    }

    fn is_stuck(&self) -> bool {
        let mut groups = self.blocks().flat_map(|it| &it.warps).flat_map(|it| &it.groups);
        !groups.any(|it| it.state == State::Ready)
    }

    /// A read of shared memory that nobody has written may be early rather than wrong: then
    /// another warp is about to write there, and the two race. The launch has failed either way,
    /// so the others may run on to see.
    fn explain(&mut self, launch: &Launch<'_>, failure: Failure) -> Failure {
        let Fault::Uninitialised { touch, .. } = failure.violation.fault else { return failure };
        let own = self.block.state.rank;
        let rank = match touch.space {
            Space::Shared => own,
            Space::Peer(rank) => rank,
            Space::Global | Space::Local | Space::Const | Space::Param => return failure,
        };
        for peer in self.ranks() {
            self.turn_to(peer);
            let failed = |it: &&mut Warp| peer == own && it.index == failure.warp;
            let Block { state, warps } = &mut *self.block;
            for warp in warps.iter_mut().filter(|it| !failed(it)) {
                // What else goes wrong there is beside the point.
                let _ = warp.run(state, launch, &mut Block::turn());
            }
        }
        self.turn_to(own);
        self.read_again(launch, failure, (rank, touch))
    }

    /// Lets the thread that failed read again.
    fn read_again(
        &mut self,
        launch: &Launch<'_>,
        failure: Failure,
        (rank, touch): (u32, Touch),
    ) -> Failure {
        let (warp, pc) = (failure.warp, failure.pc);
        let lane = failure.violation.lane as usize;
        let mut bytes = [0; 16];
        let out = &mut bytes[..touch.bytes.min(16) as usize];
        let Block { state, warps } = &mut *self.block;
        let read = warps[warp as usize].cx(pc, state, launch).in_block(
            rank,
            Reach { lane, touch, published: false },
            |state, by| state.shared.read_bytes(by, lane, touch.address, out),
        );
        match read {
            Err(violation) if violation.fault.kind() == FaultKind::Race => {
                Failure { pc, warp, violation }
            }
            Ok(()) | Err(_) => failure,
        }
    }
}
