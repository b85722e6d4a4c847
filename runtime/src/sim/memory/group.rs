//! The steps of a warp-wide access inside one allocation: check, note, move.

use std::sync::atomic::Ordering::Relaxed;

use super::global::{Allocation, Memory};
use super::{Access, Checked, Lanes, each_lane, each_word, try_each_lane};
use crate::sim::race::global::{Accessor, Cell};
use crate::sim::race::{Actor, OtherBlock, Party, Strength};
use crate::sim::report::{AccessKind, Fault, Space, Touch, Violation};

/// Lanes whose accesses lie in one allocation, in bounds and aligned.
pub(super) struct Group<'a> {
    pub(super) allocation: &'a Allocation,
    pub(super) mask: u32,
    pub(super) offsets: &'a [usize; 32],
    /// All 32 lanes access consecutive memory.
    pub(super) dense: bool,
}

/// What one warp-wide access is, for all the steps that need it.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) by: Actor<'a>,
    pub(super) access: Access,
    pub(super) kind: AccessKind,
}

impl<'a> Group<'a> {
    /// All lanes of `mask`, if they are in this allocation, in bounds and aligned. `offsets` is the
    /// place for what the name says: a group is made for each access, so nothing is moved.
    #[inline(always)]
    pub(super) fn of(
        allocation: &'a Allocation,
        access: Access,
        addresses: &Lanes,
        mask: u32,
        offsets: &'a mut [usize; 32],
    ) -> Option<Group<'a>> {
        let bytes = u64::from(access.bytes());
        let limit = allocation.size.checked_sub(bytes)?;
        let first = addresses[mask.trailing_zeros() as usize].wrapping_sub(allocation.base);
        let (mut bits, mut beyond, mut gaps) = (0, 0, 0);
        for lane in 0..32 {
            let offset = addresses[lane].wrapping_sub(allocation.base);
            // An idle lane counts as the first one.
            let offset = if mask == u32::MAX || mask >> lane & 1 == 1 { offset } else { first };
            bits |= offset;
            // The top bit is set if the offset is above the limit: cheaper to gather than a
            // maximum, because sizes are far below 2^63.
            beyond |= limit.wrapping_sub(offset);
            gaps |= offset.wrapping_sub(first) ^ (lane as u64).wrapping_mul(bytes);
            offsets[lane] = offset as usize;
        }
        let fits = (bits | beyond) >> 63 == 0 && bits & (bytes - 1) == 0;
        fits.then_some(Group { allocation, mask, offsets, dense: mask == u32::MAX && gaps == 0 })
    }

    #[inline(always)]
    pub(super) fn check_writable(&self, request: Request<'_>) -> Checked {
        if self.allocation.read_only {
            let lane = self.mask.trailing_zeros() as usize;
            let region = self.allocation.region();
            let touch = self.touch(request, lane);
            return Err(Violation::boxed(lane, Fault::ReadOnly { touch, region }));
        }
        Ok(())
    }

    fn touch(&self, request: Request<'_>, lane: usize) -> Touch {
        let address = self.allocation.base + self.offsets[lane] as u64;
        request.access.touch(request.kind, Space::Global, address)
    }

    #[inline(always)]
    pub(super) fn check_initialised(&self, request: Request<'_>) -> Checked {
        let Some(map) = &self.allocation.initialised else { return Ok(()) };
        let bytes = request.access.bytes() as usize;
        if self.dense && map.is_set(self.offsets[0], 32 * bytes) {
            return Ok(());
        }
        try_each_lane(self.mask, |lane| {
            if map.is_set(self.offsets[lane], bytes) {
                return Ok(());
            }
            let region = Some(self.allocation.region());
            let touch = self.touch(request, lane);
            Err(Violation::boxed(lane, Fault::Uninitialised { touch, region }))
        })
    }

    #[inline(always)]
    pub(super) fn initialise(&self, access: Access) {
        let Some(map) = &self.allocation.initialised else { return };
        let bytes = access.bytes() as usize;
        if self.dense {
            map.set(self.offsets[0], 32 * bytes);
        } else {
            each_lane(self.mask, |lane| map.set(self.offsets[lane], bytes));
        }
    }

    #[inline(always)]
    pub(super) fn note_reads(&self, request: Request<'_>) -> Checked {
        self.note(request, |cell, part, lane, by| cell.read(part, lane, by))
    }

    #[inline(always)]
    pub(super) fn note_writes(&self, request: Request<'_>, values: &[Lanes]) -> Checked {
        self.note(request, |cell, part, lane, by| {
            let other = cell.write(part, lane, by)?;
            (!self.is_same_store(request.by, &other, lane, values)).then_some(other)
        })
    }

    /// Calls `note` with the cell of each word that each lane touches, and with the bytes touched.
    #[inline(always)]
    fn note(
        &self,
        request: Request<'_>,
        note: impl Fn(&Cell, u32, usize, &Accessor<'_>) -> Option<Party>,
    ) -> Checked {
        let Some(accessor) = accessor(request) else { return Ok(()) };
        let (shadow, bytes) = (self.allocation.shadow(), request.access.bytes());
        if self.dense
            && self.offsets[0].is_multiple_of(4)
            && let Some(cells) = shadow.row(self.offsets[0] / 4, 8 * bytes as usize)
        {
            return self.note_row(request, cells, accessor, note);
        }
        try_each_lane(self.mask, |lane| {
            each_word(self.offsets[lane], bytes, |word, part| {
                match note(shadow.cell(word), part, lane, &accessor) {
                    Some(other) => Err(self.race(request, lane, other)),
                    None => Ok(()),
                }
            })
        })
    }

    /// As [`Group::note`], when the lanes' bytes fill the words of `cells`.
    #[inline(always)]
    fn note_row(
        &self,
        request: Request<'_>,
        cells: &[Cell],
        accessor: Accessor<'_>,
        note: impl Fn(&Cell, u32, usize, &Accessor<'_>) -> Option<Party>,
    ) -> Checked {
        let bytes = request.access.bytes();
        let by = if bytes >= 4 { accessor } else { accessor.mixed() };
        for (word, cell) in cells.iter().enumerate() {
            let lane = (word * 4) >> bytes.trailing_zeros();
            if let Some(other) = note(cell, 15, lane, &by) {
                return Err(self.race(request, lane, other));
            }
        }
        Ok(())
    }

    /// Whether the other party is a lane of this very store that stores the same value.
    #[cold]
    fn is_same_store(&self, by: Actor<'_>, other: &Party, lane: usize, values: &[Lanes]) -> bool {
        let other_lane = other.thread as usize % 32;
        other.block == OtherBlock::Same
            && other.kind == AccessKind::Store
            && (other.thread / 32, other.pc) == (by.warp, by.pc)
            && self.mask >> other_lane & 1 == 1
            && self.offsets[other_lane] == self.offsets[lane]
            && values.iter().all(|it| it[other_lane] == it[lane])
    }

    /// As `note_reads` and `note_writes`, for a run of bytes of one lane.
    pub(super) fn note_bytes(&self, request: Request<'_>, lane: usize) -> Checked {
        let Some(accessor) = accessor(request) else { return Ok(()) };
        let (shadow, by) = (self.allocation.shadow(), &accessor);
        let (start, end) =
            (self.offsets[lane], self.offsets[lane] + request.access.bytes() as usize);
        for word in start / 4..end.div_ceil(4) {
            let (from, to) = (start.max(word * 4) - word * 4, end.min(word * 4 + 4) - word * 4);
            let part = (1u32 << to) - (1 << from);
            let other = match request.kind {
                AccessKind::Load => shadow.cell(word).read(part, lane, by),
                AccessKind::Store | AccessKind::Atomic | AccessKind::AsyncCopy => {
                    shadow.cell(word).write(part, lane, by)
                }
            };
            if let Some(other) = other {
                return Err(self.race(request, lane, other));
            }
        }
        Ok(())
    }

    #[cold]
    fn race(&self, request: Request<'_>, lane: usize, other: Party) -> Box<Violation> {
        let (touch, region) = (self.touch(request, lane), Some(self.allocation.region()));
        Violation::boxed(lane, Fault::Race { touch, region, other })
    }

    #[inline(always)]
    pub(super) fn load(&self, memory: &Memory, access: Access, out: &mut [Lanes]) {
        let words = &self.allocation.words;
        let count = access.count as usize;
        match access.width {
            4 if count == 1 && self.dense => {
                let first = self.offsets[0] / 4;
                for (out, word) in out[0].iter_mut().zip(&words[first..first + 32]) {
                    *out = word.load(Relaxed).into();
                }
            }
            4 if count == 1 => {
                let out = &mut out[0];
                each_lane(self.mask, |it| {
                    out[it] = words[self.offsets[it] / 4].load(Relaxed).into()
                });
            }
            4 => each_lane(self.mask, |lane| {
                let first = self.offsets[lane] / 4;
                for (out, word) in out.iter_mut().zip(&words[first..first + count]) {
                    out[lane] = word.load(Relaxed).into();
                }
            }),
            8 if access.strong => each_lane(self.mask, |lane| {
                for (k, out) in out.iter_mut().enumerate().take(count) {
                    let offset = self.offsets[lane] + 8 * k;
                    let _guard = memory.stripe(offset as u64);
                    out[lane] = self.allocation.double(offset);
                }
            }),
            8 => each_lane(self.mask, |lane| {
                for (k, out) in out.iter_mut().enumerate().take(count) {
                    out[lane] = self.allocation.double(self.offsets[lane] + 8 * k);
                }
            }),
            width => each_lane(self.mask, |lane| {
                for (k, out) in out.iter_mut().enumerate().take(count) {
                    let offset = self.offsets[lane] + k * width as usize;
                    let word = words[offset / 4].load(Relaxed) >> (offset % 4 * 8);
                    out[lane] = u64::from(word & part_mask(width));
                }
            }),
        }
    }

    #[inline(always)]
    pub(super) fn store(&self, memory: &Memory, access: Access, values: &[Lanes]) {
        let words = &self.allocation.words;
        let count = access.count as usize;
        match access.width {
            4 if count == 1 && self.dense => {
                let first = self.offsets[0] / 4;
                for (value, word) in values[0].iter().zip(&words[first..first + 32]) {
                    word.store(*value as u32, Relaxed);
                }
            }
            4 if count == 1 => {
                let values = &values[0];
                each_lane(self.mask, |it| {
                    words[self.offsets[it] / 4].store(values[it] as u32, Relaxed);
                });
            }
            4 => each_lane(self.mask, |lane| {
                let first = self.offsets[lane] / 4;
                for (values, word) in values.iter().zip(&words[first..first + count]) {
                    word.store(values[lane] as u32, Relaxed);
                }
            }),
            8 if access.strong => each_lane(self.mask, |lane| {
                for (k, values) in values.iter().enumerate().take(count) {
                    let offset = self.offsets[lane] + 8 * k;
                    let _guard = memory.stripe(offset as u64);
                    self.allocation.set_double(offset, values[lane]);
                }
            }),
            8 => each_lane(self.mask, |lane| {
                for (k, values) in values.iter().enumerate().take(count) {
                    self.allocation.set_double(self.offsets[lane] + 8 * k, values[lane]);
                }
            }),
            _ if self.dense && count == 1 && self.offsets[0].is_multiple_of(4) => {
                self.store_packed(access.width, &values[0]);
            }
            _ => self.store_parts(access, values),
        }
    }

    /// Stores of one or two bytes by all lanes, side by side from the start of a word on.
    fn store_packed(&self, width: u32, values: &Lanes) {
        let share = 4 / width as usize;
        let words = &self.allocation.words[self.offsets[0] / 4..];
        for (values, word) in values.chunks_exact(share).zip(words) {
            let parts = values.iter().rev().map(|it| *it as u32 & part_mask(width));
            word.store(parts.fold(0, |word, part| word << (8 * width) | part), Relaxed);
        }
    }

    /// Stores of one or two bytes, gathered into whole words where lanes sit side by side: a whole
    /// word is stored at once, a part has to be exchanged.
    fn store_parts(&self, access: Access, values: &[Lanes]) {
        let (mut word, mut mask, mut value) = (usize::MAX, 0, 0);
        let flush = |word: usize, mask: u32, value: u32| match mask {
            0 => {}
            u32::MAX => self.allocation.words[word].store(value, Relaxed),
            _ => self.allocation.replace(word, mask, value),
        };
        each_lane(self.mask, |lane| {
            for (k, values) in values.iter().enumerate().take(access.count as usize) {
                let offset = self.offsets[lane] + k * access.width as usize;
                if offset / 4 != word {
                    flush(word, mask, value);
                    (word, mask, value) = (offset / 4, 0, 0);
                }
                let shift = offset % 4 * 8;
                let bits = part_mask(access.width) << shift;
                value = value & !bits | ((values[lane] as u32) << shift) & bits;
                mask |= bits;
            }
        });
        flush(word, mask, value);
    }
}

fn accessor(request: Request<'_>) -> Option<Accessor<'_>> {
    let Request { by, access, .. } = request;
    let strength = if access.strong { Strength::Strong } else { Strength::Weak };
    by.clocks.map(|clocks| Accessor::new(clocks, by.warp, strength, by.pc))
}

#[inline(always)]
const fn part_mask(width: u32) -> u32 {
    if width == 1 { 0xff } else { 0xffff }
}

impl Allocation {
    #[inline(always)]
    fn double(&self, offset: usize) -> u64 {
        let pair = &self.words[offset / 4..offset / 4 + 2];
        u64::from(pair[1].load(Relaxed)) << 32 | u64::from(pair[0].load(Relaxed))
    }

    #[inline(always)]
    fn set_double(&self, offset: usize, value: u64) {
        let pair = &self.words[offset / 4..offset / 4 + 2];
        pair[0].store(value as u32, Relaxed);
        pair[1].store((value >> 32) as u32, Relaxed);
    }

    /// Replaces a value by `op(old)` in one step; returns the old one.
    #[inline(always)]
    pub(super) fn update(
        &self,
        memory: &Memory,
        offset: usize,
        width: u32,
        op: impl Fn(u64) -> u64,
    ) -> u64 {
        if width == 8 {
            let _guard = memory.stripe(offset as u64);
            let old = self.double(offset);
            self.set_double(offset, op(old));
            return old;
        }
        let (shift, mask) = match width {
            4 => (0, u32::MAX),
            _ => (offset % 4 * 8, part_mask(width)),
        };
        let word = &self.words[offset / 4];
        let mut whole = word.load(Relaxed);
        loop {
            let old = whole >> shift & mask;
            let new = (op(old.into()) as u32 & mask) << shift;
            let next = whole & !(mask << shift) | new;
            match word.compare_exchange_weak(whole, next, Relaxed, Relaxed) {
                Ok(_) => return old.into(),
                Err(found) => whole = found,
            }
        }
    }
}
