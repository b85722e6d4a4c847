//! Instructions: for each, what it does, as an [`Action`] over rows.
//!
//! [`Execute`] has a method for each row of the table of instructions, so an instruction without
//! an implementation does not compile. Executing an instruction here means decoding it: the method
//! resolves the operands once and returns what is to be done each time.

mod atomic;
mod bulk;
mod cluster;
mod control;
mod convert;
mod float;
mod int;
mod logic;
mod map;
mod matrix;
mod matrix_quad;
mod mbarrier;
mod memory;
mod moves;
mod sync;
mod tensor;
pub(crate) mod wgmma;

use firesteel_ptx::isa::*;

pub(crate) use super::link::decoder::Decoder;
use super::link::decoder::Predicate;
use super::program::Action;

/// An action, or why there is none.
type Decoded = Result<Action, String>;

/// The action of an instruction.
pub(crate) fn decode(decoder: &mut Decoder<'_>, op: &Op) -> Decoded {
    op.execute(decoder)
}

macro_rules! instructions {
    ($($topic:ident { $($method:ident $Name:ident,)* })*) => {
        impl Execute for Decoder<'_> {
            type Output = Decoded;
            $($(fn $method(&mut self, it: &$Name) -> Decoded {
                $topic::$method(self, it)
            })*)*
        }
    };
}

instructions! {
    int {
        add_int AddInt, sub_int SubInt, add_carry_out AddCarryOut, add_carry AddCarry,
        sub_carry_out SubCarryOut, sub_carry SubCarry, mul_int MulInt, mul_wide MulWide,
        mad_int MadInt, mad_wide MadWide, mad_carry_out MadCarryOut, mad_carry MadCarry,
        mul24 Mul24, mad24 Mad24, sad Sad, div_int DivInt, rem_int RemInt, abs_int AbsInt,
        neg_int NegInt, min_int MinInt, max_int MaxInt, popc Popc, clz Clz, bfind Bfind,
        brev Brev, bfe Bfe, bfi Bfi, szext Szext, bmsk Bmsk, fns Fns, dp4a Dp4a, dp2a Dp2a,
    }
    float {
        add_float AddFloat, sub_float SubFloat, mul_float MulFloat, fma_float FmaFloat,
        mad_float MadFloat, div_float DivFloat, div_approx DivApprox, abs_float AbsFloat,
        neg_float NegFloat, min_float MinFloat, max_float MaxFloat, rcp Rcp,
        rcp_approx RcpApprox, sqrt Sqrt, sqrt_approx SqrtApprox, rsqrt Rsqrt, sin Sin, cos Cos,
        lg2 Lg2, ex2 Ex2, tanh Tanh, copysign Copysign, testp Testp,
    }
    logic {
        setp Setp, setp_bool SetpBool, set Set, selp Selp, slct Slct, and And, or Or, xor Xor,
        not Not, cnot Cnot, lop3 Lop3, shl Shl, shr Shr, shf Shf, prmt Prmt,
    }
    convert {
        cvt Cvt, cvt_pack CvtPack, cvt_from_fp8 CvtFromFp8, cvt_to_fp8 CvtToFp8,
        cvt_pack_halves CvtPackHalves, cvt_pack_bytes CvtPackBytes,
    }
    moves {
        mov Mov, mov_pack MovPack, mov_unpack MovUnpack, cvta Cvta, isspacep Isspacep,
    }
    memory {
        ld Ld, ld_nc LdNc, st St, prefetch Prefetch, prefetchu Prefetchu,
        apply_priority ApplyPriority, create_policy CreatePolicy, cp_async CpAsync,
        cp_async_commit CpAsyncCommit, cp_async_wait CpAsyncWait,
        cp_async_wait_all CpAsyncWaitAll, prefetch_tensormap PrefetchTensormap,
    }
    bulk {
        cp_async_bulk_load CpAsyncBulkLoad, cp_async_bulk_multicast CpAsyncBulkMulticast,
        cp_async_bulk_share CpAsyncBulkShare, st_async StAsync, cp_async_bulk_store CpAsyncBulkStore,
        cp_reduce_async_bulk CpReduceAsyncBulk, cp_async_bulk_prefetch CpAsyncBulkPrefetch,
        cp_async_bulk_commit CpAsyncBulkCommit, cp_async_bulk_wait CpAsyncBulkWait,
    }
    tensor {
        cp_async_bulk_tensor_load CpAsyncBulkTensorLoad,
        cp_async_bulk_tensor_multicast CpAsyncBulkTensorMulticast,
        cp_async_bulk_tensor_store CpAsyncBulkTensorStore,
        cp_reduce_async_bulk_tensor CpReduceAsyncBulkTensor,
        cp_async_bulk_tensor_prefetch CpAsyncBulkTensorPrefetch,
    }
    wgmma {
        wgmma_fence WgmmaFence, wgmma_commit WgmmaCommit, wgmma_wait WgmmaWait, wgmma Wgmma,
        wgmma_registers WgmmaRegisters,
    }
    atomic {
        atom Atom, atom_cas AtomCas, red Red,
    }
    sync {
        bar_sync BarSync, barrier_sync BarrierSync, bar_arrive BarArrive,
        barrier_arrive BarrierArrive, bar_red_popc BarRedPopc, bar_red BarRed,
        barrier_red_popc BarrierRedPopc, barrier_red BarrierRed, bar_warp_sync BarWarpSync,
        membar Membar, fence Fence, fence_proxy FenceProxy, shfl Shfl, vote Vote, ballot Ballot,
        activemask Activemask, match_any MatchAny, match_all MatchAll, redux Redux, elect Elect,
    }
    mbarrier {
        cp_async_mbarrier_arrive CpAsyncMbarrierArrive, mbarrier_init MbarrierInit,
        mbarrier_inval MbarrierInval, mbarrier_arrive MbarrierArrive,
        mbarrier_arrive_expect_tx MbarrierArriveExpectTx,
        mbarrier_arrive_no_complete MbarrierArriveNoComplete,
        mbarrier_arrive_drop MbarrierArriveDrop, mbarrier_expect_tx MbarrierExpectTx,
        mbarrier_test_wait MbarrierTestWait, mbarrier_test_wait_parity MbarrierTestWaitParity,
        mbarrier_try_wait MbarrierTryWait, mbarrier_try_wait_parity MbarrierTryWaitParity,
        mbarrier_pending_count MbarrierPendingCount, fence_mbarrier_init FenceMbarrierInit,
    }
    cluster {
        cluster_arrive ClusterArrive, cluster_wait ClusterWait, mapa Mapa,
        getctarank Getctarank, griddepcontrol Griddepcontrol, setmaxnreg Setmaxnreg,
    }
    matrix {
        ldmatrix Ldmatrix, stmatrix Stmatrix, mma Mma,
    }
    control {
        bra Bra, brx_idx BrxIdx, call Call, ret Ret, exit Exit, trap Trap, brkpt Brkpt,
        nanosleep Nanosleep,
    }
}
