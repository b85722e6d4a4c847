//! The shadow of one block's shared memory: races and initialised bytes.
//!
//! A block is simulated by one host thread at a time, so cells are plain values. Stamps here
//! continue from block to block of the worker that owns the memory; what is not above `base`
//! belongs to an earlier block and counts as absent, so nothing is cleared between blocks.

use super::clock::BlockClocks;
use super::{Actor, OtherBlock, Party, Strength};
use crate::sim::report::AccessKind;

/// Who an entry stands for, where one thread is not enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Who {
    /// One thread.
    #[default]
    Thread,
    /// Several lanes of that thread's warp.
    Lanes,
    /// Several warps (reads only).
    Warps,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    stamp: u32,
    pc: u32,
    thread: u16,
    bytes: u8,
    who: Who,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    write: Entry,
    read: Entry,
    /// Of a [`Who::Warps`] read: which.
    readers: u32,
    /// The last write was strong.
    strong: bool,
    /// Bytes written by the block whose stamp is `initialised_at`.
    initialised: u8,
    initialised_at: u32,
}

/// The shadow of a block's shared memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedShadow {
    cells: Vec<Cell>,
    base: u32,
    /// The highest stamp that this block has used, so that the next block starts above it.
    top: u32,
}

/// A lane's access.
#[derive(Clone, Copy)]
pub(crate) struct Accessor<'a> {
    pub(crate) by: Actor<'a>,
    pub(crate) lane: u32,
    pub(crate) strength: Strength,
}

impl Accessor<'_> {
    fn thread(&self) -> u32 {
        self.by.warp * 32 + self.lane
    }
}

impl SharedShadow {
    /// Prepares for the next block of the worker, which has `bytes` of shared memory.
    pub(crate) fn begin_block(&mut self, bytes: usize) {
        self.base = self.top + 1;
        // Far from the end of u32 even after the longest block.
        if self.base > u32::MAX / 2 {
            self.cells.clear();
            self.base = 1;
        }
        self.top = self.base;
        self.cells.resize(bytes.div_ceil(4), Cell::default());
    }

    /// Marks bytes as written, by whoever.
    pub(crate) fn initialise(&mut self, word: usize, bytes: u8) {
        let cell = &mut self.cells[word];
        if cell.initialised_at != self.base {
            (cell.initialised_at, cell.initialised) = (self.base, 0);
        }
        cell.initialised |= bytes;
    }

    /// Bytes of the word that this block has written.
    #[inline(always)]
    pub(crate) fn initialised(&self, word: usize) -> u8 {
        let cell = &self.cells[word];
        if cell.initialised_at == self.base { cell.initialised } else { 0 }
    }

    /// Notes a read; the write that races with it, if any.
    #[inline]
    pub(crate) fn read(&mut self, word: usize, bytes: u8, by: Accessor<'_>) -> Option<Party> {
        let clocks = by.by.clocks?;
        let base = self.base;
        let stamp = self.stamp(clocks, by.by.warp);
        let cell = &mut self.cells[word];
        if is_conflict(&cell.write, bytes, base, clocks, by)
            && !(cell.strong && by.strength == Strength::Strong)
        {
            return Some(party(&cell.write, write_kind(cell.strong)));
        }
        if by.strength == Strength::Weak {
            note_read(cell, Entry::of(stamp, bytes, by), base, clocks, by);
        }
        None
    }

    /// Notes a write; the access that races with it, if any.
    #[inline]
    pub(crate) fn write(&mut self, word: usize, bytes: u8, by: Accessor<'_>) -> Option<Party> {
        self.initialise(word, bytes);
        let clocks = by.by.clocks?;
        let base = self.base;
        let stamp = self.stamp(clocks, by.by.warp);
        let cell = &mut self.cells[word];
        let strong = by.strength == Strength::Strong;
        if is_conflict(&cell.write, bytes, base, clocks, by) && !(cell.strong && strong) {
            return Some(party(&cell.write, write_kind(cell.strong)));
        }
        if let Some(thread) = read_conflict(cell, bytes, base, clocks, by) {
            let read = Entry { thread: thread as u16, ..cell.read };
            return Some(party(&read, AccessKind::Load));
        }
        if cell.read.bytes & !bytes == 0 {
            cell.read.stamp = 0;
        }
        let mine = Entry::of(stamp, bytes, by);
        cell.write = if cell.write.stamp == stamp
            && cell.write.thread / 32 == mine.thread / 32
            && cell.write.bytes & !bytes != 0
            && !cell.strong
            && !strong
        {
            let same = cell.write.thread == mine.thread && cell.write.who == Who::Thread;
            let who = if same { Who::Thread } else { Who::Lanes };
            Entry { bytes: cell.write.bytes | bytes, who, ..mine }
        } else {
            mine
        };
        cell.strong = strong;
        None
    }

    fn stamp(&mut self, clocks: &BlockClocks, warp: u32) -> u32 {
        let stamp = self.base + clocks.stamp(warp);
        self.top = self.top.max(self.base + clocks.now());
        stamp
    }
}

impl Entry {
    fn of(stamp: u32, bytes: u8, by: Accessor<'_>) -> Entry {
        Entry { stamp, pc: by.by.pc, thread: by.thread() as u16, bytes, who: Who::Thread }
    }

    fn warp(&self) -> u32 {
        u32::from(self.thread) / 32
    }

    /// Whether the entry's accesses happen before the accessor, given that it is of this block.
    #[inline(always)]
    fn precedes(&self, base: u32, clocks: &BlockClocks, by: Accessor<'_>) -> bool {
        let stamp = self.stamp - base;
        match self.who {
            Who::Thread => clocks.ordered(by.thread(), self.thread.into(), stamp),
            Who::Lanes | Who::Warps => clocks.warp_ordered(by.by.warp, self.warp(), stamp),
        }
    }
}

fn write_kind(strong: bool) -> AccessKind {
    if strong { AccessKind::Atomic } else { AccessKind::Store }
}

fn party(entry: &Entry, kind: AccessKind) -> Party {
    let several = entry.who != Who::Thread;
    Party { block: OtherBlock::Same, thread: entry.thread.into(), several, pc: entry.pc, kind }
}

/// Whether a write entry overlaps the access and is not ordered before it.
#[inline(always)]
fn is_conflict(
    entry: &Entry,
    bytes: u8,
    base: u32,
    clocks: &BlockClocks,
    by: Accessor<'_>,
) -> bool {
    entry.stamp > base
        && entry.bytes & bytes != 0
        && !entry.precedes(base, clocks, by)
        // Which lane of this very warp wrote which byte is not kept: no verdict.
        && !(entry.who == Who::Lanes && entry.warp() == by.by.warp)
}

/// A thread whose read is not ordered before the write.
#[inline(always)]
fn read_conflict(
    cell: &Cell,
    bytes: u8,
    base: u32,
    clocks: &BlockClocks,
    by: Accessor<'_>,
) -> Option<u32> {
    let read = &cell.read;
    if read.stamp <= base || read.bytes & bytes == 0 {
        return None;
    }
    if read.who != Who::Warps {
        return (!read.precedes(base, clocks, by)).then_some(read.thread.into());
    }
    // This warp's own reads are among them without their threads: trusted.
    let others = (0..32).filter(|it| cell.readers >> it & 1 == 1 && *it != by.by.warp);
    let stamp = read.stamp - base;
    others.into_iter().find(|it| !clocks.warp_ordered(by.by.warp, *it, stamp)).map(|it| it * 32)
}

/// Adds a read to those of a cell. Reads that happen before it need not be kept: who is ordered
/// after this read is ordered after them.
#[inline]
fn note_read(cell: &mut Cell, mine: Entry, base: u32, clocks: &BlockClocks, by: Accessor<'_>) {
    let read = &mut cell.read;
    let absent = read.stamp <= base || read.bytes & !mine.bytes != 0 && read.stamp != mine.stamp;
    if absent || (read.who == Who::Thread && read.precedes(base, clocks, by)) {
        let same = read.stamp == mine.stamp && read.thread == mine.thread;
        let bytes = if same { read.bytes | mine.bytes } else { mine.bytes };
        *read = Entry { bytes, ..mine };
        return;
    }
    if read.who == Who::Warps {
        if cell.readers >> by.by.warp & 1 == 1 && read.stamp == mine.stamp {
            read.bytes |= mine.bytes;
            return;
        }
        let stamp = read.stamp - base;
        let readers = cell.readers;
        if (0..32).all(|it| readers >> it & 1 == 0 || clocks.warp_ordered(by.by.warp, it, stamp)) {
            *read = mine;
            return;
        }
        cell.readers |= 1 << by.by.warp;
    } else if read.warp() == by.by.warp {
        if read.who == Who::Lanes && read.precedes(base, clocks, by) {
            *read = mine;
            return;
        }
        read.who = Who::Lanes;
    } else if read.precedes(base, clocks, by) {
        *read = mine;
        return;
    } else {
        cell.readers = 1 << read.warp() | 1 << by.by.warp;
        read.who = Who::Warps;
    }
    read.stamp = read.stamp.min(mine.stamp);
    read.bytes |= mine.bytes;
}
