//! Loads and stores with hints for the caches.
//!
//! Hints are for global memory: of shared memory the plain access is the same.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{CreatePolicy, Ld, LdNc, Prefetch, PrefetchTensormap, St};
use firesteel_ptx::modifier::VecLen;
use firesteel_ptx::modifier::{
    CacheHint, L1Evict, L2Prefetch, LoadCache, NonCoherent, PolicyPrimary, PrefetchKind,
    PrefetchLevel, Space, StoreCache,
};
use firesteel_ptx::operand::{Addr, Defs, Use, Uses};
use firesteel_ptx::ty::{B64Ty, MemTy, Ty as PtxTy};

use super::super::val::{Address, mem_ty};
use super::super::{Lower, Operand, Val};
use crate::hir::{Call, Op, Scalar, SpanRange, Ty};

/// What a load or store tells the caches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    /// Nobody writes what is read.
    pub(super) read_only: bool,
    pub(super) load: Option<LoadCache>,
    pub(super) store: Option<StoreCache>,
    pub(super) evict: Option<L1Evict>,
    /// What a load brings into the L2 cache.
    pub(super) ahead: Option<L2Prefetch>,
    /// The register of a cache policy.
    pub(super) policy: Option<Reg>,
}

impl Hints {
    /// Nothing.
    pub(super) const NONE: Self =
        Self { read_only: false, load: None, store: None, evict: None, ahead: None, policy: None };
    /// Read through the path for constants.
    pub(super) const READ_ONLY: Self = Self { read_only: true, ..Self::NONE };
    /// Read through it and not kept.
    pub(super) const STREAM: Self = Self { evict: Some(L1Evict::NoAllocate), ..Self::READ_ONLY };

    /// A cache operator of a load.
    pub(super) const fn load(cache: LoadCache) -> Self {
        Self { load: Some(cache), ..Self::NONE }
    }

    /// A cache operator of a store.
    pub(super) const fn store(cache: StoreCache) -> Self {
        Self { store: Some(cache), ..Self::NONE }
    }

    /// Bytes that a load brings into the L2 cache.
    const fn ahead(ahead: L2Prefetch) -> Self {
        Self { ahead: Some(ahead), ..Self::NONE }
    }

    /// The same with a policy.
    pub(super) const fn with(self, policy: Reg) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// The policy as an instruction has it.
    fn policy(self) -> (Option<CacheHint>, Option<Use>) {
        hinted(self.policy)
    }

    const fn evict(evict: L1Evict) -> Self {
        Self { evict: Some(evict), ..Self::NONE }
    }
}

/// A policy and the word that announces it.
pub(super) fn hinted(policy: Option<Reg>) -> (Option<CacheHint>, Option<Use>) {
    (policy.map(|_| CacheHint::Hint), policy.map(|policy| Use(policy.into())))
}

impl Lower<'_> {
    pub(super) fn memory(&mut self, call: &Call, _result: &Ty, _span: SpanRange) -> Val {
        let at = self.place_argument(call);
        let mut args = self.operands_of(call);
        let hints = match call.op {
            Op::LoadPolicy => Hints::NONE.with(self.policy_of(&mut args)),
            Op::LoadNcPolicy => Hints::READ_ONLY.with(self.policy_of(&mut args)),
            Op::StorePolicy => Hints::NONE.with(self.policy_of(&mut args)),
            Op::LoadAhead128 => Hints::ahead(L2Prefetch::B128),
            Op::LoadAhead256 => Hints::ahead(L2Prefetch::B256),
            Op::LoadNc => Hints::READ_ONLY,
            Op::LoadCa => Hints::load(LoadCache::Ca),
            Op::LoadCg => Hints::load(LoadCache::Cg),
            Op::LoadCs => Hints::load(LoadCache::Cs),
            Op::LoadLu => Hints::load(LoadCache::Lu),
            Op::LoadCv => Hints::load(LoadCache::Cv),
            Op::LoadStream => Hints::STREAM,
            Op::LoadEvictFirst => Hints::evict(L1Evict::First),
            Op::LoadEvictLast => Hints::evict(L1Evict::Last),
            Op::StoreWb => Hints::store(StoreCache::Wb),
            Op::StoreCg => Hints::store(StoreCache::Cg),
            Op::StoreCs => Hints::store(StoreCache::Cs),
            Op::StoreWt => Hints::store(StoreCache::Wt),
            Op::StoreStream => Hints::evict(L1Evict::NoAllocate),
            Op::PrefetchL1 => return self.prefetch(&at, PrefetchLevel::L1),
            Op::PrefetchL2 => return self.prefetch(&at, PrefetchLevel::L2),
            other => unreachable!("`{other:?}` gives no hint"),
        };
        match args.as_slice() {
            [] => Val::scalar(self.load_hinted(&at, hints)),
            [value, ..] => {
                self.store_hinted(&at, hints, value);
                Val::unit()
            }
        }
    }

    /// The policy that is the last argument, taken from the others.
    pub(super) fn policy_of(&mut self, args: &mut Vec<Operand>) -> Reg {
        let policy = args.pop().unwrap_or(Operand::Int(0));
        self.in_reg(&policy, Scalar::U64)
    }

    /// Makes a policy for a fraction of the accesses, which stays in a register.
    pub(super) fn cache_policy(&mut self, call: &Call) -> Val {
        let fraction = self.operands_of(call).pop().unwrap_or(Operand::F32(0));
        let primary = match call.op {
            Op::PolicyEvictFirst => PolicyPrimary::EvictFirst,
            Op::PolicyEvictLast => PolicyPrimary::EvictLast,
            Op::PolicyEvictNormal => PolicyPrimary::EvictNormal,
            Op::PolicyEvictUnchanged => PolicyPrimary::EvictUnchanged,
            other => unreachable!("`{other:?}` makes no policy"),
        };
        let fraction = Some(Use(self.in_reg(&fraction, Scalar::F32).into()));
        let (secondary, ty) = (None, B64Ty::B64);
        self.pure(PtxTy::B64, |d| CreatePolicy { primary, secondary, ty, d, fraction }).into()
    }

    fn prefetch(&mut self, at: &Address, level: PrefetchLevel) -> Val {
        if at.space == Space::Global {
            self.emit(Prefetch { space: Some(at.space), level, addr: at.addr.clone() });
        }
        Val::unit()
    }

    pub(super) fn prefetch_tensor_map(&mut self, call: &Call) -> Val {
        let addr = Addr::new(self.map_argument(call), 0);
        self.emit(PrefetchTensormap { space: None, kind: PrefetchKind::Tensormap, addr });
        Val::unit()
    }

    fn load_hinted(&mut self, at: &Address, hints: Hints) -> Operand {
        let held = if at.elem == Scalar::Bool { Scalar::U8 } else { at.elem };
        let d = self.fresh(held);
        self.load_into(at, hints, mem_ty(held), vec![d]);
        self.value_form(d.into(), at.elem)
    }

    fn store_hinted(&mut self, at: &Address, hints: Hints, value: &Operand) {
        let held = if at.elem == Scalar::Bool { Scalar::U8 } else { at.elem };
        let value = self.memory_form(value.clone(), at.elem);
        let value = self.in_reg(&value, held).into();
        self.store_from(at, hints, mem_ty(held), vec![value]);
    }

    /// Loads one element or a vector of the type into registers.
    pub(super) fn load_into(&mut self, at: &Address, hints: Hints, ty: MemTy, regs: Vec<Reg>) {
        let global = at.space == Space::Global;
        let (vec, d, addr): (_, _, Addr) = (vec_len(regs.len()), Defs(regs), at.addr.clone());
        let hints = if global { hints } else { Hints::NONE };
        let (cache, evict, prefetch) = (hints.load, hints.evict, hints.ahead);
        let (hint, policy) = hints.policy();
        if global && hints.read_only {
            let nc = NonCoherent::Nc;
            self.emit(LdNc { cache, nc, evict, hint, prefetch, vec, ty, d, addr, policy });
            return;
        }
        let (sem, scope, space) = (None, None, Some(at.space));
        self.emit(Ld { sem, scope, space, cache, evict, hint, prefetch, vec, ty, d, addr, policy });
    }

    /// Stores one element or a vector of the type.
    pub(super) fn store_from(&mut self, at: &Address, hints: Hints, ty: MemTy, a: Vec<Operand>) {
        let global = at.space == Space::Global;
        let (vec, a, addr) = (vec_len(a.len()), Uses(a), at.addr.clone());
        let hints = if global { hints } else { Hints::NONE };
        let (cache, evict, (hint, policy)) = (hints.store, hints.evict, hints.policy());
        let (sem, scope, space) = (None, None, Some(at.space));
        self.emit(St { sem, scope, space, cache, evict, hint, vec, ty, addr, a, policy });
    }
}

/// How an access of so many elements is marked.
fn vec_len(count: usize) -> Option<VecLen> {
    match count {
        1 => None,
        2 => Some(VecLen::V2),
        4 => Some(VecLen::V4),
        8 => Some(VecLen::V8),
        _ => unreachable!("an access moves 1, 2, 4 or 8 elements, not {count}"),
    }
}
