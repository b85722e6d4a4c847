//! Loads, stores and background copies. PTX ISA, "Data Movement and Conversion Instructions".

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{self, Sem};
use firesteel_ptx::operand::{Addr, Value};
use firesteel_ptx::ty::{Kind, MemTy, Ty};

use super::map::compute;
use super::moves::space;
use super::{Decoded, Decoder};
use crate::sim::cluster::Reach;
use crate::sim::link::decoder::{Address, Sink, Source};
use crate::sim::link::frame::{CALL_PARAMS, Place};
use crate::sim::memory::{Access, Checked, resolve, resolve_cluster};
use crate::sim::num::convert::IntType;
use crate::sim::program::{self, Action};
use crate::sim::race::{Actor, Party};
use crate::sim::registers::{File, Lanes, Row, Slot, each_lane};
use crate::sim::report::{AccessKind, Fault, Space, Touch, Violation};
use crate::sim::warp::{Cx, actor};

/// How an access takes part in synchronisation.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) strong: bool,
    pub(super) acquire: bool,
    pub(super) release: bool,
}

impl Order {
    pub(super) fn of(sem: Option<Sem>) -> Self {
        let (strong, acquire, release) = match sem {
            None | Some(Sem::Weak) => (false, false, false),
            Some(Sem::Volatile | Sem::Relaxed) => (true, false, false),
            Some(Sem::Acquire) => (true, true, false),
            Some(Sem::Release) => (true, false, true),
            Some(Sem::AcqRel | Sem::Sc) => (true, true, true),
        };
        Self { strong, acquire, release }
    }
}

/// How an instruction says which space its addresses are in.
#[derive(Clone, Copy)]
pub(super) enum Named {
    /// Not at all: the addresses are generic.
    Generic,
    /// `.shared::cluster`: the addresses say which block.
    Cluster,
    /// By its name.
    Space(Space),
}

/// The space that an instruction names, if it does.
pub(super) fn named(named: Option<modifier::Space>) -> Named {
    match named {
        None => Named::Generic,
        Some(modifier::Space::SharedCluster) => Named::Cluster,
        Some(named) => Named::Space(space(named)),
    }
}

/// A row of addresses and the lanes that use them.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) addresses: &'a Row<u64>,
    pub(super) mask: u32,
}

fn fault(lane: usize, fault: Fault<Party>) -> Box<Violation> {
    Box::new(Violation { lane: lane as u32, fault })
}

impl Cx<'_> {
    /// Splits generic addresses by the space they point to, and calls `f` with each part.
    #[inline(always)]
    pub(super) fn by_space(
        &mut self,
        named: Named,
        at: At<'_>,
        mut f: impl FnMut(&mut Self, Space, At<'_>) -> Checked,
    ) -> Checked {
        let resolve = match named {
            Named::Space(space) => return f(self, space, at),
            Named::Generic => resolve,
            Named::Cluster => resolve_cluster,
        };
        let mut rest = at.mask;
        while rest != 0 {
            let first = resolve(at.addresses[rest.trailing_zeros() as usize]).0;
            let (mut own, mut addresses) = (0, [0; 32]);
            for lane in Lanes(rest) {
                let (space, address) = resolve(at.addresses[lane]);
                if space == first {
                    own |= 1 << lane;
                    addresses[lane] = address;
                }
            }
            rest &= !own;
            f(self, first, At { addresses: &addresses, mask: own })?;
        }
        Ok(())
    }

    pub(super) fn load_from(
        &mut self,
        space: Space,
        access: Access,
        At { addresses, mask }: At<'_>,
        out: &mut [Row<u64>],
    ) -> Checked {
        match space {
            Space::Global | Space::Const => {
                let global = &self.launch.global;
                let by = actor!(self);
                global.load(&mut self.memory.cache, by, access, addresses, mask, out)
            }
            Space::Shared => {
                self.block.pending.check(AccessKind::Load, access, addresses, mask)?;
                let by = actor!(self);
                self.block.shared.load(by, access, addresses, mask, out)
            }
            Space::Peer(rank) if rank == self.block.rank => {
                self.load_from(Space::Shared, access, At { addresses, mask }, out)
            }
            Space::Peer(rank) => {
                let reach = reach(AccessKind::Load, access, At { addresses, mask });
                self.in_block(rank, reach, |block, by| {
                    block.pending.check(AccessKind::Load, access, addresses, mask)?;
                    block.shared.load(by, access, addresses, mask, out)
                })
            }
            Space::Local => self.memory.local.load(access, addresses, mask, out),
            Space::Param => self.load_params(access, At { addresses, mask }, out),
        }
    }

    pub(super) fn store_to(
        &mut self,
        space: Space,
        access: Access,
        At { addresses, mask }: At<'_>,
        values: &[Row<u64>],
    ) -> Checked {
        match space {
            Space::Global | Space::Const => {
                let global = &self.launch.global;
                let by = actor!(self);
                global.store(&mut self.memory.cache, by, access, addresses, mask, values)
            }
            Space::Shared => {
                self.block.pending.check(AccessKind::Store, access, addresses, mask)?;
                let by = actor!(self);
                self.block.shared.store(by, access, addresses, mask, values)?;
                self.note_unfenced(addresses, mask, access.bytes());
                Ok(())
            }
            Space::Peer(rank) if rank == self.block.rank => {
                self.store_to(Space::Shared, access, At { addresses, mask }, values)
            }
            Space::Peer(rank) => {
                let own = self.block.rank;
                let reach = reach(AccessKind::Store, access, At { addresses, mask });
                self.in_block(rank, reach, |block, by| {
                    block.pending.check(AccessKind::Store, access, addresses, mask)?;
                    block.shared.store(by, access, addresses, mask, values)?;
                    if let Some(unfenced) = &mut block.unfenced {
                        unfenced.note((addresses, mask), access.bytes(), (own, by));
                    }
                    Ok(())
                })
            }
            Space::Local => self.memory.local.store(access, addresses, mask, values),
            Space::Param => self.store_params(access, At { addresses, mask }, values),
        }
    }

    /// After a store to shared memory: the asynchronous units may not see it yet.
    #[inline(always)]
    pub(super) fn note_unfenced(&mut self, addresses: &Row<u64>, mask: u32, bytes: u32) {
        if let Some(unfenced) = &mut self.block.unfenced {
            let by = Actor { clocks: self.block.clocks.as_ref(), warp: self.warp, pc: self.pc };
            unfenced.note((addresses, mask), bytes, (self.block.rank, by));
        }
    }

    fn load_params(
        &self,
        access: Access,
        At { addresses, mask }: At<'_>,
        out: &mut [Row<u64>],
    ) -> Checked {
        let width = access.width as usize;
        for lane in Lanes(mask) {
            let address = addresses[lane];
            let bytes = access.bytes() as usize;
            let found = match address.checked_sub(CALL_PARAMS) {
                Some(offset) => self.memory.stacks.params(lane, offset, bytes),
                None => self.launch.params.get(address as usize..).and_then(|it| it.get(..bytes)),
            };
            let Some(found) = found else {
                return Err(beyond_params(lane, AccessKind::Load, address, access));
            };
            for (row, part) in out.iter_mut().zip(found.chunks_exact(width)) {
                row[lane] = little_endian(part);
            }
        }
        Ok(())
    }

    fn store_params(
        &mut self,
        access: Access,
        At { addresses, mask }: At<'_>,
        values: &[Row<u64>],
    ) -> Checked {
        let width = access.width as usize;
        for lane in Lanes(mask) {
            let address = addresses[lane];
            let offset = address.wrapping_sub(CALL_PARAMS);
            let place = self.memory.stacks.params_mut(lane, offset, access.bytes() as usize);
            let Some(place) = place else {
                return Err(beyond_params(lane, AccessKind::Store, address, access));
            };
            for (row, part) in values.iter().zip(place.chunks_exact_mut(width)) {
                part.copy_from_slice(&row[lane].to_le_bytes()[..width]);
            }
        }
        Ok(())
    }

    /// Before a strong store or an atomic operation: makes known what the warp has fenced.
    pub(super) fn publish(&mut self, order: Order, space: Space, at: At<'_>) {
        if order.release {
            self.fence();
        }
        let own = self.block.rank;
        let Some(clocks) = &mut self.block.clocks else { return };
        match space {
            Space::Peer(rank) if rank != own => {
                if let Some(given) = clocks.give_fenced(self.warp)
                    && let Some(peer) = self.block.peers.get_mut(rank)
                    && let Some(clocks) = &mut peer.clocks
                {
                    clocks.publish_from(at.addresses, at.mask, &given);
                }
            }
            Space::Global | Space::Const => {
                clocks.publish(&self.launch.sync, self.warp, at.addresses, at.mask);
            }
            Space::Shared | Space::Peer(_) => {
                clocks.publish_shared(self.warp, at.addresses, at.mask);
            }
            Space::Local | Space::Param => {}
        }
    }

    /// After a strong load or an atomic operation: learns what others had fenced.
    pub(super) fn observe(&mut self, order: Order, space: Space, at: At<'_>) {
        let own = self.block.rank;
        if let Some(clocks) = &mut self.block.clocks {
            match space {
                Space::Peer(rank) if rank != own => {
                    if let Some(peer) = self.block.peers.get_mut(rank)
                        && let Some(published) = &peer.clocks
                        && let Some(known) = published.published(at.addresses, at.mask)
                    {
                        clocks.observe_from(self.warp, &known);
                    }
                }
                Space::Global | Space::Const => {
                    clocks.observe(&self.launch.sync, self.warp, at.addresses, at.mask);
                }
                Space::Shared | Space::Peer(_) => {
                    clocks.observe_shared(self.warp, at.addresses, at.mask);
                }
                Space::Local | Space::Param => {}
            }
        }
        if order.acquire {
            self.fence();
        }
    }

    /// Orders the warp's accesses.
    pub(super) fn fence(&mut self) {
        match &mut self.block.clocks {
            Some(clocks) => clocks.fence(self.warp),
            None => std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst),
        }
    }
}

/// An access to the shared memory of another block, whose first lane stands for all.
pub(super) fn reach(kind: AccessKind, access: Access, at: At<'_>) -> Reach {
    let lane = at.mask.trailing_zeros() as usize % 32;
    let (address, bytes) = (at.addresses[lane], access.bytes());
    let published = access.strong && kind != AccessKind::Load;
    Reach { lane, touch: Touch { kind, space: Space::Shared, address, bytes }, published }
}

fn beyond_params(lane: usize, kind: AccessKind, address: u64, access: Access) -> Box<Violation> {
    let touch = Touch { kind, space: Space::Param, address, bytes: access.bytes() };
    fault(lane, Fault::OutOfBounds { touch, nearest: None })
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Where an element of a load goes: sign-extended if its type has a sign.
#[derive(Clone, Copy)]
struct Destination {
    sink: Sink,
    ty: IntType,
    /// The register is as wide as the element, so nothing is to be extended.
    exact: bool,
}

impl Destination {
    #[inline(always)]
    fn store(self, cx: &mut Cx<'_>, mask: u32, row: &Row<u64>) {
        if self.exact {
            self.sink.store(cx.regs, mask, |lane| row[lane]);
        } else {
            self.sink.store(cx.regs, mask, |lane| self.ty.extend(row[lane]));
        }
    }
}

/// The parts of a load that do not depend on its number of elements.
struct Load {
    space: Named,
    address: Address,
    access: Access,
    order: Order,
}

impl Load {
    fn action<const N: usize>(self, to: [Destination; N]) -> Decoded {
        let Self { space, address, access, order } = self;
        if order.strong {
            return Ok(Action::Ask(Box::new(move |cx, mask| {
                let addresses = address.load(cx.regs);
                // That others have failed is no progress of those who wait for them.
                if !cx.launch.asks_for_faults(&addresses, mask) {
                    cx.block.activity = cx.block.activity.wrapping_add(1);
                }
                let mut out = [[0; 32]; N];
                cx.by_space(space, At { addresses: &addresses, mask }, |cx, space, at| {
                    cx.load_from(space, access, at, &mut out)?;
                    cx.observe(order, space, at);
                    Ok(())
                })?;
                to.iter().zip(&out).for_each(|(to, row)| to.store(cx, mask, row));
                Ok(())
            })));
        }
        access_action(move |cx, mask| {
            let addresses = address.load(cx.regs);
            let mut out = [[0; 32]; N];
            cx.by_space(space, At { addresses: &addresses, mask }, |cx, space, at| {
                cx.load_from(space, access, at, &mut out)
            })?;
            to.iter().zip(&out).for_each(|(to, row)| to.store(cx, mask, row));
            Ok(())
        })
    }
}

pub(super) fn access_action(
    run: impl Fn(&mut Cx<'_>, u32) -> Checked + Send + Sync + 'static,
) -> Decoded {
    let run: program::Access = Box::new(run);
    Ok(Action::Access(run))
}

fn shape(ty: MemTy, count: usize, order: Order) -> Access {
    let bits = ty.ty().bits();
    let (width, parts) = if bits == 128 { (8, 2) } else { (bits / 8, 1) };
    let access = Access::vector(width, parts * count as u32);
    if order.strong { access.strong() } else { access }
}

fn destinations(cx: &Decoder<'_>, regs: &[Reg], ty: Ty) -> Result<Vec<Destination>, String> {
    let int = IntType { bits: ty.bits().min(64), signed: ty.kind() == Kind::Signed };
    let one = |reg: &Reg| {
        let exact = cx.is_as_wide(*reg, ty) || int.bits == 64 || !int.signed;
        Ok(Destination { sink: cx.def_any(*reg)?, ty: int, exact })
    };
    regs.iter().map(one).collect()
}

fn load(
    cx: &mut Decoder<'_>,
    regs: &[Reg],
    ty: MemTy,
    addr: &Addr,
    (space, order): (Named, Order),
) -> Decoded {
    if let Some(action) = kernel_param(cx, regs, ty, addr, space) {
        return action;
    }
    let load =
        Load { space, address: cx.address(addr)?, access: shape(ty, regs.len(), order), order };
    if ty == MemTy::B128 {
        return load_quads(cx, load, regs);
    }
    let to = destinations(cx, regs, ty.ty())?;
    let wrong = || Err("a vector has 1, 2, 4 or 8 elements".to_owned());
    match to.len() {
        1 => to.try_into().map_or_else(|_| wrong(), |to| load.action::<1>(to)),
        2 => to.try_into().map_or_else(|_| wrong(), |to| load.action::<2>(to)),
        4 => to.try_into().map_or_else(|_| wrong(), |to| load.action::<4>(to)),
        8 => to.try_into().map_or_else(|_| wrong(), |to| load.action::<8>(to)),
        _ => wrong(),
    }
}

fn load_quads(cx: &Decoder<'_>, load: Load, regs: &[Reg]) -> Decoded {
    let rows = quads(cx, regs.iter().copied())?;
    let Load { space, address, access, .. } = load;
    access_action(move |cx, mask| {
        let addresses = address.load(cx.regs);
        let mut out = [[0; 32]; 8];
        let out = &mut out[..access.count as usize];
        cx.by_space(space, At { addresses: &addresses, mask }, |cx, space, at| {
            cx.load_from(space, access, at, out)
        })?;
        for (slot, pair) in rows.iter().zip(out.chunks_exact(2)) {
            let row = &mut cx.regs.quads[slot.0 as usize];
            each_lane(mask, |lane| {
                row[lane] = u128::from(pair[1][lane]) << 64 | u128::from(pair[0][lane]);
            });
        }
        Ok(())
    })
}

fn quads(cx: &Decoder<'_>, regs: impl Iterator<Item = Reg>) -> Result<Vec<Slot>, String> {
    let one = |reg| {
        let home = cx.home(reg)?;
        if home.file == File::Quad {
            Ok(home.slot)
        } else {
            Err("`.b128` wants registers of 128 bits".to_owned())
        }
    };
    regs.map(one).collect()
}

/// A load of a kernel's parameter by name: the same for all lanes, at a known offset.
fn kernel_param(
    cx: &Decoder<'_>,
    regs: &[Reg],
    ty: MemTy,
    addr: &Addr,
    space: Named,
) -> Option<Decoded> {
    let (Named::Space(Space::Param), Value::Symbol(name, inner), [reg]) = (space, &addr.base, regs)
    else {
        return None;
    };
    let Ok(Place::Fixed(base)) = cx.place(name) else { return None };
    let (offset, bytes) =
        (base.checked_add_signed(inner + addr.offset)?, ty.ty().bits() as usize / 8);
    let end = u64::from(cx.func.params.iter().map(|it| it.bytes() as u32).sum::<u32>());
    if !cx.func.entry || bytes > 8 || offset >= CALL_PARAMS || offset > end + 4096 {
        return None;
    }
    let to = match destinations(cx, &[*reg], ty.ty()) {
        Ok(to) => to[0],
        Err(message) => return Some(Err(message)),
    };
    let access = Access::scalar(bytes as u32);
    Some(Ok(Action::Recall(Box::new(move |cx, mask| {
        let start = offset as usize;
        let Some(found) = cx.launch.params.get(start..start + bytes) else {
            let lane = mask.trailing_zeros() as usize;
            return Err(beyond_params(lane, AccessKind::Load, offset, access));
        };
        let value = little_endian(found);
        to.store(cx, mask, &[value; 32]);
        Ok(())
    }))))
}

pub(super) fn ld(cx: &mut Decoder<'_>, it: &Ld) -> Decoded {
    load(cx, &it.d.0, it.ty, &it.addr, (named(it.space), Order::of(it.sem)))
}

pub(super) fn ld_nc(cx: &mut Decoder<'_>, it: &LdNc) -> Decoded {
    load(cx, &it.d.0, it.ty, &it.addr, (Named::Space(Space::Global), Order::of(None)))
}

/// The parts of a store that do not depend on its number of elements.
struct Store {
    space: Named,
    address: Address,
    access: Access,
    order: Order,
}

impl Store {
    fn action<const N: usize>(self, from: [Source; N]) -> Decoded {
        let Self { space, address, access, order } = self;
        if order.strong {
            return Ok(Action::Signal(Box::new(move |cx, mask| {
                let addresses = address.load(cx.regs);
                let values = from.map(|it| it.load(cx.regs));
                cx.by_space(space, At { addresses: &addresses, mask }, |cx, space, at| {
                    cx.publish(order, space, at);
                    cx.store_to(space, access, at, &values)
                })
            })));
        }
        access_action(move |cx, mask| {
            let addresses = address.load(cx.regs);
            let values = from.map(|it| it.load(cx.regs));
            cx.by_space(space, At { addresses: &addresses, mask }, |cx, space, at| {
                cx.store_to(space, access, at, &values)
            })
        })
    }
}

pub(super) fn st(cx: &mut Decoder<'_>, it: &St) -> Decoded {
    let order = Order::of(it.sem);
    let store = Store {
        space: named(it.space),
        address: cx.address(&it.addr)?,
        access: shape(it.ty, it.a.0.len(), order),
        order,
    };
    if it.ty == MemTy::B128 {
        return store_quads(cx, store, &it.a.0);
    }
    let ty = it.ty.ty();
    let from: Vec<_> = it.a.0.iter().map(|it| cx.value_of(it, ty)).collect::<Result<_, _>>()?;
    let wrong = || Err("a vector has 1, 2, 4 or 8 elements".to_owned());
    match from.len() {
        1 => from.try_into().map_or_else(|_| wrong(), |from| store.action::<1>(from)),
        2 => from.try_into().map_or_else(|_| wrong(), |from| store.action::<2>(from)),
        4 => from.try_into().map_or_else(|_| wrong(), |from| store.action::<4>(from)),
        8 => from.try_into().map_or_else(|_| wrong(), |from| store.action::<8>(from)),
        _ => wrong(),
    }
}

fn store_quads(cx: &Decoder<'_>, store: Store, values: &[Value]) -> Decoded {
    let reg = |value: &Value| match value {
        Value::Reg(reg) => Ok(*reg),
        _ => Err("`.b128` wants registers".to_owned()),
    };
    let regs: Vec<_> = values.iter().map(reg).collect::<Result<_, _>>()?;
    let rows = quads(cx, regs.into_iter())?;
    let Store { space, address, access, .. } = store;
    access_action(move |cx, mask| {
        let addresses = address.load(cx.regs);
        let values: Vec<Row<u64>> = rows
            .iter()
            .flat_map(|slot| {
                let row = &cx.regs.quads[slot.0 as usize];
                [row.map(|it| it as u64), row.map(|it| (it >> 64) as u64)]
            })
            .collect();
        cx.by_space(space, At { addresses: &addresses, mask }, |cx, space, at| {
            cx.store_to(space, access, at, &values)
        })
    })
}

pub(super) fn prefetch(cx: &mut Decoder<'_>, it: &Prefetch) -> Decoded {
    cx.address(&it.addr).map(|_| Action::Nothing)
}

pub(super) fn prefetch_tensormap(cx: &mut Decoder<'_>, it: &PrefetchTensormap) -> Decoded {
    cx.address(&it.addr).map(|_| Action::Nothing)
}

pub(super) fn prefetchu(cx: &mut Decoder<'_>, it: &Prefetchu) -> Decoded {
    cx.address(&it.addr).map(|_| Action::Nothing)
}

pub(super) fn apply_priority(cx: &mut Decoder<'_>, it: &ApplyPriority) -> Decoded {
    cx.address(&it.addr).map(|_| Action::Nothing)
}

/// There is no cache whose policy could matter.
pub(super) fn create_policy(cx: &mut Decoder<'_>, it: &CreatePolicy) -> Decoded {
    let d = cx.def_any(it.d.0)?;
    compute(move |regs, mask| d.store(regs, mask, |_| 0))
}

pub(super) fn cp_async(cx: &mut Decoder<'_>, it: &CpAsync) -> Decoded {
    let Value::Int(bytes) = it.bytes.0 else {
        return Err("the size of a copy must be an integer".to_owned());
    };
    let bytes = bytes as usize;
    let (to, from) = (cx.address(&it.to)?, cx.address(&it.from)?);
    let source = it.source.as_ref().map(|it| cx.value_of(&it.0, Ty::U32)).transpose()?;
    access_action(move |cx, mask| {
        let (to, from) = (to.load(cx.regs), from.load(cx.regs));
        let source = source.map_or([bytes as u64; 32], |it| it.load(cx.regs));
        let access = Access::vector(1, bytes as u32);
        cx.block.pending.check(AccessKind::AsyncCopy, access, &to, mask)?;
        for lane in Lanes(mask) {
            let read = bytes.min(source[lane] as usize);
            copy_one(cx, lane, (to[lane], from[lane]), (bytes, read))?;
        }
        Ok(())
    })
}

/// Begins one lane's copy of `bytes` bytes, of which `read` come from memory.
fn copy_one(
    cx: &mut Cx<'_>,
    lane: usize,
    (to, from): (u64, u64),
    (bytes, read): (usize, usize),
) -> Checked {
    let touch = |kind, space, address| Touch { kind, space, address, bytes: bytes as u32 };
    let destination = touch(AccessKind::AsyncCopy, Space::Shared, to);
    if to % bytes as u64 != 0 {
        return Err(fault(lane, Fault::Misaligned { touch: destination }));
    }
    if to.saturating_add(bytes as u64) > cx.block.shared.len() as u64 {
        return Err(fault(lane, Fault::OutOfBounds { touch: destination, nearest: None }));
    }
    if from % bytes as u64 != 0 {
        let touch = touch(AccessKind::Load, Space::Global, from);
        return Err(fault(lane, Fault::Misaligned { touch }));
    }
    let mut data = [0; 16];
    if read != 0 {
        let by = actor!(cx);
        let global = &cx.launch.global;
        global.read_bytes(&mut cx.memory.cache, by, lane, from, &mut data[..read])?;
    }
    cx.begin_copy(lane, to, &data[..bytes]);
    Ok(())
}

pub(super) fn cp_async_commit(_: &mut Decoder<'_>, _: &CpAsyncCommit) -> Decoded {
    access_action(|cx, mask| {
        cx.memory.copies.commit(mask);
        Ok(())
    })
}

pub(super) fn cp_async_wait(cx: &mut Decoder<'_>, it: &CpAsyncWait) -> Decoded {
    let n = cx.value::<u32>(&it.n.0)?;
    access_action(move |cx, mask| {
        let pending = cx.regs.words(n)[mask.trailing_zeros() as usize];
        cx.land_copies(mask, Some(pending))
    })
}

pub(super) fn cp_async_wait_all(_: &mut Decoder<'_>, _: &CpAsyncWaitAll) -> Decoded {
    access_action(|cx, mask| cx.land_copies(mask, None))
}
