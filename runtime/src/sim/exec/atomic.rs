//! Atomic operations. PTX ISA, `atom` and `red`.

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{self, AtomOp, Scope, Sem};
use firesteel_ptx::operand::{Addr, Value};
use firesteel_ptx::ty::{AtomTy, Ty};

use super::memory::{At, Order, named, reach};
use super::{Decoded, Decoder};
use crate::sim::link::decoder::Sink;
use crate::sim::memory::{Access, Checked};
use crate::sim::num::narrow::{self, Narrow, NarrowMode};
use crate::sim::num::{Mode, Rounding, double, single};
use crate::sim::program::Action;
use crate::sim::race::Party;
use crate::sim::registers::Row;
use crate::sim::report::{AccessKind, Fault, Space, Violation};
use crate::sim::warp::{Cx, actor};

/// `new = f(old, operand)`, on the low bits.
pub(super) type Update = fn(u64, u64) -> u64;

const PLAIN: NarrowMode = NarrowMode { ftz: false, sat: false, relu: false };

/// The operation in shared memory, and in global memory where it differs.
///
/// PTX ISA, `atom`: `.add.f32` flushes subnormals on global memory, not on shared memory.
pub(super) fn update(op: AtomOp, ty: AtomTy) -> Result<(Update, Option<Update>), String> {
    let signed = matches!(ty, AtomTy::S32 | AtomTy::S64);
    let update: Update = match op {
        AtomOp::And => |old, b| old & b,
        AtomOp::Or => |old, b| old | b,
        AtomOp::Xor => |old, b| old ^ b,
        AtomOp::Exch => |_, b| b,
        AtomOp::Inc => |old, b| if old as u32 >= b as u32 { 0 } else { old + 1 },
        AtomOp::Dec => |old, b| if old == 0 || old as u32 > b as u32 { b } else { old - 1 },
        AtomOp::Min if !signed => |old, b| old.min(b),
        AtomOp::Max if !signed => |old, b| old.max(b),
        AtomOp::Min if ty == AtomTy::S64 => |old, b| (old as i64).min(b as i64) as u64,
        AtomOp::Max if ty == AtomTy::S64 => |old, b| (old as i64).max(b as i64) as u64,
        AtomOp::Min => |old, b| (old as i32).min(b as i32) as u32 as u64,
        AtomOp::Max => |old, b| (old as i32).max(b as i32) as u32 as u64,
        AtomOp::Add => return add(ty),
    };
    Ok((update, None))
}

fn add(ty: AtomTy) -> Result<(Update, Option<Update>), String> {
    let update: Update = match ty {
        AtomTy::U32 | AtomTy::S32 | AtomTy::U64 | AtomTy::S64 => |old, b| old.wrapping_add(b),
        AtomTy::F32 => {
            let shared: Update = |old, b| single::add(old as u32, b as u32, Mode::RN).into();
            let global: Update =
                |old, b| single::add(old as u32, b as u32, Mode::RN.flushed()).into();
            return Ok((shared, Some(global)));
        }
        AtomTy::F64 => |old, b| double::add(old, b, Rounding::Nearest),
        AtomTy::F16 => |old, b| Narrow::F16.add(old as u16, b as u16, PLAIN).into(),
        AtomTy::BF16 => |old, b| Narrow::Bf16.add(old as u16, b as u16, PLAIN).into(),
        AtomTy::F16x2 => |old, b| {
            narrow::packed2(old as u32, b as u32, |a, b| Narrow::F16.add(a, b, PLAIN)).into()
        },
        AtomTy::BF16x2 => |old, b| {
            narrow::packed2(old as u32, b as u32, |a, b| Narrow::Bf16.add(a, b, PLAIN)).into()
        },
        AtomTy::B32 | AtomTy::B64 | AtomTy::B128 => {
            return Err("bits cannot be added".to_owned());
        }
    };
    Ok((update, None))
}

/// The semantics of an atomic operation; without a word it is relaxed.
fn order(sem: Option<Sem>, _: Option<Scope>) -> Order {
    Order::of(Some(sem.unwrap_or(Sem::Relaxed)))
}

impl Cx<'_> {
    /// Replaces each lane's value in `space` by `f(lane, old)`.
    fn replace(
        &mut self,
        space: Space,
        width: u32,
        At { addresses, mask }: At<'_>,
        (old, f): (&mut Row<u64>, impl Fn(usize, u64) -> u64),
    ) -> Checked {
        match space {
            Space::Global | Space::Const => {
                let global = &self.launch.global;
                let cache = &mut self.memory.cache;
                global.atomic(cache, actor!(self), width, addresses, mask, (old, f))
            }
            Space::Shared => {
                let access = Access::scalar(width);
                self.block.pending.check(AccessKind::Atomic, access, addresses, mask)?;
                self.block.shared.atomic(actor!(self), width, addresses, mask, (old, f))?;
                self.note_unfenced(addresses, mask, width);
                Ok(())
            }
            Space::Peer(rank) if rank == self.block.rank => {
                self.replace(Space::Shared, width, At { addresses, mask }, (old, f))
            }
            Space::Peer(rank) => {
                let (own, access) = (self.block.rank, Access::scalar(width).strong());
                let reach = reach(AccessKind::Atomic, access, At { addresses, mask });
                self.in_block(rank, reach, |block, by| {
                    block.pending.check(AccessKind::Atomic, access, addresses, mask)?;
                    block.shared.atomic(by, width, addresses, mask, (old, f))?;
                    if let Some(unfenced) = &mut block.unfenced {
                        unfenced.note((addresses, mask), width, (own, by));
                    }
                    Ok(())
                })
            }
            Space::Local | Space::Param => {
                let reason = format!("an atomic operation on {space:?} memory");
                let fault: Fault<Party> = Fault::Illegal { reason };
                Err(Box::new(Violation { lane: mask.trailing_zeros(), fault }))
            }
        }
    }
}

/// `atom` without and `red` with a destination are one.
struct Rmw<'a> {
    space: Option<modifier::Space>,
    addr: &'a Addr,
    b: &'a Value,
    op: AtomOp,
    ty: AtomTy,
    order: Order,
    d: Option<Sink>,
}

impl Rmw<'_> {
    fn decode(self, cx: &mut Decoder<'_>) -> Decoded {
        if self.ty == AtomTy::B128 {
            return Err("atomic operations on 128 bits are not simulated".to_owned());
        }
        let ty: Ty = self.ty.ty();
        let (width, order, d, space) = (ty.bits() / 8, self.order, self.d, named(self.space));
        let (address, b) = (cx.address(self.addr)?, cx.value_of(self.b, ty)?);
        let (update, on_global) = update(self.op, self.ty)?;
        Ok(Action::Signal(Box::new(move |cx, mask| {
            let (addresses, b) = (address.load(cx.regs), b.load(cx.regs));
            let mut old = [0; 32];
            cx.by_space(space, At { addresses: &addresses, mask }, |cx, space, at| {
                let f = match (space, on_global) {
                    (Space::Global, Some(f)) => f,
                    _ => update,
                };
                cx.publish(order, space, at);
                cx.replace(space, width, at, (&mut old, |lane, old| f(old, b[lane])))?;
                cx.observe(order, space, at);
                Ok(())
            })?;
            if let Some(d) = d {
                d.store(cx.regs, mask, |lane| old[lane]);
            }
            Ok(())
        })))
    }
}

pub(super) fn atom(cx: &mut Decoder<'_>, it: &Atom) -> Decoded {
    let d = it.d.0.map(|reg| cx.def_any(reg)).transpose()?;
    let order = order(it.sem, it.scope);
    Rmw { space: it.space, addr: &it.addr, b: &it.b.0, op: it.op, ty: it.ty, order, d }.decode(cx)
}

pub(super) fn red(cx: &mut Decoder<'_>, it: &Red) -> Decoded {
    let order = order(it.sem, it.scope);
    Rmw { space: it.space, addr: &it.addr, b: &it.b.0, op: it.op, ty: it.ty, order, d: None }
        .decode(cx)
}

pub(super) fn atom_cas(cx: &mut Decoder<'_>, it: &AtomCas) -> Decoded {
    let ty = it.ty.ty();
    if ty.bits() == 128 {
        return Err("atomic operations on 128 bits are not simulated".to_owned());
    }
    let d = it.d.0.map(|reg| cx.def_any(reg)).transpose()?;
    let (address, space) = (cx.address(&it.addr)?, named(it.space));
    let (b, c) = (cx.value_of(&it.b.0, ty)?, cx.value_of(&it.c.0, ty)?);
    let (order, width) = (order(it.sem, it.scope), ty.bits() / 8);
    Ok(Action::Signal(Box::new(move |cx, mask| {
        let addresses = address.load(cx.regs);
        let (b, c) = (b.load(cx.regs), c.load(cx.regs));
        let mut old = [0; 32];
        cx.by_space(space, At { addresses: &addresses, mask }, |cx, space, at| {
            let swap = |lane: usize, old| if old == b[lane] { c[lane] } else { old };
            cx.publish(order, space, at);
            cx.replace(space, width, at, (&mut old, swap))?;
            cx.observe(order, space, at);
            Ok(())
        })?;
        if let Some(d) = d {
            d.store(cx.regs, mask, |lane| old[lane]);
        }
        Ok(())
    })))
}
