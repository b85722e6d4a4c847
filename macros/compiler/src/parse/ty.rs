//! Types as they are written.

use proc_macro2::Ident;
use syn::{GenericArgument, PathArguments, Type, TypePath};

use super::Parser;
use super::scope::Def;
use crate::ast::{ConstId, TyExpr, TyExprKind};
use crate::diag::{Code, nearest};
use crate::fragment::FragmentKind;
use crate::hir::Vector;
use crate::span::SpanRange;
use crate::value::Scalar;

/// The type of a lane and their number of a vector's name: `f32x4`.
pub(super) fn vector(name: &str) -> Option<(Scalar, u32)> {
    let (elem, lanes) = name.rsplit_once('x')?;
    let (elem, lanes) = (Scalar::from_name(elem)?, lanes.parse().ok()?);
    Vector::new(elem, lanes).map(|_| (elem, lanes))
}

impl Parser<'_, '_> {
    /// A type of the body.
    pub(super) fn ty(&mut self, ty: &Type) -> TyExpr {
        let help = "a kernel has scalars, short vectors such as `f32x4`, tuples and arrays";
        let error = TyExpr { kind: TyExprKind::Error, span: SpanRange::of(ty) };
        self.ty_or(ty, Code::UnknownType, help).unwrap_or(error)
    }

    /// A type; one that does not exist is reported with this code and help.
    pub(super) fn ty_or(&mut self, ty: &Type, code: Code, help: &str) -> Option<TyExpr> {
        let span = SpanRange::of(ty);
        let kind = match ty {
            Type::Group(group) => return self.ty_or(&group.elem, code, help),
            Type::Paren(paren) => return self.ty_or(&paren.elem, code, help),
            Type::Path(path) => self.named_ty(path, code, help)?,
            Type::Tuple(tuple) if tuple.elems.is_empty() => TyExprKind::Unit,
            Type::Tuple(tuple) => {
                TyExprKind::Tuple(tuple.elems.iter().map(|elem| self.ty(elem)).collect())
            }
            Type::Array(array) => {
                let elem = self.ty(&array.elem);
                let len = self.anonymous_const(TyExprKind::Scalar(Scalar::Usize), &array.len);
                TyExprKind::Array(Box::new(elem), len)
            }
            Type::Infer(_) => TyExprKind::Infer,
            _ => {
                self.error(code, span, "a kernel cannot have a value of this type", help);
                return None;
            }
        };
        Some(TyExpr { kind, span })
    }

    /// The scalar type, or type parameter, of this name.
    pub(super) fn scalar_named(&self, ident: &Ident) -> Option<TyExprKind> {
        let name = ident.to_string();
        match self.scopes.find(&name) {
            Some(Ok(Def::Type(id))) => Some(TyExprKind::Param(id, ident.clone())),
            Some(Ok(Def::Alias(scalar))) => Some(TyExprKind::Scalar(scalar)),
            _ => Scalar::from_name(&name).map(TyExprKind::Scalar),
        }
    }

    fn named_ty(&mut self, path: &TypePath, code: Code, help: &str) -> Option<TyExprKind> {
        let segments = &path.path.segments;
        let name = segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        let plain = path.qself.is_none()
            && segments.iter().all(|segment| segment.arguments.is_none())
            && (segments.len() == 1
                || matches!(
                    name.as_str(),
                    "f16" | "bf16" | "e4m3" | "e5m2" | "f16x2" | "bf16x2" | "i4x8" | "u4x8"
                ));
        if plain
            && let Some(last) = segments.last()
            && let Some(kind) = self.scalar_named(&last.ident)
        {
            return Some(kind);
        }
        if plain && let Some((elem, lanes)) = vector(&name) {
            return Some(TyExprKind::Vector(elem, lanes));
        }
        if let (None, Some(kind), Some(last)) =
            (&path.qself, FragmentKind::from_name(&name), segments.last())
        {
            return self.fragment_ty(kind, last);
        }
        let kinds = FragmentKind::ALL.map(FragmentKind::name);
        let is_struct = nearest(&name, kinds).is_none() && super::structs::is_struct_name(&name);
        if path.qself.is_none()
            && is_struct
            && segments.iter().all(|segment| segment.arguments.is_none())
        {
            let id = self.struct_of(&path.path);
            return Some(
                id.map_or(TyExprKind::Error, |id| TyExprKind::Struct(id, path.path.clone())),
            );
        }
        let near = nearest(&name, Scalar::ALL.map(Scalar::name).into_iter().chain(kinds));
        let help = near.map_or(help.to_owned(), |near| format!("did you mean `{near}`?"));
        self.error(code, SpanRange::of(path), format!("kernels have no type `{name}`"), help);
        None
    }

    /// `FragA<bf16>`, or `WarpgroupC<f32, 128>`; the element may be left to inference.
    pub(super) fn fragment_ty(
        &mut self,
        kind: FragmentKind,
        written: &syn::PathSegment,
    ) -> Option<TyExprKind> {
        let span = SpanRange::of(written);
        if kind == FragmentKind::CachePolicy {
            let word = TyExpr { kind: TyExprKind::Scalar(Scalar::U64), span };
            let plain = written.arguments.is_none();
            return match plain {
                true => Some(TyExprKind::Fragment(kind, Box::new(word), None)),
                false => self.bad_fragment(kind, span),
            };
        }
        let args: Vec<_> = match &written.arguments {
            PathArguments::AngleBracketed(args) => args.args.iter().collect(),
            PathArguments::None | PathArguments::Parenthesized(_) => Vec::new(),
        };
        let wide = kind == FragmentKind::WarpgroupC;
        let elem = match args.first() {
            Some(GenericArgument::Type(ty)) => self.ty(ty),
            None if !wide => TyExpr { kind: TyExprKind::Infer, span },
            Some(_) | None => return self.bad_fragment(kind, span),
        };
        let cols = match (args.get(1).copied(), wide) {
            (Some(cols), true) => self.columns(cols),
            (None, false) => return Some(TyExprKind::Fragment(kind, Box::new(elem), None)),
            (Some(_), false) | (None, true) => None,
        };
        match cols {
            Some(cols) if args.len() == 2 => {
                Some(TyExprKind::Fragment(kind, Box::new(elem), Some(cols)))
            }
            _ => self.bad_fragment(kind, span),
        }
    }

    /// The number of columns: a literal, a block, or the name of a constant.
    fn columns(&mut self, written: &GenericArgument) -> Option<ConstId> {
        let path;
        let expr = match written {
            GenericArgument::Const(expr) => expr,
            GenericArgument::Type(Type::Path(ty)) => {
                path = syn::Expr::Path(syn::ExprPath {
                    attrs: vec![],
                    qself: None,
                    path: ty.path.clone(),
                });
                &path
            }
            _ => return None,
        };
        Some(self.anonymous_const(TyExprKind::Scalar(Scalar::U32), expr))
    }

    fn bad_fragment(&mut self, kind: FragmentKind, span: SpanRange) -> Option<TyExprKind> {
        let name = kind.name();
        let (what, help) = match kind {
            FragmentKind::WarpgroupC => ("the type of an element and columns", "<f32, 128>"),
            FragmentKind::CachePolicy => ("nothing", ""),
            _ => ("the type of an element", "<bf16>"),
        };
        let message = format!("`{name}` takes {what}");
        self.error(Code::UnknownType, span, message, format!("write `{name}{help}`"));
        None
    }
}
