//! Structs: their values, patterns and methods.

use super::Infer;
use super::ty::Ty;
use crate::ast::{Expr, ExprKind, Member, MethodCall, NodeId, Pat, StructOf};
use crate::diag::{Code, nearest};
use crate::span::SpanRange;

impl<'a> Infer<'a> {
    /// The types of all fields.
    pub(super) fn structs(&mut self) {
        let decls = &self.ast.structs;
        self.vars.structs = decls.iter().map(|decl| (decl.name.clone(), Vec::new())).collect();
        for (id, decl) in decls.iter().enumerate() {
            let fields = decl.fields.iter().map(|(name, ty)| (name.clone(), self.written(ty)));
            let fields = fields.collect();
            self.vars.structs[id].1 = fields;
        }
    }

    fn field_ty(&self, id: usize, field: u32) -> Ty {
        let fields = &self.vars.structs[id].1;
        fields.get(field as usize).map_or(Ty::Error, |(_, ty)| ty.clone())
    }

    /// `Point { x, y: 0.0, ..base }`.
    pub(super) fn struct_value(&mut self, of: &'a StructOf<Expr>, base: Option<&'a Expr>) -> Ty {
        for (field, _, value) in &of.fields {
            let got = self.value(value);
            let want = self.field_ty(of.id.0, *field);
            self.expect(&want, &got, value.span);
        }
        let ty = Ty::Struct(of.id.0);
        if let Some(base) = base {
            let got = self.value(base);
            self.expect(&ty, &got, base.span);
        }
        ty
    }

    /// `Point { x, y: 0, .. }`.
    pub(super) fn struct_pat(&mut self, of: &'a StructOf<Pat>, ty: &Ty, at: SpanRange) {
        self.expect(&Ty::Struct(of.id.0), ty, at);
        for (field, _, pat) in &of.fields {
            let ty = self.field_ty(of.id.0, *field);
            self.pat(pat, &ty);
        }
    }

    /// The type of a field by its name; `None` if there is none.
    pub(super) fn struct_field(&mut self, expr: NodeId, id: usize, member: &Member) -> Option<Ty> {
        let name = match member {
            Member::Index(index, _) => index.to_string(),
            Member::Named(name) => name.to_string(),
        };
        let fields = &self.vars.structs[id].1;
        let at = fields.iter().position(|(known, _)| *known == name)?;
        let ty = fields[at].1.clone();
        self.fields.insert(expr, at as u32);
        Some(ty)
    }

    /// What to write instead of a field that is not there.
    pub(super) fn field_help(&self, id: usize, name: &str) -> String {
        let fields = self.vars.structs[id].1.iter().map(|(name, _)| name.as_str());
        let fields: Vec<&str> = fields.collect();
        match nearest(name, fields.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has `{}`", fields.join("`, `")),
        }
    }

    /// `block.scale(i)`: the method of the receiver's type.
    pub(super) fn method_call(&mut self, call: &'a MethodCall, id: NodeId, at: SpanRange) -> Ty {
        let MethodCall { receiver, name, args, candidates, generics: _ } = call;
        if let ExprKind::Memory(..) = receiver.kind {
            return self.method(receiver, name, args, at);
        }
        let of = match self.known(receiver) {
            Ty::Struct(of) => of,
            Ty::Error => {
                args.iter().for_each(|arg| self.part_of_error(arg));
                return Ty::Error;
            }
            ty if crate::intrinsics::method(&name.to_string()).is_none()
                && !matches!(&*name.to_string(), "len" | "to_f32") =>
            {
                let message = format!("{} has no method `{name}`", self.vars.show(&ty));
                let help = "it is one of a struct";
                self.error(Code::UnknownMethod, name.span(), message, help);
                return Ty::Error;
            }
            _ => return self.method(receiver, name, args, at),
        };
        let Some(found) = candidates.iter().position(|it| it.of.0 == of) else {
            let message = format!("`{}` has no method `{name}`", self.vars.structs[of].0);
            let help = "define it in the `impl` of the struct, under `#[gpu_struct]`";
            self.error(Code::UnknownMethod, name.span(), message, help);
            args.iter().for_each(|arg| self.part_of_error(arg));
            return Ty::Error;
        };
        self.methods.insert(id, found);
        let candidate = &candidates[found];
        candidate.diags.iter().for_each(|diag| self.diags.push(diag.clone()));
        match &candidate.inline {
            Some(inline) => {
                let args: Vec<&Expr> = std::iter::once(receiver).chain(args).collect();
                self.inline(inline, &args, Some(Ty::Struct(of)))
            }
            None => {
                args.iter().for_each(|arg| self.part_of_error(arg));
                Ty::Error
            }
        }
    }
}
