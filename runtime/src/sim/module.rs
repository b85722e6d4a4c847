//! Modules: PTX text made ready to run.

use std::collections::HashMap;
use std::sync::Arc;

use firesteel_ptx::ir::{Init, Module, Var};
use firesteel_ptx::modifier::Space;
use firesteel_ptx::{ParseError, VerifyError};

use super::link::decoder::Symbol;
use super::link::{self, LinkError};
use super::memory::Memory;
use super::program::Program;

/// Why a module cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SimError {
    /// The line of the text, if one is to blame.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
}

impl From<ParseError> for SimError {
    fn from(error: ParseError) -> Self {
        Self { line: Some(error.line), message: error.to_string() }
    }
}

impl From<VerifyError> for SimError {
    fn from(error: VerifyError) -> Self {
        Self { line: None, message: error.to_string() }
    }
}

impl From<LinkError> for SimError {
    fn from(error: LinkError) -> Self {
        Self { line: None, message: error.to_string() }
    }
}

/// The variables of a module in global memory; freed with it.
#[derive(Debug)]
struct Variables {
    memory: Arc<Memory>,
    symbols: HashMap<String, Symbol>,
}

impl Drop for Variables {
    fn drop(&mut self) {
        for symbol in self.symbols.values() {
            // Nobody else frees them, so this cannot fail.
            let _ = self.memory.free(symbol.address);
        }
    }
}

/// A loaded module.
#[derive(Clone, Debug)]
pub struct SimModule {
    variables: Arc<Variables>,
    kernels: HashMap<String, Arc<Program>>,
}

/// A kernel of a loaded module. It keeps the module's variables alive.
#[derive(Clone, Debug)]
pub struct SimKernel {
    program: Arc<Program>,
    _variables: Arc<Variables>,
}

impl SimKernel {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Bytes of each parameter, in order.
    #[must_use]
    pub fn params(&self) -> Vec<u32> {
        self.program.params.iter().map(|it| it.bytes).collect()
    }

    /// Bytes of shared memory that it always takes.
    #[must_use]
    pub fn static_shared(&self) -> u32 {
        self.program.extent.shared
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }
}

impl SimModule {
    pub(super) fn load(memory: &Arc<Memory>, sm: u32, ptx: &str) -> Result<Self, SimError> {
        let module = firesteel_ptx::parse(ptx)?;
        firesteel_ptx::verify(&module)?;
        check_target(&module, sm)?;
        let module = Arc::new(module);
        let variables = Variables { memory: Arc::clone(memory), symbols: place(memory, &module) };
        initialise(&module, &variables)?;
        let entries = module.functions.iter().enumerate();
        let kernels = entries
            .filter(|(_, func)| func.entry && func.body.is_some())
            .map(|(index, func)| {
                let program = link::link(&module, index, &variables.symbols)?;
                Ok((func.name.clone(), Arc::new(program)))
            })
            .collect::<Result<_, LinkError>>()?;
        Ok(Self { variables: Arc::new(variables), kernels })
    }

    /// The kernel of that name.
    #[must_use]
    pub fn kernel(&self, name: &str) -> Option<SimKernel> {
        let program = Arc::clone(self.kernels.get(name)?);
        Some(SimKernel { program, _variables: Arc::clone(&self.variables) })
    }

    /// Names of its kernels.
    pub fn kernels(&self) -> impl Iterator<Item = &str> {
        self.kernels.keys().map(String::as_str)
    }

    /// Address of a variable in global or constant memory.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<u64> {
        self.variables.symbols.get(name).map(|it| it.address)
    }
}

fn check_target(module: &Module, sm: u32) -> Result<(), SimError> {
    let target = module.target;
    let fits = if target.suffix == Some('a') { target.sm == sm } else { target.sm <= sm };
    if fits {
        return Ok(());
    }
    let suffix = target.suffix.map(String::from).unwrap_or_default();
    let message =
        format!("the module is for sm_{}{suffix}, the simulator stands for sm_{sm}", target.sm);
    Err(SimError { line: None, message })
}

fn is_global(var: &&Var) -> bool {
    matches!(var.space, Space::Global | Space::Const)
}

fn place(memory: &Memory, module: &Module) -> HashMap<String, Symbol> {
    let one = |var: &Var| {
        let read_only = var.space == Space::Const;
        let address = memory.alloc_variable(var.bytes().max(1), &var.name, read_only);
        (var.name.clone(), Symbol { address })
    };
    module.vars.iter().filter(is_global).map(one).collect()
}

fn initialise(module: &Module, variables: &Variables) -> Result<(), SimError> {
    for var in module.vars.iter().filter(is_global) {
        let size = var.ty.bits().div_ceil(8) as usize;
        let mut bytes = vec![0; var.bytes() as usize];
        for (place, init) in bytes.chunks_exact_mut(size).zip(&var.init) {
            let value = initial(init, var, &variables.symbols)?;
            let len = size.min(8);
            place[..len].copy_from_slice(&value.to_le_bytes()[..len]);
        }
        let address = variables.symbols[&var.name].address;
        let written = variables.memory.write(address, &bytes);
        written.map_err(|error| SimError { line: None, message: error.to_string() })?;
    }
    Ok(())
}

fn initial(init: &Init, var: &Var, symbols: &HashMap<String, Symbol>) -> Result<u64, SimError> {
    match init {
        Init::Int(value) => Ok(value.cast_unsigned()),
        Init::Float(bits) => Ok(*bits),
        Init::Address(name, offset) => {
            let symbol = symbols.get(name).ok_or_else(|| SimError {
                line: None,
                message: format!("`{}` is initialised with the address of `{name}`", var.name),
            })?;
            Ok(symbol.address.wrapping_add_signed(*offset))
        }
    }
}
