//! Walking over the typed tree.

use std::collections::HashSet;

use crate::hir::{Arg, Block, Call, Expr, ExprKind, For, LocalId, Place, Root, Step, StmtKind};

/// Shows `visit` each expression of a block, outer ones first, in order of evaluation
/// otherwise but for assignments, whose place comes first.
pub(crate) fn block(block: &Block, visit: &mut dyn FnMut(&Expr)) {
    for stmt in &block.stmts {
        match &stmt.kind {
            StmtKind::Let { local: _, init } => {
                if let Some(init) = init {
                    expr(init, visit);
                }
            }
            StmtKind::Expr(it) => expr(it, visit),
            StmtKind::View(_) => {}
        }
    }
    if let Some(tail) = &block.tail {
        expr(tail, visit);
    }
}

/// Shows `visit` an expression and all inside of it.
pub(crate) fn expr(it: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(it);
    match &it.kind {
        ExprKind::Value(_)
        | ExprKind::Unit
        | ExprKind::Zero
        | ExprKind::Len(_)
        | ExprKind::Continue { .. }
        | ExprKind::Return => {}
        ExprKind::Load(from) => place(from, visit),
        ExprKind::Unary(_, a) | ExprKind::Cast(a) | ExprKind::Repeat(a) => expr(a, visit),
        ExprKind::Binary(_, a, b) | ExprKind::Logic { and: _, left: a, right: b } => {
            expr(a, visit);
            expr(b, visit);
        }
        ExprKind::Tuple(items) | ExprKind::Array(items) => {
            items.iter().for_each(|item| expr(item, visit));
        }
        ExprKind::Call(it) => call(it, visit),
        ExprKind::If { cond, then, otherwise } => {
            expr(cond, visit);
            block(then, visit);
            if let Some(otherwise) = otherwise {
                block(otherwise, visit);
            }
        }
        ExprKind::Block { label: _, block: it } | ExprKind::Loop { id: _, body: it } => {
            block(it, visit);
        }
        ExprKind::While { id: _, cond, body } => {
            expr(cond, visit);
            block(body, visit);
        }
        ExprKind::For(it) => for_loop(it, visit),
        ExprKind::Break { target: _, value } => {
            if let Some(value) = value {
                expr(value, visit);
            }
        }
        ExprKind::Assign { place: to, value } | ExprKind::AssignOp { op: _, place: to, value } => {
            place(to, visit);
            expr(value, visit);
        }
        ExprKind::Assert { cond, message: _ } => expr(cond, visit),
        ExprKind::Print { format: _, args } => args.iter().for_each(|arg| expr(arg, visit)),
    }
}

fn for_loop(it: &For, visit: &mut dyn FnMut(&Expr)) {
    expr(&it.start, visit);
    expr(&it.end, visit);
    if let Some(step) = &it.step {
        expr(step, visit);
    }
    block(&it.body, visit);
}

fn call(it: &Call, visit: &mut dyn FnMut(&Expr)) {
    for arg in &it.args {
        match arg {
            Arg::Value(value) => expr(value, visit),
            Arg::Place(at) => place(at, visit),
            Arg::Memory(_) | Arg::Map(_) | Arg::Const(_) | Arg::Scope(_) | Arg::Order(_) => {}
        }
    }
}

fn place(it: &Place, visit: &mut dyn FnMut(&Expr)) {
    match &it.root {
        Root::Local(_) => {}
        Root::Element { memory: _, index } => expr(index, visit),
    }
    for step in &it.path {
        match step {
            Step::Field(_) | Step::Lane(_) => {}
            Step::Index(index) => expr(index, visit),
        }
    }
}

/// Whether evaluating the expression may assign a variable.
pub(crate) fn assigns(it: &Expr) -> bool {
    let mut found = false;
    expr(it, &mut |it| found |= assigned_root(it).is_some());
    found
}

/// The variables that a block assigns.
pub(crate) fn assigned(it: &Block) -> HashSet<LocalId> {
    let mut locals = HashSet::new();
    block(it, &mut |it| locals.extend(assigned_root(it)));
    locals
}

/// The variable that this very expression assigns.
pub(crate) fn assigned_root(it: &Expr) -> Option<LocalId> {
    match &it.kind {
        ExprKind::Assign { place, .. } | ExprKind::AssignOp { place, .. } => match place.root {
            Root::Local(local) => Some(local),
            Root::Element { .. } => None,
        },
        // An operation that works on a variable in place assigns it.
        ExprKind::Call(call) => call.args.iter().find_map(|arg| match arg {
            Arg::Place(Place { root: Root::Local(local), .. }) => Some(*local),
            Arg::Place(_)
            | Arg::Value(_)
            | Arg::Memory(_)
            | Arg::Map(_)
            | Arg::Const(_)
            | Arg::Scope(_)
            | Arg::Order(_) => None,
        }),
        ExprKind::Value(_)
        | ExprKind::Unit
        | ExprKind::Zero
        | ExprKind::Load(_)
        | ExprKind::Len(_)
        | ExprKind::Unary(..)
        | ExprKind::Binary(..)
        | ExprKind::Logic { .. }
        | ExprKind::Cast(_)
        | ExprKind::Tuple(_)
        | ExprKind::Array(_)
        | ExprKind::Repeat(_)
        | ExprKind::If { .. }
        | ExprKind::Block { .. }
        | ExprKind::Loop { .. }
        | ExprKind::While { .. }
        | ExprKind::For(_)
        | ExprKind::Break { .. }
        | ExprKind::Continue { .. }
        | ExprKind::Return
        | ExprKind::Assert { .. }
        | ExprKind::Print { .. } => None,
    }
}
