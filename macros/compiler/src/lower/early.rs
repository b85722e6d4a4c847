//! Checks move up, in front of the loads and the arithmetic before them.
//!
//! `a[i] + b[i]` checks `i` against the length of `a`, loads, checks it against that of `b`, and
//! loads. NVIDIA's assembler moves no load over a branch, so the second load would wait for the
//! first. With both checks in front, the loads are in flight together.
//!
//! A check passes what has no effect and whose result it does not need; what computes its operands
//! moves with it. It stays behind stores, barriers, labels and other branches, so that a kernel does
//! before a failing check what it did, and the first check to fail stays the first.

use std::collections::{HashMap, HashSet};

use firesteel_ptx::ir::{Inst, Label, Reg, Stmt};
use firesteel_ptx::isa::Op;
use firesteel_ptx::modifier::Space;
use firesteel_ptx::operand::{Slot, Value};

/// Statements that a check passes at most, so that long kernels compile in linear time.
const REACH: usize = 200;

/// Moves the branches to the labels of `faults`, which read these registers.
pub(super) fn move_checks(body: &mut [Stmt], faults: &HashMap<Label, Vec<Reg>>) {
    for at in 0..body.len() {
        if let Some(reads) = check(&body[at], faults)
            && let Some(Move { to, with }) = plan(body, at, reads)
        {
            gather(&mut body[to..=at], with.iter().map(|it| it - to).collect());
        }
    }
}

/// What the statement and the block that it goes to read, if it is the branch of a check.
fn check(statement: &Stmt, faults: &HashMap<Label, Vec<Reg>>) -> Option<HashSet<Reg>> {
    let Stmt::Inst(inst) = statement else { return None };
    let Op::Bra(branch) = &inst.op else { return None };
    let mut reads = HashSet::from([inst.guard?.reg]);
    reads.extend(faults.get(&branch.to.0)?);
    Some(reads)
}

/// Statements to be moved in front of a load.
struct Move {
    /// The load.
    to: usize,
    /// The branch and what computes its operands behind the load.
    with: HashSet<usize>,
}

/// The highest load that the branch at `at` can pass.
fn plan(body: &[Stmt], at: usize, mut reads: HashSet<Reg>) -> Option<Move> {
    let mut writes = HashSet::new();
    let mut with = HashSet::from([at]);
    let mut best = None;
    for above in (at.saturating_sub(REACH)..at).rev() {
        let inst = match &body[above] {
            Stmt::Inst(inst) => inst,
            Stmt::Loc(_) => continue,
            Stmt::Label(_) | Stmt::Pragma(_) => break,
        };
        let effect = effect(&inst.op);
        if matches!(effect, Effect::Any) {
            break;
        }
        let loads = matches!(effect, Effect::Reads);
        let (its_reads, its_writes) = registers(inst);
        if its_writes.iter().any(|reg| reads.contains(reg)) {
            // It computes an operand, so it comes along.
            if loads {
                break;
            }
            reads.extend(its_reads);
            writes.extend(its_writes);
            with.insert(above);
        } else if its_reads.iter().chain(&its_writes).any(|reg| writes.contains(reg)) {
            break;
        } else if loads {
            best = Some(Move { to: above, with: with.clone() });
        }
    }
    best
}

/// Puts the statements at the places `first` before the others.
fn gather(body: &mut [Stmt], first: HashSet<usize>) {
    let mut end = 0;
    for at in 0..body.len() {
        if first.contains(&at) {
            body[end..=at].rotate_right(1);
            end += 1;
        }
    }
}

/// What the instruction reads and writes.
fn registers(inst: &Inst) -> (Vec<Reg>, Vec<Reg>) {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    reads.extend(inst.guard.map(|guard| guard.reg));
    inst.op.visit(&mut |slot| match slot {
        Slot::Use(Value::Reg(reg), ..) => reads.push(*reg),
        Slot::Address(reg) => reads.push(reg),
        Slot::Def(reg, ..) => writes.push(reg),
        Slot::Use(..) | Slot::Target(_) => {}
    });
    (reads, writes)
}

/// What an instruction does besides writing its registers.
enum Effect {
    /// Nothing, and only its operands count.
    None,
    /// It reads memory.
    Reads,
    /// It may do anything.
    Any,
}

fn effect(op: &Op) -> Effect {
    match op {
        // Parameters are constants.
        Op::Ld(load) if load.space == Some(Space::Param) => Effect::None,
        Op::Ld(load) if load.sem.is_none() => Effect::Reads,
        Op::LdNc(_) => Effect::Reads,
        Op::AddInt(_)
        | Op::SubInt(_)
        | Op::MulInt(_)
        | Op::MulWide(_)
        | Op::MadInt(_)
        | Op::MadWide(_)
        | Op::Sad(_)
        | Op::DivInt(_)
        | Op::RemInt(_)
        | Op::AbsInt(_)
        | Op::NegInt(_)
        | Op::MinInt(_)
        | Op::MaxInt(_)
        | Op::Popc(_)
        | Op::Clz(_)
        | Op::Bfind(_)
        | Op::Brev(_)
        | Op::Bfe(_)
        | Op::Bfi(_)
        | Op::Dp4a(_)
        | Op::Dp2a(_)
        | Op::AddFloat(_)
        | Op::SubFloat(_)
        | Op::MulFloat(_)
        | Op::FmaFloat(_)
        | Op::DivFloat(_)
        | Op::DivApprox(_)
        | Op::AbsFloat(_)
        | Op::NegFloat(_)
        | Op::MinFloat(_)
        | Op::MaxFloat(_)
        | Op::Rcp(_)
        | Op::RcpApprox(_)
        | Op::Sqrt(_)
        | Op::SqrtApprox(_)
        | Op::Rsqrt(_)
        | Op::Sin(_)
        | Op::Cos(_)
        | Op::Lg2(_)
        | Op::Ex2(_)
        | Op::Tanh(_)
        | Op::Copysign(_)
        | Op::Testp(_)
        | Op::Setp(_)
        | Op::Selp(_)
        | Op::And(_)
        | Op::Or(_)
        | Op::Xor(_)
        | Op::Not(_)
        | Op::Lop3(_)
        | Op::Shl(_)
        | Op::Shr(_)
        | Op::Shf(_)
        | Op::Prmt(_)
        | Op::Mov(_)
        | Op::MovPack(_)
        | Op::MovUnpack(_)
        | Op::Cvta(_)
        | Op::Cvt(_) => Effect::None,
        // Memory, other threads, time: whatever is not above is not passed.
        _ => Effect::Any,
    }
}
