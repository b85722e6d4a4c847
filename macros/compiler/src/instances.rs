//! The instances of a generic kernel: `instances(D = [64, 128], T = [f16, bf16])`.
//!
//! Each argument of the attribute's list is an axis, and there is an instance for each combination.
//! Tuples beside each other are one axis: `instances((M = 64, N = 32), (M = 128, N = 8))`.

use proc_macro2::Ident;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{BinOp, Expr, ExprLit, GenericParam, ItemFn, Lit, Token, UnOp, bracketed, parenthesized};

use crate::attr::Arguments;
use crate::diag::{Code, Diag, Diags, nearest};
use crate::span::SpanRange;
use crate::value::Scalar;

/// What the generic parameters of a kernel are in one of its instances. A kernel without such
/// parameters has one instance, which says nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instance {
    /// In the order of the parameters.
    pub(crate) args: Vec<Arg>,
}

/// A generic parameter and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    /// The parameter's name.
    pub(crate) ident: Ident,
    /// What it is.
    pub(crate) is: Is,
}

/// What a generic parameter is.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few")]
pub(crate) enum Is {
    /// A type.
    Type(Scalar),
    /// A constant.
    Const {
        /// Its type.
        ty: syn::Type,
        /// As it is written.
        expr: Expr,
        /// Its value; that of `true` is 1.
        value: i128,
    },
}

impl Arg {
    /// As it is written, without the type of a constant: `64`, `f16`.
    pub(crate) fn text(&self) -> String {
        match &self.is {
            Is::Type(scalar) => scalar.name().to_owned(),
            Is::Const { expr: Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }), .. } => {
                value.value.to_string()
            }
            Is::Const { value, .. } => value.to_string(),
        }
    }
}

impl Instance {
    /// Anything, for a kernel whose instances were reported.
    pub(crate) fn sample(function: &ItemFn) -> Self {
        let arg = |param: &GenericParam| match param {
            GenericParam::Const(param) => {
                let (ty, expr) = (param.ty.clone(), syn::parse_quote!(1));
                Some(Arg { ident: param.ident.clone(), is: Is::Const { ty, expr, value: 1 } })
            }
            GenericParam::Type(param) => {
                Some(Arg { ident: param.ident.clone(), is: Is::Type(Scalar::F32) })
            }
            GenericParam::Lifetime(_) => None,
        };
        Self { args: function.sig.generics.params.iter().filter_map(arg).collect() }
    }

    /// The name in PTX of the kernel's function.
    pub(crate) fn entry(&self, kernel: &Ident) -> String {
        let args = self.args.iter().map(|arg| format!("_{}", arg.text().replace('-', "m")));
        format!("{kernel}{}", args.collect::<String>())
    }

    /// For messages: `D = 64, T = f16`.
    pub(crate) fn text(&self) -> String {
        let args = self.args.iter().map(|arg| format!("{} = {}", arg.ident, arg.text()));
        args.collect::<Vec<_>>().join(", ")
    }

    /// The arguments as a call writes them: `<64, f16>`.
    pub(crate) fn arguments(&self) -> String {
        let args = self.args.iter().map(Arg::text).collect::<Vec<_>>();
        format!("<{}>", args.join(", "))
    }

    /// The value of a constant expression of the parameters, a truth value being 0 or 1.
    pub(crate) fn number(&self, expr: &Expr) -> Option<i128> {
        match expr {
            Expr::Group(group) => self.number(&group.expr),
            Expr::Paren(paren) => self.number(&paren.expr),
            Expr::Cast(cast) => self.number(&cast.expr),
            Expr::Lit(lit) => literal(lit),
            Expr::Path(path) => {
                let (name, of) = match path.path.segments.iter().collect::<Vec<_>>()[..] {
                    [name] => (&name.ident, None),
                    [ty, name] => (&ty.ident, Some(name.ident.to_string())),
                    _ => return None,
                };
                match (&self.args.iter().find(|arg| arg.ident == *name)?.is, of.as_deref()) {
                    (Is::Const { value, .. }, None) => Some(*value),
                    (Is::Type(scalar), Some("BYTES")) => Some(i128::from(scalar.bytes())),
                    (Is::Type(scalar), Some("BITS")) => Some(i128::from(scalar.bits())),
                    _ => None,
                }
            }
            Expr::Unary(unary) => match unary.op {
                UnOp::Neg(_) => Some(-self.number(&unary.expr)?),
                UnOp::Not(_) => Some(i128::from(self.number(&unary.expr)? == 0)),
                _ => None,
            },
            Expr::Binary(binary) => {
                binary_number(&binary.op, self.number(&binary.left)?, self.number(&binary.right)?)
            }
            Expr::If(branch) => {
                let (_, otherwise) = branch.else_branch.as_ref()?;
                match self.number(&branch.cond)? {
                    0 => self.number(otherwise),
                    _ => self.block_number(&branch.then_branch),
                }
            }
            Expr::Block(block) if block.label.is_none() => self.block_number(&block.block),
            _ => None,
        }
    }

    fn block_number(&self, block: &syn::Block) -> Option<i128> {
        match block.stmts.as_slice() {
            [syn::Stmt::Expr(value, None)] => self.number(value),
            _ => None,
        }
    }
}

fn literal(lit: &ExprLit) -> Option<i128> {
    match &lit.lit {
        Lit::Int(int) => int.base10_parse().ok(),
        Lit::Bool(value) => Some(i128::from(value.value)),
        _ => None,
    }
}

fn binary_number(op: &BinOp, a: i128, b: i128) -> Option<i128> {
    match op {
        BinOp::Add(_) => a.checked_add(b),
        BinOp::Sub(_) => a.checked_sub(b),
        BinOp::Mul(_) => a.checked_mul(b),
        BinOp::Div(_) => a.checked_div(b),
        BinOp::Rem(_) => a.checked_rem(b),
        BinOp::Eq(_) => Some(i128::from(a == b)),
        BinOp::Ne(_) => Some(i128::from(a != b)),
        BinOp::Lt(_) => Some(i128::from(a < b)),
        BinOp::Le(_) => Some(i128::from(a <= b)),
        BinOp::Gt(_) => Some(i128::from(a > b)),
        BinOp::Ge(_) => Some(i128::from(a >= b)),
        BinOp::And(_) => Some(i128::from(a != 0 && b != 0)),
        BinOp::Or(_) => Some(i128::from(a != 0 || b != 0)),
        _ => None,
    }
}

/// `D = 64`.
#[derive(Clone)]
struct Binding {
    name: Ident,
    value: Expr,
}

impl Parse for Binding {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { name, value: input.parse()? })
    }
}

/// What stands between two commas of the list.
enum Part {
    /// `D = [64, 128]`: bindings of which an instance has one.
    Axis(Vec<Binding>),
    /// `(M = 64, N = 32)`.
    Tuple(Vec<Binding>),
}

impl Parse for Part {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(syn::token::Paren) {
            let tuple;
            parenthesized!(tuple in input);
            let bindings = Punctuated::<Binding, Token![,]>::parse_terminated(&tuple)?;
            return Ok(Self::Tuple(bindings.into_iter().collect()));
        }
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        let list;
        bracketed!(list in input);
        let values = Punctuated::<Expr, Token![,]>::parse_terminated(&list)?;
        let bind = |value| Binding { name: name.clone(), value };
        Ok(Self::Axis(values.into_iter().map(bind).collect()))
    }
}

/// The combinations of the parts.
fn combinations(parts: Punctuated<Part, Token![,]>) -> Vec<Vec<Binding>> {
    let mut axes: Vec<Vec<Vec<Binding>>> = Vec::new();
    let mut after_tuple = false;
    for part in parts {
        match part {
            Part::Axis(bindings) => {
                axes.push(bindings.into_iter().map(|binding| vec![binding]).collect());
                after_tuple = false;
            }
            Part::Tuple(bindings) => {
                match axes.last_mut() {
                    Some(axis) if after_tuple => axis.push(bindings),
                    Some(_) | None => axes.push(vec![bindings]),
                }
                after_tuple = true;
            }
        }
    }
    axes.into_iter().fold(vec![Vec::new()], |all, axis| {
        let with = |one: &Vec<Binding>| {
            let one = one.clone();
            axis.clone().into_iter().map(move |more| [one.clone(), more].concat())
        };
        all.iter().flat_map(with).collect()
    })
}

/// The instances of a kernel; none if they were reported.
pub(crate) fn instances(
    function: &ItemFn,
    arguments: &Arguments,
    diags: &mut Diags,
) -> Vec<Instance> {
    let generics = &function.sig.generics;
    let is_generic = generics.params.iter().any(|it| !matches!(it, GenericParam::Lifetime(_)));
    let before = diags.iter().len();
    let mut error = |at: SpanRange, message: String, help: &str| {
        diags.push(Diag::new(Code::BadAttribute, at, message).help(help));
    };
    let Some(list) = arguments.list("instances") else {
        if !is_generic {
            return vec![Instance::default()];
        }
        let message = "a generic kernel needs its instances".to_owned();
        error(SpanRange::of(&generics.params), message, &example(function));
        return Vec::new();
    };
    let parts = match Punctuated::<Part, Token![,]>::parse_terminated.parse2(list.clone()) {
        Ok(parts) => parts,
        Err(wrong) => {
            error(wrong.span().into(), wrong.to_string(), &example(function));
            return Vec::new();
        }
    };
    let mut found: Vec<Instance> = Vec::new();
    for bindings in combinations(parts) {
        let Some(instance) = instance(function, &bindings, arguments.at, diags) else { break };
        if found.iter().any(|known| known.text() == instance.text()) {
            let message = format!("the instance `{}` is named twice", instance.text());
            let at = bindings.first().map_or(arguments.at, |first| SpanRange::of(&first.value));
            diags.push(Diag::new(Code::BadAttribute, at, message).help("remove one of them"));
            break;
        }
        found.push(instance);
    }
    if diags.iter().len() > before { Vec::new() } else { found }
}

/// How a generic kernel names its instances.
fn example(function: &ItemFn) -> String {
    let params = function.sig.generics.params.iter().filter_map(|param| match param {
        GenericParam::Const(param) => Some(format!("{} = [64, 128]", param.ident)),
        GenericParam::Type(param) => Some(format!("{} = [f16, bf16]", param.ident)),
        GenericParam::Lifetime(_) => None,
    });
    let params: Vec<_> = params.collect();
    format!("write `#[gpu_kernel(.., instances({}))]`", params.join(", "))
}

fn instance(
    function: &ItemFn,
    bindings: &[Binding],
    at: SpanRange,
    diags: &mut Diags,
) -> Option<Instance> {
    let mut error = |at: SpanRange, message: String, help: String| {
        diags.push(Diag::new(Code::BadAttribute, at, message).help(help));
    };
    let name_of = |param: &GenericParam| match param {
        GenericParam::Const(param) => Some(param.ident.to_string()),
        GenericParam::Type(param) => Some(param.ident.to_string()),
        GenericParam::Lifetime(_) => None,
    };
    let params = &function.sig.generics.params;
    let names: Vec<String> = params.iter().filter_map(name_of).collect();
    for (i, binding) in bindings.iter().enumerate() {
        let name = binding.name.to_string();
        if !names.contains(&name) {
            let help = match nearest(&name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has `{}`", names.join("`, `")),
            };
            let message = format!("`{}` has no generic parameter `{name}`", function.sig.ident);
            error(binding.name.span().into(), message, help);
            return None;
        }
        if bindings[..i].iter().any(|other| other.name == name) {
            let message = format!("`{name}` is given twice");
            error(binding.name.span().into(), message, "remove one of them".to_owned());
            return None;
        }
    }
    let mut args = Vec::new();
    for param in params {
        let Some(name) = name_of(param) else { continue };
        let Some(binding) = bindings.iter().find(|binding| binding.name == name) else {
            error(at, format!("the instances do not say what `{name}` is"), example(function));
            return None;
        };
        match argument(param, &binding.value) {
            Ok(arg) => args.extend(arg),
            Err((message, help)) => {
                error(SpanRange::of(&binding.value), message, help);
                return None;
            }
        }
    }
    Some(Instance { args })
}

/// What a parameter is, or why it cannot be that.
fn argument(param: &GenericParam, expr: &Expr) -> Result<Option<Arg>, (String, String)> {
    match param {
        GenericParam::Const(param) => {
            let (ident, ty, expr) = (param.ident.clone(), param.ty.clone(), expr.clone());
            let Some(value) = value(&ty, &expr) else {
                let message = format!("this is no constant of the type of `{ident}`");
                return Err((message, "write a literal of that type".to_owned()));
            };
            Ok(Some(Arg { ident, is: Is::Const { ty, expr, value } }))
        }
        GenericParam::Type(param) => {
            let ident = param.ident.clone();
            let Some(scalar) = scalar(expr) else {
                let message = format!("`{ident}` is the name of a scalar type");
                return Err((message, "write `f16`, `bf16`, `f32`, ..".to_owned()));
            };
            // What is no class was reported at the signature.
            let classes = param.bounds.iter().filter_map(crate::parse::class_of);
            match classes.into_iter().find(|class| !class.contains(scalar)) {
                Some(class) => {
                    let message = format!("`{ident}` is {}, not `{scalar}`", class.words());
                    Err((message, "name a type of that class".to_owned()))
                }
                None => Ok(Some(Arg { ident, is: Is::Type(scalar) })),
            }
        }
        GenericParam::Lifetime(_) => Ok(None),
    }
}

/// The scalar type that a path names.
fn scalar(expr: &Expr) -> Option<Scalar> {
    match expr {
        Expr::Group(group) => scalar(&group.expr),
        Expr::Path(path) => Scalar::from_name(&path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

/// The value of a literal, or of its negation, if it fits the type.
fn value(ty: &syn::Type, expr: &Expr) -> Option<i128> {
    let syn::Type::Path(path) = ty else { return None };
    let scalar = Scalar::from_name(&path.path.get_ident()?.to_string())?;
    let is_bool = matches!(expr, Expr::Lit(ExprLit { lit: Lit::Bool(_), .. }));
    let value = Instance::default().number(expr)?;
    let fits = match scalar {
        Scalar::Bool => is_bool,
        _ if scalar.is_int() => {
            let (low, high) = scalar.int_range();
            !is_bool && (low..=high).contains(&value)
        }
        _ => false,
    };
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::TokenStream;
    use quote::quote;

    fn read(attr: TokenStream) -> Result<Vec<String>, Vec<Diag>> {
        let function: ItemFn = syn::parse2(quote!(
            fn k<const M: u32, const N: i32, const C: bool>() {}
        ))
        .unwrap();
        let mut diags = Diags::new();
        let arguments = crate::attr::read(attr, &mut diags);
        let found = instances(&function, &arguments, &mut diags);
        let entry = |instance: &Instance| instance.entry(&function.sig.ident);
        let entries = found.iter().map(entry).collect();
        if diags.is_empty() { Ok(entries) } else { Err(diags.take()) }
    }

    #[test]
    fn lists_are_combined() {
        let entries = read(quote!(instances(M = [1, 2], N = [-3, 4], C = [true]))).unwrap();
        assert_eq!(entries, ["k_1_m3_true", "k_1_4_true", "k_2_m3_true", "k_2_4_true"]);
    }

    #[test]
    fn tuples_are_one_axis() {
        let attr = quote!(instances((M = 1, N = 2), (M = 3, N = 4), C = [true, false]));
        let entries = read(attr).unwrap();
        assert_eq!(entries, ["k_1_2_true", "k_1_2_false", "k_3_4_true", "k_3_4_false"]);
    }

    #[test]
    fn mistakes_are_reported() {
        for (attr, part) in [
            (quote!(instances(M = [1], N = [2])), "do not say what `C` is"),
            (quote!(instances(M = [1], N = [2], C = [1])), "no constant of the type of `C`"),
            (quote!(instances(M = [-1], N = [2], C = [true])), "no constant of the type of `M`"),
            (quote!(instances(M = [1, 1], N = [2], C = [true])), "twice"),
            (quote!(instances(M = [1], N = [2], C = [true], D = [1])), "no generic parameter `D`"),
            (quote!(), "needs its instances"),
        ] {
            let diags = read(attr).unwrap_err();
            assert!(diags.iter().any(|diag| diag.message.contains(part)), "{part}: {diags:?}");
        }
    }

    #[test]
    fn expressions_of_parameters_have_values() {
        let instance = |text: &str| {
            let (ident, ty) = (syn::parse_str("M").unwrap(), syn::parse_str("u32").unwrap());
            let is = Is::Const { ty, expr: syn::parse_str("64").unwrap(), value: 64 };
            Instance { args: vec![Arg { ident, is }] }.number(&syn::parse_str(text).unwrap())
        };
        assert_eq!(instance("M / 16 * 32"), Some(128));
        assert_eq!(instance("if M >= 128 { 2 } else { (M - 1) % 32 }"), Some(31));
        assert_eq!(instance("M / 0"), None);
        assert_eq!(instance("N"), None);
    }
}
