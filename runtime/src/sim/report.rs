//! What the simulator found wrong, and how it says so.
//!
//! Memory and the race detector return a [`Violation`]: a lane and a [`Fault`] whose other party,
//! if any, is raw (linear indices and an instruction index). [`Launch::report`] turns it into a
//! [`Report`] with three-dimensional indices and source places. `Display` of a report is what the
//! user reads: a headline, the place, the thread, the facts, and a `help:` line.

mod text;

use std::sync::Arc;

use super::race::{OtherBlock, Party};

/// A place in the source of a kernel, from `.loc`, or in its PTX where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 if unknown.
    pub column: u32,
}

/// A thread of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadId {
    /// Its block in the grid.
    pub block: [u32; 3],
    /// Its place in the block.
    pub thread: [u32; 3],
}

/// A state space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// `.global`, and generic addresses into it.
    Global,
    /// `.shared`, and generic addresses into its window.
    Shared,
    /// `.local`, and generic addresses into its window.
    Local,
    /// `.const`.
    Const,
    /// `.param`.
    Param,
    /// Shared memory of a block of the cluster, named by its rank: `.shared::cluster`.
    Peer(u32),
}

/// What a thread did to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessKind {
    /// A load.
    Load,
    /// A store.
    Store,
    /// An atomic or another strong access.
    Atomic,
    /// A byte of an asynchronous copy that landed.
    AsyncCopy,
}

/// An access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// What was done.
    pub kind: AccessKind,
    /// Where.
    pub space: Space,
    /// The address in that space.
    pub address: u64,
    /// Bytes of the whole access (16 for a vector of four words).
    pub bytes: u32,
}

impl Touch {
    fn at_peer(&mut self, rank: u32) {
        if self.space == Space::Shared {
            self.space = Space::Peer(rank);
        }
    }
}

/// A range of memory that has an owner: a buffer, a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// What to call it: "buffer #3", "shared variable `tile`".
    pub name: String,
    /// First address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

/// The other access of a race.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// What it did.
    pub kind: AccessKind,
    /// Its thread; `None` if only "several blocks" is known.
    pub thread: Option<ThreadId>,
    /// Whether it stands for several threads.
    pub several: bool,
    /// Its place.
    pub place: Option<Place>,
}

/// Misuse of an `mbarrier` object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MbarrierProblem {
    /// Used before `mbarrier.init` or after `mbarrier.inval`.
    NotInitialised,
    /// Initialised again without `mbarrier.inval`, or overwritten while in use.
    InUse,
    /// An expected count outside `1 ..= 2^20 - 1`.
    CountOutOfRange {
        /// The count.
        count: u32,
    },
    /// More arrivals in a phase than it expects.
    TooManyArrivals {
        /// The expected count.
        expected: u32,
    },
    /// The transaction count left `-(2^20 - 1) ..= 2^20 - 1`.
    TransactionOverflow,
    /// Copies bring more bytes than the phase expects.
    TooManyBytes {
        /// Bytes that it waited for.
        expected: i64,
        /// Bytes that came.
        got: u32,
    },
    /// The block ends while a phase expects bytes.
    BytesLeft {
        /// How many.
        bytes: i64,
    },
    /// Used by a thread that nothing orders after `mbarrier.init`.
    InitNotSeen,
}

/// What is wrong. `P` is how a race names its other party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault<P = Other> {
    /// An access outside every live allocation or variable.
    OutOfBounds {
        /// The access.
        touch: Touch,
        /// The allocation nearest to it.
        nearest: Option<Region>,
    },
    /// An address that is no multiple of the access's size.
    Misaligned {
        /// The access.
        touch: Touch,
    },
    /// An access to freed memory.
    UseAfterFree {
        /// The access.
        touch: Touch,
        /// The freed allocation.
        region: Region,
    },
    /// A store to memory that kernels may only read.
    ReadOnly {
        /// The access.
        touch: Touch,
        /// The allocation.
        region: Region,
    },
    /// A read of bytes that nobody wrote.
    Uninitialised {
        /// The access.
        touch: Touch,
        /// The allocation.
        region: Option<Region>,
    },
    /// A read of a register before any write.
    UninitialisedRegister {
        /// Its name.
        register: String,
    },
    /// Two unordered accesses, one of which writes.
    Race {
        /// The later access.
        touch: Touch,
        /// The allocation.
        region: Option<Region>,
        /// The earlier access.
        other: P,
    },
    /// A barrier that some thread of its block can never reach.
    DivergentBarrier {
        /// Number of the barrier.
        barrier: u32,
        /// Threads waiting at it.
        arrived: u32,
        /// Threads that it waits for.
        expected: u32,
        /// A thread that does not come.
        missing: Option<ThreadId>,
        /// Where that thread is; `None` if it has exited.
        missing_at: Option<Place>,
    },
    /// A `.sync` instruction whose mask names lanes that do not execute it.
    DivergentSync {
        /// The mask.
        mask: u32,
        /// The lanes that execute it.
        present: u32,
    },
    /// An access to bytes that an asynchronous copy may still be writing or reading.
    MissingWait {
        /// The access.
        touch: Touch,
        /// The copy: where it was issued and by whom.
        copy: P,
    },
    /// The asynchronous units read bytes that a thread stored, without a `fence.proxy.async`
    /// between.
    MissingProxyFence {
        /// What they read.
        touch: Touch,
        /// The store.
        writer: P,
    },
    /// A matrix instruction of a warpgroup without a `wgmma.fence` after another access to one
    /// of its registers.
    MissingWgmmaFence {
        /// The name of the register.
        register: String,
    },
    /// An access to a register of a matrix instruction that is under way.
    RegisterInFlight {
        /// Its name.
        register: String,
    },
    /// The block ends before a bulk copy has read or written its shared memory.
    UnfinishedCopy {
        /// What the copy does to shared memory.
        touch: Touch,
    },
    /// An access to the shared memory of another block of the cluster that may have exited: nothing
    /// makes it wait for the access.
    BlockExited {
        /// The access.
        touch: Touch,
    },
    /// Misuse of an `mbarrier`.
    Mbarrier {
        /// Its address in shared memory.
        address: u64,
        /// The rank of its block in the cluster, if it is another block's.
        peer: Option<u32>,
        /// What is wrong with it.
        problem: MbarrierProblem,
    },
    /// Every thread waits.
    Deadlock {
        /// Some of the waiting threads, where they wait, and for what.
        waiting: Vec<Waiting>,
    },
    /// More instructions than the launch was allowed.
    StepLimit {
        /// The limit, in instructions a thread.
        limit: u64,
    },
    /// A `trap` instruction.
    Trap,
    /// An instruction that is wrong in a way that only execution shows.
    Illegal {
        /// What is wrong.
        reason: String,
    },
    /// An instruction that the simulator does not know.
    Unsupported {
        /// Which.
        what: String,
    },
}

/// A thread that waits in a deadlock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The thread.
    pub thread: ThreadId,
    /// Where it waits.
    pub place: Option<Place>,
    /// For what.
    pub on: WaitsFor,
}

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// A barrier of the block.
    Barrier(u32),
    /// The barrier of the cluster.
    ClusterBarrier,
    /// Lanes of its warp.
    Lanes(u32),
    /// A phase of an `mbarrier`.
    Mbarrier {
        /// Its address in shared memory.
        address: u64,
        /// The variable that it is in.
        region: Option<Region>,
        /// The phase, from 0.
        phase: u64,
        /// Arrivals that are missing.
        arrivals: u32,
        /// Bytes that are missing.
        bytes: i64,
    },
    /// For nothing: it asks whether something is so, again and again.
    Nothing,
}

/// The kind of a [`Fault`], without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// See [`Fault::OutOfBounds`].
    OutOfBounds,
    /// See [`Fault::Misaligned`].
    Misaligned,
    /// See [`Fault::UseAfterFree`].
    UseAfterFree,
    /// See [`Fault::ReadOnly`].
    ReadOnly,
    /// See [`Fault::Uninitialised`].
    Uninitialised,
    /// See [`Fault::UninitialisedRegister`].
    UninitialisedRegister,
    /// See [`Fault::Race`].
    Race,
    /// See [`Fault::DivergentBarrier`].
    DivergentBarrier,
    /// See [`Fault::DivergentSync`].
    DivergentSync,
    /// See [`Fault::MissingWait`].
    MissingWait,
    /// See [`Fault::MissingProxyFence`].
    MissingProxyFence,
    /// See [`Fault::MissingWgmmaFence`].
    MissingWgmmaFence,
    /// See [`Fault::RegisterInFlight`].
    RegisterInFlight,
    /// See [`Fault::UnfinishedCopy`].
    UnfinishedCopy,
    /// See [`Fault::BlockExited`].
    BlockExited,
    /// See [`Fault::Mbarrier`].
    Mbarrier,
    /// See [`Fault::Deadlock`].
    Deadlock,
    /// See [`Fault::StepLimit`].
    StepLimit,
    /// See [`Fault::Trap`].
    Trap,
    /// See [`Fault::Illegal`].
    Illegal,
    /// See [`Fault::Unsupported`].
    Unsupported,
}

impl<P> Fault<P> {
    /// Its kind.
    pub fn kind(&self) -> FaultKind {
        match self {
            Fault::OutOfBounds { .. } => FaultKind::OutOfBounds,
            Fault::Misaligned { .. } => FaultKind::Misaligned,
            Fault::UseAfterFree { .. } => FaultKind::UseAfterFree,
            Fault::ReadOnly { .. } => FaultKind::ReadOnly,
            Fault::Uninitialised { .. } => FaultKind::Uninitialised,
            Fault::UninitialisedRegister { .. } => FaultKind::UninitialisedRegister,
            Fault::Race { .. } => FaultKind::Race,
            Fault::DivergentBarrier { .. } => FaultKind::DivergentBarrier,
            Fault::DivergentSync { .. } => FaultKind::DivergentSync,
            Fault::MissingWait { .. } => FaultKind::MissingWait,
            Fault::MissingProxyFence { .. } => FaultKind::MissingProxyFence,
            Fault::MissingWgmmaFence { .. } => FaultKind::MissingWgmmaFence,
            Fault::RegisterInFlight { .. } => FaultKind::RegisterInFlight,
            Fault::UnfinishedCopy { .. } => FaultKind::UnfinishedCopy,
            Fault::BlockExited { .. } => FaultKind::BlockExited,
            Fault::Mbarrier { .. } => FaultKind::Mbarrier,
            Fault::Deadlock { .. } => FaultKind::Deadlock,
            Fault::StepLimit { .. } => FaultKind::StepLimit,
            Fault::Trap => FaultKind::Trap,
            Fault::Illegal { .. } => FaultKind::Illegal,
            Fault::Unsupported { .. } => FaultKind::Unsupported,
        }
    }

    /// The access to memory that is at fault, where there is one.
    pub fn touch(&self) -> Option<&Touch> {
        match self {
            Fault::OutOfBounds { touch, .. }
            | Fault::Misaligned { touch }
            | Fault::UseAfterFree { touch, .. }
            | Fault::ReadOnly { touch, .. }
            | Fault::Uninitialised { touch, .. }
            | Fault::Race { touch, .. }
            | Fault::MissingWait { touch, .. }
            | Fault::MissingProxyFence { touch, .. }
            | Fault::BlockExited { touch }
            | Fault::UnfinishedCopy { touch } => Some(touch),
            Fault::UninitialisedRegister { .. }
            | Fault::MissingWgmmaFence { .. }
            | Fault::RegisterInFlight { .. }
            | Fault::DivergentBarrier { .. }
            | Fault::DivergentSync { .. }
            | Fault::Mbarrier { .. }
            | Fault::Deadlock { .. }
            | Fault::StepLimit { .. }
            | Fault::Trap
            | Fault::Illegal { .. }
            | Fault::Unsupported { .. } => None,
        }
    }

    /// The allocation or variable concerned, where one is known.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Fault::OutOfBounds { nearest: region, .. }
            | Fault::Uninitialised { region, .. }
            | Fault::Race { region, .. } => region.as_ref(),
            Fault::UseAfterFree { region, .. } | Fault::ReadOnly { region, .. } => Some(region),
            Fault::Misaligned { .. }
            | Fault::MissingWait { .. }
            | Fault::MissingProxyFence { .. }
            | Fault::MissingWgmmaFence { .. }
            | Fault::RegisterInFlight { .. }
            | Fault::UnfinishedCopy { .. }
            | Fault::BlockExited { .. }
            | Fault::UninitialisedRegister { .. }
            | Fault::DivergentBarrier { .. }
            | Fault::DivergentSync { .. }
            | Fault::Mbarrier { .. }
            | Fault::Deadlock { .. }
            | Fault::StepLimit { .. }
            | Fault::Trap
            | Fault::Illegal { .. }
            | Fault::Unsupported { .. } => None,
        }
    }

    /// The same fault of an access to the shared memory of the block with that rank in the cluster,
    /// found there.
    pub(crate) fn at_peer(mut self, rank: u32) -> Self {
        match &mut self {
            Fault::OutOfBounds { touch, nearest: region }
            | Fault::Uninitialised { touch, region }
            | Fault::Race { touch, region, .. } => {
                touch.at_peer(rank);
                if let Some(region) = region {
                    region.name = format!("{} of rank {rank}", region.name);
                }
            }
            Fault::Misaligned { touch }
            | Fault::MissingWait { touch, .. }
            | Fault::MissingProxyFence { touch, .. }
            | Fault::UnfinishedCopy { touch }
            | Fault::UseAfterFree { touch, .. }
            | Fault::ReadOnly { touch, .. }
            | Fault::BlockExited { touch } => touch.at_peer(rank),
            Fault::Mbarrier { peer, .. } => *peer = Some(rank),
            Fault::MissingWgmmaFence { .. }
            | Fault::RegisterInFlight { .. }
            | Fault::UninitialisedRegister { .. }
            | Fault::DivergentBarrier { .. }
            | Fault::DivergentSync { .. }
            | Fault::Deadlock { .. }
            | Fault::StepLimit { .. }
            | Fault::Trap
            | Fault::Illegal { .. }
            | Fault::Unsupported { .. } => {}
        }
        self
    }

    /// The same fault with its other party named by `name`.
    pub fn map_party<Q>(self, name: impl FnOnce(P) -> Q) -> Fault<Q> {
        match self {
            Fault::Race { touch, region, other } => {
                Fault::Race { touch, region, other: name(other) }
            }
            Fault::MissingWait { touch, copy } => Fault::MissingWait { touch, copy: name(copy) },
            Fault::MissingProxyFence { touch, writer } => {
                Fault::MissingProxyFence { touch, writer: name(writer) }
            }
            Fault::MissingWgmmaFence { register } => Fault::MissingWgmmaFence { register },
            Fault::RegisterInFlight { register } => Fault::RegisterInFlight { register },
            Fault::UnfinishedCopy { touch } => Fault::UnfinishedCopy { touch },
            Fault::OutOfBounds { touch, nearest } => Fault::OutOfBounds { touch, nearest },
            Fault::Misaligned { touch } => Fault::Misaligned { touch },
            Fault::UseAfterFree { touch, region } => Fault::UseAfterFree { touch, region },
            Fault::ReadOnly { touch, region } => Fault::ReadOnly { touch, region },
            Fault::Uninitialised { touch, region } => Fault::Uninitialised { touch, region },
            Fault::UninitialisedRegister { register } => Fault::UninitialisedRegister { register },
            Fault::DivergentBarrier { barrier, arrived, expected, missing, missing_at } => {
                Fault::DivergentBarrier { barrier, arrived, expected, missing, missing_at }
            }
            Fault::DivergentSync { mask, present } => Fault::DivergentSync { mask, present },
            Fault::BlockExited { touch } => Fault::BlockExited { touch },
            Fault::Mbarrier { address, peer, problem } => {
                Fault::Mbarrier { address, peer, problem }
            }
            Fault::Deadlock { waiting } => Fault::Deadlock { waiting },
            Fault::StepLimit { limit } => Fault::StepLimit { limit },
            Fault::Trap => Fault::Trap,
            Fault::Illegal { reason } => Fault::Illegal { reason },
            Fault::Unsupported { what } => Fault::Unsupported { what },
        }
    }
}

/// A fault that a warp ran into, before its names are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The lane whose access it is.
    pub lane: u32,
    /// What is wrong.
    pub fault: Fault<Party>,
}

impl Violation {
    pub(crate) fn boxed(lane: usize, fault: Fault<Party>) -> Box<Violation> {
        Box::new(Violation { lane: lane as u32, fault })
    }
}

/// A violation with all its names: what a launch on the simulator returns as its error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Name of the kernel.
    pub kernel: String,
    /// What is wrong.
    pub fault: Fault,
    /// Where in the source.
    pub place: Option<Place>,
    /// The instruction as PTX text.
    pub instruction: Option<String>,
    /// The thread; `None` if the fault is nobody's in particular.
    pub thread: Option<ThreadId>,
}

impl Report {
    /// The kind of its fault.
    pub fn kind(&self) -> FaultKind {
        self.fault.kind()
    }
}

impl std::error::Error for Report {}

/// What turns indices of a launch into names.
pub struct Launch<'a> {
    /// Name of the kernel.
    pub kernel: &'a str,
    /// Blocks in each direction.
    pub grid: [u32; 3],
    /// Threads of a block in each direction.
    pub block: [u32; 3],
    /// Place of an instruction.
    pub place: &'a dyn Fn(u32) -> Option<Place>,
    /// PTX text of an instruction.
    pub instruction: &'a dyn Fn(u32) -> Option<String>,
}

impl Launch<'_> {
    /// The thread with these linear indices.
    pub fn thread(&self, block: u32, thread: u32) -> ThreadId {
        ThreadId { block: unflatten(block, self.grid), thread: unflatten(thread, self.block) }
    }

    /// The report of a fault of thread `thread` of block `block` at instruction `pc`.
    pub fn report(&self, block: u32, thread: u32, pc: u32, fault: Fault<Party>) -> Report {
        Report {
            kernel: self.kernel.to_owned(),
            fault: fault.map_party(|it| self.other(block, it)),
            place: (self.place)(pc),
            instruction: (self.instruction)(pc),
            thread: Some(self.thread(block, thread)),
        }
    }

    fn other(&self, block: u32, party: Party) -> Other {
        let thread = match party.block {
            OtherBlock::Same => Some(self.thread(block, party.thread)),
            OtherBlock::Index(block) => Some(self.thread(block, party.thread)),
            OtherBlock::Several => None,
        };
        Other { kind: party.kind, thread, several: party.several, place: (self.place)(party.pc) }
    }
}

/// The index with linear position `index` in a box of size `size`, `x` fastest.
pub(crate) fn unflatten(index: u32, size: [u32; 3]) -> [u32; 3] {
    let (x, y) = (size[0].max(1), size[1].max(1));
    [index % x, index / x % y, index / x / y]
}

#[cfg(test)]
mod tests;
