//! Matrix instructions of a warpgroup on their way. PTX ISA, "Asynchronous Warpgroup Level Matrix
//! Instructions".
//!
//! Each warp computes its own 16 rows, and does so when it waits for the group: then the factors
//! in shared memory are read and the sums written. Until then the registers are out of reach.

use std::collections::VecDeque;
use std::sync::Arc;

use super::exec::wgmma::Product;
use super::registers::{Row, Slot};

/// A matrix instruction that has begun.
pub(crate) struct Started {
    pub(crate) product: Arc<Product>,
    /// The left factor: its descriptor, or its registers.
    pub(crate) left: Left,
    /// Descriptor of the right factor.
    pub(crate) right: u64,
    pub(crate) adds: bool,
    /// Number of the entry among those that read shared memory.
    pub(crate) reading: u64,
    group: u32,
}

/// The left factor of an instruction.
#[derive(Clone)]
pub(crate) enum Left {
    Descriptor(u64),
    Registers(Box<[Row<u64>; 4]>),
}

/// The matrix instructions of one warp.
#[derive(Default)]
pub(crate) struct Matrices {
    started: VecDeque<Started>,
    /// Number of the group that is open.
    group: u32,
    /// By row of words: instructions under way that use it.
    in_flight: Vec<u16>,
    /// By row of words: whether anything else has accessed it since the last fence.
    touched: Vec<bool>,
    fenced: bool,
}

impl Matrices {
    /// Prepares for a block, in which a warp has that many words a lane.
    pub(crate) fn begin(&mut self, words: u32) {
        self.started.clear();
        self.group = 0;
        self.in_flight.clear();
        self.touched.clear();
        self.touched.resize(words as usize, false);
        self.in_flight.resize(words as usize, 0);
        self.fenced = false;
    }

    /// Notes an access to registers by another instruction; gives one that is under way.
    pub(crate) fn touch(&mut self, slots: &[Slot]) -> Option<Slot> {
        for slot in slots {
            if self.in_flight[slot.0 as usize] != 0 {
                return Some(*slot);
            }
            self.touched[slot.0 as usize] = true;
        }
        None
    }

    /// `wgmma.fence`.
    pub(crate) fn fence(&mut self) {
        self.touched.fill(false);
        self.fenced = true;
    }

    /// The first of these registers that needs a fence.
    pub(crate) fn unfenced(&self, slots: impl IntoIterator<Item = Slot>) -> Option<Slot> {
        slots.into_iter().find(|slot| !self.fenced || self.touched[slot.0 as usize])
    }

    /// An instruction begins.
    pub(crate) fn start(
        &mut self,
        product: Arc<Product>,
        (left, right): (Left, u64),
        adds: bool,
        reading: u64,
    ) {
        for slot in product.registers() {
            self.in_flight[slot.0 as usize] += 1;
        }
        let group = self.group;
        self.started.push_back(Started { product, left, right, adds, reading, group });
    }

    /// `wgmma.commit_group`.
    pub(crate) fn commit(&mut self) {
        self.group += 1;
    }

    /// The oldest instruction that must be complete when at most `pending` groups are under way.
    pub(crate) fn land(&mut self, pending: u32) -> Option<Started> {
        let due = self.started.front()?.group + pending < self.group;
        let started = if due { self.started.pop_front() } else { None }?;
        for slot in started.product.registers() {
            self.in_flight[slot.0 as usize] -= 1;
        }
        Some(started)
    }
}
