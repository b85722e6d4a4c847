//! The shadow of one block's shared memory: races and initialised bytes.
//!
//! A block is simulated by one host thread at a time, so cells are plain values. Stamps here
//! continue from block to block of the worker that owns the memory; what is not above `base`
//! belongs to an earlier block and counts as absent, so nothing is cleared between blocks.

use std::collections::HashMap;

use super::clock::BlockClocks;
use super::{Actor, OtherBlock, Party, Strength};
use crate::sim::report::AccessKind;

/// Who an entry stands for, where one thread is not enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Who {
    /// One thread.
    #[default]
    Thread,
    /// Several lanes of that thread's warp, at least two for each byte.
    Lanes,
    /// Several lanes of that thread's warp, some bytes each.
    Mixed,
    /// Several warps (reads only).
    Warps,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    stamp: u32,
    pc: u32,
    /// The thread, and above its bits the rank of its block in the cluster.
    thread: u16,
    bytes: u8,
    who: Who,
}

/// Bits of a thread's index in its block.
const RANK_SHIFT: u32 = 10;

/// The shadow of one word.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    write: Entry,
    /// By threads of the block whose memory it is.
    read: Entry,
    /// Of a [`Who::Warps`] read: which.
    readers: u32,
    /// The last write was strong.
    strong: bool,
    /// Bytes written by the block whose base is `initialised_at`.
    initialised: u8,
    initialised_at: u32,
}

/// The shadow of a block's shared memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedShadow {
    cells: Vec<Cell>,
    /// Reads by other blocks of the cluster since the last write, by word: one a warp.
    remote: HashMap<usize, Vec<Entry>>,
    /// The block in its cluster.
    rank: u32,
    base: u32,
    /// The highest stamp that this block has used, so that the next block starts above it.
    top: u32,
}

/// One warp-wide access to shared memory, prepared for its lanes.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    clocks: Option<&'a BlockClocks>,
    base: u32,
    /// Entries up to this stamp are of earlier blocks, or before the last block-wide barrier.
    settled: u32,
    stamp: u32,
    /// Rank of the warp's block in the cluster.
    rank: u32,
    warp: u32,
    pc: u32,
    strength: Strength,
    /// By another block of the cluster.
    remote: bool,
    /// Whether reads are kept in the cells.
    kept: bool,
}

/// What is wrong with an access to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Some of its bytes were never written.
    Uninitialised,
    /// It races.
    Race(Party),
}

impl SharedShadow {
    /// Prepares for the next block of the worker, which has `bytes` of shared memory and that rank
    /// in its cluster.
    pub(crate) fn begin_block(&mut self, bytes: usize, rank: u32) {
        self.rank = rank;
        self.remote.clear();
        self.base = self.top + 1;
        // Far from the end of u32 even after the longest block.
        if self.base > u32::MAX / 2 {
            self.cells.clear();
            self.base = 1;
        }
        self.top = self.base;
        self.cells.resize(bytes.div_ceil(4), Cell::default());
    }

    /// Begins an access of a warp: what its lanes have in common, and the cells.
    #[inline(always)]
    pub(crate) fn begin<'a>(
        &mut self,
        by: Actor<'a>,
        strength: Strength,
    ) -> (Pass<'a>, &mut [Cell]) {
        let (mut settled, mut stamp, mut rank) = (self.base, 0, self.rank);
        if let Some(clocks) = by.clocks {
            // Stamps of several blocks say nothing of each other.
            if !clocks.has_mates() {
                settled = self.base.wrapping_add(clocks.floor());
            }
            rank = clocks.rank();
            stamp = self.base.wrapping_add(clocks.stamp(by.warp));
            self.top = self.top.max(self.base.wrapping_add(clocks.now()));
        }
        let Actor { clocks, warp, pc } = by;
        let (base, remote) = (self.base, rank != self.rank);
        // Strong reads are not kept: the atomics that they go with would seem to race with them.
        let kept = strength == Strength::Weak && !remote;
        let pass = Pass { clocks, base, settled, stamp, rank, warp, pc, strength, remote, kept };
        (pass, &mut self.cells)
    }

    /// Notes that a lane of another block reads `bytes` of a word.
    #[cold]
    pub(crate) fn note_remote_read(
        &mut self,
        word: usize,
        bytes: u8,
        lane: usize,
        pass: &Pass<'_>,
    ) {
        if pass.clocks.is_none() || pass.strength == Strength::Strong {
            return;
        }
        let mine = pass.entry(pass.thread(lane), bytes);
        let entries = self.remote.entry(word).or_default();
        match entries.iter_mut().find(|it| it.warp_in_cluster() == mine.warp_in_cluster()) {
            Some(entry) if entry.stamp == mine.stamp => {
                let same = entry.thread == mine.thread && entry.who == Who::Thread;
                entry.who = if same { Who::Thread } else { Who::Mixed };
                entry.bytes |= bytes;
            }
            Some(entry) => *entry = mine,
            None => entries.push(mine),
        }
    }

    /// Whether other blocks read what a lane writes, unordered; what they read is covered then.
    pub(crate) fn check_remote_reads(
        &mut self,
        word: usize,
        bytes: u8,
        lane: usize,
        pass: &Pass<'_>,
    ) -> Result<(), Found> {
        let (Some(entries), Some(clocks)) = (self.remote.get_mut(&word), pass.clocks) else {
            return Ok(());
        };
        let overlapping = |it: &&Entry| it.bytes & bytes != 0;
        let thread = pass.thread(lane);
        let late = |it: &&Entry| !it.precedes(thread, clocks, pass);
        if let Some(read) = entries.iter().filter(overlapping).find(late) {
            return Err(Found::Race(read.party(AccessKind::Load, pass)));
        }
        entries.retain(|it| it.bytes & !bytes != 0);
        Ok(())
    }

    /// Whether other blocks have read anything here.
    #[inline(always)]
    pub(crate) fn has_remote_reads(&self) -> bool {
        !self.remote.is_empty()
    }
}

impl Cell {
    /// Notes that lane `lane` reads `bytes` of the word.
    #[inline(always)]
    pub(crate) fn read(&mut self, bytes: u8, lane: usize, pass: &Pass<'_>) -> Result<(), Found> {
        if self.initialised_at != pass.base || self.initialised & bytes != bytes {
            return Err(Found::Uninitialised);
        }
        let Some(clocks) = pass.clocks else { return Ok(()) };
        let thread = pass.thread(lane);
        if self.write.stamp > pass.settled && u32::from(self.write.thread) != thread {
            self.check_write(bytes, thread, clocks, pass)?;
        }
        if !pass.kept {
            return Ok(());
        }
        let read = &self.read;
        if read.stamp <= pass.settled {
            self.read = pass.entry(thread, bytes);
            return Ok(());
        }
        let known = read.stamp == pass.stamp && read.bytes & bytes == bytes;
        let same = known
            && match read.who {
                Who::Thread => u32::from(read.thread) == thread,
                Who::Lanes | Who::Mixed => read.warp() == pass.warp,
                Who::Warps => self.readers >> pass.warp & 1 == 1,
            };
        if !same {
            self.join_reads(pass.entry(thread, bytes), clocks, pass);
        }
        Ok(())
    }

    /// Notes that lane `lane` writes `bytes` of the word.
    #[inline(always)]
    pub(crate) fn write(&mut self, bytes: u8, lane: usize, pass: &Pass<'_>) -> Result<(), Found> {
        if self.initialised_at == pass.base {
            self.initialised |= bytes;
        } else {
            (self.initialised_at, self.initialised) = (pass.base, bytes);
        }
        let Some(clocks) = pass.clocks else { return Ok(()) };
        let (thread, strong) = (pass.thread(lane), pass.strength == Strength::Strong);
        let mut mine = pass.entry(thread, bytes);
        if self.write.stamp > pass.settled {
            if u32::from(self.write.thread) != thread || self.write.who != Who::Thread {
                self.check_write(bytes, thread, clocks, pass)?;
            }
            self.join_write(&mut mine, strong);
        }
        if self.read.stamp > pass.settled {
            self.check_reads(bytes, thread, clocks, pass)?;
        }
        // Whoever is ordered after this write is ordered after the reads that it has passed.
        if self.read.bytes & !bytes == 0 {
            self.read.stamp = 0;
        }
        (self.write, self.strong) = (mine, strong);
        Ok(())
    }

    /// The last write, if it overlaps the access and is not ordered before it.
    #[inline(never)]
    fn check_write(
        &self,
        bytes: u8,
        thread: u32,
        clocks: &BlockClocks,
        pass: &Pass<'_>,
    ) -> Result<(), Found> {
        let write = &self.write;
        let both_strong = self.strong && pass.strength == Strength::Strong;
        if write.bytes & bytes == 0 || both_strong || write.precedes(thread, clocks, pass) {
            return Ok(());
        }
        let kind = if self.strong { AccessKind::Atomic } else { AccessKind::Store };
        Err(Found::Race(write.party(kind, pass)))
    }

    /// A read that overlaps the write and is not ordered before it.
    #[inline(never)]
    fn check_reads(
        &self,
        bytes: u8,
        thread: u32,
        clocks: &BlockClocks,
        pass: &Pass<'_>,
    ) -> Result<(), Found> {
        let read = &self.read;
        if read.bytes & bytes == 0 {
            return Ok(());
        }
        if read.who != Who::Warps {
            let ordered = read.precedes(thread, clocks, pass);
            let race = || Found::Race(read.party(AccessKind::Load, pass));
            return if ordered { Ok(()) } else { Err(race()) };
        }
        // This warp's own reads are among them without their threads: trusted.
        let own = if pass.remote { 0 } else { 1 << pass.warp };
        let (others, stamp) = (self.readers & !own, read.stamp - pass.base);
        let late = |it: &u32| {
            others >> it & 1 == 1 && !clocks.mate_ordered(pass.warp, read.rank(), *it, stamp)
        };
        let Some(warp) = (0..32).find(late) else { return Ok(()) };
        let thread = (read.rank() << RANK_SHIFT | warp << 5) as u16;
        Err(Found::Race(Entry { thread, ..*read }.party(AccessKind::Load, pass)))
    }

    /// Adds a read to those of the cell. Reads that happen before it need not be kept: who is
    /// ordered after this read is ordered after them.
    #[inline(never)]
    fn join_reads(&mut self, mine: Entry, clocks: &BlockClocks, pass: &Pass<'_>) {
        let read = &mut self.read;
        let thread = u32::from(mine.thread);
        if read.who == Who::Thread && read.thread == mine.thread {
            let bytes = if read.stamp == mine.stamp { read.bytes } else { 0 } | mine.bytes;
            *read = Entry { bytes, ..mine };
            return;
        }
        let stamp = read.stamp - pass.base;
        let ordered = match read.who {
            Who::Thread => read.precedes(thread, clocks, pass),
            Who::Lanes | Who::Mixed => clocks.warp_ordered(pass.warp, read.warp(), stamp),
            Who::Warps => {
                let readers = self.readers;
                let ordered = |it| clocks.warp_ordered(pass.warp, it, stamp);
                (0..32).all(|it| readers >> it & 1 == 0 || ordered(it))
            }
        };
        let common = read.bytes & mine.bytes;
        let same_warp = read.who != Who::Warps && read.warp() == pass.warp;
        if ordered || common == 0 && !same_warp {
            *read = mine;
            return;
        }
        read.stamp = read.stamp.min(mine.stamp);
        if same_warp {
            let covered = match read.who {
                Who::Thread => read.bytes == mine.bytes,
                Who::Lanes => mine.bytes & !read.bytes == 0,
                Who::Mixed | Who::Warps => false,
            };
            read.who = if covered { Who::Lanes } else { Who::Mixed };
            read.bytes |= mine.bytes;
            return;
        }
        let before = if read.who == Who::Warps { self.readers } else { 1 << read.warp() };
        self.readers = before | 1 << pass.warp;
        read.who = Who::Warps;
        // Only the bytes that all of them have read, lest a byte's only reader races with itself.
        read.bytes = common;
    }

    /// Keeps other bytes that the same warp wrote since it last synchronised.
    #[inline(always)]
    fn join_write(&self, mine: &mut Entry, strong: bool) {
        let old = &self.write;
        let same_warp = old.warp_in_cluster() == mine.warp_in_cluster();
        let beside = old.stamp == mine.stamp && same_warp;
        if beside && old.bytes & !mine.bytes != 0 && !self.strong && !strong {
            let same = old.thread == mine.thread && old.who == Who::Thread;
            mine.who = if same { Who::Thread } else { Who::Mixed };
            mine.bytes |= old.bytes;
        }
    }
}

impl Pass<'_> {
    /// Whether another block of the cluster accesses the memory.
    #[inline(always)]
    pub(crate) fn is_remote(&self) -> bool {
        self.remote
    }

    #[inline(always)]
    fn thread(&self, lane: usize) -> u32 {
        self.rank << RANK_SHIFT | self.warp << 5 | lane as u32
    }

    #[inline(always)]
    fn entry(&self, thread: u32, bytes: u8) -> Entry {
        Entry { stamp: self.stamp, pc: self.pc, thread: thread as u16, bytes, who: Who::Thread }
    }
}

impl Entry {
    /// The warp in its block.
    #[inline(always)]
    fn warp(&self) -> u32 {
        u32::from(self.thread) >> 5 & 31
    }

    #[inline(always)]
    fn warp_in_cluster(&self) -> u32 {
        u32::from(self.thread) >> 5
    }

    fn rank(&self) -> u32 {
        u32::from(self.thread) >> RANK_SHIFT
    }

    /// Whether the entry's accesses, which are of this cluster, happen before `thread`'s next.
    fn precedes(&self, thread: u32, clocks: &BlockClocks, pass: &Pass<'_>) -> bool {
        let stamp = self.stamp - pass.base;
        if self.rank() != pass.rank {
            return clocks.mate_ordered(pass.warp, self.rank(), self.warp(), stamp);
        }
        match self.who {
            Who::Thread => {
                let index = |it: u32| it & ((1 << RANK_SHIFT) - 1);
                clocks.ordered(index(thread), index(self.thread.into()), stamp)
            }
            // Which lane of this very warp had which byte is not kept: no verdict.
            Who::Mixed if self.warp() == pass.warp => true,
            Who::Lanes | Who::Mixed | Who::Warps => {
                clocks.warp_ordered(pass.warp, self.warp(), stamp)
            }
        }
    }

    fn party(&self, kind: AccessKind, pass: &Pass<'_>) -> Party {
        let several = self.who != Who::Thread;
        let block = match pass.clocks {
            Some(clocks) if self.rank() != pass.rank => {
                OtherBlock::Index(clocks.block_of(self.rank()))
            }
            Some(_) | None => OtherBlock::Same,
        };
        let thread = u32::from(self.thread) & ((1 << RANK_SHIFT) - 1);
        Party { block, thread, several, pc: self.pc, kind }
    }
}
