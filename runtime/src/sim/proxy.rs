//! What threads stored to shared memory and the asynchronous units may not see yet. PTX ISA,
//! "Memory Consistency Model: Proxies".
//!
//! A word counts as unfenced from an ordinary store on until a thread that knows of the store
//! executes `fence.proxy.async`. Copies write through the asynchronous proxy itself.

use std::sync::Arc;

use super::asynchrony::party_of;
use super::bulk::Origin;
use super::cluster::Thread;
use super::race::{Actor, BlockClocks, Party};
use super::registers::{Lanes, Row};
use super::report::AccessKind;

/// An unfenced store to a word.
#[derive(Clone, Copy, Debug, Default)]
struct Store {
    /// One more than the instruction; 0 if there is none.
    pc: u32,
    thread: Thread,
    stamp: u32,
}

/// The unfenced words of a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfenced {
    words: Vec<Store>,
    /// The words that have a store, some perhaps no more.
    list: Vec<u32>,
    /// Linear indices of the blocks of the cluster, by rank.
    blocks: Arc<[u32]>,
}

impl Unfenced {
    /// Prepares for a block of a cluster of `blocks`.
    pub(crate) fn clear(&mut self, blocks: &Arc<[u32]>) {
        self.blocks = Arc::clone(blocks);
        self.words.clear();
        self.list.clear();
    }

    /// Notes a store of `bytes` bytes a lane, by a warp of the block with that rank.
    pub(crate) fn note(
        &mut self,
        (addresses, mask): (&Row<u64>, u32),
        bytes: u32,
        (rank, Actor { clocks, warp, pc }): (u32, Actor<'_>),
    ) {
        let stamp = clocks.map_or(0, |it| it.stamp(warp));
        for lane in Lanes(mask) {
            let (first, end) = words(addresses[lane], bytes);
            if self.words.len() < end {
                self.words.resize(end, Store::default());
            }
            let thread = Thread::new(rank, warp * 32 + lane as u32);
            for word in first..end {
                if self.words[word].pc == 0 {
                    self.list.push(word as u32);
                }
                self.words[word] = Store { pc: pc + 1, thread, stamp };
            }
        }
    }

    /// Bytes that a copy writes.
    pub(crate) fn forget(&mut self, address: u64, bytes: u32) {
        let (first, end) = words(address, bytes);
        let end = end.min(self.words.len());
        if first < end {
            self.words[first..end].fill(Store::default());
        }
    }

    /// The lanes of `mask` of a warp of the block with that rank execute `fence.proxy.async`.
    pub(crate) fn fence(
        &mut self,
        rank: u32,
        (warp, mask): (u32, u32),
        clocks: Option<&BlockClocks>,
    ) {
        let words = &mut self.words;
        self.list.retain(|word| {
            let store = &mut words[*word as usize];
            let (by, index) = (store.thread.rank(), store.thread.index());
            let own = by == rank && index / 32 == warp && mask >> (index % 32) & 1 == 1;
            let thread = warp * 32 + mask.trailing_zeros();
            let known = |it: &BlockClocks| match by == rank {
                true => it.ordered(thread, index, store.stamp),
                false => it.mate_ordered(warp, by, index / 32, store.stamp),
            };
            if own || clocks.is_none_or(known) {
                *store = Store::default();
            }
            store.pc != 0
        });
    }

    /// Who stored to these bytes without a fence since.
    pub(crate) fn find(&self, address: u64, bytes: u32) -> Option<Party> {
        let (first, end) = words(address, bytes);
        let found =
            self.words.get(first..end.min(self.words.len()))?.iter().find(|it| it.pc != 0)?;
        let origin = Origin { pc: found.pc - 1, thread: found.thread };
        Some(party_of(&self.blocks, origin, AccessKind::Store))
    }
}

/// First and end of the words that bytes touch.
fn words(address: u64, bytes: u32) -> (usize, usize) {
    ((address / 4) as usize, (address + u64::from(bytes)).div_ceil(4) as usize)
}
