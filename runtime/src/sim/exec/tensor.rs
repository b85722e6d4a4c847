//! Bulk copies of boxes of tensors. PTX ISA, "Data Movement and Conversion Instructions: Tensor
//! copy"; what a map says, from "Tensor Map Object Management" of the CUDA driver API.

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::BulkOp;
use firesteel_ptx::operand::{Addr, TensorAddr, Use};
use firesteel_ptx::ty::{BulkTy, Ty};

use super::bulk::{check_aligned, combine};
use super::memory::access_action;
use super::{Decoded, Decoder};
use crate::sim::bulk::{Combine, Data, Load, Piece};
use crate::sim::link::decoder::Source;
use crate::sim::memory::resolve;
use crate::sim::program::Action;
use crate::sim::race::Party;
use crate::sim::registers::Lanes;
use crate::sim::report::{AccessKind, Fault, Space, Touch, Violation};
use crate::sim::tensor_map::{Element, Swizzle, TensorMap, WORDS};
use crate::sim::warp::{Cx, actor};

/// Alignment of a box in shared memory.
const BOX_ALIGN: u64 = 128;
/// Alignment of a map.
const MAP_ALIGN: u64 = 64;

/// `[map, {c0, c1, …}]`.
struct Place {
    map: Source,
    coords: Vec<Source>,
}

fn place(cx: &mut Decoder<'_>, it: &TensorAddr) -> Result<Place, String> {
    let map = cx.value_of(&it.map, Ty::U64)?;
    let coords = it.coords.iter().map(|it| cx.value_of(it, Ty::S32)).collect::<Result<_, _>>()?;
    Ok(Place { map, coords })
}

/// A box of a tensor: the map, and where it begins.
struct TensorBox {
    map: TensorMap,
    at: [i64; 5],
}

/// A row of a box: the part along the innermost dimension.
struct Run {
    /// Bytes from the start of the box in shared memory.
    offset: u64,
    /// The first and the end of its elements that are in the tensor.
    inside: (u64, u64),
    /// Address of the first of them.
    address: u64,
}

fn illegal(lane: usize, reason: String) -> Box<Violation> {
    let fault: Fault<Party> = Fault::Illegal { reason };
    Violation::boxed(lane, fault)
}

impl TensorBox {
    /// Elements of the box along a dimension.
    fn count(&self, dim: usize) -> u64 {
        let size = u64::from(self.map.box_dims[dim]);
        // The stride of the innermost dimension does not count.
        let stride = if dim == 0 { 1 } else { u64::from(self.map.element_strides[dim].max(1)) };
        size.div_ceil(stride)
    }

    /// Bytes of a row.
    fn row_bytes(&self) -> u64 {
        self.count(0) * self.map.element.bytes()
    }

    /// Its rows, in the order in which they lie in shared memory.
    fn rows(&self) -> impl Iterator<Item = Run> {
        let rows = (1..self.map.rank as usize).map(|dim| self.count(dim)).product();
        (0..rows).map(|index| self.row(index))
    }

    fn row(&self, index: u64) -> Run {
        let map = &self.map;
        let (mut rest, mut address, mut outside) = (index, map.address, false);
        for dim in 1..map.rank as usize {
            let step = rest % self.count(dim) * u64::from(map.element_strides[dim].max(1));
            rest /= self.count(dim);
            let at = self.at[dim] + step as i64;
            outside |= at < 0 || at as u64 >= map.dims[dim];
            address = address.wrapping_add((at as u64).wrapping_mul(map.strides[dim - 1]));
        }
        let first = self.at[0].min(0).unsigned_abs().min(self.count(0));
        let end = (map.dims[0] as i64 - self.at[0]).clamp(first as i64, self.count(0) as i64);
        let inside = if outside { (0, 0) } else { (first, (end as u64).max(first)) };
        let start = (self.at[0] + first as i64) as u64;
        address = address.wrapping_add(start.wrapping_mul(map.element.bytes()));
        Run { offset: index * self.row_bytes(), inside, address }
    }

    /// Where `bytes` bytes at `offset` of the box lie in shared memory, from `start` on.
    fn pieces(&self, start: u64, offset: u64, bytes: u64) -> impl Iterator<Item = (u64, u64)> {
        let swizzle = self.map.swizzle;
        let step = if swizzle == Swizzle::None { bytes.max(1) } else { 16 };
        let (first, end) = (start + offset, start + offset + bytes);
        let starts = std::iter::successors(Some(first), move |at| Some((at / step + 1) * step));
        let starts: Vec<u64> = match swizzle {
            Swizzle::None => vec![first],
            Swizzle::B32 | Swizzle::B64 | Swizzle::B128 => {
                starts.take_while(|at| *at < end).collect()
            }
        };
        let ends: Vec<u64> = starts.iter().skip(1).copied().chain([end]).collect();
        starts.into_iter().zip(ends).map(move |(at, end)| (swizzle.apply(at), end - at))
    }
}

/// An element outside the tensor.
fn filler(map: &TensorMap) -> [u8; 8] {
    if !map.nan_fill {
        return [0; 8];
    }
    match map.element {
        Element::F16 | Element::BF16 => 0x7fff_u64.to_le_bytes(),
        Element::F32 | Element::F32Ftz | Element::TF32 | Element::TF32Ftz => {
            0x7fff_ffff_u64.to_le_bytes()
        }
        Element::F64 => (u64::MAX >> 1).to_le_bytes(),
        Element::U8 | Element::U16 | Element::U32 | Element::S32 | Element::U64 | Element::S64 => {
            [0; 8]
        }
    }
}

impl Cx<'_> {
    /// Reads the map at a generic address.
    fn tensor_map(&mut self, lane: usize, address: u64) -> Result<TensorMap, Box<Violation>> {
        let (space, at) = resolve(address);
        check_aligned(lane, (AccessKind::Load, space), address, MAP_ALIGN)?;
        let mut bytes = [0; 8 * WORDS];
        match space {
            Space::Global | Space::Const => {
                let (global, cache) = (&self.launch.global, &mut self.memory.cache);
                global.read_bytes(cache, actor!(self), lane, at, &mut bytes)?;
            }
            Space::Param => {
                let found = self.launch.params.get(at as usize..);
                let Some(found) = found.and_then(|it| it.get(..bytes.len())) else {
                    let kind = AccessKind::Load;
                    let touch = Touch { kind, space, address: at, bytes: bytes.len() as u32 };
                    let fault = Fault::OutOfBounds { touch, nearest: None };
                    return Err(Violation::boxed(lane, fault));
                };
                bytes.copy_from_slice(found);
            }
            Space::Shared | Space::Peer(_) | Space::Local => {
                let reason = format!("a tensor map in {space} memory");
                return Err(illegal(lane, reason));
            }
        }
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        let foreign =
            "not a tensor map of the simulator (interleaved layouts and im2col have none)";
        TensorMap::from_words(&words).ok_or_else(|| illegal(lane, foreign.to_owned()))
    }

    /// The box that a lane's operands name, whose start in shared memory is `start`.
    fn tensor_box(
        &mut self,
        lane: usize,
        place: &Place,
        (kind, start): (AccessKind, u64),
    ) -> Result<TensorBox, Box<Violation>> {
        let map = self.tensor_map(lane, place.map.load(self.regs)[lane])?;
        if map.rank as usize != place.coords.len() {
            let reason = format!("a map of {} dimensions for {}", map.rank, place.coords.len());
            return Err(illegal(lane, reason));
        }
        let mut at = [0; 5];
        for (at, coord) in at.iter_mut().zip(&place.coords) {
            *at = (coord.load(self.regs)[lane] as u32).cast_signed().into();
        }
        let found = TensorBox { map, at };
        check_aligned(lane, (kind, Space::Shared), start, BOX_ALIGN)?;
        let row = found.row_bytes();
        if !row.is_multiple_of(16) || (map.swizzle != Swizzle::None && row > map.swizzle.span()) {
            let reason = format!("rows of {row} bytes of a box swizzled as {:?}", map.swizzle);
            return Err(illegal(lane, reason));
        }
        if matches!(map.element, Element::TF32 | Element::TF32Ftz | Element::F32Ftz) {
            let reason = format!("tensors of {:?} are not simulated", map.element);
            return Err(illegal(lane, reason));
        }
        Ok(found)
    }

    fn load_box(
        &mut self,
        lane: usize,
        from: &Place,
        (to, barrier, mask): (u64, u64, Option<u64>),
    ) -> Result<(), Box<Violation>> {
        let (targets, to, barrier) = self.targets(lane, (to, barrier), mask)?;
        let found = self.tensor_box(lane, from, (AccessKind::AsyncCopy, to))?;
        let (element, row) = (found.map.element.bytes() as usize, found.row_bytes() as usize);
        let filler = filler(&found.map);
        let (mut data, mut pieces) = (Vec::new(), Vec::new());
        for run in found.rows() {
            let start = data.len();
            data.extend(filler[..element].iter().copied().cycle().take(row));
            let inside =
                start + run.inside.0 as usize * element..start + run.inside.1 as usize * element;
            if !inside.is_empty() {
                let (global, cache) = (&self.launch.global, &mut self.memory.cache);
                let out = &mut data[inside];
                global.read_bytes(cache, actor!(self), lane, run.address, out)?;
            }
            let lie = found.pieces(to, run.offset, row as u64);
            pieces.extend(lie.map(|(address, bytes)| (address, bytes as u32)));
        }
        let load = Load { pieces, data: Data::Here(data.into()) };
        targets
            .into_iter()
            .try_for_each(|rank| self.begin_load(lane, (rank, barrier), load.clone()))
    }

    fn store_box(
        &mut self,
        lane: usize,
        to: &Place,
        from: u64,
        op: Option<BulkOp>,
    ) -> Result<(), Box<Violation>> {
        let found = self.tensor_box(lane, to, (AccessKind::Load, from))?;
        let combine = op.map(|op| element_combine(op, found.map.element)).transpose();
        let combine = combine.map_err(|reason| illegal(lane, reason))?;
        let element = found.map.element.bytes();
        let mut pieces = Vec::new();
        for run in found.rows() {
            let (first, end) = run.inside;
            let (offset, bytes) = (run.offset + first * element, (end - first) * element);
            let mut to = run.address;
            for (from, bytes) in found.pieces(from, offset, bytes) {
                if bytes != 0 {
                    pieces.push(Piece { from, to, bytes: bytes as u32 });
                }
                to += bytes;
            }
        }
        self.begin_store(lane, pieces, combine)
    }
}

/// What a reduction does with the elements of a tensor; bits are combined whatever they mean.
fn element_combine(op: BulkOp, element: Element) -> Result<Combine, String> {
    let bits = matches!(op, BulkOp::And | BulkOp::Or | BulkOp::Xor);
    let ty = match element {
        Element::U32 | Element::S32 if bits => BulkTy::B32,
        Element::U64 | Element::S64 if bits => BulkTy::B64,
        Element::U32 => BulkTy::U32,
        Element::S32 => BulkTy::S32,
        Element::U64 => BulkTy::U64,
        Element::S64 => BulkTy::S64,
        Element::F16 => BulkTy::F16,
        Element::BF16 => BulkTy::BF16,
        Element::F32 | Element::F32Ftz => BulkTy::F32,
        Element::F64 => BulkTy::F64,
        Element::U8 | Element::U16 | Element::TF32 | Element::TF32Ftz => {
            return Err(format!("elements of {element:?} cannot be reduced"));
        }
    };
    let fits = match op {
        BulkOp::And | BulkOp::Or | BulkOp::Xor => matches!(ty, BulkTy::B32 | BulkTy::B64),
        BulkOp::Inc | BulkOp::Dec => ty == BulkTy::U32,
        BulkOp::Min | BulkOp::Max => !matches!(ty, BulkTy::F32 | BulkTy::F64),
        BulkOp::Add => ty != BulkTy::S64,
    };
    if fits { combine(op, ty) } else { Err(format!("no reduction {op:?} of {element:?}")) }
}

fn load(
    cx: &mut Decoder<'_>,
    (to, from, barrier): (&Addr, &TensorAddr, &Addr),
    mask: Option<&Use>,
) -> Decoded {
    let (to, from, barrier) = (cx.address(to)?, place(cx, from)?, cx.address(barrier)?);
    let blocks = mask.map(|it| cx.value_of(&it.0, Ty::U16)).transpose()?;
    access_action(move |cx, mask| {
        let (to, barrier) = (to.load(cx.regs), barrier.load(cx.regs));
        let blocks = blocks.map(|it| it.load(cx.regs));
        Lanes(mask).try_for_each(|lane| {
            let blocks = blocks.as_ref().map(|it| it[lane]);
            cx.load_box(lane, &from, (to[lane], barrier[lane], blocks))
        })
    })
}

pub(super) fn cp_async_bulk_tensor_load(
    cx: &mut Decoder<'_>,
    it: &CpAsyncBulkTensorLoad,
) -> Decoded {
    load(cx, (&it.to, &it.from, &it.barrier), None)
}

pub(super) fn cp_async_bulk_tensor_multicast(
    cx: &mut Decoder<'_>,
    it: &CpAsyncBulkTensorMulticast,
) -> Decoded {
    load(cx, (&it.to, &it.from, &it.barrier), Some(&it.mask))
}

fn store(cx: &mut Decoder<'_>, to: &TensorAddr, from: &Addr, op: Option<BulkOp>) -> Decoded {
    let (to, from) = (place(cx, to)?, cx.address(from)?);
    access_action(move |cx, mask| {
        let from = from.load(cx.regs);
        Lanes(mask).try_for_each(|lane| cx.store_box(lane, &to, from[lane], op))
    })
}

pub(super) fn cp_async_bulk_tensor_store(
    cx: &mut Decoder<'_>,
    it: &CpAsyncBulkTensorStore,
) -> Decoded {
    store(cx, &it.to, &it.from, None)
}

pub(super) fn cp_reduce_async_bulk_tensor(
    cx: &mut Decoder<'_>,
    it: &CpReduceAsyncBulkTensor,
) -> Decoded {
    store(cx, &it.to, &it.from, Some(it.op))
}

/// There is no cache to fill.
pub(super) fn cp_async_bulk_tensor_prefetch(
    _: &mut Decoder<'_>,
    _: &CpAsyncBulkTensorPrefetch,
) -> Decoded {
    Ok(Action::Nothing)
}
