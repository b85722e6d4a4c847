//! Liveness of a function's registers.
//!
//! It tells which registers may share a row, so that a warp's registers stay in the cache, and
//! which may be read before they are written: those that are live at the function's start. Only
//! these need checks at run time.
//!
//! Each lane follows the control flow on its own, so what holds on every path holds for it.

use firesteel_ptx::ir::{Function, Inst, Reg, Stmt};
use firesteel_ptx::isa::Op;
use firesteel_ptx::operand::{Slot, Switch, Value};

/// First and last instruction at which a register holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// What is known of each register of a function.
pub(super) struct Liveness {
    /// By register; `None` if nobody mentions it.
    pub(super) intervals: Vec<Option<Interval>>,
    /// By register: whether it may be read before it is written.
    pub(super) suspect: Vec<bool>,
    /// By register: whether a matrix instruction of a warpgroup uses it in the background.
    pub(super) guarded: Vec<bool>,
}

/// A set of registers.
#[derive(Clone, PartialEq)]
struct Set(Vec<u64>);

impl Set {
    fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    fn insert(&mut self, reg: Reg) {
        self.0[reg.0 as usize / 64] |= 1 << (reg.0 % 64);
    }

    fn remove(&mut self, reg: Reg) {
        self.0[reg.0 as usize / 64] &= !(1 << (reg.0 % 64));
    }

    fn add_all(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    fn regs(&self) -> impl Iterator<Item = usize> {
        let bits = |(word, bits): (usize, &u64)| {
            let bits = *bits;
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
        };
        self.0.iter().enumerate().flat_map(bits)
    }
}

/// Instructions without a jump in or out, except at the ends.
struct Block {
    first: usize,
    end: usize,
    successors: Vec<usize>,
}

/// Registers that an instruction reads and writes; the guard is read.
pub(super) fn mentions(inst: &Inst) -> (Vec<Reg>, Vec<Reg>) {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    reads.extend(inst.guard.map(|guard| guard.reg));
    inst.op.visit(&mut |slot| match slot {
        Slot::Def(reg, _, _) => writes.push(reg),
        Slot::Use(Value::Reg(reg), _, _) => reads.push(*reg),
        Slot::Address(reg) => reads.push(reg),
        Slot::Use(_, _, _) | Slot::Target(_) => {}
    });
    if let Some((sum, Switch::Known(false))) = sum(&inst.op) {
        reads.retain(|reg| !sum.contains(reg));
    }
    if let Op::Call(call) = &inst.op {
        let regs = |values: &[Value]| -> Vec<Reg> {
            values
                .iter()
                .filter_map(|it| if let Value::Reg(r) = it { Some(*r) } else { None })
                .collect()
        };
        reads.extend(regs(&call.args.0));
        writes.extend(regs(&call.results.0));
    }
    (reads, writes)
}

/// Registers of the sum of a matrix instruction of a warpgroup, and whether they are added to.
pub(super) fn sum(op: &Op) -> Option<(&[Reg], Switch)> {
    match op {
        Op::Wgmma(it) => Some((&it.d.0, it.add)),
        Op::WgmmaRegisters(it) => Some((&it.d.0, it.add)),
        _ => None,
    }
}

/// Registers that the instruction uses in the background.
fn background(op: &Op) -> Vec<Reg> {
    let factor: &[Value] = match op {
        Op::WgmmaRegisters(it) => &it.a.0,
        _ => &[],
    };
    let factor =
        factor.iter().filter_map(|it| if let Value::Reg(r) = it { Some(*r) } else { None });
    sum(op).map_or(&[][..], |it| it.0).iter().copied().chain(factor).collect()
}

fn targets(op: &Op) -> Vec<usize> {
    let mut found = Vec::new();
    op.visit(&mut |slot| {
        if let Slot::Target(label) = slot {
            found.push(label.0 as usize);
        }
    });
    found
}

/// Whether control never falls through, if the guard holds.
fn leaves(op: &Op) -> bool {
    matches!(op, Op::Bra(_) | Op::BrxIdx(_) | Op::Ret(_) | Op::Exit(_) | Op::Trap(_))
}

/// The instructions of `func` and, by label, the index of the instruction that it stands before.
pub(super) fn instructions(func: &Function) -> (Vec<&Inst>, Vec<usize>) {
    let mut labels = vec![0; func.labels.len()];
    let mut insts = Vec::new();
    for statement in func.body.iter().flatten() {
        match statement {
            Stmt::Inst(inst) => insts.push(inst),
            Stmt::Label(label) => labels[label.0 as usize] = insts.len(),
            Stmt::Loc(_) | Stmt::Pragma(_) => {}
        }
    }
    (insts, labels)
}

fn blocks(insts: &[&Inst], labels: &[usize]) -> Vec<Block> {
    let mut starts: Vec<usize> = labels.iter().copied().filter(|at| *at < insts.len()).collect();
    starts.push(0);
    for (index, inst) in insts.iter().enumerate() {
        if leaves(&inst.op) {
            starts.push(index + 1);
        }
    }
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|at| *at < insts.len());
    let block_at = |at: usize| starts.binary_search(&at).ok();
    let make = |(index, first): (usize, &usize)| {
        let end = starts.get(index + 1).copied().unwrap_or(insts.len());
        let last = insts[end - 1];
        let mut successors: Vec<usize> =
            targets(&last.op).into_iter().filter_map(|label| block_at(labels[label])).collect();
        if last.guard.is_some() || !leaves(&last.op) {
            successors.extend(block_at(end));
        }
        Block { first: *first, end, successors }
    };
    starts.iter().enumerate().map(make).collect()
}

/// Steps `live` backwards over one instruction. A guarded write may leave the old value.
fn step_back(live: &mut Set, inst: &Inst) {
    let (reads, writes) = mentions(inst);
    if inst.guard.is_none() {
        writes.into_iter().for_each(|reg| live.remove(reg));
    }
    reads.into_iter().for_each(|reg| live.insert(reg));
}

/// Live registers at the start of each block.
fn live_in(blocks: &[Block], insts: &[&Inst], regs: usize) -> Vec<Set> {
    let mut live = vec![Set::new(regs); blocks.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (index, block) in blocks.iter().enumerate().rev() {
            let mut set = Set::new(regs);
            block.successors.iter().for_each(|next| set.add_all(&live[*next]));
            for inst in insts[block.first..block.end].iter().rev() {
                step_back(&mut set, inst);
            }
            if set != live[index] {
                live[index] = set;
                changed = true;
            }
        }
    }
    live
}

pub(super) fn liveness(func: &Function) -> Liveness {
    let (insts, labels) = instructions(func);
    let regs = func.regs.len();
    let mut intervals: Vec<Option<Interval>> = vec![None; regs];
    let mut cover = |reg: usize, at: usize| {
        let at = at as u32;
        let interval = intervals[reg].get_or_insert(Interval { first: at, last: at });
        interval.first = interval.first.min(at);
        interval.last = interval.last.max(at);
    };
    let blocks = blocks(&insts, &labels);
    let live = live_in(&blocks, &insts, regs);
    for (index, block) in blocks.iter().enumerate() {
        live[index].regs().for_each(|reg| cover(reg, block.first));
        for next in &block.successors {
            live[*next].regs().for_each(|reg| cover(reg, block.end - 1));
        }
    }
    for (at, inst) in insts.iter().enumerate() {
        let (reads, writes) = mentions(inst);
        reads.into_iter().chain(writes).for_each(|reg| cover(reg.0 as usize, at));
    }
    let mut suspect = vec![false; regs];
    if let Some(entry) = live.first() {
        for reg in entry.regs() {
            suspect[reg] = true;
            // Nobody else may leave a value in its row, or the check would miss the first read.
            intervals[reg] = Some(Interval { first: 0, last: insts.len() as u32 });
        }
    }
    let mut guarded = vec![false; regs];
    for reg in insts.iter().flat_map(|inst| background(&inst.op)) {
        guarded[reg.0 as usize] = true;
        // The row is written after the last instruction that mentions the register.
        intervals[reg.0 as usize] = Some(Interval { first: 0, last: insts.len() as u32 });
    }
    Liveness { intervals, suspect, guarded }
}
