//! Bulk copies on their way. PTX ISA, "Data Movement and Conversion Instructions: Asynchronous
//! copy", its completion mechanisms.
//!
//! Bytes for shared memory land when somebody waits for the phase of the `mbarrier` that counts
//! them, and nothing but their arrival is missing. Bytes for global memory are read from shared
//! memory, and written, when their thread waits for their group. Both are as late as the machine
//! may be; what touches the shared bytes before is reported.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::cluster::{Reach, Thread};
use super::memory::Checked;
use super::race::Party;
use super::registers::Lanes;
use super::report::{AccessKind, Fault, Space, Touch, Violation};
use super::warp::{Cx, actor};

/// Who began a copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) pc: u32,
    pub(crate) thread: Thread,
}

/// Where the bytes of a copy to shared memory come from.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// They have been read.
    Here(Arc<[u8]>),
    /// Shared memory of a block of the cluster, which is read when they land.
    Block {
        rank: u32,
        from: u64,
        bytes: u32,
        /// Number of the entry among those that read that shared memory.
        reading: u64,
    },
}

impl Data {
    fn bytes(&self) -> u32 {
        match self {
            Data::Here(data) => data.len() as u32,
            Data::Block { bytes, .. } => *bytes,
        }
    }
}

/// Bytes for shared memory.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Addresses and lengths of the pieces of `data`.
    pub(crate) pieces: Vec<(u64, u32)>,
    pub(crate) data: Data,
}

/// Copies to shared memory that have not landed, by the `mbarrier` that counts their bytes.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    by_barrier: BTreeMap<u64, VecDeque<(Load, Origin)>>,
    /// Who last told each `mbarrier` to expect bytes.
    expecting: BTreeMap<u64, Origin>,
}

impl Loads {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.by_barrier.clear();
        self.expecting.clear();
    }

    /// Who told which `mbarrier`s to expect bytes, in order of addresses.
    pub(crate) fn expecting(&self) -> impl Iterator<Item = (u64, Origin)> {
        self.expecting.iter().map(|(address, origin)| (*address, *origin))
    }

    fn pop(&mut self, barrier: u64) -> Option<(Load, Origin)> {
        self.by_barrier.get_mut(&barrier)?.pop_front()
    }

    /// A copy that nobody has waited for, and where its bytes go.
    pub(crate) fn left(&self) -> Option<(Origin, Touch)> {
        let (load, origin) = self.by_barrier.values().flatten().next()?;
        let (address, _) = *load.pieces.first()?;
        Some((*origin, touch(AccessKind::AsyncCopy, address, load.data.bytes())))
    }

    /// A copy that has not read its bytes in the shared memory of the block with that rank.
    pub(crate) fn reading_of(&self, rank: u32) -> Option<(Origin, Touch)> {
        self.by_barrier.values().flatten().find_map(|(load, origin)| match load.data {
            Data::Block { rank: of, from, bytes, .. } if of == rank => {
                Some((*origin, touch(AccessKind::Load, from, bytes)))
            }
            Data::Block { .. } | Data::Here(_) => None,
        })
    }
}

/// `new = f(old, operand)` on each element of some bytes.
#[derive(Clone, Copy)]
pub(crate) struct Combine {
    pub(crate) f: fn(u64, u64) -> u64,
    pub(crate) bytes: u32,
}

/// A run of bytes from shared to global memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) bytes: u32,
}

/// A copy to global memory.
pub(crate) struct Store {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) combine: Option<Combine>,
    pub(crate) pc: u32,
    group: u32,
    /// The bytes, once they have been read.
    data: Option<Vec<u8>>,
    /// Number of the entry among those that read shared memory.
    reading: u64,
}

#[derive(Default)]
struct Queue {
    stores: VecDeque<Store>,
    /// Number of the group that is open.
    group: u32,
}

/// The copies of a warp to global memory.
#[derive(Default)]
pub(crate) struct Stores {
    lanes: Vec<Queue>,
}

impl Stores {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.lanes.clear();
    }

    fn lane(&mut self, lane: usize) -> &mut Queue {
        if self.lanes.is_empty() {
            self.lanes.resize_with(32, Queue::default);
        }
        &mut self.lanes[lane]
    }

    /// Closes the open group.
    pub(crate) fn commit(&mut self, mask: u32) {
        for lane in Lanes(mask) {
            self.lane(lane).group += 1;
        }
    }

    /// How many of a lane's copies must be complete when at most `pending` groups are under way.
    fn due(&self, lane: usize, pending: Option<u32>) -> usize {
        let Some(queue) = self.lanes.get(lane) else { return 0 };
        let late = |it: &&Store| pending.is_none_or(|pending| it.group + pending < queue.group);
        queue.stores.iter().take_while(late).count()
    }

    /// The lanes that have copies.
    pub(crate) fn busy(&self) -> u32 {
        let lanes = self.lanes.iter().enumerate().filter(|it| !it.1.stores.is_empty());
        lanes.fold(0, |mask, (lane, _)| mask | 1 << lane)
    }

    /// A copy of a lane that has not read its bytes.
    pub(crate) fn unread(&self, lane: usize) -> Option<(u32, Touch)> {
        let stores = &self.lanes.get(lane)?.stores;
        let store = stores.iter().find(|it| it.data.is_none())?;
        let (first, bytes) = (store.pieces.first()?, store.pieces.iter().map(|it| it.bytes).sum());
        Some((store.pc, touch(AccessKind::Load, first.from, bytes)))
    }
}

fn touch(kind: AccessKind, address: u64, bytes: u32) -> Touch {
    Touch { kind, space: Space::Shared, address, bytes }
}

impl Cx<'_> {
    /// A lane as the one that begins a copy.
    pub(crate) fn origin(&self, lane: usize) -> Origin {
        let thread = Thread::new(self.block.rank, self.warp * 32 + lane as u32);
        Origin { pc: self.pc, thread }
    }

    /// Begins a copy to the shared memory of the block with that rank, whose bytes `barrier`
    /// counts there.
    pub(crate) fn begin_load(
        &mut self,
        lane: usize,
        (rank, barrier): (u32, u64),
        load: Load,
    ) -> Checked {
        self.check_made(lane, (rank, barrier))?;
        let (origin, checked) = (self.origin(lane), self.launch.checked);
        let (first, bytes) = load.pieces.first().copied().unwrap_or((barrier, 8));
        let whole = touch(AccessKind::AsyncCopy, first, bytes);
        let reach = Reach { lane, touch: whole, published: false };
        self.in_block(rank, reach, |block, by| {
            for (address, bytes) in &load.pieces {
                let piece = touch(AccessKind::AsyncCopy, *address, *bytes);
                if let Some(copy) = block.pending.of(piece.kind, piece.address, piece.bytes) {
                    return Err(Violation::boxed(lane, Fault::MissingWait { touch: piece, copy }));
                }
                block.shared.note(by, lane, (*address, *bytes as usize), piece.kind)?;
                if checked {
                    block.pending.mark(*address, *bytes, Some(origin));
                }
                if let Some(unfenced) = &mut block.unfenced {
                    unfenced.forget(*address, *bytes);
                }
            }
            block.loads.by_barrier.entry(barrier).or_default().push_back((load, origin));
            Ok(())
        })?;
        // Whoever sees the phase complete is ordered after the bytes.
        self.mbarrier_released((rank, barrier));
        Ok(())
    }

    /// A lane has told `barrier`, in the block with that rank, to expect bytes.
    pub(crate) fn note_expectation(&mut self, lane: usize, (rank, barrier): (u32, u64)) {
        let origin = self.origin(lane);
        if let Some(block) = self.block.of_rank(rank) {
            block.loads.expecting.insert(barrier, origin);
        }
    }

    /// Lets copies land, in order, as long as `barrier` waits for nothing but bytes.
    pub(crate) fn land_loads(&mut self, lane: usize, barrier: u64) -> Checked {
        while self.block.mbarriers.get(&barrier).is_some_and(|it| it.awaits_bytes())
            && let Some((load, _)) = self.block.loads.pop(barrier)
        {
            self.block.activity = self.block.activity.wrapping_add(1);
            let data = self.landing(&load.data);
            let mut rest = &data[..];
            for (address, bytes) in &load.pieces {
                let piece;
                (piece, rest) = rest.split_at(*bytes as usize);
                self.block.shared.poke(*address, piece);
                if self.launch.checked {
                    self.block.pending.mark(*address, *bytes, None);
                }
            }
            let Some(object) = self.block.mbarriers.get_mut(&barrier) else { continue };
            object.complete_bytes(data.len() as u32).map_err(|problem| {
                let fault = Fault::Mbarrier { address: barrier, peer: None, problem };
                Violation::boxed(lane, fault)
            })?;
        }
        Ok(())
    }

    /// The bytes of a copy that lands.
    fn landing(&mut self, data: &Data) -> Arc<[u8]> {
        match data {
            Data::Here(data) => Arc::clone(data),
            Data::Block { rank, from, bytes, reading } => {
                let Some(block) = self.block.of_rank(*rank) else {
                    unreachable!("a copy comes from a block of the cluster");
                };
                block.pending.end_reading(*reading);
                block.shared.peek(*from, *bytes as usize).into()
            }
        }
    }

    /// Begins a copy to global memory.
    pub(crate) fn begin_store(
        &mut self,
        lane: usize,
        pieces: Vec<Piece>,
        combine: Option<Combine>,
    ) -> Checked {
        for Piece { from, bytes, .. } in &pieces {
            self.check_async_read(lane, *from, *bytes)?;
        }
        let runs = pieces.iter().map(|it| (it.from, it.bytes));
        let reading = self.begin_reading(lane, runs);
        let queue = self.memory.stores.lane(lane);
        let (pc, group) = (self.pc, queue.group);
        queue.stores.push_back(Store { pieces, combine, pc, group, data: None, reading });
        Ok(())
    }

    /// Whether the asynchronous units may read the bytes: they are there, written by somebody
    /// before, and what threads stored has passed a fence.
    pub(crate) fn check_async_read(&mut self, lane: usize, address: u64, bytes: u32) -> Checked {
        let touch = touch(AccessKind::Load, address, bytes);
        self.check_in_flight(lane, touch)?;
        self.block.shared.note(actor!(self), lane, (address, bytes as usize), touch.kind)?;
        let unfenced = self.block.unfenced.as_ref();
        match unfenced.and_then(|it| it.find(address, bytes)) {
            Some(writer) => Err(Violation::boxed(lane, Fault::MissingProxyFence { touch, writer })),
            None => Ok(()),
        }
    }

    /// Checks one run of bytes against the copies that are under way.
    fn check_in_flight(&self, lane: usize, touch: Touch) -> Checked {
        let found = self.block.pending.of(touch.kind, touch.address, touch.bytes);
        match found {
            Some(copy) => Err(Violation::boxed(lane, Fault::MissingWait { touch, copy })),
            None => Ok(()),
        }
    }

    /// Notes that bytes are read until [`Pending::end_reading`](super::asynchrony::Pending).
    pub(crate) fn begin_reading(
        &mut self,
        lane: usize,
        runs: impl Iterator<Item = (u64, u32)>,
    ) -> u64 {
        if !self.launch.checked {
            return 0;
        }
        let origin = self.origin(lane);
        self.block.pending.begin_reading(origin, runs)
    }

    /// Completes the copies for which the lanes of `mask` wait, or only reads their bytes.
    pub(crate) fn land_stores(&mut self, mask: u32, pending: Option<u32>, read: bool) -> Checked {
        for lane in Lanes(mask) {
            let due = self.memory.stores.due(lane, pending);
            for index in 0..due {
                self.read_store(lane, index);
            }
            if read {
                continue;
            }
            for _ in 0..due {
                let Some(store) = self.memory.stores.lane(lane).stores.pop_front() else { break };
                self.write_store(lane, &store)?;
            }
        }
        Ok(())
    }

    /// Reads the bytes of a copy.
    fn read_store(&mut self, lane: usize, index: usize) {
        let store = &mut self.memory.stores.lane(lane).stores[index];
        if store.data.is_none() {
            let pieces = store.pieces.iter();
            let bytes = pieces.flat_map(|it| self.block.shared.peek(it.from, it.bytes as usize));
            store.data = Some(bytes.copied().collect());
            self.block.pending.end_reading(store.reading);
        }
    }

    fn write_store(&mut self, lane: usize, store: &Store) -> Checked {
        let mut data = store.data.as_deref().unwrap_or_default();
        for piece in &store.pieces {
            let (bytes, rest) = data.split_at(piece.bytes as usize);
            data = rest;
            let by = super::race::Actor { pc: store.pc, ..actor!(self) };
            let (global, cache) = (&self.launch.global, &mut self.memory.cache);
            match store.combine {
                None => global.write_bytes(cache, by, lane, piece.to, bytes)?,
                Some(combine) => {
                    let width = combine.bytes as usize;
                    for (at, element) in bytes.chunks_exact(width).enumerate() {
                        let mut addresses = [0; 32];
                        addresses[lane] = piece.to + (at * width) as u64;
                        let operand = element.iter().rev().fold(0, |x, it| x << 8 | u64::from(*it));
                        let change = |_: usize, old| (combine.f)(old, operand);
                        let out = (&mut [0; 32], change);
                        global.atomic(cache, by, combine.bytes, &addresses, 1 << lane, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Completes everything when the warp has ended: nothing may still read shared memory then.
    pub(crate) fn end_stores(&mut self) -> Result<(), (u32, Box<Violation>)> {
        let busy = self.memory.stores.busy();
        for lane in Lanes(busy) {
            if self.launch.checked
                && let Some((pc, touch)) = self.memory.stores.unread(lane)
            {
                let fault: Fault<Party> = Fault::UnfinishedCopy { touch };
                return Err((pc, Violation::boxed(lane, fault)));
            }
        }
        self.land_stores(busy, None, false).map_err(|violation| (self.pc, violation))
    }
}
