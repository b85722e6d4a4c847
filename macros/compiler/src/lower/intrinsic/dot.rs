//! Dot products of bytes.

use firesteel_ptx::isa::{Dp2a, Dp4a};
use firesteel_ptx::modifier::Half;
use firesteel_ptx::operand::Use;
use firesteel_ptx::ty::{Int32Ty, Ty as PtxTy};

use super::super::{Lower, Val};
use crate::hir::{Call, Op, SpanRange, Ty};

use Int32Ty::{S32, U32};

impl Lower<'_> {
    pub(super) fn dot(&mut self, call: &Call, _ty: &Ty, _span: SpanRange) -> Val {
        let (half, aty, bty) = match call.op {
            Op::Dp4aSS => (None, S32, S32),
            Op::Dp4aSU => (None, S32, U32),
            Op::Dp4aUS => (None, U32, S32),
            Op::Dp4aUU => (None, U32, U32),
            Op::Dp2aLoSS => (Some(Half::Lo), S32, S32),
            Op::Dp2aLoSU => (Some(Half::Lo), S32, U32),
            Op::Dp2aLoUS => (Some(Half::Lo), U32, S32),
            Op::Dp2aLoUU => (Some(Half::Lo), U32, U32),
            Op::Dp2aHiSS => (Some(Half::Hi), S32, S32),
            Op::Dp2aHiSU => (Some(Half::Hi), S32, U32),
            Op::Dp2aHiUS => (Some(Half::Hi), U32, S32),
            Op::Dp2aHiUU => (Some(Half::Hi), U32, U32),
            other => unreachable!("`{other:?}` is no dot product"),
        };
        let [a, b, c] = self.three(call).map(Use);
        let b32 = PtxTy::B32;
        match half {
            None => self.pure(b32, |d| Dp4a { aty, bty, d, a, b, c }).into(),
            Some(half) => self.pure(b32, |d| Dp2a { half, aty, bty, d, a, b, c }).into(),
        }
    }
}
