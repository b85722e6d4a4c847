//! The words of a report.

use std::fmt::{Display, Formatter, Result};

use super::{
    AccessKind, Fault, MbarrierProblem, Other, Place, Region, Report, Space, ThreadId, Touch,
    Waiting, WaitsFor,
};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "{} in kernel `{}`", Headline(&self.fault), self.kernel)?;
        if let Some(place) = &self.place {
            writeln!(f, "  at {place}")?;
        }
        if let Some(thread) = &self.thread {
            writeln!(f, "  by {thread}")?;
        }
        if let Some(instruction) = &self.instruction {
            writeln!(f, "  executing `{}`", instruction.trim())?;
        }
        facts(f, &self.fault)?;
        write!(f, "  help: {}", help(&self.fault))
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if self.column != 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

impl Display for ThreadId {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let ([tx, ty, tz], [bx, by, bz]) = (self.thread, self.block);
        write!(f, "thread ({tx}, {ty}, {tz}) of block ({bx}, {by}, {bz})")
    }
}

impl Display for Space {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Space::Global => "global",
            Space::Shared => "shared",
            Space::Local => "local",
            Space::Const => "constant",
            Space::Param => "parameter",
            Space::Peer(rank) => return write!(f, "rank {rank}'s shared"),
        })
    }
}

impl Display for AccessKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            AccessKind::Load => "load",
            AccessKind::Store => "store",
            AccessKind::Atomic => "atomic access",
            AccessKind::AsyncCopy => "asynchronous copy",
        })
    }
}

/// "load of 4 bytes at shared address 0x10".
impl Display for Touch {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Touch { kind, space, address, bytes } = self;
        write!(f, "{kind} of {} at {space} address {address:#x}", Bytes((*bytes).into()))
    }
}

/// "`name` (64 bytes at 0x100)".
impl Display for Region {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} ({} at {:#x})", self.name, Bytes(self.size), self.base)
    }
}

struct Bytes(u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

struct Headline<'a>(&'a Fault);

impl Display for Headline<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            Fault::OutOfBounds { touch, .. } => write!(f, "out-of-bounds {}", touch.kind),
            Fault::Misaligned { touch } => write!(f, "misaligned {}", touch.kind),
            Fault::UseAfterFree { touch, .. } => write!(f, "{} of freed memory", touch.kind),
            Fault::ReadOnly { touch, .. } => write!(f, "{} of read-only memory", touch.kind),
            Fault::Uninitialised { touch, .. } => {
                write!(f, "{} of uninitialised {} memory", touch.kind, touch.space)
            }
            Fault::UninitialisedRegister { .. } => f.write_str("read of an uninitialised register"),
            Fault::Race { touch, .. } => write!(f, "data race in {} memory", touch.space),
            Fault::DivergentBarrier { .. } => f.write_str("barrier in divergent code"),
            Fault::DivergentSync { .. } => f.write_str("warp instruction in divergent code"),
            Fault::MissingWait { touch, .. } => {
                write!(f, "{} of bytes of an asynchronous copy in flight", touch.kind)
            }
            Fault::MissingProxyFence { touch, .. } => {
                write!(f, "asynchronous {} of unfenced bytes", touch.kind)
            }
            Fault::MissingWgmmaFence { .. } => f.write_str("matrix instruction without a fence"),
            Fault::RegisterInFlight { .. } => {
                f.write_str("access to a register of a matrix instruction in flight")
            }
            Fault::UnfinishedCopy { .. } => f.write_str("bulk copy in flight at the block's end"),
            Fault::BlockExited { touch } => {
                write!(f, "{} of the memory of a block that may have exited", touch.kind)
            }
            Fault::Mbarrier { .. } => f.write_str("misuse of an mbarrier"),
            Fault::Deadlock { .. } => f.write_str("deadlock"),
            Fault::StepLimit { .. } => f.write_str("too many instructions"),
            Fault::Trap => f.write_str("trap"),
            Fault::Illegal { .. } => f.write_str("illegal instruction"),
            Fault::Unsupported { .. } => f.write_str("instruction unknown to the simulator"),
        }
    }
}

fn facts(f: &mut Formatter<'_>, fault: &Fault) -> Result {
    match fault {
        Fault::OutOfBounds { touch, nearest } => {
            writeln!(f, "  {touch}")?;
            match nearest {
                Some(region) => writeln!(f, "  {}", Offset(touch, region)),
                None => writeln!(f, "  there is no {} memory near it", touch.space),
            }
        }
        Fault::Misaligned { touch } => {
            let off = touch.address % u64::from(touch.bytes.max(1));
            writeln!(f, "  {touch}, {} past a multiple of {}", Bytes(off), touch.bytes)
        }
        Fault::UseAfterFree { touch, region } | Fault::ReadOnly { touch, region } => {
            writeln!(f, "  {touch}")?;
            writeln!(f, "  {}", Offset(touch, region))
        }
        Fault::Uninitialised { touch, region } => memory_facts(f, touch, region.as_ref()),
        Fault::Race { touch, region, other } => {
            memory_facts(f, touch, region.as_ref())?;
            writeln!(f, "  races with {other}")
        }
        Fault::MissingWait { touch, copy } => {
            writeln!(f, "  {touch}")?;
            writeln!(f, "  the copy: {copy}")
        }
        Fault::MissingProxyFence { touch, writer } => {
            writeln!(f, "  {touch}")?;
            writeln!(f, "  after {writer}")
        }
        Fault::UnfinishedCopy { touch } => writeln!(f, "  {touch}"),
        Fault::UninitialisedRegister { register }
        | Fault::MissingWgmmaFence { register }
        | Fault::RegisterInFlight { register } => writeln!(f, "  register `{register}`"),
        Fault::DivergentBarrier { .. } => barrier_facts(f, fault),
        Fault::DivergentSync { mask, present } => {
            writeln!(f, "  mask {mask:#010x}, executed by lanes {present:#010x}")?;
            writeln!(f, "  lanes that do not come: {}", Lanes(mask & !present))
        }
        Fault::BlockExited { touch } => {
            writeln!(f, "  {touch}")?;
            writeln!(f, "  that block ends without waiting for it")
        }
        Fault::Mbarrier { address, peer, problem } => {
            let space = peer.map_or(Space::Shared, Space::Peer);
            writeln!(f, "  the mbarrier at {space} address {address:#x} {problem}")
        }
        Fault::Deadlock { waiting } => waiting.iter().try_for_each(|it| writeln!(f, "  {it}")),
        Fault::StepLimit { limit } => writeln!(f, "  the limit is {limit} a thread"),
        Fault::Illegal { reason: what } | Fault::Unsupported { what } => writeln!(f, "  {what}"),
        Fault::Trap => Ok(()),
    }
}

fn memory_facts(f: &mut Formatter<'_>, touch: &Touch, region: Option<&Region>) -> Result {
    writeln!(f, "  {touch}")?;
    region.map_or(Ok(()), |it| writeln!(f, "  {}", Offset(touch, it)))
}

fn barrier_facts(f: &mut Formatter<'_>, fault: &Fault) -> Result {
    let Fault::DivergentBarrier { barrier, arrived, expected, missing, missing_at } = fault else {
        return Ok(());
    };
    writeln!(f, "  {arrived} of {expected} threads wait at barrier {barrier}")?;
    match (missing, missing_at) {
        (Some(thread), Some(place)) => writeln!(f, "  {thread} is at {place} and cannot come"),
        (Some(thread), None) => writeln!(f, "  {thread} has exited"),
        (None, _) => Ok(()),
    }
}

/// Where an access lies in or beside a region.
struct Offset<'a>(&'a Touch, &'a Region);

impl Display for Offset<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Offset(touch, region) = self;
        let end = region.base.saturating_add(region.size);
        let last = touch.address.saturating_add(touch.bytes.into());
        if touch.address < region.base {
            let before = Bytes(region.base - touch.address);
            write!(f, "{before} before the start of {region}")
        } else if touch.address == end {
            write!(f, "just past the end of {region}")
        } else if touch.address > end {
            write!(f, "{} past the end of {region}", Bytes(touch.address - end))
        } else if last > end {
            write!(f, "its last {} past the end of {region}", Bytes(last - end))
        } else {
            write!(f, "at offset {} of {region}", touch.address - region.base)
        }
    }
}

impl Display for Other {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let article = match self.kind {
            AccessKind::Load | AccessKind::Store => "a",
            AccessKind::Atomic | AccessKind::AsyncCopy => "an",
        };
        write!(f, "{article} {} by ", self.kind)?;
        match &self.thread {
            Some(thread) if self.several => write!(f, "several threads, such as {thread}")?,
            Some(thread) => write!(f, "{thread}")?,
            None => f.write_str("threads of several blocks")?,
        }
        self.place.as_ref().map_or(Ok(()), |it| write!(f, ", at {it}"))
    }
}

impl Display for Waiting {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} waits for {}", self.thread, self.on)?;
        self.place.as_ref().map_or(Ok(()), |it| write!(f, ", at {it}"))
    }
}

impl Display for WaitsFor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            WaitsFor::Barrier(barrier) => write!(f, "barrier {barrier}"),
            WaitsFor::ClusterBarrier => f.write_str("the barrier of the cluster"),
            WaitsFor::Lanes(lanes) => write!(f, "lanes {}", Lanes(*lanes)),
            WaitsFor::Mbarrier { address, region, phase, arrivals, bytes } => {
                write!(f, "phase {phase} of the mbarrier at shared address {address:#x}")?;
                if let Some(region) = region {
                    write!(f, " in {}", region.name)?;
                }
                let plural = if *arrivals == 1 { "" } else { "s" };
                write!(f, ", which lacks {arrivals} arrival{plural} and {bytes} bytes")
            }
            WaitsFor::Nothing => f.write_str("nothing"),
        }
    }
}

/// "0 to 3, 8".
struct Lanes(u32);

impl Display for Lanes {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut rest = self.0;
        let mut separator = "";
        while rest != 0 {
            let first = rest.trailing_zeros();
            let count = (rest >> first).trailing_ones();
            match count {
                1 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first} to {}", first + count - 1)?,
            }
            separator = ", ";
            rest = if first + count == 32 { 0 } else { rest >> (first + count) << (first + count) };
        }
        if self.0 == 0 { f.write_str("none") } else { Ok(()) }
    }
}

impl Display for MbarrierProblem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            MbarrierProblem::NotInitialised => f.write_str("is not initialised"),
            MbarrierProblem::InUse => f.write_str("is in use"),
            MbarrierProblem::CountOutOfRange { count } => {
                write!(f, "cannot expect {count} arrivals")
            }
            MbarrierProblem::TooManyArrivals { expected } => {
                write!(f, "got more arrivals in one phase than the {expected} that it expects")
            }
            MbarrierProblem::TransactionOverflow => {
                f.write_str("has a transaction count out of range")
            }
            MbarrierProblem::TooManyBytes { expected, got } => {
                write!(f, "expects {expected} more bytes in this phase, got {got}")
            }
            MbarrierProblem::BytesLeft { bytes } => {
                write!(f, "still expects {bytes} bytes when the block ends")
            }
            MbarrierProblem::InitNotSeen => {
                f.write_str("is initialised by a thread that this one has not synchronised with")
            }
        }
    }
}

fn help(fault: &Fault) -> &'static str {
    match fault {
        Fault::OutOfBounds { touch, .. } => match touch.space {
            Space::Global => "compare the index with the length of the slice before the access",
            Space::Shared | Space::Peer(_) => {
                "check the index against the size of the shared array"
            }
            Space::Local | Space::Const | Space::Param => {
                "check the index against the array's size"
            }
        },
        Fault::Misaligned { .. } => {
            "a vector access needs an address that is a multiple of its size"
        }
        Fault::UseAfterFree { .. } => "keep the buffer alive until the launch has finished",
        Fault::ReadOnly { .. } => "constants are written by the host only",
        Fault::Uninitialised { touch, .. } if touch.space == Space::Global => {
            "allocate with `alloc_zeros`, or let every element be written before it is read"
        }
        Fault::Uninitialised { .. } => "write the element, then meet at a barrier, then read it",
        Fault::UninitialisedRegister { .. } => "assign it on every path to this instruction",
        Fault::Race { other, touch, .. } => race_help(touch, other),
        Fault::DivergentBarrier { .. } => {
            "every thread of the block has to reach the barrier: move it out of the branch or loop"
        }
        Fault::DivergentSync { .. } => {
            "every lane of the mask has to execute it: move it out of the branch, or narrow the mask"
        }
        Fault::MissingWait { .. } => {
            "wait for the copy (`cp.async.wait_group`, `mbarrier` wait), then meet at a barrier"
        }
        Fault::MissingProxyFence { .. } => {
            "execute `fence.proxy.async` after the stores, then meet at a barrier"
        }
        Fault::MissingWgmmaFence { .. } => {
            "execute `wgmma.fence` between the access and the matrix instruction"
        }
        Fault::RegisterInFlight { .. } => {
            "commit the matrix instructions and wait for them (`wgmma.wait_group`) first"
        }
        Fault::UnfinishedCopy { .. } => {
            "wait for the copy (`mbarrier` wait, `cp.async.bulk.wait_group`) before the block ends"
        }
        Fault::BlockExited { .. } => {
            "let the blocks meet at the cluster's barrier after their last access to each other"
        }
        Fault::Mbarrier { problem, .. } => mbarrier_help(problem),
        Fault::Deadlock { .. } => "some thread has to arrive where these wait",
        Fault::StepLimit { .. } => "look for a loop that never ends, or raise `step_limit`",
        Fault::Trap => "the kernel stopped itself: see the condition that leads to this `trap`",
        Fault::Illegal { .. } => "see the PTX ISA for what the instruction allows",
        Fault::Unsupported { .. } => "run this kernel on a GPU",
    }
}

fn mbarrier_help(problem: &MbarrierProblem) -> &'static str {
    match problem {
        MbarrierProblem::NotInitialised => {
            "let one thread `mbarrier.init` it, then meet at a barrier before its first use"
        }
        MbarrierProblem::InitNotSeen => {
            "after `mbarrier.init` meet at a barrier, at the cluster's if other blocks use it"
        }
        MbarrierProblem::InUse => "`mbarrier.inval` it before the memory gets another use",
        MbarrierProblem::CountOutOfRange { .. } => "the count is from 1 to 1048575",
        MbarrierProblem::TooManyArrivals { .. } => {
            "initialise it with the number of arrivals of one phase"
        }
        MbarrierProblem::TransactionOverflow
        | MbarrierProblem::TooManyBytes { .. }
        | MbarrierProblem::BytesLeft { .. } => {
            "expect exactly the bytes that the copies of the phase bring"
        }
    }
}

fn race_help(touch: &Touch, other: &Other) -> &'static str {
    let atomic = |it: AccessKind| it == AccessKind::Atomic;
    if atomic(touch.kind) || atomic(other.kind) {
        "make both accesses atomic, or put a barrier between them"
    } else if matches!(touch.space, Space::Peer(_)) {
        "put a barrier of the cluster between the two accesses"
    } else if touch.space == Space::Shared {
        "put a barrier between the two accesses"
    } else if other.several && other.thread.is_none() {
        "blocks run in any order: split the work into two launches, or let each block own its output"
    } else {
        "give each thread its own element, use an atomic, or order the two by a barrier or a launch"
    }
}
