//! Calls of device functions: what their generic parameters are, arguments, body and result.

use super::check::Pending;
use super::ty::Ty;
use super::{ConstState, Constant, Infer};
use crate::ast::{
    ConstId, Expr, ExprKind, Inline, InlineArg, MapExpr, MapTy, TyExpr, TyExprKind, TypeId,
};
use crate::diag::Code;
use crate::span::SpanRange;
use crate::value::Value;

impl<'a> Infer<'a> {
    /// A device function: its arguments against its parameters, its body against its result.
    pub(super) fn inline(&mut self, inline: &'a Inline) -> Ty {
        self.type_arguments(inline);
        let got: Vec<Option<Ty>> = inline.args.iter().map(|arg| self.inline_value(arg)).collect();
        self.open_constants(inline, &got);
        for (arg, got) in inline.args.iter().zip(&got) {
            match arg {
                InlineArg::Value { pat, ty, expr } => {
                    let want = self.written(ty);
                    if let (Some(got), Some(expr)) = (got, expr) {
                        self.expect(&want, got, expr.span);
                    }
                    self.pat(pat, &want);
                }
                InlineArg::Memory { elem, mutable, expr: Some(expr), .. } => {
                    let want = self.written(elem);
                    self.whole_memory(&want, *mutable, expr);
                }
                InlineArg::Map { ty, expr: Some(expr), .. } => self.whole_map(ty, expr),
                // The body of a closure has types where it is called.
                InlineArg::Memory { expr: None, .. }
                | InlineArg::Map { expr: None, .. }
                | InlineArg::Closure { .. } => {}
            }
        }
        self.bounds(inline);
        let want = self.written(&inline.ret);
        self.breaks[inline.label.0] = Some(want.clone());
        let got = self.block(&inline.body);
        let at = inline.body.tail.as_ref().map_or(inline.body.span, |tail| tail.span);
        self.expect(&want, &got, at);
        want
    }

    /// A hole for each type parameter, filled where the call says with what.
    fn type_arguments(&mut self, inline: &'a Inline) {
        for id in &inline.types {
            self.types[id.0] = self.fresh();
            if let Some(written) = &self.ast.types[id.0].written {
                self.types[id.0] = self.written(written);
            }
        }
    }

    /// The bounds of the type parameters, reported at what gives the type.
    fn bounds(&mut self, inline: &'a Inline) {
        let Some(name) = inline.path.segments.last().map(|last| &last.ident) else { return };
        for id in &inline.types {
            let decl = &self.ast.types[id.0];
            let from_argument = inline.args.iter().find_map(|arg| argument_of(*id, arg));
            let written = decl.written.as_ref().map(|written| written.span);
            let at = written.or(from_argument).unwrap_or_else(|| name.span().into());
            let ty = self.types[id.0].clone();
            for class in &decl.bounds {
                self.pending_default(&ty, *class);
                let (ty, what) = (ty.clone(), name.to_string());
                let help = "use a value of such a type";
                self.pending.push(Pending::Class { ty, class: *class, what, help, at });
            }
            let (function, at) = (name.to_string(), name.span().into());
            self.pending.push(Pending::Known { id: *id, function, at });
        }
    }

    fn inline_value(&mut self, arg: &'a InlineArg) -> Option<Ty> {
        match arg {
            InlineArg::Value { expr, .. } => expr.as_ref().map(|expr| self.value(expr)),
            InlineArg::Memory { .. } | InlineArg::Map { .. } | InlineArg::Closure { .. } => None,
        }
    }

    /// Gives the const parameters that are not written the lengths of the arguments' arrays.
    fn open_constants(&mut self, inline: &Inline, got: &[Option<Ty>]) {
        for (arg, got) in inline.args.iter().zip(got) {
            if let (InlineArg::Value { ty, .. }, Some(got)) = (arg, got) {
                self.open_lengths(&inline.open, ty, got);
            }
        }
        for id in &inline.open {
            if matches!(self.consts[id.0], ConstState::Open) {
                self.consts[id.0] = ConstState::Done(None);
                let name = inline.path.segments.last().map(|last| &last.ident);
                let (Some(param), Some(name)) = (&self.ast.consts[id.0].ident, name) else {
                    continue;
                };
                let message = format!("nothing says what the constant `{param}` of `{name}` is");
                let help = format!("write it: `{name}::<..>(..)`");
                self.error(Code::CannotInfer, name.span(), message, help);
            }
        }
    }

    fn open_lengths(&mut self, open: &[ConstId], ty: &TyExpr, got: &Ty) {
        match (&ty.kind, self.vars.shallow(got)) {
            (TyExprKind::Array(elem, len), Ty::Array(got, n)) => {
                self.open_constant(open, *len, n);
                self.open_lengths(open, elem, &got);
            }
            (TyExprKind::Fragment(_, _, Some(cols)), Ty::Fragment(_, _, n)) => {
                self.open_constant(open, *cols, n);
            }
            (TyExprKind::Tuple(elems), Ty::Tuple(got)) => {
                for (elem, got) in elems.iter().zip(&got) {
                    self.open_lengths(open, elem, got);
                }
            }
            _ => {}
        }
    }

    /// Gives a const parameter its value, if the length is one.
    fn open_constant(&mut self, open: &[ConstId], len: ConstId, n: u32) {
        let decl = &self.ast.consts[len.0];
        if let Some(Expr { kind: ExprKind::Const(param, _), .. }) = &decl.expr
            && open.contains(param)
            && matches!(self.consts[param.0], ConstState::Open)
            && let TyExprKind::Scalar(ty) = self.ast.consts[param.0].ty.kind
        {
            let value = Value::int(ty, i128::from(n));
            self.consts[param.0] = ConstState::Done(Some(Constant::Scalar(value)));
        }
    }

    /// A slice or shared array as the argument of a device function. `parse` made sure that it
    /// is one.
    fn whole_memory(&mut self, elem: &Ty, mutable: bool, arg: &'a Expr) {
        let ExprKind::Memory(memory, name) = &arg.kind else { return };
        let (got, writable) = self.memory(*memory);
        if mutable && !writable {
            let message = format!("the slice `{name}` cannot be written");
            let help = format!("make the parameter `{name}: &mut [{}]`", self.vars.spell(&got));
            self.error(Code::WriteToShared, arg.span, message, help);
            self.excused.push(*memory);
        }
        self.expect(elem, &got, arg.span);
    }

    /// A tensor map as the argument of a device function. `parse` made sure that it is one.
    fn whole_map(&mut self, want: &'a MapExpr, arg: &'a Expr) {
        let ExprKind::Map(param, name) = &arg.kind else { return };
        let got = self.map(*param);
        let elem = self.written(&want.elem);
        let same = self.vars.unify(&elem, &Ty::Scalar(got.elem)).is_ok();
        if !same || want.rank != got.rank {
            let elem = self.vars.spell(&elem);
            let want = MapTy::text(&elem, want.rank, want.mutable);
            let message = format!("mismatched types: expected `{want}`, found `{got}`");
            self.error(Code::BadArgument, arg.span, message, "pass a map of that type");
        } else if want.mutable && !got.mutable {
            self.read_only_map(name, got, arg.span);
            self.excused_maps.push(*param);
        }
    }
}

/// Where the argument stands whose type the type parameter is.
fn argument_of(id: TypeId, arg: &InlineArg) -> Option<SpanRange> {
    let (ty, expr) = match arg {
        InlineArg::Value { ty, expr, .. } | InlineArg::Memory { elem: ty, expr, .. } => (ty, expr),
        InlineArg::Map { ty, expr, .. } => (&ty.elem, expr),
        InlineArg::Closure { .. } => return None,
    };
    expr.as_ref().filter(|_| mentions(ty, id)).map(|expr| expr.span)
}

fn mentions(ty: &TyExpr, id: TypeId) -> bool {
    match &ty.kind {
        TyExprKind::Param(of, _) => *of == id,
        TyExprKind::Array(elem, _) | TyExprKind::Fragment(_, elem, _) => mentions(elem, id),
        TyExprKind::Tuple(elems) => elems.iter().any(|elem| mentions(elem, id)),
        TyExprKind::Scalar(_)
        | TyExprKind::Vector(..)
        | TyExprKind::Unit
        | TyExprKind::Infer
        | TyExprKind::Error => false,
    }
}
