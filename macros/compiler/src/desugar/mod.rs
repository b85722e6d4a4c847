//! The typed [`Ast`] to [`hir`]: the forms of Rust to the few that the back knows.
//!
//! Cannot fail: it runs only on a tree without reports.

mod call;
mod control;
mod expr;
mod matches;

use std::collections::HashMap;

use crate::ast::{Ast, Block, Let, NodeId, Pat, PatKind, Stmt};
use crate::hir::{self, LocalId, Memory, Place, Root, SharedId, SpanRange, Step, Ty, ViewId};
use crate::infer::{Constant, Facts};
use crate::value::{Scalar, Value};

/// Builds the kernel.
pub(crate) fn desugar(ast: Ast, facts: &Facts) -> hir::Kernel {
    let locals = ast.locals.iter().zip(&facts.locals).map(|(local, ty)| hir::Local {
        name: local.ident.to_string(),
        ty: ty.clone(),
        mutable: local.mutable,
        span: local.ident.span().into(),
    });
    let mut cx = Desugar {
        facts,
        locals: locals.collect(),
        shared: numbers(&facts.shared, SharedId),
        views: numbers(&facts.views, ViewId),
        aliases: HashMap::new(),
    };
    let body = cx.block(&ast.body);
    let views = views(&cx, &ast);
    let (locals, shared) = (cx.locals, shared(&ast, facts));
    let structs = facts.structs.clone();
    let Ast { n_loops, signature, .. } = ast;
    hir::Kernel { locals, shared, views, structs, n_loops, body, signature }
}

fn shared(ast: &Ast, facts: &Facts) -> Vec<hir::Shared> {
    let len = |id: crate::ast::ConstId| match &facts.consts[id.0] {
        Some(Constant::Scalar(len)) => len.as_int() as u32,
        Some(Constant::Tuple(_) | Constant::Array(_)) | None => {
            unreachable!("`infer` evaluated the length of every shared array")
        }
    };
    let compiled = ast.shared.iter().zip(&facts.shared);
    let compiled = compiled.filter_map(|(shared, elem)| Some((shared, (*elem)?)));
    let shared = compiled.map(|(shared, elem)| hir::Shared {
        align: shared.align,
        name: shared.ident.to_string(),
        elem,
        len: shared.len.map(len),
        span: shared.span,
    });
    shared.collect()
}

fn views(cx: &Desugar<'_>, ast: &Ast) -> Vec<hir::View> {
    let compiled = ast.views.iter().zip(&cx.facts.views);
    let compiled = compiled.filter_map(|(view, elem)| Some((view, (*elem)?)));
    let view = |(view, elem): (&crate::ast::ViewDecl, Scalar)| hir::View {
        name: view.ident.to_string(),
        of: cx.memory(view.of),
        elem,
    };
    compiled.map(view).collect()
}

/// The number of each shared array or view among those that are compiled.
fn numbers<E, I>(elems: &[Option<E>], id: fn(usize) -> I) -> Vec<I> {
    let number = |next: &mut usize, elem: &Option<E>| {
        let id = id(*next);
        *next += usize::from(elem.is_some());
        Some(id)
    };
    elems.iter().scan(0, number).collect()
}

struct Desugar<'a> {
    facts: &'a Facts,
    locals: Vec<hir::Local>,
    shared: Vec<SharedId>,
    views: Vec<ViewId>,
    /// What the parameters that are references stand for.
    aliases: HashMap<LocalId, Place>,
}

impl Desugar<'_> {
    fn ty(&self, id: NodeId) -> Ty {
        self.facts.nodes[id.0].clone()
    }

    fn scalar(&self, id: NodeId) -> Scalar {
        match self.ty(id).scalar() {
            Some(scalar) => scalar,
            None => unreachable!("`infer` demanded a scalar here"),
        }
    }

    fn memory(&self, memory: Memory) -> Memory {
        match memory {
            Memory::Slice(_) => memory,
            Memory::Shared(id) => Memory::Shared(self.shared[id.0]),
            Memory::View(id) => Memory::View(self.views[id.0]),
        }
    }

    /// A variable that the user did not write.
    fn temporary(&mut self, name: &str, ty: Ty, span: SpanRange) -> LocalId {
        self.locals.push(hir::Local { name: name.to_owned(), ty, mutable: false, span });
        LocalId(self.locals.len() - 1)
    }

    fn block(&mut self, block: &Block) -> hir::Block {
        let mut stmts = Vec::new();
        for stmt in &block.stmts {
            self.stmt(stmt, &mut stmts);
        }
        let tail = block.tail.as_ref().map(|tail| Box::new(self.expr(tail)));
        let ty = match &tail {
            Some(tail) => tail.ty.clone(),
            None if stmts.iter().any(diverges) => Ty::Never,
            None => Ty::Unit,
        };
        hir::Block { stmts, tail, ty, span: block.span }
    }

    fn stmt(&mut self, stmt: &Stmt, out: &mut Vec<hir::Stmt>) {
        match stmt {
            Stmt::Shared(..) => {}
            Stmt::View(id, span) => {
                let kind = hir::StmtKind::View(self.views[id.0]);
                out.push(hir::Stmt { kind, span: *span });
            }
            Stmt::Let(it) => self.let_stmt(it, out),
            Stmt::Expr(expr, _) => {
                let (span, expr) = (expr.span, self.expr(expr));
                out.push(hir::Stmt { kind: hir::StmtKind::Expr(expr), span });
            }
        }
    }

    fn let_stmt(&mut self, it: &Let, out: &mut Vec<hir::Stmt>) {
        let init = it.init.as_ref().map(|init| self.expr(init));
        self.declare(&it.pat, init, it.span, out);
    }

    /// Gives the names of a pattern their first values.
    fn declare(
        &mut self,
        pat: &Pat,
        init: Option<hir::Expr>,
        span: SpanRange,
        out: &mut Vec<hir::Stmt>,
    ) {
        let kind = match (&pat.kind, init) {
            (PatKind::Bind(local, _), init) => hir::StmtKind::Let { local: *local, init },
            (PatKind::Wild, Some(init)) => hir::StmtKind::Expr(init),
            (_, Some(init)) => {
                let ty = self.ty(pat.id);
                let local = self.temporary("tuple", ty.clone(), span);
                let kind = hir::StmtKind::Let { local, init: Some(init) };
                out.push(hir::Stmt { kind, span });
                let place = local_place(local, ty, pat.span);
                self.bind(pat, &place, out);
                return;
            }
            (_, None) => unreachable!("`parse` allows a name alone without a value"),
        };
        out.push(hir::Stmt { kind, span });
    }

    /// Declares the names of a pattern as parts of the place.
    fn bind(&mut self, pat: &Pat, place: &Place, out: &mut Vec<hir::Stmt>) {
        match &pat.kind {
            PatKind::Bind(local, inner) => {
                let init = Some(load(place.clone()));
                let kind = hir::StmtKind::Let { local: *local, init };
                out.push(hir::Stmt { kind, span: pat.span });
                if let Some(inner) = inner {
                    self.bind(inner, place, out);
                }
            }
            PatKind::Tuple(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    let field = self.field_of(place, i, part.id, part.span);
                    self.bind(part, &field, out);
                }
            }
            PatKind::Struct(of, _) => {
                for (i, _, part) in &of.fields {
                    let field = self.field_of(place, *i as usize, part.id, part.span);
                    self.bind(part, &field, out);
                }
            }
            PatKind::Wild
            | PatKind::Value(_)
            | PatKind::Range { .. }
            | PatKind::Or(_)
            | PatKind::Error => {}
        }
    }

    fn field_of(&self, place: &Place, i: usize, id: NodeId, span: SpanRange) -> Place {
        let mut field = place.clone();
        field.path.push(Step::Field(i as u32));
        (field.ty, field.span) = (self.ty(id), span);
        field
    }
}

fn diverges(stmt: &hir::Stmt) -> bool {
    let (hir::StmtKind::Expr(expr) | hir::StmtKind::Let { init: Some(expr), .. }) = &stmt.kind
    else {
        return false;
    };
    expr.ty == Ty::Never
}

fn local_place(local: LocalId, ty: Ty, span: SpanRange) -> Place {
    Place { root: Root::Local(local), path: Vec::new(), ty, span }
}

fn load(place: Place) -> hir::Expr {
    let (ty, span) = (place.ty.clone(), place.span);
    hir::Expr { kind: hir::ExprKind::Load(place), ty, span }
}

fn value(value: Value, span: SpanRange) -> hir::Expr {
    hir::Expr { kind: hir::ExprKind::Value(value), ty: Ty::Scalar(value.ty()), span }
}

/// A constant as an expression.
fn constant(of: &Constant, ty: &Ty, span: SpanRange) -> hir::Expr {
    let kind = match (of, ty) {
        (Constant::Scalar(value), _) => hir::ExprKind::Value(*value),
        (Constant::Tuple(elems), Ty::Tuple(tys)) => {
            let elems = elems.iter().zip(tys).map(|(elem, ty)| constant(elem, ty, span));
            hir::ExprKind::Tuple(elems.collect())
        }
        (Constant::Array(elems), Ty::Array(ty, _)) => {
            hir::ExprKind::Array(elems.iter().map(|elem| constant(elem, ty, span)).collect())
        }
        (Constant::Tuple(_) | Constant::Array(_), _) => hir::ExprKind::Unit,
    };
    hir::Expr { kind, ty: ty.clone(), span }
}
