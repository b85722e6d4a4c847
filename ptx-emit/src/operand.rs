//! Operands: what an instruction refers to.

mod kinds;
mod special;
mod tensor;

pub use kinds::*;
pub use special::Special;
pub use tensor::*;

use crate::emit::Printer;
use crate::ir::{Label, Reg};
use crate::parse::{OperandParser, ParseError};
#[cfg(feature = "sample")]
use crate::sample::Sampler;
use crate::ty::Ty;

/// Something that an instruction reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A register.
    Reg(Reg),
    /// An integer; values above `i64::MAX` are wrapped.
    Int(i64),
    /// The bits of a single, `0f3F800000`.
    F32(u32),
    /// The bits of a double, `0d3FF0000000000000`, or of a decimal literal.
    F64(u64),
    /// A special register.
    Special(Special),
    /// The address of a variable or function, plus an offset.
    Symbol(String, i64),
}

impl From<Reg> for Value {
    fn from(reg: Reg) -> Self {
        Self::Reg(reg)
    }
}

/// How well a register's type must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The same width.
    Exact,
    /// The same width or wider.
    AtLeast,
}

/// An operand as verification and analyses see it.
#[derive(Debug)]
pub enum Slot<'a> {
    /// A register that the instruction writes.
    Def(Reg, Ty, Fit),
    /// A value that it reads.
    Use(&'a Value, Ty, Fit),
    /// A register that an address is computed from.
    Address(Reg),
    /// A place it may jump to.
    Target(Label),
}

/// A piece of an operand that may be replaced.
#[derive(Debug)]
pub enum PartMut<'a> {
    /// A register that cannot be anything else.
    Reg(&'a mut Reg),
    /// A value.
    Value(&'a mut Value),
}

/// A kind of operand.
pub trait Operand: Sized {
    /// Reads itself.
    ///
    /// # Errors
    /// If something else stands there.
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError>;
    /// Writes itself.
    fn print(&self, out: &mut Printer<'_>);
    /// Shows what it refers to; `ty` is the type that the row gives it.
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>));
    /// Lets `change` replace the registers and values inside.
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>));
    /// Its registers, if it is a vector.
    fn vector(&self) -> Vec<Reg> {
        Vec::new()
    }
    /// Itself, if it is an address.
    fn address(&self) -> Option<&Addr> {
        None
    }

    /// One of its forms; [`Self::settle`] then gives its registers their types.
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self;
    /// Gives the registers and constants of a sample the types of the row.
    #[cfg(feature = "sample")]
    fn settle(&mut self, ty: Ty, from: &mut Sampler<'_>) {
        let mut types = Vec::new();
        self.visit(ty, &mut |slot| match slot {
            Slot::Def(_, ty, fit) | Slot::Use(_, ty, fit) => types.push((ty, fit)),
            Slot::Address(_) => types.push((Ty::U64, Fit::Exact)),
            Slot::Target(_) => {}
        });
        let mut types = types.into_iter();
        let vector = self.vector().len() > 1;
        let mut first = None;
        self.parts_mut(&mut |part| {
            let Some((ty, fit)) = types.next() else { return };
            match part {
                PartMut::Reg(reg) | PartMut::Value(Value::Reg(reg)) if vector => {
                    *reg = from.reg_like(&mut first, ty, fit);
                }
                PartMut::Reg(reg) | PartMut::Value(Value::Reg(reg)) => *reg = from.reg(ty, fit),
                PartMut::Value(value) => {
                    if let Value::Int(int) = *value {
                        *value = from.constant(int, ty, fit);
                    }
                }
            }
        });
    }

    /// What stands where nothing is written, if the operand may be left out.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
    /// Whether an operand that may be left out is there; `from` is in front of its comma.
    fn stands(from: &OperandParser<'_>) -> bool {
        !from.at(";")
    }
    /// Whether nothing is to be written.
    #[must_use]
    fn is_absent(&self) -> bool {
        false
    }
}
