//! What blocks of a launch tell each other through memory.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::WARPS;

/// The stamps of one block, one a warp.
pub(crate) type Stamps = [u32; WARPS];

/// What is known of other blocks, sorted by their number. Equal knowledge is shared, so that a
/// grid-wide barrier among `n` blocks costs `n` stamps and `n²` pointers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Foreign {
    blocks: Vec<(u32, Arc<Stamps>)>,
}

impl Foreign {
    pub(crate) fn one(actor: u32, stamps: Stamps) -> Foreign {
        Foreign { blocks: vec![(actor, Arc::new(stamps))] }
    }

    /// Adds what `from` knows to `into`.
    pub(crate) fn join(into: &mut Option<Arc<Foreign>>, from: Option<&Arc<Foreign>>) {
        join_foreign(into, from);
    }

    pub(crate) fn of(&self, actor: u32) -> Option<&Stamps> {
        let found = self.blocks.binary_search_by_key(&actor, |it| it.0).ok()?;
        Some(&self.blocks[found].1)
    }

    /// The union, taking the later stamps.
    fn union(&self, other: &Foreign) -> Foreign {
        let mut blocks = Vec::with_capacity(self.blocks.len().max(other.blocks.len()));
        let (mut a, mut b) = (self.blocks.iter().peekable(), other.blocks.iter().peekable());
        loop {
            let next = match (a.peek(), b.peek()) {
                (Some(x), Some(y)) if x.0 == y.0 => {
                    let merged = (x.0, later(&x.1, &y.1));
                    a.next();
                    b.next();
                    merged
                }
                (Some(x), Some(y)) if x.0 < y.0 => {
                    let taken = (*x).clone();
                    a.next();
                    taken
                }
                (_, Some(y)) => {
                    let taken = (*y).clone();
                    b.next();
                    taken
                }
                (Some(x), None) => {
                    let taken = (*x).clone();
                    a.next();
                    taken
                }
                (None, None) => return Foreign { blocks },
            };
            blocks.push(next);
        }
    }
}

fn later(a: &Arc<Stamps>, b: &Arc<Stamps>) -> Arc<Stamps> {
    let above = |x: &Stamps, y: &Stamps| x.iter().zip(y).all(|(x, y)| x >= y);
    if Arc::ptr_eq(a, b) || above(a, b) {
        a.clone()
    } else if above(b, a) {
        b.clone()
    } else {
        Arc::new(std::array::from_fn(|it| a[it].max(b[it])))
    }
}

/// Adds what `from` knows to `into`.
pub(crate) fn join_foreign(into: &mut Option<Arc<Foreign>>, from: Option<&Arc<Foreign>>) {
    let Some(from) = from else { return };
    match into {
        Some(known) if Arc::ptr_eq(known, from) => {}
        Some(known) => *known = Arc::new(known.union(from)),
        None => *into = Some(from.clone()),
    }
}

const SHARDS: usize = 16;

/// The locations through which the blocks of one launch synchronise.
#[derive(Debug)]
pub struct LaunchSync {
    actors: Range<u32>,
    used: AtomicBool,
    shards: [Mutex<HashMap<u64, Arc<Foreign>>>; SHARDS],
}

impl LaunchSync {
    /// For a launch whose blocks have the numbers `actors`.
    pub(crate) fn new(actors: Range<u32>) -> LaunchSync {
        LaunchSync { actors, used: AtomicBool::new(false), shards: Default::default() }
    }

    pub(crate) fn actors(&self) -> Range<u32> {
        self.actors.clone()
    }

    /// The number of a block. A grid beyond the range shares numbers.
    pub(crate) fn actor(&self, block: u32) -> u32 {
        self.actors.start + block % (self.actors.end - self.actors.start).max(1)
    }

    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    fn shard(&self, address: u64) -> MutexGuard<'_, HashMap<u64, Arc<Foreign>>> {
        let shard = &self.shards[(address >> 2) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish(&self, address: u64, clock: Option<&Arc<Foreign>>) {
        let mut shard = self.shard(address);
        let mut known = shard.remove(&address);
        join_foreign(&mut known, clock);
        if let Some(known) = known {
            shard.insert(address, known);
        }
        self.used.store(true, Ordering::Release);
    }

    pub(crate) fn observe(&self, address: u64) -> Option<Arc<Foreign>> {
        self.shard(address).get(&address).cloned()
    }
}
