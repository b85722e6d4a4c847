//! Device memory as the warps of a launch see it.

use std::sync::Arc;

use super::global::{Allocation, Memory};
use super::group::{Group, Request};
use super::{Access, Checked, Lanes, each_lane, try_each_lane};
use crate::sim::race::Actor;
use crate::sim::report::{AccessKind, Fault, Space, Violation};

/// The allocation that a warp found last, where it looks first. One for each warp.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cache {
    index: usize,
}

/// Global memory during one launch: what was live when it began.
#[derive(Debug)]
pub struct GlobalView<'m> {
    memory: &'m Memory,
    allocations: Arc<Vec<Arc<Allocation>>>,
    checked: bool,
}

impl<'m> GlobalView<'m> {
    pub(super) fn new(
        memory: &'m Memory,
        allocations: Arc<Vec<Arc<Allocation>>>,
        checked: bool,
    ) -> GlobalView<'m> {
        GlobalView { memory, allocations, checked }
    }

    /// Loads element `k` of each active lane's vector into `out[k][lane]`, zero-extended.
    #[inline]
    pub fn load(
        &self,
        cache: &mut Cache,
        by: Actor<'_>,
        access: Access,
        addresses: &Lanes,
        mask: u32,
        out: &mut [Lanes],
    ) -> Checked {
        let request = Request { by, access, kind: AccessKind::Load };
        self.groups(cache, request, addresses, mask, |group| {
            if self.checked {
                group.check_initialised(request)?;
                group.note_reads(request)?;
            }
            group.load(self.memory, access, out);
            Ok(())
        })
    }

    /// Stores `values[k][lane]` as element `k` of each active lane's vector. Of lanes that store
    /// to one location the highest wins.
    #[inline]
    pub fn store(
        &self,
        cache: &mut Cache,
        by: Actor<'_>,
        access: Access,
        addresses: &Lanes,
        mask: u32,
        values: &[Lanes],
    ) -> Checked {
        let kind = if access.strong { AccessKind::Atomic } else { AccessKind::Store };
        let request = Request { by, access, kind };
        self.groups(cache, request, addresses, mask, |group| {
            group.check_writable(request)?;
            if self.checked {
                group.note_writes(request, values)?;
                group.initialise(access);
            }
            group.store(self.memory, access, values);
            Ok(())
        })
    }

    /// Replaces each active lane's value of `width` bytes (2, 4 or 8) by `op(lane, old)`, one lane
    /// after the other, and puts the old values into `out`.
    ///
    /// `op` may be called again if another block changes the value meanwhile.
    #[inline]
    pub fn atomic(
        &self,
        cache: &mut Cache,
        by: Actor<'_>,
        width: u32,
        addresses: &Lanes,
        mask: u32,
        (out, op): (&mut Lanes, impl Fn(usize, u64) -> u64),
    ) -> Checked {
        let access = Access::scalar(width).strong();
        let request = Request { by, access, kind: AccessKind::Atomic };
        self.groups(cache, request, addresses, mask, |group| {
            group.check_writable(request)?;
            if self.checked {
                group.check_initialised(request)?;
                group.note_writes(request, &[[0; 32]])?;
            }
            each_lane(group.mask, |lane| {
                let offset = group.offsets[lane];
                let update = |old| op(lane, old);
                out[lane] = group.allocation.update(self.memory, offset, width, update);
            });
            Ok(())
        })
    }

    /// Reads bytes on behalf of one lane: the source of an asynchronous copy.
    pub fn read_bytes(
        &self,
        cache: &mut Cache,
        by: Actor<'_>,
        lane: usize,
        address: u64,
        out: &mut [u8],
    ) -> Checked {
        let (mut offsets, run) = ([0; 32], (address, out.len()));
        let group = self.bytes(cache, lane, run, AccessKind::Load, &mut offsets)?;
        let access = Access::vector(1, out.len() as u32);
        let request = Request { by, access, kind: AccessKind::Load };
        if self.checked {
            group.check_initialised(request)?;
            group.note_bytes(request, lane)?;
        }
        group.allocation.read(group.offsets[lane], out);
        Ok(())
    }

    /// Writes bytes on behalf of one lane, when an asynchronous copy lands.
    pub fn write_bytes(
        &self,
        cache: &mut Cache,
        by: Actor<'_>,
        lane: usize,
        address: u64,
        bytes: &[u8],
    ) -> Checked {
        let (mut offsets, run) = ([0; 32], (address, bytes.len()));
        let group = self.bytes(cache, lane, run, AccessKind::AsyncCopy, &mut offsets)?;
        let access = Access::vector(1, bytes.len() as u32);
        let request = Request { by, access, kind: AccessKind::AsyncCopy };
        group.check_writable(request)?;
        if self.checked {
            group.note_bytes(request, lane)?;
            group.initialise(access);
        }
        group.allocation.write(group.offsets[lane], bytes);
        Ok(())
    }

    /// The one-lane group of a run of bytes of any length and alignment.
    fn bytes<'a>(
        &'a self,
        cache: &mut Cache,
        lane: usize,
        (address, len): (u64, usize),
        kind: AccessKind,
        offsets: &'a mut [usize; 32],
    ) -> Result<Group<'a>, Box<Violation>> {
        let access = Access::vector(1, len as u32);
        let out_of_bounds = || Err(self.out_of_bounds(lane, access, kind, address));
        let Some(allocation) = self.find(cache, address) else { return out_of_bounds() };
        let offset = address - allocation.base;
        if offset > allocation.size || len as u64 > allocation.size - offset {
            return out_of_bounds();
        }
        offsets[lane] = offset as usize;
        Ok(Group { allocation, mask: 1 << lane, offsets, dense: false })
    }

    /// The allocation that holds `address`, the warp's last one first.
    #[inline(always)]
    fn find(&self, cache: &mut Cache, address: u64) -> Option<&Allocation> {
        let holds = |it: &Allocation| address.wrapping_sub(it.base) < it.size;
        if let Some(last) = self.allocations.get(cache.index)
            && holds(last)
        {
            return Some(last);
        }
        self.search(cache, address)
    }

    #[inline(never)]
    fn search(&self, cache: &mut Cache, address: u64) -> Option<&Allocation> {
        let index = self.allocations.partition_point(|it| it.base <= address).checked_sub(1)?;
        cache.index = index;
        let found = &self.allocations[index];
        (address - found.base < found.size).then_some(&**found)
    }

    /// Splits a warp's access into groups and hands each to `f`. Nearly always there is one.
    #[inline(always)]
    fn groups(
        &self,
        cache: &mut Cache,
        request: Request<'_>,
        addresses: &Lanes,
        mask: u32,
        mut f: impl FnMut(&Group<'_>) -> Checked,
    ) -> Checked {
        let (mut rest, mut offsets) = (mask, [0; 32]);
        while rest != 0 {
            let found = self.find(cache, addresses[rest.trailing_zeros() as usize]);
            if let Some(allocation) = found
                && let Some(group) =
                    Group::of(allocation, request.access, addresses, rest, &mut offsets)
            {
                return f(&group);
            }
            let group = self.part(cache, request, addresses, rest, &mut offsets)?;
            rest &= !group.mask;
            f(&group)?;
        }
        Ok(())
    }

    /// The lanes of `mask` that lie in the same allocation as its first one.
    #[cold]
    fn part<'a>(
        &'a self,
        cache: &mut Cache,
        request: Request<'_>,
        addresses: &Lanes,
        mask: u32,
        offsets: &'a mut [usize; 32],
    ) -> Result<Group<'a>, Box<Violation>> {
        let Request { access, kind, .. } = request;
        let first = mask.trailing_zeros() as usize;
        let Some(allocation) = self.find(cache, addresses[first]) else {
            return Err(self.out_of_bounds(first, access, kind, addresses[first]));
        };
        let bytes = u64::from(access.bytes());
        let mut own = 0;
        try_each_lane(mask, |lane| {
            let offset = addresses[lane].wrapping_sub(allocation.base);
            if offset >= allocation.size {
                return Ok(());
            }
            if bytes > allocation.size - offset {
                return Err(self.out_of_bounds(lane, access, kind, addresses[lane]));
            }
            if offset % bytes != 0 {
                let touch = access.touch(kind, Space::Global, addresses[lane]);
                return Err(Violation::boxed(lane, Fault::Misaligned { touch }));
            }
            own |= 1 << lane;
            offsets[lane] = offset as usize;
            Ok(())
        })?;
        Ok(Group { allocation, mask: own, offsets, dense: false })
    }

    #[cold]
    fn out_of_bounds(
        &self,
        lane: usize,
        access: Access,
        kind: AccessKind,
        address: u64,
    ) -> Box<Violation> {
        let touch = access.touch(kind, Space::Global, address);
        if let Some(region) = self.memory.freed(address) {
            return Violation::boxed(lane, Fault::UseAfterFree { touch, region });
        }
        let after = self.allocations.partition_point(|it| it.base <= address);
        let near = self.allocations[after.saturating_sub(1)..].iter().take(2);
        let distance = |it: &&Arc<Allocation>| {
            if it.base > address {
                it.base - address
            } else {
                address.saturating_sub(it.base + it.size)
            }
        };
        let nearest = near.min_by_key(distance).map(|it| it.region());
        Violation::boxed(lane, Fault::OutOfBounds { touch, nearest })
    }
}
