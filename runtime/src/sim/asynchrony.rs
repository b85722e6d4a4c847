//! Background copies: `cp.async`. PTX ISA, "Data Movement and Conversion Instructions:
//! Asynchronous copy".
//!
//! The bytes of a copy land as late as the machine may let them: when its thread waits for its
//! group, or exits. Until then nobody may touch the destination, and whoever does is reported.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bulk::Origin;
use super::cluster::Thread;
use super::memory::{Access, Checked, Lanes as Addresses};
use super::race::{OtherBlock, Party};
use super::registers::Lanes;
use super::report::{AccessKind, Fault, Space, Touch, Violation};
use super::warp::Cx;

/// Bytes on their way to shared memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy {
    pub(crate) to: u64,
    pub(crate) data: [u8; 16],
    pub(crate) bytes: u8,
    /// The instruction that issued it.
    pub(crate) pc: u32,
    group: u32,
}

/// The copies of one thread that have not landed, oldest first.
#[derive(Clone, Debug, Default)]
struct Queue {
    copies: VecDeque<Copy>,
    /// Number of the group that is open.
    group: u32,
}

/// The copies of a warp that have not landed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies {
    lanes: Vec<Queue>,
}

impl Copies {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        for queue in &mut self.lanes {
            queue.copies.clear();
            queue.group = 0;
        }
    }

    fn lane(&mut self, lane: usize) -> &mut Queue {
        if self.lanes.is_empty() {
            self.lanes.resize_with(32, Queue::default);
        }
        &mut self.lanes[lane]
    }

    /// A copy has begun.
    pub(crate) fn issue(&mut self, lane: usize, to: u64, data: &[u8], pc: u32) {
        let queue = self.lane(lane);
        let mut copy = Copy { to, data: [0; 16], bytes: data.len() as u8, pc, group: queue.group };
        copy.data[..data.len()].copy_from_slice(data);
        queue.copies.push_back(copy);
    }

    /// Closes the open group.
    pub(crate) fn commit(&mut self, mask: u32) {
        for lane in Lanes(mask) {
            self.lane(lane).group += 1;
        }
    }

    /// The oldest copy of a lane, if its group must be complete when at most `pending` of the
    /// closed ones are under way; `None` stands for all copies.
    fn land(&mut self, lane: usize, pending: Option<u32>) -> Option<Copy> {
        let queue = self.lanes.get_mut(lane)?;
        let due = |copy: &Copy| match pending {
            Some(pending) => copy.group + pending < queue.group,
            None => true,
        };
        if due(queue.copies.front()?) { queue.copies.pop_front() } else { None }
    }
}

/// Bytes that an asynchronous unit may read until somebody waits for it.
#[derive(Clone, Debug)]
struct Reading {
    number: u64,
    origin: Origin,
    /// First and end of what is read.
    bounds: (u64, u64),
    /// A bit for each 16 bytes from the start of shared memory.
    pieces: Vec<u64>,
}

/// The bytes of a block's shared memory that copies are on their way to, or are read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    /// A word each: who copies, as the issuing instruction and thread; 0 for nobody.
    words: Vec<u64>,
    count: usize,
    reading: Vec<Reading>,
    /// Number of the last entry of `reading`.
    number: u64,
    /// Linear indices of the blocks of the cluster, by rank.
    blocks: Arc<[u32]>,
}

/// The party that a thread of a cluster of `blocks` is.
pub(crate) fn party_of(blocks: &[u32], Origin { pc, thread }: Origin, kind: AccessKind) -> Party {
    let block = match blocks.get(thread.rank() as usize) {
        Some(block) => OtherBlock::Index(*block),
        None => OtherBlock::Same,
    };
    Party { block, thread: thread.index(), several: false, pc, kind }
}

impl Pending {
    /// Prepares for a block of a cluster of `blocks`.
    pub(crate) fn clear(&mut self, blocks: &Arc<[u32]>) {
        self.blocks = Arc::clone(blocks);
        self.reading.clear();
        if self.count != 0 {
            self.words.fill(0);
            self.count = 0;
        }
    }

    /// A copy by `by` is on its way to these bytes; `None`: it has landed.
    pub(crate) fn mark(&mut self, address: u64, bytes: u32, by: Option<Origin>) {
        let by = by.map_or(0, |it| (u64::from(it.pc) + 1) << 16 | u64::from(it.thread.0));
        let end = (address + u64::from(bytes)).div_ceil(4) as usize;
        if self.words.len() < end {
            self.words.resize(end, 0);
        }
        for word in &mut self.words[(address / 4) as usize..end] {
            match (*word, by) {
                (0, 1..) => self.count += 1,
                (1.., 0) => self.count -= 1,
                _ => {}
            }
            *word = by;
        }
    }

    fn find(&self, address: u64, bytes: u32) -> Option<Party> {
        let range = (address / 4) as usize..(address + u64::from(bytes)).div_ceil(4) as usize;
        let words = self.words.get(range.start..range.end.min(self.words.len()))?;
        let found = *words.iter().find(|it| **it != 0)?;
        let (pc, thread) = ((found >> 16) as u32 - 1, Thread(found as u32 & 0xffff));
        Some(party_of(&self.blocks, Origin { pc, thread }, AccessKind::AsyncCopy))
    }

    /// Notes that an asynchronous unit reads `runs`, addresses and lengths, until
    /// [`Self::end_reading`] gets the number.
    pub(crate) fn begin_reading(
        &mut self,
        origin: Origin,
        runs: impl Iterator<Item = (u64, u32)>,
    ) -> u64 {
        let (mut bounds, mut pieces) = ((u64::MAX, 0), Vec::new());
        for (address, bytes) in runs {
            let end = address + u64::from(bytes);
            bounds = (address.min(bounds.0), end.max(bounds.1));
            let words = end.div_ceil(16).div_ceil(64) as usize;
            if pieces.len() < words {
                pieces.resize(words, 0);
            }
            for piece in address / 16..end.div_ceil(16) {
                pieces[piece as usize / 64] |= 1u64 << (piece % 64);
            }
        }
        self.number += 1;
        self.reading.push(Reading { number: self.number, origin, bounds, pieces });
        self.number
    }

    /// The bytes have been read.
    pub(crate) fn end_reading(&mut self, number: u64) {
        self.reading.retain(|it| it.number != number);
    }

    /// Who still reads what is about to be written.
    fn reader(&self, address: u64, bytes: u32) -> Option<Party> {
        let end = address + u64::from(bytes);
        let reads = |it: &&Reading| {
            let bit = |piece: u64| {
                it.pieces.get(piece as usize / 64).is_some_and(|word| word >> (piece % 64) & 1 == 1)
            };
            address < it.bounds.1 && it.bounds.0 < end && (address / 16..end.div_ceil(16)).any(bit)
        };
        let origin = self.reading.iter().find(reads)?.origin;
        Some(party_of(&self.blocks, origin, AccessKind::Load))
    }

    /// What is under way that an access to a run of bytes collides with.
    pub(crate) fn of(&self, kind: AccessKind, address: u64, bytes: u32) -> Option<Party> {
        let copy = if self.count == 0 { None } else { self.find(address, bytes) };
        match kind {
            AccessKind::Load => copy,
            AccessKind::Store | AccessKind::Atomic | AccessKind::AsyncCopy => {
                copy.or_else(|| self.reader(address, bytes))
            }
        }
    }

    /// Checks that no lane touches what a copy is on its way to.
    #[inline(always)]
    pub(crate) fn check(
        &self,
        kind: AccessKind,
        access: Access,
        addresses: &Addresses,
        mask: u32,
    ) -> Checked {
        if self.count == 0 && self.reading.is_empty() {
            return Ok(());
        }
        self.search(kind, access.bytes(), addresses, mask)
    }

    #[cold]
    fn search(&self, kind: AccessKind, bytes: u32, addresses: &Addresses, mask: u32) -> Checked {
        for lane in Lanes(mask) {
            let address = addresses[lane];
            if let Some(copy) = self.of(kind, address, bytes) {
                let touch = Touch { kind, space: Space::Shared, address, bytes };
                let fault = Fault::MissingWait { touch, copy };
                return Err(Box::new(Violation { lane: lane as u32, fault }));
            }
        }
        Ok(())
    }
}

impl Cx<'_> {
    /// Begins a copy to shared memory by `lane`.
    pub(crate) fn begin_copy(&mut self, lane: usize, to: u64, data: &[u8]) {
        self.memory.copies.issue(lane, to, data, self.pc);
        if self.launch.checked {
            let by = self.origin(lane);
            self.block.pending.mark(to, data.len() as u32, Some(by));
        }
    }

    /// Lets the copies land for which the lanes of `mask` wait.
    pub(crate) fn land_copies(&mut self, mask: u32, pending: Option<u32>) -> Checked {
        for lane in Lanes(mask) {
            while let Some(copy) = self.memory.copies.land(lane, pending) {
                if self.launch.checked {
                    self.block.pending.mark(copy.to, copy.bytes.into(), None);
                }
                let data = &copy.data[..copy.bytes.into()];
                let actor = super::race::Actor {
                    clocks: self.block.clocks.as_ref(),
                    warp: self.warp,
                    pc: copy.pc,
                };
                self.block.shared.write_bytes(actor, lane, copy.to, data)?;
            }
        }
        Ok(())
    }
}
