//! Assignment: to one place, or to the places of a pattern.
//!
//! `(a, b) = f();` stands for `{ let (part, part) = f(); a = part; b = part; }`, as in Rust
//! (Reference, "Destructuring assignments"): the value first, then the places from left to right.

use proc_macro2::Ident;
use quote::{format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{FieldValue, Pat, RangeLimits};

use super::Parser;
use super::expr::ungroup;
use crate::ast::{Expr, ExprKind};
use crate::diag::Code;
use crate::span::SpanRange;

/// The statements that an assignment to a pattern stands for.
#[derive(Default)]
struct Parts {
    n_names: usize,
    /// After the `let`.
    stmts: Vec<syn::Stmt>,
}

impl Parser<'_, '_> {
    pub(super) fn assignment(&mut self, assign: &syn::ExprAssign) -> Expr {
        if !is_pattern(&assign.left) {
            let (left, right) = (self.expr(&assign.left), self.expr(&assign.right));
            self.not_captured(&left);
            let span = left.span.to(right.span);
            return self.node(ExprKind::Assign(Box::new(left), Box::new(right)), span);
        }
        let mut parts = Parts::default();
        let pat = match parts.pattern(&assign.left) {
            Ok(pat) => pat,
            Err(at) => {
                let message = "this cannot be assigned in a kernel";
                let help = "use places, `_`, tuples, arrays and structs of those";
                self.error(Code::BadPattern, at, message, help);
                let value = self.expr(&assign.right);
                return self.node(ExprKind::Error(vec![value]), SpanRange::of(assign));
            }
        };
        let (value, stmts) = (&assign.right, &parts.stmts);
        let span = assign.eq_token.span();
        self.expr(&syn::parse_quote_spanned!(span=> { let #pat = #value; #(#stmts)* }))
    }
}

/// Whether the left side is no place.
fn is_pattern(left: &syn::Expr) -> bool {
    matches!(
        strip(left),
        syn::Expr::Tuple(_)
            | syn::Expr::Array(_)
            | syn::Expr::Struct(_)
            | syn::Expr::Call(_)
            | syn::Expr::Infer(_)
    )
}

/// An expression without what only holds it together.
fn strip(expr: &syn::Expr) -> &syn::Expr {
    match ungroup(expr) {
        syn::Expr::Paren(paren) => strip(&paren.expr),
        other => other,
    }
}

impl Parts {
    /// The pattern that a left side is, with names in place of its places; or where it is none.
    fn pattern(&mut self, left: &syn::Expr) -> Result<Pat, SpanRange> {
        let span = left.span();
        Ok(match strip(left) {
            syn::Expr::Infer(_) => syn::parse_quote_spanned!(span=> _),
            syn::Expr::Tuple(tuple) => {
                let pats = self.patterns(&tuple.elems)?;
                syn::parse_quote_spanned!(span=> (#(#pats,)*))
            }
            syn::Expr::Call(call) => {
                let (path, pats) = (&call.func, self.patterns(&call.args)?);
                let syn::Expr::Path(_) = ungroup(path) else { return Err(SpanRange::of(path)) };
                syn::parse_quote_spanned!(span=> #path(#(#pats),*))
            }
            syn::Expr::Struct(of) => {
                if let Some(rest) = &of.rest {
                    return Err(SpanRange::of(rest));
                }
                let fields = of.fields.iter().map(|field| self.field(field));
                let fields = fields.collect::<Result<Vec<_>, _>>()?;
                let (path, rest) = (&of.path, &of.dot2_token);
                syn::parse_quote_spanned!(span=> #path { #(#fields,)* #rest })
            }
            syn::Expr::Array(array) => self.array(array, span)?,
            syn::Expr::Range(range) if matches!(range.limits, RangeLimits::HalfOpen(_)) => {
                return Err(SpanRange::of(range));
            }
            place => {
                let name = self.name(span);
                self.stmts.push(syn::parse_quote_spanned!(span=> #place = #name;));
                binding(&name)
            }
        })
    }

    fn patterns<'e>(
        &mut self,
        parts: impl IntoIterator<Item = &'e syn::Expr>,
    ) -> Result<Vec<Pat>, SpanRange> {
        parts.into_iter().map(|part| self.pattern(part)).collect()
    }

    fn field(&mut self, field: &FieldValue) -> Result<proc_macro2::TokenStream, SpanRange> {
        let (member, pat) = (&field.member, self.pattern(&field.expr)?);
        Ok(quote_spanned!(field.span()=> #member: #pat))
    }

    /// An array is taken apart by its indices: kernels have no patterns for it.
    fn array(&mut self, array: &syn::ExprArray, span: proc_macro2::Span) -> Result<Pat, SpanRange> {
        let (whole, len) = (self.name(span), array.elems.len());
        self.stmts.push(syn::parse_quote_spanned!(span=> let #whole: [_; #len] = #whole;));
        for (i, part) in array.elems.iter().enumerate() {
            // The places come after what gives them their values.
            let at = self.stmts.len();
            let (pat, span) = (self.pattern(part)?, part.span());
            self.stmts.insert(at, syn::parse_quote_spanned!(span=> let #pat = #whole[#i];));
        }
        Ok(binding(&whole))
    }

    fn name(&mut self, span: proc_macro2::Span) -> Ident {
        self.n_names += 1;
        format_ident!("__part{}", self.n_names, span = span)
    }
}

fn binding(name: &Ident) -> Pat {
    syn::parse_quote!(#name)
}
