//! Methods of floats.

use super::super::{Lower, Val};
use crate::hir::{Call, SpanRange, Ty};

impl Lower<'_> {
    pub(super) fn float(&mut self, call: &Call, _ty: &Ty, _span: SpanRange) -> Val {
        unreachable!("`{:?}` has no lowering", call.op)
    }
}
