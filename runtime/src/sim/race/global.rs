//! The shadow of global memory: for each word, the last write and the reads since.
//!
//! Blocks run in parallel, so a cell is made of atomics, each of which says all that one check
//! needs; the instruction indices beside them serve only the report. An entry of an earlier
//! launch is recognised by its block's number, so nothing is ever cleared between launches.
//!
//! An entry, from the low bits: kind (2), bytes of the word (4), stamp (22), thread (10), actor
//! (26). Actors are numbers of block runs; 0 is none.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::clock::BlockClocks;
use super::{OtherBlock, Party, Strength};
use crate::sim::report::AccessKind;

/// Block runs that can be told apart; then the shadows are cleared and numbers start again.
pub(crate) const MAX_ACTOR: u32 = (1 << 26) - 1;

const PAGE: usize = 1024;

#[derive(Debug)]
struct Cell {
    write: AtomicU64,
    read: AtomicU64,
    write_pc: AtomicU32,
    read_pc: AtomicU32,
}

impl Cell {
    const fn empty() -> Cell {
        Cell {
            write: AtomicU64::new(0),
            read: AtomicU64::new(0),
            write_pc: AtomicU32::new(0),
            read_pc: AtomicU32::new(0),
        }
    }
}

type Page = Box<[Cell; PAGE]>;

/// The shadow of one allocation. A page exists once one of its words was accessed.
#[derive(Debug)]
pub(crate) struct Shadow {
    pages: Box<[OnceLock<Page>]>,
}

/// One of the two entries of a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry(u64);

/// A single thread.
const SINGLE: u64 = 1;
/// Several lanes of one warp; the thread is one of them.
const LANES: u64 = 2;
/// A write: a single strong access. A read: several warps, see [`Entry::groups`].
const SPECIAL: u64 = 3;

/// In the thread field of a [`SPECIAL`] read: several blocks.
const BLOCKS: u64 = 1 << 9;

impl Entry {
    fn new(kind: u64, bytes: u32, stamp: u32, thread: u64, actor: u32) -> Entry {
        let bytes = u64::from(bytes) << 2;
        Entry(kind | bytes | u64::from(stamp) << 6 | thread << 28 | u64::from(actor) << 38)
    }

    fn kind(self) -> u64 {
        self.0 & 3
    }

    fn bytes(self) -> u32 {
        (self.0 >> 2) as u32 & 15
    }

    fn stamp(self) -> u32 {
        (self.0 >> 6) as u32 & super::MAX_STAMP
    }

    fn thread(self) -> u32 {
        (self.0 >> 28) as u32 & 0x3ff
    }

    fn actor(self) -> u32 {
        (self.0 >> 38) as u32
    }

    fn warp(self) -> u32 {
        self.thread() / 32
    }

    /// Of a [`SPECIAL`] read: the eighths of the block whose warps have read.
    fn groups(self) -> u64 {
        self.0 >> 28 & 0xff
    }

    fn is_blocks(self) -> bool {
        self.kind() == SPECIAL && self.0 >> 28 & BLOCKS != 0
    }

    fn with_bytes(self, bytes: u32) -> Entry {
        Entry(self.0 | u64::from(bytes) << 2)
    }

    fn with_kind(self, kind: u64) -> Entry {
        Entry(self.0 & !3 | kind)
    }
}

/// Who accesses, prepared once a warp and completed by the lane.
#[derive(Clone, Copy)]
pub(crate) struct Accessor<'a> {
    clocks: &'a BlockClocks,
    thread: u32,
    stamp: u32,
    strength: Strength,
    pc: u32,
}

impl<'a> Accessor<'a> {
    pub(crate) fn new(clocks: &'a BlockClocks, thread: u32, strength: Strength, pc: u32) -> Self {
        Accessor { clocks, thread, stamp: clocks.stamp(thread / 32), strength, pc }
    }

    /// The same access by another lane of the warp.
    #[inline(always)]
    pub(crate) fn lane(self, lane: usize) -> Accessor<'a> {
        Accessor { thread: self.thread & !31 | lane as u32, ..self }
    }

    #[inline(always)]
    fn warp(self) -> u32 {
        self.thread / 32
    }

    #[inline(always)]
    fn entry(self, kind: u64, bytes: u32) -> Entry {
        Entry::new(kind, bytes, self.stamp, self.thread.into(), self.clocks.actor)
    }

    /// Eighth of the block that warp `warp` belongs to.
    fn group(self, warp: u32) -> u64 {
        1 << (warp as usize / self.clocks.warps().div_ceil(8))
    }

    /// Whether a [`SINGLE`] or [`LANES`] entry happens before this access.
    #[inline(always)]
    fn follows(self, entry: Entry) -> bool {
        if entry.actor() != self.clocks.actor {
            return self.follows_foreign(entry);
        }
        match entry.kind() {
            LANES => self.clocks.warp_ordered(self.warp(), entry.warp(), entry.stamp()),
            _ => self.clocks.ordered(self.thread, entry.thread(), entry.stamp()),
        }
    }

    #[inline]
    fn follows_foreign(self, entry: Entry) -> bool {
        !self.clocks.launch.contains(&entry.actor())
            || self.clocks.foreign_ordered(self.warp(), entry.actor(), entry.warp(), entry.stamp())
    }

    /// Whether every read that a [`SPECIAL`] entry stands for happens before this access, as far
    /// as the entry tells.
    #[cold]
    fn follows_many(self, entry: Entry) -> bool {
        if !self.clocks.launch.contains(&entry.actor()) {
            return true;
        }
        if entry.is_blocks() {
            return self.clocks.knows_blocks(self.warp());
        }
        if entry.actor() == self.clocks.actor {
            return self.unordered_warp(entry).is_none();
        }
        // A warp of the group whose accesses are known here stands for the others.
        (0..32).filter(|it| self.in_groups(entry, *it)).any(|warp| {
            self.clocks.foreign_ordered(self.warp(), entry.actor(), warp, entry.stamp())
        })
    }

    /// A warp of this block, noted in a [`SPECIAL`] read, whose read does not happen before this
    /// access. The accessor's own warp is in there without its lanes: trusted.
    fn unordered_warp(self, entry: Entry) -> Option<u32> {
        (0..self.clocks.warps() as u32)
            .filter(|it| *it != self.warp() && self.in_groups(entry, *it))
            .find(|it| !self.clocks.warp_ordered(self.warp(), *it, entry.stamp()))
    }

    fn in_groups(self, entry: Entry, warp: u32) -> bool {
        entry.groups() & self.group(warp) != 0
    }

    fn party(self, entry: Entry, kind: AccessKind, pc: u32) -> Party {
        let many = entry.kind() == SPECIAL && kind == AccessKind::Load;
        let block = if entry.is_blocks() && many {
            OtherBlock::Several
        } else if entry.actor() == self.clocks.actor {
            OtherBlock::Same
        } else {
            OtherBlock::Index(entry.actor() - self.clocks.launch.start)
        };
        let thread = match block {
            _ if !many => entry.thread(),
            OtherBlock::Several => (entry.thread() & 31) * 32,
            OtherBlock::Same => self.unordered_warp(entry).unwrap_or(0) * 32,
            OtherBlock::Index(_) => {
                entry.groups().trailing_zeros() * self.clocks.warps().div_ceil(8) as u32 * 32
            }
        };
        Party { block, thread, several: many || entry.kind() == LANES, pc, kind }
    }
}

impl Shadow {
    /// For an allocation of `words` words.
    pub(crate) fn new(words: usize) -> Shadow {
        Shadow { pages: (0..words.div_ceil(PAGE)).map(|_| OnceLock::new()).collect() }
    }

    #[inline(always)]
    fn cell(&self, word: usize) -> &Cell {
        let page =
            self.pages[word / PAGE].get_or_init(|| Box::new([const { Cell::empty() }; PAGE]));
        &page[word % PAGE]
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for cell in self.pages.iter().filter_map(OnceLock::get).flat_map(|it| it.iter()) {
            cell.write.store(0, Relaxed);
            cell.read.store(0, Relaxed);
        }
    }

    /// Notes a read of the given bytes of a word; the write that races with it, if any.
    #[inline(always)]
    pub(crate) fn read(&self, word: usize, bytes: u32, by: Accessor<'_>) -> Option<Party> {
        let cell = self.cell(word);
        let write = Entry(cell.write.load(Relaxed));
        if write.0 != 0 && write.bytes() & bytes != 0 {
            let both_strong = write.kind() == SPECIAL && by.strength == Strength::Strong;
            if !both_strong && !by.follows(write) && !own_lanes(write, by) {
                return Some(by.party(write, write_kind(write), cell.write_pc.load(Relaxed)));
            }
        }
        // A strong read is not noted: the atomics that it goes with would seem to race with it.
        if by.strength == Strength::Weak {
            let read = Entry(cell.read.load(Relaxed));
            let mine = by.entry(SINGLE, bytes);
            if read != mine {
                let next = if read.0 == 0 { mine } else { merge_read(read, bytes, by) };
                if next != read {
                    cell.read.store(next.0, Relaxed);
                    cell.read_pc.store(by.pc, Relaxed);
                }
            }
        }
        None
    }

    /// Notes a write of the given bytes of a word; the access that races with it, if any.
    #[inline(always)]
    pub(crate) fn write(&self, word: usize, bytes: u32, by: Accessor<'_>) -> Option<Party> {
        let cell = self.cell(word);
        let write = Entry(cell.write.load(Relaxed));
        let mut mine = match by.strength {
            Strength::Weak => by.entry(SINGLE, bytes),
            Strength::Strong => by.entry(SPECIAL, bytes),
        };
        if write != mine && write.0 != 0 {
            if write.bytes() & bytes != 0 {
                let both_strong = write.kind() == SPECIAL && by.strength == Strength::Strong;
                if !both_strong && !by.follows(write) && !own_lanes(write, by) {
                    return Some(by.party(write, write_kind(write), cell.write_pc.load(Relaxed)));
                }
            }
            mine = merge_write(write, mine, by);
        }
        let read = Entry(cell.read.load(Relaxed));
        if read.0 != 0 {
            if read.bytes() & bytes != 0 && !follows_reads(read, by) {
                return Some(by.party(read, AccessKind::Load, cell.read_pc.load(Relaxed)));
            }
            // Whoever is ordered after this write is ordered after those reads.
            if read.bytes() & !bytes == 0 {
                cell.read.store(0, Relaxed);
            }
        }
        if write != mine {
            cell.write.store(mine.0, Relaxed);
        }
        cell.write_pc.store(by.pc, Relaxed);
        None
    }
}

fn write_kind(entry: Entry) -> AccessKind {
    if entry.kind() == SPECIAL { AccessKind::Atomic } else { AccessKind::Store }
}

/// A [`LANES`] write of this very warp: which lane wrote which byte is not kept, so no verdict.
#[inline(always)]
fn own_lanes(entry: Entry, by: Accessor<'_>) -> bool {
    entry.kind() == LANES && entry.warp() == by.warp() && entry.actor() == by.clocks.actor
}

#[inline(always)]
fn follows_reads(read: Entry, by: Accessor<'_>) -> bool {
    if read.kind() == SPECIAL { by.follows_many(read) } else { by.follows(read) }
}

/// The entry after a read that joins earlier ones. Reads that happen before it need not be kept:
/// who is ordered after this read is ordered after them.
#[inline]
fn merge_read(read: Entry, bytes: u32, by: Accessor<'_>) -> Entry {
    let mine = by.entry(SINGLE, bytes);
    if read.actor() == by.clocks.actor {
        return merge_own_read(read, mine, by);
    }
    if !by.clocks.launch.contains(&read.actor()) {
        return mine;
    }
    if read.is_blocks() {
        return read.with_bytes(bytes);
    }
    if follows_reads(read, by) {
        return mine;
    }
    several_blocks(read, mine, by)
}

fn several_blocks(read: Entry, mine: Entry, by: Accessor<'_>) -> Entry {
    let thread = BLOCKS | u64::from(by.warp());
    Entry::new(SPECIAL, read.bytes() | mine.bytes(), by.stamp, thread, by.clocks.actor)
}

/// As [`merge_read`], when the earlier reads are of the same block.
#[inline]
fn merge_own_read(read: Entry, mine: Entry, by: Accessor<'_>) -> Entry {
    if read.is_blocks() {
        return read.with_bytes(mine.bytes());
    }
    if read.kind() == SPECIAL {
        let group = by.group(by.warp());
        if read.stamp() == by.stamp && read.groups() & group != 0 {
            return read.with_bytes(mine.bytes());
        }
        let own = read.groups() & group == 0
            || by.clocks.warp_ordered(by.warp(), by.warp(), read.stamp());
        return if own && by.unordered_warp(read).is_none() {
            mine
        } else {
            several_warps(read, mine, read.groups(), by)
        };
    }
    if read.warp() != by.warp() {
        return if by.follows(read) {
            mine
        } else {
            several_warps(read, mine, by.group(read.warp()), by)
        };
    }
    if read.thread() == by.thread && read.kind() == SINGLE {
        return if read.stamp() == by.stamp { read.with_bytes(mine.bytes()) } else { mine };
    }
    if by.follows(read) { mine } else { read.with_kind(LANES).with_bytes(mine.bytes()) }
}

fn several_warps(read: Entry, mine: Entry, groups: u64, by: Accessor<'_>) -> Entry {
    let groups = groups | by.group(by.warp());
    let stamp = read.stamp().min(by.stamp);
    Entry::new(SPECIAL, read.bytes() | mine.bytes(), stamp, groups, by.clocks.actor)
}

/// The entry after a write beside (other bytes) or after (ordered) an earlier one.
#[inline]
fn merge_write(write: Entry, mine: Entry, by: Accessor<'_>) -> Entry {
    let beside = write.actor() == by.clocks.actor
        && write.stamp() == by.stamp
        && write.warp() == by.warp()
        && write.kind() != SPECIAL
        && mine.kind() != SPECIAL;
    if !beside || write.bytes() & !mine.bytes() == 0 {
        return mine;
    }
    let kind = if write.kind() == SINGLE && write.thread() == by.thread { SINGLE } else { LANES };
    mine.with_bytes(write.bytes()).with_kind(kind)
}
