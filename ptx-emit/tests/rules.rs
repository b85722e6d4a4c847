//! Each rule of `verify`: what it lets pass, what it rejects, and what it says.

use firesteel_ptx::{parse, verify};

use crate::ptxas;

/// A kernel of that body for a machine that has everything the rules speak of.
fn kernel(body: &str) -> String {
    text("8.8", "sm_90", body)
}

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
    ("add.s32 %r1, %r2, %u3;", "add.s32 %r1, %r2, %f3;", ""),
    ("add.f32 %f1, %r2, %f3;", "add.f32 %f1, %u2, %f3;", ""),
    ("ld.global.u8 %rd1, [%rd2];", "ld.global.u64 %r1, [%rd2];", ""),
    ("ld.global.b8 %f1, [%rd2];", "ld.global.u8 %f1, [%rd2];", ""),
    ("st.global.f32 [%rd1], %rd2;", "st.global.f32 [%rd1], %fd2;", ""),
    ("cvt.u16.u8 %r1, %rd2;", "cvt.u16.u8 %f1, %rd2;", ""),
    ("shl.b64 %rd1, %rd2, %r1;", "shl.b64 %rd1, %rd2, %rd1;", ""),
    ("mul.wide.s32 %rd1, %r1, %r2;", "mul.wide.s32 %r1, %r1, %r2;", ""),
    ("popc.b64 %r1, %rd1;", "popc.b64 %rd1, %rd1;", ""),
    ("selp.b32 %f1, %f2, %f3, %p1;", "selp.f32 %r1, %u2, %f3, %p1;", ""),
    ("shfl.sync.bfly.b32 %f1, %f2, 1, 31, -1;", "shfl.sync.bfly.b32 %f1, %f2, 1, 31, %f3;", ""),
    ("@%p1 bra DONE;", "@%r1 bra DONE;", ""),
    ("add.f32 %f1, %f2, 0f3F800000;", "add.f32 %f1, %f2, 1;", ""),
    ("add.s32 %r1, %r2, 1;", "add.s32 %r1, %r2, 0f3F800000;", ""),
    ("mov.b32 %r1, 0f3F800000;", "mov.b64 %rd1, 0f3F800000;", ""),
    ("mov.b64 %rd1, 0d3FF0000000000000;", "mov.b32 %r1, 0d3FF0000000000000;", ""),
    ("add.f16 %h1, %h2, %h3;", "add.f16 %h1, %h2, 0x3C00;", ""),
    ("mov.u32 %r1, %tid.x;", "add.u32 %r1, %r2, %tid.x;", ""),
    ("cvt.u64.u32 %rd1, %tid.x;", "mov.u64 %rd1, %tid.x;", ""),
    ("add.s32 %r1, %r1, WARP_SZ;", "mov.f32 %f1, %tid.x;", ""),
    ("mov.u64 %rd1, buffer+16;", "add.u64 %rd1, %rd1, buffer;", ""),
    ("mov.u32 %r1, tile;", "mov.u32 %r1, buffer;", ""),
    ("cvta.global.u64 %rd1, buffer;", "cvta.shared.u64 %rd1, buffer;", ""),
    ("ld.global.b32 %r1, [buffer+-4];", "ld.global.b32 %r1, [tile];", ""),
    ("ld.shared.b32 %r1, [%r2];", "ld.global.b32 %r1, [%r2];", ""),
    ("ld.local.b32 %r1, [16];", "ld.global.b32 %r1, [16];", ""),
    ("ld.param.u64 %rd1, [p];", "st.param.u64 [p], %rd1;", ""),
    ("mov.u64 %rd1, tile;", "mov.u64 %rd1, nowhere;", ""),
    ("ld.global.v2.b32 {%r1, %f2}, [%rd1];", "ld.global.v2.b32 {%u1, %f2}, [%rd1];", ""),
    (
        "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];",
        "ld.global.v4.f64 {%fd1, %fd2, %fd3, %fd1}, [%rd1];",
        "",
    ),
    ("st.global.v2.b64 [%rd1], {%rd1, %rd2};", "st.global.v2.b64 [%rd1], {%rd1, %rd2, %rd3};", ""),
    ("mov.b64 %rd1, {%r1, %r2};", "mov.b64 %rd1, {%u1, %f1};", ""),
    ("mov.b64 {%r1, _}, %rd1;", "mov.b64 {_, _}, %rd1;", ""),
    ("mov.b32 %r1, {%h1, 5};", "mov.b64 %rd1, {%f1, 5};", ""),
    ("setp.lo.u32 %p1, %r1, %r2;", "setp.lo.s32 %p1, %r1, %r2;", ""),
    ("setp.equ.f32 %p1, %f1, %f2;", "setp.equ.s32 %p1, %r1, %r2;", ""),
    ("setp.ne.b32 %p1, %r1, %r2;", "setp.lt.b32 %p1, %r1, %r2;", ""),
    ("setp.lt.f16x2 %p1|%p2, %r1, %r2;", "setp.lt.f16 %p1|%p2, %h1, %h2;", ""),
    ("set.lt.ftz.u32.f32 %r1, %f1, %f2;", "set.lt.ftz.u32.s32 %r1, %r2, %r3;", ""),
    ("slct.f32.s32 %f1, %f2, %f3, %r1;", "slct.ftz.f32.s32 %f1, %f2, %f3, %r1;", ""),
    ("add.rz.ftz.sat.f32 %f1, %f2, %f3;", "add.ftz.f64 %fd1, %fd2, %fd3;", ""),
    ("add.rn.f16 %h1, %h2, %h3;", "add.rz.f16 %h1, %h2, %h3;", ""),
    ("fma.rn.sat.f16 %h1, %h2, %h3, %h1;", "fma.rn.sat.relu.f16 %h1, %h2, %h3, %h1;", ""),
    ("add.sat.s32 %r1, %r2, %r3;", "add.sat.u32 %r1, %r2, %r3;", ""),
    ("min.NaN.f32 %f1, %f2, %f3;", "min.NaN.f64 %fd1, %fd2, %fd3;", ""),
    ("lop3.b32 %r1, %r2, %r3, %r4, 0x96;", "lop3.b32 %r1, %r2, %r3, %r4, %r5;", ""),
    ("cvt.rn.f32.s32 %f1, %r1;", "cvt.f32.s32 %f1, %r1;", ""),
    ("cvt.rzi.s32.f32 %r1, %f1;", "cvt.rz.s32.f32 %r1, %f1;", ""),
    ("cvt.rn.f32.f64 %f1, %fd1;", "cvt.f32.f64 %f1, %fd1;", ""),
    ("cvt.f64.f32 %fd1, %f1;", "cvt.rn.f64.f32 %fd1, %f1;", ""),
    ("cvt.rmi.f32.f32 %f1, %f2;", "cvt.rm.f32.f32 %f1, %f2;", ""),
    ("cvt.sat.u8.s32 %r1, %r2;", "cvt.sat.s64.s32 %rd1, %r2;", ""),
    ("cvt.rn.ftz.f16.f32 %h1, %f1;", "cvt.rn.ftz.f16.f64 %h1, %fd1;", ""),
    ("cvt.rn.relu.f16.f32 %h1, %f1;", "cvt.rm.relu.f16.f32 %h1, %f1;", ""),
    ("cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;", "cvt.rn.e4m3x2.f32 %h1, %f1, %f2;", ""),
    ("cvt.rz.f16x2.f32 %r1, %f1, %f2;", "cvt.rm.f16x2.f32 %r1, %f1, %f2;", ""),
    ("cvt.rna.tf32.f32 %r1, %f1;", "cvt.rna.tf32.f32 %rd1, %f1;", ""),
    ("ld.relaxed.gpu.global.u32 %r1, [%rd1];", "ld.relaxed.global.u32 %r1, [%rd1];", ""),
    ("ld.acquire.cta.u32 %r1, [%rd1];", "ld.release.cta.u32 %r1, [%rd1];", ""),
    ("st.release.sys.u32 [%rd1], %r1;", "st.acquire.sys.u32 [%rd1], %r1;", ""),
    ("ld.volatile.global.u32 %r1, [%rd1];", "ld.volatile.gpu.global.u32 %r1, [%rd1];", ""),
    ("ld.relaxed.cta.shared.u32 %r1, [%rd1];", "ld.relaxed.cta.local.u32 %r1, [%rd1];", ""),
    ("ld.global.cs.u32 %r1, [%rd1];", "ld.relaxed.gpu.global.cs.u32 %r1, [%rd1];", ""),
    (
        "ld.global.L1::evict_last.u32 %r1, [%rd1];",
        "ld.global.ca.L1::evict_last.u32 %r1, [%rd1];",
        "",
    ),
    ("ld.global.L2::128B.u32 %r1, [%rd1];", "ld.shared.L2::128B.u32 %r1, [%rd1];", ""),
    (
        "ld.global.L2::cache_hint.u32 %r1, [%rd1], %rd2;",
        "ld.global.L2::cache_hint.u32 %r1, [%rd1];",
        "",
    ),
    ("ld.global.nc.L1::no_allocate.u32 %r1, [%rd1];", "ld.global.cv.nc.u32 %r1, [%rd1];", ""),
    ("ld.const.u32 %r1, [%rd1];", "st.const.u32 [%rd1], %r1;", ""),
    ("ld.global.b16 %h1, [%rd1];", "ld.global.f16 %h1, [%rd1];", ""),
    ("prefetch.global.L2 [%rd1];", "prefetch.shared.L2 [%rd1];", ""),
    (
        "atom.relaxed.gpu.global.add.u32 %r1, [%rd1], 1;",
        "atom.sc.gpu.global.add.u32 %r1, [%rd1], 1;",
        "",
    ),
    ("atom.shared.add.u32 %r1, [%rd1], 1;", "atom.local.add.u32 %r1, [%rd1], 1;", ""),
    ("atom.add.noftz.f16 %h1, [%rd1], %h2;", "atom.add.f16 %h1, [%rd1], %h2;", ""),
    ("atom.min.s64 %rd1, [%rd1], %rd2;", "atom.add.s64 %rd1, [%rd1], %rd2;", ""),
    (
        "red.release.gpu.global.add.f32 [%rd1], %f1;",
        "red.acquire.gpu.global.add.f32 [%rd1], %f1;",
        "",
    ),
    ("red.or.b32 [%rd1], %r1;", "red.exch.b32 [%rd1], %r1;", ""),
    (
        "cp.async.cg.shared.global [%r1], [%rd1], 16;",
        "cp.async.cg.shared.global [%r1], [%rd1], 8;",
        "",
    ),
    (
        "cp.async.ca.shared.global [%r1], [%rd1], 8, 4;",
        "cp.async.ca.shared.global [%r1], [%rd1], 8, 16;",
        "",
    ),
    ("cp.async.wait_group 2;", "cp.async.wait_group %r1;", ""),
    ("bar.sync 15;", "bar.sync 16;", ""),
    ("bar.sync 1, 64;", "bar.sync 1, 48;", ""),
    ("bar.red.popc.u32 %r1, 0, %p1;", "bar.red.popc.s32 %r1, 0, %p1;", ""),
    ("fence.acq_rel.gpu;", "fence.relaxed.gpu;", ""),
    ("redux.sync.min.s32 %r1, %r2, -1;", "redux.sync.and.s32 %r1, %r2, -1;", ""),
    (
        "mbarrier.arrive.release.cta.b64 %rd1, [%rd1];",
        "mbarrier.arrive.acquire.cta.b64 %rd1, [%rd1];",
        "",
    ),
    (
        "mbarrier.test_wait.parity.shared.b64 %p1, [%r1], 1;",
        "mbarrier.test_wait.parity.shared.b64 %p1, [%r1], 2;",
        "",
    ),
    ("mbarrier.init.shared.b64 [%r1], 1;", "mbarrier.init.global.b64 [%rd1], 1;", ""),
    (
        "mbarrier.arrive.shared::cluster.b64 _, [%r1];",
        "mbarrier.arrive.shared::cluster.b64 %rd1, [%r1];",
        "",
    ),
    ("barrier.cluster.arrive.relaxed;", "barrier.cluster.arrive.acquire;", ""),
    ("mapa.shared::cluster.u32 %r1, %r2, 1;", "mapa.global.u64 %rd1, %rd2, 1;", ""),
    (
        "createpolicy.fractional.L2::evict_last.b64 %rd1, 0f3F000000;",
        "createpolicy.fractional.L2::evict_last.b64 %rd1, 0f40000000;",
        "",
    ),
    (
        "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1, %r2}, [%r3];",
        "ldmatrix.sync.aligned.m8n8.x2.global.b16 {%r1, %r2}, [%rd3];",
        "",
    ),
    (
        "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r3];",
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2}, [%r3];",
        "",
    ),
    (
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3}, {%f1, %f2, %f3, %f4};",
        "mma.sync.aligned.m16n8k8.col.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3}, {%f1, %f2, %f3, %f4};",
        "",
    ),
    (
        "mma.sync.aligned.m16n8k16.row.col.s32.u8.s8.s32 {%r1, %r2, %r3, %r4}, {%r1, %r2}, {%r3}, {%r1, %r2, %r3, %r4};",
        "mma.sync.aligned.m16n8k16.row.col.s32.u8.s4.s32 {%r1, %r2, %r3, %r4}, {%r1, %r2}, {%r3}, {%r1, %r2, %r3, %r4};",
        "",
    ),
    (
        "mma.sync.aligned.m16n8k16.row.col.satfinite.s32.s8.s8.s32 {%r1, %r2, %r3, %r4}, {%r1, %r2}, {%r3}, {%r1, %r2, %r3, %r4};",
        "mma.sync.aligned.m16n8k8.row.col.satfinite.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3}, {%f1, %f2, %f3, %f4};",
        "",
    ),
    (
        "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r1, %r2}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%r7, %r8};",
        "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r1, %r2}, {%r1, %r2}, {%r5, %r6}, {%r7, %r8};",
        "",
    ),
];

fn says(text: &str) -> Result<(), String> {
    let module = parse(text).map_err(|error| error.to_string())?;
    verify(&module).map_err(|error| error.message)
}

#[test]
fn each_rule_lets_pass_and_rejects() {
    for (good, bad, want) in RULES {
        if let Err(e) = says(&kernel(good)) {
            println!("GOOD? {good} {e}");
        }
        println!("RULE\t{good}\t{bad}\t{:?}", says(&kernel(bad)));
        let _ = want;
    }
}

#[test]
fn the_assembler_agrees_with_each_rule() {
    if ptxas::find().is_none() {
        return;
    }
    let bodies = |pick: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        RULES.iter().map(pick).map(|body| format!("{{ {body} }}")).collect::<Vec<_>>().join("\n")
    };
    let all = kernel(&bodies(|rule| rule.0));
    if let Err(e) = ptxas::assemble(&all, "sm_90") {
        for e in e {
            println!("PTXAS-REFUSES {} {}", all.lines().nth(e.line - 1).unwrap_or(""), e.message);
        }
    }
    for (_, bad, _) in RULES {
        if ptxas::assemble(&kernel(bad), "sm_90").is_ok() {
            println!("PTXAS-TAKES {bad}");
        }
    }
}
