//! Names: variables, constants, and the paths of intrinsics.

use proc_macro2::Ident;
use syn::{GenericArgument, PathArguments};

use super::Parser;
use super::scope::Def;
use super::ty::vector;
use super::view::CAST_SLICE;
use crate::ast::{Call, ConstId, Expr, ExprKind, Generic, TyExpr, TyExprKind};
use crate::diag::{Code, nearest};
use crate::fragment::FragmentKind;
use crate::hir::{Order, Scope};
use crate::intrinsics::{self, Class, Kind, Row};
use crate::span::SpanRange;
use crate::value::{Scalar, Value};

/// The constants in `core::f32::consts`.
const MATH: [(&str, f64); 19] = {
    use std::f64::consts as c;
    [
        ("PI", c::PI),
        ("TAU", c::TAU),
        ("E", c::E),
        ("LN_2", c::LN_2),
        ("LN_10", c::LN_10),
        ("LOG2_E", c::LOG2_E),
        ("LOG10_E", c::LOG10_E),
        ("LOG2_10", c::LOG2_10),
        ("LOG10_2", c::LOG10_2),
        ("SQRT_2", c::SQRT_2),
        ("FRAC_1_SQRT_2", c::FRAC_1_SQRT_2),
        ("FRAC_PI_2", c::FRAC_PI_2),
        ("FRAC_PI_3", c::FRAC_PI_3),
        ("FRAC_PI_4", c::FRAC_PI_4),
        ("FRAC_PI_6", c::FRAC_PI_6),
        ("FRAC_PI_8", c::FRAC_PI_8),
        ("FRAC_1_PI", c::FRAC_1_PI),
        ("FRAC_2_PI", c::FRAC_2_PI),
        ("FRAC_2_SQRT_PI", c::FRAC_2_SQRT_PI),
    ]
};
const CONSTANTS_HELP: &str = "kernels know constants of their own body, of the scalar types and \
                              those with `#[gpu_const]`";
const INT_CONSTANTS: [&str; 6] = ["MIN", "MAX", "BITS", "BYTES", "ZERO", "ONE"];
const FLOAT_CONSTANTS: [&str; 11] = [
    "INFINITY",
    "NEG_INFINITY",
    "NAN",
    "MIN",
    "MAX",
    "MIN_POSITIVE",
    "EPSILON",
    "BITS",
    "BYTES",
    "ZERO",
    "ONE",
];

/// `u32::MAX`, `f32::INFINITY`, `f32::consts::PI`: the constant of this name on the type.
pub fn associated_constant(ty: Scalar, name: &str) -> Option<Value> {
    match name {
        "BITS" => return Some(Value::int(Scalar::U32, i128::from(ty.bits()))),
        "BYTES" => return Some(Value::int(Scalar::U32, i128::from(ty.bytes()))),
        "ZERO" if ty != Scalar::Bool => return Some(Value::from_bits(ty, 0)),
        "ONE" if ty.is_int() => return Some(Value::int(ty, 1)),
        "ONE" if ty.is_real() => return Some(Value::float(ty, 1.0)),
        _ => {}
    }
    if ty.is_int() {
        let (low, high) = ty.int_range();
        return match name {
            "MIN" => Some(Value::int(ty, low)),
            "MAX" => Some(Value::int(ty, high)),
            _ => None,
        };
    }
    if ty.is_narrow() {
        return narrow_constant(ty, name);
    }
    // Bits of the mantissa, and infinity, the exponent's bits being all ones.
    let (mantissa, infinity) = match ty {
        Scalar::F16 => (10, 0x7c00),
        Scalar::Bf16 => (7, 0x7f80),
        Scalar::F32 => (23, u64::from(f32::INFINITY.to_bits())),
        Scalar::F64 => (52, f64::INFINITY.to_bits()),
        _ => return None,
    };
    let sign = 1 << (ty.bits() - 1);
    let bits = match name {
        "INFINITY" => infinity,
        "NEG_INFINITY" => infinity | sign,
        "NAN" => infinity | 1 << (mantissa - 1),
        "MAX" => infinity - 1,
        "MIN" => (infinity - 1) | sign,
        "MIN_POSITIVE" => 1 << mantissa,
        "EPSILON" => return Some(Value::float(ty, 2f64.powi(-mantissa))),
        _ => {
            let (_, value) = MATH.into_iter().find(|(known, _)| *known == name)?;
            return Some(Value::float(ty, value));
        }
    };
    Some(Value::from_bits(ty, bits))
}

/// Of the floats of 8 bits. A cast saturates, and only NaN has all bits set.
fn narrow_constant(ty: Scalar, name: &str) -> Option<Value> {
    match name {
        "MAX" => Some(Value::float(ty, f64::INFINITY)),
        "MIN" => Some(Value::float(ty, f64::NEG_INFINITY)),
        "NAN" => Some(Value::float(ty, f64::NAN)),
        _ => None,
    }
}

fn is_int_constant(name: &str) -> bool {
    INT_CONSTANTS.contains(&name)
}

fn is_float_constant(name: &str) -> bool {
    FLOAT_CONSTANTS.contains(&name)
}

/// The type of an associated constant, of which the type that it belongs to is not known yet:
/// `None` for that type itself.
pub fn associated_type(name: &str) -> Option<Scalar> {
    matches!(name, "BITS" | "BYTES").then_some(Scalar::U32)
}

fn is_math(name: &str) -> bool {
    MATH.iter().any(|(known, _)| *known == name)
}

/// Functions of this name would be taken for macros of the standard library.
const HOST_MACROS: [&str; 14] = [
    "assert",
    "dbg",
    "eprint",
    "eprintln",
    "format",
    "matches",
    "panic",
    "print",
    "println",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
];

/// Whether Rust's convention makes the name that of a constant.
pub(crate) fn is_constant_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
}

/// Whether a path of several names leads through modules, and not to a type of the language.
pub(super) fn of_a_module(names: &[&str]) -> bool {
    match names {
        [] | [_] => false,
        [first, ..] => {
            !matches!(*first, "fast" | "Scope" | "Order")
                && Scalar::from_name(first).is_none()
                && FragmentKind::from_name(first).is_none()
                && vector(first).is_none()
        }
    }
}

/// `f32::MAX` for `<f32>::MAX`, which is how a macro must write a constant of a type variable.
fn unqualified(expr: &syn::ExprPath) -> syn::Path {
    let mut ty = expr.qself.as_ref().filter(|it| it.position == 0).map(|it| &*it.ty);
    while let Some(syn::Type::Group(group)) = ty {
        ty = Some(&group.elem);
    }
    let Some(syn::Type::Path(of)) = ty else { return expr.path.clone() };
    let mut path = of.path.clone();
    path.segments.extend(expr.path.segments.iter().cloned());
    path
}

/// The names of a path. Those that lead to Firesteel's own items are left out.
fn names(path: &syn::Path) -> Vec<String> {
    let mut names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    while names.len() > 1
        && matches!(names[0].as_str(), "firesteel" | "dsl" | "prelude" | "core" | "std")
    {
        names.remove(0);
    }
    names
}

impl Parser<'_, '_> {
    /// A path that is not called.
    pub(super) fn path(&mut self, expr: &syn::ExprPath) -> Expr {
        if let (None, Some(ident)) = (&expr.qself, expr.path.get_ident()) {
            return self.name(ident);
        }
        let path = unqualified(expr);
        let span = SpanRange::of(&path);
        let names = names(&path);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let last = path.segments.last().map(|last| last.ident.clone());
        let kind = match names.as_slice() {
            ["Scope", name] => scope(name).map(|it| ExprKind::Scope(path.clone(), it)),
            ["Order", name] => order(name).map(|it| ExprKind::Order(path.clone(), it)),
            [ty, name] | [ty, "consts", name] => {
                self.associated(&path, ty, name).zip(last).map(|(kind, last)| {
                    let ty = Box::new(TyExpr { kind, span });
                    ExprKind::Associated(path.clone(), ty, last)
                })
            }
            _ => None,
        };
        match kind {
            Some(kind) => self.node(kind, span),
            None if names.last().is_some_and(|last| is_constant_name(last))
                && of_a_module(&names)
                && !self.is_type_parameter(names[0]) =>
            {
                self.device_const(&path)
            }
            None => self.unknown_path(&names, span),
        }
    }

    fn is_type_parameter(&self, name: &str) -> bool {
        matches!(self.scopes.find(name), Some(Ok(Def::Type(_) | Def::Alias(_))))
    }

    /// The type of `path`, whose constant `name` is one that there is.
    fn associated(&self, path: &syn::Path, ty: &str, name: &str) -> Option<TyExprKind> {
        let segments = path.segments.iter();
        let ident = segments.map(|segment| &segment.ident).find(|ident| *ident == ty)?;
        let kind = self.scalar_named(ident)?;
        let exists = match &kind {
            TyExprKind::Scalar(ty) => {
                let of_module = matches!(ty, Scalar::F32 | Scalar::F64) && is_math(name);
                let missing = of_module && path.segments.len() == 2;
                !missing && associated_constant(*ty, name).is_some()
            }
            // What its bounds do not promise, rustc reports where the function is defined.
            _ => is_int_constant(name) || is_float_constant(name),
        };
        exists.then_some(kind)
    }

    fn unknown_path(&mut self, names: &[&str], span: SpanRange) -> Expr {
        let written = names.join("::");
        let candidates = match names.first().copied() {
            Some("Scope") => vec!["Block", "Device", "System"],
            Some("Order") => vec!["Relaxed", "Acquire", "Release", "AcqRel"],
            Some(ty) => match Scalar::from_name(ty) {
                Some(ty) if ty.is_int() => INT_CONSTANTS.to_vec(),
                Some(_) => {
                    let math = MATH.iter().map(|(name, _)| *name);
                    FLOAT_CONSTANTS.into_iter().chain(math).collect()
                }
                None => vec![],
            },
            None => vec![],
        };
        let last = names.last().copied().unwrap_or_default();
        let help = match nearest(last, candidates.iter().copied()) {
            None if names.len() == 2 && matches!(names[0], "Scope" | "Order") => {
                format!("there are `{}`", candidates.join("`, `"))
            }
            _ if is_math(last) && names.len() == 2 => format!("write `core::f32::consts::{last}`"),
            Some(near) => format!("did you mean `{near}`?"),
            None => CONSTANTS_HELP.to_owned(),
        };
        let message = format!("kernels do not know `{written}`");
        self.error(Code::UnknownAssociated, span, message, help);
        self.error_node(span)
    }

    fn name(&mut self, ident: &Ident) -> Expr {
        let name = ident.to_string();
        let kind = match self.scopes.find(&name) {
            Some(Ok(Def::Local(id))) => ExprKind::Local(id, ident.clone()),
            Some(Ok(Def::Memory(memory))) => ExprKind::Memory(memory, ident.clone()),
            Some(Ok(Def::Map(param))) => ExprKind::Map(param, ident.clone()),
            Some(Ok(Def::Const(id))) => ExprKind::Const(id, ident.clone().into()),
            Some(Ok(Def::Type(_) | Def::Alias(_))) => {
                let message = format!("`{name}` is a type, not a value");
                let help = format!("use a constant of it, such as `{name}::ZERO`");
                self.error(Code::WrongKind, ident.span(), message, help);
                ExprKind::Error(Vec::new())
            }
            Some(Ok(Def::Closure(_))) => {
                let message = format!("`{name}` is a closure, not a value");
                self.error(
                    Code::WrongKind,
                    ident.span(),
                    message,
                    format!("call it: `{name}(..)`"),
                );
                ExprKind::Error(Vec::new())
            }
            Some(Ok(Def::Error)) => ExprKind::Error(Vec::new()),
            Some(Err(_)) => {
                let message = format!("`{name}` is a variable, and a constant is wanted");
                let help = "use literals and `const` items";
                self.error(Code::NotConstant, ident.span(), message, help);
                ExprKind::Error(Vec::new())
            }
            None if is_constant_name(&name) && intrinsics::function(&[&name]).is_none() => {
                return self.device_const(&ident.clone().into());
            }
            None => {
                self.unknown_name(ident, &name);
                ExprKind::Error(Vec::new())
            }
        };
        self.node(kind, ident.span())
    }

    fn unknown_name(&mut self, ident: &Ident, name: &str) {
        if intrinsics::function(&[name]).is_some() {
            let message = format!("`{name}` is a function");
            self.error(Code::WrongKind, ident.span(), message, format!("call it: `{name}(..)`"));
            return;
        }
        let help = match nearest(name, self.scopes.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it with `let`, or make it a parameter".to_owned(),
        };
        let message = format!("no variable named `{name}`");
        self.error(Code::UnknownVariable, ident.span(), message, help);
    }

    /// `f(a, b)`.
    pub(super) fn call(&mut self, call: &syn::ExprCall) -> Expr {
        let end = SpanRange::from(call.paren_token.span.close());
        let syn::Expr::Path(func) = super::expr::ungroup(&call.func) else {
            let args = call.args.iter().map(|arg| self.expr(arg)).collect();
            let span = SpanRange::of(&call.func);
            self.unsupported(span, "calls of computed functions", "call a function by its name");
            return self.node(ExprKind::Error(args), span.to(end));
        };
        let path = &unqualified(func);
        let span = SpanRange::of(path).to(end);
        let names = names(path);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // Only a device function takes closures.
        let of_device = self.callee(path, &names).is_none() && self.is_device_path(&names);
        let args = call.args.iter();
        let args: Vec<Expr> = match of_device {
            true => args.map(|arg| self.device_argument(arg)).collect(),
            false => args.map(|arg| self.expr(arg)).collect(),
        };
        if let [name] = names.as_slice()
            && let Some(def) = self.scopes.find(name)
        {
            if let (Ok(Def::Closure(id)), Some(name)) = (def, path.get_ident()) {
                return self.closure_call(name, id, args, span);
            }
            if def == Ok(Def::Error) {
                return self.node(ExprKind::Error(args), span);
            }
            let message = format!("`{name}` is not a function");
            self.error(Code::WrongKind, SpanRange::of(path), message, "rename the variable");
            return self.node(ExprKind::Error(args), span);
        }
        self.called(path, &names, args, span)
    }

    fn called(
        &mut self,
        path: &syn::Path,
        names: &[&str],
        args: Vec<Expr>,
        span: SpanRange,
    ) -> Expr {
        match self.callee(path, names) {
            Some(Callee::Row(row, on)) => {
                let generics = self.generics(path, row);
                let on = on.map(|kind| Box::new(TyExpr { kind, span }));
                let kind = ExprKind::Call(Call { row, path: path.clone(), on, generics, args });
                self.node(kind, span)
            }
            Some(Callee::Vector(elem, lanes, ty, function)) => {
                let kind = ExprKind::Vector { ty, elem, lanes, function, args };
                self.node(kind, span)
            }
            Some(Callee::Zero(kind, segment)) => match self.fragment_ty(kind, &segment) {
                Some(kind) => {
                    let ty = TyExpr { kind, span: SpanRange::of(&segment) };
                    self.node(ExprKind::Zero(path.clone(), Box::new(ty)), span)
                }
                None => self.error_node(span),
            },
            Some(Callee::From(ty)) if args.len() == 1 => {
                let arg = args.into_iter().next().map(Box::new);
                let ty = Box::new(TyExpr { kind: ty, span });
                let kind = arg
                    .map_or(ExprKind::Error(vec![]), |arg| ExprKind::From(ty, path.clone(), arg));
                self.node(kind, span)
            }
            Some(Callee::From(_)) => {
                let written = names.join("::");
                let message = format!("`{written}` takes one value");
                self.error(Code::WrongArity, span, message, format!("write `{written}(x)`"));
                self.node(ExprKind::Error(args), span)
            }
            None if names == [CAST_SLICE] => {
                let message = "a view is the value of a `let`";
                self.error(Code::BadArgument, span, message, super::view::HELP);
                self.node(ExprKind::Error(args), span)
            }
            None if self.is_device_path(names) => self.device_call(path, args, span),
            None => {
                self.unknown_function(path, names);
                self.node(ExprKind::Error(args), span)
            }
        }
    }

    /// Whether a called path may lead to a device function, and not to a mistyped intrinsic.
    fn is_device_path(&self, names: &[&str]) -> bool {
        match names {
            [name] => !HOST_MACROS.contains(name),
            _ => of_a_module(names) && !self.is_type_parameter(names[0]),
        }
    }

    fn callee(&mut self, path: &syn::Path, names: &[&str]) -> Option<Callee> {
        if let Some(row) = intrinsics::function(names) {
            return Some(Callee::Row(row, None));
        }
        let [ty, name] = names else { return None };
        let idents: Vec<_> = path.segments.iter().map(|segment| segment.ident.clone()).collect();
        if let Some((elem, lanes)) = vector(ty)
            && matches!(*name, "new" | "splat")
        {
            let [.., ty, function] = idents.as_slice() else { return None };
            return Some(Callee::Vector(elem, lanes, ty.clone(), function.clone()));
        }
        if let (Some(kind), "zero") = (FragmentKind::from_name(ty), *name) {
            let at = path.segments.len().checked_sub(2)?;
            return Some(Callee::Zero(kind, path.segments[at].clone()));
        }
        let scalar = self.scalar_named(idents.iter().find(|ident| *ident == *ty)?)?;
        let is_param = matches!(scalar, TyExprKind::Param(..));
        if matches!(scalar, TyExprKind::Scalar(scalar) if scalar.is_pair())
            && let Some(row) = intrinsics::of_pair(name)
        {
            return Some(Callee::Row(row, Some(scalar)));
        }
        if *name == "from_f32" || *name == "from" && !is_param {
            return Some(Callee::From(scalar));
        }
        let row = intrinsics::associated(name)
            .or_else(|| intrinsics::method(name))
            .or_else(|| intrinsics::of_pair(name).filter(|_| is_param))?;
        Some(Callee::Row(row, Some(scalar)))
    }

    fn unknown_function(&mut self, path: &syn::Path, names: &[&str]) {
        let written = names.join("::");
        let last = names.last().copied().unwrap_or_default();
        let wanted = match names {
            ["fast", _] => Kind::Fast,
            [_] => Kind::Free,
            _ => Kind::Associated,
        };
        let known = intrinsics::rows().filter(|row| match wanted {
            Kind::Fast => row.kind == Kind::Fast,
            Kind::Free => row.kind.is_free(),
            _ => matches!(row.kind, Kind::Associated | Kind::Pair) || row.kind.is_method(),
        });
        let help = if let Some(near) = nearest(last, known.map(|row| row.name)) {
            let near = if wanted == Kind::Fast { format!("fast::{near}") } else { near.to_owned() };
            format!("did you mean `{near}`?")
        } else if names.len() == 1 && intrinsics::method(last).is_some() {
            format!("it is a method: write `x.{last}()`")
        } else {
            "a kernel calls intrinsics and functions with `#[gpu_fn]`".to_owned()
        };
        let message = format!("no device function named `{written}`");
        self.error(Code::UnknownFunction, SpanRange::of(path), message, help);
    }

    /// The generic arguments of a call: a constant where the row has one, else types.
    fn generics(&mut self, path: &syn::Path, row: &Row) -> Vec<Generic> {
        let Some(last) = path.segments.last() else { return Vec::new() };
        let PathArguments::AngleBracketed(written) = &last.arguments else { return Vec::new() };
        if written.args.len() != row.generics.len() {
            let (want, got) = (row.generics.len(), written.args.len());
            let message = format!("`{}` takes {want} generic arguments, not {got}", row.name);
            self.error(Code::WrongArity, SpanRange::of(written), message, "leave them out");
            return Vec::new();
        }
        let pairs = written.args.iter().zip(row.generics);
        pairs.filter_map(|(arg, (_, class))| self.generic(arg, *class)).collect()
    }

    fn generic(&mut self, arg: &GenericArgument, class: Class) -> Option<Generic> {
        match (arg, class) {
            (GenericArgument::Const(expr), Class::ConstU8) => {
                Some(Generic::Const(self.const_u8(expr)))
            }
            (GenericArgument::Type(syn::Type::Path(path)), Class::ConstU8) => {
                let path = syn::ExprPath { attrs: vec![], qself: None, path: path.path.clone() };
                Some(Generic::Const(self.const_u8(&syn::Expr::Path(path))))
            }
            (GenericArgument::Type(ty), _) => Some(Generic::Ty(self.ty(ty))),
            (other, _) => {
                let message = "a generic argument here is a type";
                let help = "leave it out";
                self.error(Code::BadArgument, SpanRange::of(other), message, help);
                None
            }
        }
    }

    fn const_u8(&mut self, expr: &syn::Expr) -> ConstId {
        self.anonymous_const(TyExprKind::Scalar(Scalar::U8), expr)
    }
}

/// What a called path means.
enum Callee {
    Row(&'static Row, Option<TyExprKind>),
    Vector(Scalar, u32, Ident, Ident),
    Zero(FragmentKind, syn::PathSegment),
    From(TyExprKind),
}

fn scope(name: &str) -> Option<Scope> {
    match name {
        "Block" => Some(Scope::Block),
        "Device" => Some(Scope::Device),
        "System" => Some(Scope::System),
        _ => None,
    }
}

fn order(name: &str) -> Option<Order> {
    match name {
        "Relaxed" => Some(Order::Relaxed),
        "Acquire" => Some(Order::Acquire),
        "Release" => Some(Order::Release),
        "AcqRel" => Some(Order::AcqRel),
        _ => None,
    }
}
