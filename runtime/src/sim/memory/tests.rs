//! Accesses of whole warps to global and shared memory, with every check.

use std::sync::Arc;

use super::*;
use crate::sim::race::{Actor, BlockClocks, LaunchSync, OtherBlock};
use crate::sim::report::{Fault, FaultKind};

const ALL: u32 = u32::MAX;
const WORD: Access = Access::scalar(4);
const NOBODY: Actor<'static> = Actor { clocks: None, warp: 0, pc: 0 };

fn lanes(f: impl Fn(u64) -> u64) -> Lanes {
    std::array::from_fn(|lane| f(lane as u64))
}

fn kind(result: Checked) -> Option<FaultKind> {
    result.err().map(|it| it.fault.kind())
}

/// A launch of `blocks` blocks of `warps` warps on one buffer of `bytes` zeros.
struct Bench {
    memory: Memory,
    address: u64,
    launch: LaunchSync,
    blocks: Vec<BlockClocks>,
}

impl Bench {
    fn new(bytes: u64, blocks: u32, warps: u32) -> Bench {
        let memory = Memory::new(true);
        let address = memory.alloc(bytes);
        memory.fill(address, 0, bytes).expect("in bounds");
        let launch = memory.begin_launch(blocks);
        let blocks = (0..blocks).map(|it| BlockClocks::new(&launch, it, warps)).collect();
        Bench { memory, address, launch, blocks }
    }

    fn actor(&self, block: usize, warp: u32, pc: u32) -> Actor<'_> {
        Actor { clocks: Some(&self.blocks[block]), warp, pc }
    }

    /// Lane `l` accesses word `f(l)`.
    fn addresses(&self, f: impl Fn(u64) -> u64) -> Lanes {
        lanes(|lane| self.address + 4 * f(lane))
    }

    fn load(&self, by: (usize, u32), mask: u32, f: impl Fn(u64) -> u64) -> Checked {
        let (view, addresses) = (self.memory.view(), self.addresses(f));
        let actor = self.actor(by.0, by.1, 10);
        view.load(&mut Cache::default(), actor, WORD, &addresses, mask, &mut [[0; 32]])
    }

    fn store(&self, by: (usize, u32), mask: u32, f: impl Fn(u64) -> u64) -> Checked {
        let (view, addresses) = (self.memory.view(), self.addresses(f));
        let actor = self.actor(by.0, by.1, 20);
        view.store(&mut Cache::default(), actor, WORD, &addresses, mask, &[lanes(|it| it)])
    }

    fn add(&self, by: (usize, u32), mask: u32, f: impl Fn(u64) -> u64) -> Checked {
        let (view, addresses) = (self.memory.view(), self.addresses(f));
        let (actor, mut out) = (self.actor(by.0, by.1, 30), [0; 32]);
        let op = |_, old| old + 1;
        view.atomic(&mut Cache::default(), actor, 4, &addresses, mask, (&mut out, op))
    }
}

#[test]
fn every_width_and_vector_comes_back() {
    let memory = Memory::new(true);
    let address = memory.alloc(4096);
    let view = memory.view();
    let cache = &mut Cache::default();
    for width in [1, 2, 4, 8] {
        for count in [1, 2, 4] {
            let access = Access::vector(width, count);
            let mask = u64::MAX >> (64 - 8 * width);
            for stride in [1, 3] {
                let addresses = lanes(|it| address + it * stride * u64::from(access.bytes()));
                let rows: Vec<Lanes> = (0..u64::from(count))
                    .map(|k| lanes(|it| (it * 0x0123_4567_89ab_cdef + k * 77) & mask))
                    .collect();
                view.store(cache, NOBODY, access, &addresses, ALL, &rows).expect("fine");
                let mut out = vec![[0; 32]; count as usize];
                view.load(cache, NOBODY, access, &addresses, ALL, &mut out).expect("fine");
                assert_eq!(out, rows, "{width} {count} {stride}");
                let mut shared = SharedMemory::new(Arc::new([]), true);
                shared.begin_block(4096);
                let near = lanes(|it| it * stride * u64::from(access.bytes()));
                shared.store(NOBODY, access, &near, ALL, &rows).expect("fine");
                let mut out = vec![[0; 32]; count as usize];
                shared.load(NOBODY, access, &near, ALL, &mut out).expect("fine");
                assert_eq!(out, rows, "shared {width} {count} {stride}");
            }
        }
    }
}

#[test]
fn byte_stores_leave_their_neighbours() {
    let memory = Memory::new(true);
    let address = memory.alloc(128);
    memory.fill(address, 0xee, 128).expect("in bounds");
    let (view, cache) = (memory.view(), &mut Cache::default());
    let addresses = lanes(|it| address + 1 + it);
    let values = [lanes(|it| it)];
    view.store(cache, NOBODY, Access::scalar(1), &addresses, 0x7fff_fffe, &values).expect("fine");
    let mut back = [0; 36];
    memory.read(address, &mut back).expect("in bounds");
    assert_eq!(back[..4], [0xee, 0xee, 1, 2]);
    assert_eq!(back[30..34], [29, 30, 0xee, 0xee]);
}

#[test]
fn a_warp_may_span_allocations_and_idle_lanes_anything() {
    let memory = Memory::new(true);
    let (a, b) = (memory.alloc(64), memory.alloc(64));
    let (view, cache) = (memory.view(), &mut Cache::default());
    let addresses = lanes(|it| match it {
        0..16 => a + 4 * it,
        16..31 => b + 4 * (it - 16),
        _ => 3,
    });
    let mask = ALL >> 1;
    view.store(cache, NOBODY, WORD, &addresses, mask, &[lanes(|it| it + 1)]).expect("fine");
    let mut out = [[0; 32]];
    view.load(cache, NOBODY, WORD, &addresses, mask, &mut out).expect("fine");
    assert_eq!(out[0][..31], lanes(|it| it + 1)[..31]);
}

#[test]
fn wrong_addresses_are_named() {
    let memory = Memory::new(true);
    let (first, second) = (memory.alloc(100), memory.alloc(64));
    memory.fill(first, 0, 100).expect("in bounds");
    let constant = memory.alloc_variable(8, "table", true);
    let gone = memory.alloc(64);
    memory.free(gone).expect("live");
    let (view, cache) = (memory.view(), &mut Cache::default());
    let mut load = |access: Access, address: u64| {
        let addresses = lanes(|it| if it == 5 { address } else { first });
        let mut out = [[0; 32]; 4];
        let found = view.load(cache, NOBODY, access, &addresses, ALL, &mut out);
        let found = found.expect_err("wrong");
        assert_eq!(found.lane, 5);
        found.fault
    };
    let nearest = |fault: Fault<_>| fault.region().map(|it| it.name.clone());
    assert_eq!(nearest(load(WORD, first + 100)).as_deref(), Some("buffer #1"));
    assert_eq!(nearest(load(WORD, second - 8)).as_deref(), Some("buffer #2"));
    assert_eq!(load(WORD, 0).kind(), FaultKind::OutOfBounds);
    assert_eq!(load(WORD, u64::MAX - 3).kind(), FaultKind::OutOfBounds);
    assert_eq!(load(Access::vector(4, 4), first + 96).kind(), FaultKind::OutOfBounds);
    assert_eq!(load(Access::vector(4, 2), first + 4).kind(), FaultKind::Misaligned);
    assert_eq!(load(WORD, second).kind(), FaultKind::Uninitialised);
    let freed = load(WORD, gone + 8);
    assert_eq!(freed.kind(), FaultKind::UseAfterFree);
    assert_eq!(nearest(freed).as_deref(), Some("buffer #4"));
    let addresses = [constant; 32];
    let store = view.store(cache, NOBODY, WORD, &addresses, 1, &[[0; 32]]);
    assert_eq!(kind(store), Some(FaultKind::ReadOnly));
}

#[test]
fn atomics_of_many_host_threads_lose_nothing() {
    let memory = Memory::new(false);
    let address = memory.alloc(16);
    memory.fill(address, 0, 16).expect("in bounds");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (view, cache) = (memory.view(), &mut Cache::default());
                for (width, offset) in [(8, 0), (4, 8), (2, 12), (2, 14)] {
                    for _ in 0..100 {
                        let addresses = [address + offset; 32];
                        let add = (&mut [0; 32], |_, old: u64| old + 1);
                        view.atomic(cache, NOBODY, width, &addresses, ALL, add).expect("fine");
                    }
                }
            });
        }
    });
    let mut back = [0; 16];
    memory.read(address, &mut back).expect("in bounds");
    let total = 4 * 100 * 32u64;
    assert_eq!(u64::from_le_bytes(back[..8].try_into().expect("eight")), total);
    assert_eq!(back[8..12], (total as u32).to_le_bytes());
    assert_eq!(back[12..14], (total as u16).to_le_bytes());
    assert_eq!(back[14..16], (total as u16).to_le_bytes());
}

#[test]
fn threads_with_their_own_words_do_not_race() {
    let bench = Bench::new(4096, 2, 2);
    for (block, warp) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let first = (block as u64 * 2 + u64::from(warp)) * 32;
        for _ in 0..2 {
            assert_eq!(bench.store((block, warp), ALL, |it| first + it), Ok(()));
            assert_eq!(bench.load((block, warp), ALL, |it| first + it), Ok(()));
        }
    }
}

#[test]
fn unordered_warps_race_and_a_barrier_orders_them() {
    let mut bench = Bench::new(4096, 1, 2);
    bench.store((0, 0), ALL, |it| it).expect("fine");
    let found = bench.load((0, 1), ALL, |it| 31 - it).expect_err("a race");
    let Fault::Race { other, .. } = found.fault else { panic!("{found:?}") };
    assert_eq!((other.block, other.thread, other.pc), (OtherBlock::Same, 31, 20));
    bench.blocks[0].barrier_all();
    assert_eq!(bench.load((0, 1), ALL, |it| 31 - it), Ok(()));
    // Reading, then writing: the other order of the same mistake.
    assert_eq!(kind(bench.store((0, 0), ALL, |it| it)), Some(FaultKind::Race));
    bench.blocks[0].barrier_all();
    assert_eq!(bench.store((0, 0), ALL, |it| it), Ok(()));
}

#[test]
fn lanes_of_a_warp_race_until_they_synchronise() {
    let mut bench = Bench::new(4096, 1, 1);
    bench.store((0, 0), ALL, |it| it).expect("fine");
    assert_eq!(kind(bench.load((0, 0), ALL, |it| it ^ 1)), Some(FaultKind::Race));
    bench.blocks[0].warp_sync(0, ALL, ALL);
    assert_eq!(bench.load((0, 0), ALL, |it| it ^ 1), Ok(()));
    // Lane 0 writes what lane 1 has read.
    assert_eq!(kind(bench.store((0, 0), 1, |it| it)), Some(FaultKind::Race));
    bench.blocks[0].warp_sync(0, 0b11, ALL);
    assert_eq!(bench.store((0, 0), 1, |it| it), Ok(()));
    assert_eq!(kind(bench.store((0, 0), 4, |it| it)), Some(FaultKind::Race));
}

#[test]
fn broadcast_reads_are_remembered_for_the_writer() {
    for readers in [1, 3] {
        let mut bench = Bench::new(4096, 1, 4);
        for warp in 0..readers {
            bench.load((0, warp), ALL, |_| 7).expect("reads do not race");
        }
        assert_eq!(kind(bench.store((0, 3), 1, |_| 7)), Some(FaultKind::Race));
        // The readers and the writer meet; the fourth warp never read, so it need not come.
        bench.blocks[0].barrier_join(((1 << readers) - 1) | 0b1000);
        assert_eq!(bench.store((0, 3), 1, |_| 7), Ok(()), "{readers}");
    }
}

#[test]
fn blocks_race_with_each_other_within_a_launch() {
    let mut bench = Bench::new(4096, 3, 1);
    bench.store((0, 0), 1, |_| 3).expect("fine");
    let found = bench.store((2, 0), 1, |_| 3).expect_err("a race");
    let Fault::Race { other, .. } = found.fault else { panic!("{found:?}") };
    assert_eq!(other.block, OtherBlock::Index(0));
    bench.load((0, 0), 1, |_| 9).expect("fine");
    bench.load((1, 0), 1, |_| 9).expect("fine");
    let found = bench.store((1, 0), 1, |_| 9).expect_err("a race with block 0");
    let Fault::Race { other, .. } = found.fault else { panic!("{found:?}") };
    assert_eq!(other.block, OtherBlock::Several);
    // A later launch is ordered after everything.
    bench.launch = bench.memory.begin_launch(3);
    bench.blocks = (0..3).map(|it| BlockClocks::new(&bench.launch, it, 1)).collect();
    assert_eq!(bench.store((1, 0), 1, |_| 9), Ok(()));
    assert_eq!(bench.store((2, 0), 1, |_| 3), Ok(()));
}

#[test]
fn atomics_do_not_race_with_atomics_only() {
    let bench = Bench::new(4096, 2, 2);
    for by in [(0, 0), (0, 1), (1, 0)] {
        assert_eq!(bench.add(by, ALL, |_| 0), Ok(()));
    }
    assert_eq!(kind(bench.load((1, 1), 1, |_| 0)), Some(FaultKind::Race));
    assert_eq!(kind(bench.store((1, 1), 1, |_| 0)), Some(FaultKind::Race));
    bench.store((0, 0), 1, |_| 5).expect("fine");
    assert_eq!(kind(bench.add((1, 0), 1, |_| 5)), Some(FaultKind::Race));
    // A volatile load is as strong as an atomic.
    let (view, address) = (bench.memory.view(), [bench.address; 32]);
    let mut out = [[0; 32]];
    let by = bench.actor(1, 1, 40);
    assert_eq!(view.load(&mut Cache::default(), by, WORD.strong(), &address, 1, &mut out), Ok(()));
}

/// The last block to arrive reads what all blocks wrote.
#[test]
fn a_counter_with_fences_orders_blocks() {
    for fenced in [true, false] {
        let mut bench = Bench::new(4096, 2, 2);
        let counter = bench.addresses(|_| 100);
        bench.store((0, 1), ALL, |it| it).expect("fine");
        bench.blocks[0].barrier_all();
        if fenced {
            bench.blocks[0].fence(0);
        }
        bench.blocks[0].publish(&bench.launch, 0, &counter, 1);
        bench.add((0, 0), 1, |_| 100).expect("fine");
        bench.blocks[1].fence(0);
        bench.blocks[1].publish(&bench.launch, 0, &counter, 1);
        bench.add((1, 0), 1, |_| 100).expect("fine");
        bench.blocks[1].observe(&bench.launch, 0, &counter, 1);
        bench.blocks[1].fence(0);
        bench.blocks[1].barrier_all();
        let found = kind(bench.load((1, 1), ALL, |it| it));
        assert_eq!(found, (!fenced).then_some(FaultKind::Race));
    }
}

#[test]
fn equal_values_in_one_store_are_no_race() {
    let bench = Bench::new(64, 1, 1);
    let (view, address) = (bench.memory.view(), [bench.address; 32]);
    let store = |values: Lanes, pc| {
        let by = bench.actor(0, 0, pc);
        kind(view.store(&mut Cache::default(), by, WORD, &address, ALL, &[values]))
    };
    assert_eq!(store([7; 32], 1), None);
    assert_eq!(store(lanes(|it| it), 2), Some(FaultKind::Race));
}

/// In-place updates of bytes and halves: each lane reads and writes its own part of a word, in
/// whole rows, in rows that begin within a word, and with some lanes idle.
#[test]
fn neighbouring_bytes_are_not_the_same_location() {
    for width in [1, 2] {
        for (start, mask) in [(0, ALL), (width, ALL), (0, 0xffff_fff7), (width, 0x7fff_0001)] {
            let bench = Bench::new(256, 1, 2);
            let mut shared = Shared::new(2);
            shared
                .memory
                .store(NOBODY, Access::scalar(8), &lanes(|it| 8 * it), ALL, &[[0; 32]])
                .expect("in bounds");
            for warp in [0, 1, 0, 1] {
                let (view, actor) = (bench.memory.view(), bench.actor(0, warp, 1));
                let offsets =
                    lanes(|it| u64::from(width) * (it + 32 * u64::from(warp)) + u64::from(start));
                let addresses = offsets.map(|it| it + bench.address);
                let (cache, access) = (&mut Cache::default(), Access::scalar(width));
                for mask in [mask, ALL] {
                    let mut out = [[0; 32]];
                    let load = view.load(cache, actor, access, &addresses, mask, &mut out);
                    let store = view.store(cache, actor, access, &addresses, mask, &out);
                    assert_eq!((load, store), (Ok(()), Ok(())), "{width} {start} {mask:x}");
                    let by = Actor { clocks: Some(&shared.clocks), warp, pc: 1 };
                    let load = shared.memory.load(by, access, &offsets, mask, &mut out);
                    let store = shared.memory.store(by, access, &offsets, mask, &out);
                    assert_eq!((load, store), (Ok(()), Ok(())), "shared {width} {start} {mask:x}");
                }
            }
        }
    }
}

/// The same with a barrier missing: another warp reads what was written, byte by byte.
#[test]
fn bytes_race_as_words_do() {
    for width in [1, 2] {
        for first in [0, 1] {
            let bench = Bench::new(256, 1, 2);
            let mut shared = Shared::new(2);
            let access = Access::scalar(width);
            let offsets = lanes(|it| u64::from(width) * it);
            let mut run = |warp: u32, store: bool, mask: u32| {
                let (view, actor) = (bench.memory.view(), bench.actor(0, warp, 1));
                let addresses = offsets.map(|it| it + bench.address);
                let (cache, mut out) = (&mut Cache::default(), [[0; 32]]);
                let by = Actor { clocks: Some(&shared.clocks), warp, pc: 1 };
                let (a, b) = if store {
                    let a = view.store(cache, actor, access, &addresses, mask, &out);
                    (a, shared.memory.store(by, access, &offsets, mask, &out))
                } else {
                    let a = view.load(cache, actor, access, &addresses, mask, &mut out);
                    (a, shared.memory.load(by, access, &offsets, mask, &mut out))
                };
                assert_eq!(kind(a), kind(b.clone()));
                kind(b)
            };
            assert_eq!(run(first, true, ALL), None);
            assert_eq!(run(1 - first, false, 1 << 13), Some(FaultKind::Race), "{width}");
            assert_eq!(run(1 - first, true, 1 << 6), Some(FaultKind::Race), "{width}");
        }
    }
}

/// Shared memory: one block after the other on one worker.
struct Shared {
    memory: SharedMemory,
    clocks: BlockClocks,
}

impl Shared {
    fn new(warps: u32) -> Shared {
        let tile = Variable { name: "tile".to_owned(), offset: 0, size: 1024 };
        let mut memory = SharedMemory::new(Arc::new([tile]), true);
        memory.begin_block(1024);
        Shared { memory, clocks: BlockClocks::new(&LaunchSync::new(1..2), 0, warps) }
    }

    fn load(&mut self, warp: u32, mask: u32, f: impl Fn(u64) -> u64) -> Option<FaultKind> {
        let by = Actor { clocks: Some(&self.clocks), warp, pc: 10 };
        kind(self.memory.load(by, WORD, &lanes(|it| 4 * f(it)), mask, &mut [[0; 32]]))
    }

    fn store(&mut self, warp: u32, mask: u32, f: impl Fn(u64) -> u64) -> Option<FaultKind> {
        let by = Actor { clocks: Some(&self.clocks), warp, pc: 20 };
        kind(self.memory.store(by, WORD, &lanes(|it| 4 * f(it)), mask, &[lanes(|it| it)]))
    }
}

#[test]
fn shared_memory_races_until_a_barrier() {
    let mut it = Shared::new(2);
    assert_eq!(it.load(0, 1, |_| 0), Some(FaultKind::Uninitialised));
    assert_eq!(it.store(0, ALL, |lane| lane), None);
    assert_eq!(it.load(1, ALL, |lane| lane), Some(FaultKind::Race));
    it.clocks.barrier_all();
    assert_eq!(it.load(1, ALL, |lane| lane), None);
    assert_eq!(it.load(0, ALL, |lane| lane), None);
    assert_eq!(it.store(0, ALL, |lane| lane), Some(FaultKind::Race));
    it.clocks.barrier_all();
    assert_eq!(it.store(0, ALL, |lane| lane), None);
    assert_eq!(it.store(0, 1, |_| 256), Some(FaultKind::OutOfBounds));
}

/// A reduction in a tree, as every kernel has one.
#[test]
fn a_tree_reduction_needs_each_of_its_barriers() {
    for skipped in [None, Some(3)] {
        let mut it = Shared::new(8);
        let mut found = None;
        (0..8).for_each(|warp| assert_eq!(it.store(warp, ALL, |l| u64::from(warp) * 32 + l), None));
        it.clocks.barrier_all();
        for (step, half) in [128u64, 64, 32, 16, 8, 4, 2, 1].into_iter().enumerate() {
            let warps = half.div_ceil(32) as u32;
            let mask = if half >= 32 { ALL } else { (1 << half) - 1 };
            for warp in 0..warps {
                let first = u64::from(warp) * 32;
                found = found.or(it.load(warp, mask, |lane| first + lane + half));
                found = found.or(it.load(warp, mask, |lane| first + lane));
                found = found.or(it.store(warp, mask, |lane| first + lane));
            }
            if skipped != Some(step) {
                it.clocks.barrier_all();
            }
        }
        assert_eq!(found, skipped.map(|_| FaultKind::Race));
    }
}

/// A producer warp fills a buffer that four consumer warps empty, over two phases of mbarriers.
#[test]
fn mbarriers_order_a_pipeline() {
    const FULL: u64 = 512;
    const EMPTY: u64 = 520;
    for waits in [true, false] {
        let (mut it, mut found) = (Shared::new(6), None);
        for phase in 0..3 {
            if phase > 0 && waits {
                it.clocks.mbarrier_observe(EMPTY, 0);
            }
            found = found.or(it.store(0, ALL, |lane| lane));
            it.clocks.mbarrier_arrive(FULL, 0);
            for warp in 1..5 {
                it.clocks.mbarrier_observe(FULL, warp);
                found = found.or(it.load(warp, ALL, |lane| lane ^ 1));
                it.clocks.mbarrier_arrive(EMPTY, warp);
            }
        }
        assert_eq!(found, (!waits).then_some(FaultKind::Race));
    }
}

#[test]
fn the_next_block_starts_afresh() {
    let mut it = Shared::new(1);
    assert_eq!(it.store(0, ALL, |lane| lane), None);
    it.clocks.barrier_all();
    it.memory.begin_block(1024);
    it.clocks = BlockClocks::new(&LaunchSync::new(1..2), 0, 1);
    assert_eq!(it.load(0, 1, |lane| lane), Some(FaultKind::Uninitialised));
    assert_eq!(it.store(0, ALL, |lane| 31 - lane), None);
}

#[test]
fn asynchronous_copies_land_as_their_thread() {
    let mut it = Shared::new(2);
    let by = Actor { clocks: Some(&it.clocks), warp: 0, pc: 3 };
    assert_eq!(it.memory.write_bytes(by, 5, 16, &[1; 16]), Ok(()));
    assert_eq!(it.load(1, 1, |_| 4), Some(FaultKind::Race));
    it.clocks.barrier_all();
    assert_eq!(it.load(1, 1, |_| 4), None);
    let by = Actor { clocks: Some(&it.clocks), warp: 1, pc: 4 };
    let mut out = [0; 20];
    let found = it.memory.read_bytes(by, 0, 16, &mut out).map_err(|it| it.fault.kind());
    assert_eq!(found, Err(FaultKind::Uninitialised));
    assert_eq!(kind(it.memory.write_bytes(by, 0, 1020, &[0; 8])), Some(FaultKind::OutOfBounds));
}

#[test]
fn generic_addresses_go_to_their_windows() {
    use crate::sim::report::Space;
    for (space, address) in [
        (Space::Global, 0x200_0000_0000),
        (Space::Shared, 0x40),
        (Space::Local, 8),
        (Space::Param, 0),
    ] {
        assert_eq!(resolve(generic(space, address)), (space, address));
    }
}
