//! The shadow of global memory: for each word, the last write and the reads since.
//!
//! Blocks run in parallel, so a cell is made of atomics, each of which says all that one check
//! needs; the instruction indices beside them serve only the report. An entry of an earlier
//! launch is recognised by its block's number, so nothing is ever cleared between launches.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::clock::BlockClocks;
use super::entry::{Entry, Kind};
use super::{OtherBlock, Party, Strength};
use crate::sim::report::AccessKind;

const PAGE: usize = 1024;

/// All bytes of a word.
const WORD: u32 = 15;

/// The shadow of one word.
#[derive(Debug)]
pub(crate) struct Cell {
    write: AtomicU64,
    read: AtomicU64,
    write_pc: AtomicU32,
    read_pc: AtomicU32,
}

/// The shadow of one allocation. A page exists once one of its words was accessed.
#[derive(Debug)]
pub(crate) struct Shadow {
    pages: Box<[OnceLock<Box<[Cell; PAGE]>>]>,
}

impl Shadow {
    /// For an allocation of `words` words.
    pub(crate) fn new(words: usize) -> Shadow {
        Shadow { pages: (0..words.div_ceil(PAGE)).map(|_| OnceLock::new()).collect() }
    }

    #[inline(always)]
    fn page(&self, page: usize) -> &[Cell; PAGE] {
        self.pages[page].get_or_init(|| Box::new([const { Cell::empty() }; PAGE]))
    }

    /// The cell of a word.
    #[inline(always)]
    pub(crate) fn cell(&self, word: usize) -> &Cell {
        &self.page(word / PAGE)[word % PAGE]
    }

    /// The cells of `count` consecutive words, if one page has them.
    #[inline(always)]
    pub(crate) fn row(&self, word: usize, count: usize) -> Option<&[Cell]> {
        self.page(word / PAGE).get(word % PAGE..word % PAGE + count)
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for cell in self.pages.iter().filter_map(OnceLock::get).flat_map(|it| it.iter()) {
            cell.write.store(0, Relaxed);
            cell.read.store(0, Relaxed);
        }
    }
}

/// The warp that accesses, prepared once for all of its lanes.
pub(crate) struct Accessor<'a> {
    clocks: &'a BlockClocks,
    /// Entries below this are of earlier launches, or none.
    first: Entry,
    /// An entry of the warp's first lane, without bytes.
    base: Entry,
    /// Entries of this block up to this stamp are from before the last block-wide barrier.
    floor: u32,
    warp: u32,
    /// Several lanes at once, each with its own bytes of the word.
    mixed: bool,
    strength: Strength,
    pc: u32,
}

impl<'a> Accessor<'a> {
    pub(crate) fn new(clocks: &'a BlockClocks, warp: u32, strength: Strength, pc: u32) -> Self {
        let base = Entry::new(Kind::Single, 0, clocks.stamp(warp), warp * 32, clocks.actor);
        let first = Entry::first_of(clocks.launch.start);
        let floor = clocks.floor();
        Accessor { clocks, first, base, floor, warp, mixed: false, strength, pc }
    }

    /// The same access, made by several lanes for each word that they share without overlap; the
    /// first of them stands for all.
    pub(crate) fn mixed(self) -> Accessor<'a> {
        Accessor { mixed: true, ..self }
    }

    #[inline(always)]
    fn entry(&self, lane: usize, bytes: u32) -> Entry {
        let kind = if self.mixed { Kind::Mixed } else { Kind::Single };
        self.base.of_lane(lane as u32, bytes, kind)
    }

    /// The part of the block that warp `warp` belongs to, as a bit of [`Entry::groups`].
    fn group(&self, warp: u32) -> u32 {
        1 << (warp as usize / self.clocks.warps().div_ceil(8))
    }

    fn is_own_block(&self, entry: Entry) -> bool {
        entry.actor() == self.clocks.actor
    }

    /// Whether an entry is of an earlier launch, of this very thread, or from before the last
    /// block-wide barrier: what nearly every entry is, found without a call.
    #[inline(always)]
    fn is_settled(&self, entry: Entry, lane: usize) -> bool {
        entry < self.first
            || entry.is_same_actor(self.base)
                && (entry.stamp() <= self.floor
                    || entry.is_thread(self.base, lane as u32) && !self.mixed)
    }

    /// Whether a [`Kind::Mixed`] side makes it unclear whose bytes an entry of this warp is.
    fn is_unclear(&self, entry: Entry) -> bool {
        let partial = self.mixed && entry.kind() == Kind::Single && entry.bytes() != WORD;
        (entry.kind() == Kind::Mixed || partial) && entry.is_same_warp(self.base)
    }

    /// Whether everything that an entry stands for happens before this access, as far as the
    /// entry tells.
    fn follows(&self, entry: Entry, lane: usize) -> bool {
        if !self.clocks.launch.contains(&entry.actor()) || self.is_unclear(entry) {
            return true;
        }
        if entry.kind() == Kind::Blocks {
            return self.clocks.knows_blocks(self.warp);
        }
        if !self.is_own_block(entry) {
            return self.follows_foreign(entry);
        }
        let thread = self.warp * 32 + lane as u32;
        match entry.kind() {
            Kind::None | Kind::Blocks => true,
            Kind::Single | Kind::Strong => {
                self.clocks.ordered(thread, entry.thread(), entry.stamp())
            }
            Kind::Lanes | Kind::Mixed => {
                self.clocks.warp_ordered(self.warp, entry.warp(), entry.stamp())
            }
            Kind::Warps => self.unordered_warp(entry).is_none(),
        }
    }

    fn follows_foreign(&self, entry: Entry) -> bool {
        let knows =
            |warp| self.clocks.foreign_ordered(self.warp, entry.actor(), warp, entry.stamp());
        if entry.kind() != Kind::Warps {
            return knows(entry.warp());
        }
        // A warp of the group whose accesses are known here stands for the others.
        (0..32).filter(|it| self.in_groups(entry, *it)).any(knows)
    }

    /// A warp of this block, noted in a [`Kind::Warps`] read, whose read does not happen before
    /// this access. The accessor's own warp is in there without its lanes: trusted.
    fn unordered_warp(&self, entry: Entry) -> Option<u32> {
        (0..self.clocks.warps() as u32)
            .filter(|it| *it != self.warp && self.in_groups(entry, *it))
            .find(|it| !self.clocks.warp_ordered(self.warp, *it, entry.stamp()))
    }

    fn in_groups(&self, entry: Entry, warp: u32) -> bool {
        entry.groups() & self.group(warp) != 0
    }

    fn party(&self, entry: Entry, kind: AccessKind, pc: u32) -> Party {
        let block = if entry.kind() == Kind::Blocks {
            OtherBlock::Several
        } else if self.is_own_block(entry) {
            OtherBlock::Same
        } else {
            OtherBlock::Index(entry.actor() - self.clocks.launch.start)
        };
        let (thread, several) = match entry.kind() {
            Kind::None | Kind::Single | Kind::Strong => (entry.thread(), false),
            Kind::Lanes | Kind::Mixed | Kind::Blocks => (entry.thread(), true),
            Kind::Warps => {
                let own = self.is_own_block(entry).then(|| self.unordered_warp(entry)).flatten();
                let any = || (0..32).find(|it| self.in_groups(entry, *it));
                (own.or_else(any).unwrap_or(0) * 32, true)
            }
        };
        Party { block, thread, several, pc, kind }
    }
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

    /// Notes a read of the given bytes of the word; the write that races with it, if any.
    #[inline(always)]
    pub(crate) fn read(&self, bytes: u32, lane: usize, by: &Accessor<'_>) -> Option<Party> {
        let write = Entry(self.write.load(Relaxed));
        if !by.is_settled(write, lane)
            && let Some(other) = self.check_write(write, bytes, lane, by)
        {
            return Some(other);
        }
        // A strong read is not noted: the atomics that it goes with would seem to race with it.
        if by.strength == Strength::Weak {
            let (read, mine) = (Entry(self.read.load(Relaxed)), by.entry(lane, bytes));
            if !read.has(mine) {
                self.note_read(read, mine, by);
            }
        }
        None
    }

    #[inline(always)]
    fn note_read(&self, read: Entry, mine: Entry, by: &Accessor<'_>) {
        let next = if read < by.first { mine } else { merge_read(read, mine, by) };
        if next != read {
            self.read.store(next.0, Relaxed);
            self.read_pc.store(by.pc, Relaxed);
        }
    }

    /// Notes a write of the given bytes of the word; the access that races with it, if any.
    #[inline(always)]
    pub(crate) fn write(&self, bytes: u32, lane: usize, by: &Accessor<'_>) -> Option<Party> {
        let write = Entry(self.write.load(Relaxed));
        if !by.is_settled(write, lane)
            && let Some(other) = self.check_write(write, bytes, lane, by)
        {
            return Some(other);
        }
        let read = Entry(self.read.load(Relaxed));
        if read >= by.first {
            if !by.is_settled(read, lane)
                && let Some(other) = self.check_reads(read, bytes, lane, by)
            {
                return Some(other);
            }
            // Whoever is ordered after this write is ordered after those reads.
            if read.bytes() & !bytes == 0 {
                self.read.store(0, Relaxed);
            }
        }
        let mine = merge_write(write, by.entry(lane, bytes), by);
        if write != mine {
            self.write.store(mine.0, Relaxed);
            self.write_pc.store(by.pc, Relaxed);
        }
        None
    }

    /// The noted write, if it overlaps the access and is not ordered before it.
    #[inline(never)]
    fn check_write(
        &self,
        write: Entry,
        bytes: u32,
        lane: usize,
        by: &Accessor<'_>,
    ) -> Option<Party> {
        let strong = write.kind() == Kind::Strong;
        let both_strong = strong && by.strength == Strength::Strong;
        if write.bytes() & bytes == 0 || both_strong || by.follows(write, lane) {
            return None;
        }
        let kind = if strong { AccessKind::Atomic } else { AccessKind::Store };
        Some(by.party(write, kind, self.write_pc.load(Relaxed)))
    }

    /// The noted reads, if they overlap the write and are not ordered before it.
    #[inline(never)]
    fn check_reads(
        &self,
        read: Entry,
        bytes: u32,
        lane: usize,
        by: &Accessor<'_>,
    ) -> Option<Party> {
        if read.bytes() & bytes == 0 || by.follows(read, lane) {
            return None;
        }
        Some(by.party(read, AccessKind::Load, self.read_pc.load(Relaxed)))
    }
}

/// The entry after a read that joins earlier ones of the launch. Reads that happen before it need
/// not be kept: who is ordered after this read is ordered after them.
#[inline(never)]
fn merge_read(read: Entry, mine: Entry, by: &Accessor<'_>) -> Entry {
    let common = read.bytes() & mine.bytes();
    if !by.clocks.launch.contains(&read.actor()) || common == 0 && !read.is_same_warp(mine) {
        return mine;
    }
    match read.kind() {
        Kind::None | Kind::Strong => mine,
        // Only the bytes that all of them have read, lest a byte's only reader races with itself.
        Kind::Blocks => read.with(Kind::Blocks, common),
        Kind::Warps if by.is_own_block(read) => {
            let own = by.in_groups(read, by.warp)
                && !by.clocks.warp_ordered(by.warp, by.warp, read.stamp());
            if !own && by.follows(read, mine.lane() as usize) {
                mine
            } else {
                read.join_warps(mine, read.groups() | by.group(by.warp), common)
            }
        }
        Kind::Single | Kind::Lanes | Kind::Mixed if by.is_own_block(read) => {
            if read.is_same_warp(mine) {
                merge_lanes(read, mine, by)
            } else if by.follows(read, mine.lane() as usize) {
                mine
            } else {
                read.join_warps(mine, by.group(read.warp()) | by.group(by.warp), common)
            }
        }
        Kind::Single | Kind::Lanes | Kind::Mixed | Kind::Warps
            if by.follows(read, mine.lane() as usize) =>
        {
            mine
        }
        Kind::Single | Kind::Lanes | Kind::Mixed | Kind::Warps => mine.with(Kind::Blocks, common),
    }
}

/// As [`merge_read`], when the earlier reads are of the same warp.
fn merge_lanes(read: Entry, mine: Entry, by: &Accessor<'_>) -> Entry {
    let all = read.bytes() | mine.bytes();
    if read.is_thread(mine, mine.lane()) && mine.kind() == Kind::Single {
        return if read.stamp() == mine.stamp() { mine.with(Kind::Single, all) } else { mine };
    }
    if by.clocks.warp_ordered(by.warp, by.warp, read.stamp()) {
        return mine;
    }
    let covered = match read.kind() {
        Kind::Single => read.bytes() == mine.bytes() && mine.kind() == Kind::Single,
        Kind::Lanes => mine.bytes() & !read.bytes() == 0,
        Kind::None | Kind::Mixed | Kind::Strong | Kind::Warps | Kind::Blocks => false,
    };
    read.with(if covered { Kind::Lanes } else { Kind::Mixed }, all)
}

/// The entry after a write, beside which the same warp may have written other bytes of the word.
#[inline(always)]
fn merge_write(write: Entry, mine: Entry, by: &Accessor<'_>) -> Entry {
    if by.strength == Strength::Strong {
        return mine.with(Kind::Strong, mine.bytes());
    }
    let beside = write.is_same_warp(mine) && write.stamp() == mine.stamp();
    if !beside || write.bytes() & !mine.bytes() == 0 || write.kind() == Kind::Strong {
        return mine;
    }
    let single = write.is_thread(mine, mine.lane()) && mine.kind() == Kind::Single;
    let kind = if single { Kind::Single } else { Kind::Mixed };
    mine.with(kind, write.bytes() | mine.bytes())
}
