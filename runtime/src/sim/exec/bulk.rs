//! Bulk copies of bytes. PTX ISA, "Data Movement and Conversion Instructions: Bulk copy".

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{AtomOp, BulkOp};
use firesteel_ptx::operand::Value;
use firesteel_ptx::ty::{AtomTy, BulkTy, Ty};

use super::atomic;
use super::memory::access_action;
use super::{Decoded, Decoder};
use crate::sim::bulk::{Combine, Load, Piece};
use crate::sim::memory::Checked;
use crate::sim::num::narrow::Narrow;
use crate::sim::num::single::MinMax;
use crate::sim::program::Action;
use crate::sim::race::Party;
use crate::sim::registers::Lanes;
use crate::sim::report::{AccessKind, Fault, Space, Touch, Violation};
use crate::sim::warp::{Cx, actor};

/// Bytes of which addresses and sizes are multiples.
const PIECE: u64 = 16;

/// What is wanted of a cluster, whose blocks run alone here.
pub(super) fn cluster() -> Decoded {
    Err("copies to other blocks of a cluster are not simulated".to_owned())
}

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
    let fault: Fault<Party> = Fault::Illegal { reason };
    Err(Violation::boxed(lane, fault))
}

pub(super) fn cp_async_bulk_load(cx: &mut Decoder<'_>, it: &CpAsyncBulkLoad) -> Decoded {
    let (to, from) = (cx.address(&it.to)?, cx.address(&it.from)?);
    let (bytes, barrier) = (cx.value_of(&it.bytes.0, Ty::U32)?, cx.address(&it.barrier)?);
    access_action(move |cx, mask| {
        let (to, from) = (to.load(cx.regs), from.load(cx.regs));
        let (bytes, barrier) = (bytes.load(cx.regs), barrier.load(cx.regs));
        Lanes(mask).try_for_each(|lane| {
            cx.load_bytes(lane, (to[lane], from[lane]), bytes[lane], barrier[lane])
        })
    })
}

impl Cx<'_> {
    fn load_bytes(
        &mut self,
        lane: usize,
        (to, from): (u64, u64),
        bytes: u64,
        barrier: u64,
    ) -> Checked {
        check_aligned(lane, (AccessKind::AsyncCopy, Space::Shared), to, PIECE)?;
        check_aligned(lane, (AccessKind::Load, Space::Global), from, PIECE)?;
        check_size(lane, bytes)?;
        let mut data = vec![0; bytes as usize];
        if bytes != 0 {
            let (global, cache) = (&self.launch.global, &mut self.memory.cache);
            global.read_bytes(cache, actor!(self), lane, from, &mut data)?;
        }
        let pieces = vec![(to, bytes as u32)];
        self.begin_load(lane, barrier, Load { pieces, data })
    }
}

pub(super) fn cp_async_bulk_multicast(_: &mut Decoder<'_>, _: &CpAsyncBulkMulticast) -> Decoded {
    cluster()
}

pub(super) fn cp_async_bulk_share(_: &mut Decoder<'_>, _: &CpAsyncBulkShare) -> Decoded {
    cluster()
}

fn store(
    cx: &mut Decoder<'_>,
    (to, from): (&firesteel_ptx::operand::Addr, &firesteel_ptx::operand::Addr),
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
