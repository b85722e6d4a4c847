//! The types of expressions without control flow.

use proc_macro2::Ident;

use super::Infer;
use super::check::{CONVERT, Pending};
use super::ty::{Kind, Ty};
use crate::ast::{Expr, ExprKind, Lit, TyExpr};
use crate::diag::Code;
use crate::hir::LocalId;
use crate::parse::associated_type;
use crate::span::SpanRange;
use crate::value::{BinOp, Scalar, UnOp};

impl<'a> Infer<'a> {
    /// Finds the type of an expression and notes it.
    pub(super) fn expr(&mut self, expr: &'a Expr) -> Ty {
        let ty = self.expr_kind(expr);
        self.nodes[expr.id.0] = ty.clone();
        self.spans[expr.id.0] = Some(expr.span);
        ty
    }

    fn expr_kind(&mut self, expr: &'a Expr) -> Ty {
        match &expr.kind {
            ExprKind::Lit(lit) => self.literal(lit, false, expr.span),
            ExprKind::Local(id, name) => self.local(expr, *id, name),
            ExprKind::Memory(_, name) => {
                let message = format!("`{name}` is a slice, not a value");
                let help = format!("use an element, `{name}[i]`, or its length, `{name}.len()`");
                self.error(Code::WrongKind, expr.span, message, help);
                Ty::Error
            }
            ExprKind::Map(_, name) => {
                let message = format!("`{name}` is a tensor map, not a value");
                let help = "pass it to a copy or to a device function";
                self.error(Code::WrongKind, expr.span, message, help);
                Ty::Error
            }
            ExprKind::Const(id, _) => {
                let decl = &self.ast.consts[id.0];
                self.const_value(*id);
                self.written(&decl.ty)
            }
            ExprKind::Associated(_, ty, name) => {
                let of = self.written(ty);
                self.pending.push(Pending::Constant { of: of.clone(), name, at: expr.span });
                associated_type(&name.to_string()).map_or(of, Ty::Scalar)
            }
            ExprKind::Scope(..) | ExprKind::Order(..) => {
                let message = "a scope or an order is an argument of an atomic";
                self.error(Code::WrongKind, expr.span, message, "pass it to `atomic_.._with`");
                Ty::Error
            }
            _ => self.compound(expr),
        }
    }

    /// A variable. A parameter that is a reference is no value.
    fn local(&mut self, expr: &'a Expr, id: LocalId, name: &Ident) -> Ty {
        let ty = self.locals[id.0].clone();
        if self.ast.locals[id.0].reference.is_none() || self.dereferenced.contains(&expr.id) {
            return ty;
        }
        if ty != Ty::Error {
            let message = format!("`{name}` is a reference, not a value");
            self.error(Code::WrongKind, expr.span, message, format!("write `*{name}`"));
        }
        Ty::Error
    }

    /// Operators, parts and calls.
    fn compound(&mut self, expr: &'a Expr) -> Ty {
        match &expr.kind {
            ExprKind::Unary(op, _, inner) => self.unary(*op, inner, expr.span),
            ExprKind::Binary(op, _, left, right) => self.binary(*op, left, right, expr.span),
            ExprKind::Logic(and, _, left, right) => {
                self.logic_operand(*and, left);
                self.logic_operand(*and, right);
                Ty::BOOL
            }
            ExprKind::Cast(inner, ty) => self.cast(inner, ty, expr.span),
            ExprKind::From(to, path, inner) => self.conversion(to, path, inner, expr.span),
            ExprKind::Index(base, index) => self.index(base, index),
            ExprKind::Field(base, member) => self.field(expr.id, base, member),
            ExprKind::Struct(of, base) => self.struct_value(of, base.as_deref()),
            ExprKind::MethodCall(call) => self.method_call(call, expr.id, expr.span),
            ExprKind::Tuple(elems) if elems.is_empty() => Ty::Unit,
            ExprKind::Tuple(elems) => {
                Ty::Tuple(elems.iter().map(|elem| self.value(elem)).collect())
            }
            ExprKind::Array(elems) => self.array(elems, expr.span),
            ExprKind::Repeat(elem, len) => {
                let elem = self.value(elem);
                self.length(*len).map_or(Ty::Error, |len| Ty::Array(Box::new(elem), len))
            }
            ExprKind::Ref(_, inner) => {
                self.reference(inner, expr.span);
                Ty::Error
            }
            ExprKind::Call(call) => self.call(call, expr.span),
            ExprKind::Deref(_, inner) => self.referent(inner),
            ExprKind::Inline(inline) => {
                let args: Vec<&Expr> = inline.args.iter().collect();
                self.inline(inline, &args, None)
            }
            ExprKind::Closure(_) => {
                let message = "a value is wanted here, not a closure";
                self.error(Code::WrongKind, expr.span, message, "call it, or pass a value");
                Ty::Error
            }
            ExprKind::Method(receiver, name, args) => self.method(receiver, name, args, expr.span),
            ExprKind::Zero(_, ty) => {
                let written = self.written(ty);
                self.zero(written, ty.span)
            }
            ExprKind::Vector { elem, lanes, function, args, .. } => {
                self.new_vector(*elem, *lanes, &function.to_string(), args, expr.span)
            }
            _ => self.effect(expr),
        }
    }

    /// What is done for its effect.
    fn effect(&mut self, expr: &'a Expr) -> Ty {
        match &expr.kind {
            ExprKind::Assert(cond, _) => {
                let ty = self.expr(cond);
                self.expect(&Ty::BOOL, &ty, cond.span);
                Ty::Unit
            }
            ExprKind::Print(_, args) => {
                for arg in args {
                    let ty = self.expr(arg);
                    self.pending.push(Pending::Print { ty, at: arg.span });
                }
                Ty::Unit
            }
            ExprKind::Assign(place, value) => self.assign(place, value),
            ExprKind::AssignOp(op, _, place, value) => self.assign_op(*op, place, value, expr.span),
            ExprKind::Error(parts) => {
                for part in parts {
                    self.part_of_error(part);
                }
                Ty::Error
            }
            _ => self.control(expr),
        }
    }

    /// What stands in something that was reported: its own mistakes are worth reporting, but
    /// slices and references are not, since what was reported may have wanted them.
    pub(super) fn part_of_error(&mut self, part: &'a Expr) {
        let of_memory = match &part.kind {
            ExprKind::Ref(_, inner) => return self.part_of_error(inner),
            ExprKind::Tuple(parts) => {
                return parts.iter().for_each(|part| self.part_of_error(part));
            }
            ExprKind::Local(id, _) => self.ast.locals[id.0].reference.is_some(),
            ExprKind::Memory(..)
            | ExprKind::Map(..)
            | ExprKind::Scope(..)
            | ExprKind::Order(..) => true,
            _ => false,
        };
        if !of_memory {
            self.expr(part);
        }
    }

    /// The type of an expression that is stored, where `!` would be no type.
    pub(super) fn value(&mut self, expr: &'a Expr) -> Ty {
        match self.expr(expr) {
            Ty::Never => Ty::Error,
            ty => ty,
        }
    }

    pub(super) fn literal(&mut self, lit: &'a Lit, negative: bool, at: SpanRange) -> Ty {
        let ty = match lit {
            Lit::Bool(_) => return Ty::BOOL,
            Lit::Int(_, Some(scalar)) | Lit::Float(_, Some(scalar)) => Ty::Scalar(*scalar),
            Lit::Int(_, None) => self.vars.fresh(Kind::Int),
            Lit::Float(_, None) => self.vars.fresh(Kind::Float),
        };
        if let (Lit::Float(..), Ty::Scalar(scalar)) = (lit, &ty)
            && !scalar.is_float()
        {
            let message = format!("a number with a point is not `{scalar}`");
            self.error(Code::LiteralOutOfRange, at, message, "remove the point or the suffix");
            return Ty::Error;
        }
        self.pending.push(Pending::Literal { lit, ty: ty.clone(), negative, at });
        ty
    }

    fn unary(&mut self, op: UnOp, inner: &'a Expr, at: SpanRange) -> Ty {
        let ty = match (op, &inner.kind) {
            // The literal and its sign are checked together: `-128i8` is fine.
            (UnOp::Neg, ExprKind::Lit(lit)) => {
                let ty = self.literal(lit, true, at);
                self.nodes[inner.id.0] = ty.clone();
                ty
            }
            _ => self.value(inner),
        };
        self.pending.push(Pending::Unary { op, ty: ty.clone(), at });
        ty
    }

    fn logic_operand(&mut self, and: bool, operand: &'a Expr) {
        let ty = self.expr(operand);
        if !self.coerce(&Ty::BOOL, &ty) {
            let symbol = if and { "&&" } else { "||" };
            let message = format!("`{symbol}` wants `bool`, not {}", self.vars.show(&ty));
            let help = "compare it: `x != 0`";
            self.error(Code::MismatchedTypes, operand.span, message, help);
        }
    }

    fn binary(&mut self, op: BinOp, left: &'a Expr, right: &'a Expr, at: SpanRange) -> Ty {
        let (a, b) = (self.value(left), self.value(right));
        self.operands(op, &a, &b, right, at);
        if op.is_comparison() { Ty::BOOL } else { a }
    }

    /// What Rust demands of the operands.
    pub(super) fn operands(&mut self, op: BinOp, a: &Ty, b: &Ty, right: &'a Expr, at: SpanRange) {
        if op.is_shift() {
            let class = crate::intrinsics::Class::Int;
            let what = op.symbol().to_owned();
            let (ty, at) = (b.clone(), right.span);
            self.pending.push(Pending::Class { ty, class, what, help: CONVERT, at });
        } else if self.vars.unify(a, b).is_err() {
            let (a_name, b_name) = (self.vars.show(a), self.vars.show(b));
            let message =
                format!("the operands of `{}` differ: {a_name} and {b_name}", op.symbol());
            let help = self.operand_help(a, b);
            self.error(Code::MismatchedTypes, at, message, help);
            return;
        }
        self.pending.push(Pending::Binary { op, ty: a.clone(), right, at });
    }

    fn operand_help(&self, a: &Ty, b: &Ty) -> String {
        let literal = [a, b].into_iter().find(|ty| self.vars.kind(ty).is_some());
        match (literal.and_then(|ty| self.vars.kind(ty)), self.vars.shallow(a)) {
            (Some(Kind::Int), _) => "write the number with a point: `1.0`".to_owned(),
            (Some(Kind::Float), _) => "write the number without a point".to_owned(),
            (_, Ty::Scalar(scalar)) => format!("convert the right one: `.. as {scalar}`"),
            _ => "make both the same type".to_owned(),
        }
    }

    /// A literal under a cast to an integer takes that type at once, as in Rust.
    fn cast(&mut self, inner: &'a Expr, ty: &'a TyExpr, at: SpanRange) -> Ty {
        let from = self.expr(inner);
        let to = self.written(ty);
        let mut lit = inner;
        while let ExprKind::Unary(_, _, operand) = &lit.kind {
            lit = operand;
        }
        if let (ExprKind::Lit(Lit::Int(..)), Ty::Scalar(scalar)) = (&lit.kind, &to)
            && scalar.is_int()
            && self.vars.kind(&from) == Some(Kind::Int)
        {
            // An integer hole takes any integer type.
            let _ = self.vars.unify(&from, &to);
        }
        // `x as _` takes what the context wants, which is known when the cast is checked.
        self.pending.push(Pending::Cast { from, to: to.clone(), at });
        to
    }

    /// `u64::from(x)`, `T::from_f32(x)`.
    fn conversion(
        &mut self,
        to: &'a TyExpr,
        path: &syn::Path,
        inner: &'a Expr,
        at: SpanRange,
    ) -> Ty {
        let (from, to) = (self.expr(inner), self.written(to));
        if path.segments.last().is_some_and(|last| last.ident == "from_f32") {
            self.expect(&Ty::Scalar(Scalar::F32), &from, inner.span);
            self.pending.push(Pending::Cast { from, to: to.clone(), at });
        } else {
            self.pending.push(Pending::From { from, to: to.clone(), at });
        }
        to
    }

    fn array(&mut self, elems: &'a [Expr], at: SpanRange) -> Ty {
        let mut ty = self.fresh();
        for (i, elem) in elems.iter().enumerate() {
            let got = self.value(elem);
            if i == 0 {
                ty = got;
            } else {
                self.expect(&ty, &got, elem.span);
            }
        }
        if elems.is_empty() {
            let help = "write its elements, or `[0.0; 4]`";
            self.error(Code::BadLength, at, "an array has at least one element", help);
            return Ty::Error;
        }
        Ty::Array(Box::new(ty), elems.len() as u32)
    }

    /// A reference that no intrinsic takes.
    fn reference(&mut self, inner: &'a Expr, at: SpanRange) {
        self.part_of_error(inner);
        let message = "a reference stands in the argument of an intrinsic only";
        let help = "remove the `&`: values are copied";
        self.error(Code::WrongKind, at, message, help);
    }

    /// Factors come from memory; only sums begin with zero.
    fn zero(&mut self, ty: Ty, at: SpanRange) -> Ty {
        if let Ty::Fragment(kind, ..) = &ty
            && !kind.is_sum()
        {
            let message = format!("`{}` has no `zero`", kind.name());
            let help = "load it, or make it of its words";
            self.error(Code::UnknownFunction, at, message, help);
        }
        ty
    }

    fn new_vector(
        &mut self,
        elem: Scalar,
        lanes: u32,
        function: &str,
        args: &'a [Expr],
        at: SpanRange,
    ) -> Ty {
        let want = if function == "splat" { 1 } else { lanes as usize };
        if args.len() != want {
            let message =
                format!("`{elem}x{lanes}::{function}` takes {want} values, not {}", args.len());
            self.error(Code::WrongArity, at, message, "give one value for each lane");
        }
        for arg in args {
            let ty = self.expr(arg);
            self.expect(&Ty::Scalar(elem), &ty, arg.span);
        }
        Ty::Vector(Box::new(Ty::Scalar(elem)), lanes)
    }
}
