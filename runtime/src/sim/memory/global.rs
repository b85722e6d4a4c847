//! Device memory as the host sees it: allocations, and copies in and out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::GlobalView;
use crate::sim::race::global::Shadow;
use crate::sim::race::{LaunchSync, MAX_ACTOR};
use crate::sim::report::Region;

/// Address of the first allocation.
const FIRST: u64 = 0x0000_0200_0000_0000;
/// Alignment of every allocation, that of `cudaMalloc`.
const ALIGN: u64 = 256;
/// Unmapped addresses after each allocation, so that an index that runs away hits nothing.
const GUARD: u64 = 1 << 24;
/// Freed allocations that are remembered by name.
const REMEMBERED: usize = 1 << 16;

/// What the host did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// An address that no live allocation begins at was freed.
    #[error("no allocation begins at {address:#x}")]
    NotAllocated {
        /// The address.
        address: u64,
    },
    /// A copy or fill outside every live allocation.
    #[error("{bytes} bytes at {address:#x} are not all inside one live allocation")]
    OutOfBounds {
        /// First address.
        address: u64,
        /// Bytes.
        bytes: u64,
    },
}

/// Which bytes were written: all, or those whose bit is set.
#[derive(Debug)]
pub(super) struct Initialised {
    all: AtomicBool,
    bits: Box<[AtomicU64]>,
}

impl Initialised {
    fn new(size: u64) -> Initialised {
        let bits = (0..size.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Initialised { all: AtomicBool::new(false), bits }
    }

    /// Calls `f` with each word of the bitmap that `start..start + len` touches, and its bits.
    #[inline(always)]
    fn each(&self, start: usize, len: usize, mut f: impl FnMut(&AtomicU64, u64) -> bool) -> bool {
        let (mut at, end) = (start, start + len);
        while at < end {
            let take = (64 - at % 64).min(end - at);
            let bits = (u64::MAX >> (64 - take)) << (at % 64);
            if !f(&self.bits[at / 64], bits) {
                return false;
            }
            at += take;
        }
        true
    }

    #[inline(always)]
    pub(super) fn is_set(&self, start: usize, len: usize) -> bool {
        self.all.load(Relaxed) || self.each(start, len, |it, bits| it.load(Relaxed) & bits == bits)
    }

    #[inline(always)]
    pub(super) fn set(&self, start: usize, len: usize) {
        if self.all.load(Relaxed) {
            return;
        }
        self.each(start, len, |it, bits| {
            // Most stores hit bytes that are already set: a load is cheaper than a locked or.
            if it.load(Relaxed) & bits != bits {
                it.fetch_or(bits, Relaxed);
            }
            true
        });
    }

    fn set_by_host(&self, start: usize, len: usize, size: u64) {
        if start == 0 && len as u64 == size {
            self.all.store(true, Relaxed);
        }
        self.set(start, len);
    }
}

/// A live allocation. Its words are atomics because blocks on several host threads share them.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) base: u64,
    pub(super) size: u64,
    name: String,
    pub(super) read_only: bool,
    pub(super) words: Box<[AtomicU32]>,
    pub(super) initialised: Option<Initialised>,
    shadow: OnceLock<Shadow>,
}

impl Allocation {
    pub(super) fn region(&self) -> Region {
        Region { name: self.name.clone(), base: self.base, size: self.size }
    }

    pub(super) fn shadow(&self) -> &Shadow {
        self.shadow.get_or_init(|| Shadow::new(self.words.len()))
    }

    pub(super) fn read(&self, offset: usize, out: &mut [u8]) {
        let head = (offset.wrapping_neg() % 4).min(out.len());
        let (start, rest) = out.split_at_mut(head);
        for (k, byte) in start.iter_mut().enumerate() {
            *byte = self.byte(offset + k);
        }
        let first = (offset + head) / 4;
        let mut chunks = rest.chunks_exact_mut(4);
        let mut words = self.words[first.min(self.words.len())..].iter();
        for (chunk, word) in (&mut chunks).zip(&mut words) {
            chunk.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        let done = offset + head + rest.len() / 4 * 4;
        let tail = rest.len() / 4 * 4;
        for (k, byte) in rest[tail..].iter_mut().enumerate() {
            *byte = self.byte(done + k);
        }
    }

    fn byte(&self, offset: usize) -> u8 {
        (self.words[offset / 4].load(Relaxed) >> (offset % 4 * 8)) as u8
    }

    pub(super) fn write(&self, offset: usize, bytes: &[u8]) {
        let head = (offset.wrapping_neg() % 4).min(bytes.len());
        let (start, rest) = bytes.split_at(head);
        for (k, byte) in start.iter().enumerate() {
            self.set_byte(offset + k, *byte);
        }
        let first = (offset + head) / 4;
        let (chunks, tail) = rest.as_chunks::<4>();
        for (chunk, word) in chunks.iter().zip(&self.words[first.min(self.words.len())..]) {
            word.store(u32::from_le_bytes(*chunk), Relaxed);
        }
        for (k, byte) in tail.iter().enumerate() {
            self.set_byte(offset + head + chunks.len() * 4 + k, *byte);
        }
    }

    fn set_byte(&self, offset: usize, byte: u8) {
        let shift = offset % 4 * 8;
        self.replace(offset / 4, 0xff << shift, u32::from(byte) << shift);
    }

    /// Stores the bits of `mask` into a word whose other bits another thread may be storing.
    #[inline(always)]
    pub(super) fn replace(&self, word: usize, mask: u32, value: u32) {
        let word = &self.words[word];
        let mut old = word.load(Relaxed);
        while let Err(found) =
            word.compare_exchange_weak(old, old & !mask | value & mask, Relaxed, Relaxed)
        {
            old = found;
        }
    }
}

#[derive(Debug)]
struct Table {
    next: u64,
    count: u64,
    /// Sorted by address, because addresses are given out upwards and never again.
    live: Arc<Vec<Arc<Allocation>>>,
    freed: VecDeque<Region>,
}

/// The global memory of one device.
#[derive(Debug)]
pub struct Memory {
    checked: bool,
    table: Mutex<Table>,
    next_actor: Mutex<u32>,
    /// Guards eight-byte accesses that must not tear, by address.
    stripes: [Mutex<()>; 64],
}

impl Memory {
    /// An empty memory; `checked` decides whether initialised bytes and races are tracked.
    pub fn new(checked: bool) -> Memory {
        let table = Table { next: FIRST, count: 0, live: Arc::default(), freed: VecDeque::new() };
        Memory {
            checked,
            table: Mutex::new(table),
            next_actor: Mutex::new(1),
            stripes: [const { Mutex::new(()) }; 64],
        }
    }

    /// Whether initialised bytes and races are tracked.
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stripe(&self, address: u64) -> MutexGuard<'_, ()> {
        let stripe = &self.stripes[(address >> 3) as usize % self.stripes.len()];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allocates `bytes` bytes, aligned to 256. They read as zero, but count as uninitialised.
    pub fn alloc(&self, bytes: u64) -> u64 {
        self.insert(bytes, None, false)
    }

    /// Allocates a module's variable, which reports call by `name` ("variable `x`"). A constant
    /// is `read_only`: kernels may not store to it.
    pub fn alloc_variable(&self, bytes: u64, name: &str, read_only: bool) -> u64 {
        self.insert(bytes, Some(name), read_only)
    }

    fn insert(&self, size: u64, name: Option<&str>, read_only: bool) -> u64 {
        let words = (0..size.div_ceil(4)).map(|_| AtomicU32::new(0)).collect();
        let initialised = self.checked.then(|| Initialised::new(size));
        let mut table = self.table();
        let base = table.next;
        table.next = (base + size + GUARD).next_multiple_of(ALIGN);
        table.count += 1;
        let name = match name {
            Some(name) if read_only => format!("constant `{name}`"),
            Some(name) => format!("variable `{name}`"),
            None => format!("buffer #{}", table.count),
        };
        let shadow = OnceLock::new();
        let allocation = Allocation { base, size, name, read_only, words, initialised, shadow };
        Arc::make_mut(&mut table.live).push(Arc::new(allocation));
        base
    }

    /// Frees the allocation that begins at `address`. A launch that runs still sees it.
    ///
    /// # Errors
    /// If no live allocation begins there.
    pub fn free(&self, address: u64) -> Result<(), HostError> {
        let mut table = self.table();
        let found = table.live.binary_search_by_key(&address, |it| it.base);
        let index = found.map_err(|_| HostError::NotAllocated { address })?;
        let region = table.live[index].region();
        Arc::make_mut(&mut table.live).remove(index);
        if table.freed.len() == REMEMBERED {
            table.freed.pop_front();
        }
        // Allocations are freed in any order, but looked up by address.
        let at = table.freed.partition_point(|it| it.base < region.base);
        table.freed.insert(at, region);
        Ok(())
    }

    /// The freed allocation that held `address`.
    pub(super) fn freed(&self, address: u64) -> Option<Region> {
        let table = self.table();
        let at = table.freed.partition_point(|it| it.base <= address).checked_sub(1)?;
        let region = &table.freed[at];
        (address - region.base < region.size.max(1)).then(|| region.clone())
    }

    fn with<R>(
        &self,
        address: u64,
        bytes: usize,
        f: impl FnOnce(&Allocation, usize) -> R,
    ) -> Result<R, HostError> {
        let bytes = bytes as u64;
        let live = self.table().live.clone();
        let at = live.partition_point(|it| it.base <= address).checked_sub(1);
        let inside = |it: &&Arc<Allocation>| {
            address - it.base <= it.size && bytes <= it.size - (address - it.base)
        };
        let found = at.map(|it| &live[it]).filter(inside);
        let allocation = found.ok_or(HostError::OutOfBounds { address, bytes })?;
        Ok(f(allocation, (address - allocation.base) as usize))
    }

    /// Copies from the device to the host.
    ///
    /// # Errors
    /// If the range is not inside one live allocation.
    pub fn read(&self, address: u64, out: &mut [u8]) -> Result<(), HostError> {
        self.with(address, out.len(), |it, offset| it.read(offset, out))
    }

    /// Copies from the host to the device.
    ///
    /// # Errors
    /// If the range is not inside one live allocation.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), HostError> {
        self.with(address, bytes.len(), |it, offset| {
            it.write(offset, bytes);
            if let Some(map) = &it.initialised {
                map.set_by_host(offset, bytes.len(), it.size);
            }
        })
    }

    /// Sets `bytes` bytes to `value`.
    ///
    /// # Errors
    /// If the range is not inside one live allocation.
    pub fn fill(&self, address: u64, value: u8, bytes: u64) -> Result<(), HostError> {
        self.with(address, bytes as usize, |it, offset| {
            let mut block = [0; 4096];
            block.fill(value);
            let mut done = 0;
            while done < bytes as usize {
                let take = block.len().min(bytes as usize - done);
                it.write(offset + done, &block[..take]);
                done += take;
            }
            if let Some(map) = &it.initialised {
                map.set_by_host(offset, bytes as usize, it.size);
            }
        })
    }

    /// Copies inside the device; the ranges may overlap. A byte that was never written stays so.
    ///
    /// # Errors
    /// If one of the ranges is not inside one live allocation.
    pub fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<(), HostError> {
        let len = bytes as usize;
        let mut data = vec![0; len];
        let gaps = self.with(from, len, |it, offset| {
            it.read(offset, &mut data);
            it.initialised
                .as_ref()
                .filter(|map| !map.is_set(offset, len))
                .map(|map| (0..len).map(|byte| map.is_set(offset + byte, 1)).collect::<Vec<bool>>())
        })?;
        self.with(to, len, |it, offset| {
            it.write(offset, &data);
            match (&it.initialised, gaps) {
                (None, _) => {}
                (Some(map), None) => map.set_by_host(offset, len, it.size),
                (Some(map), Some(gaps)) => {
                    let written = gaps.iter().enumerate().filter(|it| *it.1);
                    written.for_each(|(byte, _)| map.set(offset + byte, 1));
                }
            }
        })
    }

    /// The memory as a launch sees it: what is live now.
    pub fn view(&self) -> GlobalView<'_> {
        GlobalView::new(self, self.table().live.clone(), self.checked)
    }

    /// Numbers for the `blocks` blocks of a launch, and the place where they synchronise.
    pub fn begin_launch(&self, blocks: u32) -> LaunchSync {
        let count = blocks.clamp(1, MAX_ACTOR - 1);
        let mut next = self.next_actor.lock().unwrap_or_else(PoisonError::into_inner);
        if *next > MAX_ACTOR - count {
            let live = self.table().live.clone();
            live.iter().filter_map(|it| it.shadow.get()).for_each(Shadow::clear);
            *next = 1;
        }
        let first = *next;
        *next += count;
        LaunchSync::new(first..first + count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_copies_hit_every_alignment() {
        let memory = Memory::new(true);
        let address = memory.alloc(64);
        for start in 0..8 {
            for len in 0..17 {
                memory.fill(address, 0xee, 64).expect("in bounds");
                let data: Vec<u8> = (1..=len).collect();
                memory.write(address + start, &data).expect("in bounds");
                let mut back = [0; 64];
                memory.read(address, &mut back).expect("in bounds");
                let mut want = [0xee; 64];
                want[start as usize..][..data.len()].copy_from_slice(&data);
                assert_eq!(back, want, "{start} {len}");
                let mut part = vec![0; data.len()];
                memory.read(address + start, &mut part).expect("in bounds");
                assert_eq!(part, data);
            }
        }
    }

    #[test]
    fn host_mistakes_are_errors() {
        let memory = Memory::new(true);
        let address = memory.alloc(10);
        assert!(memory.write(address + 8, &[0; 4]).is_err());
        assert!(memory.read(address - 1, &mut [0; 4]).is_err());
        assert_eq!(memory.free(address + 4), Err(HostError::NotAllocated { address: address + 4 }));
        assert_eq!(memory.free(address), Ok(()));
        assert_eq!(memory.free(address), Err(HostError::NotAllocated { address }));
        assert!(memory.write(address, &[0; 4]).is_err());
        assert_eq!(memory.alloc(0) % ALIGN, 0);
    }

    #[test]
    fn copies_keep_what_was_never_written() {
        let memory = Memory::new(true);
        let (a, b) = (memory.alloc(16), memory.alloc(16));
        memory.write(a + 4, &[7; 4]).expect("in bounds");
        memory.copy(b, a, 16).expect("in bounds");
        let of = |start| {
            memory
                .with(b, 16, |it, _| it.initialised.as_ref().is_some_and(|it| it.is_set(start, 4)))
        };
        assert_eq!((of(0), of(4), of(8)), (Ok(false), Ok(true), Ok(false)));
    }

    #[test]
    fn block_numbers_start_again() {
        let memory = Memory::new(true);
        assert_eq!(memory.begin_launch(10).actors(), 1..11);
        assert_eq!(memory.begin_launch(MAX_ACTOR - 20).actors().start, 11);
        assert_eq!(memory.begin_launch(10).actors(), 1..11);
    }
}
