//! Bounds, alignment, liveness, initialisation, background copies.

use firesteel::sim::SimOptions;
use firesteel::sim::report::{FaultKind, Space};

use super::{Bench, Shape, caught, passes};

const ONE: Shape = Shape(1, 1);
const WARP: Shape = Shape(1, 32);

#[test]
fn global_store_out_of_bounds() {
    let body = |last: u32| {
        format!(
            ".loc 1 7 3\nmul.wide.u32 %rd1, %tid, {last};\nadd.s64 %rd1, %rd1, %out;\n\
             .loc 1 8 5\nst.global.u32 [%rd1], %tid;"
        )
    };
    let report = caught(FaultKind::OutOfBounds, &body(36), WARP);
    let thread = report.thread.unwrap();
    assert_eq!((thread.block, thread.thread), ([0; 3], [29, 0, 0]), "{report}");
    let place = report.place.as_ref().unwrap();
    assert_eq!((place.file.as_ref(), place.line, place.column), ("bug.cu", 8, 5));
    assert_eq!(report.instruction.as_deref(), Some("st.global.u32 [%rd1], %tid;"));
    let touch = report.fault.touch().unwrap();
    assert_eq!((touch.space, touch.bytes), (Space::Global, 4));
    passes(&body(32), WARP);
}

#[test]
fn shared_load_out_of_bounds() {
    let body = |offset: u32| format!("mov.u32 %r1, {offset};\nst.shared.u32 [%r1], %tid;");
    caught(FaultKind::OutOfBounds, &body(1024 + 256), ONE);
    passes(&body(1024 + 252), ONE);
}

#[test]
fn local_and_null_out_of_bounds() {
    caught(FaultKind::OutOfBounds, "mov.b64 %rd1, 0;\nld.u32 %r1, [%rd1];", ONE);
    let body = |offset: u32| {
        format!(
            ".local .align 8 .b8 frame[16];\nmov.b64 %rd1, frame;\ncvta.local.u64 %rd2, %rd1;\n\
             st.local.u64 [%rd1+{offset}], %out;\nld.u64 %rd3, [%rd2+{offset}];\n\
             st.global.u64 [%rd3], %rd3;"
        )
    };
    caught(FaultKind::OutOfBounds, &body(16), ONE);
    passes(&body(8), ONE);
}

#[test]
fn misaligned_access() {
    caught(FaultKind::Misaligned, "st.global.u32 [%out+2], %tid;", ONE);
    caught(FaultKind::Misaligned, "st.global.v4.u32 [%out+8], {%tid, %tid, %tid, %tid};", ONE);
    caught(FaultKind::Misaligned, "st.shared.u64 [tile+4], %out;", ONE);
    passes("st.global.v4.u32 [%out+16], {%tid, %tid, %tid, %tid};", ONE);
}

#[test]
fn use_after_free() {
    let body = "ld.global.u32 %r1, [%in];\nst.global.u32 [%out], %r1;";
    let bench = Bench::new(SimOptions::default());
    bench.run(body, ONE).unwrap();
    bench.sim.free(bench.input).unwrap();
    let report = bench.run(body, ONE).expect_err("freed");
    assert_eq!(report.kind(), FaultKind::UseAfterFree, "{report}");
}

#[test]
fn uninitialised_memory() {
    caught(FaultKind::Uninitialised, "ld.global.u32 %r1, [%out];", ONE);
    passes("ld.global.u32 %r1, [%in];", ONE);
    caught(FaultKind::Uninitialised, "ld.shared.u32 %r1, [tile];", ONE);
    passes("st.shared.u32 [tile], %tid;\nld.shared.u32 %r1, [tile];", ONE);
    let shared_half = "st.shared.u16 [tile], %h1;\nld.shared.u32 %r1, [tile];";
    caught(FaultKind::Uninitialised, &format!("mov.b16 %h1, 1;\n{shared_half}"), ONE);
}

#[test]
fn uninitialised_register() {
    let report = caught(FaultKind::UninitialisedRegister, "st.global.u32 [%out], %r7;", ONE);
    assert!(report.to_string().contains("%r7"), "{report}");
    passes("mov.u32 %r7, 1;\nst.global.u32 [%out], %r7;", ONE);
}

/// Written by the lanes that take one way only.
#[test]
fn register_of_a_path_not_taken() {
    let body = |lanes: u32| {
        format!(
            "setp.lt.u32 %p1, %tid, {lanes};\n@!%p1 bra $join;\nmov.u32 %r1, %tid;\n$join:\n\
             mul.wide.u32 %rd1, %tid, 4;\nadd.s64 %rd1, %rd1, %out;\nst.global.u32 [%rd1], %r1;"
        )
    };
    let report = caught(FaultKind::UninitialisedRegister, &body(31), WARP);
    assert_eq!(report.thread.unwrap().thread, [31, 0, 0]);
    passes(&body(32), WARP);
    let predicated = |other: &str| {
        format!(
            "setp.lt.u32 %p1, %tid, 8;\n@%p1 mov.u32 %r1, 1;\n{other}\n\
             @%p1 st.global.u32 [%out], %r1;"
        )
    };
    passes(&predicated(""), WARP);
    caught(FaultKind::UninitialisedRegister, &predicated("add.u32 %r2, %r1, 1;"), WARP);
}

#[test]
fn store_to_a_constant() {
    let ptx = ".version 7.0\n.target sm_70\n.address_size 64\n.const .u32 c = 5;\n\
               .visible .entry f(.param .u64 out)\n{\n.reg .b64 %rd<3>;\n.reg .b32 %r<3>;\n\
               ld.param.u64 %rd1, [out];\nld.const.u32 %r1, [c];\nst.global.u32 [%rd1], %r1;\n\
               mov.u64 %rd2, c;\nsetp.eq.u64 %p, %rd1, 0;\n@!%p st.u32 [%rd2], %r1;\nret;\n}\n"
        .replace(".reg .b32 %r<3>;", ".reg .b32 %r<3>;\n.reg .pred %p;");
    let bench = Bench::new(SimOptions::default());
    let module = bench.sim.load(&ptx).unwrap();
    let kernel = module.kernel("f").unwrap();
    let report = bench.sim.launch(&kernel, [1; 3], [1; 3], 0, &[bench.out]).expect_err("constant");
    assert_eq!(report.kind(), FaultKind::ReadOnly, "{report}");
    assert_eq!(bench.word(0), 5);
}

#[test]
fn missing_wait_for_a_background_copy() {
    let body = |wait: &str| {
        format!(
            "mul.lo.u32 %r1, %tid, 16;\ncvt.u64.u32 %rd1, %r1;\nadd.s64 %rd2, %in, %rd1;\n\
             cp.async.cg.shared.global [%r1], [%rd2], 16;\ncp.async.commit_group;\n\
             {wait}\nld.shared.u32 %r2, [%r1+4];"
        )
    };
    let report = caught(FaultKind::MissingWait, &body(""), WARP);
    assert!(report.to_string().contains("cp.async"), "{report}");
    caught(FaultKind::MissingWait, &body("cp.async.wait_group 1;"), WARP);
    passes(&body("cp.async.wait_group 0;"), WARP);
    passes(&body("cp.async.wait_all;"), WARP);
}

/// The bytes land at the wait: what another thread reads needs a barrier too.
#[test]
fn a_landed_copy_of_another_thread_needs_a_barrier() {
    let body = |barrier: &str| {
        format!(
            "mul.lo.u32 %r1, %tid, 16;\ncvt.u64.u32 %rd1, %r1;\nadd.s64 %rd2, %in, %rd1;\n\
             cp.async.cg.shared.global [%r1], [%rd2], 16;\ncp.async.wait_all;\n{barrier}\n\
             xor.b32 %r3, %r1, 16;\nld.shared.u32 %r2, [%r3];"
        )
    };
    caught(FaultKind::Race, &body(""), WARP);
    passes(&body("bar.sync 0;"), WARP);
}

#[test]
fn only_some_source_bytes_are_read() {
    let body = "mov.u32 %r1, 4;\nadd.s64 %rd1, %in, 1008;\n\
                cp.async.cg.shared.global [tile], [%rd1], 16, %r1;\ncp.async.wait_all;\n\
                ld.shared.u32 %r2, [tile+12];\nst.global.u32 [%out], %r2;";
    let bench = Bench::new(SimOptions::default());
    bench.sim.write(bench.input, &[0xff; 1024]).unwrap();
    bench.run(body, ONE).unwrap();
    assert_eq!(bench.word(0), 0);
}
