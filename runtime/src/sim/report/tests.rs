//! The text of every fault, on one page.

use super::*;

fn touch(kind: AccessKind, space: Space, address: u64, bytes: u32) -> Touch {
    Touch { kind, space, address, bytes }
}

fn party(block: OtherBlock, kind: AccessKind) -> Party {
    Party { block, thread: 70, several: false, pc: 4, kind }
}

/// Faults of memory, by a kernel with a grid of 4x2 blocks of 32x4 threads.
fn memory_faults() -> Vec<Fault<Party>> {
    let buffer = Region { name: "buffer #3".to_owned(), base: 0x200_0000_0000, size: 1024 };
    let tile = Region { name: "shared variable `tile`".to_owned(), base: 0, size: 512 };
    let global = |kind, at: u64| touch(kind, Space::Global, 0x200_0000_0000 + at, 4);
    let shared = |kind, address| touch(kind, Space::Shared, address, 4);
    let (load, store, atomic) = (AccessKind::Load, AccessKind::Store, AccessKind::Atomic);
    let race =
        |touch, region: &Region, other| Fault::Race { touch, region: Some(region.clone()), other };
    vec![
        Fault::OutOfBounds { touch: global(load, 1024), nearest: Some(buffer.clone()) },
        Fault::OutOfBounds { touch: global(store, 1022), nearest: Some(buffer.clone()) },
        Fault::OutOfBounds { touch: shared(store, 16), nearest: None },
        Fault::Misaligned { touch: touch(load, Space::Global, 0x200_0000_0004, 16) },
        Fault::UseAfterFree { touch: global(load, 8), region: buffer.clone() },
        Fault::ReadOnly { touch: global(store, 8), region: buffer.clone() },
        Fault::Uninitialised { touch: global(load, 12), region: Some(buffer.clone()) },
        Fault::Uninitialised { touch: shared(load, 12), region: Some(tile.clone()) },
        race(shared(load, 256), &tile, party(OtherBlock::Same, store)),
        race(global(store, 256), &buffer, party(OtherBlock::Index(6), store)),
        race(
            global(store, 0),
            &buffer,
            Party { several: true, ..party(OtherBlock::Several, load) },
        ),
        race(global(load, 0), &buffer, party(OtherBlock::Index(0), atomic)),
        Fault::MissingWait {
            touch: shared(load, 64),
            copy: party(OtherBlock::Same, AccessKind::AsyncCopy),
        },
        Fault::MissingProxyFence {
            touch: touch(load, Space::Shared, 128, 64),
            writer: party(OtherBlock::Same, store),
        },
        Fault::UnfinishedCopy { touch: touch(AccessKind::AsyncCopy, Space::Shared, 128, 64) },
        race(shared(store, 256), &tile, party(OtherBlock::Index(6), load)).at_peer(1),
        Fault::BlockExited { touch: shared(atomic, 8) }.at_peer(1),
    ]
}

fn spinning(thread: ThreadId) -> Fault<Party> {
    let bars = Region { name: "shared variable `full`".to_owned(), base: 64, size: 16 };
    let waits = |arrivals, bytes| WaitsFor::Mbarrier {
        address: 72,
        region: Some(bars.clone()),
        phase: 2,
        arrivals,
        bytes,
    };
    let waiting = |on| Waiting { thread, place: None, on };
    let on = [waits(1, 4096), waits(2, 0), WaitsFor::ClusterBarrier, WaitsFor::Lanes(7)];
    Fault::Deadlock { waiting: on.map(waiting).into() }
}

fn other_faults() -> Vec<Fault<Party>> {
    let thread = ThreadId { block: [0, 0, 0], thread: [33, 0, 0] };
    let place = Place { file: "src/reduce.rs".into(), line: 30, column: 0 };
    let barrier = |missing_at| Fault::DivergentBarrier {
        barrier: 0,
        arrived: 96,
        expected: 128,
        missing: Some(thread),
        missing_at,
    };
    let mbarrier = |problem| Fault::Mbarrier { address: 0x40, peer: None, problem };
    vec![
        Fault::UninitialisedRegister { register: "%f3".to_owned() },
        barrier(Some(place.clone())),
        barrier(None),
        Fault::DivergentSync { mask: u32::MAX, present: 0x0fff_fffe },
        mbarrier(MbarrierProblem::NotInitialised),
        mbarrier(MbarrierProblem::InUse),
        mbarrier(MbarrierProblem::CountOutOfRange { count: 0 }),
        mbarrier(MbarrierProblem::TooManyArrivals { expected: 4 }),
        mbarrier(MbarrierProblem::TransactionOverflow),
        mbarrier(MbarrierProblem::TooManyBytes { expected: 64, got: 128 }),
        mbarrier(MbarrierProblem::BytesLeft { bytes: 64 }),
        mbarrier(MbarrierProblem::InitNotSeen).at_peer(3),
        Fault::MissingWgmmaFence { register: "%f3".to_owned() },
        Fault::RegisterInFlight { register: "%f3".to_owned() },
        Fault::Deadlock {
            waiting: vec![Waiting { thread, place: Some(place), on: WaitsFor::Barrier(1) }],
        },
        spinning(thread),
        Fault::StepLimit { limit: 1_000_000 },
        Fault::Trap,
        Fault::Illegal { reason: "`shfl` reads lane 7, which is not active".to_owned() },
        Fault::Unsupported { what: "`tex.2d`".to_owned() },
    ]
}

#[test]
fn reports_read_well() {
    let place = |pc| Some(Place { file: "src/reduce.rs".into(), line: 8 + pc, column: 9 });
    let instruction = |_| Some("ld.shared.f32 %f1, [%r4];".to_owned());
    let launch = Launch {
        kernel: "reduce",
        grid: [4, 2, 1],
        block: [32, 4, 1],
        place: &place,
        instruction: &instruction,
    };
    let faults = memory_faults().into_iter().chain(other_faults());
    let page: Vec<String> =
        faults.map(|fault| launch.report(5, 33, 2, fault).to_string()).collect();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("reports", page.join("\n\n"));
    });
}

#[test]
fn indices_unflatten_x_first() {
    assert_eq!(unflatten(5, [4, 2, 1]), [1, 1, 0]);
    assert_eq!(unflatten(33, [32, 4, 1]), [1, 1, 0]);
    assert_eq!(unflatten(23, [2, 3, 4]), [1, 2, 3]);
}
