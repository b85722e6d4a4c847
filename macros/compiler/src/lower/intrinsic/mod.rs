//! The intrinsics, in groups.
//!
//! Each function takes the call, the type of its value and its place. Arguments are evaluated
//! from left to right with [`Lower::values`]; an argument that is a place is given to
//! [`Lower::address_of`] in its turn.

mod async_copy;
mod atomic;
mod bits;
mod bulk;
mod clock;
mod cluster;
mod dot;
mod fast;
mod float;
mod index;
mod int;
mod matrix;
mod mbarrier;
mod memory;
mod number;
mod pair;
mod reduce;
mod remote;
mod sync;
mod tma;
mod vector;
mod warp;
mod wgmma;

use firesteel_ptx::ir::Reg;

use super::expr::scalar_of;
use super::{Lower, Operand, Val};
use crate::hir::{Arg, Call, Expr, Op, Scalar, SpanRange, Ty};

impl Lower<'_> {
    /// Lowers a call of an intrinsic.
    #[expect(clippy::too_many_lines, reason = "one arm for each group of the table")]
    pub(super) fn call(&mut self, call: &Call, ty: &Ty, span: SpanRange) -> Val {
        match call.op {
            Op::ThreadIdxX
            | Op::ThreadIdxY
            | Op::ThreadIdxZ
            | Op::BlockIdxX
            | Op::BlockIdxY
            | Op::BlockIdxZ
            | Op::BlockDimX
            | Op::BlockDimY
            | Op::BlockDimZ
            | Op::GridDimX
            | Op::GridDimY
            | Op::GridDimZ
            | Op::LaneId
            | Op::WarpId
            | Op::WarpsPerBlock
            | Op::ThreadRank
            | Op::LaneMaskLt
            | Op::LaneMaskLe
            | Op::LaneMaskEq
            | Op::LaneMaskGe
            | Op::LaneMaskGt => self.index(call, ty, span),
            Op::BarSync
            | Op::BarSyncNamed
            | Op::BarArrive
            | Op::BarAny
            | Op::BarAll
            | Op::BarCount
            | Op::WarpSync
            | Op::FenceBlock
            | Op::FenceDevice
            | Op::FenceSystem => self.sync(call, ty, span),
            Op::ShflDown
            | Op::ShflUp
            | Op::ShflBfly
            | Op::ShflIdx
            | Op::VoteAny
            | Op::VoteAll
            | Op::VoteUni
            | Op::Ballot
            | Op::ActiveMask
            | Op::MatchAny
            | Op::MatchAll
            | Op::ReduxAdd
            | Op::ReduxMin
            | Op::ReduxMax
            | Op::ReduxAnd
            | Op::ReduxOr
            | Op::ReduxXor => self.warp(call, ty, span),
            Op::WarpReduceSum
            | Op::WarpReduceMax
            | Op::WarpReduceMin
            | Op::BlockReduceSum
            | Op::BlockReduceMax
            | Op::BlockReduceMin => self.reduce(call, ty, span),
            Op::AtomicAdd
            | Op::AtomicSub
            | Op::AtomicMin
            | Op::AtomicMax
            | Op::AtomicAnd
            | Op::AtomicOr
            | Op::AtomicXor
            | Op::AtomicExch
            | Op::AtomicCas
            | Op::AtomicInc
            | Op::AtomicDec
            | Op::AtomicLoad
            | Op::AtomicStore
            | Op::AtomicAddVec2 => self.atomic(call, ty, span),
            Op::LoadNc
            | Op::LoadCa
            | Op::LoadCg
            | Op::LoadCs
            | Op::LoadLu
            | Op::LoadCv
            | Op::LoadStream
            | Op::LoadEvictFirst
            | Op::LoadEvictLast
            | Op::StoreWb
            | Op::StoreCg
            | Op::StoreCs
            | Op::StoreWt
            | Op::StoreStream
            | Op::LoadPolicy
            | Op::LoadNcPolicy
            | Op::StorePolicy
            | Op::LoadAhead128
            | Op::LoadAhead256
            | Op::PrefetchL1
            | Op::PrefetchL2 => self.memory(call, ty, span),
            Op::PrefetchTensorMap => self.prefetch_tensor_map(call),
            Op::LoadVec
            | Op::LoadVecNc
            | Op::LoadVecCs
            | Op::LoadVecStream
            | Op::StoreVec
            | Op::StoreVecCs
            | Op::LoadVecPolicy
            | Op::LoadVecNcPolicy
            | Op::StoreVecPolicy => self.vector(call, ty, span),
            Op::PolicyEvictFirst
            | Op::PolicyEvictLast
            | Op::PolicyEvictNormal
            | Op::PolicyEvictUnchanged => self.cache_policy(call),
            Op::BulkLoad
            | Op::BulkLoadPolicy
            | Op::BulkStore
            | Op::BulkReduceAdd
            | Op::BulkPrefetch => self.bulk(call, span),
            Op::ClusterLoad | Op::ClusterStore | Op::ClusterAtomicAdd => self.remote(call),
            Op::CpAsync4
            | Op::CpAsync8
            | Op::CpAsync16
            | Op::CpAsync16Policy
            | Op::CpAsync4Or0
            | Op::CpAsync8Or0
            | Op::CpAsync16Or0
            | Op::CpAsyncCommit
            | Op::CpAsyncWait => self.async_copy(call, ty, span),
            Op::MbarrierInit
            | Op::MbarrierInval
            | Op::MbarrierArrive
            | Op::MbarrierArriveRemote
            | Op::MbarrierArriveExpectTx
            | Op::MbarrierExpectTx
            | Op::MbarrierTryWait
            | Op::MbarrierWait
            | Op::CpAsyncMbarrierArrive
            | Op::FenceMbarrierInit
            | Op::FenceProxyAsync => self.mbarrier(call, ty, span),
            Op::TmaLoad
            | Op::TmaLoadMulticast
            | Op::TmaLoadPolicy
            | Op::TmaLoadMulticastPolicy
            | Op::TmaStore
            | Op::TmaStorePolicy
            | Op::TmaReduceAdd
            | Op::TmaPrefetch
            | Op::TmaCommit
            | Op::TmaWait
            | Op::TmaWaitRead => self.tma(call, ty, span),
            Op::TileK
            | Op::TileMn
            | Op::Wgmma
            | Op::WgmmaOrSet
            | Op::WgmmaFence
            | Op::WgmmaCommit
            | Op::WgmmaWait => self.wgmma(call, ty, span),
            Op::ClusterRank
            | Op::ClusterSize
            | Op::ClusterIdx
            | Op::ClusterArrive
            | Op::ClusterWait
            | Op::ClusterSync
            | Op::GridDependencyWait
            | Op::GridDependencyLaunch
            | Op::ElectOne
            | Op::SetmaxnregInc
            | Op::SetmaxnregDec => self.cluster(call, ty, span),
            Op::LdmatrixA
            | Op::LdmatrixATrans
            | Op::LdmatrixB
            | Op::LdmatrixBTrans
            | Op::LdmatrixB2
            | Op::LdmatrixB2Trans
            | Op::StmatrixX4
            | Op::StmatrixX4Trans
            | Op::FragAFromWords
            | Op::FragAWords
            | Op::FragBFromWords
            | Op::FragBWords
            | Op::FragAFromF64
            | Op::FragBFromF64
            | Op::Mma
            | Op::PackF16x2
            | Op::PackBf16x2
            | Op::PackE4m3x2
            | Op::PackE5m2x2
            | Op::UnpackE4m3x2
            | Op::UnpackE5m2x2 => self.matrix(call, ty, span),
            Op::Dp4aSS
            | Op::Dp4aSU
            | Op::Dp4aUS
            | Op::Dp4aUU
            | Op::Dp2aLoSS
            | Op::Dp2aLoSU
            | Op::Dp2aLoUS
            | Op::Dp2aLoUU
            | Op::Dp2aHiSS
            | Op::Dp2aHiSU
            | Op::Dp2aHiUS
            | Op::Dp2aHiUU => self.dot(call, ty, span),
            Op::Prmt
            | Op::Lop3
            | Op::Bfe
            | Op::Bfi
            | Op::FunnelShl
            | Op::FunnelShr
            | Op::MulHi
            | Op::Sad => self.bits(call, ty, span),
            Op::Clock | Op::Clock64 | Op::GlobalTimer | Op::Nanosleep | Op::Trap => {
                self.clock(call, ty, span)
            }
            Op::KaioExp
            | Op::KaioLog
            | Op::KaioTanh
            | Op::FastExp
            | Op::FastExp2
            | Op::FastLn
            | Op::FastLog2
            | Op::FastSin
            | Op::FastCos
            | Op::FastTanh
            | Op::FastSqrt
            | Op::FastRsqrt
            | Op::FastRecip
            | Op::FastDiv
            | Op::FastPowf => self.fast(call, ty, span),
            Op::Abs | Op::Min | Op::Max | Op::Clamp | Op::Signum => self.number(call, ty, span),
            Op::Sqrt
            | Op::MulAdd
            | Op::Recip
            | Op::Exp
            | Op::Exp2
            | Op::ExpM1
            | Op::Ln
            | Op::Ln1p
            | Op::Log2
            | Op::Log10
            | Op::Sin
            | Op::Cos
            | Op::Tan
            | Op::Tanh
            | Op::Floor
            | Op::Ceil
            | Op::Round
            | Op::RoundTiesEven
            | Op::Trunc
            | Op::Fract
            | Op::Rsqrt
            | Op::Powi
            | Op::Powf
            | Op::Copysign
            | Op::IsNan
            | Op::IsFinite
            | Op::IsInfinite
            | Op::IsSignNegative
            | Op::ToBits
            | Op::FromBits
            | Op::ToF32
            | Op::FromF32 => self.float(call, ty, span),
            Op::PairNew
            | Op::PairSplat
            | Op::PairFromF32
            | Op::PairLo
            | Op::PairHi
            | Op::PairToF32 => self.pair(call, ty, span),
            Op::CountOnes
            | Op::CountZeros
            | Op::LeadingZeros
            | Op::LeadingOnes
            | Op::TrailingZeros
            | Op::TrailingOnes
            | Op::RotateLeft
            | Op::RotateRight
            | Op::ReverseBits
            | Op::SwapBytes
            | Op::WrappingAdd
            | Op::WrappingSub
            | Op::WrappingMul
            | Op::WrappingDiv
            | Op::WrappingRem
            | Op::WrappingShl
            | Op::WrappingShr
            | Op::WrappingNeg
            | Op::WrappingAbs
            | Op::SaturatingAdd
            | Op::SaturatingSub
            | Op::AbsDiff
            | Op::UnsignedAbs
            | Op::Pow
            | Op::IsPowerOfTwo
            | Op::NextPowerOfTwo
            | Op::DivCeil
            | Op::NextMultipleOf
            | Op::RemEuclid
            | Op::DivEuclid
            | Op::Ilog2 => self.int(call, ty, span),
        }
    }

    /// The arguments by value, evaluated from left to right.
    pub(super) fn values(&mut self, call: &Call) -> Vec<Val> {
        let args: Vec<Expr> = call.args.iter().filter_map(Arg::value).cloned().collect();
        self.exprs(&args)
    }

    /// The same for scalar arguments.
    pub(super) fn operands_of(&mut self, call: &Call) -> Vec<Operand> {
        self.values(call).iter().map(Val::one).collect()
    }

    /// The same where there are three.
    pub(super) fn three(&mut self, call: &Call) -> [Operand; 3] {
        let args = self.operands_of(call);
        <[Operand; 3]>::try_from(args)
            .unwrap_or_else(|args| unreachable!("{} arguments instead of three", args.len()))
    }

    /// The generic address of the argument that is a tensor map.
    pub(super) fn map_argument(&mut self, call: &Call) -> Reg {
        let param = call.args.iter().find_map(Arg::map);
        let param = param.unwrap_or_else(|| unreachable!("`{:?}` has a tensor map", call.op));
        self.map_address(param)
    }

    /// The type of the last argument by value.
    pub(super) fn type_of_last(&self, call: &Call) -> Scalar {
        call.args.iter().rev().find_map(Arg::value).map_or(Scalar::U32, |arg| scalar_of(&arg.ty))
    }

    /// The type of the first argument by value, on which most intrinsics depend.
    pub(super) fn type_of_first(&self, call: &Call) -> Scalar {
        call.args.iter().find_map(Arg::value).map_or(Scalar::U32, |arg| scalar_of(&arg.ty))
    }
}
