//! Expressions without control flow, and places.

use super::{Desugar, constant, load, local_place, value};
use proc_macro2::Ident;

use crate::ast::{ConstId, Expr, ExprKind, Lit, Member, StructOf, TyExpr, TyExprKind};
use crate::hir::{self, BinOp, Memory, Place, Root, SpanRange, Step, Ty, UnOp};
use crate::infer::{lane, literal};
use crate::parse::associated_constant;
use crate::value::{Scalar, Value};

impl Desugar<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) -> hir::Expr {
        let (ty, span) = (self.ty(expr.id), expr.span);
        let kind = match &expr.kind {
            ExprKind::Lit(lit) => hir::ExprKind::Value(self.literal(lit, expr, false)),
            ExprKind::Local(..) | ExprKind::Deref(..) => return self.read(expr),
            ExprKind::Const(id, _) => return self.constant(*id, &ty, span),
            ExprKind::Associated(_, of, name) => return self.associated(of, name, &ty, span),
            ExprKind::Unary(op, _, inner) => self.unary(*op, inner, expr),
            ExprKind::Binary(op, _, left, right) => return self.binary(*op, left, right, expr),
            ExprKind::Logic(and, _, left, right) => {
                let (left, right) = (Box::new(self.expr(left)), Box::new(self.expr(right)));
                hir::ExprKind::Logic { and: *and, left, right }
            }
            ExprKind::Cast(inner, _) | ExprKind::From(_, _, inner) => {
                let inner = self.expr(inner);
                if inner.ty == ty {
                    return hir::Expr { span, ..inner };
                }
                hir::ExprKind::Cast(Box::new(inner))
            }
            ExprKind::Index(..) | ExprKind::Field(..) => return self.read(expr),
            ExprKind::Tuple(elems) if elems.is_empty() => hir::ExprKind::Unit,
            ExprKind::Tuple(elems) => hir::ExprKind::Tuple(self.exprs(elems)),
            ExprKind::Array(elems) => hir::ExprKind::Array(self.exprs(elems)),
            ExprKind::Repeat(elem, _) => hir::ExprKind::Repeat(Box::new(self.expr(elem))),
            ExprKind::Vector { args, function, .. } => self.vector(args, function == "splat"),
            ExprKind::Zero(..) => hir::ExprKind::Zero,
            ExprKind::Call(call) => return self.call(call, ty, span),
            ExprKind::Struct(of, base) => self.structure(of, base.as_deref(), expr),
            ExprKind::Inline(inline) => {
                let args: Vec<&Expr> = inline.args.iter().collect();
                self.inline(inline, &args, &ty, span)
            }
            ExprKind::MethodCall(call) => return self.method_call(call, expr.id, ty, span),
            ExprKind::Method(receiver, name, args) => {
                return self.method(receiver, &name.to_string(), args, ty, span);
            }
            ExprKind::Assert(..)
            | ExprKind::Print(..)
            | ExprKind::Assign(..)
            | ExprKind::AssignOp(..) => self.effect(expr),
            ExprKind::Memory(..)
            | ExprKind::Map(..)
            | ExprKind::Scope(..)
            | ExprKind::Order(..)
            | ExprKind::Ref(..)
            | ExprKind::Closure(_)
            | ExprKind::Error(_) => unreachable!("`infer` reports {:?} as a value", expr.kind),
            ExprKind::If(..)
            | ExprKind::Block(..)
            | ExprKind::Loop(..)
            | ExprKind::While(..)
            | ExprKind::For(_)
            | ExprKind::Match(..)
            | ExprKind::Break(..)
            | ExprKind::Continue(..)
            | ExprKind::Return(_) => self.control(expr),
        };
        hir::Expr { kind, ty, span }
    }

    fn associated(&self, of: &TyExpr, name: &Ident, ty: &Ty, span: SpanRange) -> hir::Expr {
        let of = match &of.kind {
            TyExprKind::Scalar(scalar) => Some(*scalar),
            TyExprKind::Param(id, _) => self.facts.types[id.0],
            _ => ty.scalar(),
        };
        match of.and_then(|of| associated_constant(of, &name.to_string())) {
            Some(constant) => value(constant, span),
            None => unreachable!("`infer` found `{name}`"),
        }
    }

    fn effect(&mut self, expr: &Expr) -> hir::ExprKind {
        match &expr.kind {
            ExprKind::Assert(cond, message) => {
                let cond = Box::new(self.expr(cond));
                hir::ExprKind::Assert { cond, message: message.clone() }
            }
            ExprKind::Print(format, args) => {
                hir::ExprKind::Print { format: format.clone(), args: self.exprs(args) }
            }
            ExprKind::Assign(target, source) => {
                let source = Box::new(self.expr(source));
                hir::ExprKind::Assign { place: self.target(target), value: source }
            }
            ExprKind::AssignOp(op, _, target, source) => {
                let source = Box::new(self.expr(source));
                hir::ExprKind::AssignOp { op: *op, place: self.target(target), value: source }
            }
            other => unreachable!("`expr` handles {other:?}"),
        }
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) -> Vec<hir::Expr> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn literal(&self, lit: &Lit, expr: &Expr, negative: bool) -> Value {
        match literal(lit, self.scalar(expr.id), negative) {
            Some(value) => value,
            None => unreachable!("`infer` checked that {lit:?} fits"),
        }
    }

    fn constant(&self, id: ConstId, ty: &Ty, span: SpanRange) -> hir::Expr {
        match &self.facts.consts[id.0] {
            Some(of) => constant(of, ty, span),
            None => unreachable!("`infer` evaluated every constant"),
        }
    }

    fn unary(&mut self, op: UnOp, inner: &Expr, expr: &Expr) -> hir::ExprKind {
        match (op, &inner.kind) {
            (UnOp::Neg, ExprKind::Lit(lit)) => hir::ExprKind::Value(self.literal(lit, expr, true)),
            (UnOp::Neg | UnOp::Not, _) => hir::ExprKind::Unary(op, Box::new(self.expr(inner))),
        }
    }

    fn binary(&mut self, op: BinOp, left: &Expr, right: &Expr, expr: &Expr) -> hir::Expr {
        let (left, right) = (self.expr(left), self.expr(right));
        if left.ty == Ty::Scalar(Scalar::Bool) && op.is_comparison() {
            return compare_bools(op, left, right, expr.span);
        }
        let kind = hir::ExprKind::Binary(op, Box::new(left), Box::new(right));
        hir::Expr { kind, ty: self.ty(expr.id), span: expr.span }
    }

    /// The fields in the order of the type, evaluated in that of the source.
    fn structure(
        &mut self,
        of: &StructOf<Expr>,
        base: Option<&Expr>,
        expr: &Expr,
    ) -> hir::ExprKind {
        let in_order = of.fields.iter().enumerate().all(|(i, (field, ..))| i as u32 == *field);
        if base.is_none() && in_order {
            return hir::ExprKind::Tuple(of.fields.iter().map(|it| self.expr(&it.2)).collect());
        }
        let (ty, span) = (self.ty(expr.id), expr.span);
        let Ty::Tuple(types) = &ty else { unreachable!("a struct is a tuple") };
        let mut fields: Vec<Option<hir::Expr>> = types.iter().map(|_| None).collect();
        let mut stmts = Vec::new();
        for (field, _, value) in &of.fields {
            let value = self.expr(value);
            let local = self.temporary("field", value.ty.clone(), span);
            fields[*field as usize] = Some(load(local_place(local, value.ty.clone(), span)));
            let kind = hir::StmtKind::Let { local, init: Some(value) };
            stmts.push(hir::Stmt { kind, span });
        }
        if let Some(base) = base {
            let place = self.place(base, &mut stmts);
            for (i, (slot, ty)) in fields.iter_mut().zip(types).enumerate() {
                let mut part = place.clone();
                part.path.push(Step::Field(i as u32));
                part.ty = ty.clone();
                slot.get_or_insert_with(|| load(part));
            }
        }
        let fields = hir::ExprKind::Tuple(fields.into_iter().flatten().collect());
        let tail = Some(Box::new(hir::Expr { kind: fields, ty: ty.clone(), span }));
        let block = hir::Block { stmts, tail, ty, span };
        hir::ExprKind::Block { label: None, block }
    }

    fn vector(&mut self, args: &[Expr], splat: bool) -> hir::ExprKind {
        match args {
            [arg] if splat => hir::ExprKind::Repeat(Box::new(self.expr(arg))),
            args => hir::ExprKind::Array(self.exprs(args)),
        }
    }

    /// Reads an element or a field. What it belongs to may be a temporary.
    fn read(&mut self, expr: &Expr) -> hir::Expr {
        let mut stmts = Vec::new();
        let place = self.place(expr, &mut stmts);
        let tail = load(place);
        if stmts.is_empty() {
            return tail;
        }
        let (ty, span) = (tail.ty.clone(), expr.span);
        let block = hir::Block { stmts, tail: Some(Box::new(tail)), ty: ty.clone(), span };
        hir::Expr { kind: hir::ExprKind::Block { label: None, block }, ty, span }
    }

    /// The place that an assignment writes.
    fn target(&mut self, expr: &Expr) -> Place {
        let mut stmts = Vec::new();
        let place = self.place(expr, &mut stmts);
        debug_assert!(stmts.is_empty(), "`infer` rejects assignments to temporaries");
        place
    }

    /// The place that an expression is. A value that is none gets a variable, declared in `stmts`.
    pub(super) fn place(&mut self, expr: &Expr, stmts: &mut Vec<hir::Stmt>) -> Place {
        let (ty, span) = (self.ty(expr.id), expr.span);
        let (mut place, step) = match &expr.kind {
            ExprKind::Local(id, _) => {
                return match self.aliases.get(id) {
                    Some(place) => Place { span, ..place.clone() },
                    None => local_place(*id, ty, span),
                };
            }
            ExprKind::Deref(_, inner) => {
                let place = self.place(inner, stmts);
                return Place { span, ..place };
            }
            ExprKind::Index(base, index) => {
                if let ExprKind::Memory(memory, _) = base.kind {
                    return self.element(memory, index, ty, span);
                }
                let place = self.place(base, stmts);
                (place, Step::Index(Box::new(self.expr(index))))
            }
            ExprKind::Field(base, member) => {
                let place = self.place(base, stmts);
                let step = match (self.facts.fields.get(&expr.id), member) {
                    (Some(field), _) | (None, Member::Index(field, _)) => Step::Field(*field),
                    (None, Member::Named(name)) => Step::Lane(lane(&name.to_string()).unwrap_or(0)),
                };
                (place, step)
            }
            _ => {
                let init = Some(self.expr(expr));
                let local = self.temporary("value", ty.clone(), span);
                let kind = hir::StmtKind::Let { local, init };
                stmts.push(hir::Stmt { kind, span });
                return local_place(local, ty, span);
            }
        };
        place.path.push(step);
        (place.ty, place.span) = (ty, span);
        place
    }

    /// The place that a reference refers to: its indices have the values that they have now.
    pub(super) fn referent(&mut self, expr: &Expr, stmts: &mut Vec<hir::Stmt>) -> Place {
        let mut place = self.place(expr, stmts);
        if let Root::Element { index, .. } = &mut place.root {
            self.freeze(index, stmts);
        }
        for step in &mut place.path {
            if let Step::Index(index) = step {
                self.freeze(index, stmts);
            }
        }
        place
    }

    /// Puts a value into a variable, unless it is a constant.
    fn freeze(&mut self, value: &mut hir::Expr, stmts: &mut Vec<hir::Stmt>) {
        if let hir::ExprKind::Value(_) = value.kind {
            return;
        }
        let (ty, span) = (value.ty.clone(), value.span);
        let local = self.temporary("index", ty.clone(), span);
        let init = std::mem::replace(value, load(local_place(local, ty, span)));
        let kind = hir::StmtKind::Let { local, init: Some(init) };
        stmts.push(hir::Stmt { kind, span });
    }

    fn element(&mut self, memory: Memory, index: &Expr, ty: Ty, span: SpanRange) -> Place {
        let memory = self.memory(memory);
        let root = Root::Element { memory, index: Box::new(self.expr(index)) };
        Place { root, path: Vec::new(), ty, span }
    }
}

/// `false < true`: comparisons of truth values are bit operations on them.
fn compare_bools(op: BinOp, left: hir::Expr, right: hir::Expr, span: SpanRange) -> hir::Expr {
    let bit = |op, left, right| bool_expr(hir::ExprKind::Binary(op, left, right), span);
    let not = |inner| bool_expr(hir::ExprKind::Unary(UnOp::Not, inner), span);
    let (left, right) = (Box::new(left), Box::new(right));
    match op {
        BinOp::Ne => bit(BinOp::BitXor, left, right),
        BinOp::Eq => not(Box::new(bit(BinOp::BitXor, left, right))),
        BinOp::Lt => bit(BinOp::BitAnd, Box::new(not(left)), right),
        BinOp::Le => bit(BinOp::BitOr, Box::new(not(left)), right),
        BinOp::Gt => bit(BinOp::BitAnd, left, Box::new(not(right))),
        BinOp::Ge => bit(BinOp::BitOr, left, Box::new(not(right))),
        BinOp::Add
        | BinOp::Sub
        | BinOp::Mul
        | BinOp::Div
        | BinOp::Rem
        | BinOp::BitAnd
        | BinOp::BitOr
        | BinOp::BitXor
        | BinOp::Shl
        | BinOp::Shr => unreachable!("`{}` is not a comparison", op.symbol()),
    }
}

pub(super) fn bool_expr(kind: hir::ExprKind, span: SpanRange) -> hir::Expr {
    hir::Expr { kind, ty: Ty::Scalar(Scalar::Bool), span }
}
