//! Shared memory of the other blocks of a cluster.

use firesteel_ptx::isa::{Atom, Mapa};
use firesteel_ptx::modifier::{AtomOp, Scope, Sem, Space};
use firesteel_ptx::operand::{Addr, Def, SinkDef, Use};
use firesteel_ptx::ty::{AddressTy, AtomTy, Ty as PtxTy};

use super::super::val::{Address, mem_ty};
use super::super::{Lower, Operand, Val, op};
use crate::hir::{Call, Op, Scalar};

impl Lower<'_> {
    pub(super) fn remote(&mut self, call: &Call) -> Val {
        let at = self.place_argument(call);
        let mut args = self.operands_of(call).into_iter();
        let rank = args.next().unwrap_or(Operand::Int(0));
        let (value, elem) = (args.next(), at.elem);
        let addr = self.remote_address(&at, rank);
        let held = if elem == Scalar::Bool { Scalar::U8 } else { elem };
        match (call.op, value) {
            (Op::ClusterLoad, _) => {
                let d = self.fresh(held);
                self.emit(op::ld(Space::SharedCluster, mem_ty(held), Def(d), addr));
                Val::scalar(self.value_form(d.into(), elem))
            }
            (Op::ClusterStore, Some(value)) => {
                let value = self.memory_form(value, elem);
                let value = self.in_reg(&value, held);
                self.emit(op::st(Space::SharedCluster, mem_ty(held), addr, value));
                Val::unit()
            }
            (Op::ClusterAtomicAdd, Some(value)) => {
                let d = self.fresh(elem);
                self.emit(Atom {
                    sem: Some(Sem::Relaxed),
                    scope: Some(Scope::Cluster),
                    space: Some(Space::SharedCluster),
                    op: AtomOp::Add,
                    noftz: None,
                    ty: if elem == Scalar::I32 { AtomTy::S32 } else { AtomTy::U32 },
                    d: SinkDef(Some(d)),
                    addr,
                    b: Use(value),
                });
                d.into()
            }
            (other, _) => unreachable!("`{other:?}` reaches no other block, or has no value"),
        }
    }

    /// The address in block `rank` that corresponds to one in this block.
    fn remote_address(&mut self, at: &Address, rank: Operand) -> Addr {
        let (a, rank) = (Use(self.shared_pointer(at).into()), Use(rank));
        let (space, ty) = (Some(Space::SharedCluster), AddressTy::U32);
        Addr::new(self.pure(PtxTy::B32, |d| Mapa { space, ty, d, a, rank }), 0)
    }
}
