//! Copies and `mbarrier`s between the blocks of a cluster.

use firesteel::sim::report::{Fault, FaultKind, MbarrierProblem, Space, WaitsFor};
use firesteel::sim::tensor_map::Swizzle;
use firesteel::sim::{Checks, tensor_map::Element};

use super::{Bench, WAIT, caught_in, expect, map, one, passes_in};

/// All threads of the cluster meet.
const MEET: &str = "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n";

/// The first thread of each block makes its barriers.
fn init(full: u32, empty: u32, meet: &str) -> String {
    format!(
        "@%first mbarrier.init.shared.b64 [bar], {full};\n\
         @%first mbarrier.init.shared.b64 [empty], {empty};\n\
         fence.mbarrier_init.release.cluster;\n{meet}"
    )
}

/// The first thread of the first block.
const LEADER: &str = "setp.eq.u32 %p5, %rank, 0;\nand.pred %p5, %p5, %first;\n";

/// The leader copies 128 bytes of the input, from `at` on, to the blocks of a mask.
fn multicast(at: u32, mask: &str) -> String {
    format!(
        "@%p5 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes\
         .multicast::cluster [tile], [%in+{at}], 128, [bar], {mask};\n"
    )
}

/// Each thread of 32 stores a word of the tile, of its block and of stage `stage`.
fn copy_out(stage: u32) -> String {
    format!(
        "shl.b32 %r2, %tid, 2;\nmov.u32 %r3, tile;\nadd.u32 %r3, %r3, %r2;\n\
         ld.shared.u32 %r4, [%r3];\nmad.lo.u32 %r5, %rank, 256, %r2;\ncvt.u64.u32 %rd1, %r5;\n\
         add.u64 %rd1, %rd1, %out;\nst.global.u32 [%rd1+{}], %r4;\n",
        128 * stage
    )
}

fn wait(bar: &str, parity: u32) -> String {
    let label = format!("$wait_{bar}_{parity}");
    format!(
        "{label}:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p1, [{bar}], {parity};\n\
         @!%p1 bra {label};\n"
    )
}

/// The words of the input, as the bench fills it.
fn input(first: usize, count: usize) -> Vec<u32> {
    let bench = Bench::new(Checks::None);
    let bytes = bench.read(bench.input + 4 * first as u64, 4 * count);
    bytes.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap())).collect()
}

fn problem(report: &firesteel::sim::report::Report) -> MbarrierProblem {
    let Fault::Mbarrier { problem, .. } = report.fault else { panic!("{report}") };
    problem
}

#[test]
fn a_multicast_reaches_each_block_of_its_mask() {
    let body =
        [&init(1, 1, MEET), LEADER, &expect(128), &multicast(0, "5"), WAIT, &copy_out(0), MEET];
    // The block in the middle waits for nothing.
    let skip = "setp.eq.u32 %p6, %rank, 1;\n@%p6 bra $meet;\n";
    let body = [body[0], body[1], skip, body[2], body[3], body[4], body[5], "$meet:\n", MEET];
    let got = passes_in(3, &body.concat(), 32, 192);
    let want = input(0, 32);
    assert_eq!((&got[..32], &got[128..160]), (&want[..], &want[..]));
}

#[test]
fn barriers_are_made_before_others_use_them() {
    let body = |meet: &str| {
        [&init(1, 1, meet), LEADER, &expect(128), &multicast(0, "3"), WAIT, &copy_out(0), MEET]
            .concat()
    };
    let report = caught_in(2, FaultKind::Mbarrier, &body("bar.sync 0;\n"), 32);
    let found = problem(&report);
    assert!(
        matches!(found, MbarrierProblem::InitNotSeen | MbarrierProblem::NotInitialised),
        "{report}"
    );
    // By whichever schedule: the second block's is there, and still not for the first one.
    let late = "setp.eq.u32 %p6, %rank, 1;\n@%p6 bra $on;\nmov.u32 %r10, 0;\n\
                $more:\nadd.u32 %r10, %r10, 1;\nsetp.lt.u32 %p7, %r10, 30000;\n@%p7 bra $more;\n\
                $on:\nbar.sync 0;\n";
    let report = caught_in(2, FaultKind::Mbarrier, &body(late), 32);
    assert_eq!(problem(&report), MbarrierProblem::InitNotSeen, "{report}");
    passes_in(2, &body(MEET), 32, 0);
    let relaxed = MEET.replace("arrive", "arrive.relaxed");
    passes_in(2, &body(&relaxed), 32, 0);
}

/// In one block too: a thread that has not met the one that made the barrier.
#[test]
fn a_block_meets_after_it_has_made_a_barrier() {
    let body = |meet: &str| {
        let init = "@%first mbarrier.init.shared.b64 [bar], 64;\n";
        let rest = "mbarrier.arrive.shared.b64 _, [bar];\n";
        [init, meet, rest, WAIT].concat()
    };
    let report = caught_in(1, FaultKind::Mbarrier, &body(""), 64);
    assert_eq!(problem(&report), MbarrierProblem::InitNotSeen, "{report}");
    passes_in(1, &body("bar.sync 0;\n"), 64, 0);
}

#[test]
fn a_mask_without_a_block_that_waits() {
    let body = |mask: &str| {
        let copies = [&init(1, 1, MEET), LEADER, &expect(128), &multicast(0, mask)].concat();
        [&copies, WAIT, MEET].concat()
    };
    let report = caught_in(2, FaultKind::Deadlock, &body("1"), 32);
    let Fault::Deadlock { waiting } = &report.fault else { panic!("{report}") };
    let WaitsFor::Mbarrier { region, phase, arrivals, bytes, .. } = &waiting[0].on else {
        panic!("{report}");
    };
    assert_eq!((*phase, *arrivals, *bytes), (0, 0, 128), "{report}");
    assert_eq!(region.as_ref().unwrap().name, "shared variable `bar`");
    assert_eq!(waiting[0].thread.block, [1, 0, 0]);
    assert!(report.to_string().contains("which lacks 0 arrivals and 128 bytes"), "{report}");
    assert!(report.to_string().contains("waits for the barrier of the cluster"), "{report}");
    let report = caught_in(2, FaultKind::Illegal, &body("7"), 32);
    assert!(report.to_string().contains("block 2 of a cluster of 2"), "{report}");
    caught_in(2, FaultKind::Illegal, &body("0"), 32);
    passes_in(2, &body("3"), 32, 0);
}

/// Two stages through one buffer: the leader fills the buffers of all blocks, and again when all
/// have told it, at its barrier `empty`, that they have read.
fn stages(reuse: &str, release: &str, arrivals: u32) -> String {
    [
        &init(1, arrivals, MEET),
        LEADER,
        &expect(128),
        &multicast(0, "3"),
        WAIT,
        &copy_out(0),
        "bar.warp.sync 0xffffffff;\nmov.u32 %r8, empty;\n\
         mapa.shared::cluster.u32 %r9, %r8, 0;\n",
        release,
        &expect(128),
        "@!%p5 bra $filled;\n",
        reuse,
        &multicast(128, "3"),
        "$filled:\n",
        &wait("bar", 1),
        &copy_out(1),
        MEET,
    ]
    .concat()
}

const RELEASE: &str = "@%first mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r9];\n";

#[test]
fn buffers_are_filled_again_when_all_have_read() {
    let got = passes_in(2, &stages(&wait("empty", 0), RELEASE, 2), 32, 128);
    let want = input(0, 64);
    assert_eq!((&got[..64], &got[64..]), (&want[..], &want[..]));
}

#[test]
fn a_buffer_that_another_block_still_reads() {
    // The second block reads slowly.
    let slow = "setp.eq.u32 %p6, %rank, 0;\n@%p6 bra $quick;\nmov.u32 %r10, 0;\n\
                $more:\nadd.u32 %r10, %r10, 1;\nsetp.lt.u32 %p7, %r10, 30000;\n@%p7 bra $more;\n\
                $quick:\n";
    for before in ["", slow] {
        let body = stages("", RELEASE, 2).replacen(WAIT, &[WAIT, before].concat(), 1);
        let bench = Bench::new(Checks::All);
        let report = bench.run_clusters(&body, one(2), 32).expect_err("a bug went unnoticed");
        let found = matches!(report.kind(), FaultKind::Race | FaultKind::MissingWait);
        assert!(found, "{report}");
    }
    // Waiting for one of the two is not enough, whichever comes first.
    let body = stages(&wait("empty", 0), RELEASE, 1);
    let bench = Bench::new(Checks::All);
    let report = bench.run_clusters(&body, one(2), 32).expect_err("a bug went unnoticed");
    assert!(matches!(report.kind(), FaultKind::Race | FaultKind::MissingWait), "{report}");
    assert_eq!(report.fault.touch().unwrap().space, Space::Peer(1), "{report}");
}

#[test]
fn arrivals_from_other_blocks_are_counted() {
    let report = caught_in(2, FaultKind::Deadlock, &stages(&wait("empty", 0), RELEASE, 3), 32);
    let text = report.to_string();
    assert!(
        text.contains("in shared variable `empty`, which lacks 1 arrival and 0 bytes"),
        "{text}"
    );
    assert!(
        text.contains("in shared variable `bar`, which lacks 0 arrivals and 128 bytes"),
        "{text}"
    );
    let twice = [RELEASE, RELEASE].concat();
    let once = [
        &init(1, 1, MEET),
        "mov.u32 %r8, empty;\nmapa.shared::cluster.u32 %r9, %r8, 0;\n",
        "mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64 _, [%r9], 16;\n",
        &twice,
        MEET,
    ]
    .concat();
    let report = caught_in(2, FaultKind::Mbarrier, &once, 1);
    let tells = matches!(problem(&report), MbarrierProblem::TooManyArrivals { expected: 1 });
    assert!(tells, "{report}");
}

/// A relaxed arrival tells nothing of the reads before it.
#[test]
fn a_relaxed_arrival_does_not_free_a_buffer() {
    let relaxed = RELEASE.replace("release", "relaxed");
    caught_in(2, FaultKind::Race, &stages(&wait("empty", 0), &relaxed, 2), 32);
}

#[test]
fn a_block_stays_for_arrivals_at_its_barrier() {
    let body = |last: &str| {
        let arrive = "mov.u32 %r8, empty;\nmapa.shared::cluster.u32 %r9, %r8, 0;\n";
        [&init(1, 2, MEET), arrive, RELEASE, last].concat()
    };
    caught_in(2, FaultKind::BlockExited, &body(""), 32);
    passes_in(2, &body(MEET), 32, 0);
    // To wait for the phase is to stay.
    let waits = format!("setp.ne.u32 %p6, %rank, 0;\n@%p6 exit;\n{}", wait("empty", 0));
    passes_in(2, &body(&waits), 32, 0);
}

#[test]
fn a_block_stays_for_bytes_on_their_way_to_it() {
    let body = |wait: &str| {
        [
            &init(1, 1, MEET),
            LEADER,
            &expect(128),
            &multicast(0, "3"),
            MEET,
            "setp.ne.u32 %p6, %rank, 0;\n@%p6 bra $other;\n",
            WAIT,
            "exit;\n$other:\n",
            wait,
        ]
        .concat()
    };
    caught_in(2, FaultKind::UnfinishedCopy, &body(""), 32);
    passes_in(2, &body(&wait("bar", 0)), 32, 0);
}

/// Each block sends the squares of its threads to the next one.
fn share(before: &str, after: &str) -> String {
    format!(
        "{}{}shl.b32 %r2, %tid, 2;\nmov.u32 %r3, tile;\nadd.u32 %r6, %r3, %r2;\n\
         mad.lo.u32 %r7, %tid, %tid, %rank;\nst.shared.u32 [%r6+1024], %r7;\n{before}bar.sync 0;\n\
         xor.b32 %r8, %rank, 1;\nmapa.shared::cluster.u32 %r9, %r3, %r8;\nmov.u32 %r10, bar;\n\
         mapa.shared::cluster.u32 %r11, %r10, %r8;\n\
         @%first cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes \
         [%r9], [tile+1024], 128, [%r11];\n{after}",
        init(1, 1, MEET),
        expect(128),
    )
}

const FENCE: &str = "fence.proxy.async.shared::cta;\n";

#[test]
fn blocks_send_each_other_bytes() {
    let body = share(FENCE, &[WAIT, &copy_out(0), MEET].concat());
    let got = passes_in(2, &body, 32, 128);
    let want = |rank: u32| (0..32).map(move |it| it * it + rank).collect::<Vec<u32>>();
    assert_eq!((&got[..32], &got[64..96]), (&want(1)[..], &want(0)[..]));
    caught_in(2, FaultKind::MissingProxyFence, &share("", &[WAIT, MEET].concat()), 32);
}

#[test]
fn sent_bytes_stay_until_they_have_arrived() {
    let overwrite = "@%first st.shared.u32 [tile+1024], 1;\n";
    caught_in(2, FaultKind::MissingWait, &share(FENCE, &[overwrite, WAIT, MEET].concat()), 32);
    passes_in(2, &share(FENCE, &[WAIT, MEET, overwrite].concat()), 32, 0);
    // The first block leaves before its bytes have, which the second waits for.
    let leave = "setp.eq.u32 %p6, %rank, 0;\n@%p6 bra $end;\n";
    let body = share(FENCE, &[leave, WAIT, "$end:\n"].concat());
    caught_in(2, FaultKind::UnfinishedCopy, &body, 32);
    // The bytes and what counts them are in one block.
    let apart = share(FENCE, &[WAIT, MEET].concat()).replace("128, [%r11]", "128, [bar]");
    let report = caught_in(2, FaultKind::Illegal, &apart, 32);
    assert!(report.to_string().contains("counted in block"), "{report}");
}

#[test]
fn boxes_go_to_several_blocks() {
    let load = "@%p5 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes\
                .multicast::cluster [tile], [%ma, {4, 1}], [bar], 3;\n";
    let body = [&init(1, 1, MEET), LEADER, &expect(256), load, WAIT, &copy_out(0), MEET].concat();
    for checks in [Checks::All, Checks::None] {
        let mut bench = Bench::new(checks);
        bench.maps[0] = Some(map(bench.input, Element::U32, [40, 24], [8, 8], Swizzle::None));
        let run = bench.run_clusters(&body, one(2), 32);
        run.unwrap_or_else(|report| panic!("{report}"));
        let (got, rows) = (bench.words(96), input(0, 40 * 24));
        for at in 0..32 {
            let want = rows[(1 + at / 8) * 24 + 4 + at % 8];
            assert_eq!((got[at], got[64 + at]), (want, want), "{at}");
        }
    }
}

/// Only its own block asks an `mbarrier`.
#[test]
fn another_blocks_barrier_cannot_be_asked() {
    let ask = "mov.u32 %r8, bar;\ncvt.u64.u32 %rd2, %r8;\ncvta.shared.u64 %rd2, %rd2;\n\
               xor.b32 %r9, %rank, 1;\nmapa.u64 %rd3, %rd2, %r9;\n\
               mbarrier.test_wait.parity.b64 %p1, [%rd3], 0;\n";
    let report = caught_in(2, FaultKind::Illegal, &[&init(1, 1, MEET), ask, MEET].concat(), 32);
    assert!(report.to_string().contains("another block's mbarrier"), "{report}");
}

/// Each thread stores its square, and that of its neighbour, in the next block.
#[test]
fn threads_store_in_another_block() {
    let store = "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.u32 \
                 [%r9], {%r7, %r6}, [%r11];\n";
    let body = |store: &str, rest: &str| {
        format!(
            "{}{}shl.b32 %r2, %tid, 3;\nmov.u32 %r3, tile;\nadd.u32 %r3, %r3, %r2;\n\
             mad.lo.u32 %r7, %tid, %tid, %rank;\nadd.u32 %r6, %tid, 1;\n\
             mad.lo.u32 %r6, %r6, %r6, %rank;\nxor.b32 %r8, %rank, 1;\n\
             mapa.shared::cluster.u32 %r9, %r3, %r8;\nmov.u32 %r10, bar;\n\
             mapa.shared::cluster.u32 %r11, %r10, %r8;\n{store}{rest}",
            init(1, 1, MEET),
            expect(256),
        )
    };
    let got = passes_in(2, &body(store, &[WAIT, &copy_out(0), MEET].concat()), 32, 96);
    let want = |rank: u32| {
        let square = |at: u32| at.div_ceil(2) * at.div_ceil(2) + rank;
        (0..32).map(square).collect::<Vec<u32>>()
    };
    assert_eq!((&got[..32], &got[64..]), (&want(1)[..], &want(0)[..]));
    // The words may be on their way when they are read, or not even that.
    let early = body(store, &[&copy_out(0), WAIT, MEET].concat());
    let bench = Bench::new(Checks::All);
    let report = bench.run_clusters(&early, one(2), 32).expect_err("a bug went unnoticed");
    assert!(matches!(report.kind(), FaultKind::Race | FaultKind::MissingWait), "{report}");
    let apart = store.replace("[%r11]", "[bar]");
    caught_in(2, FaultKind::Illegal, &body(&apart, &[WAIT, MEET].concat()), 32);
}
