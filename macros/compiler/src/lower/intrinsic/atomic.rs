//! Atomics.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{Atom, AtomCas, Fence, Ld, MovPack, MovUnpack, St};
use firesteel_ptx::modifier::{AtomOp, CasOp, NoFtz, Scope as PtxScope, Sem};
use firesteel_ptx::operand::{Def, SinkDef, Use, VecDef, VecUse};
use firesteel_ptx::ty::{AtomTy, BitsTy, CasTy};

use super::super::emit::when;
use super::super::val::{Address, mem_ty};
use super::super::{Lower, Operand, Val, op};
use crate::hir::{Arg, BinOp, Call, Op, Order, Scalar, Scope, SpanRange, Ty, UnOp};

/// The lowest architecture whose atomics name an order.
const ORDER_SM: u32 = 70;
/// The lowest architecture that adds `bf16`.
const BF16_ATOM_SM: u32 = 90;

/// The order of an atomic and the threads that it is for.
#[derive(Clone, Copy, Debug)]
struct Ordering {
    order: Order,
    scope: Scope,
}

impl Lower<'_> {
    pub(super) fn atomic(&mut self, call: &Call, _result: &Ty, span: SpanRange) -> Val {
        if call.op == Op::AtomicAddVec2 {
            return self.atomic_add_pair(call, span);
        }
        let at = self.place_argument(call);
        let ordering = ordering_of(call);
        let args = self.operands_of(call);
        let operand = match (call.op, args.as_slice()) {
            (Op::AtomicAdd, [value]) => self.atomic_add(&at, ordering, value.clone(), span),
            (Op::AtomicSub, [value]) => {
                let zero = (value.clone(), at.elem);
                let minus = match at.elem.is_float() {
                    true => self.unary(UnOp::Neg, at.elem, value.clone()),
                    false => self.binary(BinOp::Sub, at.elem, Operand::Int(0), zero, span),
                };
                self.atomic_add(&at, ordering, minus, span)
            }
            (Op::AtomicCas, [expected, value]) => {
                self.compare_and_swap(&at, ordering, expected, value)
            }
            (Op::AtomicLoad, _) => self.atomic_load(&at, ordering),
            (Op::AtomicStore, [value]) => {
                self.atomic_store(&at, ordering, value);
                return Val::unit();
            }
            (other, [value]) => {
                let (op, ty) = read_modify_write(other, at.elem);
                self.atom(&at, ordering, op, ty, value)
            }
            (other, _) => unreachable!("`{other:?}` is no atomic, or has other arguments"),
        };
        Val::scalar(operand)
    }

    /// The address of the argument that is a place.
    pub(super) fn place_argument(&mut self, call: &Call) -> Address {
        let place = call.args.iter().find_map(|arg| match arg {
            Arg::Place(place) => Some(place),
            Arg::Value(_)
            | Arg::Memory(_)
            | Arg::Map(_)
            | Arg::Const(_)
            | Arg::Scope(_)
            | Arg::Order(_) => None,
        });
        let place = place.unwrap_or_else(|| unreachable!("`{:?}` has a place", call.op));
        self.address_of(place)
    }

    fn atom(
        &mut self,
        at: &Address,
        ordering: Ordering,
        op: AtomOp,
        ty: AtomTy,
        value: &Operand,
    ) -> Operand {
        let untyped = matches!(ty, AtomTy::B32 | AtomTy::B64);
        let value = match untyped {
            true => self.bits_in_reg(value, at.elem),
            false => self.in_reg(value, at.elem),
        };
        let old = self.fresh(if untyped { at.elem.unsigned() } else { at.elem });
        let (sem, scope) = self.ptx_ordering(ordering);
        let half = at.elem.bits() == 16;
        self.emit(Atom {
            sem,
            scope,
            space: Some(at.space),
            op,
            noftz: half.then_some(NoFtz::NoFtz),
            ty,
            d: SinkDef(Some(old)),
            addr: at.addr.clone(),
            b: Use(value.into()),
        });
        match untyped && at.elem.is_float() {
            true => self.float_from_bits(old.into(), at.elem),
            false => old.into(),
        }
    }

    fn atomic_add(
        &mut self,
        at: &Address,
        ordering: Ordering,
        value: Operand,
        span: SpanRange,
    ) -> Operand {
        let ty = match at.elem {
            Scalar::F16 => AtomTy::F16,
            Scalar::Bf16 if self.kernel.signature.options.sm < BF16_ATOM_SM => {
                let add = |cx: &mut Self, old: Operand| {
                    cx.binary(BinOp::Add, at.elem, old, (value.clone(), at.elem), span)
                };
                return self.swap_loop(at, ordering, add);
            }
            Scalar::Bf16 => AtomTy::BF16,
            Scalar::F32 => AtomTy::F32,
            Scalar::F64 => AtomTy::F64,
            wide if wide.bits() == 64 => AtomTy::U64,
            _ => AtomTy::U32,
        };
        self.atom(at, ordering, AtomOp::Add, ty, &value)
    }

    /// Replaces the element by `new` of it, again and again until nobody came between.
    fn swap_loop(
        &mut self,
        at: &Address,
        ordering: Ordering,
        new: impl Fn(&mut Self, Operand) -> Operand,
    ) -> Operand {
        let old = self.fresh(at.elem);
        let first = self.atomic_load(at, Ordering { order: Order::Relaxed, ..ordering });
        self.assign(old, first);
        let again = self.label();
        self.place_head(again);
        self.scoped(|cx| {
            let wanted = new(cx, old.into());
            let seen = cx.compare_and_swap(at, ordering, &old.into(), &wanted);
            let bits = at.elem.unsigned();
            let (seen_bits, old_bits) =
                (cx.float_bits(seen.clone(), at.elem), cx.float_bits(old.into(), at.elem));
            let lost = cx.compare_reg(BinOp::Ne, bits, seen_bits, old_bits);
            cx.assign(old, seen);
            cx.jump_if(when(lost), again);
        });
        old.into()
    }

    fn compare_and_swap(
        &mut self,
        at: &Address,
        ordering: Ordering,
        expected: &Operand,
        value: &Operand,
    ) -> Operand {
        let (b, c) = (self.bits_in_reg(expected, at.elem), self.bits_in_reg(value, at.elem));
        let old = self.fresh(at.elem.unsigned());
        let (sem, scope) = self.ptx_ordering(ordering);
        self.emit(AtomCas {
            sem,
            scope,
            space: Some(at.space),
            cas: CasOp::Cas,
            ty: match at.elem.bits() {
                16 => CasTy::B16,
                32 => CasTy::B32,
                _ => CasTy::B64,
            },
            d: SinkDef(Some(old)),
            addr: at.addr.clone(),
            b: Use(b.into()),
            c: Use(c.into()),
        });
        match at.elem.is_float() {
            true => self.float_from_bits(old.into(), at.elem),
            false => old.into(),
        }
    }

    /// A load releases nothing: a fence before it does.
    fn atomic_load(&mut self, at: &Address, ordering: Ordering) -> Operand {
        let sem = match ordering.order {
            Order::Relaxed => Sem::Relaxed,
            Order::Acquire => Sem::Acquire,
            Order::Release | Order::AcqRel => {
                self.fence(ordering.scope);
                Sem::Acquire
            }
        };
        let d = self.fresh(at.elem);
        let plain = op::ld(at.space, mem_ty(at.elem), Def(d), at.addr.clone());
        let scope = Some(ptx_scope(ordering.scope));
        self.emit(Ld { sem: Some(sem), scope, ..plain });
        self.made(d);
        d.into()
    }

    /// A store acquires nothing: a fence behind it does.
    fn atomic_store(&mut self, at: &Address, ordering: Ordering, value: &Operand) {
        let (sem, fenced) = match ordering.order {
            Order::Relaxed => (Sem::Relaxed, false),
            Order::Release => (Sem::Release, false),
            Order::Acquire | Order::AcqRel => (Sem::Release, true),
        };
        let value = self.in_reg(value, at.elem);
        let plain = op::st(at.space, mem_ty(at.elem), at.addr.clone(), value);
        let scope = Some(ptx_scope(ordering.scope));
        self.emit(St { sem: Some(sem), scope, ..plain });
        if fenced {
            self.fence(ordering.scope);
        }
    }

    fn fence(&mut self, scope: Scope) {
        self.emit(Fence { sem: Sem::AcqRel, scope: ptx_scope(scope) });
    }

    /// Adds a pair of short floats to two neighbours.
    fn atomic_add_pair(&mut self, call: &Call, span: SpanRange) -> Val {
        let (at, value) = self.vector_place(call, 2, span);
        let ordering = ordering_of(call);
        let pair = at.elem.pair().unwrap_or(Scalar::F16x2);
        let value = value.into_iter().next().unwrap_or(Operand::Int(0));
        if at.elem == Scalar::Bf16 && self.kernel.signature.options.sm < BF16_ATOM_SM {
            return self.add_pair_loop(&at, ordering, (pair, &value), span);
        }
        let b = Use(self.in_reg(&value, pair).into());
        let old = self.fresh(Scalar::U32);
        let (sem, scope) = self.ptx_ordering(ordering);
        let (op, noftz, d) = (AtomOp::Add, Some(NoFtz::NoFtz), SinkDef(Some(old)));
        let ty = if at.elem == Scalar::F16 { AtomTy::F16x2 } else { AtomTy::BF16x2 };
        let (space, addr) = (Some(at.space), at.addr.clone());
        self.emit(Atom { sem, scope, space, op, noftz, ty, d, addr, b });
        old.into()
    }

    /// The same by compare and swap of the pair.
    fn add_pair_loop(
        &mut self,
        at: &Address,
        ordering: Ordering,
        (pair, value): (Scalar, &Operand),
        span: SpanRange,
    ) -> Val {
        let word = Address { elem: Scalar::U32, ..at.clone() };
        let add = |cx: &mut Self, old: Operand| cx.pair_binary(BinOp::Add, pair, &old, value, span);
        Val::scalar(self.swap_loop(&word, ordering, add))
    }

    /// Two values of 16 bits in one word, the first one low.
    pub(super) fn pack_pair(&mut self, low: &Operand, high: &Operand, ty: Scalar) -> Reg {
        let a = VecUse([low, high].map(|it| self.in_reg(it, ty).into()).to_vec());
        self.pure(firesteel_ptx::ty::Ty::B32, |d| MovPack { ty: BitsTy::B32, d, a })
    }

    /// The two values of 16 bits of a word.
    pub(in super::super) fn unpack_pair(&mut self, word: Reg, ty: Scalar) -> Vec<Operand> {
        let lanes = [self.fresh(ty), self.fresh(ty)];
        let d = VecDef(lanes.map(Some).to_vec());
        self.emit(MovUnpack { ty: BitsTy::B32, d, a: Use(word.into()) });
        lanes.map(Operand::Reg).to_vec()
    }

    /// Older machines have relaxed atomics for the device alone, which say neither.
    fn ptx_ordering(&self, ordering: Ordering) -> (Option<Sem>, Option<PtxScope>) {
        let sem = match ordering.order {
            Order::Relaxed => Sem::Relaxed,
            Order::Acquire => Sem::Acquire,
            Order::Release => Sem::Release,
            Order::AcqRel => Sem::AcqRel,
        };
        let plain = sem == Sem::Relaxed && ordering.scope == Scope::Device;
        if plain && self.kernel.signature.options.sm < ORDER_SM {
            return (None, None);
        }
        (Some(sem), Some(ptx_scope(ordering.scope)))
    }
}

const fn ptx_scope(scope: Scope) -> PtxScope {
    match scope {
        Scope::Block => PtxScope::Cta,
        Scope::Device => PtxScope::Gpu,
        Scope::System => PtxScope::Sys,
    }
}

fn ordering_of(call: &Call) -> Ordering {
    let mut ordering = Ordering { order: Order::Relaxed, scope: Scope::Device };
    for arg in &call.args {
        match arg {
            Arg::Scope(scope) => ordering.scope = *scope,
            Arg::Order(order) => ordering.order = *order,
            Arg::Value(_) | Arg::Place(_) | Arg::Memory(_) | Arg::Map(_) | Arg::Const(_) => {}
        }
    }
    ordering
}

/// The operations with one operand other than additions.
fn read_modify_write(op: Op, ty: Scalar) -> (AtomOp, AtomTy) {
    let wide = ty.bits() == 64;
    let bits = if wide { AtomTy::B64 } else { AtomTy::B32 };
    let ordered = match (ty.is_signed(), wide) {
        (true, true) => AtomTy::S64,
        (true, false) => AtomTy::S32,
        (false, true) => AtomTy::U64,
        (false, false) => AtomTy::U32,
    };
    match op {
        Op::AtomicMin => (AtomOp::Min, ordered),
        Op::AtomicMax => (AtomOp::Max, ordered),
        Op::AtomicAnd => (AtomOp::And, bits),
        Op::AtomicOr => (AtomOp::Or, bits),
        Op::AtomicXor => (AtomOp::Xor, bits),
        Op::AtomicExch => (AtomOp::Exch, bits),
        Op::AtomicInc => (AtomOp::Inc, AtomTy::U32),
        Op::AtomicDec => (AtomOp::Dec, AtomTy::U32),
        other => unreachable!("`{other:?}` is no such atomic"),
    }
}
