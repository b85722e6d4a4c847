//! Structs in memory: the addresses of their parts.

use firesteel_ptx::modifier::{Cmp, Space};
use firesteel_ptx::operand::Addr;
use firesteel_ptx::ty::{CompareTy, IntTy, Ty as PtxTy};

use super::emit::when;
use super::expr::scalar_of;
use super::number::Fact;
use super::val::{Address, constant};
use super::{Lower, Operand, SiteKind, Val, op};
use crate::hir::{Elem, Expr, Memory, ParamKind, Place, Root, Scalar, SpanRange, Step, Ty};
use crate::layout;

impl Lower<'_> {
    /// The struct that the elements of a slice or a shared array are.
    pub(super) fn struct_of(&self, memory: Memory) -> Option<&Ty> {
        let elem = match memory {
            Memory::Slice(param) => match self.kernel.signature.params[param.0].kind {
                ParamKind::Slice { elem, .. } => elem,
                ParamKind::Scalar { .. } | ParamKind::TensorMap { .. } => return None,
            },
            Memory::Shared(shared) => self.kernel.shared[shared.0].elem,
            Memory::View(_) => return None,
        };
        match elem {
            Elem::Struct(id) => Some(&self.kernel.structs[id]),
            Elem::Scalar(_) => None,
        }
    }

    /// The scalars of a place in memory, where each is: one, or those of a struct or of a part of
    /// one. All indices are checked.
    pub(super) fn addresses_of(&mut self, place: &Place) -> Vec<Address> {
        let Root::Element { memory, index } = &place.root else {
            unreachable!("a variable is in registers");
        };
        let Some(elem) = self.struct_of(*memory) else { return vec![self.address_of(place)] };
        let elem = elem.clone();
        let space = match memory {
            Memory::Slice(_) | Memory::View(_) => Space::Global,
            Memory::Shared(_) => Space::Shared,
        };
        let (base, offset) = self.part_of((*memory, index), &elem, place);
        let parts = layout::scalars(&place.ty).into_iter().map(|(at, elem)| {
            let addr = Addr { offset: base.offset + offset + at as i64, ..base.clone() };
            Address { space, addr, elem }
        });
        parts.collect()
    }

    /// Where a part of an element begins: an address, and bytes behind it.
    fn part_of(
        &mut self,
        (memory, index): (Memory, &Expr),
        elem: &Ty,
        place: &Place,
    ) -> (Addr, i64) {
        let inner = place.path.iter().filter_map(|step| match step {
            Step::Index(index) => Some((**index).clone()),
            Step::Field(_) | Step::Lane(_) => None,
        });
        let indices: Vec<Expr> = std::iter::once(index.clone()).chain(inner).collect();
        let values: Vec<Operand> = self.exprs(&indices).iter().map(Val::one).collect();
        let mut values = values.into_iter().zip(indices.iter().map(|it| scalar_of(&it.ty)));
        self.loc(place.span);
        let (size, _) = layout::size_align(elem);
        let (operand, ty) = values.next().unwrap_or((Operand::Int(0), Scalar::U32));
        let (operand, ty) = self.index_word(operand, ty);
        self.check_index(memory, &operand, ty, 1, place.span);
        let mut base = match memory {
            Memory::Slice(param) => self.sized_address(param, operand, ty, size as i64),
            Memory::Shared(shared) => self.sized_shared_address(shared, operand, ty, size as i64),
            Memory::View(_) => unreachable!("views have scalars as elements"),
        };
        let (mut offset, mut part) = (0, elem);
        for step in &place.path {
            match (step, part) {
                (Step::Field(field), Ty::Tuple(fields)) => {
                    offset += layout::offset_of(fields, *field as usize) as i64;
                    part = &fields[*field as usize];
                }
                (Step::Index(_), Ty::Array(elem, len)) => {
                    let (operand, ty) = values.next().unwrap_or((Operand::Int(0), Scalar::U32));
                    let (size, _) = layout::size_align(elem);
                    let array = format!("{}[..]", self.memory_name(memory));
                    let index = self.inner_index((operand, ty), *len, array, place.span);
                    (base, offset) = self.behind((memory, base), offset, index, size as i64);
                    part = elem;
                }
                (Step::Field(_) | Step::Index(_) | Step::Lane(_), _) => {
                    unreachable!("memory holds numbers, arrays and structs")
                }
            }
        }
        (base, offset)
    }

    /// The index of an array in a struct, checked.
    fn inner_index(
        &mut self,
        (operand, ty): (Operand, Scalar),
        len: u32,
        array: String,
        span: SpanRange,
    ) -> (Operand, Scalar) {
        let (operand, ty) = self.index_word(operand, ty);
        // `fold` has checked a constant.
        let Operand::Reg(reg) = operand else { return (operand, ty) };
        let range = self.range(&operand, ty);
        let fits = range.low >= 0 && range.high < i128::from(len);
        let unchecked = !self.is_checked() || !self.is_reachable();
        if unchecked || fits || self.numbers.check(Fact::Below(len, ty), reg) {
            return (operand, ty);
        }
        let bound = Operand::Int(i64::from(len));
        let of = (bound.clone(), Scalar::U64);
        let fault = self.fault_with(span, SiteKind::Bounds { array }, (operand.clone(), ty), of);
        // A negative index is a large one without its sign.
        let compare = if ty.bits() == 64 { CompareTy::U64 } else { CompareTy::U32 };
        let outside = self.pure(PtxTy::Pred, |d| op::setp(Cmp::Ge, compare, d, reg, bound));
        self.jump_if(when(outside), fault);
        (operand, ty)
    }

    /// So many elements behind an address.
    fn behind(
        &mut self,
        (memory, base): (Memory, Addr),
        offset: i64,
        (index, ty): (Operand, Scalar),
        size: i64,
    ) -> (Addr, i64) {
        if let Some(value) = constant(&index, ty) {
            return (base, offset + value.as_int() as i64 * size);
        }
        let from = base.base.clone();
        let at = match memory {
            Memory::Slice(_) | Memory::View(_) => {
                let by = self.offset(index, ty, size);
                self.pure(PtxTy::B64, |d| op::add(IntTy::S64, d, from, by))
            }
            Memory::Shared(_) => {
                let by = self.shared_offset(index, ty, size);
                let from = self.in_ptx_reg(&from, PtxTy::B32);
                self.pure(PtxTy::B32, |d| op::add(IntTy::S32, d, from, by))
            }
        };
        (Addr::new(at, base.offset), offset)
    }
}
