//! From a module to programs: functions laid out one after the other, labels and symbols
//! resolved, registers given rows.

pub(crate) mod decoder;
mod flow;
pub(crate) mod frame;
pub(crate) mod pool;

use std::collections::HashMap;
use std::sync::Arc;

use firesteel_ptx::ir::{Directive, Function, Inst, Len, Loc, Module, Stmt, Var};
use firesteel_ptx::isa::Op;
use firesteel_ptx::modifier::Space;
use firesteel_ptx::operand::Switch;

use self::decoder::{Decoder, Symbol};
use self::frame::{Extent, Frame, Place};
use self::pool::{Pool, TRUE};
use super::exec;
use super::memory::Variable;
use super::program::{Action, Origin, Param, Program, Step, Tracking};

/// What cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkError {
    pub(crate) function: String,
    pub(crate) instruction: Option<String>,
    pub(crate) message: String,
}

impl std::fmt::Display for LinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.instruction {
            Some(text) => write!(f, "`{}`: `{text}`: {}", self.function, self.message),
            None => write!(f, "`{}`: {}", self.function, self.message),
        }
    }
}

/// Variables of shared memory that belong to no function, and the start of its dynamic part.
struct SharedLayout {
    variables: Vec<Variable>,
    dynamic_start: u32,
}

/// Decodes the kernel `entry` (an index). `globals` are the module's variables in global memory.
pub(crate) fn link(
    module: &Arc<Module>,
    entry: usize,
    globals: &HashMap<String, Symbol>,
) -> Result<Program, LinkError> {
    let func = &module.functions[entry];
    // The first predicate is the one that always holds.
    let mut extent = Extent { rows: [TRUE.0 + 1, 0, 0, 0], ..Extent::default() };
    let mut symbols = globals.clone();
    let mut frames = frame::frames(module, entry, &mut extent);
    let shared = lay_out_shared(module, &mut frames, &mut symbols, &mut extent);
    let mut pool = Pool::new(extent.rows);
    let (mut steps, mut origins) = (Vec::new(), Vec::new());
    for index in 0..frames.len() {
        let func = &module.functions[frames[index].function];
        let decoder = Decoder {
            func,
            frame: index,
            frames: &frames,
            functions: &module.functions,
            symbols: &symbols,
            pool: &mut pool,
            pc: steps.len() as u32,
        };
        decode_function(decoder, &mut steps, &mut origins)?;
    }
    let (params, param_bytes) = kernel_params(func);
    Ok(Program {
        module: Arc::clone(module),
        name: func.name.clone(),
        steps,
        origins,
        template: pool.finish(),
        channel: channel(func, &params),
        params,
        param_bytes,
        shared_variables: shared.variables,
        dynamic_start: shared.dynamic_start,
        max_threads: threads(func, |it| match it {
            Directive::MaxThreads(threads) => Some(*threads),
            _ => None,
        }),
        required_threads: threads(func, |it| match it {
            Directive::RequiredThreads(threads) => Some(*threads),
            _ => None,
        }),
        cluster: threads(func, |it| match it {
            Directive::RequiredCluster(blocks) => Some(*blocks),
            _ => None,
        }),
        proxies: frames.iter().any(|it| has_proxies(&module.functions[it.function])),
        frames,
        extent,
    })
}

fn threads(func: &Function, pick: impl Fn(&Directive) -> Option<[u32; 3]>) -> Option<[u32; 3]> {
    func.directives.iter().find_map(pick)
}

/// Whether asynchronous units read shared memory.
fn has_proxies(func: &Function) -> bool {
    func.body.iter().flatten().any(|it| match it {
        Stmt::Inst(inst) => matches!(
            inst.op,
            Op::CpAsyncBulkShare(_)
                | Op::CpAsyncBulkStore(_)
                | Op::CpReduceAsyncBulk(_)
                | Op::CpAsyncBulkTensorStore(_)
                | Op::CpReduceAsyncBulkTensor(_)
                | Op::Wgmma(_)
                | Op::WgmmaRegisters(_)
        ),
        Stmt::Label(_) | Stmt::Loc(_) | Stmt::Pragma(_) => false,
    })
}

fn is_shared(var: &Var) -> bool {
    matches!(var.space, Space::Shared | Space::SharedCta | Space::SharedCluster)
}

/// Places the module's shared variables behind those of the functions, and what has no size
/// behind all of them, where dynamic shared memory begins.
fn lay_out_shared(
    module: &Module,
    frames: &mut [Frame],
    symbols: &mut HashMap<String, Symbol>,
    extent: &mut Extent,
) -> SharedLayout {
    let mut variables = Vec::new();
    for frame in frames.iter() {
        let vars = module.functions[frame.function].vars.iter().filter(|it| is_shared(it));
        variables.extend(vars.filter_map(|var| match frame.places.get(&var.name) {
            Some(Place::Fixed(address)) => Some(variable(var, *address)),
            Some(Place::Frame(_)) | None => None,
        }));
    }
    let sized = |var: &&Var| is_shared(var) && var.len != Len::Unsized;
    for var in module.vars.iter().filter(sized) {
        let address = u64::from(frame::place(&mut extent.shared, var));
        symbols.insert(var.name.clone(), Symbol { address });
        variables.push(variable(var, address));
    }
    let unsized_vars = |vars: &[Var]| -> Vec<Var> {
        vars.iter().filter(|it| is_shared(it) && it.len == Len::Unsized).cloned().collect()
    };
    let outer = unsized_vars(&module.vars);
    let inner: Vec<Vec<Var>> =
        frames.iter().map(|it| unsized_vars(&module.functions[it.function].vars)).collect();
    let align = outer.iter().chain(inner.iter().flatten()).map(Var::alignment).max().unwrap_or(1);
    let dynamic_start = extent.shared.next_multiple_of(align.max(16));
    let address = dynamic_start.into();
    for var in outer {
        symbols.insert(var.name, Symbol { address });
    }
    for (frame, vars) in frames.iter_mut().zip(inner) {
        frame.places.extend(vars.into_iter().map(|var| (var.name, Place::Fixed(address))));
    }
    SharedLayout { variables, dynamic_start }
}

fn variable(var: &Var, address: u64) -> Variable {
    Variable { name: var.name.clone(), offset: address as u32, size: var.bytes() as u32 }
}

fn kernel_params(func: &Function) -> (Vec<Param>, u32) {
    let mut end = 0;
    let place = |var: &Var| {
        let offset = frame::place(&mut end, var);
        Param { offset, bytes: var.bytes() as u32 }
    };
    let params = func.params.iter().map(place).collect();
    (params, end)
}

/// The channel is the last but one parameter of the kernels that have it; see
/// [`firesteel_ptx::channel`].
fn channel(func: &Function, params: &[Param]) -> Option<u32> {
    let index = func.params.len().checked_sub(2)?;
    let is_channel = func.params[index].name.ends_with("channel");
    is_channel.then(|| params[index].offset)
}

fn decode_function(
    mut decoder: Decoder<'_>,
    steps: &mut Vec<Step>,
    origins: &mut Vec<Origin>,
) -> Result<(), LinkError> {
    let func = decoder.func;
    let frame = decoder.frame as u32;
    let mut loc: Option<Loc> = None;
    for (at, statement) in func.body.iter().flatten().enumerate() {
        match statement {
            Stmt::Inst(inst) => {
                decoder.pc = steps.len() as u32;
                let step = step(&mut decoder, inst).map_err(|message| LinkError {
                    function: func.name.clone(),
                    instruction: Some(firesteel_ptx::instruction_text(func, inst)),
                    message,
                })?;
                steps.push(step);
                origins.push(Origin { frame, statement: at as u32, loc });
            }
            Stmt::Loc(place) => loc = Some(*place),
            Stmt::Label(_) | Stmt::Pragma(_) => {}
        }
    }
    let end = Step { guard: TRUE, invert: 0, action: Action::Return, tracking: None };
    steps.push(end);
    origins.push(Origin { frame, statement: u32::MAX, loc });
    Ok(())
}

fn step(decoder: &mut Decoder<'_>, inst: &Inst) -> Result<Step, String> {
    let (guard, invert) = match inst.guard {
        Some(guard) => (decoder.def_pred(guard.reg)?, if guard.negated { u32::MAX } else { 0 }),
        None => (TRUE, 0),
    };
    let action = exec::decode(decoder, &inst.op)?;
    Ok(Step { guard, invert, action, tracking: tracking(decoder, inst)? })
}

fn tracking(decoder: &Decoder<'_>, inst: &Inst) -> Result<Option<Box<Tracking>>, String> {
    let (reads, writes) = flow::mentions(inst);
    let mut tracking = Tracking::default();
    let sum = flow::sum(&inst.op);
    if let Some((regs, Switch::Pred(adds))) = sum {
        let mut slots = Vec::new();
        for reg in regs {
            let home = decoder.home(*reg)?;
            if home.suspect {
                slots.push(home.slot);
            }
        }
        tracking.sum = (!slots.is_empty()).then_some((decoder.pred(adds)?, slots));
    }
    let uncertain = match sum {
        Some((regs, Switch::Pred(_))) => regs,
        Some((_, Switch::Known(_))) | None => &[],
    };
    if sum.is_none() {
        for reg in reads.iter().chain(&writes) {
            let home = decoder.home(*reg)?;
            if home.guarded {
                tracking.guarded.push(home.slot);
            }
        }
    }
    for reg in reads.into_iter().filter(|it| !uncertain.contains(it)) {
        let home = decoder.home(reg)?;
        if home.suspect {
            tracking.reads.push((home.file, home.slot, reg.0));
        }
    }
    for reg in writes {
        let home = decoder.home(reg)?;
        if home.suspect {
            tracking.writes.push((home.file, home.slot));
        }
    }
    let any = !tracking.reads.is_empty()
        || !tracking.writes.is_empty()
        || tracking.sum.is_some()
        || !tracking.guarded.is_empty();
    Ok(any.then(|| Box::new(tracking)))
}
