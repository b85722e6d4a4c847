//! What is known of integers in registers: their range, their zero bits, and which are another
//! one plus a constant.
//!
//! It makes checks of shared arrays needless (`tile[thread_idx_x()]`) and lets neighbouring
//! elements share an address (`x[4 * i]`, `x[4 * i + 1]`). Only registers that are written once
//! are described, so a fact holds wherever the register may be read; the counter of a loop is
//! described for the body, where it does not change.

use std::collections::HashMap;

use firesteel_ptx::ir::Reg;
use firesteel_ptx::operand::Special;

use super::val::constant;
use super::{Lower, Operand};
use crate::hir::{BinOp, Scalar};

/// The values that an integer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: i128,
    pub(super) high: i128,
    /// So many of its low bits are zero.
    pub(super) zeros: u32,
}

/// A register plus a constant, without wrapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    pub(super) base: Reg,
    pub(super) offset: i128,
}

/// What is known of the registers.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ranges: HashMap<Reg, Range>,
    sums: HashMap<Reg, Sum>,
}

impl Range {
    fn point(value: i128) -> Self {
        Self { low: value, high: value, zeros: value.trailing_zeros().min(63) }
    }

    const fn of(ty: Scalar) -> Self {
        let (low, high) = ty.int_range();
        Self { low, high, zeros: 0 }
    }

    fn within(self, ty: Scalar) -> bool {
        let (low, high) = ty.int_range();
        low <= self.low && self.high <= high
    }

    /// The range of `a op b` before wrapping.
    fn apply(op: BinOp, a: Self, b: Self) -> Option<Self> {
        let exact = b.low == b.high;
        let zeros = a.zeros.min(b.zeros);
        let range = |low, high, zeros| Some(Self { low, high, zeros });
        match op {
            BinOp::Add => range(a.low + b.low, a.high + b.high, zeros),
            BinOp::Sub => range(a.low - b.high, a.high - b.low, zeros),
            BinOp::Mul if a.low >= 0 && b.low >= 0 => {
                let high = a.high.checked_mul(b.high)?;
                range(a.low * b.low, high, (a.zeros + b.zeros).min(63))
            }
            BinOp::Div if a.low >= 0 && exact && b.low > 0 => {
                range(a.low / b.low, a.high / b.low, 0)
            }
            BinOp::Rem if a.low >= 0 && b.low > 0 => range(0, a.high.min(b.high - 1), 0),
            BinOp::BitAnd if a.low >= 0 || b.low >= 0 => {
                let high = match (a.low >= 0, b.low >= 0) {
                    (true, true) => a.high.min(b.high),
                    (true, false) => a.high,
                    _ => b.high,
                };
                range(0, high, a.zeros.max(b.zeros))
            }
            BinOp::BitOr | BinOp::BitXor if a.low >= 0 && b.low >= 0 => {
                let bits = 128 - (a.high | b.high).leading_zeros();
                range(0, (1 << bits) - 1, zeros)
            }
            BinOp::Shr if a.low >= 0 && exact && (0..64).contains(&b.low) => {
                range(a.low >> b.low, a.high >> b.low, 0)
            }
            BinOp::Shl if a.low >= 0 && exact && (0..32).contains(&b.low) => {
                range(a.low << b.low, a.high << b.low, (a.zeros + b.low as u32).min(63))
            }
            _ => None,
        }
    }
}

impl Lower<'_> {
    /// What is known of an integer operand.
    pub(super) fn range(&self, operand: &Operand, ty: Scalar) -> Range {
        if let Some(value) = constant(operand, ty) {
            return Range::point(value.as_int());
        }
        let known = match operand {
            Operand::Reg(reg) => self.ranges.ranges.get(reg).copied(),
            Operand::Special(_)
            | Operand::Symbol(..)
            | Operand::Int(_)
            | Operand::F32(_)
            | Operand::F64(_) => None,
        };
        // The register may have been described as another type of its width: a range that both
        // types hold means the same in both. Zero bits are the same in any case.
        match known {
            Some(range) if range.within(ty) => range,
            Some(range) => Range { zeros: range.zeros, ..Range::of(ty) },
            None => Range::of(ty),
        }
    }

    /// Notes the range of a register that is written once.
    pub(super) fn describe(&mut self, reg: Reg, range: Range) {
        self.ranges.ranges.insert(reg, range);
    }

    /// Notes what `result = a op b` gives. Called with a result that is written once.
    pub(super) fn describe_binary(
        &mut self,
        op: BinOp,
        ty: Scalar,
        (a, b, b_ty): (&Operand, &Operand, Scalar),
        result: &Operand,
    ) {
        let Operand::Reg(result) = *result else { return };
        let (left, mut right) = (self.range(a, ty), self.range(b, b_ty));
        if op.is_shift() && right.low == right.high {
            right = Range::point(right.low & i128::from(ty.bits() - 1));
        }
        let Some(range) = Range::apply(op, left, right) else { return };
        let wraps = !range.within(ty);
        // Wrapping keeps the low bits.
        let range = if wraps { Range { zeros: range.zeros, ..Range::of(ty) } } else { range };
        self.describe(result, range);
        if let Some(sum) = self.sum_of(op, ty, (a, left), (b, right), wraps) {
            self.ranges.sums.insert(result, sum);
        }
    }

    /// `a + c` and `a - c` as a sum, if nothing wraps.
    fn sum_of(
        &self,
        op: BinOp,
        ty: Scalar,
        (a, left): (&Operand, Range),
        (b, right): (&Operand, Range),
        wraps: bool,
    ) -> Option<Sum> {
        let (base, offset) = match (op, a, b) {
            (BinOp::Add, Operand::Reg(base), _) if right.low == right.high => (*base, right.low),
            (BinOp::Add, _, Operand::Reg(base)) if left.low == left.high => (*base, left.low),
            (BinOp::Sub, Operand::Reg(base), _) if right.low == right.high => (*base, -right.low),
            _ => return None,
        };
        // Addresses are computed modulo 2^64, so wrapping there does no harm. A number whose
        // low bits are zero has room for what fits into them.
        let zeros = if base_is_left(op, a, base) { left.zeros } else { right.zeros };
        let fills_zeros = offset >= 0 && offset < 1 << zeros;
        if wraps && ty.bits() != 64 && !fills_zeros {
            return None;
        }
        // A variable may change, a counter does not while its turn lasts.
        if self.numbers.is_mutable(base) && !self.ranges.ranges.contains_key(&base) {
            return None;
        }
        Some(match self.ranges.sums.get(&base) {
            Some(inner) => Sum { base: inner.base, offset: inner.offset + offset },
            None => Sum { base, offset },
        })
    }

    /// The sum that an index is, if it is one.
    pub(super) fn sum(&self, operand: &Operand) -> Option<Sum> {
        match operand {
            Operand::Reg(reg) => self.ranges.sums.get(reg).copied(),
            Operand::Special(_)
            | Operand::Symbol(..)
            | Operand::Int(_)
            | Operand::F32(_)
            | Operand::F64(_) => None,
        }
    }

    /// Notes that a conversion between integers gives the same number, if it does.
    pub(super) fn describe_cast(
        &mut self,
        a: &Operand,
        from: Scalar,
        to: Scalar,
        result: &Operand,
    ) {
        let Operand::Reg(result) = *result else { return };
        let range = self.range(a, from);
        if range.within(to) {
            self.describe(result, range);
        }
    }

    /// Notes what a special register holds: indices are below the shape of the block, and the
    /// grid has the limits of every architecture.
    pub(super) fn describe_special(&mut self, special: Special, reg: Reg) {
        let [x, y, z] = self.kernel.signature.options.block;
        let below = match special {
            Special::TidX => x,
            Special::TidY => y,
            Special::TidZ => z,
            Special::Laneid => 32,
            Special::CtaidX => i32::MAX as u32,
            Special::CtaidY | Special::CtaidZ => 65535,
            Special::NctaidX => 1 << 31,
            Special::NctaidY | Special::NctaidZ => 65536,
            _ => return,
        };
        self.describe(reg, Range { low: 0, high: i128::from(below) - 1, zeros: 0 });
    }
}

fn base_is_left(op: BinOp, a: &Operand, base: Reg) -> bool {
    op == BinOp::Sub || *a == Operand::Reg(base)
}
