//! The types of blocks, branches, loops and patterns.

use super::ty::Ty;
use super::{Constant, Infer, consteval};
use crate::ast::{
    Adapter, Arm, Block, Expr, ExprKind, For, Let, NodeId, Pat, PatKind, Return, Stmt,
};
use crate::diag::Code;
use crate::hir::LoopId;
use crate::intrinsics::Class;
use crate::span::SpanRange;
use crate::value::Scalar;

use super::check::{CONVERT, Pending};

impl<'a> Infer<'a> {
    #[expect(clippy::too_many_lines, reason = "one arm for each form of an expression")]
    pub(super) fn control(&mut self, expr: &'a Expr) -> Ty {
        match &expr.kind {
            ExprKind::If(cond, then, otherwise) => {
                self.branch(expr.id, cond, then, otherwise.as_deref())
            }
            ExprKind::Block(None, block) => self.block(block),
            ExprKind::Block(Some(label), block) => {
                let ty = self.block(block);
                match self.loop_type(label.id) {
                    None => ty,
                    Some(value) => {
                        let at = block.tail.as_ref().map_or(block.span, |tail| tail.span);
                        self.expect(&value, &ty, at);
                        value
                    }
                }
            }
            ExprKind::Loop(label, body) => {
                self.loop_body(body);
                self.loop_type(label.id).unwrap_or(Ty::Never)
            }
            ExprKind::While(_, cond, body) => {
                self.condition(cond);
                self.loop_body(body);
                Ty::Unit
            }
            ExprKind::For(parts) => self.for_loop(parts),
            ExprKind::Match(scrutinee, arms) => self.matching(scrutinee, arms, expr.span),
            ExprKind::Break(id, _, value) => self.leave(*id, value.as_deref(), expr.span),
            ExprKind::Return(Some(Return { target, value })) => {
                self.leave(*target, value.as_deref(), expr.span)
            }
            ExprKind::Continue(..) | ExprKind::Return(None) => Ty::Never,
            ExprKind::Lit(_)
            | ExprKind::Local(..)
            | ExprKind::Memory(..)
            | ExprKind::Map(..)
            | ExprKind::Const(..)
            | ExprKind::Associated(..)
            | ExprKind::Scope(..)
            | ExprKind::Order(..)
            | ExprKind::Unary(..)
            | ExprKind::Binary(..)
            | ExprKind::Logic(..)
            | ExprKind::Cast(..)
            | ExprKind::Index(..)
            | ExprKind::Field(..)
            | ExprKind::Tuple(_)
            | ExprKind::Array(_)
            | ExprKind::Struct(..)
            | ExprKind::MethodCall(_)
            | ExprKind::Repeat(..)
            | ExprKind::Ref(..)
            | ExprKind::Deref(..)
            | ExprKind::Call(_)
            | ExprKind::Inline(_)
            | ExprKind::Closure(_)
            | ExprKind::Method(..)
            | ExprKind::Vector { .. }
            | ExprKind::Zero(..)
            | ExprKind::From(..)
            | ExprKind::Assign(..)
            | ExprKind::AssignOp(..)
            | ExprKind::Assert(..)
            | ExprKind::Print(..)
            | ExprKind::Error(_) => unreachable!("`expr` handles {:?} before", expr.kind),
        }
    }

    pub(super) fn block(&mut self, block: &'a Block) -> Ty {
        for id in &block.consts {
            self.const_value(*id);
        }
        let mut diverges = false;
        for stmt in &block.stmts {
            diverges |= self.stmt(stmt);
        }
        match &block.tail {
            Some(tail) => {
                let ty = self.expr(tail);
                // What follows a `return` has a type, but is not reached.
                if diverges && self.vars.shallow(&ty) == Ty::Unit { Ty::Never } else { ty }
            }
            None if diverges => Ty::Never,
            None => Ty::Unit,
        }
    }

    /// Whether the statement does not end.
    fn stmt(&mut self, stmt: &'a Stmt) -> bool {
        match stmt {
            Stmt::Shared(id, _) => {
                self.shared_array(*id);
                false
            }
            Stmt::View(id, _) => {
                self.view(*id);
                false
            }
            Stmt::Let(it) => self.let_stmt(it),
            Stmt::Expr(expr, semi) => {
                let ty = self.expr(expr);
                if !semi {
                    self.expect(&Ty::Unit, &ty, expr.span);
                }
                self.vars.shallow(&ty) == Ty::Never
            }
        }
    }

    fn let_stmt(&mut self, it: &'a Let) -> bool {
        let written = it.ty.as_ref().map(|ty| self.written(ty));
        let Some(init) = &it.init else {
            let ty = written.unwrap_or_else(|| self.fresh());
            self.pat(&it.pat, &ty);
            return false;
        };
        let got = self.expr(init);
        let diverges = self.vars.shallow(&got) == Ty::Never;
        match written {
            Some(want) => {
                self.expect(&want, &got, init.span);
                self.pat(&it.pat, &want);
            }
            None => self.pat(&it.pat, &got),
        }
        diverges
    }

    fn condition(&mut self, cond: &'a Expr) {
        let ty = self.expr(cond);
        if !self.coerce(&Ty::BOOL, &ty) {
            let message = format!("a condition is `bool`, not {}", self.vars.show(&ty));
            self.error(Code::MismatchedTypes, cond.span, message, "compare it: `x != 0`");
        }
    }

    /// A condition that is constant, with its value if that can be found here.
    fn constant_condition(&mut self, cond: &'a Expr) -> Option<bool> {
        // Its types depend on nothing around it, so they are settled at once.
        let mark = self.vars.mark();
        let pending = std::mem::take(&mut self.pending);
        let before = self.diags.iter().len();
        self.condition(cond);
        self.solve();
        self.vars.default_from(mark);
        self.check_pending();
        self.pending = pending;
        if self.diags.iter().len() > before {
            return None;
        }
        match consteval::eval(self, cond) {
            Ok(Constant::Scalar(value)) => Some(value.as_bool()),
            Ok(Constant::Tuple(_) | Constant::Array(_)) | Err(_) => None,
        }
    }

    /// The branch of a constant condition that is taken; the other is not compiled.
    fn taken(&mut self, taken: bool, then: &'a Block, otherwise: Option<&'a Expr>) -> Ty {
        match otherwise {
            Some(_) if taken => self.block(then),
            Some(otherwise) => self.expr(otherwise),
            None if taken => {
                let ty = self.block(then);
                self.without_else(then, &ty)
            }
            None => Ty::Unit,
        }
    }

    fn without_else(&mut self, then: &'a Block, ty: &Ty) -> Ty {
        if self.coerce(&Ty::Unit, ty) {
            return Ty::Unit;
        }
        let at = then.tail.as_ref().map_or(then.span, |tail| tail.span);
        let message =
            format!("an `if` without `else` has no value, but this is {}", self.vars.show(ty));
        let help = "add an `else`, or end the line with `;`";
        self.error(Code::MismatchedTypes, at, message, help);
        Ty::Error
    }

    fn branch(
        &mut self,
        id: NodeId,
        cond: &'a Expr,
        then: &'a Block,
        otherwise: Option<&'a Expr>,
    ) -> Ty {
        if is_constant(cond) {
            if let Some(taken) = self.constant_condition(cond) {
                self.folded.insert(id, taken);
                return self.taken(taken, then, otherwise);
            }
        } else {
            self.condition(cond);
        }
        let a = self.block(then);
        let Some(otherwise) = otherwise else { return self.without_else(then, &a) };
        let b = self.expr(otherwise);
        self.join(&a, &b).unwrap_or_else(|| {
            let (a, b) = (self.vars.show(&a), self.vars.show(&b));
            let message = format!("`if` and `else` differ: {a} and {b}");
            let help = "give both the same type";
            let at = value_span(otherwise);
            self.error(Code::MismatchedTypes, at, message, help);
            Ty::Error
        })
    }

    fn loop_body(&mut self, body: &'a Block) {
        let ty = self.block(body);
        let at = body.tail.as_ref().map_or(body.span, |tail| tail.span);
        if !self.coerce(&Ty::Unit, &ty) {
            let message =
                format!("the body of a loop has no value, but this is {}", self.vars.show(&ty));
            let help = "end the line with `;`, or leave the loop with `break value`";
            self.error(Code::MismatchedTypes, at, message, help);
        }
    }

    fn for_loop(&mut self, parts: &'a For) -> Ty {
        let (start, end) = (self.value(&parts.start), self.value(&parts.end));
        let at = parts.start.span.to(parts.end.span);
        if self.vars.unify(&start, &end).is_err() {
            let (a, b) = (self.vars.show(&start), self.vars.show(&end));
            let message = format!("the bounds of the range differ: {a} and {b}");
            let help = self.conversion_help(&start, &end);
            self.error(Code::MismatchedTypes, at, message, help);
        }
        let (class, what) = (Class::Int, "for".to_owned());
        let ty = start.clone();
        self.pending.push(Pending::Class { ty, class, what, help: CONVERT, at });
        for adapter in &parts.adapters {
            if let Adapter::StepBy(_, step) = adapter {
                let ty = self.expr(step);
                self.expect(&Ty::Scalar(Scalar::Usize), &ty, step.span);
                if let ExprKind::Lit(crate::ast::Lit::Int(0, _)) = step.kind {
                    let message = "a range with a step of 0 does not end";
                    self.error(Code::BadConstant, step.span, message, "use 1 or more");
                }
            }
        }
        self.pat(&parts.pat, &start);
        self.loop_body(&parts.body);
        Ty::Unit
    }

    fn leave(&mut self, id: LoopId, value: Option<&'a Expr>, at: SpanRange) -> Ty {
        let got = match value {
            Some(value) => self.value(value),
            None => Ty::Unit,
        };
        match self.loop_type(id) {
            None => self.breaks[id.0] = Some(got),
            Some(want) => {
                let at = value.map_or(at, |value| value.span);
                self.expect(&want, &got, at);
            }
        }
        Ty::Never
    }

    fn matching(&mut self, scrutinee: &'a Expr, arms: &'a [Arm], at: SpanRange) -> Ty {
        let ty = self.value(scrutinee);
        let mut result = Ty::Never;
        if arms.is_empty() {
            let help = "add an arm: `_ => ..`";
            self.error(Code::BadPattern, at, "a `match` has at least one arm", help);
            return Ty::Error;
        }
        for arm in arms {
            self.pat(&arm.pat, &ty);
            if let Some(guard) = &arm.guard {
                self.condition(guard);
            }
            let body = self.expr(&arm.body);
            result = self.join(&result, &body).unwrap_or_else(|| {
                let (want, got) = (self.vars.show(&result), self.vars.show(&body));
                let message = format!("the arms of the `match` differ: {want} and {got}");
                let span = value_span(&arm.body);
                self.error(Code::MismatchedTypes, span, message, "give all the same type");
                Ty::Error
            });
        }
        result
    }

    /// Gives the names of a pattern their types.
    pub(super) fn pat(&mut self, pat: &'a Pat, ty: &Ty) {
        self.nodes[pat.id.0] = ty.clone();
        match &pat.kind {
            PatKind::Wild | PatKind::Error => {}
            PatKind::Bind(local, inner) => {
                self.locals[local.0] = ty.clone();
                if let Some(inner) = inner {
                    self.pat(inner, ty);
                }
            }
            PatKind::Tuple(pats) => self.pat_tuple(pats, ty, pat.span),
            PatKind::Struct(of, _) => self.struct_pat(of, ty, pat.span),
            PatKind::Value(value) => {
                let got = self.expr(value);
                self.pat_value(ty, &got, pat.span);
            }
            PatKind::Range { start, end, .. } => {
                for bound in [start, end].into_iter().flatten() {
                    let got = self.expr(bound);
                    self.pat_value(ty, &got, bound.span);
                }
            }
            PatKind::Or(pats) => {
                for pat in pats {
                    self.pat(pat, ty);
                }
            }
        }
    }

    fn pat_tuple(&mut self, pats: &'a [Pat], ty: &Ty, at: SpanRange) {
        let parts: Vec<Ty> = if pats.is_empty() {
            self.expect(&Ty::Unit, ty, at);
            return;
        } else {
            pats.iter().map(|_| self.fresh()).collect()
        };
        if self.vars.unify(ty, &Ty::Tuple(parts.clone())).is_err() {
            let shown = self.vars.show(ty);
            let message = format!("a tuple of {} cannot take {shown} apart", pats.len());
            self.error(Code::BadPattern, at, message, "use a pattern of the value's shape");
            for pat in pats {
                self.pat(pat, &Ty::Error);
            }
            return;
        }
        for (pat, part) in pats.iter().zip(&parts) {
            self.pat(pat, part);
        }
    }

    /// Only integers and `bool` are compared with patterns.
    fn pat_value(&mut self, want: &Ty, got: &Ty, at: SpanRange) {
        self.expect(want, got, at);
        let float = match self.vars.shallow(got) {
            Ty::Scalar(scalar) => scalar.is_real() || scalar.is_packed(),
            _ => self.vars.kind(got) == Some(super::ty::Kind::Float),
        };
        if float {
            let message = "a `match` compares integers and `bool`, not floats";
            self.error(Code::BadPattern, at, message, "compare floats with `if`");
        }
    }
}

/// Whether the expression mentions nothing but constants.
fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Lit(_) | ExprKind::Const(..) | ExprKind::Associated(..) => true,
        ExprKind::Unary(_, _, inner)
        | ExprKind::Cast(inner, _)
        | ExprKind::From(_, _, inner)
        | ExprKind::Field(inner, _) => is_constant(inner),
        ExprKind::Binary(_, _, left, right)
        | ExprKind::Logic(_, _, left, right)
        | ExprKind::Index(left, right) => is_constant(left) && is_constant(right),
        ExprKind::Method(receiver, _, args) => {
            is_constant(receiver) && args.iter().all(is_constant)
        }
        ExprKind::Tuple(elems) | ExprKind::Array(elems) => elems.iter().all(is_constant),
        ExprKind::Local(..)
        | ExprKind::Memory(..)
        | ExprKind::Map(..)
        | ExprKind::Scope(..)
        | ExprKind::Order(..)
        | ExprKind::Repeat(..)
        | ExprKind::Ref(..)
        | ExprKind::Deref(..)
        | ExprKind::Call(_)
        | ExprKind::Inline(_)
        | ExprKind::Closure(_)
        | ExprKind::Vector { .. }
        | ExprKind::Zero(..)
        | ExprKind::Struct(..)
        | ExprKind::MethodCall(_)
        | ExprKind::If(..)
        | ExprKind::Block(..)
        | ExprKind::Loop(..)
        | ExprKind::While(..)
        | ExprKind::For(_)
        | ExprKind::Match(..)
        | ExprKind::Break(..)
        | ExprKind::Continue(..)
        | ExprKind::Return(_)
        | ExprKind::Assign(..)
        | ExprKind::AssignOp(..)
        | ExprKind::Assert(..)
        | ExprKind::Print(..)
        | ExprKind::Error(_) => false,
    }
}

/// The value of a block, or the expression itself.
fn value_span(expr: &Expr) -> SpanRange {
    match &expr.kind {
        ExprKind::Block(_, block) => block.tail.as_ref().map_or(block.span, |tail| tail.span),
        _ => expr.span,
    }
}
