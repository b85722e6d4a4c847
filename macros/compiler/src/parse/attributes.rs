//! Attributes inside of the body: those of loops, those for rustc's lints, and no others.
//!
//! One that is not known must not be ignored: a statement under `#[cfg(..)]` would run anyway.

use syn::Attribute;
use syn::visit::{self, Visit};

use super::Parser;
use crate::diag::Code;
use crate::span::SpanRange;

/// Attributes that rustc reads in the shadow function.
const LINTS: [&str; 7] = ["allow", "expect", "warn", "deny", "forbid", "doc", "rustfmt"];
/// Attributes of `for` loops.
const LOOPS: [&str; 2] = ["unroll", "no_unroll"];

fn first_name(attr: &Attribute) -> String {
    attr.path().segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

/// Whether rustc reads the attribute in the shadow function.
pub(super) fn is_lint(attr: &Attribute) -> bool {
    LINTS.contains(&first_name(attr).as_str())
}

/// Whether it is an attribute of loops.
fn is_loop(attr: &Attribute) -> bool {
    LOOPS.contains(&first_name(attr).as_str())
}

impl Parser<'_, '_> {
    /// Reports every attribute of the body that means nothing where it stands.
    pub(super) fn check_attributes(&mut self, body: &syn::Block) {
        Attributes(self).visit_block(body);
    }
}

struct Attributes<'a, 'b, 'c>(&'a mut Parser<'b, 'c>);

impl<'ast> Visit<'ast> for Attributes<'_, '_, '_> {
    fn visit_expr_for_loop(&mut self, it: &'ast syn::ExprForLoop) {
        // Its loop attributes are read with the loop.
        for attr in it.attrs.iter().filter(|attr| !is_loop(attr)) {
            self.visit_attribute(attr);
        }
        self.visit_pat(&it.pat);
        self.visit_expr(&it.expr);
        self.visit_block(&it.body);
    }

    fn visit_item(&mut self, it: &'ast syn::Item) {
        // Other items are reported as a whole.
        if matches!(it, syn::Item::Const(_)) {
            visit::visit_item(self, it);
        }
    }

    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        let (message, help) = if is_lint(attr) {
            return;
        } else if is_loop(attr) {
            ("a loop attribute stands on a `for` loop", "move it to the loop or remove it")
        } else {
            ("kernels do not have this attribute", "remove it")
        };
        self.0.error(Code::BadLoopAttribute, SpanRange::of(attr), message, help);
    }
}
