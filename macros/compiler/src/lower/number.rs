//! Value numbering: a pure instruction whose result is at hand is not emitted again.
//!
//! The table has a scope for each arm and loop body, so an entry is found only where the
//! instruction that made it has surely been executed. Registers that are written more than once
//! (mutable variables) carry a version, which changes with each write; the versions that an
//! instruction read are part of its key. Versions only grow, so a stale entry never matches.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::Op;
use firesteel_ptx::operand::{PartMut, Slot, Value};

use crate::hir::{Memory, Scalar};

/// Stands for the result in a key.
pub(super) const RESULT: Reg = Reg(u32::MAX);

/// The values at hand.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    scopes: Vec<HashMap<u64, Vec<Entry>>>,
    checked: Vec<HashSet<Checked>>,
    versions: HashMap<Reg, u32>,
    last_version: u32,
}

#[derive(Debug)]
struct Entry {
    op: Op,
    versions: Vec<u32>,
    result: Reg,
}

/// What a check has shown about a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    /// As an index of that type it is in bounds.
    InBounds(Memory, Scalar),
    /// The memory has at least so many elements.
    LongerThan(Memory, u64),
    /// As an index of that type it is below this length.
    Below(u32, Scalar),
    /// It is not zero.
    NonZero,
}

/// A fact, its register, and the version of the register.
type Checked = (Fact, Reg, Option<u32>);

/// What identifies a computation.
#[derive(Debug)]
pub(super) struct Key {
    hash: u64,
    op: Op,
    versions: Vec<u32>,
}

impl Key {
    /// What [`Numbers::remove`] wants.
    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The computation, with [`RESULT`] as its destination.
    pub(super) const fn op(&self) -> &Op {
        &self.op
    }
}

impl Numbers {
    pub(super) fn new() -> Self {
        let mut numbers = Self::default();
        // What is hoisted, and the body.
        numbers.push();
        numbers.push();
        numbers
    }

    /// Leaves the body: from here on only what was hoisted is at hand.
    pub(super) fn leave_body(&mut self) {
        self.scopes.truncate(1);
        self.checked.truncate(1);
    }

    /// Enters a piece of code that may not be executed.
    pub(super) fn push(&mut self) {
        self.scopes.push(HashMap::new());
        self.checked.push(HashSet::new());
    }

    /// Leaves it.
    pub(super) fn pop(&mut self) {
        self.scopes.pop();
        self.checked.pop();
    }

    /// Notes that `reg` is written again and again, and now.
    pub(super) fn written(&mut self, reg: Reg) {
        self.last_version += 1;
        self.versions.insert(reg, self.last_version);
    }

    /// Whether `reg` is written more than once.
    pub(super) fn is_mutable(&self, reg: Reg) -> bool {
        self.versions.contains_key(&reg)
    }

    /// The key of `op`, in which [`RESULT`] stands for what it writes.
    pub(super) fn key(&self, mut op: Op) -> Key {
        let mut hasher = DefaultHasher::new();
        op.name().hash(&mut hasher);
        let mut versions = Vec::new();
        let mut register = |reg: Reg, hasher: &mut DefaultHasher| {
            reg.0.hash(hasher);
            versions.extend(self.versions.get(&reg));
        };
        op.visit(&mut |slot| match slot {
            Slot::Use(value, _, _) => match value {
                Value::Reg(reg) => register(*reg, &mut hasher),
                Value::Int(value) => value.hash(&mut hasher),
                Value::F32(bits) => bits.hash(&mut hasher),
                Value::F64(bits) => bits.hash(&mut hasher),
                Value::Special(special) => special.hash(&mut hasher),
                Value::Symbol(name, offset) => (name, offset).hash(&mut hasher),
            },
            Slot::Address(reg) => register(reg, &mut hasher),
            Slot::Def(..) | Slot::Target(_) => {}
        });
        op.parts_mut(&mut |part| {
            // Symbols in addresses are no slots.
            if let PartMut::Value(Value::Symbol(name, _)) = part {
                name.hash(&mut hasher);
            }
        });
        Key { hash: hasher.finish(), op, versions }
    }

    /// The register that holds the result already.
    pub(super) fn find(&self, key: &Key) -> Option<Reg> {
        let entries = self.scopes.iter().rev().filter_map(|scope| scope.get(&key.hash)).flatten();
        entries
            .filter(|entry| entry.op == key.op && entry.versions == key.versions)
            .map(|entry| entry.result)
            .next()
    }

    /// The register that holds the result of something hoisted.
    pub(super) fn find_hoisted(&self, key: &Key) -> Option<Reg> {
        let mut entries = self.scopes.first()?.get(&key.hash)?.iter();
        entries.find(|entry| entry.op == key.op).map(|entry| entry.result)
    }

    /// Takes back what was noted last in this scope, because the register is not kept.
    pub(super) fn remove(&mut self, result: Reg, hash: u64) {
        if let Some(entries) = self.scopes.last_mut().and_then(|scope| scope.get_mut(&hash)) {
            entries.retain(|entry| entry.result != result);
        }
    }

    /// Notes the result, for this scope and those inside of it.
    pub(super) fn insert(&mut self, key: Key, result: Reg) {
        let depth = self.scopes.len() - 1;
        self.insert_at(depth, key, result);
    }

    /// Notes a result that is computed before everything else.
    pub(super) fn insert_hoisted(&mut self, key: Key, result: Reg) {
        self.insert_at(0, key, result);
    }

    /// Whether this has been checked on every way to here; if not, it is noted as checked.
    pub(super) fn check(&mut self, fact: Fact, reg: Reg) -> bool {
        let fact = (fact, reg, self.versions.get(&reg).copied());
        if self.checked.iter().any(|scope| scope.contains(&fact)) {
            return true;
        }
        if let Some(scope) = self.checked.last_mut() {
            scope.insert(fact);
        }
        false
    }

    fn insert_at(&mut self, depth: usize, key: Key, result: Reg) {
        let Key { hash, op, versions } = key;
        let entry = Entry { op, versions, result };
        self.scopes[depth].entry(hash).or_default().push(entry);
    }
}

/// `op` with its result in `reg`.
pub(super) fn with_result(mut op: Op, reg: Reg) -> Op {
    op.parts_mut(&mut |part| match part {
        PartMut::Reg(it) if *it == RESULT => *it = reg,
        PartMut::Reg(_) | PartMut::Value(_) => {}
    });
    op
}
