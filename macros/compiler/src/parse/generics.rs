//! Generic parameters of device functions, and what a call says of them.

use syn::{GenericArgument, GenericParam, ItemFn, PathArguments};

use super::Parser;
use super::scope::Def;
use crate::ast::{ConstDecl, ConstId};
use crate::diag::Code;
use crate::instances::{Arg, Instance};
use crate::span::SpanRange;

/// What the generic parameters of a device function mean in its body.
#[derive(Default)]
pub(super) struct Generics {
    /// Their names.
    pub(super) names: Vec<(String, Def)>,
    /// The constants that the call does not write.
    pub(super) open: Vec<ConstId>,
    /// The others.
    pub(super) written: Vec<ConstId>,
}

impl Parser<'_, '_> {
    /// The parameters of a generic kernel in an instance.
    pub(super) fn instance(&mut self, instance: &Instance) -> Vec<ConstId> {
        let constant = |arg: &Arg| {
            let (ident, ty) = (Some(arg.ident.clone()), self.ty(&arg.ty));
            let expr = self.const_expr(&arg.expr);
            let span = expr.span;
            let id = self.declare_const(ConstDecl { ident, ty, expr: Some(expr), span });
            self.scopes.define(arg.ident.to_string(), Def::Const(id));
            id
        };
        instance.args.iter().map(constant).collect()
    }

    /// The parameters of a device function that is checked by itself: nothing is known of them.
    pub(super) fn generic_parameters(&mut self, function: &ItemFn) -> Generics {
        let mut generics = Generics::default();
        for param in &function.sig.generics.params {
            self.generic_parameter(param, None, &mut generics);
        }
        generics
    }

    /// The parameters of a device function with the arguments of a call: `dot::<4>(..)`.
    pub(super) fn generic_arguments(
        &mut self,
        path: &syn::Path,
        function: &ItemFn,
    ) -> Option<Generics> {
        let params = &function.sig.generics.params;
        let written = match path.segments.last().map(|last| &last.arguments) {
            Some(PathArguments::AngleBracketed(written)) => Some(&written.args),
            _ => None,
        };
        if let Some(written) = written
            && written.len() != params.len()
        {
            let (want, got, name) = (params.len(), written.len(), &function.sig.ident);
            let plural = if want == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {want} generic argument{plural}, not {got}");
            let help = match want {
                0 => "leave them out".to_owned(),
                _ => format!("write `{name}::<{}>(..)`", names(function).join(", ")),
            };
            self.error(Code::WrongArity, SpanRange::of(written), message, help);
            return None;
        }
        let mut generics = Generics::default();
        for (i, param) in params.iter().enumerate() {
            let arg = written.and_then(|written| written.get(i));
            self.generic_parameter(param, arg, &mut generics);
        }
        Some(generics)
    }

    fn generic_parameter(
        &mut self,
        param: &GenericParam,
        arg: Option<&GenericArgument>,
        generics: &mut Generics,
    ) {
        // The others are reported where the function is defined.
        let GenericParam::Const(param) = param else { return };
        let expr = arg.and_then(|arg| self.const_argument(arg));
        let is_open = expr.is_none();
        let span = expr.as_ref().map_or(param.ident.span().into(), |expr| expr.span);
        let (ident, ty) = (Some(param.ident.clone()), self.ty(&param.ty));
        let id = self.declare_const(ConstDecl { ident, ty, expr, span });
        generics.names.push((param.ident.to_string(), Def::Const(id)));
        if is_open {
            generics.open.push(id);
        } else {
            generics.written.push(id);
        }
    }

    /// A constant in `::<..>`; `None` for `_`.
    fn const_argument(&mut self, arg: &GenericArgument) -> Option<crate::ast::Expr> {
        match arg {
            GenericArgument::Const(expr) => Some(self.const_expr(expr)),
            GenericArgument::Type(syn::Type::Infer(_)) => None,
            GenericArgument::Type(syn::Type::Path(path)) => {
                let (qself, path) = (path.qself.clone(), path.path.clone());
                let path = syn::ExprPath { attrs: Vec::new(), qself, path };
                Some(self.const_expr(&syn::Expr::Path(path)))
            }
            other => {
                let span = SpanRange::of(other);
                let message = "a constant is wanted here";
                self.error(Code::BadArgument, span, message, "write a number or `{ expression }`");
                Some(self.error_node(span))
            }
        }
    }
}

/// The names of the generic parameters.
fn names(function: &ItemFn) -> Vec<String> {
    let name = |param: &GenericParam| match param {
        GenericParam::Const(param) => param.ident.to_string(),
        GenericParam::Type(param) => param.ident.to_string(),
        GenericParam::Lifetime(param) => param.lifetime.to_string(),
    };
    function.sig.generics.params.iter().map(name).collect()
}
