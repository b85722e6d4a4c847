//! Building a function: fresh registers and labels, instructions in order.

use crate::ir::*;
use crate::isa::{Mov, Op};
use crate::modifier::Space;
use crate::operand::{Def, PartMut, Slot, Use, Value};
use crate::ty::{MovTy, Ty};

/// Builds the body of one function.
#[derive(Debug)]
pub struct Builder {
    regs: [Vec<u32>; CLASSES],
    order: Vec<(usize, u32)>,
    function: Function,
    hoisted: usize,
    body: Vec<Stmt>,
}

/// Register classes in the order of declaration: type and prefix.
const CLASS: [(Ty, &str); CLASSES] = [
    (Ty::Pred, "%p"),
    (Ty::B16, "%h"),
    (Ty::F32, "%f"),
    (Ty::B32, "%r"),
    (Ty::F64, "%fd"),
    (Ty::B64, "%rd"),
    (Ty::B128, "%rq"),
];
const CLASSES: usize = 7;

/// The class that holds values of `ty`.
fn class(ty: Ty) -> usize {
    match ty {
        Ty::Pred => 0,
        Ty::F32 => 2,
        Ty::F64 => 4,
        _ => match ty.bits() {
            64 => 5,
            32 => 3,
            128 => 6,
            // PTX has no 8-bit registers to compute in.
            _ => 1,
        },
    }
}

impl Builder {
    /// A kernel of that name.
    #[must_use]
    pub fn kernel(name: &str) -> Self {
        let function = Function {
            linkage: Some(Linkage::Visible),
            entry: true,
            name: name.to_owned(),
            results: Vec::new(),
            params: Vec::new(),
            directives: Vec::new(),
            regs: Vec::new(),
            vars: Vec::new(),
            labels: Vec::new(),
            body: None,
        };
        Self { regs: Default::default(), order: Vec::new(), function, hoisted: 0, body: Vec::new() }
    }

    /// Adds a directive.
    pub fn directive(&mut self, directive: Directive) {
        self.function.directives.push(directive);
    }

    /// Adds a parameter.
    pub fn param(&mut self, ty: Ty, name: &str) {
        self.function.params.push(Var {
            linkage: None,
            space: Space::Param,
            align: None,
            ty,
            name: name.to_owned(),
            len: Len::One,
            init: Vec::new(),
        });
    }

    /// Adds a parameter of `bytes` bytes.
    pub fn param_bytes(&mut self, name: &str, align: u32, bytes: u64) {
        self.function.params.push(Var {
            linkage: None,
            space: Space::Param,
            align: Some(align),
            ty: Ty::B8,
            name: name.to_owned(),
            len: Len::Array(bytes),
            init: Vec::new(),
        });
    }

    /// Adds a shared array of `bytes` bytes.
    pub fn shared(&mut self, name: &str, align: u32, bytes: u64) {
        self.function.vars.push(Var {
            linkage: None,
            space: Space::Shared,
            align: Some(align),
            ty: Ty::B8,
            name: name.to_owned(),
            len: Len::Array(bytes),
            init: Vec::new(),
        });
    }

    /// A fresh register for values of `ty`.
    pub fn reg(&mut self, ty: Ty) -> Reg {
        let class = class(ty);
        let reg = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        let number = u32::try_from(self.regs[class].len()).unwrap_or(u32::MAX);
        self.regs[class].push(reg);
        self.order.push((class, number));
        Reg(reg)
    }

    /// The type in which `reg` is declared.
    #[must_use]
    pub fn reg_ty(&self, reg: Reg) -> Ty {
        CLASS[self.order[reg.0 as usize].0].0
    }

    /// A fresh label, to be placed later.
    pub fn label(&mut self) -> Label {
        let label = Label(u32::try_from(self.function.labels.len()).unwrap_or(u32::MAX));
        self.function.labels.push(format!("$L{}", label.0));
        label
    }

    /// Puts `label` here.
    pub fn place(&mut self, label: Label) {
        self.body.push(Stmt::Label(label));
    }

    /// What follows comes from this place.
    pub fn loc(&mut self, loc: Loc) {
        // Of several in a row only the last speaks.
        if let Some(Stmt::Loc(last)) = self.body.last_mut() {
            *last = loc;
        } else {
            self.body.push(Stmt::Loc(loc));
        }
    }

    /// Appends a hint for `ptxas`.
    pub fn pragma(&mut self, text: &str) {
        self.body.push(Stmt::Pragma(text.to_owned()));
    }

    /// Appends an instruction.
    pub fn push(&mut self, op: impl Into<Op>) {
        self.body.push(Stmt::Inst(Inst::from(op.into())));
    }

    /// Puts an instruction in front of the body, behind those hoisted before: loads of
    /// parameters, which whatever follows may use.
    pub fn hoist(&mut self, op: impl Into<Op>) {
        self.body.insert(self.hoisted, Stmt::Inst(Inst::from(op.into())));
        self.hoisted += 1;
    }

    /// Appends an instruction that only the threads for which `guard` holds execute.
    pub fn push_if(&mut self, guard: Guard, op: impl Into<Op>) {
        self.body.push(Stmt::Inst(Inst { guard: Some(guard), op: op.into() }));
    }

    /// `dst = value`.
    pub fn mov(&mut self, dst: Reg, value: Value) {
        let ty = MovTy::from_ty(self.reg_ty(dst)).unwrap_or(MovTy::B64);
        self.push(Mov { ty, d: Def(dst), a: Use(value) });
    }

    /// Lets the last instruction write `to` instead of `from`. Gives whether it wrote `from`,
    /// without a guard.
    pub fn retarget_last(&mut self, from: Reg, to: Reg) -> bool {
        let Some(Stmt::Inst(Inst { guard: None, op })) = self.body.last_mut() else {
            return false;
        };
        let mut writes = false;
        op.visit(&mut |slot| writes |= matches!(slot, Slot::Def(reg, ..) if reg == from));
        if writes {
            op.parts_mut(&mut |part| match part {
                PartMut::Reg(reg) if *reg == from => *reg = to,
                PartMut::Reg(_) | PartMut::Value(_) => {}
            });
        }
        writes
    }

    /// The statements so far.
    #[must_use]
    pub fn body(&self) -> &[Stmt] {
        &self.body
    }

    /// The function, its registers numbered by class: `%p0…`, `%r0…`.
    #[must_use]
    pub fn finish(mut self) -> Function {
        // Registers of one class are declared together, so that they print as one range.
        let mut renumbered = vec![Reg(0); self.order.len()];
        let mut decls = Vec::with_capacity(self.order.len());
        for (class, (ty, prefix)) in CLASS.into_iter().enumerate() {
            for (number, reg) in self.regs[class].iter().enumerate() {
                renumbered[*reg as usize] = Reg(u32::try_from(decls.len()).unwrap_or(u32::MAX));
                decls.push(RegDecl { name: format!("{prefix}{number}"), ty });
            }
        }
        for statement in &mut self.body {
            if let Stmt::Inst(inst) = statement {
                inst.regs_mut(&mut |reg| *reg = renumbered[reg.0 as usize]);
            }
        }
        self.function.regs = decls;
        self.function.body = Some(self.body);
        self.function
    }
}
