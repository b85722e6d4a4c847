//! Reductions over a warp and a block.

use super::super::{Lower, Val};
use crate::hir::{Call, SpanRange, Ty};

impl Lower<'_> {
    pub(super) fn reduce(&mut self, call: &Call, _ty: &Ty, _span: SpanRange) -> Val {
        unreachable!("`{:?}` has no lowering", call.op)
    }
}
