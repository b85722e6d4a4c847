//! Generic parameters of device functions, and what a call says of them.

use proc_macro2::Ident;
use syn::{GenericArgument, GenericParam, ItemFn, PathArguments, TypeParam, TypeParamBound};

use super::Parser;
use super::scope::Def;
use crate::ast::{ConstDecl, ConstId, TyExpr, TyExprKind, TypeDecl, TypeId};
use crate::diag::Code;
use crate::instances::{Arg, Instance, Is};
use crate::intrinsics::Class;
use crate::span::SpanRange;
use crate::value::Scalar;

/// What the generic parameters of a device function mean in its body.
#[derive(Default)]
pub(super) struct Generics {
    /// Their names.
    pub(super) names: Vec<(String, Def)>,
    /// The types.
    pub(super) types: Vec<TypeId>,
    /// The constants that the call does not write.
    pub(super) open: Vec<ConstId>,
    /// The others.
    pub(super) written: Vec<ConstId>,
}

impl Parser<'_, '_> {
    /// The parameters of a generic kernel in an instance.
    pub(super) fn instance(&mut self, instance: &Instance) -> (Vec<ConstId>, Vec<(Ident, Scalar)>) {
        let (mut consts, mut aliases) = (Vec::new(), Vec::new());
        for Arg { ident, is } in &instance.args {
            let def = match is {
                Is::Type(scalar) => {
                    aliases.push((ident.clone(), *scalar));
                    Def::Alias(*scalar)
                }
                Is::Const { ty, expr, value: _ } => {
                    let (ty, expr) = (self.ty(ty), self.const_expr(expr));
                    let (name, span) = (Some(ident.clone()), expr.span);
                    let decl = ConstDecl { ident: name, ty, expr: Some(expr), span };
                    consts.push(self.declare_const(decl));
                    Def::Const(consts[consts.len() - 1])
                }
            };
            self.scopes.define(ident.to_string(), def);
        }
        (consts, aliases)
    }

    /// The classes that a type parameter is bound by. What is no class is reported.
    pub(super) fn bounds(&mut self, param: &TypeParam) -> Vec<Class> {
        let mut classes = Vec::new();
        for bound in &param.bounds {
            match class_of(bound) {
                Some(class) => classes.push(class),
                None => {
                    let message = "a type parameter is bound by classes of scalars";
                    let help = format!("they are {}", class_names());
                    self.error(Code::BadSignature, SpanRange::of(bound), message, help);
                }
            }
        }
        if param.bounds.is_empty() {
            let name = &param.ident;
            let message = format!("nothing says which types `{name}` may be");
            let help = format!("bound it: `{name}: Float`, `{name}: Int`, `{name}: Scalar`");
            self.error(Code::BadSignature, name.span(), message, help);
        }
        classes
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
        let written = match path.segments.last().map(|last| &last.arguments) {
            Some(PathArguments::AngleBracketed(written)) => Some(written),
            _ => None,
        };
        self.written_arguments(written, function)
    }

    /// The same with what stands in `::<..>`.
    pub(super) fn written_arguments(
        &mut self,
        written: Option<&syn::AngleBracketedGenericArguments>,
        function: &ItemFn,
    ) -> Option<Generics> {
        let params = &function.sig.generics.params;
        let written = written.map(|written| &written.args);
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
        let param = match param {
            GenericParam::Const(param) => param,
            GenericParam::Type(param) => return self.type_parameter(param, arg, generics),
            // Reported where the function is defined.
            GenericParam::Lifetime(_) => return,
        };
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

    fn type_parameter(
        &mut self,
        param: &TypeParam,
        arg: Option<&GenericArgument>,
        generics: &mut Generics,
    ) {
        let written = match arg {
            None | Some(GenericArgument::Type(syn::Type::Infer(_))) => None,
            Some(GenericArgument::Type(ty)) => Some(self.ty(ty)),
            Some(other) => {
                let span = SpanRange::of(other);
                self.error(Code::BadArgument, span, "a type is wanted here", "write `f32`");
                Some(TyExpr { kind: TyExprKind::Error, span })
            }
        };
        // What is no class was reported where the function is defined.
        let bounds = param.bounds.iter().filter_map(class_of).collect();
        self.types.push(TypeDecl { ident: param.ident.clone(), bounds, written });
        let id = TypeId(self.types.len() - 1);
        generics.names.push((param.ident.to_string(), Def::Type(id)));
        generics.types.push(id);
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

/// The class that a bound names.
pub(crate) fn class_of(bound: &TypeParamBound) -> Option<Class> {
    let TypeParamBound::Trait(bound) = bound else { return None };
    let last = bound.path.segments.last()?;
    Class::bounds().find(|class| last.ident == class.name() && last.arguments.is_none())
}

fn class_names() -> String {
    let names = Class::bounds().map(|class| format!("`{}`", class.name()));
    names.collect::<Vec<_>>().join(", ")
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
