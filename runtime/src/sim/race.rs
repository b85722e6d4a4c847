//! Data-race detection by happens-before, for global and shared memory.
//!
//! The method is FastTrack's (Flanagan and Freund, "FastTrack: efficient and precise dynamic race
//! detection", PLDI 2009) with a clock a *warp*. A block keeps one counter of synchronisations; a
//! warp's *stamp* is the counter's value at its last one, and every access is noted in the shadow
//! of its word with the stamp of its warp. Warp `w` knows, of each warp `u`, the highest stamp
//! whose accesses happen before whatever `w` does next. Two accesses race if they overlap, one
//! writes, they are not both strong (atomic or volatile), and neither happens before the other.
//!
//! What orders accesses:
//! - Program order of one thread.
//! - `bar.warp.sync`, among the lanes of its mask. Shuffles and votes order no memory.
//! - `bar.sync` and `barrier.sync` (all of the block, or the warps that meet at a named barrier;
//!   `bar.arrive` only gives), and `mbarrier` arrivals for those who see the phase complete.
//! - A fence, then an atomic or strong store to a location; an atomic or strong load of that
//!   location, then a fence. This is what orders blocks among each other.
//! - Between the blocks of a cluster also its barrier, and arrivals at another block's `mbarrier`.
//! - The boundary of a launch.
//!
//! What it does not see, always on the silent side: a lane that synchronises through memory or an
//! `mbarrier` does so for its whole warp; of readers at different stamps the earliest counts; of
//! writers of different bytes of one word only the last is remembered unless they are of one warp
//! and stamp; after blocks have synchronised through memory or as a cluster, a write is not
//! checked against reads of global memory by several blocks, whose number is not kept; two accesses that two host threads check in
//! the same nanoseconds may miss each other.
//!
//! Lanes that store to one location in one instruction race only if their values differ: then
//! which one stays is left open, otherwise the result is defined.

mod clock;
mod entry;
pub(crate) mod global;
pub(crate) mod shared;
mod sync;

pub use clock::BlockClocks;
pub use sync::LaunchSync;

pub(crate) use entry::MAX_ACTOR;
pub(crate) use sync::Foreign;

use super::report::AccessKind;

/// Who accesses memory, for the checks that need to know.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The block's clocks; `None` switches race detection off for the access.
    pub clocks: Option<&'a BlockClocks>,
    /// Index of the warp in its block.
    pub warp: u32,
    /// Index of the instruction, given back when a later access races with this one.
    pub pc: u32,
}

/// The block of a race's earlier access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherBlock {
    /// The later access's own block.
    Same,
    /// Linear index of another block of the launch.
    Index(u32),
    /// Several blocks, whose indices are not kept.
    Several,
}

/// The earlier access of a race, as the shadow remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its block.
    pub block: OtherBlock,
    /// Linear index of its thread in the block. If only the warp is known, its first lane.
    pub thread: u32,
    /// Whether `thread` stands for several threads.
    pub several: bool,
    /// Index of its instruction.
    pub pc: u32,
    /// What it did.
    pub kind: AccessKind,
}

/// How an access counts in a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// A plain access.
    Weak,
    /// Atomic, volatile, relaxed, acquire or release: no race with another strong access.
    Strong,
}
