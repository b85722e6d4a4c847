//! A kernel, decoded: a flat list of instructions whose operands are rows and addresses.

use std::sync::Arc;

use firesteel_ptx::ir::{Function, Inst, Loc, Module, Stmt};

use super::link::decoder::Predicate;
use super::link::frame::{Extent, Frame, STACK};
use super::link::pool::Template;
use super::memory::{Checked, Variable};
use super::registers::{File, Registers, Slot};
use super::report::Place;
use super::warp::Cx;

/// Reads and writes registers, for the lanes of a mask.
pub(crate) type Compute = Box<dyn Fn(&mut Registers, u32) + Send + Sync>;
/// Also touches memory, and may fail.
pub(crate) type Access = Box<dyn Fn(&mut Cx<'_>, u32) -> Checked + Send + Sync>;

/// What an instruction does.
pub(crate) enum Action {
    /// Registers alone.
    Compute(Compute),
    /// Memory too.
    Access(Access),
    /// Memory through which threads may wait for each other.
    Signal(Access),
    /// Asks for what others may change, by itself changing nothing: says so where the answer may
    /// come from outside of the cluster.
    Ask(Access),
    /// Reads what nobody changes: parameters of the kernel.
    Recall(Access),
    /// Lanes of a mask together.
    Collective(Box<Collective>),
    /// A barrier of the block.
    Barrier(Box<Barrier>),
    /// Arrives at the barrier of the cluster.
    ClusterArrive {
        /// Without telling what was done before.
        relaxed: bool,
        /// Whether the lanes of a warp must come from one place.
        aligned: bool,
    },
    /// Waits at the barrier of the cluster.
    ClusterWait {
        /// Whether the lanes of a warp must come from one place.
        aligned: bool,
    },
    /// Continues elsewhere.
    Jump(u32),
    /// Continues at one of several places.
    Switch {
        /// Which.
        index: Slot,
        /// Where.
        targets: Box<[u32]>,
    },
    /// Calls a function.
    Call(Box<Call>),
    /// Returns from a function or ends the thread.
    Return,
    /// Ends the thread.
    Exit,
    /// Aborts the launch.
    Trap,
    /// Lets others run.
    Yield,
    /// Nothing.
    Nothing,
}

/// A `.sync` instruction.
pub(crate) struct Collective {
    /// The lanes that meet; `None` stands for all that exist.
    pub(crate) members: Option<Slot>,
    /// Whether lanes may meet from different instructions (`bar.warp.sync`).
    pub(crate) anywhere: bool,
    /// What they do, all of them in the mask.
    pub(crate) run: Access,
}

/// What lanes find when a barrier lets them go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// Nothing.
    None,
    /// How many predicates held, in a register.
    Count(Slot),
    /// Whether all held, in a predicate.
    All(Slot),
    /// Whether one held, in a predicate.
    Any(Slot),
}

/// `bar` and `barrier`.
pub(crate) struct Barrier {
    /// Row of its number.
    pub(crate) id: Slot,
    /// Row of the number of threads; `None` for all of the block.
    pub(crate) count: Option<Slot>,
    /// Whether the lanes wait.
    pub(crate) waits: bool,
    /// Whether the lanes of a warp must come from one place.
    pub(crate) aligned: bool,
    /// The predicate that is reduced, and what becomes of it.
    pub(crate) pred: (Slot, u32),
    pub(crate) reduction: Reduction,
}

/// Where an argument of a call comes from, or a result goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passed {
    /// Bytes of the parameters between functions.
    Memory(u32),
    /// A register.
    Register(File, Slot),
}

/// A call: what is copied before and after.
pub(crate) struct Call {
    /// Frame of the callee.
    pub(crate) frame: usize,
    /// Source, offset of the parameter, bytes.
    pub(crate) arguments: Vec<(Passed, u32, u32)>,
    /// Offset of the callee's result, destination, bytes.
    pub(crate) results: Vec<(u32, Passed, u32)>,
}

/// Rows of an instruction that may be read before they are written.
#[derive(Default)]
pub(crate) struct Tracking {
    pub(crate) reads: Vec<(File, Slot, u32)>,
    pub(crate) writes: Vec<(File, Slot)>,
    /// Of a matrix instruction of a warpgroup: words that are read if a predicate holds.
    pub(crate) sum: Option<(Predicate, Vec<Slot>)>,
    /// Words that matrix instructions of a warpgroup use, in an instruction that is none.
    pub(crate) guarded: Vec<Slot>,
}

/// A decoded instruction.
pub(crate) struct Step {
    /// The predicate under which lanes execute it, and all ones if it is negated.
    pub(crate) guard: Slot,
    pub(crate) invert: u32,
    pub(crate) action: Action,
    pub(crate) tracking: Option<Box<Tracking>>,
}

/// Where a step comes from.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) frame: u32,
    /// Index of its statement in the body; the body's end has none.
    pub(crate) statement: u32,
    pub(crate) loc: Option<Loc>,
}

/// A parameter of a kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(crate) offset: u32,
    pub(crate) bytes: u32,
}

impl Param {
    /// Words that hold its value in the arguments of a launch.
    pub(crate) fn words(self) -> usize {
        self.bytes.div_ceil(8) as usize
    }
}

/// A kernel, ready to run.
pub(crate) struct Program {
    pub(crate) module: Arc<Module>,
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) template: Template,
    pub(crate) extent: Extent,
    pub(crate) params: Vec<Param>,
    /// Bytes of all parameters.
    pub(crate) param_bytes: u32,
    /// Offset in the parameters of the address of the channel, if the kernel has one.
    pub(crate) channel: Option<u32>,
    /// Variables in shared memory, for reports.
    pub(crate) shared_variables: Vec<Variable>,
    /// First address of dynamic shared memory.
    pub(crate) dynamic_start: u32,
    /// The largest block.
    pub(crate) max_threads: Option<[u32; 3]>,
    /// The only block.
    pub(crate) required_threads: Option<[u32; 3]>,
    /// Blocks of a cluster.
    pub(crate) cluster: Option<[u32; 3]>,
    /// Whether asynchronous units read what threads store to shared memory.
    pub(crate) proxies: bool,
}

impl Program {
    pub(crate) fn function(&self, origin: Origin) -> &Function {
        &self.module.functions[self.frames[origin.frame as usize].function]
    }

    /// The barrier instruction at which threads wait.
    pub(crate) fn barrier(&self, pc: u32) -> &Barrier {
        match &self.steps[pc as usize].action {
            Action::Barrier(barrier) => barrier,
            _ => unreachable!("threads wait for barriers at barriers alone"),
        }
    }

    /// First byte of local memory of the frames of recursive functions.
    pub(crate) fn frames_start(&self) -> u32 {
        self.extent.local.next_multiple_of(16)
    }

    /// Bytes of local memory of a thread.
    pub(crate) fn local_bytes(&self) -> u32 {
        if self.extent.recursive { self.frames_start() + STACK } else { self.extent.local }
    }

    fn origin(&self, pc: u32) -> Option<Origin> {
        self.origins.get(pc as usize).copied()
    }

    fn inst(&self, pc: u32) -> Option<(&Function, &Inst)> {
        let origin = self.origin(pc)?;
        let func = self.function(origin);
        match func.body.as_ref()?.get(origin.statement as usize)? {
            Stmt::Inst(inst) => Some((func, inst)),
            Stmt::Label(_) | Stmt::Loc(_) | Stmt::Pragma(_) => None,
        }
    }

    /// The source place of a step, from `.loc`.
    pub(crate) fn place(&self, pc: u32) -> Option<Place> {
        let loc = self.origin(pc)?.loc?;
        let file = self.module.files.iter().find(|(number, _)| *number == loc.file)?;
        Some(Place { file: file.1.as_str().into(), line: loc.line, column: loc.column })
    }

    /// The PTX text of a step.
    pub(crate) fn text(&self, pc: u32) -> Option<String> {
        let (func, inst) = self.inst(pc)?;
        Some(firesteel_ptx::instruction_text(func, inst))
    }

    /// The name of the register that lives in a row at a step.
    pub(crate) fn register_name(&self, pc: u32, file: File, slot: Slot) -> String {
        let unknown = || format!("row {} of {file:?}", slot.0);
        let Some(origin) = self.origin(pc) else { return unknown() };
        let homes = &self.frames[origin.frame as usize].regs;
        let index = homes
            .iter()
            .position(|it| (it.suspect || it.guarded) && it.file == file && it.slot == slot);
        index.map_or_else(unknown, |index| self.function(origin).regs[index].name.clone())
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.name)
            .field("steps", &self.steps.len())
            .field("extent", &self.extent)
            .finish_non_exhaustive()
    }
}
