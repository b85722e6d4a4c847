//! Elements of memory: addresses, bounds, loads and stores.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::modifier::{Cmp, Space};
use firesteel_ptx::operand::{Addr, Def, Special};
use firesteel_ptx::ty::{CompareTy, CvtTy, IntTy, LogicTy, MemTy, Ty as PtxTy, WideTy};

use super::emit::{unless, when};
use super::expr::scalar_of;
use super::number::{Fact, RESULT};
use super::val::{Address, constant, mem_ty, reg_ty};
use super::{Lower, Operand, SiteKind, op};
use crate::hir::{
    self, BinOp, Elem, Expr, Memory, ParamId, ParamKind, Place, Root, Scalar, SharedId, SpanRange,
    Value, ViewId,
};

impl Lower<'_> {
    /// The address of an element of memory, its index checked.
    pub(crate) fn address_of(&mut self, place: &Place) -> Address {
        match &place.root {
            Root::Element { memory, index } => self.element(*memory, index, 1, place.span),
            Root::Local(_) => unreachable!("a variable is in registers"),
        }
    }

    /// The address of `count` neighbouring elements, a power of two, the first one at `index`.
    ///
    /// For several, what is checked is the last one, if the index is a multiple of their number
    /// as it must be.
    pub(crate) fn element(
        &mut self,
        memory: Memory,
        index: &Expr,
        count: u32,
        span: SpanRange,
    ) -> Address {
        let (operand, ty) = (self.scalar(index), scalar_of(&index.ty));
        self.loc(span);
        let (operand, ty) = self.index_word(operand, ty);
        self.check_index(memory, &operand, ty, count, span);
        let elem = self.elem_of(memory);
        let (space, addr) = self.address(memory, operand, ty);
        Address { space, addr, elem }
    }

    /// The address of `count` neighbouring elements, none of them outside of the memory.
    pub(crate) fn element_range(
        &mut self,
        (memory, index): (Memory, &Expr),
        count: &Operand,
        span: SpanRange,
    ) -> Address {
        let (operand, ty) = (self.scalar(index), scalar_of(&index.ty));
        self.loc(span);
        let (operand, ty) = self.index_word(operand, ty);
        if self.is_checked() && self.is_reachable() {
            let len = self.len(memory);
            let [at, len] = [(operand.clone(), ty), (len, Scalar::Usize)]
                .map(|(it, ty)| self.convert(it, ty, Scalar::U64));
            // A negative index is a large one.
            let behind = self.compare(BinOp::Gt, Scalar::U64, at.clone(), len.clone());
            self.outside_where(&behind, memory, (operand.clone(), ty), span);
            let wide = Scalar::U64;
            let left = self.binary(BinOp::Sub, wide, len, (at.clone(), wide), span);
            let count = self.convert(count.clone(), Scalar::U32, wide);
            let too_many = self.compare(BinOp::Gt, wide, count.clone(), left);
            // The record names the last element.
            let end = self.binary(BinOp::Add, wide, at, (count, wide), span);
            let last = self.binary(BinOp::Sub, wide, end, (Operand::Int(1), wide), span);
            self.outside_where(&too_many, memory, (last, wide), span);
        }
        let elem = self.elem_of(memory);
        let (space, addr) = self.address(memory, operand, ty);
        Address { space, addr, elem }
    }

    /// Faults where the condition holds, perhaps nowhere or everywhere.
    fn outside_where(
        &mut self,
        outside: &Operand,
        memory: Memory,
        index: (Operand, Scalar),
        span: SpanRange,
    ) {
        match outside {
            Operand::Reg(outside) => {
                let fault = self.bounds_fault(memory, index, span);
                self.jump_if(when(*outside), fault);
            }
            known if constant(known, Scalar::Bool).is_some_and(Value::as_bool) => {
                let fault = self.bounds_fault(memory, index, span);
                self.jump(fault);
            }
            _ => {}
        }
    }

    /// [`Self::element`] where only threads for which `wanted` holds reach the elements, so that
    /// only theirs are checked.
    pub(crate) fn element_where(
        &mut self,
        wanted: Reg,
        (memory, index): (Memory, &Expr),
        count: u32,
        span: SpanRange,
    ) -> Address {
        let (operand, ty) = (self.scalar(index), scalar_of(&index.ty));
        self.loc(span);
        let (operand, ty) = self.index_word(operand, ty);
        if self.is_checked() && self.is_reachable() {
            let skip = self.label();
            self.jump_if(unless(wanted), skip);
            self.scoped(|cx| cx.check_index(memory, &operand, ty, count, span));
            self.place(skip);
        }
        let elem = self.elem_of(memory);
        let (space, addr) = self.address(memory, operand, ty);
        Address { space, addr, elem }
    }

    fn address(&mut self, memory: Memory, index: Operand, ty: Scalar) -> (Space, Addr) {
        match self.root(memory) {
            Memory::Slice(param) => (Space::Global, self.global_address(memory, param, index, ty)),
            Memory::Shared(shared) => {
                (Space::Shared, self.shared_address(memory, shared, index, ty))
            }
            Memory::View(_) => unreachable!("the root of a view is none"),
        }
    }

    fn root(&self, memory: Memory) -> Memory {
        hir::root_of(&self.kernel.views, memory)
    }

    /// A slice must begin where an element of its view may begin. Shared arrays always do.
    pub(crate) fn check_view(&mut self, view: ViewId, span: SpanRange) {
        let (elem, root) = (self.kernel.views[view.0].elem, self.root(Memory::View(view)));
        let Memory::Slice(param) = root else { return };
        if !self.is_checked() || !self.is_reachable() || elem.bytes() <= self.elem_of(root).bytes()
        {
            return;
        }
        let message = format!(
            "`{}` begins at no multiple of the {} bytes of `{elem}`",
            self.memory_name(root),
            elem.bytes()
        );
        let fault = self.fault(span, SiteKind::Assert { message });
        let name = self.names[param.0].clone();
        let base = self.param(&name, Scalar::U64);
        let (logic, low) = (LogicTy::B64, Operand::Int(i64::from(elem.bytes() - 1)));
        let low = self.pure(PtxTy::B64, |d| op::and(logic, d, base, low));
        let off = self.compare_reg(BinOp::Ne, Scalar::U64, low.into(), Operand::Int(0));
        self.jump_if(when(off), fault);
    }

    /// The type of the elements.
    pub(crate) fn elem_of(&self, memory: Memory) -> Scalar {
        let elem = match memory {
            Memory::Slice(param) => match self.kernel.signature.params[param.0].kind {
                ParamKind::Slice { elem, .. } => elem,
                ParamKind::Scalar { .. } | ParamKind::TensorMap { .. } => {
                    unreachable!("`infer` indexes slices alone")
                }
            },
            Memory::Shared(shared) => self.kernel.shared[shared.0].elem,
            Memory::View(view) => Elem::Scalar(self.kernel.views[view.0].elem),
        };
        match elem {
            Elem::Scalar(elem) => elem,
            Elem::Struct(_) => unreachable!("`infer` gives intrinsics memory of scalars"),
        }
    }

    /// An index of 32 or 64 bits.
    pub(super) fn index_word(&mut self, operand: Operand, ty: Scalar) -> (Operand, Scalar) {
        let wide = match ty {
            Scalar::I8 | Scalar::I16 => Scalar::I32,
            _ if ty.bits() < 32 => Scalar::U32,
            _ => ty,
        };
        (self.convert(operand, ty, wide), wide)
    }

    pub(super) fn is_checked(&self) -> bool {
        !self.kernel.signature.options.unchecked
    }

    /// Faults where the index is not below the length. A negative one is not, for it is compared
    /// as unsigned with a length that is cut off where the negative ones begin.
    pub(super) fn check_index(
        &mut self,
        memory: Memory,
        index: &Operand,
        ty: Scalar,
        count: u32,
        span: SpanRange,
    ) {
        if !self.is_checked() || !self.is_reachable() {
            return;
        }
        if let Some(value) = constant(index, ty) {
            return self.check_constant(memory, value.as_int(), ty, count, span);
        }
        let Operand::Reg(reg) = *index else {
            unreachable!("an index is a register or a constant");
        };
        if let Some(len) = self.static_len(memory) {
            let range = self.range(index, ty);
            let aligned = count == 1 || range.zeros >= count.trailing_zeros();
            if aligned && range.low >= 0 && range.high + i128::from(count) <= i128::from(len) {
                return;
            }
        }
        if count == 1 && self.numbers.check(Fact::InBounds(memory, ty), reg) {
            return;
        }
        let last = if count == 1 {
            reg
        } else {
            let low = Operand::Int(i64::from(count - 1));
            self.pure(reg_ty(ty), |d| op::or(super::val::logic_ty(ty), d, reg, low))
        };
        let fault = self.bounds_fault(memory, (index.clone(), ty), span);
        let (bound, compare) = self.bound(memory, ty);
        let outside = self.pure(PtxTy::Pred, |d| op::setp(Cmp::Ge, compare, d, last, bound));
        self.jump_if(when(outside), fault);
    }

    /// The same for a constant index. `fold` has reported those outside of static arrays.
    fn check_constant(
        &mut self,
        memory: Memory,
        index: i128,
        ty: Scalar,
        count: u32,
        span: SpanRange,
    ) {
        let end = index + i128::from(count);
        let fits = self.static_len(memory).is_some_and(|len| end <= i128::from(len));
        let operand = Operand::Int(index as i64);
        if fits || (index >= 0 && self.numbers.check(Fact::LongerThan(memory, end as u64), RESULT))
        {
            return;
        }
        let fault = self.bounds_fault(memory, (operand, ty), span);
        if index < 0 {
            return self.jump(fault);
        }
        let len = self.len(memory);
        if let Some(len) = constant(&len, Scalar::Usize) {
            if len.as_int() < end {
                self.jump(fault);
            }
            return;
        }
        let end = Operand::Int(end as i64);
        let outside = self.pure(PtxTy::Pred, |d| op::setp(Cmp::Lt, CompareTy::U64, d, len, end));
        self.jump_if(when(outside), fault);
    }

    fn bounds_fault(
        &mut self,
        memory: Memory,
        index: (Operand, Scalar),
        span: SpanRange,
    ) -> firesteel_ptx::ir::Label {
        let array = self.memory_name(memory);
        let len = self.len(memory);
        self.fault_with(span, SiteKind::Bounds { array }, index, (len, Scalar::U64))
    }

    pub(super) fn memory_name(&self, memory: Memory) -> String {
        match memory {
            Memory::Slice(param) => self.kernel.signature.params[param.0].name.to_string(),
            Memory::Shared(shared) => self.kernel.shared[shared.0].name.clone(),
            Memory::View(view) => self.kernel.views[view.0].name.clone(),
        }
    }

    /// What an index of that type must be below, and how the two are compared.
    fn bound(&mut self, memory: Memory, ty: Scalar) -> (Operand, CompareTy) {
        let len = self.len(memory);
        if ty.bits() == 64 {
            return (len, CompareTy::U64);
        }
        let most: i64 = if ty.is_signed() { 1 << 31 } else { u32::MAX.into() };
        let bound = match constant(&len, Scalar::Usize) {
            Some(len) => Operand::Int((len.as_int() as i64).min(most)),
            None => self.cut_off(memory, len, most),
        };
        (bound, CompareTy::U32)
    }

    /// The smaller of a length and a number of 32 bits, once for the whole kernel.
    ///
    /// An unsigned index of 2^32 - 1 counts as out of bounds even where it is not.
    fn cut_off(&mut self, memory: Memory, len: Operand, most: i64) -> Operand {
        let (a, b) = (firesteel_ptx::operand::Use(len), Operand::Int(most));
        let b = firesteel_ptx::operand::Use(b);
        let min = |d: Def| firesteel_ptx::isa::MinInt { ty: IntTy::U64, d, a, b };
        match memory {
            Memory::Slice(_) => {
                let cut = self.hoisted(PtxTy::B64, min);
                self.hoisted(PtxTy::B32, |d| op::cvt(None, CvtTy::U32, d, CvtTy::U64, cut)).into()
            }
            Memory::Shared(_) | Memory::View(_) => {
                let cut = self.pure(PtxTy::B64, min);
                self.pure(PtxTy::B32, |d| op::cvt(None, CvtTy::U32, d, CvtTy::U64, cut)).into()
            }
        }
    }

    /// The length of a static array.
    fn static_len(&self, memory: Memory) -> Option<u32> {
        hir::static_len(&self.kernel.shared, &self.kernel.views, memory)
    }

    /// The length in elements, a `usize`.
    pub(crate) fn len(&mut self, memory: Memory) -> Operand {
        let root = self.root(memory);
        let shift = |bytes: u32| i64::from(bytes.trailing_zeros());
        match root {
            Memory::Slice(param) => {
                let name = super::entry::len_name(&self.names[param.0]);
                let len = self.param(&name, Scalar::Usize).into();
                if memory == root {
                    return len;
                }
                let more = shift(self.elem_of(root).bytes()) - shift(self.elem_of(memory).bytes());
                self.scale(len, Scalar::Usize, more)
            }
            Memory::View(_) => unreachable!("the root of a view is none"),
            Memory::Shared(_) => match self.static_len(memory) {
                Some(len) => Operand::Int(i64::from(len)),
                None => {
                    let bytes = self.special(Special::DynamicSmemSize);
                    let bytes = self.without_reserved(bytes);
                    let wide = self.convert(bytes, Scalar::U32, Scalar::Usize);
                    self.scale(wide, Scalar::Usize, -shift(self.elem_of(memory).bytes()))
                }
            },
        }
    }

    /// The bytes of dynamic shared memory that the launch asked for.
    fn without_reserved(&mut self, bytes: Operand) -> Operand {
        let reserved = i64::from(self.reserved_shared);
        if reserved == 0 {
            return bytes;
        }
        let reserved = Operand::Int(-reserved);
        self.pure(PtxTy::B32, |d| op::add(IntTy::S32, d, bytes, reserved)).into()
    }

    /// A special register.
    pub(crate) fn special(&mut self, special: Special) -> Operand {
        let ty = if special.ty().bits() == 64 { Scalar::U64 } else { Scalar::U32 };
        let reg = self.in_reg(&Operand::Special(special), ty);
        self.describe_special(special, reg);
        reg.into()
    }

    /// An unsigned number shifted left, or right by a negative amount.
    fn scale(&mut self, operand: Operand, ty: Scalar, shift: i64) -> Operand {
        use firesteel_ptx::ty::ShrTy;
        let amount = Operand::Int(shift.abs());
        if shift == 0 {
            return operand;
        }
        if shift > 0 {
            let bits = super::val::bits_ty(ty);
            return self.pure(reg_ty(ty), |d| op::shl(bits, d, operand, amount)).into();
        }
        let shr = if ty.bits() == 64 { ShrTy::U64 } else { ShrTy::U32 };
        self.pure(reg_ty(ty), |d| op::shr(shr, d, operand, amount)).into()
    }

    /// `base + index * size` in global memory, in 64 bits.
    fn global_address(
        &mut self,
        memory: Memory,
        param: ParamId,
        index: Operand,
        ty: Scalar,
    ) -> Addr {
        let bytes = i64::from(self.elem_of(memory).bytes());
        self.sized_address(param, index, ty, bytes)
    }

    /// The same for elements of any size.
    pub(super) fn sized_address(
        &mut self,
        param: ParamId,
        index: Operand,
        ty: Scalar,
        bytes: i64,
    ) -> Addr {
        let name = self.names[param.0].clone();
        let generic = self.param(&name, Scalar::U64);
        let base = self.hoisted(PtxTy::B64, |d| super::fault::to_global(d, generic));
        if let Some(value) = constant(&index, ty)
            && let Some(offset) = small_offset(value.as_int(), bytes)
        {
            return Addr::new(base, offset);
        }
        let (index, extra) = self.split_index(index, bytes);
        let offset = self.offset(index, ty, bytes);
        let at = self.pure(PtxTy::B64, |d| op::add(IntTy::S64, d, base, offset));
        Addr::new(at, extra)
    }

    /// `index * bytes`, in 64 bits.
    pub(super) fn offset(&mut self, index: Operand, ty: Scalar, bytes: i64) -> Operand {
        let size = Operand::Int(bytes);
        if ty.bits() == 64 {
            return match bytes.count_ones() {
                1 => self.scale(index, ty, i64::from(bytes.trailing_zeros())),
                _ => self.pure(PtxTy::B64, |d| op::mul(IntTy::U64, d, index, size)).into(),
            };
        }
        let wide = if ty.is_signed() { WideTy::S32 } else { WideTy::U32 };
        self.pure(PtxTy::B64, |d| op::mul_wide(wide, d, index, size)).into()
    }

    /// An index as another one and an offset in bytes, so that neighbours share an address.
    fn split_index(&self, index: Operand, bytes: i64) -> (Operand, i64) {
        match self.sum(&index) {
            Some(sum) => match small_offset(sum.offset, bytes) {
                Some(offset) => (sum.base.into(), offset),
                None => (index, 0),
            },
            None => (index, 0),
        }
    }

    /// The same in shared memory, where an address below the array might wrap: only if the other
    /// index is not negative.
    fn split_shared(&self, index: Operand, ty: Scalar, bytes: i64) -> (Operand, i64) {
        let (base, offset) = self.split_index(index.clone(), bytes);
        let narrow = ty.bits() == 32;
        if narrow && self.range(&base, ty).low >= 0 { (base, offset) } else { (index, 0) }
    }

    /// `array + index * size` in shared memory, in 32 bits.
    fn shared_address(
        &mut self,
        memory: Memory,
        shared: SharedId,
        index: Operand,
        ty: Scalar,
    ) -> Addr {
        let bytes = i64::from(self.elem_of(memory).bytes());
        self.sized_shared_address(shared, index, ty, bytes)
    }

    /// The same for elements of any size.
    pub(super) fn sized_shared_address(
        &mut self,
        shared: SharedId,
        index: Operand,
        ty: Scalar,
        bytes: i64,
    ) -> Addr {
        let (name, start) = (self.shared_names[shared.0].clone(), self.shared_offsets[shared.0]);
        if let Some(value) = constant(&index, ty)
            && let Some(offset) = small_offset(value.as_int(), bytes)
        {
            return Addr::symbol(&name, start + offset);
        }
        let base = self.hoisted(PtxTy::B32, |d| firesteel_ptx::isa::Mov {
            ty: firesteel_ptx::ty::MovTy::U32,
            d,
            a: firesteel_ptx::operand::Use(Operand::Symbol(name, 0)),
        });
        let (index, extra) = self.split_shared(index, ty, bytes);
        let extra = extra + start;
        let offset = self.shared_offset(index, ty, bytes);
        let at = self.pure(PtxTy::B32, |d| op::add(IntTy::S32, d, base, offset));
        Addr::new(at, extra)
    }

    /// `index * bytes`, in 32 bits.
    pub(super) fn shared_offset(&mut self, index: Operand, ty: Scalar, bytes: i64) -> Operand {
        let index = self.convert(index, ty, Scalar::U32);
        match bytes.count_ones() {
            1 => self.scale(index, Scalar::U32, i64::from(bytes.trailing_zeros())),
            _ => {
                let size = Operand::Int(bytes);
                self.pure(PtxTy::B32, |d| op::mul(IntTy::U32, d, index, size)).into()
            }
        }
    }

    /// The element at an address.
    pub(crate) fn load_from(&mut self, address: &Address) -> Operand {
        let (space, addr, elem) = (address.space, address.addr.clone(), address.elem);
        if elem == Scalar::Bool {
            let byte = self.fresh(Scalar::U8);
            self.emit(op::ld(space, MemTy::U8, Def(byte), addr));
            return self.compare(crate::hir::BinOp::Ne, Scalar::U8, byte.into(), Operand::Int(0));
        }
        let reg = self.fresh(elem);
        self.emit(op::ld(space, mem_ty(elem), Def(reg), addr));
        self.made(reg);
        reg.into()
    }

    /// Writes the element at an address.
    pub(crate) fn store_to(&mut self, address: &Address, value: Operand) {
        let value = self.memory_form(value, address.elem);
        self.emit(op::st(address.space, mem_ty(address.elem), address.addr.clone(), value));
    }

    /// A scalar as memory holds it: a `bool` as 0 or 1 in a register of 16 bits.
    pub(crate) fn memory_form(&mut self, value: Operand, ty: Scalar) -> Operand {
        match ty {
            Scalar::Bool => self.convert(value, Scalar::Bool, Scalar::U8),
            _ => value,
        }
    }

    /// The `bool` that memory holds as a byte.
    pub(crate) fn value_form(&mut self, value: Operand, ty: Scalar) -> Operand {
        match ty {
            Scalar::Bool => self.convert(value, Scalar::U8, Scalar::Bool),
            _ => value,
        }
    }
}

/// The offset of an element, if it fits an instruction.
fn small_offset(index: i128, bytes: i64) -> Option<i64> {
    let offset = index.checked_mul(i128::from(bytes))?;
    i32::try_from(offset).ok().map(i64::from)
}
