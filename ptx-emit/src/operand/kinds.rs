//! The kinds of operand: what each looks like, and how it is read, written and checked.

use super::{Fit, Operand, PartMut, Slot, Value};
use crate::emit::Printer;
use crate::ir::{Label, Reg};
use crate::parse::{OperandParser, ParseError};
#[cfg(feature = "sample")]
use crate::sample::Sampler;
use crate::ty::Ty;

/// A register that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Def(pub Reg);

/// A written register that may be wider than its type (`ld`, `cvt`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WideDef(pub Reg);

/// A written register, or nothing (`_`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkDef(pub Option<Reg>);

/// Two written registers `first|second`, of which the second is a predicate and optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairDef {
    /// The result.
    pub first: Reg,
    /// The predicate.
    pub second: Option<Reg>,
}

/// Something that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Use(pub Value);

/// Something that is read, from a register that may be wider (`st`, `cvt`).
#[derive(Clone, Debug, PartialEq)]
pub struct WideUse(pub Value);

/// Something that is read, and may be left out although another operand follows.
#[derive(Clone, Debug, PartialEq)]
pub struct MiddleUse(pub Option<Value>);

/// A predicate that is read, perhaps negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredUse {
    /// The predicate.
    pub reg: Reg,
    /// Whether it is negated.
    pub negated: bool,
}

/// One written register, or several in braces. Several may be wider than their type, as one may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defs(pub Vec<Reg>);

/// One value that is read, or several in braces.
#[derive(Clone, Debug, PartialEq)]
pub struct Uses(pub Vec<Value>);

/// Registers in braces that are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VecDef(pub Vec<Option<Reg>>);

/// Values in braces that are read.
#[derive(Clone, Debug, PartialEq)]
pub struct VecUse(pub Vec<Value>);

/// `[base + offset]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Addr {
    /// A register, a symbol or a plain number.
    pub base: Value,
    /// Bytes added to it.
    pub offset: i64,
}

impl Addr {
    /// `[reg + offset]`.
    #[must_use]
    pub const fn new(reg: Reg, offset: i64) -> Self {
        Self { base: Value::Reg(reg), offset }
    }

    /// `[name + offset]`.
    #[must_use]
    pub fn symbol(name: &str, offset: i64) -> Self {
        Self { base: Value::Symbol(name.to_owned(), 0), offset }
    }
}

/// A place to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(pub Label);

/// The places to jump to, by number; in PTX the name of a table (`.branchtargets`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets(pub Vec<Label>);

/// The name of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee(pub String);

/// Names of parameters in parentheses; absent if empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Params(pub Vec<Value>);

/// Names of results in parentheses, in front of other operands; absent if empty.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadingParams(pub Vec<Value>);

/// `lane|p`: the elected lane, or nothing (`_`), and whether this is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectDef {
    /// The elected lane.
    pub lane: Option<Reg>,
    /// Whether it is this lane.
    pub elected: Reg,
}

/// The registers among values.
pub(super) fn registers(values: &[Value]) -> Vec<Reg> {
    let regs = values.iter().filter_map(|it| match it {
        Value::Reg(reg) => Some(*reg),
        Value::Int(_) | Value::F32(_) | Value::F64(_) | Value::Special(_) | Value::Symbol(..) => {
            None
        }
    });
    regs.collect()
}

fn visit_reads(values: &[Value], ty: Ty, fit: Fit, visit: &mut dyn FnMut(Slot<'_>)) {
    for value in values {
        visit(Slot::Use(value, ty, fit));
    }
}

impl Operand for Def {
    #[cfg(feature = "sample")]
    fn sample(_: &mut Sampler<'_>) -> Self {
        Self(Sampler::placeholder())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.reg().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.reg(self.0);
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit(Slot::Def(self.0, ty, Fit::Exact));
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        change(PartMut::Reg(&mut self.0));
    }
}

impl Operand for WideDef {
    #[cfg(feature = "sample")]
    fn sample(_: &mut Sampler<'_>) -> Self {
        Self(Sampler::placeholder())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.reg().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.reg(self.0);
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit(Slot::Def(self.0, ty, Fit::AtLeast));
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        change(PartMut::Reg(&mut self.0));
    }
}

impl Operand for SinkDef {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(from.maybe().then(Sampler::placeholder))
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.reg_or_sink().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.reg_or_sink(self.0);
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        if let Some(reg) = self.0 {
            visit(Slot::Def(reg, ty, Fit::Exact));
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        if let Some(reg) = &mut self.0 {
            change(PartMut::Reg(reg));
        }
    }
}

impl Operand for PairDef {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self { first: Sampler::placeholder(), second: from.maybe().then(Sampler::placeholder) }
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        let first = from.reg()?;
        let second = if from.eat("|") { from.reg_or_sink()? } else { None };
        Ok(Self { first, second })
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.reg(self.first);
        if let Some(second) = self.second {
            out.text("|");
            out.reg(second);
        }
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit(Slot::Def(self.first, ty, Fit::Exact));
        if let Some(second) = self.second {
            visit(Slot::Def(second, Ty::Pred, Fit::Exact));
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        change(PartMut::Reg(&mut self.first));
        if let Some(second) = &mut self.second {
            change(PartMut::Reg(second));
        }
    }
}

impl Operand for Use {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(from.value())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.value().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.value(&self.0);
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit(Slot::Use(&self.0, ty, Fit::Exact));
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        change(PartMut::Value(&mut self.0));
    }
}

impl Operand for WideUse {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(from.value())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.value().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.value(&self.0);
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit(Slot::Use(&self.0, ty, Fit::AtLeast));
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        change(PartMut::Value(&mut self.0));
    }
}

impl Operand for MiddleUse {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(from.maybe().then(|| from.value()))
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.value().map(|value| Self(Some(value)))
    }
    fn print(&self, out: &mut Printer<'_>) {
        if let Some(value) = &self.0 {
            out.value(value);
        }
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        if let Some(value) = &self.0 {
            visit(Slot::Use(value, ty, Fit::Exact));
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        if let Some(value) = &mut self.0 {
            change(PartMut::Value(value));
        }
    }
    fn absent() -> Option<Self> {
        Some(Self(None))
    }
    fn stands(from: &OperandParser<'_>) -> bool {
        from.at_last_but_one()
    }
    fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

/// An operand that may be left out, at the end of the list.
impl<O: Operand> Operand for Option<O> {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        from.maybe().then(|| O::sample(from))
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        O::parse(from).map(Some)
    }
    fn print(&self, out: &mut Printer<'_>) {
        if let Some(operand) = self {
            operand.print(out);
        }
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        if let Some(operand) = self {
            operand.visit(ty, visit);
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        if let Some(operand) = self {
            operand.parts_mut(change);
        }
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl Operand for PredUse {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self { reg: Sampler::placeholder(), negated: from.maybe() }
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        let negated = from.eat("!");
        Ok(Self { reg: from.reg()?, negated })
    }
    fn print(&self, out: &mut Printer<'_>) {
        if self.negated {
            out.text("!");
        }
        out.reg(self.reg);
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit(Slot::Use(&Value::Reg(self.reg), ty, Fit::Exact));
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        change(PartMut::Reg(&mut self.reg));
    }
}

impl Operand for Defs {
    fn vector(&self) -> Vec<Reg> {
        self.0.clone()
    }
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(vec![Sampler::placeholder(); from.count()])
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        if from.at("{") {
            from.braced(OperandParser::reg).map(Self)
        } else {
            Ok(Self(vec![from.reg()?]))
        }
    }
    fn print(&self, out: &mut Printer<'_>) {
        match self.0.as_slice() {
            [reg] => out.reg(*reg),
            regs => out.braced(regs, |out, reg| out.reg(*reg)),
        }
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        for reg in &self.0 {
            visit(Slot::Def(*reg, ty, Fit::AtLeast));
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        for reg in &mut self.0 {
            change(PartMut::Reg(reg));
        }
    }
}

impl Operand for Uses {
    fn vector(&self) -> Vec<Reg> {
        registers(&self.0)
    }
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self((0..from.count()).map(|_| from.value()).collect())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        if from.at("{") {
            from.braced(OperandParser::value).map(Self)
        } else {
            Ok(Self(vec![from.value()?]))
        }
    }
    fn print(&self, out: &mut Printer<'_>) {
        match self.0.as_slice() {
            [value] => out.value(value),
            values => out.braced(values, Printer::value),
        }
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit_reads(&self.0, ty, Fit::AtLeast, visit);
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        for value in &mut self.0 {
            change(PartMut::Value(value));
        }
    }
}

impl Operand for VecDef {
    fn vector(&self) -> Vec<Reg> {
        self.0.iter().flatten().copied().collect()
    }
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        let sink = from.maybe().then_some(None);
        let mut regs = vec![Some(Sampler::placeholder()); from.count()];
        regs[0] = sink.unwrap_or(regs[0]);
        Self(regs)
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.braced(OperandParser::reg_or_sink).map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.braced(&self.0, |out, reg| out.reg_or_sink(*reg));
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        for reg in self.0.iter().flatten() {
            visit(Slot::Def(*reg, ty, Fit::Exact));
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        for reg in self.0.iter_mut().flatten() {
            change(PartMut::Reg(reg));
        }
    }
}

impl Operand for VecUse {
    fn vector(&self) -> Vec<Reg> {
        registers(&self.0)
    }
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self((0..from.count()).map(|_| from.value()).collect())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.braced(OperandParser::value).map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.braced(&self.0, Printer::value);
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit_reads(&self.0, ty, Fit::Exact, visit);
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        for value in &mut self.0 {
            change(PartMut::Value(value));
        }
    }
}

impl Operand for Addr {
    fn address(&self) -> Option<&Addr> {
        Some(self)
    }
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self { base: from.base(), offset: from.operand(&[0, 16, -16]) }
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.address()
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.address(self);
    }
    fn visit(&self, _: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        if let Value::Reg(reg) = self.base {
            visit(Slot::Address(reg));
        }
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        change(PartMut::Value(&mut self.base));
    }
}

impl Operand for Target {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(from.label())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.label().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.label(self.0);
    }
    fn visit(&self, _: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        visit(Slot::Target(self.0));
    }
    fn parts_mut(&mut self, _: &mut dyn FnMut(PartMut<'_>)) {}
}

impl Operand for Targets {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self((0..from.count()).map(|_| from.label()).collect())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.targets().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.targets(&self.0);
    }
    fn visit(&self, _: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        for label in &self.0 {
            visit(Slot::Target(*label));
        }
    }
    fn parts_mut(&mut self, _: &mut dyn FnMut(PartMut<'_>)) {}
}

impl Operand for Callee {
    #[cfg(feature = "sample")]
    fn sample(_: &mut Sampler<'_>) -> Self {
        Self("callee".to_owned())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.name().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.text(&self.0);
    }
    fn visit(&self, _: Ty, _: &mut dyn FnMut(Slot<'_>)) {}
    fn parts_mut(&mut self, _: &mut dyn FnMut(PartMut<'_>)) {}
}

impl Operand for Params {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(from.names())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        from.parenthesised().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.parenthesised(&self.0);
    }
    fn visit(&self, _: Ty, _: &mut dyn FnMut(Slot<'_>)) {}
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        for value in &mut self.0 {
            change(PartMut::Value(value));
        }
    }
    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }
    fn is_absent(&self) -> bool {
        self.0.is_empty()
    }
}

impl Operand for LeadingParams {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self(from.names())
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        if !from.at("(") {
            return Ok(Self(Vec::new()));
        }
        from.parenthesised().map(Self)
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.parenthesised(&self.0);
    }
    fn visit(&self, _: Ty, _: &mut dyn FnMut(Slot<'_>)) {}
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        for value in &mut self.0 {
            change(PartMut::Value(value));
        }
    }
    fn is_absent(&self) -> bool {
        self.0.is_empty()
    }
}

impl Operand for ElectDef {
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        Self { lane: from.maybe().then(Sampler::placeholder), elected: Sampler::placeholder() }
    }
    fn parse(from: &mut OperandParser<'_>) -> Result<Self, ParseError> {
        let lane = from.reg_or_sink()?;
        from.expect("|")?;
        Ok(Self { lane, elected: from.reg()? })
    }
    fn print(&self, out: &mut Printer<'_>) {
        out.reg_or_sink(self.lane);
        out.text("|");
        out.reg(self.elected);
    }
    fn visit(&self, ty: Ty, visit: &mut dyn FnMut(Slot<'_>)) {
        if let Some(lane) = self.lane {
            visit(Slot::Def(lane, ty, Fit::Exact));
        }
        visit(Slot::Def(self.elected, Ty::Pred, Fit::Exact));
    }
    fn parts_mut(&mut self, change: &mut dyn FnMut(PartMut<'_>)) {
        if let Some(lane) = &mut self.lane {
            change(PartMut::Reg(lane));
        }
        change(PartMut::Reg(&mut self.elected));
    }
}
