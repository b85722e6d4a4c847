//! `%` of floats: exact, as Rust's, which no instruction computes.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{AbsFloat, AddFloat, Copysign, MulFloat, SubFloat};
use firesteel_ptx::modifier::{Cmp, Round};
use firesteel_ptx::operand::{Def, Use};

use super::arith::real;
use super::emit::{unless, when};
use super::val::{compare_ty, float_ty, immediate};
use super::{Lower, Operand, op};
use crate::hir::{Scalar, Value};

impl Lower<'_> {
    /// `a % b`: `a` minus as many `b` as fit, with the sign of `a`.
    ///
    /// Subtracts `b` times descending powers of two. Each difference is exact (Sterbenz), and so
    /// is the doubling and halving, for the multiple stays between `b` and `a`. The short floats
    /// are computed in `f32`, which holds their remainders exactly.
    pub(super) fn float_rem(&mut self, ty: Scalar, a: Operand, b: Operand) -> Operand {
        if ty.bits() == 16 {
            let (a, b) = (self.convert(a, ty, Scalar::F32), self.convert(b, ty, Scalar::F32));
            let rest = self.float_rem(Scalar::F32, a, b);
            return self.convert(rest, Scalar::F32, ty);
        }
        let float = float_ty(ty);
        let (left, unit) = (self.fresh(ty), self.fresh(ty));
        let (sign, divisor) = (a.clone(), b.clone());
        self.emit(AbsFloat { ftz: None, ty: float, d: Def(left), a: Use(a) });
        self.emit(AbsFloat { ftz: None, ty: float, d: Def(unit), a: Use(b) });
        let end = self.label();
        let result = self.fresh(ty);
        let nan = immediate(Value::float(ty, f64::NAN));
        self.move_into(result, nan);
        // Zero, infinite and NaN operands that have no remainder.
        let infinite = immediate(Value::float(ty, f64::INFINITY));
        let (some, finite) = (self.fresh(Scalar::Bool), self.fresh(Scalar::Bool));
        let compare = compare_ty(ty);
        let zero = immediate(Value::float(ty, 0.0));
        self.emit(op::setp(Cmp::Gt, compare, Def(some), unit, zero));
        self.jump_if(unless(some), end);
        self.emit(op::setp(Cmp::Lt, compare, Def(finite), left, infinite));
        self.jump_if(unless(finite), end);
        self.subtract_multiples(ty, left, unit, &divisor);
        let real = real(float);
        self.emit(Copysign { ty: real, d: Def(result), a: Use(sign), b: Use(left.into()) });
        self.place(end);
        result.into()
    }

    /// Makes `left`, which is finite, less than `unit`, which is positive, by subtracting.
    fn subtract_multiples(&mut self, ty: Scalar, left: Reg, unit: Reg, divisor: &Operand) {
        let (float, compare) = (float_ty(ty), compare_ty(ty));
        let (round, ftz, sat) = (Some(Round::Rn), None, None);
        let (up, down, done) = (self.label(), self.label(), self.label());
        let least = self.fresh(ty);
        self.emit(AbsFloat { ftz, ty: float, d: Def(least), a: Use(divisor.clone()) });
        self.place_head(up);
        let twice = self.fresh(ty);
        let (d, a, b) = (Def(twice), Use(unit.into()), Use(unit.into()));
        self.emit(AddFloat { round, ftz, sat, ty: float, d, a, b });
        let fits = self.fresh(Scalar::Bool);
        self.emit(op::setp(Cmp::Le, compare, Def(fits), twice, left));
        self.jump_if(unless(fits), down);
        self.move_into(unit, twice.into());
        self.jump(up);
        self.place(down);
        let (goes, larger) = (self.fresh(Scalar::Bool), self.fresh(Scalar::Bool));
        self.emit(op::setp(Cmp::Ge, compare, Def(goes), left, unit));
        let (d, a, b) = (Def(left), Use(left.into()), Use(unit.into()));
        self.emit_if(when(goes), SubFloat { round, ftz, sat, ty: float, d, a, b });
        self.emit(op::setp(Cmp::Gt, compare, Def(larger), unit, least));
        self.jump_if(unless(larger), done);
        let half = immediate(Value::float(ty, 0.5));
        let (d, a) = (Def(unit), Use(unit.into()));
        self.emit(MulFloat { round, ftz, sat, ty: float, d, a, b: Use(half) });
        self.jump(down);
        self.place(done);
    }
}
