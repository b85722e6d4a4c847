//! The shared memory of the block that a worker is running.
//!
//! A block runs on one host thread at a time, so its shared memory is plain bytes.

use std::ops::Range;
use std::sync::Arc;

use super::{Access, Checked, Lanes, each_lane, each_word, try_each_lane};
use crate::sim::race::shared::{Found, Pass, SharedShadow};
use crate::sim::race::{Actor, OtherBlock, Strength};
use crate::sim::report::{AccessKind, Fault, Region, Space, Violation};

/// A variable in shared memory, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the kernel.
    pub name: String,
    /// First address.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// Shared memory of one block.
#[derive(Clone, Debug)]
pub struct SharedMemory {
    bytes: Vec<u8>,
    variables: Arc<[Variable]>,
    shadow: Option<SharedShadow>,
}

/// What one warp-wide access is.
#[derive(Clone, Copy)]
struct Request<'a> {
    by: Actor<'a>,
    access: Access,
    kind: AccessKind,
}

impl SharedMemory {
    /// Shared memory of a kernel with these variables; `checked` tracks initialised bytes and races.
    pub fn new(variables: Arc<[Variable]>, checked: bool) -> SharedMemory {
        SharedMemory { bytes: Vec::new(), variables, shadow: checked.then(SharedShadow::default) }
    }

    /// Makes this the memory of the next block: `bytes` bytes, none of them written.
    pub fn begin_block(&mut self, bytes: usize) {
        self.begin_ranked(bytes, 0);
    }

    /// [`Self::begin_block`], of the block with that rank in its cluster.
    pub(crate) fn begin_ranked(&mut self, bytes: usize, rank: u32) {
        self.bytes.resize(bytes, 0);
        if let Some(shadow) = &mut self.shadow {
            shadow.begin_block(bytes, rank);
        }
    }

    /// Bytes of the block's shared memory.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the block has none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Loads element `k` of each active lane's vector into `out[k][lane]`, zero-extended.
    #[inline]
    pub fn load(
        &mut self,
        by: Actor<'_>,
        access: Access,
        addresses: &Lanes,
        mask: u32,
        out: &mut [Lanes],
    ) -> Checked {
        let request = Request { by, access, kind: AccessKind::Load };
        self.check_bounds(request, addresses, mask)?;
        self.note_reads(request, addresses, mask)?;
        let bytes = &self.bytes[..];
        for (k, row) in out.iter_mut().enumerate().take(access.count as usize) {
            let at = |lane: usize| addresses[lane] as usize + k * access.width as usize;
            match access.width {
                4 => each_lane(mask, |lane| row[lane] = get(bytes, at(lane), 4)),
                8 => each_lane(mask, |lane| row[lane] = get(bytes, at(lane), 8)),
                width => each_lane(mask, |lane| row[lane] = get(bytes, at(lane), width as usize)),
            }
        }
        Ok(())
    }

    /// Stores `values[k][lane]` as element `k` of each active lane's vector. Of lanes that store
    /// to one location the highest wins.
    #[inline]
    pub fn store(
        &mut self,
        by: Actor<'_>,
        access: Access,
        addresses: &Lanes,
        mask: u32,
        values: &[Lanes],
    ) -> Checked {
        let kind = if access.strong { AccessKind::Atomic } else { AccessKind::Store };
        let request = Request { by, access, kind };
        self.check_bounds(request, addresses, mask)?;
        self.note_writes(request, addresses, mask, values)?;
        let bytes = &mut self.bytes[..];
        // A vector's elements do not overlap, so of two lanes the higher wins in each of them.
        for (k, row) in values.iter().enumerate().take(access.count as usize) {
            let at = |lane: usize| addresses[lane] as usize + k * access.width as usize;
            match access.width {
                4 => each_lane(mask, |lane| put(bytes, at(lane), 4, row[lane])),
                8 => each_lane(mask, |lane| put(bytes, at(lane), 8, row[lane])),
                width => each_lane(mask, |lane| put(bytes, at(lane), width as usize, row[lane])),
            }
        }
        Ok(())
    }

    /// Replaces each active lane's value of `width` bytes by `op(lane, old)`, one lane after the
    /// other, and puts the old values into `out`.
    #[inline]
    pub fn atomic(
        &mut self,
        by: Actor<'_>,
        width: u32,
        addresses: &Lanes,
        mask: u32,
        (out, op): (&mut Lanes, impl Fn(usize, u64) -> u64),
    ) -> Checked {
        let access = Access::scalar(width).strong();
        let request = Request { by, access, kind: AccessKind::Atomic };
        self.check_bounds(request, addresses, mask)?;
        self.note_reads(request, addresses, mask)?;
        self.note_writes(request, addresses, mask, &[[0; 32]])?;
        each_lane(mask, |lane| {
            let at = addresses[lane] as usize;
            out[lane] = get(&self.bytes, at, width as usize);
            put(&mut self.bytes, at, width as usize, op(lane, out[lane]));
        });
        Ok(())
    }

    /// Reads bytes on behalf of one lane: the source of an asynchronous copy, a matrix operand.
    pub fn read_bytes(
        &mut self,
        by: Actor<'_>,
        lane: usize,
        address: u64,
        out: &mut [u8],
    ) -> Checked {
        let range = self.run(by, lane, address, out.len(), AccessKind::Load)?;
        out.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    /// Writes bytes on behalf of one lane, when an asynchronous copy lands.
    pub fn write_bytes(
        &mut self,
        by: Actor<'_>,
        lane: usize,
        address: u64,
        bytes: &[u8],
    ) -> Checked {
        let range = self.run(by, lane, address, bytes.len(), AccessKind::AsyncCopy)?;
        self.bytes[range].copy_from_slice(bytes);
        Ok(())
    }

    /// Checks and notes an access of one lane to a run of bytes whose move comes later, as
    /// [`Self::peek`] or [`Self::poke`].
    pub fn note(
        &mut self,
        by: Actor<'_>,
        lane: usize,
        (address, len): (u64, usize),
        kind: AccessKind,
    ) -> Checked {
        self.run(by, lane, address, len, kind).map(drop)
    }

    /// Bytes that were noted, without another check.
    pub fn peek(&self, address: u64, len: usize) -> &[u8] {
        &self.bytes[address as usize..address as usize + len]
    }

    /// Writes bytes that were noted, without another check.
    pub fn poke(&mut self, address: u64, bytes: &[u8]) {
        self.bytes[address as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    /// Checks and notes an access of one lane to a run of bytes of any length and alignment.
    fn run(
        &mut self,
        by: Actor<'_>,
        lane: usize,
        address: u64,
        len: usize,
        kind: AccessKind,
    ) -> Result<Range<usize>, Box<Violation>> {
        let request = Request { by, access: Access::vector(1, len as u32), kind };
        let start = usize::try_from(address).unwrap_or(usize::MAX);
        let end = start.saturating_add(len);
        if end > self.bytes.len() {
            return Err(self.violation(request, lane, address, Problem::OutOfBounds));
        }
        let Some(shadow) = &mut self.shadow else { return Ok(start..end) };
        let (pass, cells) = shadow.begin(by, Strength::Weak);
        let touched = cells.iter_mut().enumerate().take(end.div_ceil(4)).skip(start / 4);
        for (word, cell) in touched {
            let (from, to) = (start.max(word * 4) - word * 4, end.min(word * 4 + 4) - word * 4);
            let part = ((1u32 << to) - (1 << from)) as u8;
            let noted = match kind {
                AccessKind::Load => cell.read(part, lane, &pass),
                AccessKind::Store | AccessKind::Atomic | AccessKind::AsyncCopy => {
                    cell.write(part, lane, &pass)
                }
            };
            if let Err(found) = noted {
                return Err(self.violation(request, lane, address, Problem::Found(found)));
            }
        }
        if pass.is_remote() || shadow.has_remote_reads() {
            let loads = kind == AccessKind::Load;
            let words = (start / 4..end.div_ceil(4)).map(|word| {
                let from = start.max(word * 4) - word * 4;
                let to = end.min(word * 4 + 4) - word * 4;
                (word, ((1u32 << to) - (1 << from)) as u8)
            });
            for (word, part) in words {
                if let Err(found) = note_remote(shadow, (word, part), lane, &pass, loads) {
                    return Err(self.violation(request, lane, address, Problem::Found(found)));
                }
            }
        }
        Ok(start..end)
    }

    #[inline(always)]
    fn check_bounds(&self, request: Request<'_>, addresses: &Lanes, mask: u32) -> Checked {
        let bytes = u64::from(request.access.bytes());
        let Some(limit) = (self.bytes.len() as u64).checked_sub(bytes) else {
            return self.wrong_bounds(request, addresses, mask);
        };
        let (mut bits, mut beyond) = (0, 0);
        for (lane, address) in addresses.iter().enumerate() {
            let address = if mask == u32::MAX || mask >> lane & 1 == 1 { *address } else { 0 };
            bits |= address;
            // The top bit is set if the address is above the limit.
            beyond |= limit.wrapping_sub(address);
        }
        if (bits | beyond) >> 63 == 0 && bits & (bytes - 1) == 0 {
            return Ok(());
        }
        self.wrong_bounds(request, addresses, mask)
    }

    /// Finds the lane for which `check_bounds` failed.
    #[cold]
    fn wrong_bounds(&self, request: Request<'_>, addresses: &Lanes, mask: u32) -> Checked {
        let (bytes, size) = (u64::from(request.access.bytes()), self.bytes.len() as u64);
        try_each_lane(mask, |lane| {
            let address = addresses[lane];
            if bytes > size || address > size - bytes {
                return Err(self.violation(request, lane, address, Problem::OutOfBounds));
            }
            if address & (bytes - 1) != 0 {
                return Err(self.violation(request, lane, address, Problem::Misaligned));
            }
            Ok(())
        })
    }

    #[inline(always)]
    fn note_reads(&mut self, request: Request<'_>, addresses: &Lanes, mask: u32) -> Checked {
        let Some(shadow) = &mut self.shadow else { return Ok(()) };
        let (pass, cells) = shadow.begin(request.by, strength(request.access));
        let bytes = request.access.bytes();
        let noted = try_each_lane(mask, |lane| {
            each_word(addresses[lane] as usize, bytes, |word, part| {
                cells[word].read(part as u8, lane, &pass).map_err(|it| (lane, it))
            })
        });
        let noted = match noted {
            Ok(()) if pass.is_remote() => {
                note_all_remote(shadow, (addresses, mask), bytes, &pass, true)
            }
            noted => noted,
        };
        self.noted(noted, request, addresses)
    }

    #[inline(always)]
    fn note_writes(
        &mut self,
        request: Request<'_>,
        addresses: &Lanes,
        mask: u32,
        values: &[Lanes],
    ) -> Checked {
        let Some(shadow) = &mut self.shadow else { return Ok(()) };
        let (pass, cells) = shadow.begin(request.by, strength(request.access));
        let bytes = request.access.bytes();
        let same = |found, lane| is_same_store(request.by, found, (lane, mask), addresses, values);
        let noted = try_each_lane(mask, |lane| {
            each_word(addresses[lane] as usize, bytes, |word, part| {
                match cells[word].write(part as u8, lane, &pass) {
                    Err(found) if !same(found, lane) => Err((lane, found)),
                    Err(_) | Ok(()) => Ok(()),
                }
            })
        });
        let noted = match noted {
            Ok(()) if shadow.has_remote_reads() => {
                note_all_remote(shadow, (addresses, mask), bytes, &pass, false)
            }
            noted => noted,
        };
        self.noted(noted, request, addresses)
    }

    #[inline(always)]
    fn noted(
        &self,
        noted: Result<(), (usize, Found)>,
        request: Request<'_>,
        addresses: &Lanes,
    ) -> Checked {
        noted.map_err(|(lane, found)| {
            self.violation(request, lane, addresses[lane], Problem::Found(found))
        })
    }

    #[cold]
    fn violation(
        &self,
        request: Request<'_>,
        lane: usize,
        address: u64,
        problem: Problem,
    ) -> Box<Violation> {
        let touch = request.access.touch(request.kind, Space::Shared, address);
        let region = self.region(address);
        let fault = match problem {
            Problem::OutOfBounds => Fault::OutOfBounds { touch, nearest: region },
            Problem::Misaligned => Fault::Misaligned { touch },
            Problem::Found(Found::Uninitialised) => Fault::Uninitialised { touch, region },
            Problem::Found(Found::Race(other)) => Fault::Race { touch, region, other },
        };
        Violation::boxed(lane, fault)
    }

    /// The variable that an address is in.
    pub(crate) fn variable_at(&self, address: u64) -> Option<Region> {
        let inside = |it: &Region| address - it.base < it.size;
        self.region(address).filter(|it| address >= it.base && inside(it))
    }

    /// The variable at or nearest below an address, or the whole of it.
    fn region(&self, address: u64) -> Option<Region> {
        let below = self.variables.iter().filter(|it| u64::from(it.offset) <= address);
        if let Some(found) = below.max_by_key(|it| it.offset) {
            let name = format!("shared variable `{}`", found.name);
            return Some(Region { name, base: found.offset.into(), size: found.size.into() });
        }
        let size = self.bytes.len() as u64;
        (size != 0).then(|| Region { name: "the block's shared memory".to_owned(), base: 0, size })
    }
}

/// Notes a read by another block, or checks a write against such reads.
#[cold]
fn note_remote(
    shadow: &mut SharedShadow,
    (word, part): (usize, u8),
    lane: usize,
    pass: &Pass<'_>,
    loads: bool,
) -> Result<(), Found> {
    if !loads {
        return shadow.check_remote_reads(word, part, lane, pass);
    }
    if pass.is_remote() {
        shadow.note_remote_read(word, part, lane, pass);
    }
    Ok(())
}

/// [`note_remote`] for each word of a warp's access.
#[cold]
fn note_all_remote(
    shadow: &mut SharedShadow,
    (addresses, mask): (&Lanes, u32),
    bytes: u32,
    pass: &Pass<'_>,
    loads: bool,
) -> Result<(), (usize, Found)> {
    try_each_lane(mask, |lane| {
        each_word(addresses[lane] as usize, bytes, |word, part| {
            note_remote(shadow, (word, part as u8), lane, pass, loads).map_err(|it| (lane, it))
        })
    })
}

enum Problem {
    OutOfBounds,
    Misaligned,
    Found(Found),
}

fn strength(access: Access) -> Strength {
    if access.strong { Strength::Strong } else { Strength::Weak }
}

/// Whether the other party is a lane of this very store that stores the same value.
#[cold]
fn is_same_store(
    by: Actor<'_>,
    found: Found,
    (lane, mask): (usize, u32),
    addresses: &Lanes,
    values: &[Lanes],
) -> bool {
    let Found::Race(other) = found else { return false };
    let other_lane = other.thread as usize % 32;
    other.kind == AccessKind::Store
        && other.block == OtherBlock::Same
        && (other.thread / 32, other.pc) == (by.warp, by.pc)
        && mask >> other_lane & 1 == 1
        && addresses[other_lane] == addresses[lane]
        && values.iter().all(|it| it[other_lane] == it[lane])
}

/// The value of `width` bytes at `at`, whose bounds are checked.
#[inline(always)]
pub(super) fn get(bytes: &[u8], at: usize, width: usize) -> u64 {
    match width {
        4 => u32::from_le_bytes(array(&bytes[at..at + 4])).into(),
        8 => u64::from_le_bytes(array(&bytes[at..at + 8])),
        2 => u16::from_le_bytes(array(&bytes[at..at + 2])).into(),
        _ => bytes[at].into(),
    }
}

/// Puts the low `width` bytes of a value at `at`, whose bounds are checked.
#[inline(always)]
pub(super) fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    match width {
        4 => bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes()),
        8 => bytes[at..at + 8].copy_from_slice(&value.to_le_bytes()),
        2 => bytes[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes()),
        _ => bytes[at] = value as u8,
    }
}

#[inline(always)]
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}
