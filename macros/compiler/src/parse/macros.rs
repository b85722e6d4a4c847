//! The macros of kernels: `shared_mem!`, `dynamic_shared!`, `assert!` and `gpu_println!`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{LitInt, LitStr, Token};

use super::Parser;
use super::scope::Def;
use crate::ast::{Expr, ExprKind, SharedDecl, Stmt, TyExpr, TyExprKind};
use crate::diag::{Code, nearest};
use crate::hir::{Memory, SharedId};
use crate::span::SpanRange;
use crate::value::BinOp;

const MACROS: [&str; 6] =
    ["shared_mem", "dynamic_shared", "assert", "assert_eq", "assert_ne", "gpu_println"];
/// Shared arrays are aligned for the widest access.
const SHARED_ALIGN: u32 = 16;
/// What the swizzle patterns of tensor copies repeat after.
const MOST_SHARED_ALIGN: u32 = 1024;
const SHARED_HELP: &str = "write `let tile = shared_mem![f32; 256];`";
const DYNAMIC_HELP: &str = "write `let tile = dynamic_shared![f32];`";
const PRINT_HELP: &str = "write `gpu_println!(\"x = {}\", x)`";

fn name_of(mac: &syn::Macro) -> String {
    mac.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
}

/// The macro call if the expression is one that makes a shared array.
pub(super) fn shared_array(expr: &syn::Expr) -> Option<&syn::Macro> {
    match expr {
        syn::Expr::Group(group) => shared_array(&group.expr),
        syn::Expr::Macro(expr) => {
            let name = name_of(&expr.mac);
            matches!(name.as_str(), "shared_mem" | "dynamic_shared").then_some(&expr.mac)
        }
        _ => None,
    }
}

fn whole(mac: &syn::Macro) -> SpanRange {
    SpanRange::of(mac)
}

impl Parser<'_, '_> {
    /// A macro that is not the value of a `let`.
    pub(super) fn macro_call(&mut self, mac: &syn::Macro) -> Expr {
        let name = name_of(mac);
        match name.as_str() {
            "assert" | "debug_assert" => self.assert(mac),
            "assert_eq" => self.assert_compare(mac, BinOp::Eq),
            "assert_ne" => self.assert_compare(mac, BinOp::Ne),
            "gpu_println" => self.print(mac),
            "shared_mem" | "dynamic_shared" => {
                let message = format!("`{name}!` is the value of a `let`");
                self.error(Code::BadSharedMemory, whole(mac), message, SHARED_HELP);
                self.error_node(whole(mac))
            }
            _ => {
                let near = if matches!(name.as_str(), "print" | "println" | "eprintln" | "dbg") {
                    Some("gpu_println")
                } else {
                    nearest(&name, MACROS)
                };
                let help = match near {
                    Some(near) => format!("did you mean `{near}!`?"),
                    None => "kernels have `shared_mem!`, `assert!` and `gpu_println!`".to_owned(),
                };
                let at = SpanRange::of(&mac.path);
                self.error(
                    Code::UnknownMacro,
                    at,
                    format!("kernels have no macro `{name}!`"),
                    help,
                );
                self.error_node(whole(mac))
            }
        }
    }

    /// `let name = shared_mem![T; N];`
    pub(super) fn shared_let(
        &mut self,
        pat: &syn::Pat,
        ty: Option<&syn::Type>,
        mac: &syn::Macro,
        span: SpanRange,
    ) -> Stmt {
        if let Some(ty) = ty {
            self.type_not_wanted(ty);
        }
        let fallback = Ident::new("_", Span::call_site());
        let ident = match pat {
            syn::Pat::Ident(pat) => pat.ident.clone(),
            other => {
                let message = "a shared array is bound to one name";
                self.error(Code::BadSharedMemory, other.span(), message, SHARED_HELP);
                fallback
            }
        };
        let dynamic = name_of(mac) == "dynamic_shared";
        let (elem, len, align) = if dynamic {
            let (elem, align) = self.dynamic_array(mac);
            (elem, None, align)
        } else {
            match self.static_array(mac) {
                Some((elem, len, align)) => (Some(elem), Some(len), align),
                None => (None, None, SHARED_ALIGN),
            }
        };
        let id = SharedId(self.shared.len());
        if dynamic && self.shared.iter().any(|shared| shared.len.is_none()) {
            let message = "a kernel has one dynamic shared array";
            let help = "all dynamic shared memory is one piece: split the array by index";
            self.error(Code::BadSharedMemory, whole(mac), message, help);
        }
        let name = ident.to_string();
        let unknown = TyExpr { kind: TyExprKind::Error, span: whole(mac) };
        let elem = elem.unwrap_or(unknown);
        self.shared.push(SharedDecl { ident, elem, len, align, span: whole(mac) });
        self.scopes.define(name, Def::Memory(Memory::Shared(id)));
        Stmt::Shared(id, span)
    }

    /// `T` or `T, align = 1024`.
    fn dynamic_array(&mut self, mac: &syn::Macro) -> (Option<TyExpr>, u32) {
        let parse = |input: ParseStream<'_>| Ok((input.parse::<syn::Type>()?, align(input)?));
        let Some((ty, align)) = self.macro_input(mac, Code::BadSharedMemory, DYNAMIC_HELP, parse)
        else {
            return (None, SHARED_ALIGN);
        };
        let mut elem = self.shared_elem(&ty);
        if elem.as_ref().is_some_and(|elem| matches!(elem.kind, TyExprKind::Struct(..))) {
            let message = "the elements of a dynamic shared array are scalars";
            let help = "use a static one, or read the fields from scalars";
            self.error(Code::BadSharedMemory, ty.span(), message, help);
            elem = None;
        }
        (elem, self.alignment(align.as_ref()))
    }

    /// `T; N` or `T; N, align = 1024`.
    fn static_array(&mut self, mac: &syn::Macro) -> Option<(TyExpr, crate::ast::ConstId, u32)> {
        let parse = |input: ParseStream<'_>| {
            let ty: syn::Type = input.parse()?;
            input.parse::<Token![;]>()?;
            Ok((ty, input.parse::<syn::Expr>()?, align(input)?))
        };
        let (ty, len, align) = self.macro_input(mac, Code::BadSharedMemory, SHARED_HELP, parse)?;
        let elem = self.shared_elem(&ty)?;
        let align = self.alignment(align.as_ref());
        Some((elem, self.anonymous_const(TyExprKind::Infer, &len), align))
    }

    /// The alignment of a shared array, at least that of the widest access.
    fn alignment(&mut self, written: Option<&LitInt>) -> u32 {
        let Some(written) = written else {
            return SHARED_ALIGN;
        };
        match written.base10_parse::<u32>() {
            Ok(align) if align.is_power_of_two() && align <= MOST_SHARED_ALIGN => {
                align.max(SHARED_ALIGN)
            }
            Ok(_) | Err(_) => {
                let message = format!("a shared array cannot be aligned to {written}");
                let help = "an alignment is a power of two up to 1024";
                self.error(Code::BadSharedMemory, written.span(), message, help);
                SHARED_ALIGN
            }
        }
    }

    fn shared_elem(&mut self, ty: &syn::Type) -> Option<TyExpr> {
        let elem = self.ty(ty);
        match elem.kind {
            TyExprKind::Scalar(_) | TyExprKind::Param(..) => Some(elem),
            TyExprKind::Struct(id, _) if self.structs[id.0].in_memory => Some(elem),
            TyExprKind::Struct(id, _) => {
                self.not_in_memory(id, Code::BadSharedMemory, SpanRange::of(ty));
                None
            }
            TyExprKind::Error => None,
            _ => {
                let message = "the elements of a shared array are scalars or structs";
                self.error(Code::BadSharedMemory, ty.span(), message, SHARED_HELP);
                None
            }
        }
    }

    /// Parses the tokens of a macro; what is wrong with them is reported.
    fn macro_input<T>(
        &mut self,
        mac: &syn::Macro,
        code: Code,
        help: &str,
        parse: impl Fn(ParseStream<'_>) -> syn::Result<T>,
    ) -> Option<T> {
        match parse.parse2(mac.tokens.clone()) {
            Ok(value) => Some(value),
            Err(_) => {
                let message = format!("wrong arguments of `{}!`", name_of(mac));
                self.error(code, whole(mac), message, help);
                None
            }
        }
    }

    fn assert(&mut self, mac: &syn::Macro) -> Expr {
        let parse = |input: ParseStream<'_>| {
            let cond: syn::Expr = input.parse()?;
            let comma = input.parse::<Option<Token![,]>>()?;
            let message: Option<LitStr> =
                if comma.is_some() && !input.is_empty() { Some(input.parse()?) } else { None };
            input.parse::<Option<Token![,]>>()?;
            Ok((cond, message))
        };
        let help = "write `assert!(condition, \"message\")`; the message takes no values";
        let Some((cond, message)) = self.macro_input(mac, Code::BadFormat, help, parse) else {
            return self.error_node(whole(mac));
        };
        let message = match message {
            Some(message) => message.value(),
            None => format!("assertion failed: {}", source(&cond)),
        };
        let cond = self.expr(&cond);
        self.node(ExprKind::Assert(Box::new(cond), message), whole(mac))
    }

    fn assert_compare(&mut self, mac: &syn::Macro, op: BinOp) -> Expr {
        let help = "write `assert_eq!(left, right)`";
        let parse = Punctuated::<syn::Expr, Token![,]>::parse_terminated;
        let pair = self.macro_input(mac, Code::BadFormat, help, parse);
        let Some((left, right)) = pair.and_then(|pair| {
            let mut pair = pair.into_iter();
            let both = (pair.next()?, pair.next()?);
            pair.next().is_none().then_some(both)
        }) else {
            let message = format!("wrong arguments of `{}!`", name_of(mac));
            if self.diags.iter().last().is_none_or(|diag| diag.message != message) {
                self.error(Code::BadFormat, whole(mac), message, help);
            }
            return self.error_node(whole(mac));
        };
        let symbol = op.symbol();
        let message = format!("assertion failed: {} {symbol} {}", source(&left), source(&right));
        let (left, right) = (self.expr(&left), self.expr(&right));
        let kind = ExprKind::Binary(op, whole(mac), Box::new(left), Box::new(right));
        let cond = self.node(kind, whole(mac));
        self.node(ExprKind::Assert(Box::new(cond), message), whole(mac))
    }

    fn print(&mut self, mac: &syn::Macro) -> Expr {
        let parse = |input: ParseStream<'_>| {
            let format: LitStr = input.parse()?;
            input.parse::<Option<Token![,]>>()?;
            Ok((format, Punctuated::<syn::Expr, Token![,]>::parse_terminated(input)?))
        };
        let Some((format, args)) = self.macro_input(mac, Code::BadFormat, PRINT_HELP, parse) else {
            return self.error_node(whole(mac));
        };
        let mut args: Vec<Expr> = args.iter().map(|arg| self.expr(arg)).collect();
        let (n_written, mut used) = (args.len(), 0);
        let mut text = String::new();
        let pieces = match pieces(&format.value()) {
            Ok(pieces) => pieces,
            Err(message) => {
                self.error(Code::BadFormat, format.span(), message, PRINT_HELP);
                return self.node(ExprKind::Error(args), whole(mac));
            }
        };
        let mut inline = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(part) => text.push_str(&part),
                Piece::Hole { name: None, spec } => {
                    inline.push(None);
                    text.push_str(&hole(&spec));
                    used += 1;
                }
                Piece::Hole { name: Some(name), spec } => {
                    inline.push(Some(name));
                    text.push_str(&hole(&spec));
                }
            }
        }
        if used != n_written {
            let message =
                format!("the format has {} for {}", count(used, "hole"), count(n_written, "value"));
            self.error(Code::BadFormat, format.span(), message, "write one `{}` for each value");
        }
        let mut written = std::mem::take(&mut args).into_iter();
        for name in inline {
            match name {
                None => args.extend(written.next()),
                Some(name) => {
                    let name = Ident::new(&name, format.span());
                    let path = syn::ExprPath { attrs: vec![], qself: None, path: name.into() };
                    args.push(self.expr(&syn::Expr::Path(path)));
                }
            }
        }
        args.extend(written);
        self.node(ExprKind::Print(text, args), whole(mac))
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn hole(spec: &str) -> String {
    if spec.is_empty() { "{}".to_owned() } else { format!("{{:{spec}}}") }
}

/// The source of an expression on one line, as near to what was written as tokens tell.
fn source(expr: &syn::Expr) -> String {
    let tokens: TokenStream = expr.to_token_stream();
    expr.span().source_text().unwrap_or_else(|| tokens.to_string())
}

enum Piece {
    /// Text, with its doubled braces.
    Text(String),
    /// `{name:spec}`.
    Hole { name: Option<String>, spec: String },
}

/// Takes a format string apart.
fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                pieces.push(Piece::Text(format!("{c}{c}")));
            }
            '}' => return Err("the format has a `}` without a `{`".to_owned()),
            '{' => {
                let mut inside = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some(c) => inside.push(c),
                        None => return Err("the format has a `{` without a `}`".to_owned()),
                    }
                }
                pieces.push(hole_of(&inside)?);
            }
            c => pieces.push(Piece::Text(c.to_string())),
        }
    }
    Ok(pieces)
}

fn hole_of(inside: &str) -> Result<Piece, String> {
    let (name, spec) = inside.split_once(':').unwrap_or((inside, ""));
    let (name, spec) = (name.trim(), spec.trim());
    if !spec.chars().all(|c| c.is_ascii_digit() || "<>^+#.xXboe?".contains(c)) {
        return Err(format!("kernels cannot print with the format `{spec}`"));
    }
    let is_name = name.chars().next().is_none_or(|c| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !is_name {
        return Err(format!("`{name}` is not a variable to print"));
    }
    let name = (!name.is_empty()).then(|| name.to_owned());
    Ok(Piece::Hole { name, spec: spec.to_owned() })
}

/// `, align = 1024` behind a shared array's type and length, or nothing.
fn align(input: ParseStream<'_>) -> syn::Result<Option<LitInt>> {
    if input.parse::<Option<Token![,]>>()?.is_none() {
        return Ok(None);
    }
    let word: Ident = input.parse()?;
    if word != "align" {
        return Err(syn::Error::new(word.span(), "not an alignment"));
    }
    input.parse::<Token![=]>()?;
    input.parse().map(Some)
}
