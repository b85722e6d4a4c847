//! Blocks of a cluster: who they are, their barrier, and each other's shared memory.

use firesteel::sim::Checks;
use firesteel::sim::report::{Fault, FaultKind, Space};

use super::{Bench, caught_in, one, passes_in};

/// All threads of the cluster meet.
const MEET: &str = "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n";

/// `%r2` is the byte offset of the thread, `%r3` its word of the tile, `%r4` the rank of the next
/// block, `%r5` the thread's word there; `%rd1` its word of the output.
const PLACES: &str = "shl.b32 %r2, %tid, 2;\nmov.u32 %r3, tile;\nadd.u32 %r3, %r3, %r2;\n\
     mov.u32 %r6, %cluster_nctarank;\nadd.u32 %r4, %rank, 1;\nrem.u32 %r4, %r4, %r6;\n\
     mapa.shared::cluster.u32 %r5, %r3, %r4;\n\
     mov.u32 %r7, %ctaid.x;\nmov.u32 %r8, %ntid.x;\nmad.lo.u32 %r7, %r7, %r8, %tid;\n\
     mul.wide.u32 %rd1, %r7, 4;\nadd.u64 %rd1, %rd1, %out;\n";

/// A value that tells block and thread.
const VALUE: &str = "mad.lo.u32 %r1, %rank, 1000, %tid;\n";

#[test]
fn registers_tell_the_place_in_the_cluster() {
    let names = [
        "cluster_ctaid.x",
        "cluster_ctaid.y",
        "cluster_nctaid.x",
        "cluster_nctaid.y",
        "cluster_nctaid.z",
        "cluster_ctarank",
        "cluster_nctarank",
        "clusterid.x",
        "clusterid.y",
        "nclusterid.x",
        "nclusterid.y",
        "nclusterid.z",
    ];
    let mut body = "mov.u32 %r1, %ctaid.x;\nmov.u32 %r2, %ctaid.y;\nmad.lo.u32 %r1, %r2, 6, %r1;\n\
                    mul.wide.u32 %rd1, %r1, 48;\nadd.u64 %rd1, %rd1, %out;\n"
        .to_owned();
    for (at, name) in names.iter().enumerate() {
        body += &format!("mov.u32 %r3, %{name};\nst.global.u32 [%rd1+{}], %r3;\n", 4 * at);
    }
    let bench = Bench::new(Checks::All);
    let run = bench.run_clusters(&body, ([6, 4, 1], [3, 2, 1]), 1);
    run.unwrap_or_else(|report| panic!("{report}"));
    let words = bench.words(24 * 12);
    for (block, got) in words.chunks_exact(12).enumerate() {
        let (x, y) = (block as u32 % 6, block as u32 / 6);
        let want = [x % 3, y % 2, 3, 2, 1, y % 2 * 3 + x % 3, 6, x / 3, y / 2, 2, 2, 1];
        assert_eq!(got, want, "block ({x}, {y})");
    }
}

#[test]
fn grids_consist_of_whole_clusters() {
    let bench = Bench::new(Checks::All);
    for (grid, cluster) in [([3, 1, 1], [2, 1, 1]), ([17, 1, 1], [17, 1, 1]), ([1; 3], [0, 1, 1])] {
        let report = bench.run_clusters("", (grid, cluster), 32).expect_err("impossible");
        assert_eq!(report.kind(), FaultKind::Illegal, "{report}");
    }
}

/// Each thread stores, the cluster meets, each reads what the next block stored, they meet again.
fn exchange(first: &str, load: &str, last: &str) -> String {
    let store = "st.shared.u32 [%r3], %r1;\n";
    [PLACES, VALUE, store, first, load, "st.global.u32 [%rd1], %r9;\n", last].concat()
}

const LOAD: &str = "ld.shared::cluster.u32 %r9, [%r5];\n";

#[test]
fn blocks_read_each_others_shared_memory() {
    let generic = "cvt.u64.u32 %rd2, %r3;\ncvta.shared.u64 %rd2, %rd2;\n\
                   mapa.u64 %rd3, %rd2, %r4;\nld.u32 %r9, [%rd3];\n";
    for blocks in [1, 2, 4] {
        for load in [LOAD, generic] {
            let got = passes_in(blocks, &exchange(MEET, load, MEET), 64, 64 * blocks as usize);
            let want =
                (0..blocks).flat_map(|it| (0..64).map(move |t| (it + 1) % blocks * 1000 + t));
            assert_eq!(got, want.collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_read_needs_the_barrier_of_the_cluster() {
    let report = caught_in(2, FaultKind::Race, &exchange("bar.sync 0;\n", LOAD, MEET), 64);
    let touch = report.fault.touch().unwrap();
    assert!(matches!(touch.space, Space::Peer(_)), "{report}");
    assert!(report.to_string().contains("shared variable `tile` of rank"), "{report}");
    assert!(report.to_string().contains("put a barrier of the cluster"), "{report}");
}

/// The read may be over before the other block's next write, or not.
#[test]
fn a_write_after_the_others_read_needs_the_barrier_too() {
    let body = |between: &str| {
        exchange(MEET, LOAD, &[between, "st.shared.u32 [%r3], 7;\n", MEET].concat())
    };
    let report = caught_in(2, FaultKind::Race, &body(""), 64);
    let Fault::Race { other, .. } = &report.fault else { panic!("{report}") };
    let (by, other) = (report.thread.unwrap(), other.thread.unwrap());
    assert_ne!(by.block, other.block, "{report}");
    passes_in(2, &body(MEET), 64, 128);
}

#[test]
fn a_block_waits_for_those_who_read_it() {
    for threads in [32, 96] {
        let report = caught_in(2, FaultKind::BlockExited, &exchange(MEET, LOAD, ""), threads);
        assert!(report.to_string().contains("may have exited"), "{report}");
    }
    // One block works longer than the other, which has exited by then.
    let long = "setp.eq.u32 %p2, %rank, 0;\nmov.u32 %r10, 0;\n@%p2 bra $end;\n\
                $more:\nadd.u32 %r10, %r10, 1;\nsetp.lt.u32 %p3, %r10, 30000;\n@%p3 bra $more;\n\
                $end:\n";
    caught_in(2, FaultKind::BlockExited, &exchange(MEET, &[long, LOAD].concat(), ""), 32);
    passes_in(2, &exchange(MEET, &[long, LOAD].concat(), MEET), 32, 64);
}

#[test]
fn accesses_stay_in_the_other_blocks_memory() {
    let at = |address: &str| {
        let load = format!("add.u32 %r5, %r5, {address};\n{LOAD}");
        exchange(MEET, &load, MEET)
    };
    let report = caught_in(2, FaultKind::OutOfBounds, &at("40000"), 32);
    assert!(matches!(report.fault.touch().unwrap().space, Space::Peer(_)), "{report}");
    caught_in(2, FaultKind::Misaligned, &at("2"), 32);
    let report = caught_in(2, FaultKind::Uninitialised, &at("4096"), 32);
    assert!(report.to_string().contains("rank"), "{report}");
    // An address of the cluster is none of the block.
    let local = LOAD.replace("shared::cluster", "shared::cta");
    caught_in(2, FaultKind::OutOfBounds, &exchange(MEET, &local, MEET), 32);
    let far = "mov.u32 %r4, 2;\nmapa.shared::cluster.u32 %r5, %r3, %r4;\n";
    caught_in(2, FaultKind::Illegal, &exchange(MEET, far, MEET), 32);
}

#[test]
fn addresses_tell_their_block() {
    let body = "mapa.shared::cluster.u32 %r9, %r3, %rank;\nst.shared::cluster.u32 [%r9], 11;\n\
                getctarank.shared::cluster.u32 %r10, %r5;\ngetctarank.shared::cluster.u32 %r11, %r3;\n\
                cvt.u64.u32 %rd2, %r5;\ncvta.shared::cluster.u64 %rd2, %rd2;\n\
                getctarank.u64 %r12, %rd2;\n\
                isspacep.shared::cluster %p1, %rd2;\nisspacep.shared::cta %p2, %rd2;\n\
                isspacep.global %p3, %rd2;\nselp.u32 %r13, 1, 0, %p1;\nselp.u32 %r14, 2, 0, %p2;\n\
                selp.u32 %r15, 4, 0, %p3;\nadd.u32 %r13, %r13, %r14;\nadd.u32 %r13, %r13, %r15;\n\
                ld.shared.u32 %r16, [%r3];\nmul.wide.u32 %rd1, %rank, 20;\nadd.u64 %rd1, %rd1, %out;\n\
                st.global.u32 [%rd1], %r10;\nst.global.u32 [%rd1+4], %r11;\n\
                st.global.u32 [%rd1+8], %r12;\nst.global.u32 [%rd1+12], %r13;\n\
                st.global.u32 [%rd1+16], %r16;\n";
    let got = passes_in(2, &[PLACES, body].concat(), 1, 10);
    assert_eq!(got, [1, 0, 1, 1, 11, 0, 1, 0, 1, 11]);
}

/// Every thread of the cluster counts itself in the first block.
fn count(add: &str) -> String {
    format!(
        "setp.eq.u32 %p1, %rank, 0;\nand.pred %p1, %p1, %first;\n@%p1 st.shared.u32 [tile], 0;\n\
         {MEET}mov.u32 %r1, tile;\nmapa.shared::cluster.u32 %r2, %r1, 0;\n{add}{MEET}\
         @!%p1 bra $end;\nld.shared.u32 %r3, [tile];\nst.global.u32 [%out], %r3;\n$end:\n"
    )
}

#[test]
fn atomics_count_across_blocks() {
    let red = "red.relaxed.cluster.shared::cluster.add.u32 [%r2], 1;\n";
    let atom = "atom.shared::cluster.inc.u32 %r9, [%r2], 1000;\n";
    let cas = "$again:\nld.relaxed.cluster.shared::cluster.u32 %r4, [%r2];\nadd.u32 %r5, %r4, 1;\n\
               atom.relaxed.cluster.shared::cluster.cas.b32 %r6, [%r2], %r4, %r5;\n\
               setp.ne.u32 %p4, %r6, %r4;\n@%p4 bra $again;\n";
    for add in [red, atom, cas] {
        assert_eq!(passes_in(3, &count(add), 40, 1), [120]);
    }
    let plain = "ld.shared::cluster.u32 %r4, [%r2];\nadd.u32 %r4, %r4, 1;\n\
                 @%first st.shared::cluster.u32 [%r2], %r4;\n";
    caught_in(3, FaultKind::Race, &count(plain), 1);
}

/// One block stores and releases a flag in the other, which acquires it and reads.
#[test]
fn flags_order_blocks_of_a_cluster() {
    let body = |release: &str, acquire: &str| {
        format!(
            "{PLACES}@%first st.shared.u32 [tile+64], 0;\n{MEET}mov.u32 %r10, tile;\n\
             mapa.shared::cluster.u32 %r11, %r10, 1;\nmapa.shared::cluster.u32 %r12, %r10, 0;\n\
             setp.ne.u32 %p1, %rank, 0;\n@%p1 bra $reader;\n\
             st.shared.u32 [tile], 42;\nst.{release}.cluster.shared::cluster.u32 [%r11+64], 1;\n\
             bra $end;\n$reader:\nld.{acquire}.cluster.shared::cluster.u32 %r13, [%r11+64];\n\
             setp.eq.u32 %p2, %r13, 0;\n@%p2 bra $reader;\n\
             ld.shared::cluster.u32 %r14, [%r12];\nst.global.u32 [%out], %r14;\n$end:\n{MEET}"
        )
    };
    assert_eq!(passes_in(2, &body("release", "acquire"), 1, 1), [42]);
    caught_in(2, FaultKind::Race, &body("relaxed", "acquire"), 1);
    caught_in(2, FaultKind::Race, &body("release", "relaxed"), 1);
    // Who has acquired the flag need not wait for its store; who has set it is read still.
    let alone = body("release", "acquire")
        .replace("$end:", "setp.eq.u32 %p3, %rank, 1;\n@%p3 exit;\n$end:");
    let alone = alone.replace("ld.shared::cluster.u32 %r14, [%r12]", "mov.u32 %r14, 42");
    assert_eq!(passes_in(2, &alone, 1, 1), [42]);
    let report = caught_in(
        2,
        FaultKind::BlockExited,
        &body("release", "acquire").replace(&format!("$end:\n{MEET}"), "$end:\n"),
        1,
    );
    assert_eq!(report.thread.unwrap().block, [1, 0, 0], "{report}");
}

const ARRIVE: &str = "barrier.cluster.arrive;\n";
const WAIT: &str = "barrier.cluster.wait;\n";

#[test]
fn arrivals_and_waits_go_in_pairs() {
    let twice = caught_in(2, FaultKind::Illegal, &[ARRIVE, ARRIVE, WAIT].concat(), 32);
    assert!(twice.to_string().contains("twice"), "{twice}");
    let never = caught_in(2, FaultKind::Illegal, WAIT, 32);
    assert!(never.to_string().contains("without having arrived"), "{never}");
    passes_in(2, &[ARRIVE, WAIT, ARRIVE, WAIT].concat(), 48, 0);
    let apart = "setp.lt.u32 %p1, %tid, 16;\n@%p1 bra $low;\nbarrier.cluster.arrive.aligned;\n\
                 bra $end;\n$low:\nbarrier.cluster.arrive.aligned;\n$end:\n";
    caught_in(2, FaultKind::Illegal, &[apart, WAIT].concat(), 32);
    passes_in(2, &[&apart.replace(".aligned", ""), WAIT].concat(), 32, 0);
    let apart = apart.replace("arrive", "wait");
    caught_in(2, FaultKind::Illegal, &[ARRIVE, &apart].concat(), 32);
    passes_in(2, &[ARRIVE, &apart.replace(".aligned", "")].concat(), 32, 0);
}

#[test]
fn those_who_have_exited_are_not_waited_for() {
    let leave = "setp.gt.u32 %p1, %tid, 40;\n@%p1 exit;\n";
    passes_in(2, &[leave, ARRIVE, WAIT].concat(), 96, 0);
    // A whole block.
    let leave = "setp.eq.u32 %p1, %rank, 1;\n@%p1 exit;\n";
    passes_in(2, &[leave, ARRIVE, WAIT].concat(), 32, 0);
}

#[test]
fn a_thread_that_never_arrives_is_reported() {
    // The first block's first thread waits for its block, which waits for the cluster.
    let body = "setp.eq.u32 %p1, %rank, 0;\nand.pred %p1, %p1, %first;\n@!%p1 bra $meet;\n\
                bar.sync 0;\n$meet:\n";
    let text = caught_in(2, FaultKind::DivergentBarrier, &[body, ARRIVE, WAIT].concat(), 64);
    assert!(text.to_string().contains("1 of 64 threads wait at barrier 0"), "{text}");
    // Half a named barrier.
    let named = body.replace("bar.sync 0;", "barrier.sync 1, 64;");
    let report = caught_in(2, FaultKind::Deadlock, &[&named, ARRIVE, WAIT].concat(), 64);
    assert!(report.to_string().contains("waits for the barrier of the cluster"), "{report}");
}

/// What is stored between arrival and wait, the others may not see.
#[test]
fn an_arrival_orders_what_came_before() {
    let store = "st.shared.u32 [%r3], %r1;\n";
    let body = |before: &str, after: &str| {
        let meet = [before, ARRIVE, after, WAIT].concat();
        [PLACES, VALUE, &meet, LOAD, "st.global.u32 [%rd1], %r9;\n", MEET].concat()
    };
    passes_in(2, &body(store, ""), 32, 64);
    caught_in(2, FaultKind::Race, &body("", store), 32);
}

#[test]
fn a_relaxed_arrival_orders_what_was_fenced() {
    let meet = |fence: &str| format!("{fence}barrier.cluster.arrive.relaxed;\n{WAIT}");
    caught_in(2, FaultKind::Race, &exchange(&meet(""), LOAD, MEET), 32);
    passes_in(2, &exchange(&meet("fence.acq_rel.cluster;\n"), LOAD, MEET), 32, 64);
}

/// The barrier orders global memory too.
#[test]
fn the_barrier_orders_global_memory() {
    let body = |meet: &str| {
        format!(
            "{PLACES}{VALUE}st.global.u32 [%rd1], %r1;\n{meet}xor.b32 %r7, %rank, 1;\n\
             mul.wide.u32 %rd2, %r7, 128;\nmul.wide.u32 %rd3, %tid, 4;\nadd.u64 %rd2, %rd2, %rd3;\n\
             add.u64 %rd2, %rd2, %out;\nld.global.u32 %r8, [%rd2];\nst.global.u32 [%rd1+4096], %r8;\n"
        )
    };
    passes_in(2, &body(MEET), 32, 64);
    let bench = Bench::new(Checks::All);
    let report = bench.run_clusters(&body("bar.sync 0;\n"), one(2), 32).expect_err("a race");
    assert!(matches!(report.kind(), FaultKind::Race | FaultKind::Uninitialised), "{report}");
}
