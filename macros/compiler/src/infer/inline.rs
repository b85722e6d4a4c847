//! Calls of device functions: what their generic parameters are, arguments, body and result.

use super::check::Pending;
use super::ty::Ty;
use super::{ConstState, Constant, Infer};
use crate::ast::{
    ConstId, Expr, ExprKind, Inline, InlineParam, MapExpr, MapTy, TyExpr, TyExprKind, TypeId,
};
use crate::diag::Code;
use crate::hir::LocalId;
use crate::value::Value;

impl<'a> Infer<'a> {
    /// A device function: its arguments against its parameters, its body against its result.
    /// Without arguments, the function itself is checked. Of a method, the type of the first
    /// argument is known.
    pub(super) fn inline(
        &mut self,
        inline: &'a Inline,
        args: &[&'a Expr],
        receiver: Option<Ty>,
    ) -> Ty {
        self.type_arguments(inline);
        let given = |i: usize| args.get(i).copied();
        let mut got = Vec::with_capacity(inline.params.len());
        for (i, param) in inline.params.iter().enumerate() {
            got.push(match (given(i), &receiver) {
                (Some(arg), Some(ty)) if i == 0 => {
                    if let InlineParam::Place { mutable: true, .. } = param {
                        self.writable(arg, false);
                    }
                    Some(ty.clone())
                }
                (arg, _) => arg.and_then(|arg| self.inline_value(param, arg)),
            });
        }
        self.open_constants(inline, &got);
        for (i, (param, got)) in inline.params.iter().zip(&got).enumerate() {
            self.inline_param(param, given(i).zip(got.as_ref()), given(i));
        }
        self.bounds(inline, args);
        let want = self.written(&inline.ret);
        self.breaks[inline.label.0] = Some(want.clone());
        let got = self.block(&inline.body);
        let at = inline.body.tail.as_ref().map_or(inline.body.span, |tail| tail.span);
        self.expect(&want, &got, at);
        want
    }

    /// A parameter, with its argument and, of a value or a place, the argument's type.
    fn inline_param(
        &mut self,
        param: &'a InlineParam,
        value: Option<(&'a Expr, &Ty)>,
        arg: Option<&'a Expr>,
    ) {
        match param {
            InlineParam::Value(pat, ty) => {
                let want = self.written(ty);
                if let Some((arg, got)) = value {
                    self.expect(&want, got, arg.span);
                }
                self.pat(pat, &want);
            }
            InlineParam::Place { local, ty, mutable: _ } => {
                let want = self.written(ty);
                if let Some((arg, got)) = value {
                    self.expect(&want, got, arg.span);
                }
                self.locals[local.0] = want;
            }
            InlineParam::Memory { elem, mutable, name: _ } => {
                if let Some(arg) = arg {
                    let want = self.written(elem);
                    self.whole_memory(&want, *mutable, arg);
                }
            }
            InlineParam::Map(_, ty) => {
                if let Some(arg) = arg {
                    self.whole_map(ty, arg);
                }
            }
            InlineParam::Group(params) => {
                let args = match arg.map(|arg| &arg.kind) {
                    Some(ExprKind::Tuple(args)) => args.as_slice(),
                    Some(_) | None => &[],
                };
                for (i, param) in params.iter().enumerate() {
                    let arg = args.get(i);
                    let got = arg.and_then(|arg| self.inline_value(param, arg));
                    self.inline_param(param, arg.zip(got.as_ref()), arg);
                }
            }
            // The body of a closure has types where it is called.
            InlineParam::Closure { .. } | InlineParam::Error => {}
        }
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
    fn bounds(&mut self, inline: &'a Inline, args: &[&'a Expr]) {
        let Some(name) = inline.path.segments.last().map(|last| &last.ident) else { return };
        for id in &inline.types {
            let decl = &self.ast.types[id.0];
            let mut pairs = inline.params.iter().zip(args);
            let from_argument = pairs.find(|(param, _)| is_of(*id, param)).map(|(_, arg)| arg.span);
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

    fn inline_value(&mut self, param: &'a InlineParam, arg: &'a Expr) -> Option<Ty> {
        match param {
            InlineParam::Value(..) => Some(self.value(arg)),
            InlineParam::Place { local, mutable, ty: _ } => {
                Some(self.place_given(*local, *mutable, arg))
            }
            InlineParam::Memory { .. }
            | InlineParam::Map(..)
            | InlineParam::Closure { .. }
            | InlineParam::Group(_)
            | InlineParam::Error => None,
        }
    }

    /// The type of what a parameter `&T` or `&mut T` is another name of: `&mut sum`, `&mut sums[0]`,
    /// or a reference that is passed on.
    fn place_given(&mut self, param: LocalId, mutable: bool, arg: &'a Expr) -> Ty {
        let target = match &arg.kind {
            ExprKind::Ref(is_mut, target) if *is_mut || !mutable => &**target,
            ExprKind::Local(id, _) if self.ast.locals[id.0].reference.is_some() => arg,
            ExprKind::Error(_) => return Ty::Error,
            _ => {
                let name = &self.ast.locals[param.0].ident;
                let reference = if mutable { "&mut " } else { "&" };
                let message = format!("`{name}` wants a reference here");
                let help = format!("put `{reference}` before it");
                self.part_of_error(arg);
                self.error(Code::BadArgument, arg.span, message, help);
                return Ty::Error;
            }
        };
        let ty = self.referent(target);
        if mutable && ty != Ty::Error {
            self.writable(target, false);
        }
        if ty == Ty::Never { Ty::Error } else { ty }
    }

    /// The type of a place, where a parameter that is a reference stands for what it refers to.
    pub(super) fn referent(&mut self, place: &'a Expr) -> Ty {
        self.dereferenced.insert(place.id);
        self.expr(place)
    }

    /// Gives the const parameters that are not written the lengths of the arguments' arrays.
    fn open_constants(&mut self, inline: &Inline, got: &[Option<Ty>]) {
        for (param, got) in inline.params.iter().zip(got) {
            if let (InlineParam::Value(_, ty) | InlineParam::Place { ty, .. }, Some(got)) =
                (param, got)
            {
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
        let arg = named(arg);
        let ExprKind::Memory(memory, name) = &arg.kind else { return };
        let (got, writable) = self.memory(*memory);
        if mutable && !writable {
            let message = format!("the slice `{name}` cannot be written");
            let help = self.writable_help(*memory, name, &got);
            self.error(Code::WriteToShared, arg.span, message, help);
            self.excused.push(*memory);
        }
        self.expect(elem, &got, arg.span);
    }

    /// A tensor map as the argument of a device function. `parse` made sure that it is one.
    fn whole_map(&mut self, want: &'a MapExpr, arg: &'a Expr) {
        let arg = named(arg);
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

/// Whether the argument for a parameter says what the type parameter is.
fn is_of(id: TypeId, param: &InlineParam) -> bool {
    match param {
        InlineParam::Value(_, ty)
        | InlineParam::Place { ty, .. }
        | InlineParam::Memory { elem: ty, .. } => mentions(ty, id),
        InlineParam::Map(_, ty) => mentions(&ty.elem, id),
        InlineParam::Group(params) => params.iter().any(|param| is_of(id, param)),
        InlineParam::Closure { .. } | InlineParam::Error => false,
    }
}

fn mentions(ty: &TyExpr, id: TypeId) -> bool {
    match &ty.kind {
        TyExprKind::Param(of, _) => *of == id,
        TyExprKind::Array(elem, _) | TyExprKind::Fragment(_, elem, _) => mentions(elem, id),
        TyExprKind::Tuple(elems) => elems.iter().any(|elem| mentions(elem, id)),
        TyExprKind::Scalar(_)
        | TyExprKind::Vector(..)
        | TyExprKind::Struct(..)
        | TyExprKind::Unit
        | TyExprKind::Infer
        | TyExprKind::Error => false,
    }
}

/// What stands under `&` and `&mut`.
fn named(arg: &Expr) -> &Expr {
    match &arg.kind {
        ExprKind::Ref(_, inner) => named(inner),
        _ => arg,
    }
}
