//! What names mean at a point of the body.

use crate::ast::{ClosureId, ConstId, TypeId};
use crate::hir::{LocalId, LoopId, Memory, ParamId};
use crate::value::Scalar;

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Def {
    /// A variable.
    Local(LocalId),
    /// A slice parameter or a shared array.
    Memory(Memory),
    /// A tensor map.
    Map(ParamId),
    /// A constant.
    Const(ConstId),
    /// A type parameter of a device function.
    Type(TypeId),
    /// A type parameter of a kernel, in this instance.
    Alias(Scalar),
    /// A parameter of a device function that is a closure.
    Closure(ClosureId),
    /// A parameter that was reported.
    Error,
}

/// What can be left with `break`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jump {
    /// `loop`: `continue`, and `break` with a value.
    Loop,
    /// `while` and `for`: `continue`, and `break` without one.
    Counted,
    /// A labelled block: `break` by name, with a value.
    Block,
}

#[derive(Clone, Debug)]
struct Target {
    label: Option<String>,
    id: LoopId,
    jump: Jump,
    depth: usize,
}

#[derive(Clone, Debug, Default)]
struct Scope {
    names: Vec<(String, Def)>,
    /// A constant's value: variables and labels from outside are not visible.
    is_const: bool,
}

/// The blocks around the point, the innermost last, and the loops around it.
#[derive(Clone, Debug)]
pub(super) struct Scopes {
    scopes: Vec<Scope>,
    targets: Vec<Target>,
}

impl Scopes {
    pub(super) fn new() -> Self {
        Self { scopes: vec![Scope::default()], targets: Vec::new() }
    }

    /// What a closure that stands here sees: all names, but no loop that it could leave.
    pub(super) fn captured(&self) -> Self {
        Self { scopes: self.scopes.clone(), targets: Vec::new() }
    }

    pub(super) fn enter(&mut self) {
        self.scopes.push(Scope::default());
    }

    pub(super) fn enter_const(&mut self) {
        self.scopes.push(Scope { names: Vec::new(), is_const: true });
    }

    pub(super) fn leave(&mut self) {
        self.scopes.pop();
    }

    pub(super) fn define(&mut self, name: String, def: Def) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.push((name, def));
        }
    }

    /// The innermost meaning of the name. `Err` if that is a variable which a constant cannot use.
    pub(super) fn find(&self, name: &str) -> Option<Result<Def, Def>> {
        let mut in_const = false;
        for scope in self.scopes.iter().rev() {
            if let Some((_, def)) = scope.names.iter().rev().find(|(known, _)| known == name) {
                let visible = match def {
                    Def::Local(_) | Def::Memory(_) | Def::Map(_) | Def::Closure(_) => !in_const,
                    Def::Const(_) | Def::Type(_) | Def::Alias(_) | Def::Error => true,
                };
                return Some(if visible { Ok(*def) } else { Err(*def) });
            }
            in_const |= scope.is_const;
        }
        None
    }

    /// Every visible name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().flat_map(|scope| scope.names.iter().map(|(name, _)| name.as_str()))
    }

    pub(super) fn enter_target(&mut self, label: Option<String>, id: LoopId, jump: Jump) {
        let depth = self.scopes.len();
        self.targets.push(Target { label, id, jump, depth });
    }

    pub(super) fn leave_target(&mut self) {
        self.targets.pop();
    }

    /// The loop that a jump without a label means, or the loop or block of the label.
    pub(super) fn target(&self, label: Option<&str>) -> Option<(LoopId, Jump)> {
        let const_depth = self.scopes.iter().rposition(|scope| scope.is_const).unwrap_or(0);
        self.targets
            .iter()
            .rev()
            .filter(|target| target.depth >= const_depth)
            .find(|target| match label {
                Some(label) => target.label.as_deref() == Some(label),
                None => target.jump != Jump::Block,
            })
            .map(|target| (target.id, target.jump))
    }

    /// Every label in scope.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter_map(|target| target.label.as_deref())
    }
}
