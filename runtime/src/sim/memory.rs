//! The memories of a simulated device.
//!
//! | memory | type | lives as long as |
//! | --- | --- | --- |
//! | global, constants, module variables | [`Memory`], in a launch [`GlobalView`] | the device |
//! | shared | [`SharedMemory`] | a worker; [`SharedMemory::begin_block`] makes it a block's |
//! | local | [`LocalMemory`] | a worker; [`LocalMemory::begin_block`] makes it a warp's |
//!
//! Accesses are made for a whole warp at once: 32 addresses, a mask of active lanes, and a row of
//! 32 values for each element of a vector. With checks on, each access is tested for liveness,
//! bounds, alignment, initialised bytes and races; with checks off, for bounds and alignment,
//! without which the simulator itself would be at risk. The first violation, in order of lanes,
//! is returned; what a failed access leaves in memory is not defined.
//!
//! Generic addresses are global addresses, except in windows that stand for shared and local
//! memory: see [`resolve`]. `.shared` and `.local` addresses start at 0.

mod global;
mod group;
mod local;
mod shared;
mod view;

pub use global::{HostError, Memory};
pub use local::LocalMemory;
pub use shared::{SharedMemory, Variable};
pub use view::{Cache, GlobalView};

use super::report::{AccessKind, Space, Touch, Violation};

/// One value, or address, for each lane of a warp.
pub type Lanes = [u64; 32];

/// Success, or what is wrong with the access of some lane.
pub type Checked = Result<(), Box<Violation>>;

/// First generic address of the shared window. Bits 24 to 31 of an address in it name a block of
/// the cluster, by one more than its rank; without them it is the block that uses the address.
pub const SHARED_WINDOW: u64 = 0x0001_0000_0000_0000;
/// First generic address of the local window.
pub const LOCAL_WINDOW: u64 = 0x0002_0000_0000_0000;
/// First generic address of the kernel's parameters.
pub const PARAM_WINDOW: u64 = 0x0003_0000_0000_0000;
/// Bytes of each window.
pub const WINDOW: u64 = 1 << 32;

/// Bits of an address in the shared memory of one block.
const RANK_SHIFT: u32 = 24;

/// The address that corresponds to a `.shared` or `.shared::cluster` one in the block of the
/// cluster with that rank: `mapa`.
#[inline(always)]
pub const fn at_rank(address: u64, rank: u32) -> u64 {
    address & ((1 << RANK_SHIFT) - 1) | (rank as u64 + 1) << RANK_SHIFT
}

/// The space that a `.shared::cluster` address points to, and the address in that space.
#[inline(always)]
pub const fn resolve_cluster(address: u64) -> (Space, u64) {
    match address >> RANK_SHIFT {
        named @ 1..256 => (Space::Peer(named as u32 - 1), address & ((1 << RANK_SHIFT) - 1)),
        _ => (Space::Shared, address),
    }
}

/// The space that a generic address points to, and the address in that space.
///
/// PTX ISA, "Generic Addressing", `cvta` and `isspacep`.
#[inline(always)]
pub const fn resolve(generic: u64) -> (Space, u64) {
    if generic < SHARED_WINDOW {
        return (Space::Global, generic);
    }
    match generic & !(WINDOW - 1) {
        SHARED_WINDOW => resolve_cluster(generic - SHARED_WINDOW),
        LOCAL_WINDOW => (Space::Local, generic - LOCAL_WINDOW),
        PARAM_WINDOW => (Space::Param, generic - PARAM_WINDOW),
        _ => (Space::Global, generic),
    }
}

/// The generic address of `address` in `space`: `cvta`.
#[inline(always)]
pub const fn generic(space: Space, address: u64) -> u64 {
    match space {
        Space::Global | Space::Const => address,
        Space::Shared => SHARED_WINDOW + address,
        Space::Peer(rank) => SHARED_WINDOW + at_rank(address, rank),
        Space::Local => LOCAL_WINDOW + address,
        Space::Param => PARAM_WINDOW + address,
    }
}

/// The shape of an access: a vector of `count` elements of `width` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Bytes of an element: 1, 2, 4 or 8.
    pub width: u32,
    /// Elements: 1, 2, 4 or 8. The whole must be aligned to its size.
    pub count: u32,
    /// Volatile, relaxed, acquire, release or atomic: does not race with its like, and eight
    /// bytes never tear.
    pub strong: bool,
}

impl Access {
    /// A weak access to one element.
    pub const fn scalar(width: u32) -> Access {
        Access { width, count: 1, strong: false }
    }

    /// A weak access to a vector.
    pub const fn vector(width: u32, count: u32) -> Access {
        Access { width, count, strong: false }
    }

    /// The same access, strong.
    #[must_use]
    pub const fn strong(self) -> Access {
        Access { strong: true, ..self }
    }

    /// Bytes of the whole.
    #[inline(always)]
    pub const fn bytes(self) -> u32 {
        self.width * self.count
    }

    fn touch(self, kind: AccessKind, space: Space, address: u64) -> Touch {
        Touch { kind, space, address, bytes: self.bytes() }
    }
}

/// Calls `f` for each lane of `mask`, in order, until it fails.
#[inline(always)]
fn try_each_lane<E>(mask: u32, mut f: impl FnMut(usize) -> Result<(), E>) -> Result<(), E> {
    let mut rest = mask;
    while rest != 0 {
        f(rest.trailing_zeros() as usize)?;
        rest &= rest - 1;
    }
    Ok(())
}

/// Calls `f` for each lane of `mask`, in order. A full mask gives a loop that can be unrolled.
#[inline(always)]
fn each_lane(mask: u32, mut f: impl FnMut(usize)) {
    if mask == u32::MAX {
        (0..32).for_each(f);
        return;
    }
    let mut rest = mask;
    while rest != 0 {
        f(rest.trailing_zeros() as usize);
        rest &= rest - 1;
    }
}

/// Calls `f` for each word that `bytes` bytes at `offset` touch, with the bytes touched in it. The
/// run is aligned, so a part of a word is alone.
#[inline(always)]
fn each_word<E>(
    offset: usize,
    bytes: u32,
    mut f: impl FnMut(usize, u32) -> Result<(), E>,
) -> Result<(), E> {
    match bytes {
        1 => f(offset / 4, 1 << (offset & 3)),
        2 => f(offset / 4, 3 << (offset & 2)),
        4 => f(offset / 4, 15),
        _ => (offset / 4..(offset + bytes as usize) / 4).try_for_each(|word| f(word, 15)),
    }
}

#[cfg(test)]
mod tests;
