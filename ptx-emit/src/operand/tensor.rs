//! Operands of tensor copies and of the matrix instructions of a warpgroup.

use super::kinds::registers;
use super::{Fit, Operand, PartMut, PredUse, Slot, Value};
use crate::emit::Printer;
use crate::ir::Reg;
use crate::parse::{OperandParser, ParseError};
#[cfg(feature = "sample")]
use crate::sample::Sampler;
use crate::ty::Ty;

/// `[map, {c0, c1, …}]`: a place in a tensor, the innermost coordinate first.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorAddr {
    /// The generic address of the tensor map.
    pub map: Value,
    /// The coordinates.
    pub coords: Vec<Value>,
}

/// Registers in braces that are read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VecChange(pub Vec<Reg>);

/// Whether something is done: known, or up to a predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Always or never.
    Known(bool),
    /// If the predicate holds.
    Pred(PredUse),
}

impl Operand for TensorAddr {
    fn vector(&self) -> Vec<Reg> {
        registers(&self.coords)
    }
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        let count = from.operand(&[1, 2, 3, 4, 5]);
        let coords = (0..count).map(|_| from.value()).collect();
        Self { map: Value::Reg(Sampler::placeholder()), coords }
    }
    #[cfg(feature = "sample")]
    fn settle(&mut self, ty: Ty, from: &mut Sampler<'_>) {
        self.map = Value::Reg(from.reg(Ty::U64, Fit::Exact));
        let mut first = None;
        for coord in &mut self.coords {
            match coord {
                Value::Reg(reg) => *reg = from.reg_like(&mut first, ty, Fit::Exact),
                Value::Int(_) | Value::F32(_) | Value::F64(_) => {}
                Value::Special(_) | Value::Symbol(..) => {}
            }
        }
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.expect("[")?;
        let map = from.value()?;
        from.expect(",")?;
        let coords = from.braced(OperandParser::value)?;
        from.expect("]")?;
        Ok(Self { map, coords })
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.text("[");
        out.value(&self.map);
        out.text(", ");
        out.braced(&self.coords, Printer::value);
        out.text("]");
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit(Slot::Use(&self.map, Ty::U64, Fit::Exact));
        for coord in &self.coords {
            visit(Slot::Use(coord, ty, Fit::Exact));
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        change(PartMut::Value(&mut self.map));
        for coord in &mut self.coords {
            change(PartMut::Value(coord));
        }
    }
}

impl Operand for VecChange {
    fn vector(&self) -> Vec<Reg> {
        self.0.clone()
    }
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(vec![Sampler::placeholder(); from.count()])
    }
    #[cfg(feature = "sample")]
    fn settle(&mut self, ty: Ty, from: &mut Sampler<'_>) {
        self.0 = from.regs(self.0.len(), ty);
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.braced(OperandParser::reg).map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.braced(&self.0, |out, reg| out.reg(*reg));
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        for reg in &self.0 {
            visit(Slot::Use(&Value::Reg(*reg), ty, Fit::Exact));
            visit(Slot::Def(*reg, ty, Fit::Exact));
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        for reg in &mut self.0 {
            change(PartMut::Reg(reg));
        }
    }
}

impl Operand for Switch {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        match from.operand(&[0, 1, 2]) {
            0 => Self::Known(false),
            1 => Self::Known(true),
            _ => Self::Pred(PredUse::sample(from)),
        }
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        match ["0", "1"].iter().position(|it| from.eat(it)) {
            Some(value) => Ok(Self::Known(value == 1)),
            None => PredUse::parse(from).map(Self::Pred),
        }
    }
    fn print(&self, out: &mut Printer<'_>) {
        match self {
            Self::Known(value) => out.text(if *value { "1" } else { "0" }),
            Self::Pred(pred) => pred.print(out),
        }
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        match self {
            Self::Known(_) => {}
            Self::Pred(pred) => pred.visit(ty, visit),
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        match self {
            Self::Known(_) => {}
            Self::Pred(pred) => pred.parts_mut(change),
        }
    }
}
