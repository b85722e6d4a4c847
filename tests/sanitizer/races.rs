//! Data races within a warp, a block and a grid.

use firesteel::sim::report::{FaultKind, Space};

use super::{Shape, caught, passes};

/// Each thread writes a word of shared memory and reads another one.
fn exchange(between: &str) -> String {
    format!(
        "shl.b32 %r1, %tid, 2;\nst.shared.u32 [%r1], %tid;\n{between}\n\
         mov.u32 %r2, %ntid.x;\nsub.u32 %r2, %r2, 1;\nsub.u32 %r2, %r2, %tid;\nshl.b32 %r2, %r2, 2;\n\
         ld.shared.u32 %r3, [%r2];"
    )
}

#[test]
fn shared_memory_between_warps() {
    let report = caught(FaultKind::Race, &exchange(""), Shape(1, 128));
    assert_eq!(report.fault.touch().unwrap().space, Space::Shared);
    caught(FaultKind::Race, &exchange("bar.warp.sync 0xffffffff;"), Shape(1, 128));
    passes(&exchange("bar.sync 0;"), Shape(1, 128));
}

#[test]
fn shared_memory_within_a_warp() {
    caught(FaultKind::Race, &exchange(""), Shape(1, 32));
    // A shuffle brings lanes together but orders no memory.
    let shuffle = "shfl.sync.idx.b32 %r4, %tid, 0, 31, 0xffffffff;";
    caught(FaultKind::Race, &exchange(shuffle), Shape(1, 32));
    passes(&exchange("bar.warp.sync 0xffffffff;"), Shape(1, 32));
}

/// A barrier before the reads, but none before the next writes.
#[test]
fn reads_that_the_next_writes_overtake() {
    let twice = |between: &str| {
        format!("{}\n{between}\nst.shared.u32 [%r1], %r3;", exchange("bar.sync 0;"))
    };
    caught(FaultKind::Race, &twice(""), Shape(1, 64));
    passes(&twice("bar.sync 0;"), Shape(1, 64));
}

#[test]
fn global_memory_between_blocks() {
    let report = caught(FaultKind::Race, "st.global.u32 [%out], %bid;", Shape(2, 1));
    assert_eq!(report.fault.touch().unwrap().space, Space::Global);
    passes("red.global.add.u32 [%in], 1;", Shape(64, 32));
    let read = "setp.eq.u32 %p1, %bid, 0;\n@%p1 st.global.u32 [%in], %bid;\n\
                @!%p1 ld.global.u32 %r1, [%in];";
    caught(FaultKind::Race, read, Shape(2, 1));
}

#[test]
fn lanes_that_store_different_values_to_one_place() {
    caught(FaultKind::Race, "st.global.u32 [%out], %tid;", Shape(1, 32));
    passes("st.global.u32 [%out], 7;", Shape(1, 32));
}

/// One block hands a value to another through a flag.
fn hand_over(fence: &str) -> String {
    format!(
        "setp.ne.u32 %p1, %bid, 0;\n@%p1 bra $wait;\nst.global.u32 [%in+64], 5;\n{fence}\n\
         st.relaxed.gpu.global.u32 [%in], 1;\nbra $end;\n\
         $wait:\nld.relaxed.gpu.global.u32 %r1, [%in];\nsetp.eq.u32 %p2, %r1, 0;\n@%p2 bra $wait;\n\
         {fence}\nld.global.u32 %r2, [%in+64];\n$end:"
    )
}

#[test]
fn a_flag_needs_fences() {
    caught(FaultKind::Race, &hand_over(""), Shape(2, 1));
    passes(&hand_over("fence.acq_rel.gpu;"), Shape(2, 1));
}

#[test]
fn an_atomic_and_a_plain_access() {
    let body = "setp.eq.u32 %p1, %tid, 0;\n@%p1 red.global.add.u32 [%in], 1;\n\
                @!%p1 st.global.u32 [%in], 9;";
    caught(FaultKind::Race, body, Shape(1, 2));
}

#[test]
fn a_named_barrier_orders_those_who_meet() {
    let body = exchange("bar.sync 1, 64;");
    passes(&body, Shape(1, 64));
    // Each pair of warps meets apart, but reads what the other pair wrote.
    let pairs = exchange("shr.u32 %r5, %tid, 6;\nadd.u32 %r5, %r5, 1;\nbar.sync %r5, 64;");
    caught(FaultKind::Race, &pairs, Shape(1, 128));
}
