//! What to say when no thread of a block can go on.

use super::block::Block;
use super::launch::Launch;
use super::race::Party;
use super::registers::Lanes;
use super::report::{Fault, ThreadId, Violation, Waiting};
use super::warp::{Failure, Group, State, Warp};

/// Threads that a report of a deadlock lists.
const LISTED: usize = 4;

impl Block {
    /// The block cannot go on: lanes wait for others that exited or wait elsewhere.
    pub(crate) fn stuck(&self, launch: &Launch<'_>) -> Failure {
        let found = self.missing_lane().or_else(|| self.missing_thread(launch));
        found.unwrap_or_else(|| self.deadlock(launch))
    }

    fn groups(&self) -> impl Iterator<Item = (&Warp, &Group)> {
        self.warps.iter().flat_map(|warp| warp.groups.iter().map(move |group| (warp, group)))
    }

    /// A `.sync` instruction that lanes of its mask do not reach.
    fn missing_lane(&self) -> Option<Failure> {
        self.groups().find_map(|(warp, group)| match group.state {
            State::Meeting { members, .. } => {
                let fault = Fault::DivergentSync { mask: members, present: group.mask };
                Some(failure(warp, group, fault))
            }
            State::Ready | State::Waiting { .. } => None,
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
                Some(failure(warp, group, fault))
            }
            State::Ready | State::Meeting { .. } | State::Waiting { .. } => None,
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

    fn deadlock(&self, launch: &Launch<'_>) -> Failure {
        let describe = |(warp, group): (&Warp, &Group)| Waiting {
            thread: self.thread(launch, warp, group.mask.trailing_zeros() as usize),
            place: launch.program.place(group.pc),
            on: match group.state {
                State::Waiting { barrier } => format!("barrier {barrier}"),
                State::Meeting { members, .. } => format!("lanes {members:#010x}"),
                State::Ready => "nothing".to_owned(),
            },
        };
        let waiting = self.groups().map(describe).take(LISTED).collect();
        let first = self.groups().next();
        let Some((warp, group)) = first else {
            unreachable!("a block without groups is done, not stuck");
        };
        failure(warp, group, Fault::Deadlock { waiting })
    }
}

fn failure(warp: &Warp, group: &Group, fault: Fault<Party>) -> Failure {
    let lane = Lanes(group.mask).next().unwrap_or(0) as u32;
    let violation = Box::new(Violation { lane, fault });
    Failure { pc: group.pc, warp: warp.index, violation }
}
