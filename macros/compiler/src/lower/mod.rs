//! Lowers a folded kernel to PTX.
//!
//! Infallible: every mistake of the user has been reported before. The pieces:
//! - [`val`]: values are flat lists of operands; nothing lives in local memory.
//! - [`number`]: pure instructions are emitted once where one result serves.
//! - `emit` (registers, labels, source places), `arith`, `cast`, `short`: single operations.
//! - `expr`, `control`, `count`: the tree.
//! - `place`, `fault`: memory, its bounds, and what happens to a thread that fails a check.
//! - `patience`: what happens to those that wait for it.
//! - `entry`: parameters, directives, the module around the function.
//! - `intrinsic`: one function for each group of intrinsics.
//! - `math`: the elementary functions, from exact operations.
//!
//! Registers of variables: a mutable one keeps one virtual register for each of its scalars
//! (matrix instructions accumulate in place), an immutable one is the operands that its
//! initialiser gave. Reading a mutable variable gives its register itself; whoever keeps the
//! operand while the variable may be assigned must [`Lower::pin`] it.

mod arith;
mod cast;
mod control;
mod count;
mod emit;
mod entry;
mod expr;
mod fault;
mod intrinsic;
mod math;
mod number;
pub(crate) mod op;
mod patience;
mod place;
mod range;
mod rem;
mod structs;
mod val;

use std::collections::{HashMap, HashSet};

use firesteel_ptx::builder::Builder;
use firesteel_ptx::ir::{Label, Loc, Module, Reg};

pub use fault::{Site, SiteKind};
pub(crate) use val::{Operand, Val};

use crate::hir::{ExprKind, Kernel, LocalId, Root};
use crate::walk;
use fault::Fault;
use number::Numbers;
use patience::Waits;
use range::Ranges;

/// A kernel on its way to PTX.
#[derive(Debug)]
pub(crate) struct Lower<'k> {
    /// What is lowered.
    pub(crate) kernel: &'k Kernel,
    ptx: Builder,
    numbers: Numbers,
    ranges: Ranges,
    /// Whether control gets here. If not, nothing is emitted.
    reachable: bool,
    locals: Vec<Option<Binding>>,
    jumps: Vec<Option<Jump>>,
    used_labels: HashMap<Label, bool>,
    /// Where a thread ends that returns from under a condition.
    exit: Label,
    faults: Vec<Fault>,
    waits: Waits,
    sites: Vec<Site>,
    files: Vec<String>,
    last_loc: Option<Loc>,
    /// Names of parameters and shared arrays in PTX.
    names: Vec<String>,
    shared_names: Vec<String>,
    /// Where each shared array begins: bytes behind the symbol of its name.
    shared_offsets: Vec<i64>,
    /// Names of dynamic shared arrays, and what they are aligned to.
    dynamic: Vec<(String, u32)>,
    /// Bytes of static shared memory so far.
    static_shared: u32,
    /// Bytes of dynamic shared memory that hold the static arrays, if those are too many.
    reserved_shared: u32,
    /// The shared array through which block reductions pass, if there is one.
    reduce_scratch: Option<String>,
    uses_channel: bool,
    /// The register that the last instruction wrote, if only the expression under way knows it,
    /// and the hash under which its value is noted.
    temporary: Option<(Reg, u64)>,
}

/// A kernel as PTX, and what the host must know of it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The module with the one function.
    pub module: Module,
    /// The places that speak through the channel.
    pub sites: Vec<Site>,
    /// Whether the function takes the channel's two parameters.
    pub uses_channel: bool,
    /// Bytes of static shared memory.
    pub static_shared: u32,
    /// Bytes of dynamic shared memory that every launch must add for the kernel's own arrays.
    pub reserved_shared: u32,
}

/// Lowers a folded kernel.
pub fn lower(kernel: &Kernel) -> Lowered {
    let mut cx = Lower::new(kernel);
    cx.body();
    if cx.may_wait_for_the_failed() {
        // Only the whole body shows that a thread may fail that others wait for.
        cx = Lower::new(kernel);
        cx.waits = Waits::watchful();
        cx.body();
    }
    let (module, cx) = cx.module();
    let Lower { sites, uses_channel, static_shared, reserved_shared, .. } = cx;
    Lowered { module, sites, uses_channel, static_shared, reserved_shared }
}

/// The variables that the body mentions.
fn read_locals(kernel: &Kernel) -> HashSet<LocalId> {
    let mut read = HashSet::new();
    walk::block(&kernel.body, &mut |expr| {
        if let ExprKind::Load(place)
        | ExprKind::Assign { place, .. }
        | ExprKind::AssignOp { place, .. } = &expr.kind
            && let Root::Local(local) = place.root
        {
            read.insert(local);
        }
    });
    read
}

impl<'k> Lower<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        let mut ptx = Builder::kernel(&entry::identifier(&kernel.signature.entry));
        let exit = ptx.label();
        Self {
            kernel,
            ptx,
            numbers: Numbers::new(),
            ranges: Ranges::default(),
            reachable: true,
            locals: vec![None; kernel.locals.len()],
            jumps: vec![None; kernel.n_loops],
            used_labels: HashMap::new(),
            exit,
            faults: Vec::new(),
            waits: Waits::default(),
            sites: Vec::new(),
            files: Vec::new(),
            last_loc: None,
            names: Vec::new(),
            shared_names: Vec::new(),
            dynamic: Vec::new(),
            static_shared: 0,
            reserved_shared: 0,
            shared_offsets: Vec::new(),
            reduce_scratch: None,
            uses_channel: false,
            temporary: None,
        }
    }

    /// All but the module around the function.
    fn body(&mut self) {
        self.declare_params();
        self.declare_shared();
        let read = read_locals(self.kernel);
        self.bind_params(|local| read.contains(&local));
        self.block(&self.kernel.body);
        self.place(self.exit);
        self.ret();
        self.numbers.leave_body();
        self.emit_waits();
        self.emit_faults();
    }
}

/// Where the value of a variable is.
#[derive(Clone, Debug)]
enum Binding {
    /// In its own registers, which are written again and again.
    Registers(Vec<Reg>),
    /// In the operands of its initialiser.
    Operands(Vec<Operand>),
}

/// Where the jumps of a loop or labelled block go.
#[derive(Clone, Debug)]
struct Jump {
    on_break: Label,
    on_continue: Option<Label>,
    /// The registers of its value.
    result: Vec<Reg>,
}
