//! The clocks of one block: what each warp knows about every other.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::MAX_STAMP;
use super::sync::{Foreign, LaunchSync, join_foreign};

/// Warps in a block, at most.
pub(crate) const WARPS: usize = 32;

/// A set of stamps, one a warp, and what is known of other blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct VectorClock {
    pub(crate) stamps: [u32; WARPS],
    pub(crate) foreign: Option<Arc<Foreign>>,
}

impl VectorClock {
    fn join(&mut self, other: &VectorClock) {
        for (mine, theirs) in self.stamps.iter_mut().zip(&other.stamps) {
            *mine = (*mine).max(*theirs);
        }
        join_foreign(&mut self.foreign, other.foreign.as_ref());
    }
}

/// For each lane of a warp, the stamps of the other lanes that happen before it.
type LaneClocks = [[u32; 32]; 32];

/// A block of a cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mate {
    /// Linear index in the launch.
    pub(crate) block: u32,
    /// Number among all blocks of all launches.
    pub(crate) actor: u32,
}

/// What the warps of a running block know of each other. Made anew for each block.
#[derive(Clone, Debug)]
pub struct BlockClocks {
    /// Number of this block's run, unique among all launches on the device.
    pub(crate) actor: u32,
    /// Numbers of the launch's blocks.
    pub(crate) launch: std::ops::Range<u32>,
    /// Linear index of the block in its launch.
    block: u32,
    /// The block in its cluster.
    rank: u32,
    /// The blocks of its cluster; none if that is this block alone.
    mates: Arc<[Mate]>,
    warps: usize,
    now: u32,
    /// Accesses up to this stamp happen before everything: set by block-wide barriers.
    floor: u32,
    own: [u32; WARPS],
    seen: Vec<VectorClock>,
    /// Only for warps that have synchronised a part of their lanes.
    lanes: HashMap<usize, Box<LaneClocks>>,
    /// What each warp had seen at its last fence; empty without fences.
    fenced: Vec<Option<VectorClock>>,
    /// What an acquiring fence will take over; empty without synchronisation through memory.
    pending: Vec<VectorClock>,
    named: HashMap<u32, VectorClock>,
    mbarriers: HashMap<u64, VectorClock>,
    published: HashMap<u64, VectorClock>,
}

impl BlockClocks {
    /// The clocks of block `block` (linear index) with `warps` warps.
    pub fn new(launch: &LaunchSync, block: u32, warps: u32) -> BlockClocks {
        let warps = warps as usize;
        BlockClocks {
            actor: launch.actor(block),
            launch: launch.actors(),
            block,
            rank: 0,
            mates: Arc::new([]),
            warps,
            now: 1,
            floor: 0,
            own: [1; WARPS],
            seen: vec![VectorClock::default(); warps],
            lanes: HashMap::new(),
            fenced: vec![None; warps],
            pending: Vec::new(),
            named: HashMap::new(),
            mbarriers: HashMap::new(),
            published: HashMap::new(),
        }
    }

    /// The same block as the one with `rank` in a cluster of several: the blocks with these linear
    /// indices, by rank.
    pub(crate) fn in_cluster(self, launch: &LaunchSync, rank: u32, blocks: &[u32]) -> BlockClocks {
        let mate = |block: &u32| Mate { block: *block, actor: launch.actor(*block) };
        BlockClocks { rank, mates: blocks.iter().map(mate).collect(), ..self }
    }

    /// Linear index of the block in its launch.
    pub fn block(&self) -> u32 {
        self.block
    }

    /// The block in its cluster.
    #[inline(always)]
    pub(crate) fn rank(&self) -> u32 {
        self.rank
    }

    /// Whether there are other blocks in its cluster.
    #[inline(always)]
    pub(crate) fn has_mates(&self) -> bool {
        !self.mates.is_empty()
    }

    /// Linear index of the block of the cluster with that rank.
    pub(crate) fn block_of(&self, rank: u32) -> u32 {
        self.mates.get(rank as usize).map_or(self.block, |it| it.block)
    }

    /// Whether an access of warp `other` of the block with that rank happens before what `warp`
    /// does next.
    #[cold]
    pub(crate) fn mate_ordered(&self, warp: u32, rank: u32, other: u32, stamp: u32) -> bool {
        if rank == self.rank {
            return self.warp_ordered(warp, other, stamp);
        }
        let mate = self.mates.get(rank as usize);
        mate.is_some_and(|it| self.foreign_ordered(warp, it.actor, other, stamp))
    }

    pub(crate) fn warps(&self) -> usize {
        self.warps
    }

    /// The last stamp that the block has used.
    pub(crate) fn now(&self) -> u32 {
        self.now
    }

    /// Accesses up to this stamp happen before whatever any warp does next.
    #[inline(always)]
    pub(crate) fn floor(&self) -> u32 {
        self.floor
    }

    /// The stamp of accesses that `warp` makes.
    #[inline(always)]
    pub(crate) fn stamp(&self, warp: u32) -> u32 {
        self.own[warp as usize & (WARPS - 1)]
    }

    /// Whether an access of warp `other` at `stamp` happens before what `warp` does next.
    ///
    /// For a warp's own lanes: whether all of its lanes have synchronised since.
    #[inline(always)]
    pub(crate) fn warp_ordered(&self, warp: u32, other: u32, stamp: u32) -> bool {
        stamp <= self.floor || stamp <= self.seen[warp as usize].stamps[other as usize]
    }

    /// Whether an access of thread `other` at `stamp` happens before what `thread` does next.
    #[inline(always)]
    pub(crate) fn ordered(&self, thread: u32, other: u32, stamp: u32) -> bool {
        thread == other
            || self.warp_ordered(thread / 32, other / 32, stamp)
            || (thread / 32 == other / 32 && self.lanes_ordered(thread, other, stamp))
    }

    #[cold]
    fn lanes_ordered(&self, thread: u32, other: u32, stamp: u32) -> bool {
        let lanes = self.lanes.get(&(thread as usize / 32));
        lanes.is_some_and(|it| stamp <= it[thread as usize % 32][other as usize % 32])
    }

    /// Whether an access of `actor`'s warp `other` at `stamp` happens before what `warp` does.
    #[cold]
    pub(crate) fn foreign_ordered(&self, warp: u32, actor: u32, other: u32, stamp: u32) -> bool {
        let foreign = self.seen[warp as usize].foreign.as_ref();
        let clock = foreign.and_then(|it| it.of(actor));
        clock.is_some_and(|it| stamp <= it[other as usize & (WARPS - 1)])
    }

    /// Whether `warp` has synchronised with any other block.
    pub(crate) fn knows_blocks(&self, warp: u32) -> bool {
        self.seen[warp as usize].foreign.is_some()
    }

    fn tick(&mut self) -> u32 {
        self.now = (self.now + 1).min(MAX_STAMP);
        self.now
    }

    /// A barrier that every warp of the block has reached and waited at.
    pub fn barrier_all(&mut self) {
        self.floor = self.now;
        let stamp = self.tick();
        self.own[..self.warps].fill(stamp);
        if self.seen.iter().any(|it| it.foreign.is_some()) {
            let mut all = None;
            for clock in &self.seen {
                join_foreign(&mut all, clock.foreign.as_ref());
            }
            self.seen.iter_mut().for_each(|it| it.foreign.clone_from(&all));
        }
        self.share_fences(u32::MAX >> (32 - self.warps));
    }

    /// A barrier gives its participants each other's fences too: kernels fence in every thread,
    /// meet, and let one thread publish.
    fn share_fences(&mut self, warps: u32) {
        let of = |mask: u32, warp: &usize| mask >> warp & 1 == 1;
        let members: Vec<usize> = (0..self.warps).filter(|it| of(warps, it)).collect();
        if members.iter().all(|it| self.fenced[*it].is_none()) {
            return;
        }
        let mut all = VectorClock::default();
        for clock in members.iter().filter_map(|it| self.fenced[*it].as_ref()) {
            all.join(clock);
        }
        for warp in members {
            self.fenced[warp] = Some(all.clone());
        }
    }

    /// A named barrier at which the warps of `mask` have met and waited.
    pub fn barrier_join(&mut self, mask: u32) {
        let mut all = VectorClock::default();
        let members: Vec<u32> = (0..self.warps as u32).filter(|it| mask >> it & 1 == 1).collect();
        for warp in &members {
            self.release(*warp, &mut all);
        }
        for warp in &members {
            self.acquire(*warp, &all);
        }
        self.share_fences(mask);
    }

    /// `warp` arrives at named barrier `id` (as `bar.arrive` does, without waiting).
    pub fn barrier_arrive(&mut self, id: u32, warp: u32) {
        let mut clock = self.named.remove(&id).unwrap_or_default();
        self.release(warp, &mut clock);
        self.named.insert(id, clock);
    }

    /// `warp`, which waited at named barrier `id`, goes on.
    pub fn barrier_leave(&mut self, id: u32, warp: u32) {
        if let Some(clock) = self.named.get(&id).cloned() {
            self.acquire(warp, &clock);
        }
    }

    /// A lane of `warp` arrives on the `mbarrier` at `address` with release semantics.
    pub fn mbarrier_arrive(&mut self, address: u64, warp: u32) {
        let mut clock = self.mbarriers.remove(&address).unwrap_or_default();
        self.release(warp, &mut clock);
        self.mbarriers.insert(address, clock);
    }

    /// A lane of `warp` has seen a phase of the `mbarrier` at `address` complete.
    pub fn mbarrier_observe(&mut self, address: u64, warp: u32) {
        if let Some(clock) = self.mbarriers.get(&address).cloned() {
            self.acquire(warp, &clock);
        }
    }

    /// `bar.warp.sync` of the lanes in `mask`; `live` are the lanes that have not exited.
    pub fn warp_sync(&mut self, warp: u32, mask: u32, live: u32) {
        let index = warp as usize;
        let stamp = self.own[index];
        if mask & live == live {
            self.seen[index].stamps[index] = stamp;
        } else {
            let lanes = self.lanes.entry(index).or_insert_with(|| Box::new([[0; 32]; 32]));
            join_lanes(lanes, mask, stamp);
        }
        self.own[index] = self.tick();
    }

    /// Adds to `clock` all that `warp` did and knows; its later accesses get a new stamp.
    fn release(&mut self, warp: u32, clock: &mut VectorClock) {
        self.snapshot(warp, clock);
        self.own[warp as usize] = self.tick();
    }

    fn snapshot(&self, warp: u32, clock: &mut VectorClock) {
        let seen = &self.seen[warp as usize];
        for (mine, theirs) in clock.stamps.iter_mut().zip(&seen.stamps) {
            *mine = (*mine).max(*theirs).max(self.floor);
        }
        clock.stamps[warp as usize] = self.own[warp as usize];
        join_foreign(&mut clock.foreign, seen.foreign.as_ref());
    }

    fn acquire(&mut self, warp: u32, clock: &VectorClock) {
        self.seen[warp as usize].join(clock);
    }

    /// A fence of `warp` at block scope or wider: `membar`, `fence.sc`, `fence.acq_rel`.
    ///
    /// What the warp read from synchronising locations takes effect, and what it did is ready to
    /// be published. Also a fence of the host, so that a launch without checks calls
    /// [`std::sync::atomic::fence`] itself.
    pub fn fence(&mut self, warp: u32) {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        if let Some(pending) = self.pending.get_mut(warp as usize) {
            let clock = std::mem::take(pending);
            self.acquire(warp, &clock);
        }
        let mut clock = self.fenced[warp as usize].take().unwrap_or_default();
        self.release(warp, &mut clock);
        self.fenced[warp as usize] = Some(clock);
    }

    /// To be called *before* `warp` does an atomic or a strong store on the global `addresses`.
    ///
    /// Does nothing unless the warp has fenced. A `.release` operation fences first.
    pub fn publish(&mut self, launch: &LaunchSync, warp: u32, addresses: &[u64; 32], mask: u32) {
        let Some(clock) = &self.fenced[warp as usize] else { return };
        let mut foreign = clock.foreign.clone();
        join_foreign(&mut foreign, Some(&Arc::new(Foreign::one(self.actor, clock.stamps))));
        for lane in (0..32).filter(|it| mask >> it & 1 == 1) {
            launch.publish(addresses[lane], foreign.as_ref());
        }
    }

    /// To be called *after* `warp` did an atomic or a strong load on the global `addresses`.
    ///
    /// Takes effect at the warp's next fence. An `.acquire` operation fences after it.
    pub fn observe(&mut self, launch: &LaunchSync, warp: u32, addresses: &[u64; 32], mask: u32) {
        if !launch.is_used() {
            return;
        }
        for lane in (0..32).filter(|it| mask >> it & 1 == 1) {
            let Some(found) = launch.observe(addresses[lane]) else { continue };
            let mut clock = VectorClock::default();
            if let Some(stamps) = found.of(self.actor) {
                clock.stamps = *stamps;
            }
            clock.foreign = Some(found);
            self.pend(warp, &clock);
        }
    }

    fn pend(&mut self, warp: u32, clock: &VectorClock) {
        if self.pending.is_empty() {
            self.pending.resize(self.warps, VectorClock::default());
        }
        self.pending[warp as usize].join(clock);
    }

    /// As [`BlockClocks::publish`], for locations in the block's shared memory.
    pub fn publish_shared(&mut self, warp: u32, addresses: &[u64; 32], mask: u32) {
        let Some(clock) = self.fenced[warp as usize].clone() else { return };
        for lane in (0..32).filter(|it| mask >> it & 1 == 1) {
            self.published.entry(addresses[lane]).or_default().join(&clock);
        }
    }

    /// As [`BlockClocks::observe`], for locations in the block's shared memory.
    pub fn observe_shared(&mut self, warp: u32, addresses: &[u64; 32], mask: u32) {
        if self.published.is_empty() {
            return;
        }
        for lane in (0..32).filter(|it| mask >> it & 1 == 1) {
            if let Some(clock) = self.published.get(&addresses[lane]).cloned() {
                self.pend(warp, &clock);
            }
        }
    }
}

/// What the blocks of a cluster tell each other: knowledge leaves a block as [`Foreign`], in which
/// the block itself has an entry too.
impl BlockClocks {
    fn export(&self, clock: &VectorClock) -> Arc<Foreign> {
        let mut all = clock.foreign.clone();
        join_foreign(&mut all, Some(&Arc::new(Foreign::one(self.actor, clock.stamps))));
        all.unwrap_or_default()
    }

    fn import(&self, known: &Arc<Foreign>) -> VectorClock {
        let stamps = known.of(self.actor).copied().unwrap_or_default();
        VectorClock { stamps, foreign: Some(known.clone()) }
    }

    /// All that `warp` did and knows; its later accesses get a new stamp.
    pub(crate) fn give(&mut self, warp: u32) -> Arc<Foreign> {
        let mut clock = VectorClock::default();
        self.release(warp, &mut clock);
        self.export(&clock)
    }

    /// What `warp` knew at its last fence.
    pub(crate) fn give_fenced(&self, warp: u32) -> Option<Arc<Foreign>> {
        self.fenced[warp as usize].as_ref().map(|it| self.export(it))
    }

    /// The stamp of `warp` at its last fence.
    pub(crate) fn fenced_stamp(&self, warp: u32) -> Option<u32> {
        self.fenced[warp as usize].as_ref().map(|it| it.stamps[warp as usize])
    }

    /// `warp` learns what another block gave.
    pub(crate) fn take(&mut self, warp: u32, known: &Arc<Foreign>) {
        let clock = self.import(known);
        self.acquire(warp, &clock);
    }

    /// All warps of the block met, others with them: they share their fences.
    pub(crate) fn meet_fenced(&mut self) {
        self.share_fences(u32::MAX >> (32 - self.warps));
    }

    /// A thread of another block arrives on the `mbarrier` at `address`.
    pub(crate) fn mbarrier_arrive_from(&mut self, address: u64, known: &Arc<Foreign>) {
        let clock = self.import(known);
        self.mbarriers.entry(address).or_default().join(&clock);
    }

    /// As [`BlockClocks::publish_shared`], by a warp of another block.
    pub(crate) fn publish_from(&mut self, addresses: &[u64; 32], mask: u32, known: &Arc<Foreign>) {
        let clock = self.import(known);
        for lane in (0..32).filter(|it| mask >> it & 1 == 1) {
            self.published.entry(addresses[lane]).or_default().join(&clock);
        }
    }

    /// What was published at locations of this block's shared memory, for another block.
    pub(crate) fn published(&self, addresses: &[u64; 32], mask: u32) -> Option<Arc<Foreign>> {
        let mut all = None;
        for lane in (0..32).filter(|it| mask >> it & 1 == 1) {
            if let Some(clock) = self.published.get(&addresses[lane]) {
                join_foreign(&mut all, Some(&self.export(clock)));
            }
        }
        all
    }

    /// As [`BlockClocks::observe_shared`], of what another block published.
    pub(crate) fn observe_from(&mut self, warp: u32, known: &Arc<Foreign>) {
        let clock = self.import(known);
        self.pend(warp, &clock);
    }
}

/// The lanes of `mask` learn of each other all up to `stamp`, and what each had learnt before.
fn join_lanes(lanes: &mut LaneClocks, mask: u32, stamp: u32) {
    let members: Vec<usize> = (0..32).filter(|it| mask >> it & 1 == 1).collect();
    let mut all = [0; 32];
    for member in &members {
        for (known, lane) in all.iter_mut().zip(&lanes[*member]) {
            *known = (*known).max(*lane);
        }
    }
    members.iter().for_each(|it| all[*it] = stamp);
    members.iter().for_each(|it| lanes[*it] = all);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(warps: u32) -> BlockClocks {
        BlockClocks::new(&LaunchSync::new(1..2), 0, warps)
    }

    #[test]
    fn a_barrier_orders_all_warps() {
        let mut it = clocks(4);
        let before = it.stamp(3);
        assert!(!it.ordered(0, 96, before));
        it.barrier_all();
        assert!(it.ordered(0, 96, before));
        assert!(!it.ordered(0, 96, it.stamp(3)));
    }

    #[test]
    fn a_named_barrier_orders_only_its_warps() {
        let mut it = clocks(4);
        let (one, two) = (it.stamp(1), it.stamp(2));
        it.barrier_join(0b0011);
        assert!(it.ordered(0, 32, one));
        assert!(!it.ordered(0, 64, two));
        assert!(!it.ordered(64, 0, 1));
    }

    /// 0 tells 1, 1 tells 2: 2 knows of 0.
    #[test]
    fn knowledge_is_transitive() {
        let mut it = clocks(3);
        let first = it.stamp(0);
        it.barrier_arrive(1, 0);
        it.barrier_leave(1, 1);
        it.mbarrier_arrive(64, 1);
        it.mbarrier_observe(64, 2);
        assert!(it.ordered(64, 0, first));
        assert!(!it.ordered(64, 0, it.stamp(0)));
        assert!(!it.ordered(0, 64, it.stamp(2)));
    }

    #[test]
    fn arriving_gives_and_does_not_take() {
        let mut it = clocks(2);
        let (zero, one) = (it.stamp(0), it.stamp(1));
        it.barrier_arrive(3, 0);
        it.barrier_arrive(3, 1);
        it.barrier_leave(3, 1);
        assert!(it.ordered(32, 0, zero));
        assert!(!it.ordered(0, 32, one));
    }

    #[test]
    fn warp_sync_orders_the_lanes_of_its_mask() {
        let mut it = clocks(1);
        let stamp = it.stamp(0);
        it.warp_sync(0, 0x0000_ffff, u32::MAX);
        assert!(it.ordered(0, 15, stamp));
        assert!(!it.ordered(0, 16, stamp));
        // 15 and 16 meet: 16 learns what 15 knew of 0.
        it.warp_sync(0, 1 << 15 | 1 << 16, u32::MAX);
        assert!(it.ordered(16, 0, stamp));
        assert!(!it.ordered(17, 0, stamp));
        it.warp_sync(0, u32::MAX, u32::MAX);
        assert!(it.ordered(17, 0, stamp));
    }

    #[test]
    fn blocks_learn_of_each_other_through_fences_and_atomics() {
        let launch = LaunchSync::new(1..3);
        let mut a = BlockClocks::new(&launch, 0, 2);
        let mut b = BlockClocks::new(&launch, 1, 1);
        let (addresses, wrote) = ([0x1000; 32], a.stamp(1));
        a.barrier_all();
        a.publish(&launch, 0, &addresses, 1);
        b.observe(&launch, 0, &addresses, 1);
        b.fence(0);
        assert!(!b.foreign_ordered(0, a.actor, 1, wrote), "nothing was fenced");
        a.fence(0);
        let late = a.stamp(1);
        a.publish(&launch, 0, &addresses, 1);
        b.observe(&launch, 0, &addresses, 1);
        assert!(!b.foreign_ordered(0, a.actor, 1, wrote), "no acquiring fence");
        b.fence(0);
        assert!(b.foreign_ordered(0, a.actor, 1, wrote));
        assert!(!b.foreign_ordered(0, a.actor, 1, late));
    }

    #[test]
    fn blocks_of_a_cluster_learn_of_each_other_at_an_mbarrier() {
        let launch = LaunchSync::new(1..3);
        let of = |rank| BlockClocks::new(&launch, rank, 2).in_cluster(&launch, rank, &[0, 1]);
        let (mut a, mut b) = (of(0), of(1));
        let (own, wrote) = (b.stamp(0), a.stamp(1));
        b.mbarrier_arrive(8, 0);
        let given = a.give(1);
        b.mbarrier_arrive_from(8, &given);
        assert!(!b.mate_ordered(1, 0, 1, wrote));
        b.mbarrier_observe(8, 1);
        assert!(b.mate_ordered(1, 0, 1, wrote) && b.mate_ordered(1, 1, 0, own));
        assert!(!b.mate_ordered(1, 0, 1, a.stamp(1)), "what came after");
        assert!(!b.mate_ordered(1, 0, 0, 1), "another warp");
        assert_eq!(b.block_of(0), 0);
    }

    /// Every thread fences, the block meets, one thread publishes for all.
    #[test]
    fn a_barrier_carries_the_fences_of_its_warps() {
        let launch = LaunchSync::new(1..3);
        let mut a = BlockClocks::new(&launch, 0, 2);
        let mut b = BlockClocks::new(&launch, 1, 1);
        let wrote = a.stamp(1);
        a.fence(1);
        a.barrier_all();
        a.publish(&launch, 0, &[8; 32], 1);
        b.observe(&launch, 0, &[8; 32], 1);
        b.fence(0);
        assert!(b.foreign_ordered(0, a.actor, 1, wrote));
    }
}
