//! What the back ends rely on: operand types, names, and what the target offers.

mod inst;

use std::collections::{HashMap, HashSet};

use crate::ir::*;
use crate::isa::Op;
use crate::modifier::Space;
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
/// A module that passes is one that NVIDIA's assembler takes, as far as one instruction, one
/// declaration or one name can tell.
///
/// ```
/// let text = ".version 7.0\n.target sm_70\n.address_size 64\n\
///             .entry f()\n{\n    .reg .f64 %d;\n    add.f32 %d, %d, %d;\n}\n";
/// let error = firesteel_ptx::verify(&firesteel_ptx::parse(text).unwrap()).unwrap_err();
/// assert_eq!(error.message, "wants a `.f32`, but `%d` is a `.f64`");
/// ```
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(module: &Module) -> Result<(), VerifyError> {
    let (major, minor) = module.target.version();
    if module.version < (major, minor) {
        let message = format!("`.target sm_{}` needs `.version {major}.{minor}`", module.target.sm);
        return Err(complaint("", message));
    }
    let globals = globals(module)?;
    for func in &module.functions {
        let placed = placed(func)?;
        Checker { module, func, globals: &globals, placed }.function()?;
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
    let regs = func.regs.iter().map(|it| it.ty.since());
    let directives = func.directives.iter().map(Directive::since);
    insts.chain(regs).chain(directives).fold(Since::BASE, Since::and)
}

fn complaint(function: &str, message: String) -> VerifyError {
    VerifyError { function: function.to_owned(), statement: 0, mnemonic: "", message }
}

/// The names of the module, and the spaces of those that are variables.
fn globals(module: &Module) -> Result<HashMap<&str, Option<Space>>, VerifyError> {
    let mut names = HashMap::new();
    let mut constants = 0_u64;
    for var in &module.vars {
        variable(var).map_err(|message| complaint(&var.name, message))?;
        if var.space == Space::Local || var.space == Space::Param {
            let space = var.space.text();
            return Err(complaint(&var.name, format!("`.{space}` belongs into functions")));
        }
        if var.len == Len::Unsized && var.linkage != Some(Linkage::Extern) {
            return Err(complaint(&var.name, "only `.extern` leaves its size open".to_owned()));
        }
        constants += if var.space == Space::Const { var.bytes() } else { 0 };
        if constants > CONST_BYTES {
            return Err(complaint(&var.name, format!("more than {CONST_BYTES} constant bytes")));
        }
        if names.insert(var.name.as_str(), Some(var.space)).is_some() {
            return Err(complaint(&var.name, "defined twice".to_owned()));
        }
    }
    let mut bodies = HashSet::new();
    for func in &module.functions {
        if func.body.is_some() && !bodies.insert(&func.name) {
            return Err(complaint(&func.name, "defined twice".to_owned()));
        }
        if names.insert(func.name.as_str(), None) == Some(Some(Space::Global)) {
            return Err(complaint(&func.name, "is a variable and a function".to_owned()));
        }
    }
    Ok(names)
}

/// Constant memory that a module has.
const CONST_BYTES: u64 = 1 << 16;

/// Shared memory that a block has without asking for more at its launch.
const SHARED_BYTES: u64 = 48 << 10;

/// Checks a declaration by itself.
fn variable(var: &Var) -> Result<(), String> {
    if var.align.is_some_and(|align| !align.is_power_of_two()) {
        return Err("an alignment is a power of two".to_owned());
    }
    if var.ty == Ty::Pred || !var.ty.is_register() {
        return Err(format!("a variable cannot be a `.{}`", var.ty.text()));
    }
    let initial = matches!(var.space, Space::Global | Space::Const);
    if !var.init.is_empty() && !initial {
        return Err(format!("`.{}` has no initial values", var.space.text()));
    }
    let room = match var.len {
        Len::One => 1,
        Len::Array(count) => count,
        Len::Unsized => 0,
    };
    if var.init.len() as u64 > room {
        return Err(format!("{} initial values for {room} elements", var.init.len()));
    }
    let integer = |it: &Init| matches!(it, Init::Int(_));
    if matches!(var.ty, Ty::F32 | Ty::F64) && var.init.iter().any(integer) {
        return Err(format!("an integer is no initial value of a `.{}`", var.ty.text()));
    }
    Ok(())
}

/// Which labels have a place; two are an error.
fn placed(func: &Function) -> Result<Vec<bool>, VerifyError> {
    let mut placed = vec![false; func.labels.len()];
    for statement in func.body.iter().flatten() {
        let Stmt::Label(label) = statement else { continue };
        match placed.get_mut(label.0 as usize) {
            Some(place) if !*place => *place = true,
            Some(_) => {
                let name = &func.labels[label.0 as usize];
                return Err(complaint(&func.name, format!("`{name}` is at two places")));
            }
            None => {
                let message = "places a label that does not exist".to_owned();
                return Err(complaint(&func.name, message));
            }
        }
    }
    Ok(placed)
}

struct Checker<'a> {
    module: &'a Module,
    func: &'a Function,
    globals: &'a HashMap<&'a str, Option<Space>>,
    placed: Vec<bool>,
}

impl Checker<'_> {
    fn function(&self) -> Result<(), VerifyError> {
        let fault = |message| complaint(&self.func.name, message);
        self.unique_names().map_err(fault)?;
        self.declarations().map_err(fault)?;
        self.directives().map_err(fault)?;
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

    fn unique_names(&self) -> Result<(), String> {
        let Function { regs, vars, labels, params, results, .. } = self.func;
        let mut seen = HashSet::new();
        let regs = regs.iter().map(|it| &it.name);
        let vars = vars.iter().chain(params).chain(results).map(|it| &it.name);
        for name in regs.chain(vars).chain(labels) {
            if !seen.insert(name) {
                return Err(format!("`{name}` is declared twice"));
            }
        }
        Ok(())
    }

    fn declarations(&self) -> Result<(), String> {
        let Function { regs, vars, params, results, .. } = self.func;
        for RegDecl { name, ty } in regs {
            if !ty.is_register() {
                return Err(format!("`{name}` cannot be a `.{}`", ty.text()));
            }
            self.available(ty.since()).map_err(|why| format!("`{name}` {why}"))?;
        }
        for var in vars.iter().chain(params).chain(results) {
            variable(var).map_err(|why| format!("`{}`: {why}", var.name))?;
        }
        let shared = vars.iter().filter(|it| it.space == Space::Shared);
        let bytes: u64 = shared.map(Var::bytes).sum();
        if bytes > SHARED_BYTES {
            return Err(format!("{bytes} bytes of shared variables, but there are {SHARED_BYTES}"));
        }
        Ok(())
    }

    fn directives(&self) -> Result<(), String> {
        let all = &self.func.directives;
        for directive in all {
            let zero = match directive {
                Directive::MaxThreads(it)
                | Directive::RequiredThreads(it)
                | Directive::RequiredCluster(it) => it.contains(&0),
                Directive::MinBlocks(n)
                | Directive::MaxRegisters(n)
                | Directive::MaxClusterRank(n) => *n == 0,
                Directive::NoReturn | Directive::Pragma(_) | Directive::ExplicitCluster => false,
            };
            if zero {
                return Err("a directive asks for zero".to_owned());
            }
            self.available(directive.since())?;
        }
        let most = all.iter().any(|it| matches!(it, Directive::MaxThreads(_)));
        let exact = all.iter().any(|it| matches!(it, Directive::RequiredThreads(_)));
        if most && exact {
            return Err("`.maxntid` and `.reqntid` exclude each other".to_owned());
        }
        if self.func.entry && all.contains(&Directive::NoReturn) {
            return Err("`.noreturn` is for functions".to_owned());
        }
        Ok(())
    }
}
