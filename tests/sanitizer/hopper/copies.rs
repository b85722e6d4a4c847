//! Bulk and tensor copies.

use firesteel::sim::report::{FaultKind, MbarrierProblem};
use firesteel::sim::tensor_map::{Element, Swizzle};
use firesteel::sim::{Checks, report::Fault};

use super::{Bench, INIT, WAIT, caught, expect, map, passes};

/// Copies `bytes` bytes of the input to the tile, and counts them.
fn load(bytes: u32) -> String {
    format!(
        "@%first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes \
         [tile], [%in], {bytes}, [bar];\n"
    )
}

/// A load of a box at `{x, y}`.
fn load_box(x: &str, y: &str) -> String {
    format!(
        "@%first cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes \
         [tile], [%ma, {{{x}, {y}}}], [bar];\n"
    )
}

/// Each thread stores the words of the tile that are its own: `count` words in all.
fn copy_out(count: u32) -> String {
    format!(
        "mov.u32 %r1, %tid;\n$next:\nshl.b32 %r2, %r1, 2;\nmov.u32 %r3, tile;\n\
         add.u32 %r3, %r3, %r2;\nld.shared.u32 %r4, [%r3];\ncvt.u64.u32 %rd1, %r2;\n\
         add.u64 %rd1, %rd1, %out;\nst.global.u32 [%rd1], %r4;\nadd.u32 %r1, %r1, 32;\n\
         setp.lt.u32 %p2, %r1, {count};\n@%p2 bra $next;\n"
    )
}

#[test]
fn bytes_arrive_with_their_barrier() {
    let body = [INIT, &expect(256), &load(256), WAIT, &copy_out(64)].concat();
    for checks in [Checks::All, Checks::None] {
        let bench = Bench::new(checks);
        bench.run(&body, 32).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(bench.read(bench.out, 256), bench.read(bench.input, 256));
    }
}

#[test]
fn bytes_in_flight_are_out_of_reach() {
    let read = "ld.shared.u32 %r1, [tile+16];\n";
    let start = [INIT, &expect(256), &load(256)].concat();
    let report = caught(FaultKind::MissingWait, &[&start, read, WAIT].concat(), 32);
    assert!(report.to_string().contains("asynchronous copy"), "{report}");
    caught(FaultKind::MissingWait, &[&start, "st.shared.u32 [tile+16], 1;\n", WAIT].concat(), 32);
    caught(FaultKind::MissingWait, &[&start, &load(16), WAIT].concat(), 32);
    passes(&[&start, WAIT, read].concat(), 32);
}

#[test]
fn the_barrier_expects_the_bytes_that_come() {
    let body = |expected: u32, bytes: u32| [INIT, &expect(expected), &load(bytes), WAIT].concat();
    let report = caught(FaultKind::Mbarrier, &body(128, 256), 32);
    let Fault::Mbarrier { problem, .. } = report.fault else { panic!("{report}") };
    assert_eq!(problem, MbarrierProblem::TooManyBytes { expected: 128, got: 256 });
    passes(&body(256, 256), 32);
    let missing = caught(FaultKind::Mbarrier, &[INIT, &expect(64)].concat(), 32);
    assert!(missing.to_string().contains("64 bytes when the block ends"), "{missing}");
    caught(FaultKind::Mbarrier, &load(64), 32);
    caught(FaultKind::UnfinishedCopy, &[INIT, &expect(64), &load(64)].concat(), 32);
}

#[test]
fn sizes_and_addresses_are_multiples_of_16() {
    let body = |from: &str, bytes: &str| {
        let copy = format!(
            "mov.u32 %r9, {bytes};\n@%first cp.async.bulk.shared::cluster.global\
             .mbarrier::complete_tx::bytes [tile], [{from}], %r9, [bar];\n"
        );
        [INIT, &expect(32), &copy, WAIT].concat()
    };
    caught(FaultKind::Misaligned, &body("%in+8", "32"), 32);
    caught(FaultKind::Illegal, &body("%in", "24"), 32);
    caught(FaultKind::OutOfBounds, &body("%in+65520", "32"), 32);
    passes(&body("%in+65504", "32"), 32);
}

#[test]
fn a_box_beyond_the_tensor_is_filled_with_zeros() {
    let body = [INIT, &expect(256), &load_box("20", "-3"), WAIT, &copy_out(64)].concat();
    for checks in [Checks::All, Checks::None] {
        let mut bench = Bench::new(checks);
        bench.maps[0] = Some(super::words(&bench));
        bench.run(&body, 32).unwrap_or_else(|report| panic!("{report}"));
        let (input, out) = (bench.read(bench.input, 40 * 96), bench.read(bench.out, 256));
        for y in 0..8_usize {
            for x in 0..8_usize {
                let got = &out[(y * 8 + x) * 4..][..4];
                let want = match (y.checked_sub(3), x < 4) {
                    (Some(y), true) => &input[(y * 24 + 20 + x) * 4..][..4],
                    _ => &[0; 4],
                };
                assert_eq!(got, want, "{x}, {y}");
            }
        }
    }
}

#[test]
fn swizzled_boxes_lie_as_the_pattern_says() {
    for swizzle in [Swizzle::B32, Swizzle::B64, Swizzle::B128] {
        let columns = swizzle.span() as u32 / 4;
        let words = 16 * columns;
        let body = [INIT, &expect(4 * words), &load_box("4", "2"), WAIT, &copy_out(words)].concat();
        let mut bench = Bench::new(Checks::All);
        bench.maps[0] = Some(map(bench.input, Element::U32, [40, 64], [16, columns], swizzle));
        bench.run(&body, 32).unwrap_or_else(|report| panic!("{report}"));
        let (input, out) =
            (bench.read(bench.input, 40 * 256), bench.read(bench.out, 4 * words as usize));
        for y in 0..16 {
            for x in 0..columns as usize {
                // The tile begins at shared address 0, a multiple of every pattern.
                let at = swizzle.apply((y * columns as usize + x) as u64 * 4) as usize;
                assert_eq!(
                    out[at..at + 4],
                    input[((y + 2) * 64 + x + 4) * 4..][..4],
                    "{swizzle:?}"
                );
            }
        }
    }
}

#[test]
fn maps_are_checked() {
    let body = |copy: &str| [INIT, &expect(256), copy, WAIT].concat();
    let foreign = load_box("0", "0").replace("%ma", "%mb");
    let report = caught(FaultKind::Illegal, &body(&foreign), 32);
    assert!(report.to_string().contains("not a tensor map"), "{report}");
    let flat = load_box("0", "0").replace("2d", "1d").replace(", 0}", "}");
    caught(FaultKind::Illegal, &body(&flat), 32);
    caught(FaultKind::Misaligned, &body(&load_box("0", "0").replace("[tile]", "[tile+64]")), 32);
    passes(&body(&load_box("0", "0")), 32);
    passes(&body(&load_box("0", "0").replace("[tile]", "[tile+128]")), 32);
}

/// The tile's first 32 words, each the square of its index, stored to the output by `store`.
fn squares(fence: &str, store: &str, wait: &str) -> String {
    format!(
        "mul.lo.u32 %r1, %tid, %tid;\nshl.b32 %r2, %tid, 2;\nmov.u32 %r3, tile;\n\
         add.u32 %r3, %r3, %r2;\nst.shared.u32 [%r3], %r1;\n{fence}bar.sync 0;\n\
         @%first {store}\n@%first cp.async.bulk.commit_group;\n{wait}"
    )
}

const FENCE: &str = "fence.proxy.async.shared::cta;\n";
const STORE: &str = "cp.async.bulk.global.shared::cta.bulk_group [%out], [tile], 128;";
const STORED: &str = "cp.async.bulk.wait_group 0;\n";

#[test]
fn stores_see_what_was_fenced() {
    caught(FaultKind::MissingProxyFence, &squares("", STORE, STORED), 32);
    caught(
        FaultKind::MissingProxyFence,
        &squares("fence.proxy.async.global;\n", STORE, STORED),
        32,
    );
    passes(&squares(FENCE, STORE, STORED), 32);
    let bench = Bench::new(Checks::All);
    bench.run(&squares(FENCE, STORE, STORED), 32).unwrap();
    let want: Vec<u8> = (0..32_u32).flat_map(|it| (it * it).to_le_bytes()).collect();
    assert_eq!(bench.read(bench.out, 128), want);
}

#[test]
fn sources_are_busy_until_they_are_read() {
    let overwrite = "@%first st.shared.u32 [tile], 5;\n";
    let early = |wait: &str| squares(FENCE, STORE, &[wait, overwrite, STORED].concat());
    caught(FaultKind::MissingWait, &early(""), 32);
    caught(FaultKind::MissingWait, &early("cp.async.bulk.wait_group.read 1;\n"), 32);
    passes(&early("cp.async.bulk.wait_group.read 0;\n"), 32);
    caught(FaultKind::UnfinishedCopy, &squares(FENCE, STORE, ""), 32);
    passes(&squares(FENCE, STORE, "cp.async.bulk.wait_group.read 0;\n"), 32);
}

#[test]
fn reductions_combine_elements() {
    let reduce = "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%in], [tile], 128;";
    let bench = Bench::new(Checks::All);
    let ones: Vec<u8> = (0..32_u32).flat_map(|it| (100 + it).to_le_bytes()).collect();
    bench.sim.write(bench.input, &ones).unwrap();
    bench.run(&squares(FENCE, reduce, STORED), 32).unwrap_or_else(|report| panic!("{report}"));
    let want: Vec<u8> = (0..32_u32).flat_map(|it| (100 + it + it * it).to_le_bytes()).collect();
    assert_eq!(bench.read(bench.input, 128), want);
}

#[test]
fn boxes_are_clipped_on_their_way_out() {
    let store = |op: &str| {
        format!(
            "cp{op}.async.bulk.tensor.2d.global.shared::cta{}.bulk_group [%ma, {{20, 38}}], [tile];",
            if op.is_empty() { "" } else { ".add" }
        )
    };
    for op in ["", ".reduce"] {
        // The box has 4 rows of 8 words; half of each row and the last two rows are outside.
        let mut bench = Bench::new(Checks::All);
        bench.maps[0] = Some(map(bench.input, Element::U32, [40, 24], [4, 8], Swizzle::None));
        let before = bench.read(bench.input, 4096);
        bench.run(&squares(FENCE, &store(op), STORED), 32).unwrap_or_else(|it| panic!("{it}"));
        let after = bench.read(bench.input, 4096);
        for at in 0..1024 {
            let word = |bytes: &[u8]| u32::from_le_bytes(bytes[at * 4..][..4].try_into().unwrap());
            let (y, x) = (at / 24, at % 24);
            let inside = (38..40).contains(&y) && x >= 20;
            let square = if inside { ((y - 38) * 8 + x - 20).pow(2) as u32 } else { 0 };
            let want = match (inside, op) {
                (true, "") => square,
                (true, _) => word(&before).wrapping_add(square),
                (false, _) => word(&before),
            };
            assert_eq!(word(&after), want, "{op} {x}, {y}");
        }
    }
}
