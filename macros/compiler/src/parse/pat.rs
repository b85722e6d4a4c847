//! Patterns of `let`, `for` and `match`.

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::Parser;
use super::path::is_constant_name;
use super::scope::Def;
use crate::ast::{LocalDecl, Pat, PatKind};
use crate::diag::Code;
use crate::hir::LocalId;
use crate::span::SpanRange;

/// Where a pattern stands, which decides what it may contain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// `let` with a value: names, `_` and tuples.
    Let,
    /// `let` without a value: one name.
    Deferred,
    /// `for`: a name or `_`.
    For,
    /// `match`: everything.
    Match,
    /// Inside of `a | b`: no names.
    Or,
}

impl Parser<'_, '_> {
    /// Reads a pattern and defines its names in the innermost scope.
    pub(super) fn pat(&mut self, pat: &syn::Pat, at: At) -> Pat {
        let span = SpanRange::of(pat);
        let kind = self.pat_kind(pat, at, span);
        Pat { id: self.node_id(), kind, span }
    }

    fn pat_kind(&mut self, pat: &syn::Pat, at: At, span: SpanRange) -> PatKind {
        match pat {
            syn::Pat::Paren(paren) => return self.pat(&paren.pat, at).kind,
            syn::Pat::Ident(ident) => return self.pat_ident(ident, at, span),
            syn::Pat::Wild(_) if at != At::Deferred => return PatKind::Wild,
            syn::Pat::Tuple(tuple) if matches!(at, At::Let | At::Match | At::Or) => {
                return PatKind::Tuple(tuple.elems.iter().map(|elem| self.pat(elem, at)).collect());
            }
            syn::Pat::Struct(_) | syn::Pat::TupleStruct(_)
                if matches!(at, At::Let | At::Match | At::Or) =>
            {
                if let Some(kind) = self.struct_pat(pat, at) {
                    return kind;
                }
            }
            _ => {}
        }
        if matches!(at, At::Match | At::Or)
            && let Some(kind) = self.refutable(pat)
        {
            return kind;
        }
        let (what, help) = match at {
            At::Let => ("bound by `let`", "use names and tuples of names"),
            At::Deferred => ("declared without a value", "declare one name at a time"),
            At::For => ("bound by `for`", "use a name or `_`"),
            At::Match | At::Or => {
                ("matched", "use literals, ranges, constants, tuples, names, `|` and `_`")
            }
        };
        let message = format!("this pattern cannot be {what} in a kernel");
        self.error(Code::BadPattern, span, message, help);
        self.bad_pat(pat).kind
    }

    /// A pattern that was reported: its names exist and mean nothing.
    pub(super) fn bad_pat(&mut self, pat: &syn::Pat) -> Pat {
        struct Names<'a>(&'a mut super::Scopes);
        impl<'ast> Visit<'ast> for Names<'_> {
            fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
                self.0.define(pat.ident.to_string(), Def::Error);
                syn::visit::visit_pat_ident(self, pat);
            }
        }
        Names(&mut self.scopes).visit_pat(pat);
        Pat { id: self.node_id(), kind: PatKind::Error, span: SpanRange::of(pat) }
    }

    fn refutable(&mut self, pat: &syn::Pat) -> Option<PatKind> {
        match pat {
            syn::Pat::Lit(lit) => Some(PatKind::Value(self.lit_pat(lit))),
            syn::Pat::Path(path) => {
                Some(PatKind::Value(self.const_expr(&syn::Expr::Path(path.clone()))))
            }
            syn::Pat::Range(range) => Some(PatKind::Range {
                start: range.start.as_ref().map(|start| self.const_expr(start)),
                end: range.end.as_ref().map(|end| self.const_expr(end)),
                inclusive: matches!(range.limits, syn::RangeLimits::Closed(_)),
            }),
            syn::Pat::Or(or) => {
                Some(PatKind::Or(or.cases.iter().map(|case| self.pat(case, At::Or)).collect()))
            }
            _ => None,
        }
    }

    fn lit_pat(&mut self, lit: &syn::ExprLit) -> crate::ast::Expr {
        self.const_expr(&syn::Expr::Lit(lit.clone()))
    }

    /// A name binds, unless it is that of a constant.
    fn pat_ident(&mut self, pat: &syn::PatIdent, at: At, span: SpanRange) -> PatKind {
        let name = pat.ident.to_string();
        if let Some(by_ref) = &pat.by_ref {
            self.error(
                Code::BadPattern,
                by_ref.span(),
                "kernels have no references",
                "remove `ref`",
            );
        }
        if matches!(at, At::Match | At::Or)
            && pat.subpat.is_none()
            && let Some(Ok(Def::Const(id))) = self.scopes.find(&name)
        {
            let kind = crate::ast::ExprKind::Const(id, pat.ident.clone().into());
            return PatKind::Value(self.node(kind, span));
        }
        if matches!(at, At::Match | At::Or)
            && pat.subpat.is_none()
            && self.scopes.find(&name).is_none()
            && is_constant_name(&name)
        {
            return PatKind::Value(self.device_const(&pat.ident.clone().into()));
        }
        if at == At::Or {
            let message = "the alternatives of `|` cannot bind names";
            self.error(Code::BadPattern, span, message, "write one arm for each alternative");
            self.scopes.define(name, Def::Error);
            return PatKind::Error;
        }
        let inner = pat.subpat.as_ref().map(|(_, inner)| Box::new(self.pat(inner, at)));
        if inner.is_some() && at != At::Match {
            let message = "`@` stands in a `match` only";
            self.error(Code::BadPattern, span, message, "bind the name alone");
        }
        PatKind::Bind(self.bind(pat, at == At::Deferred), inner)
    }

    fn bind(&mut self, pat: &syn::PatIdent, deferred: bool) -> LocalId {
        let local = self.declare_local(LocalDecl {
            ident: pat.ident.clone(),
            mutable: pat.mutability.is_some(),
            deferred,
            param: None,
            reference: None,
        });
        self.scopes.define(pat.ident.to_string(), Def::Local(local));
        local
    }
}
