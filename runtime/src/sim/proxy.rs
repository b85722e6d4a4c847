//! What threads stored to shared memory and the asynchronous units may not see yet. PTX ISA,
//! "Memory Consistency Model: Proxies".
//!
//! A word counts as unfenced from an ordinary store on until a thread that knows of the store
//! executes `fence.proxy.async`. Copies write through the asynchronous proxy itself.

use super::asynchrony::party_of;
use super::race::{BlockClocks, Party};
use super::registers::{Lanes, Row};
use super::report::AccessKind;

/// An unfenced store to a word.
#[derive(Clone, Copy, Debug, Default)]
struct Store {
    /// One more than the instruction; 0 if there is none.
    pc: u32,
    thread: u32,
    stamp: u32,
}

/// The unfenced words of a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfenced {
    words: Vec<Store>,
    /// The words that have a store, some perhaps no more.
    list: Vec<u32>,
}

impl Unfenced {
    /// Prepares for a block.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.list.clear();
    }

    /// Notes a store of `bytes` bytes a lane.
    pub(crate) fn note(
        &mut self,
        (addresses, mask): (&Row<u64>, u32),
        bytes: u32,
        (warp, pc, clocks): (u32, u32, Option<&BlockClocks>),
    ) {
        let stamp = clocks.map_or(0, |it| it.stamp(warp));
        for lane in Lanes(mask) {
            let (first, end) = words(addresses[lane], bytes);
            if self.words.len() < end {
                self.words.resize(end, Store::default());
            }
            for word in first..end {
                if self.words[word].pc == 0 {
                    self.list.push(word as u32);
                }
                self.words[word] = Store { pc: pc + 1, thread: warp * 32 + lane as u32, stamp };
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

    /// The lanes of `mask` execute `fence.proxy.async`.
    pub(crate) fn fence(&mut self, warp: u32, mask: u32, clocks: Option<&BlockClocks>) {
        let words = &mut self.words;
        self.list.retain(|word| {
            let store = &mut words[*word as usize];
            let own = store.thread / 32 == warp && mask >> (store.thread % 32) & 1 == 1;
            let thread = warp * 32 + mask.trailing_zeros();
            let known = |it: &BlockClocks| it.ordered(thread, store.thread, store.stamp);
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
        Some(party_of(found.pc - 1, found.thread, AccessKind::Store))
    }
}

/// First and end of the words that bytes touch.
fn words(address: u64, bytes: u32) -> (usize, usize) {
    ((address / 4) as usize, (address + u64::from(bytes)).div_ceil(4) as usize)
}
