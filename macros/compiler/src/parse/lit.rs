//! Literals.

use super::Parser;
use crate::ast::{Expr, ExprKind, Lit};
use crate::diag::Code;
use crate::value::Scalar;

impl Parser<'_, '_> {
    pub(super) fn lit(&mut self, lit: &syn::Lit) -> Expr {
        let span = lit.span();
        match self.lit_value(lit) {
            Some(value) => self.node(ExprKind::Lit(value), span),
            None => self.error_node(span),
        }
    }

    fn lit_value(&mut self, lit: &syn::Lit) -> Option<Lit> {
        match lit {
            syn::Lit::Bool(lit) => Some(Lit::Bool(lit.value)),
            syn::Lit::Int(lit) => {
                let suffix = self.suffix(lit.suffix(), lit.span())?;
                let Ok(value) = lit.base10_digits().parse() else {
                    let help = "the largest type has 64 bits";
                    let message = "the number does not fit any type";
                    self.error(Code::LiteralOutOfRange, lit.span(), message, help);
                    return None;
                };
                Some(Lit::Int(value, suffix))
            }
            syn::Lit::Float(lit) => {
                let suffix = self.suffix(lit.suffix(), lit.span())?;
                Some(Lit::Float(lit.base10_digits().to_owned(), suffix))
            }
            syn::Lit::Byte(lit) => Some(Lit::Int(u128::from(lit.value()), Some(Scalar::U8))),
            _ => {
                let help = "kernels have numbers, `true` and `false`";
                self.unsupported(lit.span(), "text", help);
                None
            }
        }
    }

    /// The type that a suffix names. `Some(None)` without a suffix, `None` for one that was
    /// reported.
    fn suffix(&mut self, suffix: &str, span: proc_macro2::Span) -> Option<Option<Scalar>> {
        if suffix.is_empty() {
            return Some(None);
        }
        let scalar = Scalar::from_name(suffix.trim_start_matches('_'));
        if scalar.is_none() || scalar == Some(Scalar::Bool) {
            let message = format!("`{suffix}` is not a type of numbers");
            self.error(Code::UnknownType, span, message, "use a suffix such as `u32` or `f32`");
            return None;
        }
        Some(scalar)
    }
}
