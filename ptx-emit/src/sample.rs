//! Instructions drawn from the table, for tests of whoever reads, prints or executes them.
//!
//! A new row is drawn like all others, so such tests cover it without knowing it. The caller
//! brings the choices: a random generator gives random instructions, and a counter that goes
//! through all numbers gives all combinations of modifiers.
//!
//! ```
//! use firesteel_ptx::sample::{Sampler, ROWS};
//!
//! let (name, row) = ROWS[0];
//! let (mut first, mut zero) = (|_: usize| 0, |_: usize| 0);
//! let mut sampler = Sampler::new(&mut first, &mut zero);
//! let op = row(&mut sampler);
//! assert_eq!(op.name(), name);
//! let function = sampler.function("f", vec![op.into()]);
//! assert!(!function.regs.is_empty());
//! ```

use crate::ir::*;
use crate::operand::{Fit, Special, Value};
use crate::ty::{Kind, Ty};

pub use crate::isa::ROWS;

/// Makes the choices of a drawn instruction, and declares what it refers to.
pub struct Sampler<'a> {
    modifiers: Pick<'a>,
    operands: Pick<'a>,
    regs: Vec<Ty>,
    labels: u32,
    /// Draw symbols, special registers and parameters too, wherever the syntax allows them.
    pub any_value: bool,
}

/// Gives a number below its argument.
type Pick<'a> = &'a mut dyn FnMut(usize) -> usize;

/// Number of labels, all of which [`Sampler::function`] places.
const LABELS: u32 = 3;

impl<'a> Sampler<'a> {
    /// A sampler that chooses modifiers by the one and operands by the other.
    pub fn new(modifiers: Pick<'a>, operands: Pick<'a>) -> Self {
        Self { modifiers, operands, regs: Vec::new(), labels: LABELS, any_value: false }
    }

    /// One of the modifiers.
    pub fn modifier<T: Copy>(&mut self, all: &[T]) -> T {
        all[(self.modifiers)(all.len())]
    }

    /// One of the operands' choices.
    pub fn operand<T: Copy>(&mut self, all: &[T]) -> T {
        all[(self.operands)(all.len())]
    }

    /// Whether to write what may be left out.
    pub fn maybe(&mut self) -> bool {
        self.operand(&[false, true])
    }

    /// Number of elements of a vector.
    pub fn count(&mut self) -> usize {
        self.operand(&[1, 2, 4, 8])
    }

    /// A register whose type [`Self::reg`] decides later.
    pub(crate) const fn placeholder() -> Reg {
        Reg(u32::MAX)
    }

    /// A value whose type is decided later.
    pub(crate) fn value(&mut self) -> Value {
        let kinds: &[u8] = if self.any_value { &[0, 0, 1, 2, 3] } else { &[0, 0, 1] };
        match self.operand(kinds) {
            0 => Value::Reg(Self::placeholder()),
            1 => Value::Int(self.operand(&[0, 1, 4, 8, 16, 24, 128])),
            2 => Value::Special(self.operand(Special::ALL)),
            _ => Value::Symbol("buffer".to_owned(), self.operand(&[0, 4, -8])),
        }
    }

    /// What an address starts from.
    pub(crate) fn base(&mut self) -> Value {
        if self.any_value && self.maybe() {
            return Value::Symbol("buffer".to_owned(), 0);
        }
        Value::Reg(Self::placeholder())
    }

    /// Arguments of a call.
    pub(crate) fn names(&mut self) -> Vec<Value> {
        let count = if self.any_value { self.operand(&[0, 1, 2]) } else { 0 };
        vec![Value::Symbol("buffer".to_owned(), 0); count]
    }

    /// A fresh register for a value of that type.
    pub fn reg(&mut self, ty: Ty, fit: Fit) -> Reg {
        let all: Vec<Ty> = DECLARED.iter().copied().filter(|it| suits(*it, ty, fit)).collect();
        let ty = if all.is_empty() { ty.untyped() } else { self.operand(&all) };
        self.regs.push(ty);
        Reg(u32::try_from(self.regs.len() - 1).unwrap_or(u32::MAX))
    }

    /// A fresh register of the type that `first` remembers, so that vectors are uniform.
    pub(crate) fn reg_like(&mut self, first: &mut Option<Ty>, ty: Ty, fit: Fit) -> Reg {
        let reg = self.reg(ty, fit);
        let decl = &mut self.regs[reg.0 as usize];
        *decl = *first.get_or_insert(*decl);
        reg
    }

    /// Fresh registers of one type.
    pub fn regs(&mut self, count: usize, ty: Ty) -> Vec<Reg> {
        let mut first = None;
        (0..count).map(|_| self.reg_like(&mut first, ty, Fit::Exact)).collect()
    }

    /// A constant of that type in place of the integer, where one can be written.
    pub(crate) fn constant(&mut self, int: i64, ty: Ty, fit: Fit) -> Value {
        match (ty, ty.kind()) {
            (Ty::F32, _) => Value::F32(self.operand(&[0x3F80_0000, 0xBF00_0000, 0x4049_0FDB])),
            (Ty::F64, _) => Value::F64(self.operand(&[1f64.to_bits(), (-0.1f64).to_bits()])),
            (_, Kind::Pred | Kind::Float) => Value::Reg(self.reg(ty, fit)),
            (_, Kind::Bits | Kind::Signed | Kind::Unsigned) => Value::Int(int),
        }
    }

    /// A place to jump to.
    pub fn label(&mut self) -> Label {
        Label((self.operands)(self.labels as usize) as u32)
    }

    /// The kernel that executes `body`; what the sampler drew is declared in it.
    #[must_use]
    pub fn function(&self, name: &str, body: Vec<Inst>) -> Function {
        let regs = self.regs.iter().enumerate();
        let places = (0..LABELS).map(|it| Stmt::Label(Label(it)));
        let end = Stmt::Inst(crate::isa::Op::from(crate::isa::Ret { uni: None }).into());
        Function {
            linkage: Some(Linkage::Visible),
            entry: true,
            name: name.to_owned(),
            results: Vec::new(),
            params: Vec::new(),
            directives: Vec::new(),
            regs: regs.map(|(at, ty)| RegDecl { name: format!("%v{at}"), ty: *ty }).collect(),
            vars: Vec::new(),
            labels: (0..LABELS).map(|it| format!("$L{it}")).collect(),
            body: Some(body.into_iter().map(Stmt::Inst).chain(places).chain([end]).collect()),
        }
    }
}

/// Types that registers are declared with.
const DECLARED: &[Ty] = &[
    Ty::Pred,
    Ty::B16,
    Ty::B32,
    Ty::B64,
    Ty::B128,
    Ty::U16,
    Ty::U32,
    Ty::U64,
    Ty::S16,
    Ty::S32,
    Ty::S64,
    Ty::F16,
    Ty::F16x2,
    Ty::F32,
    Ty::F64,
    Ty::B8,
];

/// Whether a register of the type `declared` may hold a `want`.
fn suits(declared: Ty, want: Ty, fit: Fit) -> bool {
    match fit {
        Fit::Exact => declared.fits(want),
        Fit::AtLeast => declared.fits_wide(want),
    }
}
