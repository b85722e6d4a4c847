//! The pipeline of a matrix product in a cluster, in Rust: each block fetches half of every tile and
//! sends it to both, into a buffer that both have left. And what happens without one of its parts.

use firesteel::prelude::*;
use firesteel::sim::report::{FaultKind, Report};
use firesteel::sim::{Checks, SimOptions};
use firesteel_tests::ptxas;

/// Elements of a row.
const COLUMNS: u32 = 32;
/// Rows that a block fetches at once.
const ROWS: u32 = 8;
/// Tiles, two halves each.
const STEPS: u32 = 5;

/// What is left out or wrong.
const NOTHING: u32 = 0;
const MEETING_AT_THE_START: u32 = 1;
const MEETING_AT_THE_END: u32 = 2;
const WAIT_FOR_THE_READERS: u32 = 3;
const COUNT: u32 = 4;
const MASK: u32 = 5;

/// Each thread adds up a column of its warp's half of all tiles.
#[gpu_kernel(block_size = 64, cluster = 2, arch = "sm_90")]
fn halves(flaw: u32, steps: u32, x: &TensorMap<f32, 2>, out: &mut [f32]) {
    // [stage, half, row, column]
    let tile = shared_mem![f32; 4 * 8 * 32, align = 128];
    let full = shared_mem![u64; 2];
    let empty = shared_mem![u64; 2];
    let (thread, rank) = (thread_idx_x(), cluster_rank());
    if thread == 0 {
        for stage in 0..2u32 {
            mbarrier_init(&mut full[stage], 1);
            // Both warps of both blocks.
            let readers = if flaw == 4 { 5u32 } else { 4u32 };
            mbarrier_init(&mut empty[stage], readers);
        }
        fence_mbarrier_init();
    }
    if flaw == 1 {
        bar_sync();
    } else {
        cluster_sync();
    }
    let mut sum = 0.0f32;
    for step in 0..steps {
        let (stage, turn) = (step % 2, step / 2);
        if thread == 0 {
            if step >= 2 && flaw != 3 {
                mbarrier_wait(&mut empty[stage], (turn + 1) % 2);
            }
            mbarrier_arrive_expect_tx(&mut full[stage], 2 * 8 * 32 * 4);
            let blocks = if flaw == 5 && rank == 1 { 1u32 } else { 3u32 };
            let row = (step * 16 + rank * 8) as i32;
            tma_load_multicast(
                &mut tile[(stage * 2 + rank) * 256],
                x,
                [0, row],
                &mut full[stage],
                blocks,
            );
        }
        mbarrier_wait(&mut full[stage], turn % 2);
        for row in 0..8u32 {
            sum += tile[(stage * 2 + thread / 32) * 256 + row * 32 + thread % 32];
        }
        warp_sync();
        if thread % 32 == 0 {
            mbarrier_arrive_remote(&mut empty[stage], 0);
            mbarrier_arrive_remote(&mut empty[stage], 1);
        }
    }
    out[block_idx_x() * 64 + thread] = sum;
    if flaw != 2 {
        cluster_sync();
    }
}

/// Runs two clusters with a flaw; gives what they found and what they should have.
fn run(device: &Device, flaw: u32) -> Result<[Vec<f32>; 2]> {
    let rows = STEPS * 2 * ROWS;
    let values: Vec<f32> = (0..rows * COLUMNS).map(|it| (it * 7 % 31) as f32).collect();
    let x = device.alloc_from(&values)?;
    let mut out = device.alloc_zeros::<f32>(4 * 64)?;
    let tiling = Tiling::new([COLUMNS.into(), rows.into()], [COLUMNS, ROWS]);
    let map = TensorMap::tiled(&x, tiling)?;
    let (stream, grid) = (device.stream(), LaunchConfig::new([4, 1, 1]));
    halves::launch_on(&stream, grid, flaw, STEPS, &map, &mut out)?;
    let column = |at: u32| {
        let (half, column) = (at % 64 / 32, at % 32);
        let rows = (0..STEPS).flat_map(|it| (0..ROWS).map(move |row| (it * 2 + half) * ROWS + row));
        rows.map(|row| values[(row * COLUMNS + column) as usize]).sum()
    };
    Ok([out.to_host(device)?, (0..4 * 64).map(column).collect()])
}

/// What the simulator says of a flaw.
fn report(flaw: u32) -> Box<Report> {
    match run(&Device::sim(), flaw).expect_err("a bug went unnoticed") {
        Error::Sim(report) => report,
        other => panic!("{other}"),
    }
}

#[test]
fn halves_are_shared_by_two_blocks() -> Result<()> {
    let [got, want] = run(&Device::sim(), NOTHING)?;
    assert_eq!(got, want);
    let unchecked = SimOptions { checks: Checks::None, ..SimOptions::default() };
    let [got, want] = run(&Device::sim_with(unchecked), NOTHING)?;
    assert_eq!(got, want);
    ptxas::demand(halves::ptx(), &[]);
    Ok(())
}

#[test]
fn each_part_of_the_pipeline_is_needed() {
    for (flaw, kinds) in [
        (MEETING_AT_THE_START, &[FaultKind::Mbarrier][..]),
        (MEETING_AT_THE_END, &[FaultKind::BlockExited]),
        (WAIT_FOR_THE_READERS, &[FaultKind::MissingWait, FaultKind::Race]),
        (COUNT, &[FaultKind::Deadlock]),
        (MASK, &[FaultKind::Deadlock]),
    ] {
        let report = report(flaw);
        assert!(kinds.contains(&report.kind()), "flaw {flaw}: {report}");
        let place = report.place.as_ref().unwrap_or_else(|| panic!("no place: {report}"));
        assert!(place.file.ends_with("cluster_stages.rs"), "{report}");
    }
}

#[test]
fn a_deadlock_tells_what_is_missing() {
    let text = report(COUNT).to_string();
    assert!(text.contains("which lacks 1 arrival and 0 bytes"), "{text}");
    let text = report(MASK).to_string();
    assert!(text.contains("which lacks 0 arrivals and 1024 bytes"), "{text}");
    assert!(text.contains("of block (1, 0, 0) waits for phase 0 of the mbarrier"), "{text}");
}
