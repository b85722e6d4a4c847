//! Each rule of `verify`: what it lets pass, what it rejects, and what it says.

use firesteel_ptx::{parse, verify};

use crate::ptxas;

/// A kernel of that body.
fn text(version: &str, target: &str, body: &str) -> String {
    format!(
        ".version {version}\n.target {target}\n.address_size 64\n\
         .global .align 16 .b8 buffer[256];\n.shared .align 16 .b8 tile[256];\n\
         .visible .entry f(.param .u64 p)\n{{\n\
         .reg .pred %p<4>;\n.reg .b16 %h<4>;\n.reg .b32 %r<9>;\n.reg .u32 %u<4>;\n\
         .reg .f32 %f<9>;\n.reg .b64 %rd<4>;\n.reg .f64 %fd<4>;\n{body}\nDONE: ret;\n}}\n"
    )
}

/// What passes, what does not, and what `verify` says about it.
const RULES: &[(&str, &str, &str)] = &[
    ("add.s32 %r1, %r2, %u3;", "add.s32 %r1, %r2, %f3;", "wants a `.s32`, but `%f3` is a `.f32`"),
    ("add.f32 %f1, %r2, %f3;", "add.f32 %f1, %u2, %f3;", "wants a `.f32`, but `%u2` is a `.u32`"),
    (
        "ld.global.u8 %rd1, [%rd2];",
        "ld.global.u64 %r1, [%rd2];",
        "wants a `.u64`, but `%r1` is a `.b32`",
    ),
    (
        "ld.global.b8 %f1, [%rd2];",
        "ld.global.u8 %f1, [%rd2];",
        "wants a `.u8`, but `%f1` is a `.f32`",
    ),
    (
        "st.global.f32 [%rd1], %rd2;",
        "st.global.f32 [%rd1], %fd2;",
        "wants a `.f32`, but `%fd2` is a `.f64`",
    ),
    ("cvt.u16.u8 %r1, %rd2;", "cvt.u16.u8 %f1, %rd2;", "wants a `.u16`, but `%f1` is a `.f32`"),
    (
        "shl.b64 %rd1, %rd2, %r1;",
        "shl.b64 %rd1, %rd2, %rd1;",
        "wants a `.u32`, but `%rd1` is a `.b64`",
    ),
    (
        "mul.wide.s32 %rd1, %r1, %r2;",
        "mul.wide.s32 %r1, %r1, %r2;",
        "wants a `.s64`, but `%r1` is a `.b32`",
    ),
    ("popc.b64 %r1, %rd1;", "popc.b64 %rd1, %rd1;", "wants a `.u32`, but `%rd1` is a `.b64`"),
    (
        "selp.b32 %f1, %f2, %f3, %p1;",
        "selp.f32 %r1, %u2, %f3, %p1;",
        "wants a `.f32`, but `%u2` is a `.u32`",
    ),
    (
        "shfl.sync.bfly.b32 %f1, %f2, 1, 31, -1;",
        "shfl.sync.bfly.b32 %f1, %f2, 1, 31, %f3;",
        "wants a `.u32`, but `%f3` is a `.f32`",
    ),
    ("@%p1 bra DONE;", "@%r1 bra DONE;", "wants a `.pred`, but `%r1` is a `.b32`"),
    (
        "add.f32 %f1, %f2, 0f3F800000;",
        "add.f32 %f1, %f2, 1;",
        "wants a `.f32`, which an integer constant cannot be",
    ),
    (
        "add.s32 %r1, %r2, 1;",
        "add.s32 %r1, %r2, 0f3F800000;",
        "wants a `.s32`, which a single precision constant cannot be",
    ),
    (
        "mov.b32 %r1, 0f3F800000;",
        "mov.b64 %rd1, 0f3F800000;",
        "wants a `.b64`, which a single precision constant cannot be",
    ),
    (
        "mov.b64 %rd1, 0d3FF0000000000000;",
        "mov.b32 %r1, 0d3FF0000000000000;",
        "wants a `.b32`, which a double precision constant cannot be",
    ),
    (
        "add.f16 %h1, %h2, %h3;",
        "add.f16 %h1, %h2, 0x3C00;",
        "wants a `.f16`, which an integer constant cannot be",
    ),
    ("mov.u32 %r1, %tid.x;", "add.u32 %r1, %r2, %tid.x;", "`%tid.x` must be read by `mov`"),
    ("cvt.u64.u32 %rd1, %tid.x;", "mov.u64 %rd1, %tid.x;", "`%tid.x` does not fit a `.u64`"),
    ("add.s32 %r1, %r1, WARP_SZ;", "mov.f32 %f1, %tid.x;", "`%tid.x` does not fit a `.f32`"),
    (
        "mov.u64 %rd1, buffer+16;",
        "add.u64 %rd1, %rd1, buffer;",
        "the address of `buffer` must go through `mov` or `cvta`",
    ),
    ("mov.u32 %r1, tile;", "mov.u32 %r1, buffer;", "the address of `buffer` does not fit a `.u32`"),
    (
        "cvta.global.u64 %rd1, buffer;",
        "cvta.shared.u64 %rd1, buffer;",
        "`buffer` is not in `.shared`",
    ),
    ("ld.global.b32 %r1, [buffer+-4];", "ld.global.b32 %r1, [tile];", "`tile` is not in `.global`"),
    (
        "ld.shared.b32 %r1, [%r2];",
        "ld.global.b32 %r1, [%r2];",
        "an address cannot be in a `.b32` register",
    ),
    ("ld.local.b32 %r1, [16];", "ld.global.b32 %r1, [16];", "an address cannot be an integer"),
    (
        "ld.param.u64 %rd1, [p];",
        "st.param.u64 [p], %rd1;",
        "`p` is a parameter of the kernel, which it cannot write",
    ),
    ("mov.u64 %rd1, tile;", "mov.u64 %rd1, nowhere;", "`nowhere` is not declared"),
    (
        "ld.global.v2.b32 {%r1, %f2}, [%rd1];",
        "ld.global.v2.b32 {%u1, %f2}, [%rd1];",
        "a vector holds the `.u32` `%u1` and the `.f32` `%f2`",
    ),
    (
        "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];",
        "ld.global.v4.f64 {%fd1, %fd2, %fd3, %fd1}, [%rd1];",
        "needs `.target sm_100` or newer",
    ),
    (
        "st.global.v2.b64 [%rd1], {%rd1, %rd2};",
        "st.global.v2.b64 [%rd1], {%rd1, %rd2, %rd3};",
        "the number of values must match the vector length",
    ),
    (
        "mov.b64 %rd1, {%r1, %r2};",
        "mov.b64 %rd1, {%u1, %f1};",
        "a vector holds the `.u32` `%u1` and the `.f32` `%f1`",
    ),
    ("mov.b64 {%r1, _}, %rd1;", "mov.b64 {_, _}, %rd1;", "at least one element goes to a register"),
    (
        "mov.b32 %r1, {%h1, 5};",
        "mov.b64 %rd1, {%f1, 5};",
        "packs a constant with a register of a float type",
    ),
    (
        "setp.lo.u32 %p1, %r1, %r2;",
        "setp.lo.s32 %p1, %r1, %r2;",
        "this comparison is not for this type",
    ),
    (
        "setp.equ.f32 %p1, %f1, %f2;",
        "setp.equ.s32 %p1, %r1, %r2;",
        "this comparison is not for this type",
    ),
    (
        "setp.ne.b32 %p1, %r1, %r2;",
        "setp.lt.b32 %p1, %r1, %r2;",
        "this comparison is not for this type",
    ),
    (
        "setp.lt.f16x2 %p1|%p2, %r1, %r2;",
        "setp.lt.f16 %p1|%p2, %h1, %h2;",
        "a pair of halves gives two predicates, a lone half one",
    ),
    (
        "set.lt.ftz.u32.f32 %r1, %f1, %f2;",
        "set.lt.ftz.u32.s32 %r1, %r2, %r3;",
        "`.ftz` needs `.f32`",
    ),
    (
        "slct.f32.s32 %f1, %f2, %f3, %r1;",
        "slct.ftz.f32.s32 %f1, %f2, %f3, %r1;",
        "`.ftz` needs an `.f32` to ask",
    ),
    (
        "add.rz.ftz.sat.f32 %f1, %f2, %f3;",
        "add.ftz.f64 %fd1, %fd2, %fd3;",
        "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
    ),
    ("add.rn.f16 %h1, %h2, %h3;", "add.rz.f16 %h1, %h2, %h3;", "halves round to nearest alone"),
    (
        "fma.rn.sat.f16 %h1, %h2, %h3, %h1;",
        "fma.rn.sat.relu.f16 %h1, %h2, %h3, %h1;",
        "`.relu` and `.sat` exclude each other",
    ),
    ("add.sat.s32 %r1, %r2, %r3;", "add.sat.u32 %r1, %r2, %r3;", "`.sat` needs `.s32`"),
    ("min.NaN.f32 %f1, %f2, %f3;", "min.NaN.f64 %fd1, %fd2, %fd3;", "`.NaN` is not for `.f64`"),
    (
        "lop3.b32 %r1, %r2, %r3, %r4, 0x96;",
        "lop3.b32 %r1, %r2, %r3, %r4, %r5;",
        "the truth table is a number below 256",
    ),
    (
        "cvt.rn.f32.s32 %f1, %r1;",
        "cvt.f32.s32 %f1, %r1;",
        "this conversion takes another rounding, or none",
    ),
    (
        "cvt.rzi.s32.f32 %r1, %f1;",
        "cvt.rz.s32.f32 %r1, %f1;",
        "this conversion takes another rounding, or none",
    ),
    (
        "cvt.rn.f32.f64 %f1, %fd1;",
        "cvt.f32.f64 %f1, %fd1;",
        "this conversion takes another rounding, or none",
    ),
    (
        "cvt.f64.f32 %fd1, %f1;",
        "cvt.rn.f64.f32 %fd1, %f1;",
        "this conversion takes another rounding, or none",
    ),
    (
        "cvt.rmi.f32.f32 %f1, %f2;",
        "cvt.rm.f32.f32 %f1, %f2;",
        "this conversion takes another rounding, or none",
    ),
    ("cvt.sat.u8.s32 %r1, %r2;", "cvt.sat.s64.s32 %rd1, %r2;", "`.sat` is not for this conversion"),
    ("cvt.rn.ftz.f16.f32 %h1, %f1;", "cvt.rn.ftz.f16.f64 %h1, %fd1;", "`.ftz` needs `.f32`"),
    (
        "cvt.rn.relu.f16.f32 %h1, %f1;",
        "cvt.rm.relu.f16.f32 %h1, %f1;",
        "`.relu` is for `.rn` and `.rz` of `.f32` to a small float",
    ),
    (
        "cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;",
        "cvt.rn.e4m3x2.f32 %h1, %f1, %f2;",
        "8-bit floats need `.rn.satfinite`, halves `.rn` or `.rz`",
    ),
    (
        "cvt.rz.f16x2.f32 %r1, %f1, %f2;",
        "cvt.rm.f16x2.f32 %r1, %f1, %f2;",
        "8-bit floats need `.rn.satfinite`, halves `.rn` or `.rz`",
    ),
    (
        "cvt.rna.tf32.f32 %r1, %f1;",
        "cvt.rna.tf32.f32 %rd1, %f1;",
        "wants a `.tf32`, but `%rd1` is a `.b64`",
    ),
    (
        "ld.relaxed.gpu.global.u32 %r1, [%rd1];",
        "ld.relaxed.global.u32 %r1, [%rd1];",
        "an ordering needs a scope, and a scope needs an ordering",
    ),
    (
        "ld.acquire.cta.u32 %r1, [%rd1];",
        "ld.release.cta.u32 %r1, [%rd1];",
        "a load is `.weak`, `.volatile`, `.relaxed` or `.acquire`",
    ),
    (
        "st.release.sys.u32 [%rd1], %r1;",
        "st.acquire.sys.u32 [%rd1], %r1;",
        "a store is `.weak`, `.volatile`, `.relaxed` or `.release`",
    ),
    (
        "ld.volatile.global.u32 %r1, [%rd1];",
        "ld.volatile.gpu.global.u32 %r1, [%rd1];",
        "an ordering needs a scope, and a scope needs an ordering",
    ),
    (
        "ld.relaxed.cta.shared.u32 %r1, [%rd1];",
        "ld.relaxed.cta.local.u32 %r1, [%rd1];",
        "this ordering is for global and shared memory",
    ),
    (
        "ld.global.cs.u32 %r1, [%rd1];",
        "ld.relaxed.gpu.global.cs.u32 %r1, [%rd1];",
        "an ordered access takes no cache operator",
    ),
    (
        "ld.global.L1::evict_last.u32 %r1, [%rd1];",
        "ld.global.ca.L1::evict_last.u32 %r1, [%rd1];",
        "a cache operator excludes an eviction priority",
    ),
    (
        "ld.global.L2::128B.u32 %r1, [%rd1];",
        "ld.shared.L2::128B.u32 %r1, [%rd1];",
        "cache hints are for global memory",
    ),
    (
        "ld.global.L2::cache_hint.u32 %r1, [%rd1], %rd2;",
        "ld.global.L2::cache_hint.u32 %r1, [%rd1];",
        "`.L2::cache_hint` and a policy go together",
    ),
    (
        "ld.global.nc.L1::no_allocate.u32 %r1, [%rd1];",
        "ld.global.cv.nc.u32 %r1, [%rd1];",
        "the read-only path takes `.ca`, `.cg` and `.cs`",
    ),
    ("ld.const.u32 %r1, [%rd1];", "st.const.u32 [%rd1], %r1;", "constant memory is read-only"),
    (
        "ld.global.b16 %h1, [%rd1];",
        "ld.global.f16 %h1, [%rd1];",
        "halves travel as `.b16` or `.b32`",
    ),
    (
        "prefetch.global.L2 [%rd1];",
        "prefetch.shared.L2 [%rd1];",
        "`prefetch` is for global and local memory",
    ),
    (
        "atom.relaxed.gpu.global.add.u32 %r1, [%rd1], 1;",
        "atom.sc.gpu.global.add.u32 %r1, [%rd1], 1;",
        "`.relaxed`, `.acquire`, `.release` or `.acq_rel`",
    ),
    (
        "atom.shared.add.u32 %r1, [%rd1], 1;",
        "atom.local.add.u32 %r1, [%rd1], 1;",
        "atomic operations are for global and shared memory",
    ),
    (
        "atom.add.noftz.f16 %h1, [%rd1], %h2;",
        "atom.add.f16 %h1, [%rd1], %h2;",
        "half types need `.noftz`, others must not have it",
    ),
    (
        "atom.min.s64 %rd1, [%rd1], %rd2;",
        "atom.add.s64 %rd1, [%rd1], %rd2;",
        "this atomic operation does not take this type",
    ),
    (
        "red.release.gpu.global.add.f32 [%rd1], %f1;",
        "red.acquire.gpu.global.add.f32 [%rd1], %f1;",
        "a reduction is `.relaxed` or `.release`",
    ),
    (
        "red.or.b32 [%rd1], %r1;",
        "red.exch.b32 [%rd1], %r1;",
        "this reduction does not take this type",
    ),
    (
        "cp.async.cg.shared.global [%r1], [%rd1], 16;",
        "cp.async.cg.shared.global [%r1], [%rd1], 8;",
        "`.cg` copies 16 bytes",
    ),
    (
        "cp.async.ca.shared.global [%r1], [%rd1], 8, 4;",
        "cp.async.ca.shared.global [%r1], [%rd1], 8, 16;",
        "at most the copied bytes are read",
    ),
    ("cp.async.wait_group 2;", "cp.async.wait_group %r1;", "the number of groups is a constant"),
    ("bar.sync 15;", "bar.sync 16;", "a block has the barriers 0 to 15"),
    (
        "bar.sync 1, 64;",
        "bar.sync 1, 48;",
        "a barrier is for whole warps: a multiple of 32 threads",
    ),
    (
        "bar.red.popc.u32 %r1, 0, %p1;",
        "bar.red.popc.s32 %r1, 0, %p1;",
        "`bar.red.popc` counts in `.u32`",
    ),
    (
        "fence.acq_rel.gpu;",
        "fence.relaxed.gpu;",
        "a fence is `.sc`, `.acq_rel`, `.acquire` or `.release`",
    ),
    (
        "redux.sync.min.s32 %r1, %r2, -1;",
        "redux.sync.and.s32 %r1, %r2, -1;",
        "this reduction does not take this type",
    ),
    (
        "mbarrier.arrive.release.cta.b64 %rd1, [%rd1];",
        "mbarrier.arrive.acquire.cta.b64 %rd1, [%rd1];",
        "an arrival is `.release` or `.relaxed`, with a scope",
    ),
    (
        "mbarrier.test_wait.parity.shared.b64 %p1, [%r1], 1;",
        "mbarrier.test_wait.parity.shared.b64 %p1, [%r1], 2;",
        "a parity is 0 or 1",
    ),
    (
        "mbarrier.init.shared.b64 [%r1], 1;",
        "mbarrier.init.global.b64 [%rd1], 1;",
        "an mbarrier is in shared memory of the block",
    ),
    (
        "mbarrier.arrive.shared::cluster.b64 _, [%r1];",
        "mbarrier.arrive.shared::cluster.b64 %rd1, [%r1];",
        "an arrival at another block's mbarrier gives no state",
    ),
    (
        "barrier.cluster.arrive.relaxed;",
        "barrier.cluster.arrive.acquire;",
        "an arrival is `.release` or `.relaxed`",
    ),
    (
        "mapa.shared::cluster.u32 %r1, %r2, 1;",
        "mapa.global.u64 %rd1, %rd2, 1;",
        "`mapa` is for `.shared::cluster`",
    ),
    (
        "createpolicy.fractional.L2::evict_last.b64 %rd1, 0f3F000000;",
        "createpolicy.fractional.L2::evict_last.b64 %rd1, 0f40000000;",
        "the fraction is above 0 and at most 1",
    ),
    (
        "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1, %r2}, [%r3];",
        "ldmatrix.sync.aligned.m8n8.x2.global.b16 {%r1, %r2}, [%rd3];",
        "`ldmatrix` reads shared memory",
    ),
    (
        "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r3];",
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2}, [%r3];",
        "one register for each matrix",
    ),
    (
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3}, {%f1, %f2, %f3, %f4};",
        "mma.sync.aligned.m16n8k8.col.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3}, {%f1, %f2, %f3, %f4};",
        "this shape is `.row.col`",
    ),
    (
        "mma.sync.aligned.m16n8k16.row.col.s32.u8.s8.s32 {%r1, %r2, %r3, %r4}, {%r1, %r2}, {%r3}, {%r1, %r2, %r3, %r4};",
        "mma.sync.aligned.m16n8k16.row.col.s32.u8.s4.s32 {%r1, %r2, %r3, %r4}, {%r1, %r2}, {%r3}, {%r1, %r2, %r3, %r4};",
        "these factors do not go together",
    ),
    (
        "mma.sync.aligned.m16n8k16.row.col.satfinite.s32.s8.s8.s32 {%r1, %r2, %r3, %r4}, {%r1, %r2}, {%r3}, {%r1, %r2, %r3, %r4};",
        "mma.sync.aligned.m16n8k8.row.col.satfinite.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3}, {%f1, %f2, %f3, %f4};",
        "`.satfinite` is for integers",
    ),
    (
        "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r1, %r2}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%r7, %r8};",
        "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r1, %r2}, {%r1, %r2}, {%r5, %r6}, {%r7, %r8};",
        "this shape does not have these types, or has another number of registers",
    ),
    (
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd1], 64, [%r2];",
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd1], 8, [%r2];",
        "a bulk copy moves a multiple of 16 bytes, below 2^20",
    ),
    (
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%r1], [%rd1], %r3, [%r2], %rd2;",
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%r1], [%rd1], %r3, [%r2];",
        "`.L2::cache_hint` and a policy go together",
    ),
    (
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%r1], [%rd1], %r3, [%r2], %h1;",
        "cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes.multicast::cluster [%r1], [%rd1], %r3, [%r2], %h1;",
        "a multicast goes to `.shared::cluster`",
    ),
    (
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b64 [%r1], %rd2, [%r3];",
        "st.async.release.shared::cluster.mbarrier::complete_tx::bytes.b64 [%r1], %rd2, [%r3];",
        "an asynchronous store is `.weak`",
    ),
    (
        "st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 [%r1], {%r2, %r4}, [%r3];",
        "st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.b16 [%r1], {%h1, %h2}, [%r3];",
        "an asynchronous store is of elements of 32 or 64 bits",
    ),
    (
        "st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.b64 [%r1], {%rd2, %rd1}, [%r3];",
        "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b64 [%r1], {%rd2, %rd1, %rd2, %rd1}, [%r3];",
        "at most 16 bytes",
    ),
    (
        "cp.async.bulk.global.shared::cta.bulk_group [%rd1], [tile], 64;",
        "cp.async.bulk.global.shared::cta.bulk_group [tile], [tile], 64;",
        "`tile` is not in `.global`",
    ),
    (
        "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.noftz.bf16 [%rd1], [%r1], %r3;",
        "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.bf16 [%rd1], [%r1], %r3;",
        "sums of halves need `.noftz`, others must not have it",
    ),
    (
        "cp.reduce.async.bulk.global.shared::cta.bulk_group.min.s64 [%rd1], [%r1], %r3;",
        "cp.reduce.async.bulk.global.shared::cta.bulk_group.min.f32 [%rd1], [%r1], %r3;",
        "this reduction does not take this type",
    ),
    (
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r1], [%rd1, {%r3, 8}], [%r2];",
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r1], [%rd1, {%r3}], [%r2];",
        "a tensor has as many coordinates as dimensions",
    ),
    (
        "cp.async.bulk.tensor.1d.global.shared::cta.bulk_group [%rd1, {%r3}], [%r1];",
        "cp.async.bulk.tensor.1d.global.shared::cta.bulk_group [%rd1, {%f3}], [%r1];",
        "wants a `.s32`, but `%f3` is a `.f32`",
    ),
    (
        "prefetch.tensormap [%rd1];",
        "prefetch.global.tensormap [%rd1];",
        "a tensor map is prefetched by its generic, parameter or constant address",
    ),
    (
        "cp.async.bulk.wait_group.read 1;",
        "cp.async.bulk.wait_group.read %r1;",
        "the number of groups is a constant",
    ),
];

/// As [`RULES`], for what only `sm_90a` has.
const WARPGROUP_RULES: &[(&str, &str, &str)] = &[
    (
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f1, %f2, %f3, %f4}, %rd1, %rd2, %p1, 1, -1, 0, 1;",
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f1, %f2, %f3, %f4}, %rd1, %rd2, %p1, 1, 2, 0, 1;",
        "float factors have the scales 1 or -1, integers none",
    ),
    (
        "wgmma.mma_async.sync.aligned.m64n8k16.f16.f16.f16 {%r1, %r2}, %rd1, %rd2, 0, 1, 1, 0, 1;",
        "wgmma.mma_async.sync.aligned.m64n8k16.f16.bf16.bf16 {%r1, %r2}, %rd1, %rd2, 0, 1, 1, 0, 1;",
        "this shape does not have these types, or has another number of registers",
    ),
    (
        "wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {%f1, %f2, %f3, %f4}, %rd1, %rd2, !%p1, 1, 1;",
        "wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {%f1, %f2, %f3, %f4}, %rd1, %rd2, !%p1, 1, 1, 0, 0;",
        "factors of 16 bits say 0 or 1 for their transposition, others nothing",
    ),
    (
        "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e5m2 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, %rd2, 1, 1, 1;",
        "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e5m2 {%f1, %f2, %f3, %f4}, {%r1, %r2}, %rd2, 1, 1, 1;",
        "the left factor is in four registers",
    ),
    (
        "wgmma.mma_async.sync.aligned.m64n8k32.satfinite.s32.s8.u8 {%r1, %r2, %r3, %r4}, %rd1, %rd2, %p1;",
        "wgmma.mma_async.sync.aligned.m64n8k32.satfinite.f32.e4m3.e4m3 {%f1, %f2, %f3, %f4}, %rd1, %rd2, %p1, 1, 1;",
        "`.satfinite` is for integers",
    ),
    (
        "wgmma.wait_group.sync.aligned 1;",
        "wgmma.wait_group.sync.aligned %r1;",
        "the number of groups is a constant",
    ),
];

fn says(text: &str) -> Result<(), String> {
    let module = parse(text).map_err(|error| error.to_string())?;
    verify(&module).map_err(|error| error.message)
}

#[test]
fn each_rule_lets_pass_and_rejects() {
    for (rules, target) in [(RULES, "sm_90"), (WARPGROUP_RULES, "sm_90a")] {
        let kernel = |body: &str| text("8.8", target, body);
        for (good, bad, want) in rules {
            assert_eq!(says(&kernel(good)), Ok(()), "{good}");
            let said = says(&kernel(bad)).expect_err(bad);
            assert!(said.contains(want), "{bad}: wanted `{want}`, got `{said}`");
        }
    }
}

#[test]
fn the_assembler_agrees_with_each_rule() {
    if ptxas::find().is_none() {
        return;
    }
    assembler_agrees(RULES, "sm_90");
    assembler_agrees(WARPGROUP_RULES, "sm_90a");
}

fn assembler_agrees(rules: &[(&str, &str, &str)], target: &str) {
    let kernel = |body: &str| text("8.8", target, body);
    let bodies = rules.iter().map(|(good, _, _)| format!("{{ {good} }}")).collect::<Vec<_>>();
    let all = kernel(&bodies.join("\n"));
    if let Err(complaints) = ptxas::assemble(&all, target) {
        let line = |it: &ptxas::Complaint| all.lines().nth(it.line - 1).unwrap_or_default();
        let list: Vec<_> = complaints.iter().map(|it| (line(it), &it.message)).collect();
        panic!("{list:#?}");
    }
    for (_, bad, _) in rules {
        assert!(ptxas::assemble(&kernel(bad), target).is_err(), "ptxas takes `{bad}`");
    }
}
