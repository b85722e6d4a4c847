//! Waits at an `mbarrier` that can never end, and loops that only look like them.

use firesteel::sim::Checks;
use firesteel::sim::report::{Fault, FaultKind, WaitsFor};

use super::{Bench, INIT, WAIT, caught, expect, passes};

const ARRIVE: &str = "@%first mbarrier.arrive.shared.b64 _, [bar];\n";

#[test]
fn nobody_arrives() {
    let report = caught(FaultKind::Deadlock, &[INIT, WAIT].concat(), 96);
    let Fault::Deadlock { waiting } = &report.fault else { panic!("{report}") };
    let WaitsFor::Mbarrier { region, phase, arrivals, bytes, .. } = &waiting[0].on else {
        panic!("{report}");
    };
    assert_eq!((*phase, *arrivals, *bytes), (0, 1, 0));
    assert_eq!(region.as_ref().unwrap().name, "shared variable `bar`");
    assert!(report.instruction.as_ref().unwrap().contains("mbarrier.try_wait"), "{report}");
    passes(&[INIT, ARRIVE, WAIT].concat(), 96);
}

#[test]
fn bytes_that_nobody_copies() {
    let report = caught(FaultKind::Deadlock, &[INIT, &expect(64), WAIT].concat(), 32);
    assert!(report.to_string().contains("lacks 0 arrivals and 64 bytes"), "{report}");
}

#[test]
fn the_wrong_parity() {
    let next = WAIT.replace("wait", "next").replace("next.parity", "wait.parity");
    let next = next.replace("try_next", "try_wait").replace("[bar], 0", "[bar], 1");
    let report = caught(FaultKind::Deadlock, &[INIT, ARRIVE, WAIT, &next].concat(), 32);
    assert!(report.to_string().contains("phase 1 of the mbarrier"), "{report}");
}

/// Some threads wait at a barrier of the block, others for a phase, in two places.
#[test]
fn those_who_wait_elsewhere_are_listed() {
    let body = "setp.lt.u32 %p3, %tid, 32;\n@%p3 bra $asks;\nbar.sync 0;\nbra $end;\n$asks:\n\
                setp.lt.u32 %p4, %tid, 7;\n@%p4 bra $wait;\n\
                $other:\nmbarrier.test_wait.parity.shared.b64 %p5, [empty], 0;\n@!%p5 bra $other;\n\
                bra $end;\n";
    let init = "@%first mbarrier.init.shared.b64 [empty], 9;\n";
    let report = caught(FaultKind::Deadlock, &[init, INIT, body, WAIT, "$end:\n"].concat(), 64);
    let text = report.to_string();
    assert!(text.contains("`bar`, which lacks 1 arrival and"), "{text}");
    assert!(text.contains("`empty`, which lacks 9 arrivals and"), "{text}");
    assert!(text.contains("thread (32, 0, 0) of block (0, 0, 0) waits for barrier 0"), "{text}");
}

/// A thread gives up after so many attempts: no deadlock, however many they are.
#[test]
fn a_wait_that_gives_up() {
    let body = "mov.u32 %r1, 0;\n\
                $again:\nmbarrier.try_wait.parity.shared.b64 %p1, [bar], 0;\n@%p1 bra $end;\n\
                add.u32 %r1, %r1, 1;\nsetp.lt.u32 %p2, %r1, 20000;\n@%p2 bra $again;\n$end:\n";
    passes(&[INIT, body].concat(), 64);
    // One lane computes while the others ask; then it arrives.
    let body = "@!%first bra $wait;\nmov.u32 %r1, 0;\n\
                $more:\nadd.u32 %r1, %r1, 1;\nsetp.lt.u32 %p2, %r1, 50000;\n@%p2 bra $more;\n\
                mbarrier.arrive.shared.b64 _, [bar];\n";
    passes(&[INIT, body, WAIT].concat(), 64);
}

/// A loop that also looks at memory may end by what another block stores there.
#[test]
fn a_loop_that_reads_memory_has_the_step_limit() {
    let body = "$again:\nld.relaxed.gpu.global.u32 %r1, [%in];\n\
                mbarrier.try_wait.parity.shared.b64 %p1, [bar], 0;\n@!%p1 bra $again;\n";
    caught(FaultKind::StepLimit, &[INIT, body].concat(), 32);
    let atomics = "$again:\natom.global.cas.b32 %r1, [%in], 1, 1;\nsetp.ne.u32 %p1, %r1, 1;\n\
                   @%p1 bra $again;\n";
    caught(FaultKind::StepLimit, atomics, 32);
}

/// Blocks that wait for ever are told from those that wait their turn, in a large grid.
#[test]
fn a_deadlock_in_a_large_grid() {
    let bench = Bench::new(Checks::All);
    let report = bench.run_clusters(&[INIT, WAIT].concat(), ([4096, 1, 1], [1; 3]), 64);
    assert_eq!(report.expect_err("endless").kind(), FaultKind::Deadlock);
}
