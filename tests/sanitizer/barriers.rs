//! Barriers and `.sync` instructions that not all reach, and those that all do.

use firesteel::sim::SimOptions;
use firesteel::sim::report::Fault;
use firesteel::sim::report::{FaultKind, MbarrierProblem};

use super::{Bench, Shape, caught, passes};

#[test]
fn a_barrier_that_some_threads_pass_by() {
    let body =
        |limit: u32| format!("setp.ge.u32 %p1, %tid, {limit};\n@%p1 bra $end;\nbar.sync 0;\n$end:");
    for limit in [16, 32, 48, 64] {
        let report = caught(FaultKind::DivergentBarrier, &body(limit), Shape(1, 128));
        let Fault::DivergentBarrier { barrier, arrived, expected, missing, .. } = &report.fault
        else {
            unreachable!("by its kind");
        };
        assert_eq!((*barrier, *arrived, *expected), (0, limit, 128), "{report}");
        assert_eq!(missing.unwrap().thread, [limit, 0, 0]);
    }
    passes(&body(128), Shape(1, 128));
}

#[test]
fn the_last_warp_may_be_short() {
    passes("bar.sync 0;\nbar.sync 0;", Shape(3, 48));
    passes("bar.sync 2, 64;", Shape(1, 48));
}

/// Both ways of a branch have a barrier of their own: lanes of one warp meet at none.
#[test]
fn a_barrier_in_each_branch() {
    let body = |split: u32| {
        format!(
            "setp.lt.u32 %p1, %tid, {split};\n@%p1 bra $low;\nbar.sync 0;\nbra $end;\n\
             $low:\nbar.sync 0;\n$end:"
        )
    };
    caught(FaultKind::Illegal, &body(16), Shape(1, 64));
    passes(&body(32), Shape(1, 64));
}

#[test]
fn a_barrier_for_another_number_of_threads() {
    caught(FaultKind::Illegal, "mov.u32 %r1, 40;\nbar.sync 1, %r1;", Shape(1, 64));
    let body = "setp.lt.u32 %p1, %tid, 32;\n@%p1 bra $low;\nbar.sync 1, 64;\nbra $end;\n\
                $low:\nbar.sync 1, 96;\n$end:";
    caught(FaultKind::Illegal, body, Shape(1, 96));
}

#[test]
fn warps_that_wait_for_each_other_in_a_circle() {
    let body = |other: u32| {
        format!(
            "setp.lt.u32 %p1, %tid, 32;\n@%p1 bra $low;\nbar.sync 1, 64;\nbar.sync 2, 64;\nbra $end;\n\
             $low:\nbar.sync {other}, 64;\nbar.sync {}, 64;\n$end:",
            3 - other
        )
    };
    let report = caught(FaultKind::Deadlock, &body(2), Shape(1, 64));
    assert!(report.to_string().contains("barrier 2"), "{report}");
    passes(&body(1), Shape(1, 64));
}

#[test]
fn a_producer_that_does_not_wait() {
    let body = "setp.lt.u32 %p1, %tid, 32;\n@%p1 bra $produce;\nbar.sync 1, 64;\n\
                ld.shared.u32 %r1, [tile];\nbra $end;\n\
                $produce:\nst.shared.u32 [tile], 3;\nbar.arrive 1, 64;\n$end:";
    passes(body, Shape(1, 64));
}

#[test]
fn barriers_reduce_predicates() {
    let body = "setp.lt.u32 %p1, %tid, 40;\nbar.red.popc.u32 %r1, 0, %p1;\n\
                bar.red.and.pred %p2, 0, %p1;\nbar.red.or.pred %p3, 0, !%p1;\n\
                selp.u32 %r2, 1, 0, %p2;\nselp.u32 %r3, 2, 0, %p3;\nadd.u32 %r2, %r2, %r3;\n\
                setp.eq.u32 %p4, %tid, 63;\n\
                @%p4 st.global.u32 [%out], %r1;\n@%p4 st.global.u32 [%out+4], %r2;";
    let bench = Bench::new(SimOptions::default());
    bench.run(body, Shape(1, 64)).unwrap();
    assert_eq!((bench.word(0), bench.word(1)), (40, 2));
}

#[test]
fn a_shuffle_that_lanes_pass_by() {
    let body = |lanes: u32, mask: u32| {
        format!(
            "setp.ge.u32 %p1, %tid, {lanes};\n@%p1 bra $end;\n\
             shfl.sync.bfly.b32 %r1, %tid, 1, 31, {mask:#x};\n$end:"
        )
    };
    let report = caught(FaultKind::DivergentSync, &body(16, u32::MAX), Shape(1, 32));
    let Fault::DivergentSync { mask, present } = report.fault else { unreachable!("by its kind") };
    assert_eq!((mask, present), (u32::MAX, 0xffff), "{report}");
    passes(&body(16, 0xffff), Shape(1, 32));
    passes(&body(32, u32::MAX), Shape(1, 32));
}

#[test]
fn a_lane_outside_of_its_own_mask() {
    caught(
        FaultKind::DivergentSync,
        "setp.eq.u32 %p1, %tid, 3;\nvote.sync.ballot.b32 %r1, %p1, 0xfffe;",
        Shape(1, 32),
    );
}

#[test]
fn a_shuffle_from_a_lane_that_takes_no_part() {
    let body = |from: u32| {
        format!(
            "setp.ge.u32 %p1, %tid, 16;\n@%p1 bra $end;\n\
             shfl.sync.idx.b32 %r1, %tid, {from}, 31, 0xffff;\n$end:"
        )
    };
    caught(FaultKind::DivergentSync, &body(16), Shape(1, 32));
    passes(&body(15), Shape(1, 32));
}

/// Lanes may come to one barrier of the warp from several places, not to one shuffle.
#[test]
fn a_warp_barrier_in_each_branch() {
    let body = |at: &str| {
        format!("setp.lt.u32 %p1, %tid, 16;\n@%p1 bra $low;\n{at}\nbra $end;\n$low:\n{at}\n$end:")
    };
    passes(&body("bar.warp.sync 0xffffffff;"), Shape(1, 32));
    let shuffle = "shfl.sync.idx.b32 %r1, %tid, 0, 31, 0xffffffff;";
    caught(FaultKind::DivergentSync, &body(shuffle), Shape(1, 32));
}

#[test]
fn a_trap() {
    let report =
        caught(FaultKind::Trap, "setp.eq.u32 %p1, %tid, 3;\n.loc 1 4 2\n@%p1 trap;", Shape(1, 8));
    assert_eq!(report.thread.unwrap().thread, [3, 0, 0]);
    assert_eq!(report.place.unwrap().line, 4);
}

#[test]
fn mbarriers() {
    let problem = |body: &str| match caught(FaultKind::Mbarrier, body, Shape(1, 1)).fault {
        Fault::Mbarrier { problem, .. } => problem,
        _ => unreachable!("by its kind"),
    };
    let arrive = "mbarrier.arrive.shared.b64 %rd1, [tile];";
    assert_eq!(problem(arrive), MbarrierProblem::NotInitialised);
    let init = "mbarrier.init.shared.b64 [tile], 1;";
    assert_eq!(problem(&format!("{init}\n{init}")), MbarrierProblem::InUse);
    passes(&format!("{init}\nmbarrier.inval.shared.b64 [tile];\n{init}\n{arrive}"), Shape(1, 1));
}

/// All threads arrive and wait; the phase orders what they wrote before.
#[test]
fn mbarriers_order_memory() {
    let body = |wait: &str| {
        format!(
            "setp.eq.u32 %p1, %tid, 0;\n@%p1 mbarrier.init.shared.b64 [tile], 64;\nbar.sync 0;\n\
             shl.b32 %r1, %tid, 2;\nst.shared.u32 [%r1+16], %tid;\n\
             mbarrier.arrive.shared.b64 %rd1, [tile];\n{wait}\n\
             xor.b32 %r2, %r1, 128;\nld.shared.u32 %r3, [%r2+16];"
        )
    };
    let wait = "$wait:\nmbarrier.test_wait.shared.b64 %p2, [tile], %rd1;\n@!%p2 bra $wait;";
    passes(&body(wait), Shape(1, 64));
    caught(FaultKind::Race, &body(""), Shape(1, 64));
}

/// A thread that has claimed the fault record leaves early; those who wait for it are forgiven.
#[test]
fn a_claimed_fault_takes_precedence() {
    let ptx = |store: &str| {
        format!(
            ".version 7.0\n.target sm_70\n.address_size 64\n\
             .visible .entry f(.param .u64 f_channel, .param .u32 f_kernel_id)\n{{\n\
             .reg .pred %p<3>;\n.reg .b32 %r<3>;\n.reg .b64 %rd<3>;\n\
             mov.u32 %r1, %tid.x;\nsetp.ne.u32 %p1, %r1, 5;\n@%p1 bra $on;\n\
             ld.param.u64 %rd1, [f_channel];\n{store}\nexit;\n$on:\nbar.sync 0;\n\
             shfl.sync.idx.b32 %r2, %r1, 0, 31, 0xffffffff;\nret;\n}}\n"
        )
    };
    let run = |store: &str| {
        let bench = Bench::new(SimOptions::default());
        let module = bench.sim.load(&ptx(store)).unwrap();
        let kernel = module.kernel("f").unwrap();
        bench.sim.launch(&kernel, [1; 3], [64, 1, 1], 0, &[bench.input, 0])
    };
    run("atom.global.cas.b32 %r2, [%rd1], 0, 1;").unwrap();
    assert_eq!(run("").expect_err("divergent").kind(), FaultKind::DivergentBarrier);
}
