//! What the back ends rely on: operand types, names, and what the target offers.

use std::collections::HashSet;

use crate::ir::*;
use crate::isa::Op;
use crate::operand::{Fit, Slot, Value};
use crate::ty::{Since, Ty};

/// What is wrong with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// The function; empty for the module itself.
    pub function: String,
    /// The statement in its body, counted from zero.
    pub statement: usize,
    /// The instruction's mnemonic, if it is about one.
    pub mnemonic: &'static str,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { function, statement, mnemonic, message } = self;
        if mnemonic.is_empty() {
            write!(f, "`{function}`: {message}")
        } else {
            write!(f, "`{function}`, statement {statement}, `{mnemonic}`: {message}")
        }
    }
}

impl std::error::Error for VerifyError {}

/// Checks every instruction's operand types and modifiers, that names are defined once and
/// used within reach, and that the module's version and target offer what it uses.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(module: &Module) -> Result<(), VerifyError> {
    let globals = globals(module)?;
    for func in &module.functions {
        Checker { module, func, globals: &globals }.function()?;
    }
    Ok(())
}

/// The oldest PTX version and architecture that have everything in `func`.
#[must_use]
pub fn required(func: &Function) -> Since {
    let insts = func.body.iter().flatten().filter_map(|statement| match statement {
        Stmt::Inst(inst) => Some(inst.op.since()),
        Stmt::Label(_) | Stmt::Loc(_) | Stmt::Pragma(_) => None,
    });
    insts.fold(Since::BASE, Since::and)
}

fn globals(module: &Module) -> Result<HashSet<&str>, VerifyError> {
    let vars = module.vars.iter().map(|it| it.name.as_str());
    let funcs = module.functions.iter().map(|it| it.name.as_str());
    let mut names = HashSet::new();
    for var in vars {
        if !names.insert(var) {
            return Err(VerifyError {
                function: var.to_owned(),
                statement: 0,
                mnemonic: "",
                message: "defined twice".to_owned(),
            });
        }
    }
    names.extend(funcs);
    Ok(names)
}

struct Checker<'a> {
    module: &'a Module,
    func: &'a Function,
    globals: &'a HashSet<&'a str>,
}

impl Checker<'_> {
    fn function(&self) -> Result<(), VerifyError> {
        self.unique_names()?;
        for (at, statement) in self.func.body.iter().flatten().enumerate() {
            if let Stmt::Inst(inst) = statement {
                self.inst(inst).map_err(|message| self.error(at, &inst.op, message))?;
            }
        }
        Ok(())
    }

    fn error(&self, statement: usize, op: &Op, message: String) -> VerifyError {
        let function = self.func.name.clone();
        VerifyError { function, statement, mnemonic: op.mnemonic(), message }
    }

    fn unique_names(&self) -> Result<(), VerifyError> {
        let Function { regs, vars, labels, params, .. } = self.func;
        let mut seen = HashSet::new();
        let regs = regs.iter().map(|it| &it.name);
        let vars = vars.iter().chain(params).map(|it| &it.name);
        for name in regs.chain(vars).chain(labels) {
            if !seen.insert(name) {
                return Err(VerifyError {
                    function: self.func.name.clone(),
                    statement: 0,
                    mnemonic: "",
                    message: format!("`{name}` is declared twice"),
                });
            }
        }
        Ok(())
    }

    fn inst(&self, inst: &Inst) -> Result<(), String> {
        if let Some(guard) = inst.guard {
            self.reg(guard.reg, Ty::Pred, Fit::Exact)?;
        }
        if let Some(objection) = inst.op.objection() {
            return Err(objection.to_owned());
        }
        self.available(inst.op.since())?;
        let mut result = Ok(());
        inst.op.visit(&mut |slot| {
            if result.is_ok() {
                result = self.slot(&slot);
            }
        });
        result
    }

    fn available(&self, since: Since) -> Result<(), String> {
        let Target { sm, suffix, .. } = self.module.target;
        let (major, minor) = since.ptx;
        if self.module.version < since.ptx {
            return Err(format!("needs `.version {major}.{minor}`"));
        }
        if since.exact && (sm != since.sm || suffix.is_none()) {
            return Err(format!("needs `.target sm_{}a`", since.sm));
        }
        if sm < since.sm {
            return Err(format!("needs `.target sm_{}` or newer", since.sm));
        }
        Ok(())
    }

    fn slot(&self, slot: &Slot<'_>) -> Result<(), String> {
        match *slot {
            Slot::Def(reg, ty, fit) | Slot::Use(&Value::Reg(reg), ty, fit) => {
                self.reg(reg, ty, fit)
            }
            Slot::Use(value, ty, fit) => self.constant(value, ty, fit),
            Slot::Address(reg) => match self.decl(reg)?.ty {
                Ty::B64 | Ty::U64 | Ty::S64 | Ty::B32 | Ty::U32 | Ty::S32 => Ok(()),
                ty => Err(format!("an address cannot be in a `.{}` register", ty.text())),
            },
            Slot::Target(label) => match self.func.labels.get(label.0 as usize) {
                Some(_) => Ok(()),
                None => Err("jumps to a label that does not exist".to_owned()),
            },
        }
    }

    fn decl(&self, reg: Reg) -> Result<&RegDecl, String> {
        let decl = self.func.regs.get(reg.0 as usize);
        decl.ok_or_else(|| "uses a register that is not declared".to_owned())
    }

    fn reg(&self, reg: Reg, want: Ty, fit: Fit) -> Result<(), String> {
        let RegDecl { name, ty } = self.decl(reg)?;
        let fits = match fit {
            Fit::Exact => ty.fits(want),
            Fit::AtLeast => ty.fits_wide(want),
        };
        if fits {
            return Ok(());
        }
        Err(format!("wants a `.{}`, but `{name}` is a `.{}`", want.text(), ty.text()))
    }

    fn constant(&self, value: &Value, want: Ty, fit: Fit) -> Result<(), String> {
        match value {
            Value::Symbol(name, _) => self.symbol(name),
            Value::Special(special) => match fit {
                _ if special.ty().fits_wide(want) => Ok(()),
                Fit::Exact | Fit::AtLeast => {
                    Err(format!("`{}` does not fit a `.{}`", special.text(), want.text()))
                }
            },
            Value::F32(_) | Value::F64(_) if want == Ty::Pred => {
                Err("a predicate cannot be a float".to_owned())
            }
            Value::Reg(_) | Value::Int(_) | Value::F32(_) | Value::F64(_) => Ok(()),
        }
    }

    fn symbol(&self, name: &str) -> Result<(), String> {
        let Function { vars, params, results, .. } = self.func;
        let local = vars.iter().chain(params).chain(results).any(|it| it.name == name);
        if local || self.globals.contains(name) {
            return Ok(());
        }
        Err(format!("`{name}` is not declared"))
    }
}
