//! Methods of integers.
//!
//! Integers of 8 and 16 bits take the 32-bit form of the instructions that have no smaller one.

use firesteel_ptx::isa::{AddInt, Brev, Clz, Popc};
use firesteel_ptx::modifier::{Direction, Sat};
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::{IntTy, ShrTy, Ty as PtxTy};

use super::super::emit::unless;
use super::super::op;
use super::super::val::reg_ty;
use super::super::{Lower, Operand, Val};
use super::bits::word;
use crate::hir::{BinOp, Call, Op, Scalar, SpanRange, Ty, UnOp, Value};

/// Picks the four bytes of a word in the other order.
const SWAP_BYTES: Operand = Operand::Int(0x0123);

impl Lower<'_> {
    pub(super) fn int(&mut self, call: &Call, _result: &Ty, span: SpanRange) -> Val {
        let it = Int { ty: self.type_of_first(call), span };
        let args = self.operands_of(call);
        let operand = match args.as_slice() {
            [x] => self.int_of_one(call.op, it, x),
            [x, y] => self.int_of_two(call.op, it, x, y),
            _ => unreachable!("`{:?}` has one argument, or two", call.op),
        };
        Val::scalar(operand)
    }

    fn int_of_one(&mut self, op: Op, it: Int, x: &Operand) -> Operand {
        let ty = it.ty;
        match op {
            Op::CountOnes => self.count_ones(it, x),
            Op::CountZeros => self.inverted(it, x, Self::count_ones),
            Op::LeadingZeros => self.leading_zeros(it, x),
            Op::LeadingOnes => self.inverted(it, x, Self::leading_zeros),
            Op::TrailingZeros => self.trailing_zeros(it, x),
            Op::TrailingOnes => self.inverted(it, x, Self::trailing_zeros),
            Op::ReverseBits => self.reverse_bits(ty, x),
            Op::SwapBytes => self.swap_bytes(ty, x),
            Op::WrappingNeg => self.calc(it, BinOp::Sub, &Operand::Int(0), x),
            Op::WrappingAbs => self.abs(ty, x.clone()),
            Op::UnsignedAbs => {
                let size = self.abs(ty, x.clone());
                self.convert(size, ty, ty.unsigned())
            }
            Op::IsPowerOfTwo => {
                let ones = self.count_ones(it, x);
                self.compare(BinOp::Eq, Scalar::U32, ones, Operand::Int(1))
            }
            Op::NextPowerOfTwo => self.next_power_of_two(it, x),
            Op::Ilog2 => {
                let zeros = self.leading_zeros(it, x);
                let last = Operand::Int(i64::from(ty.bits()) - 1);
                self.calc(Int { ty: Scalar::U32, ..it }, BinOp::Sub, &last, &zeros)
            }
            other => unreachable!("`{other:?}` is no method of an integer alone"),
        }
    }

    fn int_of_two(&mut self, op: Op, it: Int, x: &Operand, y: &Operand) -> Operand {
        let ty = it.ty;
        match op {
            Op::WrappingAdd => self.calc(it, BinOp::Add, x, y),
            Op::WrappingSub => self.calc(it, BinOp::Sub, x, y),
            Op::WrappingMul => self.calc(it, BinOp::Mul, x, y),
            Op::WrappingDiv => self.calc(it, BinOp::Div, x, y),
            Op::WrappingRem => self.calc(it, BinOp::Rem, x, y),
            Op::WrappingShl => self.shift_by(it, BinOp::Shl, x, y),
            Op::WrappingShr => self.shift_by(it, BinOp::Shr, x, y),
            Op::RotateLeft => self.rotate(it, Direction::L, x, y),
            Op::RotateRight => self.rotate(it, Direction::R, x, y),
            Op::SaturatingAdd => self.saturating(it, BinOp::Add, x, y),
            Op::SaturatingSub => self.saturating(it, BinOp::Sub, x, y),
            Op::AbsDiff => {
                let high = self.int_min_max(ty, true, x.clone(), y.clone());
                let low = self.int_min_max(ty, false, x.clone(), y.clone());
                let distance = self.calc(it, BinOp::Sub, &high, &low);
                self.convert(distance, ty, ty.unsigned())
            }
            Op::Pow => self.int_pow(it, x, y),
            Op::DivCeil => self.div_ceil(it, x, y),
            Op::NextMultipleOf => self.next_multiple(it, x, y),
            Op::RemEuclid => self.rem_euclid(it, x, y),
            Op::DivEuclid => self.div_euclid(it, x, y),
            other => unreachable!("`{other:?}` is no method of two integers"),
        }
    }

    fn calc(&mut self, it: Int, op: BinOp, a: &Operand, b: &Operand) -> Operand {
        self.binary(op, it.ty, a.clone(), (b.clone(), it.ty), it.span)
    }

    fn shift_by(&mut self, it: Int, op: BinOp, a: &Operand, amount: &Operand) -> Operand {
        self.binary(op, it.ty, a.clone(), (amount.clone(), Scalar::U32), it.span)
    }

    /// `count` of the bits of `x` turned over.
    fn inverted(
        &mut self,
        it: Int,
        x: &Operand,
        count: fn(&mut Self, Int, &Operand) -> Operand,
    ) -> Operand {
        let inverse = self.unary(UnOp::Not, it.ty, x.clone());
        count(self, it, &inverse)
    }

    /// The bits of an integer, in 32 or 64 with zeros above, and the type that has them.
    fn unsigned_word(&mut self, ty: Scalar, x: &Operand) -> (Operand, Scalar) {
        let bits = self.convert(x.clone(), ty, ty.unsigned());
        let wide = if ty.bits() == 64 { Scalar::U64 } else { Scalar::U32 };
        (self.convert(bits, ty.unsigned(), wide), wide)
    }

    fn count_ones(&mut self, it: Int, x: &Operand) -> Operand {
        let (a, wide) = self.unsigned_word(it.ty, x);
        self.pure(PtxTy::B32, |d| Popc { ty: word(wide), d, a: Use(a) }).into()
    }

    fn leading_zeros(&mut self, it: Int, x: &Operand) -> Operand {
        let (a, wide) = self.unsigned_word(it.ty, x);
        let zeros = self.pure(PtxTy::B32, |d| Clz { ty: word(wide), d, a: Use(a) });
        let above = i64::from(wide.bits() - it.ty.bits());
        if above == 0 {
            return zeros.into();
        }
        self.pure(PtxTy::B32, |d| op::sub(IntTy::S32, d, zeros, Operand::Int(above))).into()
    }

    /// The leading zeros of the bits in the other order, but no more than there are bits.
    fn trailing_zeros(&mut self, it: Int, x: &Operand) -> Operand {
        let (bits, wide) = self.unsigned_word(it.ty, x);
        let bits = match it.ty.bits() {
            narrow @ (8 | 16) => {
                let end = Operand::Int(1 << narrow);
                self.calc(Int { ty: wide, ..it }, BinOp::BitOr, &bits, &end)
            }
            _ => bits,
        };
        let ty = word(wide);
        let a = Use(self.pure(reg_ty(wide), |d| Brev { ty, d, a: Use(bits) }).into());
        self.pure(PtxTy::B32, |d| Clz { ty, d, a }).into()
    }

    fn reverse_bits(&mut self, ty: Scalar, x: &Operand) -> Operand {
        let (a, wide) = self.unsigned_word(ty, x);
        let reverse = self.pure(reg_ty(wide), |d| Brev { ty: word(wide), d, a: Use(a) });
        let above = i64::from(wide.bits() - ty.bits());
        let reverse = match above {
            0 => reverse,
            _ => self.pure(PtxTy::B32, |d| op::shr(ShrTy::U32, d, reverse, Operand::Int(above))),
        };
        self.convert(reverse.into(), wide, ty)
    }

    fn swap_bytes(&mut self, ty: Scalar, x: &Operand) -> Operand {
        if ty.bits() == 8 {
            return x.clone();
        }
        let unsigned = ty.unsigned();
        let bits = self.convert(x.clone(), ty, unsigned);
        let mut words = self.split_words(bits, unsigned);
        words.reverse();
        for word in &mut words {
            *word = self.prmt(word, &Operand::Int(0), SWAP_BYTES);
        }
        if ty.bits() == 16 {
            // The bytes that were low are high in the word.
            let amount = Operand::Int(16);
            let word = words.remove(0);
            words.push(self.pure(PtxTy::B32, |d| op::shr(ShrTy::U32, d, word, amount)).into());
        }
        let swapped = self.join_words(words, unsigned);
        self.convert(swapped, unsigned, ty)
    }

    /// A shift takes its amount modulo the bits, so the way back is the negative amount.
    fn rotate(&mut self, it: Int, direction: Direction, x: &Operand, n: &Operand) -> Operand {
        if it.ty.bits() == 32 {
            return self.funnel(direction, x, x, n);
        }
        let (unsigned, amount) =
            (Int { ty: it.ty.unsigned(), ..it }, Int { ty: Scalar::U32, ..it });
        let bits = self.convert(x.clone(), it.ty, unsigned.ty);
        let back = self.calc(amount, BinOp::Sub, &Operand::Int(0), n);
        let (left, right) = match direction {
            Direction::L => (n.clone(), back),
            Direction::R => (back, n.clone()),
        };
        let high = self.shift_by(unsigned, BinOp::Shl, &bits, &left);
        let low = self.shift_by(unsigned, BinOp::Shr, &bits, &right);
        let both = self.calc(unsigned, BinOp::BitOr, &high, &low);
        self.convert(both, unsigned.ty, it.ty)
    }

    fn saturating(&mut self, it: Int, op: BinOp, x: &Operand, y: &Operand) -> Operand {
        let ty = it.ty;
        match (ty.is_signed(), ty.bits()) {
            (false, _) => self.saturating_unsigned(it, op, x, y),
            (true, 64) => self.saturating_long(it, op, x, y),
            (true, 32) => {
                let (a, b, sat, ty) = (Use(x.clone()), Use(y.clone()), Some(Sat::Sat), IntTy::S32);
                match op {
                    BinOp::Add => self.pure(PtxTy::B32, |d| AddInt { sat, ty, d, a, b }).into(),
                    _ => self
                        .pure(PtxTy::B32, |d| firesteel_ptx::isa::SubInt { sat, ty, d, a, b })
                        .into(),
                }
            }
            (true, _) => {
                // In 32 bits the result is exact.
                let word = Int { ty: Scalar::I32, ..it };
                let [a, b] = [x, y].map(|it| self.convert(it.clone(), ty, Scalar::I32));
                let exact = self.calc(word, op, &a, &b);
                let (low, high) = ty.int_range();
                let above = self.int_min_max(word.ty, true, exact, Operand::Int(low as i64));
                let inside = self.int_min_max(word.ty, false, above, Operand::Int(high as i64));
                self.convert(inside, Scalar::I32, ty)
            }
        }
    }

    /// `min(x, MAX - y) + y`, and `max(x, y) - y`.
    fn saturating_unsigned(&mut self, it: Int, op: BinOp, x: &Operand, y: &Operand) -> Operand {
        if op == BinOp::Add {
            let room = self.unary(UnOp::Not, it.ty, y.clone());
            let least = self.int_min_max(it.ty, false, x.clone(), room);
            return self.calc(it, BinOp::Add, &least, y);
        }
        let most = self.int_min_max(it.ty, true, x.clone(), y.clone());
        self.calc(it, BinOp::Sub, &most, y)
    }

    /// It went over if the result's sign is impossible for those of the operands; then the
    /// limit is on the side of `x`.
    fn saturating_long(&mut self, it: Int, op: BinOp, x: &Operand, y: &Operand) -> Operand {
        let result = self.calc(it, op, x, y);
        let turned = self.calc(it, BinOp::BitXor, x, &result);
        let against = if op == BinOp::Add { &result } else { x };
        let other = self.calc(it, BinOp::BitXor, y, against);
        let both = self.calc(it, BinOp::BitAnd, &turned, &other);
        let over = self.compare(BinOp::Lt, it.ty, both, Operand::Int(0));
        let sign = self.shift_by(it, BinOp::Shr, x, &Operand::Int(63));
        let limit = self.calc(it, BinOp::BitXor, &sign, &Operand::Int(i64::MAX));
        self.select(it.ty, over, limit, result)
    }

    /// Squares and multiplies: written out for a constant power, else in a loop.
    fn int_pow(&mut self, it: Int, x: &Operand, n: &Operand) -> Operand {
        match self.constant(n, Scalar::U32) {
            Some(n) => self.int_pow_constant(it, x, n.bits()),
            None => self.int_pow_loop(it, x, n),
        }
    }

    fn int_pow_constant(&mut self, it: Int, x: &Operand, n: u64) -> Operand {
        let mut result = self.immediate(Value::int(it.ty, 1));
        let mut square = x.clone();
        let bits = u64::BITS - n.leading_zeros();
        for bit in 0..bits {
            if n >> bit & 1 == 1 {
                result = match bit == n.trailing_zeros() {
                    true => square.clone(),
                    false => self.calc(it, BinOp::Mul, &result, &square),
                };
            }
            if bit + 1 < bits {
                square = self.calc(it, BinOp::Mul, &square, &square.clone());
            }
        }
        result
    }

    fn int_pow_loop(&mut self, it: Int, x: &Operand, n: &Operand) -> Operand {
        let one = self.immediate(Value::int(it.ty, 1));
        let (result, square, rest) =
            (self.fresh(it.ty), self.fresh(it.ty), self.fresh(Scalar::U32));
        self.assign(result, one);
        self.assign(square, x.clone());
        self.assign(rest, n.clone());
        let (head, done) = (self.label(), self.label());
        self.place_head(head);
        let left = self.compare_reg(BinOp::Ne, Scalar::U32, rest.into(), Operand::Int(0));
        self.jump_if(unless(left), done);
        self.scoped(|cx| {
            let count = Int { ty: Scalar::U32, ..it };
            let last = cx.calc(count, BinOp::BitAnd, &rest.into(), &Operand::Int(1));
            let odd = cx.compare(BinOp::Ne, Scalar::U32, last, Operand::Int(0));
            let product = cx.calc(it, BinOp::Mul, &result.into(), &square.into());
            let product = cx.select(it.ty, odd, product, result.into());
            cx.assign(result, product);
            let squared = cx.calc(it, BinOp::Mul, &square.into(), &square.into());
            cx.assign(square, squared);
            let half = cx.shift_by(count, BinOp::Shr, &rest.into(), &Operand::Int(1));
            cx.assign(rest, half);
            cx.jump(head);
        });
        self.place(done);
        result.into()
    }

    /// One more than all the ones that `x - 1` has room for.
    fn next_power_of_two(&mut self, it: Int, x: &Operand) -> Operand {
        let (x, wide) = self.unsigned_word(it.ty, x);
        let word = Int { ty: wide, ..it };
        let less = self.saturating_unsigned(word, BinOp::Sub, &x, &Operand::Int(1));
        let zeros = self.leading_zeros(word, &less);
        let shr = if wide.bits() == 64 { ShrTy::U64 } else { ShrTy::U32 };
        let ones = self.immediate(Value::int(wide, -1));
        // This shift, unlike Rust's, gives 0 for all the bits.
        let ones = self.pure(reg_ty(wide), |d| op::shr(shr, d, ones, zeros));
        let power = self.calc(word, BinOp::Add, &ones.into(), &Operand::Int(1));
        self.convert(power, wide, it.ty)
    }

    fn div_ceil(&mut self, it: Int, x: &Operand, y: &Operand) -> Operand {
        let quotient = self.calc(it, BinOp::Div, x, y);
        let rest = self.calc(it, BinOp::Rem, x, y);
        let more = self.calc(it, BinOp::Add, &quotient, &Operand::Int(1));
        let exact = self.compare(BinOp::Eq, it.ty, rest, Operand::Int(0));
        self.select(it.ty, exact, quotient, more)
    }

    fn next_multiple(&mut self, it: Int, x: &Operand, y: &Operand) -> Operand {
        let rest = self.calc(it, BinOp::Rem, x, y);
        let lack = self.calc(it, BinOp::Sub, y, &rest);
        let next = self.calc(it, BinOp::Add, x, &lack);
        let exact = self.compare(BinOp::Eq, it.ty, rest, Operand::Int(0));
        self.select(it.ty, exact, x.clone(), next)
    }

    fn rem_euclid(&mut self, it: Int, x: &Operand, y: &Operand) -> Operand {
        let rest = self.calc(it, BinOp::Rem, x, y);
        if !it.ty.is_signed() {
            return rest;
        }
        let size = self.abs(it.ty, y.clone());
        let raised = self.calc(it, BinOp::Add, &rest, &size);
        let negative = self.compare(BinOp::Lt, it.ty, rest.clone(), Operand::Int(0));
        self.select(it.ty, negative, raised, rest)
    }

    fn div_euclid(&mut self, it: Int, x: &Operand, y: &Operand) -> Operand {
        let quotient = self.calc(it, BinOp::Div, x, y);
        if !it.ty.is_signed() {
            return quotient;
        }
        let rest = self.calc(it, BinOp::Rem, x, y);
        let negative = self.compare(BinOp::Lt, it.ty, rest, Operand::Int(0));
        let positive = self.compare(BinOp::Gt, it.ty, y.clone(), Operand::Int(0));
        let [less, more] =
            [BinOp::Sub, BinOp::Add].map(|op| self.calc(it, op, &quotient, &Operand::Int(1)));
        let adjusted = self.select(it.ty, positive, less, more);
        self.select(it.ty, negative, adjusted, quotient)
    }
}

/// The type of an operation, and where it stands.
#[derive(Clone, Copy)]
struct Int {
    ty: Scalar,
    span: SpanRange,
}
