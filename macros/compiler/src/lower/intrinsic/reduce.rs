//! Reductions over a warp and over a block.
//!
//! A warp exchanges values with the lanes whose number differs in one bit, so every lane ends
//! with the same bits. If the block is no multiple of 32, its last warp has fewer lanes; then
//! all warps add up downwards, leaving out lanes that do not exist, and lane 0 tells the others.
//!
//! A block puts the result of each warp into shared memory, and every thread combines them all:
//! that takes two barriers, one before the array is written, because the reduction before may
//! still be read, and one after.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{Ld, Mov};
use firesteel_ptx::modifier::{ReduxOp, ShflMode, Space, VecLen};
use firesteel_ptx::operand::{Addr, Def, Defs, Special, Use};
use firesteel_ptx::ty::{BitsTy, IntTy, MovTy, ShrTy, Ty as PtxTy};

use super::super::emit::when;
use super::super::val::mem_ty;
use super::super::{Lower, Operand, Val, op};
use super::warp::{ALL_LANES, WARP};
use crate::hir::{BinOp, Call, Op, Scalar, SpanRange, Ty};

/// The lowest architecture that has `redux.sync`.
const REDUX_SM: u32 = 80;
/// Bytes for the result of a warp: those of the largest type.
const SLOT: u32 = 8;

/// How two values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Combine {
    Sum,
    Min,
    Max,
}

/// What is reduced, and where it stands.
#[derive(Clone, Copy)]
struct Reduction {
    combine: Combine,
    ty: Scalar,
    span: SpanRange,
}

/// The lanes of this thread's warp.
struct Lanes {
    /// Those that exist.
    mask: Operand,
    /// The number of the last one.
    last: Operand,
}

impl Lower<'_> {
    pub(super) fn reduce(&mut self, call: &Call, _result: &Ty, span: SpanRange) -> Val {
        let ty = self.type_of_first(call);
        let value = self.operands_of(call).first().cloned().unwrap_or(Operand::Int(0));
        let (combine, block) = match call.op {
            Op::WarpReduceSum => (Combine::Sum, false),
            Op::WarpReduceMin => (Combine::Min, false),
            Op::WarpReduceMax => (Combine::Max, false),
            Op::BlockReduceSum => (Combine::Sum, true),
            Op::BlockReduceMin => (Combine::Min, true),
            Op::BlockReduceMax => (Combine::Max, true),
            other => unreachable!("`{other:?}` is no reduction"),
        };
        let it = Reduction { combine, ty, span };
        let result = self.warp_reduce(it, value);
        Val::scalar(if block { self.block_reduce(it, result) } else { result })
    }

    fn threads(&self) -> u32 {
        self.kernel.signature.options.block.iter().product()
    }

    fn warp_reduce(&mut self, it: Reduction, value: Operand) -> Operand {
        let rest = self.threads() % WARP;
        if let Some(redux) = self.redux_for(it) {
            let mask = if rest == 0 { ALL_LANES } else { self.lanes(rest, it.span).mask };
            return self.redux(redux, it.ty, &mask, &value);
        }
        if rest == 0 {
            return self.reduce_across(it, value);
        }
        let lanes = self.lanes(rest, it.span);
        self.reduce_downwards(it, value, &lanes)
    }

    /// The instruction that does it at once, where there is one.
    fn redux_for(&self, it: Reduction) -> Option<ReduxOp> {
        let words = matches!(it.ty, Scalar::I32 | Scalar::U32);
        let has = words && self.kernel.signature.options.sm >= REDUX_SM;
        has.then_some(match it.combine {
            Combine::Sum => ReduxOp::Add,
            Combine::Min => ReduxOp::Min,
            Combine::Max => ReduxOp::Max,
        })
    }

    /// All 32 lanes: sums and their like do not care which of two comes first.
    fn reduce_across(&mut self, it: Reduction, mut value: Operand) -> Operand {
        for distance in [16, 8, 4, 2, 1] {
            let bounds = Operand::Int(i64::from(WARP) - 1);
            let (other, _) =
                self.shuffle(it.ty, ShflMode::Bfly, &value, distance, &bounds, &ALL_LANES);
            value = self.combine(it, value, other);
        }
        value
    }

    /// As many lanes as there are; lane 0 has the result and gives it to all.
    fn reduce_downwards(&mut self, it: Reduction, mut value: Operand, lanes: &Lanes) -> Operand {
        let all = self.threads().min(WARP);
        let first = all.next_power_of_two() / 2;
        let steps = std::iter::successors(Some(first), |distance| Some(distance / 2));
        for distance in steps.take_while(|distance| *distance > 0) {
            let distance = i64::from(distance);
            let (other, exists) =
                self.shuffle(it.ty, ShflMode::Down, &value, distance, &lanes.last, &lanes.mask);
            let both = self.combine(it, value.clone(), other);
            value = self.select(it.ty, exists.into(), both, value);
        }
        let last = Operand::Int(i64::from(WARP) - 1);
        self.shuffle(it.ty, ShflMode::Idx, &value, 0, &last, &lanes.mask).0
    }

    /// The value of another lane, and whether it exists.
    fn shuffle(
        &mut self,
        ty: Scalar,
        mode: ShflMode,
        value: &Operand,
        lane: i64,
        bounds: &Operand,
        mask: &Operand,
    ) -> (Operand, Reg) {
        let lane = Operand::Int(lane);
        let mut words = Vec::new();
        let mut exists = None;
        for word in self.split_words(value.clone(), ty) {
            let (word, inside) = self.shuffle_word(mode, &word, &lane, bounds, mask);
            words.push(word.into());
            exists = Some(inside);
        }
        let exists = exists.unwrap_or_else(|| unreachable!("a number has words"));
        (self.join_words(words, ty), exists)
    }

    fn combine(&mut self, it: Reduction, a: Operand, b: Operand) -> Operand {
        match it.combine {
            Combine::Sum => self.binary(BinOp::Add, it.ty, a, (b, it.ty), it.span),
            Combine::Min => self.min_max(it.ty, false, a, b),
            Combine::Max => self.min_max(it.ty, true, a, b),
        }
    }

    /// The lanes of this warp in a block whose last warp has only `rest` of them.
    fn lanes(&mut self, rest: u32, span: SpanRange) -> Lanes {
        let few =
            Lanes { mask: Operand::Int((1 << rest) - 1), last: Operand::Int(i64::from(rest) - 1) };
        let threads = self.threads();
        if threads < WARP {
            return few;
        }
        let rank = self.thread_rank(span);
        let begin = Operand::Int(i64::from(threads - rest));
        let is_last = self.compare(BinOp::Ge, Scalar::U32, rank, begin);
        let last = Operand::Int(i64::from(WARP) - 1);
        Lanes {
            mask: self.select(Scalar::U32, is_last.clone(), few.mask, ALL_LANES),
            last: self.select(Scalar::U32, is_last, few.last, last),
        }
    }

    /// Combines the results of the warps.
    fn block_reduce(&mut self, it: Reduction, value: Operand) -> Operand {
        self.block_barrier();
        let warps = self.threads().div_ceil(WARP);
        if warps == 1 {
            return value;
        }
        let scratch = self.reduce_scratch(warps);
        self.store_warp_result(&scratch, it, &value);
        self.block_barrier();
        let mut values = self.load_warp_results(&scratch, it.ty, warps);
        while values.len() > 1 {
            values = values
                .chunks(2)
                .map(|two| match two {
                    [a, b] => self.combine(it, a.clone(), b.clone()),
                    _ => two[0].clone(),
                })
                .collect();
        }
        values.remove(0)
    }

    fn reduce_scratch(&mut self, warps: u32) -> String {
        if let Some(name) = &self.reduce_scratch {
            return name.clone();
        }
        let name = self.scratch("$reduce", warps * SLOT);
        self.reduce_scratch = Some(name.clone());
        name
    }

    fn store_warp_result(&mut self, scratch: &str, it: Reduction, value: &Operand) {
        let rank = self.thread_rank(it.span);
        let (b32, bytes) = (PtxTy::B32, it.ty.bytes());
        let symbol = Use(Operand::Symbol(scratch.to_owned(), 0));
        let base = self.pure(b32, |d| Mov { ty: MovTy::U32, d, a: symbol });
        let warp = self.pure(b32, |d| op::shr(ShrTy::U32, d, rank, Operand::Int(5)));
        let shift = Operand::Int(i64::from(bytes.trailing_zeros()));
        let offset = self.pure(b32, |d| op::shl(BitsTy::B32, d, warp, shift));
        let at = self.pure(b32, |d| op::add(IntTy::S32, d, base, offset));
        let lane = self.special(Special::Laneid);
        let first = self.compare_reg(BinOp::Eq, Scalar::U32, lane, Operand::Int(0));
        let addr = Addr::new(at, 0);
        let value = self.in_reg(value, it.ty);
        self.emit_if(when(first), op::st(Space::Shared, mem_ty(it.ty), addr, value));
    }

    /// The results of all warps, up to four in one access.
    fn load_warp_results(&mut self, scratch: &str, ty: Scalar, warps: u32) -> Vec<Operand> {
        let widest = (16 / ty.bytes()).min(4);
        let mut values = Vec::new();
        let mut at = 0;
        while at < warps {
            let count = if warps - at >= widest { widest } else { 1 };
            let regs: Vec<Reg> = (0..count).map(|_| self.fresh(ty)).collect();
            let vec = match count {
                4 => Some(VecLen::V4),
                2 => Some(VecLen::V2),
                _ => None,
            };
            let addr = Addr::symbol(scratch, i64::from(at * ty.bytes()));
            let plain = op::ld(Space::Shared, mem_ty(ty), Def(regs[0]), addr);
            self.emit(Ld { vec, d: Defs(regs.clone()), ..plain });
            values.extend(regs.into_iter().map(Operand::Reg));
            at += count;
        }
        values
    }
}
