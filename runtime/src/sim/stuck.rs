//! What to say when no thread of a cluster can go on.
//!
//! Threads that wait at a barrier or for other lanes cannot run. Threads that wait for an
//! `mbarrier` ask it again and again, in a loop like any other. Such a loop never ends if the same
//! state comes back: each warp at the same place with the same registers, nothing having happened
//! meanwhile but questions, each ready lane having had its turn. Nobody outside of the cluster can
//! change an `mbarrier`, and a loop that reads anything else does more than ask.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::block::{Block, Round};
use super::cluster::Cluster;
use super::launch::Launch;
use super::race::Party;
use super::registers::Lanes;
use super::report::{Fault, ThreadId, Violation, Waiting, WaitsFor};
use super::warp::{Failure, Group, State, Warp};

/// Threads that a report of a deadlock lists.
const LISTED: usize = 8;
/// Rounds after which each lane of a warp has had a turn, if the warp does nothing but ask.
const FAIR: u64 = 64;

/// Rounds of a cluster in which nobody did anything but ask.
#[derive(Default)]
pub(crate) struct Quiet {
    activity: u64,
    rounds: u64,
    /// A state, and the round in which it was. Renewed ever more rarely, so that a cycle of any
    /// length is found (Brent's method).
    seen: Option<(u64, u64)>,
}

impl Quiet {
    /// Whether the last round was one.
    pub(crate) fn is_quiet(&self) -> bool {
        self.rounds != 0
    }
}

impl Cluster {
    /// Whether all threads wait, and will do so for ever.
    pub(crate) fn waits_for_ever(&mut self, round: &Round) -> bool {
        let activity = self.blocks().fold(0, |sum: u64, it| sum.wrapping_add(it.state.activity));
        if activity != self.quiet.activity || !round.moved || !round.spinning {
            self.quiet = Quiet { activity, ..Quiet::default() };
            return false;
        }
        self.quiet.rounds += 1;
        let rounds = self.quiet.rounds;
        if rounds < FAIR {
            return false;
        }
        let state = self.fingerprint();
        match self.quiet.seen {
            Some((seen, at)) if seen == state && rounds - at >= FAIR => true,
            Some(_) if !rounds.is_power_of_two() => false,
            Some(_) | None => {
                self.quiet.seen = Some((state, rounds));
                false
            }
        }
    }

    /// A hash of all that decides what the warps do next, as long as memory stays as it is.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut blocks: Vec<&Block> = self.blocks().collect();
        blocks.sort_by_key(|it| it.state.rank);
        for warp in blocks.into_iter().flat_map(|it| &it.warps) {
            let groups: BTreeSet<_> = warp.groups.iter().map(|it| (it.pc, it.mask)).collect();
            groups.hash(&mut hasher);
            let regs = &warp.regs;
            (&regs.preds, &regs.words, &regs.doubles, &regs.quads, regs.carry).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The cluster cannot go on: lanes wait for others that exited or wait elsewhere.
    pub(crate) fn stuck(&mut self, launch: &Launch<'_>) -> Failure {
        for rank in self.ranks() {
            self.turn_to(rank);
            if let Some(failure) = self.block.divergent(launch) {
                return failure;
            }
        }
        self.deadlock(launch)
    }

    /// All threads that can run ask in vain, for ever.
    pub(crate) fn endless(&mut self, launch: &Launch<'_>) -> Failure {
        for rank in self.ranks() {
            self.turn_to(rank);
            self.block.state.asked = Some(Vec::new());
        }
        for _ in 0..FAIR {
            // They do what they have done before: nothing.
            let _ = self.round(launch, &mut { u64::MAX });
        }
        self.deadlock(launch)
    }

    /// Lists who waits, one thread for each place in each block; those that ask come first.
    fn deadlock(&mut self, launch: &Launch<'_>) -> Failure {
        let mut found: Vec<(Failure, u32, Waiting)> = Vec::new();
        for block in self.blocks() {
            for (warp, group) in block.groups() {
                let (pc, waiting) = block.waiting(launch, warp, group);
                let listed =
                    |it: &(Failure, u32, Waiting)| it.0.pc == pc && it.1 == block.state.rank;
                if !found.iter().any(listed) {
                    let failure = failure(warp, (pc, group.mask), Fault::Trap);
                    found.push((failure, block.state.rank, waiting));
                }
            }
        }
        let asks = |it: &Waiting| matches!(it.on, WaitsFor::Mbarrier { .. });
        found.sort_by_key(|(failure, rank, waiting)| (!asks(waiting), *rank, failure.pc));
        let waiting = found.iter().map(|it| it.2.clone()).take(LISTED).collect();
        let Some((mut failure, rank, _)) = found.into_iter().next() else {
            unreachable!("a cluster without groups is done, not stuck");
        };
        self.turn_to(rank);
        failure.violation.fault = Fault::Deadlock { waiting };
        failure
    }
}

impl Block {
    fn groups(&self) -> impl Iterator<Item = (&Warp, &Group)> {
        self.warps.iter().flat_map(|warp| warp.groups.iter().map(move |group| (warp, group)))
    }

    /// Threads that wait for others of the block which never come.
    fn divergent(&self, launch: &Launch<'_>) -> Option<Failure> {
        self.missing_lane().or_else(|| self.missing_thread(launch))
    }

    /// A `.sync` instruction that lanes of its mask do not reach.
    fn missing_lane(&self) -> Option<Failure> {
        self.groups().find_map(|(warp, group)| match group.state {
            State::Meeting { members, .. } => {
                let fault = Fault::DivergentSync { mask: members, present: group.mask };
                Some(failure(warp, (group.pc, group.mask), fault))
            }
            State::Ready | State::Waiting { .. } | State::Cluster => None,
        })
    }

    /// A barrier of the whole block that some thread does not reach.
    fn missing_thread(&self, launch: &Launch<'_>) -> Option<Failure> {
        self.groups().find_map(|(warp, group)| match group.state {
            State::Waiting { barrier } if launch.program.barrier(group.pc).count.is_none() => {
                let (missing, missing_at) = self.absentee(barrier, launch)?;
                let waits = |it: &&Group| it.state == State::Waiting { barrier };
                let waiting = self.groups().map(|it| it.1).filter(waits);
                let arrived = waiting.map(|it| it.mask.count_ones()).sum();
                let fault = Fault::DivergentBarrier {
                    barrier,
                    arrived,
                    expected: self.state.threads,
                    missing: Some(missing),
                    missing_at: missing_at.and_then(|pc| launch.program.place(pc)),
                };
                Some(failure(warp, (group.pc, group.mask), fault))
            }
            State::Ready | State::Meeting { .. } | State::Waiting { .. } | State::Cluster => None,
        })
    }

    /// A thread that does not wait at `barrier`, one that has exited if there is one; and its
    /// instruction if it is still there.
    fn absentee(&self, barrier: u32, launch: &Launch<'_>) -> Option<(ThreadId, Option<u32>)> {
        let exited =
            self.warps.iter().find(|it| it.exited != 0).map(|warp| {
                (self.thread(launch, warp, warp.exited.trailing_zeros() as usize), None)
            });
        let elsewhere = |(warp, group): (&Warp, &Group)| {
            (group.state != State::Waiting { barrier }).then(|| {
                let lane = group.mask.trailing_zeros() as usize;
                (self.thread(launch, warp, lane), Some(group.pc))
            })
        };
        exited.or_else(|| self.groups().find_map(elsewhere))
    }

    fn thread(&self, launch: &Launch<'_>, warp: &Warp, lane: usize) -> ThreadId {
        launch.thread(self.state.index, warp.index * 32 + lane as u32)
    }

    /// Where the first lane of a group waits, and for what.
    fn waiting(&self, launch: &Launch<'_>, warp: &Warp, group: &Group) -> (u32, Waiting) {
        let lane = group.mask.trailing_zeros();
        let (mut pc, mut on) = (group.pc, WaitsFor::Nothing);
        match group.state {
            State::Waiting { barrier } => on = WaitsFor::Barrier(barrier),
            State::Cluster => on = WaitsFor::ClusterBarrier,
            State::Meeting { members, .. } => on = WaitsFor::Lanes(members),
            State::Ready => {
                let thread = warp.index * 32 + lane;
                let asked = self.state.asked.iter().flatten().rev().find(|it| it.0 == thread);
                if let Some((_, at, address)) = asked {
                    (pc, on) = (*at, self.incomplete(*address));
                }
            }
        }
        let thread = self.thread(launch, warp, lane as usize);
        (pc, Waiting { thread, place: launch.program.place(pc), on })
    }

    /// What an `mbarrier` lacks.
    fn incomplete(&self, address: u64) -> WaitsFor {
        let Some(object) = self.state.mbarriers.get(&address) else { return WaitsFor::Nothing };
        WaitsFor::Mbarrier {
            address,
            region: self.state.shared.variable_at(address),
            phase: object.phase(),
            arrivals: object.arrivals_left(),
            bytes: object.bytes_left(),
        }
    }
}

fn failure(warp: &Warp, (pc, mask): (u32, u32), fault: Fault<Party>) -> Failure {
    let lane = Lanes(mask).next().unwrap_or(0) as u32;
    let violation = Box::new(Violation { lane, fault });
    Failure { pc, warp: warp.index, violation }
}
