//! Threads that wait for one that has failed a check do not wait for ever, and the context of a
//! launch that ends so lives on.

use std::process::Command;

use firesteel::prelude::*;
use firesteel::{DeviceId, Fault};

use crate::device;

/// Elements of the slices.
const N: u32 = 64;

/// A kernel whose first thread reads `x[at]` at some point, and the others wait for what it does
/// then; in the end each thread writes a 1 to `y`.
macro_rules! waiting {
    (
        $name:ident, ($($option:tt)*),
        |$x:ident, $y:ident, $at:ident, $i:ident, $out:ident, $bar:ident| { $($body:tt)* }
    ) => {
        #[gpu_kernel(block_size = 64, arch = "sm_90", $($option)*)]
        fn $name($x: &[u32], $y: &mut [u32], $at: i32) {
            let $bar = shared_mem![u64; 1];
            let $i = thread_idx_x();
            let $out = block_idx_x() * 64 + $i;
            if $i == 0 {
                mbarrier_init(&mut $bar[0], 1);
                fence_mbarrier_init();
            }
            bar_sync();
            $($body)*
            $y[$out] = 1;
        }

        #[test]
        fn $name() -> Result<()> {
            let device = device();
            let stream = device.create_stream()?;
            let x = device.alloc_from(&[1u32; N as usize])?;
            let mut y = device.alloc_zeros::<u32>(2 * N as usize)?;
            let grid = || LaunchConfig::new([2, 1, 1]);
            $name::launch_on(&stream, grid(), &x, &mut y, N as i32)?;
            failed(stream.synchronize());
            $name::launch_on(&stream, grid(), &x, &mut y, 0)?;
            stream.synchronize()?;
            assert_eq!(y.to_host(&device)?, [1; 2 * N as usize]);
            firesteel_tests::ptxas::demand($name::ptx(), &[]);
            Ok(())
        }
    };
}

fn failed(result: Result<()>) -> Fault {
    match result {
        Err(Error::Fault(fault)) if fault.to_string().contains("`x`") => *fault,
        other => panic!("wanted a fault of `x`, got {other:?}"),
    }
}

waiting!(at_an_mbarrier, (), |x, y, at, i, out, bar| {
    if i == 0 {
        y[out] = x[at];
        mbarrier_arrive(&mut bar[0]);
    }
    mbarrier_wait(&mut bar[0], 0);
});
waiting!(in_a_loop_that_asks, (), |x, y, at, i, out, bar| {
    if i == 0 {
        y[out] = x[at];
        mbarrier_arrive(&mut bar[0]);
    }
    let mut tries = 0u32;
    while !mbarrier_try_wait(&mut bar[0], 0) {
        tries += 1;
    }
    y[out] = tries;
});
waiting!(at_the_barrier_of_the_block, (), |x, y, at, i, out, bar| {
    for round in 0..4 {
        if i == 0 && round == 2 {
            y[out] = x[at];
            mbarrier_arrive(&mut bar[0]);
        }
        bar_sync();
        let votes = bar_count(round == 3);
        y[out] = votes;
    }
});
waiting!(for_a_lane, (), |x, y, at, i, out, bar| {
    if i == 0 {
        y[out] = x[at];
        mbarrier_arrive(&mut bar[0]);
    }
    let mut sum = i;
    for step in 0..5u32 {
        sum += shfl_sync_bfly(sum, 1 << step, 32);
    }
    y[out] = sum + warp_reduce_sum(i);
    warp_sync();
});
waiting!(for_another_block, (cluster = 2), |x, y, at, i, out, bar| {
    if cluster_rank() == 1 && i == 0 {
        y[out] = x[at];
    }
    cluster_sync();
    if i == 0 {
        mbarrier_arrive_remote(&mut bar[0], cluster_rank() ^ 1);
    }
    mbarrier_wait(&mut bar[0], 0);
    cluster_sync();
});
waiting!(for_a_signal_of_another_block, (cluster = 2), |x, y, at, i, out, bar| {
    cluster_sync();
    if i == 0 {
        if cluster_rank() == 1 {
            y[out] = x[at];
        }
        mbarrier_arrive_remote(&mut bar[0], cluster_rank() ^ 1);
    }
    mbarrier_wait(&mut bar[0], 0);
    cluster_sync();
});

/// Copies are on their way when the thread fails that made them.
#[gpu_kernel(block_size = 64, arch = "sm_90")]
fn fetching(x: &[f32], y: &mut [f32], steps: i32) {
    let tile = shared_mem![f32; 1024];
    let bar = shared_mem![u64; 4];
    let i = thread_idx_x();
    if i == 0 {
        for k in 0..4u32 {
            mbarrier_init(&mut bar[k], 1);
        }
        fence_mbarrier_init();
    }
    bar_sync();
    let mut sum = 0.0f32;
    for first in 0..steps as u32 / 4 {
        if i == 0 {
            for k in 0..4u32 {
                mbarrier_arrive_expect_tx(&mut bar[k], 1024);
                bulk_load(&mut tile[k * 256], &x[(first * 4 + k) * 256], 256, &mut bar[k]);
            }
        }
        for k in 0..4u32 {
            mbarrier_wait(&mut bar[k], first % 2);
            sum += tile[k * 256 + i];
        }
        bar_sync();
    }
    y[block_idx_x() * 64 + i] = sum;
}

#[test]
fn copies_in_flight_land() -> Result<()> {
    let device = device();
    let stream = device.create_stream()?;
    let x = device.alloc_from(&[1.0f32; 256 * 30])?;
    let mut y = device.alloc_zeros::<f32>(300 * 64)?;
    let grid = || LaunchConfig::new([300, 1, 1]);
    for steps in [32, 28] {
        fetching::launch_on(&stream, grid(), &x, &mut y, steps)?;
        if steps == 32 {
            failed(stream.synchronize());
        } else {
            stream.synchronize()?;
            assert_eq!(y.to_host(&device)?, [28.0; 300 * 64]);
        }
    }
    Ok(())
}

/// Half of the threads wait at a barrier for the other half.
#[gpu_kernel(block_size = 64)]
fn named(x: &[u32], y: &mut [u32], at: i32) {
    let i = thread_idx_x();
    if i < 32 {
        bar_sync_named(1, 64);
        y[i] = 1;
    } else {
        y[i] = x[at];
        bar_arrive(1, 64);
    }
}

/// The process in which a GPU stays busy until it ends.
const CHILD: &str = "FIRESTEEL_TEST_STUCK";

#[test]
fn a_kernel_that_does_not_end_is_given_up() -> Result<()> {
    let device = device();
    let on_gpu = matches!(device.id(), DeviceId::Cuda(_));
    if on_gpu && std::env::var_os(CHILD).is_none() {
        let name = "dsl::waiting::a_kernel_that_does_not_end_is_given_up";
        let child = std::env::current_exe()
            .map(Command::new)
            .and_then(|mut it| it.args(["--exact", name]).env(CHILD, "1").output());
        let output = child.expect("the tests can be run again");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return Ok(());
    }
    let stream = device.create_stream()?;
    let x = device.alloc_from(&[1u32; N as usize])?;
    let mut y = device.alloc_zeros::<u32>(N as usize)?;
    named::launch_on(&stream, LaunchConfig::new([1, 1, 1]), &x, &mut y, 0)?;
    stream.synchronize()?;
    assert_eq!(y.to_host(&device)?, [1; N as usize]);
    named::launch_on(&stream, LaunchConfig::new([1, 1, 1]), &x, &mut y, N as i32)?;
    match stream.synchronize() {
        Err(Error::Stuck(fault)) if on_gpu => assert!(fault.to_string().contains("`x`")),
        result => assert!(!on_gpu && failed(result).thread[0] >= 32),
    }
    Ok(())
}
