//! The operations that the functions are made of.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa;
use firesteel_ptx::modifier::{Cmp, CvtRound, Half, Round};
use firesteel_ptx::operand::{Def, PairDef, PredUse, Use, Value, WideDef, WideUse};
use firesteel_ptx::ty::{
    BitsTy, CompareTy, CvtTy, FloatTy, IntTy, LogicTy, MovTy, RealTy, ShrTy, Ty, WordTy,
};

use crate::lower::Lower;
use crate::lower::emit::unless;

/// The type of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Real {
    /// `f32`, and `i32` beside it.
    Single,
    /// `f64`, and `i64` beside it.
    Double,
}

/// A number: in a register, or constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Num {
    /// Computed.
    Reg(Reg),
    /// A constant of the float type, rounded to it.
    Real(f64),
    /// A constant of the integer type.
    Int(i64),
}

impl From<Reg> for Num {
    fn from(reg: Reg) -> Self {
        Self::Reg(reg)
    }
}

impl From<f64> for Num {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<i64> for Num {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// Emits operations on numbers of one float type, and on integers of the same size.
#[derive(Debug)]
pub(crate) struct Math<'a, 'k> {
    cx: &'a mut Lower<'k>,
    real: Real,
}

impl<'a, 'k> Math<'a, 'k> {
    /// Emits into `cx`.
    pub(crate) fn new(cx: &'a mut Lower<'k>, real: Real) -> Self {
        Self { cx, real }
    }

    /// The type of the numbers.
    pub(super) const fn real(&self) -> Real {
        self.real
    }

    /// Emits an instruction, unless its result is at hand.
    fn put<O: Into<isa::Op>>(&mut self, ty: Ty, make: impl FnOnce(Def) -> O) -> Num {
        Num::Reg(self.cx.pure(ty, make))
    }

    fn value(&self, num: Num) -> Value {
        match (num, self.real) {
            (Num::Reg(reg), _) => Value::Reg(reg),
            (Num::Real(value), Real::Single) => Value::F32((value as f32).to_bits()),
            (Num::Real(value), Real::Double) => Value::F64(value.to_bits()),
            (Num::Int(value), _) => Value::Int(value),
        }
    }

    /// A result as others take it.
    pub(crate) fn operand(&self, num: Num) -> Value {
        self.value(num)
    }

    fn arg(&self, num: impl Into<Num>) -> Use {
        Use(self.value(num.into()))
    }

    const fn float(&self) -> FloatTy {
        match self.real {
            Real::Single => FloatTy::F32,
            Real::Double => FloatTy::F64,
        }
    }

    const fn exact(&self) -> RealTy {
        match self.real {
            Real::Single => RealTy::F32,
            Real::Double => RealTy::F64,
        }
    }

    const fn int(&self) -> IntTy {
        match self.real {
            Real::Single => IntTy::S32,
            Real::Double => IntTy::S64,
        }
    }

    const fn bits_ty(&self) -> BitsTy {
        match self.real {
            Real::Single => BitsTy::B32,
            Real::Double => BitsTy::B64,
        }
    }

    const fn logic(&self) -> LogicTy {
        match self.real {
            Real::Single => LogicTy::B32,
            Real::Double => LogicTy::B64,
        }
    }
}

/// Floats.
impl Math<'_, '_> {
    pub(super) fn add(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.float(), self.arg(a), self.arg(b));
        let round = Some(Round::Rn);
        self.put(ty.ty(), |d| isa::AddFloat { round, ftz: None, sat: None, ty, d, a, b })
    }

    pub(super) fn sub(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.float(), self.arg(a), self.arg(b));
        let round = Some(Round::Rn);
        self.put(ty.ty(), |d| isa::SubFloat { round, ftz: None, sat: None, ty, d, a, b })
    }

    pub(super) fn mul(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.float(), self.arg(a), self.arg(b));
        let round = Some(Round::Rn);
        self.put(ty.ty(), |d| isa::MulFloat { round, ftz: None, sat: None, ty, d, a, b })
    }

    pub(super) fn fma(&mut self, a: impl Into<Num>, b: impl Into<Num>, c: impl Into<Num>) -> Num {
        let (ty, a, b, c) = (self.float(), self.arg(a), self.arg(b), self.arg(c));
        let round = Round::Rn;
        self.put(ty.ty(), |d| isa::FmaFloat {
            round,
            ftz: None,
            sat: None,
            relu: None,
            ty,
            d,
            a,
            b,
            c,
        })
    }

    pub(super) fn div(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.exact(), self.arg(a), self.arg(b));
        self.put(ty.ty(), |d| isa::DivFloat { round: Round::Rn, ftz: None, ty, d, a, b })
    }

    pub(crate) fn rcp(&mut self, a: impl Into<Num>) -> Num {
        let (ty, a) = (self.exact(), self.arg(a));
        self.put(ty.ty(), |d| isa::Rcp { round: Round::Rn, ftz: None, ty, d, a })
    }

    pub(crate) fn sqrt(&mut self, a: impl Into<Num>) -> Num {
        let (ty, a) = (self.exact(), self.arg(a));
        self.put(ty.ty(), |d| isa::Sqrt { round: Round::Rn, ftz: None, ty, d, a })
    }

    pub(super) fn neg(&mut self, a: impl Into<Num>) -> Num {
        let (ty, a) = (self.float(), self.arg(a));
        self.put(ty.ty(), |d| isa::NegFloat { ftz: None, ty, d, a })
    }

    pub(super) fn abs(&mut self, a: impl Into<Num>) -> Num {
        let (ty, a) = (self.float(), self.arg(a));
        self.put(ty.ty(), |d| isa::AbsFloat { ftz: None, ty, d, a })
    }

    /// The nearest value in the bounds; of a NaN, the lower one.
    pub(super) fn clamp(&mut self, a: impl Into<Num>, low: f64, high: f64) -> Num {
        let (ty, a, low) = (self.float(), self.arg(a), self.arg(low));
        let max = self.put(ty.ty(), |d| isa::MaxFloat { ftz: None, nan: None, ty, d, a, b: low });
        let (a, high) = (self.arg(max), self.arg(high));
        self.put(ty.ty(), |d| isa::MinFloat { ftz: None, nan: None, ty, d, a, b: high })
    }

    /// `size` with the sign of `sign`.
    pub(super) fn copysign(&mut self, size: impl Into<Num>, sign: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.exact(), self.arg(sign), self.arg(size));
        self.put(ty.ty(), |d| isa::Copysign { ty, d, a, b })
    }

    /// The nearest integer in that direction.
    pub(super) fn whole(&mut self, round: CvtRound, a: impl Into<Num>) -> Num {
        self.convert(round, self.float_cvt(), self.float_cvt(), a)
    }

    /// Whether the comparison of two floats holds.
    pub(super) fn compare(&mut self, cmp: Cmp, a: impl Into<Num>, b: impl Into<Num>) -> Reg {
        let ty = self.pick(CompareTy::F32, CompareTy::F64);
        self.setp(cmp, ty, a, b)
    }

    /// `a` where `p` holds, else `b`.
    pub(super) fn select(&mut self, p: Reg, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let ty = self.pick(CompareTy::F32, CompareTy::F64);
        self.selp(ty, p, a, b)
    }

    /// The bits, as an integer.
    pub(super) fn bits(&mut self, a: impl Into<Num>) -> Num {
        let ty = self.pick(MovTy::B32, MovTy::B64);
        let a = self.arg(a);
        self.put(ty.ty(), |d| isa::Mov { ty, d, a })
    }

    /// The float of these bits.
    pub(super) fn real_of_bits(&mut self, a: impl Into<Num>) -> Num {
        let ty = self.pick(MovTy::F32, MovTy::F64);
        // An integer is no float constant, so the move says bits; the register is a float's.
        let (bits, a) = (self.pick(MovTy::B32, MovTy::B64), self.arg(a));
        self.put(ty.ty(), |d| isa::Mov { ty: bits, d, a })
    }
}

/// Integers of the size of the float type.
impl Math<'_, '_> {
    pub(super) fn int_add(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.int(), self.arg(a), self.arg(b));
        self.put(ty.ty().untyped(), |d| isa::AddInt { sat: None, ty, d, a, b })
    }

    pub(super) fn int_sub(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.int(), self.arg(a), self.arg(b));
        self.put(ty.ty().untyped(), |d| isa::SubInt { sat: None, ty, d, a, b })
    }

    pub(super) fn and(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.logic(), self.arg(a), self.arg(b));
        self.put(ty.ty(), |d| isa::And { ty, d, a, b })
    }

    pub(super) fn xor(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.logic(), self.arg(a), self.arg(b));
        self.put(ty.ty(), |d| isa::Xor { ty, d, a, b })
    }

    pub(super) fn shl(&mut self, a: impl Into<Num>, amount: impl Into<Num>) -> Num {
        let (ty, a, b) = (self.bits_ty(), self.arg(a), self.arg(amount));
        self.put(ty.ty(), |d| isa::Shl { ty, d, a, b })
    }

    /// The right shift that keeps the sign.
    pub(super) fn sar(&mut self, a: impl Into<Num>, amount: impl Into<Num>) -> Num {
        let ty = self.pick(ShrTy::S32, ShrTy::S64);
        let (a, b) = (self.arg(a), self.arg(amount));
        self.put(ty.ty().untyped(), |d| isa::Shr { ty, d, a, b })
    }

    pub(super) fn int_compare(&mut self, cmp: Cmp, a: impl Into<Num>, b: impl Into<Num>) -> Reg {
        let ty = self.pick(CompareTy::S32, CompareTy::S64);
        self.setp(cmp, ty, a, b)
    }

    pub(super) fn int_select(&mut self, p: Reg, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let ty = self.pick(CompareTy::B32, CompareTy::B64);
        self.selp(ty, p, a, b)
    }

    /// The float nearest to an integer.
    pub(super) fn real_of_int(&mut self, a: impl Into<Num>) -> Num {
        let from = self.pick(CvtTy::S32, CvtTy::S64);
        self.convert(CvtRound::Rn, self.float_cvt(), from, a)
    }
}

/// Predicates, and what is for both kinds of numbers.
impl Math<'_, '_> {
    pub(super) fn both(&mut self, a: Reg, b: Reg) -> Reg {
        let (ty, a, b) = (LogicTy::Pred, Use(Value::Reg(a)), Use(Value::Reg(b)));
        self.cx.pure(Ty::Pred, |d| isa::And { ty, d, a, b })
    }

    pub(super) fn either(&mut self, a: Reg, b: Reg) -> Reg {
        let (ty, a, b) = (LogicTy::Pred, Use(Value::Reg(a)), Use(Value::Reg(b)));
        self.cx.pure(Ty::Pred, |d| isa::Or { ty, d, a, b })
    }

    fn setp(&mut self, cmp: Cmp, ty: CompareTy, a: impl Into<Num>, b: impl Into<Num>) -> Reg {
        let (a, b) = (self.arg(a), self.arg(b));
        self.cx.pure(Ty::Pred, |Def(first)| {
            let p = PairDef { first, second: None };
            isa::Setp { cmp, ftz: None, ty, p, a, b }
        })
    }

    fn selp(&mut self, ty: CompareTy, p: Reg, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (a, b) = (self.arg(a), self.arg(b));
        let c = PredUse { reg: p, negated: false };
        self.put(ty.ty(), |d| isa::Selp { ty, d, a, b, c })
    }

    const fn float_cvt(&self) -> CvtTy {
        match self.real {
            Real::Single => CvtTy::F32,
            Real::Double => CvtTy::F64,
        }
    }

    fn convert(&mut self, round: CvtRound, to: CvtTy, from: CvtTy, a: impl Into<Num>) -> Num {
        let a = WideUse(self.value(a.into()));
        self.put(to.ty(), |Def(d)| isa::Cvt {
            round: Some(round),
            relu: None,
            ftz: None,
            satfinite: None,
            sat: None,
            dty: to,
            aty: from,
            d: WideDef(d),
            a,
        })
    }

    /// Executes `rare` only where `p` holds; `usual` are the results elsewhere.
    pub(super) fn rarely<const N: usize>(
        &mut self,
        p: Reg,
        usual: [Num; N],
        rare: impl FnOnce(&mut Math<'_, '_>) -> [Num; N],
    ) -> [Num; N] {
        let results = usual.map(|num| {
            let ty = match num {
                Num::Reg(reg) => self.cx.reg_ty(reg),
                Num::Real(_) => self.float().ty(),
                Num::Int(_) => self.bits_ty().ty(),
            };
            let result = self.cx.fresh_ptx(ty);
            self.cx.assign(result, self.value(num));
            result
        });
        let after = self.cx.label();
        self.cx.jump_if(unless(p), after);
        self.cx.scoped(|cx| {
            let mut math = Math::new(cx, self.real);
            for (result, num) in results.iter().zip(rare(&mut math)) {
                let value = math.value(num);
                math.cx.assign(*result, value);
            }
        });
        self.cx.place(after);
        results.map(Num::Reg)
    }
}

/// Words of 64 bits, for the reduction of large angles.
impl Math<'_, '_> {
    /// The low or the high half of the product of two unsigned words.
    pub(super) fn word_mul(&mut self, half: Half, a: Num, b: Num) -> Num {
        let (ty, a, b) = (IntTy::U64, self.arg(a), self.arg(b));
        self.put(Ty::B64, |d| isa::MulInt { half, ty, d, a, b })
    }

    pub(super) fn word_add(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (IntTy::U64, self.arg(a), self.arg(b));
        self.put(Ty::B64, |d| isa::AddInt { sat: None, ty, d, a, b })
    }

    pub(super) fn word_logic(&mut self, op: Logic, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (LogicTy::B64, self.arg(a), self.arg(b));
        match op {
            Logic::And => self.put(Ty::B64, |d| isa::And { ty, d, a, b }),
            Logic::Or => self.put(Ty::B64, |d| isa::Or { ty, d, a, b }),
            Logic::Xor => self.put(Ty::B64, |d| isa::Xor { ty, d, a, b }),
        }
    }

    pub(super) fn word_shl(&mut self, a: impl Into<Num>, amount: impl Into<Num>) -> Num {
        let (ty, a, b) = (BitsTy::B64, self.arg(a), self.arg(amount));
        self.put(Ty::B64, |d| isa::Shl { ty, d, a, b })
    }

    pub(super) fn word_shr(&mut self, a: impl Into<Num>, amount: impl Into<Num>) -> Num {
        let (ty, a, b) = (ShrTy::U64, self.arg(a), self.arg(amount));
        self.put(Ty::B64, |d| isa::Shr { ty, d, a, b })
    }

    pub(super) fn word_sar(&mut self, a: impl Into<Num>, amount: impl Into<Num>) -> Num {
        let (ty, a, b) = (ShrTy::S64, self.arg(a), self.arg(amount));
        self.put(Ty::B64, |d| isa::Shr { ty, d, a, b })
    }

    pub(super) fn word_less(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Reg {
        self.setp(Cmp::Lt, CompareTy::U64, a, b)
    }

    pub(super) fn word_signed_less(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Reg {
        self.setp(Cmp::Lt, CompareTy::S64, a, b)
    }

    pub(super) fn word_select(&mut self, p: Reg, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        self.selp(CompareTy::B64, p, a, b)
    }

    /// The number of leading zeros, 32 bits wide.
    pub(super) fn word_clz(&mut self, a: impl Into<Num>) -> Num {
        let a = self.arg(a);
        self.put(Ty::B32, |d| isa::Clz { ty: WordTy::B64, d, a })
    }

    /// `a - b` of 32 bits.
    pub(super) fn amount_less(&mut self, a: impl Into<Num>, b: impl Into<Num>) -> Num {
        let (ty, a, b) = (IntTy::S32, self.arg(a), self.arg(b));
        self.put(Ty::B32, |d| isa::SubInt { sat: None, ty, d, a, b })
    }

    /// Widens 32 bits with zeros, or cuts 64 bits off.
    pub(super) fn resize(&mut self, to: CvtTy, from: CvtTy, a: impl Into<Num>) -> Num {
        let a = WideUse(self.value(a.into()));
        self.put(to.ty().untyped(), |Def(d)| isa::Cvt {
            round: None,
            relu: None,
            ftz: None,
            satfinite: None,
            sat: None,
            dty: to,
            aty: from,
            d: WideDef(d),
            a,
        })
    }

    /// The float nearest to an unsigned word.
    pub(super) fn real_of_word(&mut self, a: impl Into<Num>) -> Num {
        self.convert(CvtRound::Rn, self.float_cvt(), CvtTy::U64, a)
    }
}

/// A bitwise operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Logic {
    And,
    Or,
    Xor,
}
