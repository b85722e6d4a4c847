//! Vector loads and stores.
//!
//! Elements of 8 or 16 bits travel as words where there are more than four. Shared memory has no
//! access of 32 bytes, so that two of 16 take its place.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{Bfe, Bfi};
use firesteel_ptx::modifier::{LoadCache, Space, StoreCache};
use firesteel_ptx::operand::{Addr, Use};
use firesteel_ptx::ty::{CvtTy, IntTy, IntWordTy, LogicTy, MemTy, Ty as PtxTy, WordTy};

use super::super::emit::when;
use super::super::val::{Address, mem_ty};
use super::super::{Lower, Operand, SiteKind, Val, op};
use super::memory::Hints;
use crate::hir::{Arg, BinOp, Call, Expr, Memory, Op, Scalar, SpanRange, Ty};

/// The most elements of 8 or 16 bits of one access.
const MOST_SHORT: u32 = 4;
/// The bytes of the widest access to shared memory.
const SHARED_BYTES: u32 = 16;

impl Lower<'_> {
    pub(super) fn vector(&mut self, call: &Call, result: &Ty, span: SpanRange) -> Val {
        let hints = match call.op {
            Op::LoadVec | Op::StoreVec => Hints::NONE,
            Op::LoadVecPolicy | Op::StoreVecPolicy => Hints::NONE,
            Op::LoadVecNc | Op::LoadVecNcPolicy => Hints::READ_ONLY,
            Op::LoadVecCs => Hints::load(LoadCache::Cs),
            Op::LoadVecStream => Hints::STREAM,
            Op::StoreVecCs => Hints::store(StoreCache::Cs),
            other => unreachable!("`{other:?}` moves no vector"),
        };
        let stored = match call.op {
            Op::StoreVec | Op::StoreVecCs | Op::StoreVecPolicy => {
                call.args.iter().filter_map(Arg::value).nth(1)
            }
            _ => None,
        };
        let moved = stored.map_or(result, |value| &value.ty);
        let lanes = lanes_of(moved);
        let (mut at, mut value) = self.vector_place(call, lanes, span);
        let hints = match call.op {
            Op::LoadVecPolicy | Op::LoadVecNcPolicy | Op::StoreVecPolicy => {
                hints.with(self.policy_of(&mut value))
            }
            _ => hints,
        };
        if let Ty::Scalar(pair) = moved {
            // Two halves are one element of twice the size.
            at.elem = *pair;
            return match value.first() {
                Some(value) => {
                    let value = self.in_reg(value, *pair).into();
                    self.store_from(&at, hints, mem_ty(*pair), vec![value]);
                    Val::unit()
                }
                None => Val::parts(self.load_lanes(&at, hints, 1)),
            };
        }
        if stored.is_none() {
            return Val::parts(self.load_lanes(&at, hints, lanes));
        }
        self.store_lanes(&at, hints, &value);
        Val::unit()
    }

    /// The address of `lanes` elements, inside of the memory and aligned for one access, and the
    /// lanes of the value that goes with it.
    pub(super) fn vector_place(
        &mut self,
        call: &Call,
        lanes: u32,
        span: SpanRange,
    ) -> (Address, Vec<Operand>) {
        let (memory, index) = memory_and_index(call);
        let at = self.element(memory, index, lanes, span);
        self.check_alignment(&at, lanes, span);
        let values: Vec<Expr> = call.args.iter().filter_map(Arg::value).skip(1).cloned().collect();
        let lanes = self.exprs(&values).into_iter().flat_map(Val::into_parts).collect();
        (at, lanes)
    }

    /// A misaligned access would take the whole context down, so it is a fault of the thread.
    pub(super) fn check_alignment(&mut self, at: &Address, lanes: u32, span: SpanRange) {
        let bytes = match at.space {
            Space::Shared => (lanes * at.elem.bytes()).min(SHARED_BYTES),
            _ => lanes * at.elem.bytes(),
        };
        let bytes = i64::from(bytes);
        if self.kernel.signature.options.unchecked || !self.is_reachable() {
            return;
        }
        let message = format!("the index of {lanes} elements is no multiple of {lanes}");
        let kind = SiteKind::Assert { message };
        let Operand::Reg(base) = at.addr.base else {
            // Arrays in shared memory begin at a multiple of 16.
            if at.addr.offset % bytes != 0 {
                let fault = self.fault(span, kind);
                self.jump(fault);
            }
            return;
        };
        let fault = self.fault(span, kind);
        let (ty, logic) = match at.space {
            Space::Global => (Scalar::U64, LogicTy::B64),
            _ => (Scalar::U32, LogicTy::B32),
        };
        let address = self.offset_address(base, at.addr.offset, ty);
        let low = self.pure(logic.ty(), |d| op::and(logic, d, address, Operand::Int(bytes - 1)));
        let off = self.compare_reg(BinOp::Ne, ty, low.into(), Operand::Int(0));
        self.jump_if(when(off), fault);
    }

    fn offset_address(&mut self, base: Reg, offset: i64, ty: Scalar) -> Reg {
        if offset == 0 {
            return base;
        }
        let (int, reg) = match ty.bits() {
            64 => (IntTy::S64, PtxTy::B64),
            _ => (IntTy::S32, PtxTy::B32),
        };
        self.pure(reg, |d| op::add(int, d, base, Operand::Int(offset)))
    }

    fn load_lanes(&mut self, at: &Address, hints: Hints, lanes: u32) -> Vec<Operand> {
        if let Some(halves) = halves_of(at, lanes) {
            let halves = halves.map(|half| self.load_lanes(&half, hints, lanes / 2));
            return halves.into_iter().flatten().collect();
        }
        if lanes <= MOST_SHORT || at.elem.bytes() >= 4 {
            let regs: Vec<Reg> = (0..lanes).map(|_| self.fresh(at.elem)).collect();
            self.load_into(at, hints, mem_ty(at.elem), regs.clone());
            return regs.into_iter().map(Operand::Reg).collect();
        }
        let words = lanes * at.elem.bytes() / 4;
        let words: Vec<Reg> = (0..words).map(|_| self.fresh(Scalar::U32)).collect();
        self.load_into(at, hints, MemTy::B32, words.clone());
        words.into_iter().flat_map(|word| self.split_word(word, at.elem)).collect()
    }

    /// The elements of 8 or 16 bits in a word.
    fn split_word(&mut self, word: Reg, ty: Scalar) -> Vec<Operand> {
        if ty.bits() == 16 {
            return self.unpack_pair(word, ty);
        }
        let int = if ty.is_signed() { IntWordTy::S32 } else { IntWordTy::U32 };
        let mut byte = |pos: i64| {
            let (a, b, c) = (Use(word.into()), Use(Operand::Int(pos)), Use(Operand::Int(8)));
            let wide = self.pure(PtxTy::B32, |d| Bfe { ty: int, d, a, b, c });
            // The byte is extended already.
            self.pure(PtxTy::B16, |d| op::cvt(None, CvtTy::U16, d, CvtTy::U32, wide)).into()
        };
        [0, 8, 16, 24].map(&mut byte).to_vec()
    }

    fn store_lanes(&mut self, at: &Address, hints: Hints, lanes: &[Operand]) {
        let count = lanes.len() as u32;
        if let Some(halves) = halves_of(at, count) {
            let (low, high) = lanes.split_at(lanes.len() / 2);
            for (half, lanes) in halves.iter().zip([low, high]) {
                self.store_lanes(half, hints, lanes);
            }
            return;
        }
        if count <= MOST_SHORT || at.elem.bytes() >= 4 {
            let values = lanes.iter().map(|lane| self.in_reg(lane, at.elem).into()).collect();
            return self.store_from(at, hints, mem_ty(at.elem), values);
        }
        let in_word = (4 / at.elem.bytes()) as usize;
        let words = lanes.chunks(in_word).map(|chunk| self.join_word(chunk, at.elem)).collect();
        self.store_from(at, hints, MemTy::B32, words);
    }

    /// A word of elements of 8 or 16 bits.
    fn join_word(&mut self, lanes: &[Operand], ty: Scalar) -> Operand {
        if let [low, high] = lanes {
            return self.pack_pair(low, high, ty).into();
        }
        // Their bits, whatever they mean.
        let ty = if ty.is_narrow() { ty.unsigned() } else { ty };
        let mut lanes = lanes.iter().map(Operand::clone);
        let first = lanes.next().unwrap_or(Operand::Int(0));
        let mut word = self.convert(first, ty, Scalar::U32);
        for (pos, lane) in (8..).step_by(8).zip(lanes) {
            let lane = self.convert(lane, ty, Scalar::U32);
            let (a, b, c, e) = (Use(lane), Use(word), Use(Operand::Int(pos)), Use(Operand::Int(8)));
            word = self.pure(PtxTy::B32, |d| Bfi { ty: WordTy::B32, d, a, b, c, e }).into();
        }
        word
    }
}

/// Both halves of an access that is too wide for its memory.
fn halves_of(at: &Address, lanes: u32) -> Option<[Address; 2]> {
    let bytes = lanes * at.elem.bytes();
    let half = |offset: u32| Address {
        addr: Addr { offset: at.addr.offset + i64::from(offset), ..at.addr.clone() },
        ..at.clone()
    };
    (at.space == Space::Shared && bytes > SHARED_BYTES).then(|| [half(0), half(bytes / 2)])
}

pub(super) fn memory_and_index(call: &Call) -> (Memory, &Expr) {
    let memory = call.args.iter().find_map(|arg| match arg {
        Arg::Memory(memory) => Some(*memory),
        Arg::Value(_)
        | Arg::Place(_)
        | Arg::Map(_)
        | Arg::Const(_)
        | Arg::Scope(_)
        | Arg::Order(_) => None,
    });
    let index = call.args.iter().find_map(Arg::value);
    match (memory, index) {
        (Some(memory), Some(index)) => (memory, index),
        _ => unreachable!("`{:?}` has a memory and an index", call.op),
    }
}

/// The number of elements that a value has in memory.
fn lanes_of(ty: &Ty) -> u32 {
    match ty {
        Ty::Vector(vector) => vector.lanes,
        Ty::Scalar(_) => 2,
        Ty::Fragment(_) | Ty::Unit | Ty::Never | Ty::Tuple(_) | Ty::Array(..) | Ty::Error => {
            unreachable!("the table gives a vector here")
        }
    }
}
