//! Calls: arguments in the order of the operation, and methods that are operators.

use super::{Desugar, value};
use crate::ast::{Call, Expr, ExprKind, Generic, Inline, InlineParam, MethodCall, NodeId};
use crate::hir::{self, Arg, BinOp, Op, Order, Scope, SpanRange, Ty, UnOp};
use crate::infer::Constant;
use crate::intrinsics::{self, Fill, Row};
use crate::value::{Scalar, Value};

/// The mask of all lanes.
const FULL_MASK: i128 = 0xffff_ffff;

impl Desugar<'_> {
    pub(super) fn call(&mut self, call: &Call, ty: Ty, span: SpanRange) -> hir::Expr {
        let mut args = Vec::new();
        for generic in &call.generics {
            if let Generic::Const(id) = generic
                && let Some(Constant::Scalar(value)) = &self.facts.consts[id.0]
            {
                args.push(Arg::Const(value.bits()));
            }
        }
        for arg in &call.args {
            args.push(self.argument(arg));
        }
        intrinsic(call.row, args, ty, span)
    }

    pub(super) fn method(
        &mut self,
        receiver: &Expr,
        name: &str,
        args: &[Expr],
        ty: Ty,
        span: SpanRange,
    ) -> hir::Expr {
        if name == "to_f32" {
            let inner = self.expr(receiver);
            if let (Ty::Tuple(_), Some(row)) = (&ty, intrinsics::pair_method(name)) {
                return intrinsic(row, vec![Arg::Value(inner)], ty, span);
            }
            if inner.ty == ty {
                return hir::Expr { span, ..inner };
            }
            return hir::Expr { kind: hir::ExprKind::Cast(Box::new(inner)), ty, span };
        }
        let Some(row) = intrinsics::method(name) else {
            return self.len(receiver, ty, span);
        };
        let receiver = Arg::Value(self.expr(receiver));
        let rest = args.iter().map(|arg| self.argument(arg));
        let args = std::iter::once(receiver).chain(rest).collect();
        intrinsic(row, args, ty, span)
    }

    /// A method of a struct, with its receiver as the first argument, or of a scalar.
    pub(super) fn method_call(
        &mut self,
        call: &MethodCall,
        id: NodeId,
        ty: Ty,
        span: SpanRange,
    ) -> hir::Expr {
        let MethodCall { receiver, name, args, candidates, generics: _ } = call;
        let meant = self.facts.methods.get(&id).and_then(|at| candidates.get(*at));
        match meant.and_then(|it| it.inline.as_ref()) {
            Some(inline) => {
                let args: Vec<&Expr> = std::iter::once(receiver).chain(args).collect();
                let kind = self.inline(inline, &args, &ty, span);
                hir::Expr { kind, ty, span }
            }
            None => self.method(receiver, &name.to_string(), args, ty, span),
        }
    }

    /// `len`, the one method that is in no row.
    fn len(&mut self, receiver: &Expr, ty: Ty, span: SpanRange) -> hir::Expr {
        if let ExprKind::Memory(memory, _) = receiver.kind {
            let kind = hir::ExprKind::Len(self.memory(memory));
            return hir::Expr { kind, ty, span };
        }
        match self.ty(receiver.id) {
            Ty::Array(_, len) => value(Value::int(Scalar::Usize, i128::from(len)), span),
            other => unreachable!("`infer` reports `len` of {other:?}"),
        }
    }

    fn argument(&mut self, arg: &Expr) -> Arg {
        match &arg.kind {
            ExprKind::Scope(_, scope) => Arg::Scope(*scope),
            ExprKind::Order(_, order) => Arg::Order(*order),
            ExprKind::Memory(memory, _) => Arg::Memory(self.memory(*memory)),
            ExprKind::Map(param, _) => Arg::Map(*param),
            ExprKind::Ref(mutable, inner) => match &inner.kind {
                ExprKind::Index(..) => {
                    let mut stmts = Vec::new();
                    Arg::Place(self.place(inner, &mut stmts))
                }
                ExprKind::Local(..) | ExprKind::Field(..) | ExprKind::Deref(..) if *mutable => {
                    let mut stmts = Vec::new();
                    Arg::Place(self.place(inner, &mut stmts))
                }
                _ => self.argument(inner),
            },
            // A reference that is passed on: no intrinsic takes one that it only reads.
            ExprKind::Local(id, _) if self.aliases.contains_key(id) => {
                Arg::Place(self.place(arg, &mut Vec::new()))
            }
            _ => Arg::Value(self.expr(arg)),
        }
    }
}

impl Desugar<'_> {
    /// A device function: its parameters as variables, then its body, which `return` leaves.
    pub(super) fn inline(
        &mut self,
        inline: &Inline,
        args: &[&Expr],
        ty: &Ty,
        span: SpanRange,
    ) -> hir::ExprKind {
        let mut stmts = Vec::new();
        for (param, arg) in inline.params.iter().zip(args.iter().copied()) {
            self.inline_param(param, arg, &mut stmts);
        }
        let block = self.block(&inline.body);
        let kind = hir::ExprKind::Block { label: Some(inline.label), block };
        let tail = Some(Box::new(hir::Expr { kind, ty: ty.clone(), span }));
        let block = hir::Block { stmts, tail, ty: ty.clone(), span };
        hir::ExprKind::Block { label: None, block }
    }

    fn inline_param(&mut self, param: &InlineParam, arg: &Expr, stmts: &mut Vec<hir::Stmt>) {
        match (param, &arg.kind) {
            (InlineParam::Value(pat, _), _) => {
                let init = self.expr(arg);
                self.declare(pat, Some(init), arg.span, stmts);
            }
            (InlineParam::Place { local, .. }, kind) => {
                let target = match kind {
                    ExprKind::Ref(_, target) => target,
                    _ => arg,
                };
                let place = self.referent(target, stmts);
                self.aliases.insert(*local, place);
            }
            (InlineParam::Group(params), ExprKind::Tuple(args)) => {
                for (param, arg) in params.iter().zip(args) {
                    self.inline_param(param, arg, stmts);
                }
            }
            (InlineParam::Group(_), _) => unreachable!("`parse` wants a tuple here"),
            (
                InlineParam::Memory { .. }
                | InlineParam::Map(..)
                | InlineParam::Closure { .. }
                | InlineParam::Error,
                _,
            ) => {}
        }
    }
}

/// The operation with all its arguments, or the operator that it is.
fn intrinsic(row: &Row, mut args: Vec<Arg>, ty: Ty, span: SpanRange) -> hir::Expr {
    match row.fill {
        Fill::Nothing => {}
        Fill::FullMask => {
            let mask = value(Value::int(Scalar::U32, FULL_MASK), span);
            args.insert(0, Arg::Value(mask));
        }
        Fill::Relaxed => {
            args.extend([Arg::Scope(Scope::Device), Arg::Order(Order::Relaxed)]);
        }
    }
    let operator = match row.op {
        Op::WrappingAdd => Some(BinOp::Add),
        Op::WrappingSub => Some(BinOp::Sub),
        Op::WrappingMul => Some(BinOp::Mul),
        Op::WrappingDiv => Some(BinOp::Div),
        Op::WrappingRem => Some(BinOp::Rem),
        Op::WrappingShl => Some(BinOp::Shl),
        Op::WrappingShr => Some(BinOp::Shr),
        _ => None,
    };
    let op = if row.op == Op::WrappingAbs { Op::Abs } else { row.op };
    let kind = match (operator, op) {
        (Some(operator), _) => {
            let (left, right) = two(args);
            hir::ExprKind::Binary(operator, Box::new(left), Box::new(right))
        }
        (None, Op::WrappingNeg) => negate(one(args)),
        (None, Op::IsPowerOfTwo) => is_power_of_two(args, span),
        (None, op) => hir::ExprKind::Call(hir::Call { op, args }),
    };
    hir::Expr { kind, ty, span }
}

fn one(args: Vec<Arg>) -> hir::Expr {
    match args.into_iter().next() {
        Some(Arg::Value(value)) => value,
        _ => unreachable!("a method's receiver is a value"),
    }
}

fn two(args: Vec<Arg>) -> (hir::Expr, hir::Expr) {
    match <[Arg; 2]>::try_from(args) {
        Ok([Arg::Value(left), Arg::Value(right)]) => (left, right),
        _ => unreachable!("`infer` checked the number of arguments"),
    }
}

/// The operator exists for signed types only.
fn negate(inner: hir::Expr) -> hir::ExprKind {
    match inner.ty.scalar() {
        Some(ty) if !ty.is_signed() => {
            let zero = value(Value::int(ty, 0), inner.span);
            hir::ExprKind::Binary(BinOp::Sub, Box::new(zero), Box::new(inner))
        }
        _ => hir::ExprKind::Unary(UnOp::Neg, Box::new(inner)),
    }
}

fn is_power_of_two(args: Vec<Arg>, span: SpanRange) -> hir::ExprKind {
    let kind = hir::ExprKind::Call(hir::Call { op: Op::CountOnes, args });
    let ones = hir::Expr { kind, ty: Ty::Scalar(Scalar::U32), span };
    let single = value(Value::int(Scalar::U32, 1), span);
    hir::ExprKind::Binary(BinOp::Eq, Box::new(ones), Box::new(single))
}
