//! Where the variables of a kernel and of the functions it calls live.

use std::collections::HashMap;

use firesteel_ptx::ir::{Function, Len, Module, Stmt, Var};
use firesteel_ptx::isa::Op;
use firesteel_ptx::modifier::Space;
use firesteel_ptx::ty::Ty;

use super::flow::{self, Interval, Liveness};
use crate::sim::registers::{File, Slot};

/// First address of parameters between functions; those of the kernel start at zero.
pub(crate) const CALL_PARAMS: u64 = 1 << 16;

/// Bytes that recursive functions may take for local variables, a lane.
pub(crate) const STACK: u32 = 16 << 10;

/// The address of a variable in its space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The same for all lanes and calls.
    Fixed(u64),
    /// In the frame of a recursive function, from the frame's start.
    Frame(u32),
}

/// A register's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) file: File,
    pub(crate) slot: Slot,
    pub(crate) bits: u32,
    /// May be read before it is written.
    pub(crate) suspect: bool,
    /// A matrix instruction of a warpgroup uses it in the background.
    pub(crate) guarded: bool,
}

/// A function of the kernel's program.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Index in the module.
    pub(crate) function: usize,
    /// Its first instruction in the program.
    pub(crate) entry: u32,
    /// By label, the instruction.
    pub(crate) labels: Vec<u32>,
    /// By register.
    pub(crate) regs: Vec<Home>,
    /// Variables and parameters by name.
    pub(crate) places: HashMap<String, Place>,
    /// May be called while it runs.
    pub(crate) recursive: bool,
    /// Bytes of its local variables.
    pub(crate) local_bytes: u32,
    /// Rows of its registers: first and end, in the files of predicates, words, doubles, quads.
    pub(crate) rows: [(u32, u32); 4],
    /// First and end of its part of the parameters between functions.
    pub(crate) params: (u32, u32),
}

/// How much of everything the program takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extent {
    /// Rows in the files of predicates, words, doubles, quads.
    pub(crate) rows: [u32; 4],
    pub(crate) shared: u32,
    pub(crate) local: u32,
    pub(crate) call_params: u32,
    pub(crate) code: u32,
    pub(crate) recursive: bool,
}

/// Rounds `at` up for `var`, and moves it behind.
pub(crate) fn place(at: &mut u32, var: &Var) -> u32 {
    let start = at.next_multiple_of(var.alignment().max(1));
    *at = start + u32::try_from(var.bytes()).unwrap_or(u32::MAX - start);
    start
}

/// The file of registers of a type.
pub(crate) fn file_of(ty: Ty) -> File {
    match (ty, ty.bits()) {
        (Ty::Pred, _) => File::Pred,
        (_, 128) => File::Quad,
        (_, 64) => File::Double,
        _ => File::Word,
    }
}

pub(crate) fn file_index(file: File) -> usize {
    match file {
        File::Pred => 0,
        File::Word => 1,
        File::Double => 2,
        File::Quad => 3,
    }
}

/// The functions that `func` calls, by index; those without a body are left out.
fn callees(module: &Module, func: &Function) -> Vec<usize> {
    let calls = func.body.iter().flatten().filter_map(|statement| match statement {
        Stmt::Inst(inst) => match &inst.op {
            Op::Call(call) => Some(call.callee.0.as_str()),
            _ => None,
        },
        Stmt::Label(_) | Stmt::Loc(_) | Stmt::Pragma(_) => None,
    });
    calls.filter_map(|name| find(module, name)).collect()
}

/// The function of that name with a body.
pub(crate) fn find(module: &Module, name: &str) -> Option<usize> {
    module.functions.iter().position(|it| it.name == name && it.body.is_some())
}

/// Functions that `from` reaches by calls, itself first only if it calls itself.
fn reachable(module: &Module, from: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut todo = callees(module, &module.functions[from]);
    while let Some(next) = todo.pop() {
        if !found.contains(&next) {
            found.push(next);
            todo.extend(callees(module, &module.functions[next]));
        }
    }
    found
}

/// Frames of the kernel `entry`, itself first, and of every function that it reaches.
pub(crate) fn frames(module: &Module, entry: usize, extent: &mut Extent) -> Vec<Frame> {
    let mut functions = vec![entry];
    functions.extend(reachable(module, entry).into_iter().filter(|it| *it != entry));
    functions.into_iter().map(|index| frame(module, index, extent)).collect()
}

fn frame(module: &Module, index: usize, extent: &mut Extent) -> Frame {
    let func = &module.functions[index];
    let recursive = reachable(module, index).contains(&index);
    extent.recursive |= recursive;
    let (places, local_bytes, params) = variables(func, recursive, extent);
    let first_rows = extent.rows;
    let regs = assign_rows(func, &flow::liveness(func), &mut extent.rows);
    let rows = std::array::from_fn(|file| (first_rows[file], extent.rows[file]));
    let (insts, labels) = flow::instructions(func);
    let entry = extent.code;
    // One more for the end of the body, where a thread that falls off returns.
    extent.code += insts.len() as u32 + 1;
    let labels = labels.into_iter().map(|at| entry + at as u32).collect();
    Frame { function: index, entry, labels, regs, places, recursive, local_bytes, rows, params }
}

type Variables = (HashMap<String, Place>, u32, (u32, u32));

/// Places the variables and parameters of a function.
fn variables(func: &Function, recursive: bool, extent: &mut Extent) -> Variables {
    let mut places = HashMap::new();
    let params_start = extent.call_params.next_multiple_of(16);
    extent.call_params = params_start;
    let mut kernel_params = 0;
    for var in &func.params {
        let place = match func.entry {
            true => u64::from(place(&mut kernel_params, var)),
            false => CALL_PARAMS + u64::from(place(&mut extent.call_params, var)),
        };
        places.insert(var.name.clone(), Place::Fixed(place));
    }
    let mut frame_bytes = 0;
    for var in func.results.iter().chain(&func.vars) {
        let place = match var.space {
            Space::Param => {
                Place::Fixed(CALL_PARAMS + u64::from(place(&mut extent.call_params, var)))
            }
            Space::Shared | Space::SharedCta | Space::SharedCluster => {
                if var.len == Len::Unsized {
                    continue;
                }
                Place::Fixed(place(&mut extent.shared, var).into())
            }
            Space::Local if recursive => Place::Frame(place(&mut frame_bytes, var)),
            Space::Local => Place::Fixed(place(&mut extent.local, var).into()),
            Space::Global | Space::Const => continue,
        };
        places.insert(var.name.clone(), place);
    }
    (places, frame_bytes.next_multiple_of(16), (params_start, extent.call_params))
}

/// Gives registers rows such that those that live at the same time have different ones.
fn assign_rows(func: &Function, live: &Liveness, rows: &mut [u32; 4]) -> Vec<Home> {
    let mut order: Vec<(usize, Interval)> =
        live.intervals.iter().enumerate().filter_map(|(reg, it)| it.map(|it| (reg, it))).collect();
    order.sort_by_key(|(reg, it)| (it.first, *reg));
    let mut homes: Vec<Home> = func
        .regs
        .iter()
        .zip(live.suspect.iter().zip(&live.guarded))
        .map(|(decl, (suspect, guarded))| Home {
            file: file_of(decl.ty),
            slot: Slot(u32::MAX),
            bits: decl.ty.bits(),
            suspect: *suspect,
            guarded: *guarded,
        })
        .collect();
    let mut free: [Vec<u32>; 4] = Default::default();
    let mut busy: std::collections::BTreeSet<(u32, usize)> = std::collections::BTreeSet::new();
    for (reg, interval) in order {
        while let Some((last, done)) =
            busy.first().copied().filter(|(last, _)| *last < interval.first)
        {
            busy.remove(&(last, done));
            free[file_index(homes[done].file)].push(homes[done].slot.0);
        }
        let file = file_index(homes[reg].file);
        let row = free[file].pop().unwrap_or_else(|| {
            rows[file] += 1;
            rows[file] - 1
        });
        homes[reg].slot = Slot(row);
        busy.insert((interval.last, reg));
    }
    homes
}
