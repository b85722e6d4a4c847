//! What a kernel does wrong at run time comes back as an error that says where.
//!
//! Faults are kept per stream, so each test has its own.

use std::sync::{Arc, Mutex};

use firesteel::prelude::*;
use firesteel::{Fault, FaultKind};

fn fault(result: Result<()>) -> Fault {
    match result {
        Err(Error::Fault(fault)) => *fault,
        other => panic!("wanted a fault, got {other:?}"),
    }
}

#[gpu_kernel(block_size = 64)]
fn unguarded(x: &[f32], y: &mut [f32], n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        y[i] = 2.0 * x[i];
    }
}

#[test]
fn index_out_of_bounds_is_reported() -> Result<()> {
    let device = crate::device();
    let stream = device.create_stream()?;
    let x = device.alloc_from(&vec![1.0f32; 200])?;
    let mut y = device.alloc_zeros::<f32>(150)?;
    unguarded::launch_on(&stream, Grid::cover(160, 64), &x, &mut y, 160)?;
    let fault = fault(stream.synchronize());
    assert_eq!(fault.kernel, "unguarded");
    assert!(fault.file.ends_with("faults.rs"), "{}", fault.file);
    let source =
        include_str!("faults.rs").lines().position(|it| it.contains("y[i] = 2.0")).unwrap();
    assert_eq!(fault.line as usize, source + 1);
    let FaultKind::OutOfBounds { array, index, length } = fault.what else { panic!("{fault}") };
    assert_eq!((array, length), ("y", 150));
    assert!((150..160).contains(&index), "{index}");
    assert_eq!(index, i128::from(fault.block[0] * 64 + fault.thread[0]));
    // The context lives on, the other threads have written, and the fault is told once.
    stream.synchronize()?;
    assert_eq!(y.to_host(&device)?, vec![2.0; 150]);
    Ok(())
}

#[gpu_kernel(block_size = 32)]
fn signed_index(x: &[i32], out: &mut [i32], back: i32) {
    let i = thread_idx_x() as i32;
    out[i] = x[i - back];
}

#[test]
fn a_negative_index_is_out_of_bounds() -> Result<()> {
    let device = crate::device();
    let stream = device.create_stream()?;
    let x = device.alloc_from(&(0..32).collect::<Vec<i32>>())?;
    let mut out = device.alloc_zeros::<i32>(32)?;
    signed_index::launch_on(&stream, Grid::cover(32, 32), &x, &mut out, 0)?;
    stream.synchronize()?;
    signed_index::launch_on(&stream, Grid::cover(32, 32), &x, &mut out, 1)?;
    let fault = fault(stream.synchronize());
    let FaultKind::OutOfBounds { array, index, length } = fault.what else { panic!("{fault}") };
    assert_eq!((array, index, length), ("x", -1, 32));
    Ok(())
}

#[gpu_kernel(block_size = 32)]
fn divide(x: &[u32], out: &mut [u32], n: u32) {
    let i = thread_idx_x();
    if i < n {
        out[i] = 1000 / x[i];
    }
}

#[test]
fn division_by_zero_is_reported() -> Result<()> {
    let device = crate::device();
    let stream = device.create_stream()?;
    let x = device.alloc_from(&[5u32, 0, 7])?;
    let mut out = device.alloc_zeros::<u32>(3)?;
    divide::launch_on(&stream, Grid::cover(3, 32), &x, &mut out, 3)?;
    let fault = fault(stream.synchronize());
    assert_eq!(
        (fault.what.clone(), fault.thread),
        (FaultKind::DivisionByZero, [1, 0, 0]),
        "{fault}"
    );
    assert_eq!(out.to_host(&device)?, [200, 0, 142]);
    Ok(())
}

#[gpu_kernel(block_size = 32)]
fn asserting(x: &[i32], n: u32) {
    let i = thread_idx_x();
    if i < n {
        assert!(x[i] >= 0, "values must not be negative");
    }
}

#[test]
fn a_failed_assertion_is_reported() -> Result<()> {
    let device = crate::device();
    let stream = device.create_stream()?;
    let good = device.alloc_from(&[0, 1, 2])?;
    asserting::launch_on(&stream, Grid::cover(3, 32), &good, 3)?;
    stream.synchronize()?;
    let bad = device.alloc_from(&[0, 1, -2])?;
    asserting::launch_on(&stream, Grid::cover(3, 32), &bad, 3)?;
    let fault = fault(stream.synchronize());
    let message = "values must not be negative";
    assert_eq!(fault.what, FaultKind::Assert { message });
    assert_eq!(fault.thread, [2, 0, 0]);
    Ok(())
}

#[gpu_kernel(block_size = 32)]
fn printing(x: &[f32], n: u32) {
    let i = thread_idx_x();
    if i < n {
        gpu_println!("x[{}] = {:.2}, {}", i, x[i], x[i] > 1.0);
    }
}

#[test]
fn prints_arrive_at_synchronisation() -> Result<()> {
    let device = crate::device();
    let stream = device.create_stream()?;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    device.print_to(move |line| sink.lock().unwrap().push(line.to_owned()));
    let x = device.alloc_from(&[0.125f32, 1.5])?;
    printing::launch_on(&stream, Grid::cover(2, 32), &x, 2)?;
    stream.synchronize()?;
    let mut lines = heard.lock().unwrap().clone();
    // The order among threads is open.
    lines.sort_unstable();
    assert_eq!(lines, ["x[0] = 0.12, false", "x[1] = 1.50, true"]);
    Ok(())
}

#[gpu_kernel(block_size = 64)]
fn racing(x: &[f32], y: &mut [f32], n: u32) {
    let tile = shared_mem![f32; 64];
    let i = thread_idx_x();
    if i < n {
        tile[i] = x[i];
        y[i] = tile[63 - i];
    }
}

#[gpu_kernel(block_size = 64)]
fn ordered(x: &[f32], y: &mut [f32], n: u32) {
    let tile = shared_mem![f32; 64];
    let i = thread_idx_x();
    tile[i] = x[i];
    bar_sync();
    if i < n {
        y[i] = tile[63 - i];
    }
}

#[test]
fn the_simulator_finds_a_race_in_the_users_line() -> Result<()> {
    let device = Device::sim();
    let x = device.alloc_from(&(0..64).map(|i| i as f32).collect::<Vec<_>>())?;
    let mut y = device.alloc_zeros::<f32>(64)?;
    let result = racing::launch(&device, &x, &mut y, 64).and_then(|()| device.synchronize());
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Sim(_)), "{error}");
    let text = error.to_string();
    let line = include_str!("faults.rs").lines().position(|it| it.contains("y[i] = tile[63 - i]"));
    assert!(text.contains("race"), "{text}");
    assert!(text.contains(&format!("faults.rs:{}", line.unwrap() + 1)), "{text}");
    ordered::launch(&device, &x, &mut y, 64)?;
    assert_eq!(y.to_host(&device)?[0], 63.0);
    Ok(())
}

#[gpu_kernel(block_size = 32, unchecked)]
fn trusting(x: &[f32], y: &mut [f32], n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        y[i] = x[i];
    }
}

#[test]
fn an_unchecked_kernel_has_no_checks_and_runs() -> Result<()> {
    let device = crate::device();
    let x = device.alloc_from(&[1.0f32, 2.0, 3.0])?;
    let mut y = device.alloc_zeros::<f32>(3)?;
    // SAFETY: Threads below 3 read and write their own element of arrays of 3.
    unsafe { trusting::launch(&device, &x, &mut y, 3) }?;
    assert_eq!(y.to_host(&device)?, [1.0, 2.0, 3.0]);
    assert!(!trusting::PTX.contains("channel"), "{}", trusting::PTX);
    Ok(())
}
