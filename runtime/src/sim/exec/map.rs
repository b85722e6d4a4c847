//! Actions that map registers to registers, lane by lane.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::operand::{PairDef, Value};

use super::{Decoded, Decoder, Predicate};
use crate::sim::program::Action;
use crate::sim::registers::{Lane, Registers, ballot};

/// An action that touches registers alone and cannot fail.
pub(super) fn compute(run: impl Fn(&mut Registers, u32) + Send + Sync + 'static) -> Decoded {
    Ok(Action::Compute(Box::new(run)))
}

impl Decoder<'_> {
    /// `d = f(a)`.
    pub(super) fn map1<A: Lane, D: Lane>(
        &mut self,
        d: Reg,
        a: &Value,
        f: impl Fn(A) -> D + Send + Sync + 'static,
    ) -> Decoded {
        let (d, a) = (self.def::<D>(d)?, self.value::<A>(a)?);
        compute(move |regs, mask| {
            let a = A::load(regs, a);
            D::store(regs, d, mask, |lane| f(a[lane]));
        })
    }

    /// `d = f(a, b)`.
    pub(super) fn map2<A: Lane, B: Lane, D: Lane>(
        &mut self,
        d: Reg,
        [a, b]: [&Value; 2],
        f: impl Fn(A, B) -> D + Send + Sync + 'static,
    ) -> Decoded {
        let (d, a, b) = (self.def::<D>(d)?, self.value::<A>(a)?, self.value::<B>(b)?);
        compute(move |regs, mask| {
            let (a, b) = (A::load(regs, a), B::load(regs, b));
            D::store(regs, d, mask, |lane| f(a[lane], b[lane]));
        })
    }

    /// `d = f(a, b, c)`.
    pub(super) fn map3<A: Lane, B: Lane, C: Lane, D: Lane>(
        &mut self,
        d: Reg,
        [a, b, c]: [&Value; 3],
        f: impl Fn(A, B, C) -> D + Send + Sync + 'static,
    ) -> Decoded {
        let d = self.def::<D>(d)?;
        let (a, b, c) = (self.value::<A>(a)?, self.value::<B>(b)?, self.value::<C>(c)?);
        compute(move |regs, mask| {
            let (a, b, c) = (A::load(regs, a), B::load(regs, b), C::load(regs, c));
            D::store(regs, d, mask, |lane| f(a[lane], b[lane], c[lane]));
        })
    }

    /// `d = f(a, b, c, e)`, the last two being 32-bit integers.
    pub(super) fn map4<A: Lane, D: Lane>(
        &mut self,
        d: Reg,
        [a, b, c, e]: [&Value; 4],
        f: impl Fn(A, A, u32, u32) -> D + Send + Sync + 'static,
    ) -> Decoded {
        let d = self.def::<D>(d)?;
        let (a, b) = (self.value::<A>(a)?, self.value::<A>(b)?);
        let (c, e) = (self.value::<u32>(c)?, self.value::<u32>(e)?);
        compute(move |regs, mask| {
            let (a, b) = (A::load(regs, a), A::load(regs, b));
            let (c, e) = (u32::load(regs, c), u32::load(regs, e));
            D::store(regs, d, mask, |lane| f(a[lane], b[lane], c[lane], e[lane]));
        })
    }

    /// `p = f(a, b)` and `q` its negation, both combined with a third predicate if there is one.
    pub(super) fn test2<A: Lane>(
        &mut self,
        p: PairDef,
        [a, b]: [&Value; 2],
        with: Option<Combine>,
        f: impl Fn(A, A) -> bool + Send + Sync + 'static,
    ) -> Decoded {
        let (a, b) = (self.value::<A>(a)?, self.value::<A>(b)?);
        let (first, second) = self.pred_pair(p)?;
        compute(move |regs, mask| {
            let (a, b) = (A::load(regs, a), A::load(regs, b));
            let mut holds = ballot(mask, |lane| f(a[lane], b[lane]));
            let mut fails = !holds;
            if let Some(with) = with {
                holds = with.apply(regs, holds);
                fails = with.apply(regs, fails);
            }
            regs.set_pred(first, mask, holds);
            if let Some(second) = second {
                regs.set_pred(second, mask, fails);
            }
        })
    }
}

/// A predicate that the result of a comparison is combined with.
#[derive(Clone, Copy)]
pub(super) struct Combine {
    pub(super) op: fn(u32, u32) -> u32,
    pub(super) with: Predicate,
}

impl Combine {
    pub(super) fn apply(self, regs: &Registers, holds: u32) -> u32 {
        (self.op)(holds, self.with.lanes(regs))
    }
}
