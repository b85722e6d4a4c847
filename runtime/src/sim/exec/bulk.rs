//! Bulk copies of bytes. PTX ISA, "Data Movement and Conversion Instructions: Bulk copy".

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{AtomOp, BulkOp};
use firesteel_ptx::operand::{Addr, Use, Value};
use firesteel_ptx::ty::{AtomTy, BulkTy, Ty};

use super::atomic;
use super::memory::access_action;
use super::{Decoded, Decoder};
use crate::sim::bulk::{Combine, Data, Load, Piece};
use crate::sim::memory::{Checked, resolve_cluster};
use crate::sim::num::narrow::Narrow;
use crate::sim::num::single::MinMax;
use crate::sim::program::Action;
use crate::sim::race::Party;
use crate::sim::registers::{Lanes, Row};
use crate::sim::report::{AccessKind, Fault, Space, Touch, Violation};
use crate::sim::warp::{Cx, actor};

/// Bytes of which addresses and sizes are multiples.
const PIECE: u64 = 16;

/// Whether `address` is a multiple of `align`.
pub(super) fn check_aligned(
    lane: usize,
    (kind, space): (AccessKind, Space),
    address: u64,
    align: u64,
) -> Checked {
    if address.is_multiple_of(align) {
        return Ok(());
    }
    let touch = Touch { kind, space, address, bytes: align as u32 };
    Err(Violation::boxed(lane, Fault::Misaligned { touch }))
}

fn check_size(lane: usize, bytes: u64) -> Checked {
    if bytes.is_multiple_of(PIECE) {
        return Ok(());
    }
    let reason = format!("a bulk copy of {bytes} bytes, no multiple of {PIECE}");
    Err(illegal(lane, reason))
}

fn load(
    cx: &mut Decoder<'_>,
    (to, from, barrier): (&Addr, &Addr, &Addr),
    bytes: &Use,
    mask: Option<&Use>,
) -> Decoded {
    let (to, from) = (cx.address(to)?, cx.address(from)?);
    let (bytes, barrier) = (cx.value_of(&bytes.0, Ty::U32)?, cx.address(barrier)?);
    let blocks = mask.map(|it| cx.value_of(&it.0, Ty::U16)).transpose()?;
    access_action(move |cx, mask| {
        let (to, from) = (to.load(cx.regs), from.load(cx.regs));
        let (bytes, barrier) = (bytes.load(cx.regs), barrier.load(cx.regs));
        let blocks = blocks.map(|it| it.load(cx.regs));
        Lanes(mask).try_for_each(|lane| {
            let blocks = blocks.as_ref().map(|it| it[lane]);
            let at = (to[lane], barrier[lane], blocks);
            cx.load_bytes(lane, at, (from[lane], bytes[lane]))
        })
    })
}

pub(super) fn cp_async_bulk_load(cx: &mut Decoder<'_>, it: &CpAsyncBulkLoad) -> Decoded {
    load(cx, (&it.to, &it.from, &it.barrier), &it.bytes, None)
}

pub(super) fn cp_async_bulk_multicast(cx: &mut Decoder<'_>, it: &CpAsyncBulkMulticast) -> Decoded {
    load(cx, (&it.to, &it.from, &it.barrier), &it.bytes, Some(&it.mask))
}

pub(super) fn cp_async_bulk_share(cx: &mut Decoder<'_>, it: &CpAsyncBulkShare) -> Decoded {
    let (to, from) = (cx.address(&it.to)?, cx.address(&it.from)?);
    let (bytes, barrier) = (cx.value_of(&it.bytes.0, Ty::U32)?, cx.address(&it.barrier)?);
    access_action(move |cx, mask| {
        let (to, from) = (to.load(cx.regs), from.load(cx.regs));
        let (bytes, barrier) = (bytes.load(cx.regs), barrier.load(cx.regs));
        Lanes(mask).try_for_each(|lane| {
            cx.share_bytes(lane, (to[lane], barrier[lane]), (from[lane], bytes[lane]))
        })
    })
}

pub(super) fn st_async(cx: &mut Decoder<'_>, it: &StAsync) -> Decoded {
    let (to, barrier, ty) = (cx.address(&it.addr)?, cx.address(&it.barrier)?, it.ty.ty());
    let width = ty.bits() as usize / 8;
    let values: Vec<_> = it.a.0.iter().map(|it| cx.value_of(it, ty)).collect::<Result<_, _>>()?;
    access_action(move |cx, mask| {
        let (to, barrier) = (to.load(cx.regs), barrier.load(cx.regs));
        let rows: Vec<_> = values.iter().map(|it| it.load(cx.regs)).collect();
        Lanes(mask).try_for_each(|lane| {
            let element = |row: &Row<u64>| row[lane].to_le_bytes().into_iter().take(width);
            let data: Vec<u8> = rows.iter().flat_map(element).collect();
            cx.send_bytes(lane, (to[lane], barrier[lane]), data)
        })
    })
}

fn illegal(lane: usize, reason: String) -> Box<Violation> {
    let fault: Fault<Party> = Fault::Illegal { reason };
    Violation::boxed(lane, fault)
}

impl Cx<'_> {
    /// The ranks of the blocks that a copy goes to, those of a mask if there is one; and where its
    /// bytes and its `mbarrier` are in each.
    pub(super) fn targets(
        &mut self,
        lane: usize,
        (to, barrier): (u64, u64),
        mask: Option<u64>,
    ) -> Result<(Vec<u32>, u64, u64), Box<Violation>> {
        let own = self.block.rank;
        let split = |address| match resolve_cluster(address) {
            (Space::Peer(rank), address) => (rank, address),
            (_, address) => (own, address),
        };
        let ((rank, to), (counting, barrier)) = (split(to), split(barrier));
        let Some(mask) = mask else {
            if rank != counting {
                let reason =
                    format!("copies to block {rank} of the cluster, counted in block {counting}");
                return Err(illegal(lane, reason));
            }
            return Ok((vec![rank], to, barrier));
        };
        let ranks: Vec<u32> = (0..16).filter(|it| mask >> it & 1 == 1).collect();
        let size: u32 = self.launch.cluster.iter().product();
        match ranks.last() {
            Some(last) if *last < size => Ok((ranks, to, barrier)),
            Some(last) => {
                let reason = format!("copies to block {last} of a cluster of {size}");
                Err(illegal(lane, reason))
            }
            None => Err(illegal(lane, "copies to no block of the cluster".to_owned())),
        }
    }

    fn load_bytes(
        &mut self,
        lane: usize,
        (to, barrier, mask): (u64, u64, Option<u64>),
        (from, bytes): (u64, u64),
    ) -> Checked {
        let (targets, to, barrier) = self.targets(lane, (to, barrier), mask)?;
        check_aligned(lane, (AccessKind::AsyncCopy, Space::Shared), to, PIECE)?;
        check_aligned(lane, (AccessKind::Load, Space::Global), from, PIECE)?;
        check_size(lane, bytes)?;
        let mut data = vec![0; bytes as usize];
        if bytes != 0 {
            let (global, cache) = (&self.launch.global, &mut self.memory.cache);
            global.read_bytes(cache, actor!(self), lane, from, &mut data)?;
        }
        let data = Data::Here(data.into());
        let load = Load { pieces: vec![(to, bytes as u32)], data };
        targets
            .into_iter()
            .try_for_each(|rank| self.begin_load(lane, (rank, barrier), load.clone()))
    }

    /// An asynchronous store.
    fn send_bytes(&mut self, lane: usize, (to, barrier): (u64, u64), data: Vec<u8>) -> Checked {
        let (targets, to, barrier) = self.targets(lane, (to, barrier), None)?;
        check_aligned(lane, (AccessKind::AsyncCopy, Space::Shared), to, data.len() as u64)?;
        let load = Load { pieces: vec![(to, data.len() as u32)], data: Data::Here(data.into()) };
        targets
            .into_iter()
            .try_for_each(|rank| self.begin_load(lane, (rank, barrier), load.clone()))
    }

    /// A copy from this block's shared memory to that of a block of the cluster.
    fn share_bytes(
        &mut self,
        lane: usize,
        (to, barrier): (u64, u64),
        (from, bytes): (u64, u64),
    ) -> Checked {
        let (targets, to, barrier) = self.targets(lane, (to, barrier), None)?;
        check_aligned(lane, (AccessKind::AsyncCopy, Space::Shared), to, PIECE)?;
        check_aligned(lane, (AccessKind::Load, Space::Shared), from, PIECE)?;
        check_size(lane, bytes)?;
        let (rank, bytes) = (self.block.rank, bytes as u32);
        self.check_async_read(lane, from, bytes)?;
        let reading = self.begin_reading(lane, std::iter::once((from, bytes)));
        let data = Data::Block { rank, from, bytes, reading };
        let load = Load { pieces: vec![(to, bytes)], data };
        targets
            .into_iter()
            .try_for_each(|rank| self.begin_load(lane, (rank, barrier), load.clone()))
    }
}

fn store(
    cx: &mut Decoder<'_>,
    (to, from): (&Addr, &Addr),
    bytes: &Value,
    combine: Option<Combine>,
) -> Decoded {
    let (to, from, bytes) = (cx.address(to)?, cx.address(from)?, cx.value_of(bytes, Ty::U32)?);
    access_action(move |cx, mask| {
        let (to, from) = (to.load(cx.regs), from.load(cx.regs));
        let bytes = bytes.load(cx.regs);
        for lane in Lanes(mask) {
            let (to, from, bytes) = (to[lane], from[lane], bytes[lane]);
            check_aligned(lane, (AccessKind::Load, Space::Shared), from, PIECE)?;
            check_aligned(lane, (AccessKind::AsyncCopy, Space::Global), to, PIECE)?;
            check_size(lane, bytes)?;
            cx.begin_store(lane, vec![Piece { from, to, bytes: bytes as u32 }], combine)?;
        }
        Ok(())
    })
}

pub(super) fn cp_async_bulk_store(cx: &mut Decoder<'_>, it: &CpAsyncBulkStore) -> Decoded {
    store(cx, (&it.to, &it.from), &it.bytes.0, None)
}

pub(super) fn cp_reduce_async_bulk(cx: &mut Decoder<'_>, it: &CpReduceAsyncBulk) -> Decoded {
    let combine = combine(it.op, it.ty)?;
    store(cx, (&it.to, &it.from), &it.bytes.0, Some(combine))
}

/// What a reduction does with each element.
pub(super) fn combine(op: BulkOp, ty: BulkTy) -> Result<Combine, String> {
    let bytes = ty.ty().bits() / 8;
    let narrow: Option<fn(u64, u64) -> u64> = match (op, ty) {
        (BulkOp::Min, BulkTy::F16) => Some(|a, b| lesser(Narrow::F16, a, b)),
        (BulkOp::Max, BulkTy::F16) => Some(|a, b| greater(Narrow::F16, a, b)),
        (BulkOp::Min, BulkTy::BF16) => Some(|a, b| lesser(Narrow::Bf16, a, b)),
        (BulkOp::Max, BulkTy::BF16) => Some(|a, b| greater(Narrow::Bf16, a, b)),
        _ => None,
    };
    if let Some(f) = narrow {
        return Ok(Combine { f, bytes });
    }
    let op = match op {
        BulkOp::Add => AtomOp::Add,
        BulkOp::Min => AtomOp::Min,
        BulkOp::Max => AtomOp::Max,
        BulkOp::Inc => AtomOp::Inc,
        BulkOp::Dec => AtomOp::Dec,
        BulkOp::And => AtomOp::And,
        BulkOp::Or => AtomOp::Or,
        BulkOp::Xor => AtomOp::Xor,
    };
    let ty = AtomTy::from_ty(ty.ty()).ok_or("this reduction does not take this type")?;
    let (shared, global) = atomic::update(op, ty)?;
    Ok(Combine { f: global.unwrap_or(shared), bytes })
}

/// Of a number and a NaN, the number.
fn lesser(narrow: Narrow, a: u64, b: u64) -> u64 {
    narrow.min(a as u16, b as u16, MinMax::default()).into()
}

fn greater(narrow: Narrow, a: u64, b: u64) -> u64 {
    narrow.max(a as u16, b as u16, MinMax::default()).into()
}

/// There is no cache to fill.
pub(super) fn cp_async_bulk_prefetch(_: &mut Decoder<'_>, _: &CpAsyncBulkPrefetch) -> Decoded {
    Ok(Action::Nothing)
}

pub(super) fn cp_async_bulk_commit(_: &mut Decoder<'_>, _: &CpAsyncBulkCommit) -> Decoded {
    access_action(|cx, mask| {
        cx.memory.stores.commit(mask);
        Ok(())
    })
}

pub(super) fn cp_async_bulk_wait(_: &mut Decoder<'_>, it: &CpAsyncBulkWait) -> Decoded {
    let Value::Int(pending) = it.n.0 else {
        return Err("the number of groups must be an integer".to_owned());
    };
    let (pending, read) = (u32::try_from(pending).unwrap_or(u32::MAX), it.read.is_some());
    access_action(move |cx, mask| cx.land_stores(mask, Some(pending), read))
}
