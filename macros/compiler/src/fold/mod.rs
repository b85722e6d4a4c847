//! Computes what is constant and unrolls loops.
//!
//! A new tree is built from the old one in order of evaluation. `known` says which variables hold
//! which constant at this point, mutable ones too, so that an index that counts along with an
//! unrolled loop is constant. When a body is copied, each copy declares variables and loops of
//! its own.
//!
//! Here it turns out, and is reported, whether the indices of register arrays are constants
//! within bounds and whether loops can be unrolled that must be.

mod expr;
mod partial;
mod place;
mod unroll;

use std::collections::{HashMap, HashSet};

use crate::diag::{Code, Diag, Diags};
use crate::hir::{
    Block, Expr, ExprKind, Kernel, Local, LocalId, LoopId, Shared, Signature, SpanRange, Stmt,
    StmtKind, Ty, View,
};
use crate::value::Value;
use crate::walk;

/// Folds a kernel, or reports why it cannot run.
pub(crate) fn fold(kernel: Kernel, diags: &mut Diags) -> Kernel {
    let Kernel { signature, locals, shared, views, structs, n_loops, body } = kernel;
    let mut cx = Fold {
        block: signature.options.block,
        checked: !signature.options.unchecked,
        locals,
        shared: &shared,
        views: &views,
        signature: &signature,
        structs: &structs,
        n_loops,
        known: HashMap::new(),
        local_copies: HashMap::new(),
        loop_copies: HashMap::new(),
        turns: HashMap::new(),
        copying: false,
        must_unroll: HashSet::new(),
        reported: HashSet::new(),
        found: Vec::new(),
    };
    let body = cx.block(&body);
    let Fold { locals, n_loops, found, .. } = cx;
    found.into_iter().for_each(|diag| diags.push(diag));
    Kernel { signature, locals, shared, views, structs, n_loops, body }
}

/// The state of folding.
struct Fold<'a> {
    /// The shape of the thread block.
    block: [u32; 3],
    /// Whether the kernel checks bounds, divisors and steps.
    checked: bool,
    locals: Vec<Local>,
    shared: &'a [Shared],
    views: &'a [View],
    signature: &'a Signature,
    structs: &'a [Ty],
    n_loops: usize,
    /// The variables, as they are called in the result, that hold a constant here.
    known: HashMap<LocalId, Known>,
    /// What variables and loops of the source are called in the copy under way.
    local_copies: HashMap<LocalId, LocalId>,
    loop_copies: HashMap<LoopId, LoopId>,
    /// The block that `continue` leaves, of loops of the source whose turn is being copied.
    turns: HashMap<LoopId, LoopId>,
    /// Whether declarations need names of their own, for there will be another copy.
    copying: bool,
    /// Loops of the source that are known to need unrolling.
    must_unroll: HashSet<LoopId>,
    /// The expressions of the source that have been reported, by their addresses.
    reported: HashSet<*const Expr>,
    found: Vec<Diag>,
}

/// A constant: a scalar, or a tuple or array of which some parts are constants.
#[derive(Clone, Debug, PartialEq)]
enum Known {
    Scalar(Value),
    Parts(Vec<Option<Known>>),
}

impl Fold<'_> {
    fn report(&mut self, at: &Expr, code: Code, span: SpanRange, message: String, help: &str) {
        // Copies of one expression have one mistake.
        if self.reported.insert(std::ptr::from_ref(at)) {
            self.found.push(Diag::new(code, span, message).help(help));
        }
    }

    fn block(&mut self, block: &Block) -> Block {
        let mut stmts = Vec::with_capacity(block.stmts.len());
        for stmt in &block.stmts {
            let folded = self.stmt(stmt);
            let ends = matches!(&folded.kind, StmtKind::Expr(expr) if is_jump(expr));
            stmts.push(folded);
            if ends {
                // What follows is not reached.
                return Block { stmts, tail: None, ty: Ty::Never, span: block.span };
            }
        }
        let tail = block.tail.as_ref().map(|tail| Box::new(self.expr(tail)));
        Block { stmts, tail, ty: block.ty.clone(), span: block.span }
    }

    fn stmt(&mut self, stmt: &Stmt) -> Stmt {
        let kind = match &stmt.kind {
            StmtKind::Expr(expr) => StmtKind::Expr(self.expr(expr)),
            StmtKind::View(view) => StmtKind::View(*view),
            StmtKind::Let { local, init } => {
                let init = init.as_ref().map(|init| self.expr(init));
                let local = self.declare(*local);
                self.learn(local, init.as_ref().and_then(known));
                StmtKind::Let { local, init }
            }
        };
        Stmt { kind, span: stmt.span }
    }

    /// The name in the result of a variable that is declared here.
    fn declare(&mut self, local: LocalId) -> LocalId {
        if !self.copying {
            self.local_copies.remove(&local);
            return local;
        }
        let copy = LocalId(self.locals.len());
        self.locals.push(self.locals[local.0].clone());
        self.local_copies.insert(local, copy);
        copy
    }

    fn local(&self, local: LocalId) -> LocalId {
        self.local_copies.get(&local).copied().unwrap_or(local)
    }

    fn declare_loop(&mut self, id: LoopId) -> LoopId {
        if !self.copying {
            self.loop_copies.remove(&id);
            return id;
        }
        let copy = self.new_loop();
        self.loop_copies.insert(id, copy);
        copy
    }

    fn new_loop(&mut self) -> LoopId {
        self.n_loops += 1;
        LoopId(self.n_loops - 1)
    }

    fn loop_id(&self, id: LoopId) -> LoopId {
        self.loop_copies.get(&id).copied().unwrap_or(id)
    }

    /// Notes what a variable holds from here on.
    fn learn(&mut self, local: LocalId, value: Option<Known>) {
        match value {
            Some(value) => self.known.insert(local, value),
            None => self.known.remove(&local),
        };
    }

    /// Forgets the variables that some code of the source may assign.
    fn forget(&mut self, assigned: &HashSet<LocalId>) {
        for local in assigned {
            let local = self.local(*local);
            self.known.remove(&local);
        }
    }

    /// Folds code that may be executed any number of times, and left anywhere.
    fn repeated<T>(&mut self, body: &Block, fold: impl FnOnce(&mut Self) -> T) -> T {
        let assigned = walk::assigned(body);
        self.forget(&assigned);
        let result = fold(self);
        self.forget(&assigned);
        result
    }

    /// Keeps of what is known here what is also known there.
    fn meet(&mut self, other: &HashMap<LocalId, Known>) {
        self.known.retain(|local, value| other.get(local) == Some(value));
    }
}

/// Whether an expression goes elsewhere for certain.
fn is_jump(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Return | ExprKind::Break { .. } | ExprKind::Continue { .. })
}

/// The constant that an expression is.
fn known(expr: &Expr) -> Option<Known> {
    match &expr.kind {
        ExprKind::Value(value) => Some(Known::Scalar(*value)),
        ExprKind::Tuple(items) | ExprKind::Array(items) => {
            let parts: Vec<Option<Known>> = items.iter().map(known).collect();
            parts.iter().any(Option::is_some).then_some(Known::Parts(parts))
        }
        ExprKind::Repeat(item) => match &expr.ty {
            Ty::Array(_, len) => Some(Known::Parts(vec![Some(known(item)?); *len as usize])),
            Ty::Vector(vector) => {
                Some(Known::Parts(vec![Some(known(item)?); vector.lanes as usize]))
            }
            Ty::Scalar(_) | Ty::Fragment(_) | Ty::Unit | Ty::Never | Ty::Tuple(_) | Ty::Error => {
                None
            }
        },
        _ => None,
    }
}

/// The scalar constant that an expression is.
fn value(expr: &Expr) -> Option<Value> {
    match expr.kind {
        ExprKind::Value(value) => Some(value),
        _ => None,
    }
}
