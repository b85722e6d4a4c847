//! Barriers in shared memory.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{
    CpAsyncMbarrierArrive, FenceMbarrierInit, FenceProxy, Mapa, MbarrierArrive,
    MbarrierArriveExpectTx, MbarrierExpectTx, MbarrierInit, MbarrierInval, MbarrierTryWaitParity,
};
use firesteel_ptx::modifier::{NoInc, Proxy, Scope, Sem, Space};
use firesteel_ptx::operand::{Addr, Def, SinkDef, Use};
use firesteel_ptx::ty::{AddressTy, B64Ty, IntTy, MovTy, Ty as PtxTy};

use super::super::emit::unless;
use super::super::patience::Wait;
use super::super::val::Address;
use super::super::{Lower, Operand, Val, op};
use crate::hir::{Call, Op, Scalar, SpanRange, Ty};

const SPACE: Option<Space> = Some(Space::Shared);
const B64: B64Ty = B64Ty::B64;

impl Lower<'_> {
    pub(super) fn mbarrier(&mut self, call: &Call, _ty: &Ty, span: SpanRange) -> Val {
        match call.op {
            Op::FenceMbarrierInit => self.emit(FenceMbarrierInit {}),
            Op::FenceProxyAsync => self.emit(FenceProxy { proxy: Proxy::AsyncShared }),
            _ => return self.on_mbarrier(call, span),
        }
        Val::unit()
    }

    fn on_mbarrier(&mut self, call: &Call, span: SpanRange) -> Val {
        let at = self.place_argument(call);
        let addr = at.addr.clone();
        let argument = self.operands_of(call).pop().map(Use);
        let (sem, scope, space, ty) = (None, None, SPACE, B64);
        match (call.op, argument) {
            (Op::MbarrierInit, Some(count)) => self.emit(MbarrierInit { space, ty, addr, count }),
            (Op::MbarrierInval, _) => self.emit(MbarrierInval { space, ty, addr }),
            (Op::MbarrierArrive, _) => {
                let state = self.unused_state();
                self.emit(MbarrierArrive { sem, scope, space, ty, state, addr, count: None });
            }
            (Op::MbarrierArriveRemote, Some(rank)) => self.arrive_remote(&at, rank),
            (Op::MbarrierArriveExpectTx, Some(tx)) => {
                let state = self.unused_state();
                self.emit(MbarrierArriveExpectTx { sem, scope, space, ty, state, addr, tx });
            }
            (Op::MbarrierExpectTx, Some(tx)) => {
                self.emit(MbarrierExpectTx { sem, scope, space, ty, addr, tx });
            }
            (Op::MbarrierTryWait, Some(parity)) => {
                let p = self.fresh(Scalar::Bool);
                self.try_wait(p, addr.clone(), parity.clone());
                self.watch_for_failure(Wait { p, addr, parity, span, again: None });
                return p.into();
            }
            (Op::MbarrierWait, Some(parity)) => {
                let again = self.label();
                self.place_head(again);
                let p = self.fresh(Scalar::Bool);
                self.try_wait(p, addr.clone(), parity.clone());
                let wait = Wait { p, addr, parity, span, again: Some(again) };
                if !self.watch_for_failure(wait) {
                    self.jump_if(unless(p), again);
                }
            }
            (Op::CpAsyncMbarrierArrive, _) => {
                self.emit(CpAsyncMbarrierArrive { noinc: Some(NoInc::NoInc), space, ty, addr });
            }
            (other, _) => unreachable!("`{other:?}` is no barrier, or has other arguments"),
        }
        Val::unit()
    }

    /// The state of an arrival that nobody waits with.
    fn unused_state(&mut self) -> SinkDef {
        SinkDef(Some(self.fresh(Scalar::U64)))
    }

    pub(in super::super) fn try_wait(&mut self, p: Reg, addr: Addr, parity: Use) {
        let (sem, scope, space, ty, hint) = (None, None, SPACE, B64, None);
        self.emit(MbarrierTryWaitParity { sem, scope, space, ty, p: Def(p), addr, parity, hint });
    }

    fn arrive_remote(&mut self, at: &Address, rank: Use) {
        let a = Use(self.shared_pointer(at).into());
        let (space, ty) = (Some(Space::SharedCluster), AddressTy::U32);
        let remote = self.pure(PtxTy::B32, |d| Mapa { space, ty, d, a, rank });
        self.emit(MbarrierArrive {
            sem: Some(Sem::Release),
            scope: Some(Scope::Cluster),
            space,
            ty: B64,
            state: SinkDef(None),
            addr: Addr::new(remote, 0),
            count: None,
        });
    }

    /// The address of an element of shared memory, in a register.
    pub(super) fn shared_pointer(&mut self, at: &Address) -> Reg {
        let Addr { base, offset } = at.addr.clone();
        match base {
            Operand::Reg(reg) if offset == 0 => reg,
            Operand::Reg(reg) => {
                self.pure(PtxTy::B32, |d| op::add(IntTy::S32, d, reg, Operand::Int(offset)))
            }
            Operand::Symbol(name, start) => {
                let a = Use(Operand::Symbol(name, start + offset));
                self.pure(PtxTy::B32, |d| firesteel_ptx::isa::Mov { ty: MovTy::U32, d, a })
            }
            other => unreachable!("shared memory has no address {other:?}"),
        }
    }
}
