//! `%` of floats: exact, as Rust's, which no instruction computes.

use firesteel_ptx::ir::Reg;

use super::{Lower, Operand};
use crate::hir::Scalar;

impl Lower<'_> {
    /// `a % b`: `a` minus as many `b` as fit, with the sign of `a`.
    pub(super) fn float_rem(&mut self, ty: Scalar, a: Operand, b: Operand) -> Operand {
        let _: Option<Reg> = None;
        let _ = (ty, a, b);
        unreachable!("written below")
    }
}
