//! Threads that wait for each other get on, and launches that never end are ended.

use firesteel::sim::report::FaultKind;
use firesteel::sim::{Checks, SimOptions};

use super::{Bench, Shape, caught, passes};

#[test]
fn an_endless_loop_reaches_the_step_limit() {
    let bench = Bench::new(SimOptions { step_limit: 100_000, ..SimOptions::default() });
    for body in ["$again:\nbra $again;", "$again:\nld.volatile.global.u32 %r1, [%in];\nbra $again;"]
    {
        let report = bench.run(body, Shape(2, 32)).expect_err("endless");
        assert_eq!(report.kind(), FaultKind::StepLimit, "{report}");
    }
}

/// A lock that lanes of one warp take in turn: the winner must be let out of the loop.
#[test]
fn lanes_take_a_lock_in_turn() {
    let body = "mov.u32 %r5, 0;\n\
                $try:\natom.global.cas.b32 %r1, [%in], 0, 1;\nsetp.ne.u32 %p1, %r1, 0;\n@%p1 bra $try;\n\
                membar.gl;\nld.global.u32 %r2, [%in+4];\nadd.u32 %r2, %r2, 1;\n\
                st.global.u32 [%in+4], %r2;\nmembar.gl;\natom.global.exch.b32 %r3, [%in], 0;";
    for checks in [Checks::All, Checks::None] {
        let bench = Bench::new(SimOptions { checks, ..SimOptions::default() });
        bench.run(body, Shape(3, 64)).unwrap_or_else(|report| panic!("{report}"));
        let mut count = [0; 4];
        bench.sim.read(bench.input + 4, &mut count).unwrap();
        assert_eq!(u32::from_le_bytes(count), 192);
    }
}

/// Every block waits until all have come: more blocks than host threads must be under way.
#[test]
fn a_barrier_of_the_grid() {
    let body = "setp.ne.u32 %p1, %tid, 0;\n@%p1 bra $in;\nmembar.gl;\n\
                atom.global.add.u32 %r1, [%in], 1;\n\
                $wait:\nld.volatile.global.u32 %r2, [%in];\nsetp.lt.u32 %p2, %r2, 40;\n@%p2 bra $wait;\n\
                membar.gl;\n$in:\nbar.sync 0;";
    passes(body, Shape(40, 64));
}

/// The first block waits for the last.
#[test]
fn a_block_waits_for_a_later_one() {
    let body = "setp.eq.u32 %p1, %bid, 31;\n@%p1 st.relaxed.gpu.global.u32 [%in], 1;\n\
                $wait:\nnanosleep.u32 100;\nld.relaxed.gpu.global.u32 %r1, [%in];\n\
                setp.eq.u32 %p2, %r1, 0;\n@%p2 bra $wait;";
    passes(body, Shape(32, 32));
}

/// A warp waits for another of its block through shared memory.
#[test]
fn a_warp_waits_for_another() {
    let body = "setp.eq.u32 %p1, %tid, 0;\n@%p1 st.volatile.shared.u32 [tile], 0;\nbar.sync 0;\n\
                setp.ge.u32 %p1, %tid, 32;\n@%p1 st.volatile.shared.u32 [tile], 1;\n\
                $wait:\nld.volatile.shared.u32 %r1, [tile];\nsetp.eq.u32 %p2, %r1, 0;\n@%p2 bra $wait;";
    passes(body, Shape(1, 64));
}

#[test]
fn clocks_move_on() {
    let body = "mov.u64 %rd1, %clock64;\n$wait:\nmov.u64 %rd2, %clock64;\nsub.u64 %rd3, %rd2, %rd1;\n\
                setp.lt.u64 %p1, %rd3, 1000;\n@%p1 bra $wait;\nmov.u64 %rd4, %globaltimer;\n\
                $again:\nmov.u64 %rd5, %globaltimer;\nsetp.le.u64 %p1, %rd5, %rd4;\n@%p1 bra $again;";
    passes(body, Shape(1, 32));
}

const RECURSIVE: &str = ".version 7.0
.target sm_70
.address_size 64
.func (.param .b32 sum) down(.param .b32 n)
{
    .local .align 4 .b8 frame[4];
    .reg .pred %p;
    .reg .b32 %r<6>;
    .reg .b64 %rd<2>;
    ld.param.u32 %r1, [n];
    mov.b64 %rd1, frame;
    st.local.u32 [%rd1], %r1;
    mov.u32 %r5, 0;
    setp.eq.u32 %p, %r1, 0;
    @%p bra $end;
    sub.u32 %r2, %r1, 1;
    {
        .param .b32 argument;
        .param .b32 result;
        st.param.b32 [argument], %r2;
        call (result), down, (argument);
        ld.param.b32 %r3, [result];
    }
    ld.local.u32 %r4, [%rd1];
    add.u32 %r5, %r3, %r4;
$end:
    st.param.b32 [sum], %r5;
    ret;
}
.visible .entry f(.param .u64 out)
{
    .reg .b32 %r<4>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, %tid.x;
    {
        .param .b32 argument;
        .param .b32 result;
        st.param.b32 [argument], %r1;
        call (result), down, (argument);
        ld.param.b32 %r2, [result];
    }
    mul.wide.u32 %rd2, %r1, 4;
    add.s64 %rd3, %rd1, %rd2;
    st.global.u32 [%rd3], %r2;
    ret;
}
";

/// Each lane goes as deep as its number: `0 + 1 + … + n`.
#[test]
fn functions_call_themselves() {
    let bench = Bench::new(SimOptions::default());
    let module = bench.sim.load(RECURSIVE).unwrap_or_else(|error| panic!("{error}"));
    let kernel = module.kernel("f").unwrap();
    let result = bench.sim.launch(&kernel, [1; 3], [64, 1, 1], 0, &[bench.out]);
    result.unwrap_or_else(|report| panic!("{report}"));
    for n in 0..64 {
        assert_eq!(bench.word(n.into()), n * (n + 1) / 2);
    }
}

#[test]
fn a_jump_table() {
    let body = "and.b32 %r1, %tid, 3;\n\
                $table: .branchtargets $zero, $one, $two, $three;\nbrx.idx %r1, $table;\n\
                $zero:\nmov.u32 %r2, 10;\nbra $end;\n$one:\nmov.u32 %r2, 11;\nbra $end;\n\
                $two:\nmov.u32 %r2, 12;\nbra $end;\n$three:\nmov.u32 %r2, 13;\n$end:\n\
                mul.wide.u32 %rd1, %tid, 4;\nadd.s64 %rd1, %rd1, %out;\nst.global.u32 [%rd1], %r2;";
    let bench = Bench::new(SimOptions::default());
    bench.run(body, Shape(1, 32)).unwrap_or_else(|report| panic!("{report}"));
    for lane in 0..32 {
        assert_eq!(bench.word(lane), 10 + lane as u32 % 4);
    }
    caught(
        FaultKind::Illegal,
        &body.replace("and.b32 %r1, %tid, 3;", "mov.u32 %r1, %tid;"),
        Shape(1, 32),
    );
}

#[test]
fn a_launch_of_the_wrong_shape() {
    let bench = Bench::new(SimOptions::default());
    for shape in [Shape(1, 2048), Shape(0, 32), Shape(1, 0)] {
        let report = bench.run("", shape).expect_err("impossible");
        assert_eq!(report.kind(), FaultKind::Illegal, "{report}");
    }
}
