//! Clusters, grids that follow each other, and the registers of a warpgroup.

use firesteel_ptx::isa::{ClusterArrive, ClusterWait, Elect, Griddepcontrol, Setmaxnreg};
use firesteel_ptx::modifier::{Aligned, GridAction, RegisterChange};
use firesteel_ptx::operand::{ElectDef, Special, Use};
use firesteel_ptx::ty::U32Ty;

use super::super::{Lower, Operand, Val};
use crate::hir::{Call, Op, Scalar, SpanRange, Ty};

impl Lower<'_> {
    pub(super) fn cluster(&mut self, call: &Call, _ty: &Ty, _span: SpanRange) -> Val {
        match call.op {
            Op::ClusterRank => return Val::scalar(self.special(Special::ClusterCtarank)),
            Op::ClusterSize => return Val::scalar(self.special(Special::ClusterNctarank)),
            Op::ClusterIdx => return Val::scalar(self.special(Special::ClusteridX)),
            Op::ClusterArrive => self.cluster_arrive(),
            Op::ClusterWait => self.cluster_wait(),
            Op::ClusterSync => {
                self.cluster_arrive();
                self.cluster_wait();
            }
            Op::GridDependencyWait => self.emit(Griddepcontrol { action: GridAction::Wait }),
            Op::GridDependencyLaunch => {
                self.emit(Griddepcontrol { action: GridAction::LaunchDependents });
            }
            Op::ElectOne => {
                let elected = self.fresh(Scalar::Bool);
                let mask = Use(Operand::Int(0xffff_ffff));
                self.emit(Elect { d: ElectDef { lane: None, elected }, mask });
                return elected.into();
            }
            Op::SetmaxnregInc => self.setmaxnreg(call, RegisterChange::Inc),
            Op::SetmaxnregDec => self.setmaxnreg(call, RegisterChange::Dec),
            other => unreachable!("`{other:?}` has nothing to do with clusters"),
        }
        Val::unit()
    }

    fn cluster_arrive(&mut self) {
        self.emit(ClusterArrive { sem: None, aligned: Some(Aligned::Aligned) });
    }

    fn cluster_wait(&mut self) {
        self.emit(ClusterWait { sem: None, aligned: Some(Aligned::Aligned) });
    }

    fn setmaxnreg(&mut self, call: &Call, change: RegisterChange) {
        let n = self.operands_of(call).pop().unwrap_or(Operand::Int(24));
        self.emit(Setmaxnreg { change, ty: U32Ty::U32, n: Use(n) });
    }
}
