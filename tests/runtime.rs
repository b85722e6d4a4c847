//! Launches, faults, graphs, streams and events of a kernel, on any device.
//!
//! Faults are kept per stream, so each test has its own.

use std::sync::atomic::{AtomicBool, Ordering};

use firesteel::Stream;
use firesteel::prelude::*;

#[gpu_kernel(block_size = 32)]
fn scale(x: &[f32], y: &mut [f32], a: f32, n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        y[i] = a * x[i];
    }
}

/// The device and a stream of its own.
fn stream() -> (Device, Stream) {
    let device = crate::device();
    let stream = device.create_stream().unwrap();
    (device, stream)
}

fn ramp(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

#[test]
fn a_kernel_gives_the_reference() {
    let (device, stream) = stream();
    for n in [0usize, 1, 31, 32, 33, 1000] {
        let x = device.alloc_from(&ramp(n)).unwrap();
        let mut y = device.alloc_zeros(n).unwrap();
        let config = Grid::cover(n as u32, 32);
        scale::launch_on(&stream, config, &x, &mut y, 3.0, n as u32).unwrap();
        let want: Vec<f32> = ramp(n).iter().map(|x| 3.0 * x).collect();
        assert_eq!(y.to_host(&device).unwrap(), want);
    }
}

#[test]
fn launches_that_are_not_ordinary_give_the_same() {
    let (device, stream) = stream();
    let mut x = device.alloc_from(&ramp(100)).unwrap();
    let mut y = device.alloc_zeros(100).unwrap();
    let plain = Grid::cover(100, 32);
    let dependent = plain.with_programmatic_dependent_launch();
    for config in [plain, dependent, plain.cooperative(), dependent.cooperative()] {
        x.copy_from_on(&stream, &ramp(100)).unwrap();
        y.clear_on(&stream).unwrap();
        scale::launch_on(&stream, config, &x, &mut y, 3.0, 100).unwrap();
        stream.synchronize().unwrap();
        assert_eq!(y.to_host(&device).unwrap()[99], 297.0, "{config:?}");
    }
}

#[gpu_kernel(block_size = 32, cluster = 2, arch = "sm_90")]
fn in_pairs(y: &mut [u32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        y[i] = 1;
    }
}

#[test]
fn a_grid_of_half_clusters_is_refused() {
    let device = Device::sim();
    let mut y = device.alloc_zeros(96).unwrap();
    let odd = Grid::cover(96, 32);
    let error = in_pairs::launch_on(&device.stream(), odd, &mut y, 96).unwrap_err();
    assert_eq!(
        error.to_string(),
        "grid [3, 1, 1] of kernel `in_pairs` must be a multiple of its cluster [2, 1, 1]\n\
         help: round it up with `LaunchConfig::in_clusters`, and let the blocks beyond the end do nothing"
    );
    in_pairs::launch(&device, &mut y, 96).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), [1; 96]);
}

#[test]
fn a_kernel_says_what_it_takes() {
    let device = crate::device();
    let info = scale::info(&device).unwrap();
    assert_eq!((info.name, info.block, info.cluster), ("scale", [32, 1, 1], [1; 3]));
    assert_eq!(info.ptx_bytes, scale::ptx().len());
    // What the simulator knows is all that it says.
    assert_eq!(info.registers.is_some(), !device.is_sim());
    if let Some(registers) = info.registers {
        assert!((4..=64).contains(&registers), "{info}");
        assert_eq!((info.local_bytes, info.static_shared), (Some(0), 0));
        let occupancy = info.occupancy.unwrap();
        assert!((1..=64).contains(&occupancy.blocks), "{info}");
        assert_eq!(occupancy.warps, occupancy.blocks);
        assert!(occupancy.warps <= occupancy.max_warps);
    }
    let with_shared = scale::info_with_dynamic_shared(&device, 40 << 10).unwrap();
    assert_eq!(with_shared.dynamic_shared, 40 << 10);
    if let (Some(with), Some(without)) = (with_shared.occupancy, info.occupancy) {
        assert!(with.blocks < without.blocks, "{info}\n{with_shared}");
    }
}

#[test]
fn reading_a_result_reports_its_kernels_fault() {
    let (device, stream) = stream();
    let x = device.alloc_from(&ramp(10)).unwrap();
    let mut y = device.alloc_zeros(20).unwrap();
    scale::launch_on(&stream, Grid::cover(20, 32), &x, &mut y, 1.0, 20).unwrap();
    let error = y.to_host(&device).unwrap_err();
    assert!(error.to_string().contains("out of bounds for `x` of length 10"), "{error}");
    assert_eq!(y.to_host(&device).unwrap()[..10], ramp(10));
}

#[test]
fn a_graph_runs_what_was_captured() {
    let (device, stream) = stream();
    let mut x = device.alloc_from(&ramp(64)).unwrap();
    let mut y = device.alloc_zeros(64).unwrap();
    let mut z = device.alloc_zeros(64).unwrap();
    let graph = stream
        .capture(|| {
            scale::launch_on(&stream, Grid::cover(64, 32), &x, &mut y, 2.0, 64)?;
            z.copy_from_buffer_on(&stream, &y)
        })
        .unwrap();
    assert_eq!(z.to_host(&device).unwrap(), [0.0; 64]);
    for start in [1.0f32, 5.0] {
        x.copy_from(&[start; 64]).unwrap();
        graph.launch(&stream).unwrap();
        assert_eq!(z.to_host(&device).unwrap(), [2.0 * start; 64]);
    }
}

#[test]
fn a_fault_in_a_graph_is_reported_at_each_replay() {
    let (device, stream) = stream();
    let x = device.alloc_from(&ramp(64)).unwrap();
    let mut y = device.alloc_zeros(10).unwrap();
    let config = Grid::cover(64, 32);
    let graph = stream.capture(|| scale::launch_on(&stream, config, &x, &mut y, 2.0, 64)).unwrap();
    // The graph keeps what it works on.
    drop((x, y));
    stream.synchronize().unwrap();
    let other = device.create_stream().unwrap();
    for _ in 0..2 {
        graph.launch(&other).unwrap();
        let Err(Error::Fault(fault)) = other.synchronize() else { panic!("10 is out of bounds") };
        assert_eq!(fault.kernel, "scale");
    }
}

/// The driver breaks captures when the whole device is waited for, or a module is unloaded.
#[test]
fn captures_survive_other_threads() {
    let (device, stream) = stream();
    let x = device.alloc_from(&ramp(8)).unwrap();
    let mut y = device.alloc_zeros(8).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop(device.load_ptx(scale::PTX).unwrap());
            }
        });
        for _ in 0..50 {
            let config = Grid::cover(8, 32);
            let work = || scale::launch_on(&stream, config, &x, &mut y, 2.0, 8);
            stream.capture(work).unwrap().launch(&stream).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(y.to_host(&device).unwrap()[7], 14.0);
}

#[test]
fn a_module_may_be_dropped_in_a_capture() {
    let (device, stream) = stream();
    let x = device.alloc_from(&ramp(8)).unwrap();
    let mut y = device.alloc_zeros(8).unwrap();
    let graph = stream.capture(|| {
        drop(device.load_ptx(scale::PTX)?);
        scale::launch_on(&stream, Grid::cover(8, 32), &x, &mut y, 2.0, 8)
    });
    graph.unwrap().launch(&stream).unwrap();
    assert_eq!(y.to_host(&device).unwrap()[7], 14.0);
}

#[test]
fn a_failed_capture_leaves_the_stream_usable() {
    let (device, stream) = stream();
    let error = stream.capture(|| stream.alloc_zeros::<f32>(4).map(drop)).unwrap_err();
    assert!(matches!(error, Error::Capture { what: "an allocation" }), "{error}");
    let error = stream.capture(|| stream.synchronize()).unwrap_err();
    assert!(matches!(error, Error::Capture { .. }), "{error}");
    let x = device.alloc_from(&ramp(4)).unwrap();
    let mut y = stream.alloc_zeros(4).unwrap();
    scale::launch_on(&stream, Grid::cover(4, 32), &x, &mut y, 1.0, 4).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), ramp(4));
}

#[test]
fn a_second_stream_joins_a_capture_through_an_event() {
    let (device, stream) = stream();
    let side = device.create_stream().unwrap();
    let x = device.alloc_from(&ramp(8)).unwrap();
    let (mut y, mut z) = (device.alloc_zeros(8).unwrap(), device.alloc_zeros(8).unwrap());
    let graph = stream
        .capture(|| {
            side.wait(&stream.record()?)?;
            scale::launch_on(&side, Grid::cover(8, 32), &x, &mut y, 2.0, 8)?;
            scale::launch_on(&stream, Grid::cover(8, 32), &x, &mut z, 3.0, 8)?;
            stream.wait(&side.record()?)
        })
        .unwrap();
    side.synchronize().unwrap();
    assert_eq!(y.to_host(&device).unwrap(), [0.0; 8]);
    graph.launch(&stream).unwrap();
    assert_eq!(y.to_host(&device).unwrap()[7], 14.0);
    assert_eq!(z.to_host(&device).unwrap()[7], 21.0);
}

#[test]
fn arguments_of_another_device_are_named() {
    let (device, stream) = stream();
    let x = Device::sim().alloc_from(&ramp(4)).unwrap();
    let mut y = device.alloc_zeros(4).unwrap();
    let error = scale::launch_on(&stream, Grid::cover(4, 32), &x, &mut y, 1.0, 4).unwrap_err();
    assert!(error.to_string().starts_with("argument `x` of kernel `scale` must be on"), "{error}");
}

#[test]
fn events_measure_time() {
    let (device, stream) = stream();
    let x = device.alloc_from(&ramp(1000)).unwrap();
    let mut y = device.alloc_zeros(1000).unwrap();
    let before = stream.record().unwrap();
    for _ in 0..4 {
        scale::launch_on(&stream, Grid::cover(1000, 32), &x, &mut y, 1.0, 1000).unwrap();
    }
    let after = stream.record().unwrap();
    after.synchronize().unwrap();
    assert!(before.is_reached().unwrap());
    assert!(before.elapsed(&after).unwrap() > std::time::Duration::ZERO);
}

#[test]
fn a_destroyed_stream_says_so() {
    let (device, stream) = stream();
    let x = device.alloc_from(&ramp(4)).unwrap();
    let mut y = device.alloc_zeros(4).unwrap();
    let kept = stream.clone();
    stream.destroy();
    let error = scale::launch_on(&kept, Grid::cover(4, 32), &x, &mut y, 1.0, 4).unwrap_err();
    assert!(matches!(error, Error::StreamDestroyed), "{error}");
    assert!(matches!(kept.record(), Err(Error::StreamDestroyed)));
}

#[test]
fn threads_share_a_device() {
    let device = crate::device();
    std::thread::scope(|scope| {
        for thread in 1..=4u32 {
            let device = &device;
            scope.spawn(move || {
                let stream = device.create_stream().unwrap();
                let x = stream.alloc_from(&ramp(256)).unwrap();
                let mut y = stream.alloc_zeros(256).unwrap();
                for _ in 0..20 {
                    let config = Grid::cover(256, 32);
                    scale::launch_on(&stream, config, &x, &mut y, thread as f32, 256).unwrap();
                }
                stream.synchronize().unwrap();
                assert_eq!(y.to_host(device).unwrap()[255], 255.0 * thread as f32);
            });
        }
    });
}
