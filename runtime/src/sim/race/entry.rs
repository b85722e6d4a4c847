//! An entry of the global shadow: who accessed a word, in 64 bits.
//!
//! From the low bits: kind (3), bytes of the word (4), stamp (21), thread (10), actor (26). Actors
//! are numbers of block runs, so an entry of an earlier launch is a smaller number.

/// Largest stamp. Beyond it stamps stop growing, which hides races and invents none.
pub(crate) const MAX_STAMP: u32 = (1 << 21) - 1;

/// Block runs that can be told apart; then the shadows are cleared and numbers start again.
pub(crate) const MAX_ACTOR: u32 = (1 << 26) - 1;

const BYTES: u32 = 3;
const STAMP: u32 = 7;
const THREAD: u32 = 28;
const WARP: u32 = 33;
const ACTOR: u32 = 38;

/// Whom an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody.
    None = 0,
    /// One thread.
    Single = 1,
    /// Several lanes of a warp, at least two for each byte (reads only).
    Lanes = 2,
    /// Several lanes of a warp, some bytes each.
    Mixed = 3,
    /// One thread, whose write was strong.
    Strong = 4,
    /// Several warps of a block (reads only); the thread field holds their groups.
    Warps = 5,
    /// Several blocks (reads only); actor and thread are those of one.
    Blocks = 6,
}

/// One of the two entries of a cell. Entries order by actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry(pub(crate) u64);

impl Entry {
    pub(crate) fn new(kind: Kind, bytes: u32, stamp: u32, thread: u32, actor: u32) -> Entry {
        let low = kind as u64 | u64::from(bytes) << BYTES | u64::from(stamp) << STAMP;
        Entry(low | u64::from(thread) << THREAD | u64::from(actor) << ACTOR)
    }

    /// The lowest possible entry of an actor.
    pub(crate) fn first_of(actor: u32) -> Entry {
        Entry(u64::from(actor) << ACTOR)
    }

    #[inline(always)]
    pub(crate) fn kind(self) -> Kind {
        match self.0 & 7 {
            1 => Kind::Single,
            2 => Kind::Lanes,
            3 => Kind::Mixed,
            4 => Kind::Strong,
            5 => Kind::Warps,
            6 => Kind::Blocks,
            _ => Kind::None,
        }
    }

    #[inline(always)]
    pub(crate) fn bytes(self) -> u32 {
        (self.0 >> BYTES) as u32 & 15
    }

    #[inline(always)]
    pub(crate) fn stamp(self) -> u32 {
        (self.0 >> STAMP) as u32 & MAX_STAMP
    }

    #[inline(always)]
    pub(crate) fn thread(self) -> u32 {
        (self.0 >> THREAD) as u32 & 0x3ff
    }

    #[inline(always)]
    pub(crate) fn warp(self) -> u32 {
        self.thread() / 32
    }

    #[inline(always)]
    pub(crate) fn lane(self) -> u32 {
        self.thread() % 32
    }

    #[inline(always)]
    pub(crate) fn actor(self) -> u32 {
        (self.0 >> ACTOR) as u32
    }

    /// Of a [`Kind::Warps`] read: the eighths of the block whose warps have read.
    pub(crate) fn groups(self) -> u32 {
        self.thread() & 0xff
    }

    #[inline(always)]
    pub(crate) fn is_same_actor(self, other: Entry) -> bool {
        (self.0 ^ other.0) >> ACTOR == 0
    }

    /// Whether both are of one warp. Means nothing for [`Kind::Warps`] and [`Kind::Blocks`].
    #[inline(always)]
    pub(crate) fn is_same_warp(self, other: Entry) -> bool {
        (self.0 ^ other.0) >> WARP == 0
    }

    /// Whether it stands for one thread alone: lane `lane` of the warp of `of`.
    #[inline(always)]
    pub(crate) fn is_thread(self, of: Entry, lane: u32) -> bool {
        let thread = (of.0 >> WARP << 5) | u64::from(lane);
        self.0 >> THREAD == thread && self.0 & 7 == Kind::Single as u64
    }

    /// The entry of another lane of the warp, given one of its first lane without bytes.
    #[inline(always)]
    pub(crate) fn of_lane(self, lane: u32, bytes: u32, kind: Kind) -> Entry {
        let fields = u64::from(lane) << THREAD | u64::from(bytes) << BYTES;
        Entry((self.0 & !7) | fields | kind as u64)
    }

    pub(crate) fn with(self, kind: Kind, bytes: u32) -> Entry {
        Entry((self.0 & !0x7f) | kind as u64 | u64::from(bytes) << BYTES)
    }

    /// Several warps in place of this read and `mine`. The earlier stamp counts.
    pub(crate) fn join_warps(self, mine: Entry, groups: u32, bytes: u32) -> Entry {
        Entry::new(Kind::Warps, bytes, self.stamp().min(mine.stamp()), groups, mine.actor())
    }

    /// Whether noting `mine`, a read, would change nothing: it is there already, or it is one more
    /// lane of a warp that has read these bytes at this stamp.
    #[inline(always)]
    pub(crate) fn has(self, mine: Entry) -> bool {
        if self == mine {
            return true;
        }
        let kind = self.0 & 7;
        let several = kind == Kind::Lanes as u64 || kind == Kind::Mixed as u64;
        let lane_kind_bytes = 31 << THREAD | 0x7f;
        several && (self.0 ^ mine.0) & !lane_kind_bytes == 0 && mine.bytes() & !self.bytes() == 0
    }
}
