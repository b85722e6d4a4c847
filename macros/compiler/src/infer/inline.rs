//! Calls of device functions: what their const parameters are, arguments, body and result.

use super::ty::Ty;
use super::{ConstState, Constant, Infer};
use crate::ast::{ConstId, Expr, ExprKind, Inline, InlineArg, MapTy, TyExpr, TyExprKind};
use crate::diag::Code;
use crate::value::{Scalar, Value};

impl<'a> Infer<'a> {
    /// A device function: its arguments against its parameters, its body against its result.
    pub(super) fn inline(&mut self, inline: &'a Inline) -> Ty {
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
                    self.whole_memory(*elem, *mutable, expr);
                }
                InlineArg::Map { ty, expr: Some(expr), .. } => self.whole_map(*ty, expr),
                InlineArg::Memory { expr: None, .. } | InlineArg::Map { expr: None, .. } => {}
            }
        }
        let want = self.written(&inline.ret);
        self.breaks[inline.label.0] = Some(want.clone());
        let got = self.block(&inline.body);
        let at = inline.body.tail.as_ref().map_or(inline.body.span, |tail| tail.span);
        self.expect(&want, &got, at);
        want
    }

    fn inline_value(&mut self, arg: &'a InlineArg) -> Option<Ty> {
        match arg {
            InlineArg::Value { expr, .. } => expr.as_ref().map(|expr| self.value(expr)),
            InlineArg::Memory { .. } | InlineArg::Map { .. } => None,
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
                if let Some(Expr { kind: ExprKind::Const(param, _), .. }) =
                    &self.ast.consts[len.0].expr
                    && open.contains(param)
                    && matches!(self.consts[param.0], ConstState::Open)
                {
                    let value = Value::int(Scalar::Usize, i128::from(n));
                    self.consts[param.0] = ConstState::Done(Some(Constant::Scalar(value)));
                }
                self.open_lengths(open, elem, &got);
            }
            (TyExprKind::Tuple(elems), Ty::Tuple(got)) => {
                for (elem, got) in elems.iter().zip(&got) {
                    self.open_lengths(open, elem, got);
                }
            }
            _ => {}
        }
    }

    /// A slice or shared array as the argument of a device function. `parse` made sure that it
    /// is one.
    fn whole_memory(&mut self, elem: Scalar, mutable: bool, arg: &'a Expr) {
        let ExprKind::Memory(memory, name) = &arg.kind else { return };
        let (got, writable) = self.memory(*memory);
        if mutable && !writable {
            let message = format!("the slice `{name}` cannot be written");
            let help = format!("make the parameter `{name}: &mut [{got}]`");
            self.error(Code::WriteToShared, arg.span, message, help);
            self.excused.push(*memory);
        }
        self.expect(&Ty::Scalar(elem), &Ty::Scalar(got), arg.span);
    }

    /// A tensor map as the argument of a device function. `parse` made sure that it is one.
    fn whole_map(&mut self, want: MapTy, arg: &'a Expr) {
        let ExprKind::Map(param, name) = &arg.kind else { return };
        let got = self.map(*param);
        if (want.elem, want.rank) != (got.elem, got.rank) {
            let message = format!("mismatched types: expected `{want}`, found `{got}`");
            self.error(Code::BadArgument, arg.span, message, "pass a map of that type");
        } else if want.mutable && !got.mutable {
            self.read_only_map(name, got, arg.span);
            self.excused_maps.push(*param);
        }
    }
}
