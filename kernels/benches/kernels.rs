//! What launches and kernels cost on a device: prints a page of the book.
//!
//! `cargo bench -p firesteel-kernels --bench kernels > docs/src/benchmarks/gpu.md`
//!
//! - *Launch*: host time of a launch of a loaded kernel, against the driver's own `cuLaunchKernel`
//!   with the same arguments. Batches of both alternate in one run.
//! - *Bandwidth*: elementwise kernels with bounds checks, against a copy within the device. Bytes
//!   are those that must be read and written; times are the device's own, between events.
#![allow(clippy::print_stdout, reason = "its output is the report")]

use std::process::Command;
use std::time::{Duration, Instant};

use firesteel::Arg;
use firesteel::expansion::{Args, time_raw_launches};
use firesteel::prelude::*;
use firesteel_kernels::elementwise;

/// One element a thread, as one writes a first kernel: `y = a x + y`.
#[gpu_kernel(block_size = 256)]
fn simple_saxpy(x: &[f32], y: &mut [f32], a: f32, n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        y[i] = a * x[i] + y[i];
    }
}

/// One element a thread: `out = x sigmoid(x) gate`.
#[gpu_kernel(block_size = 256)]
fn simple_silu_gate(x: &[f32], gate: &[f32], out: &mut [f32], n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        out[i] = x[i] / (1.0 + exp(-x[i])) * gate[i];
    }
}

/// Elements of the arrays of the bandwidth table: 1 GiB of `f32`.
const ELEMENTS: u32 = 256 << 20;
/// Launches of a batch: fewer than the driver's queue holds, so that no launch waits for one.
const BATCH: u32 = 100;
const BATCHES: usize = 200;
const REPEATS: usize = 20;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let device = Device::new(0)?;
    heading(&device)?;
    launch_cost(&device)?;
    bandwidth(&device, if device.is_sim() { 1 << 16 } else { ELEMENTS })
}

/// What ran where and when.
fn heading(device: &Device) -> Result<()> {
    let info = device.info()?;
    let (major, minor) = info.compute_capability;
    let driver = Command::new("nvidia-smi")
        .args(["--query-gpu=driver_version", "--format=csv,noheader"])
        .output()
        .ok()
        .filter(|output| output.status.success() && !device.is_sim())
        .map(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned));
    let driver =
        driver.flatten().map_or_else(|| "no driver".to_owned(), |it| format!("driver {it}"));
    println!("# On the GPU\n");
    println!("{}, sm_{major}{minor}, {} SMs, {driver};", info.name, info.multiprocessors);
    println!("`cargo bench -p firesteel-kernels --bench kernels`,");
    println!("{}.\n", time::OffsetDateTime::now_utc().date());
    Ok(())
}

fn launch_cost(device: &Device) -> Result<()> {
    println!("## Launch of a loaded kernel\n");
    let stream = device.stream();
    let x = device.alloc_zeros::<f32>(256)?;
    let mut y = device.alloc_zeros::<f32>(256)?;
    let config = Grid::cover(256, 256);
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..BATCH {
            simple_saxpy::launch_on(&stream, config, &x, &mut y, 2.0, 256)?;
        }
        ours.push(start.elapsed());
        stream.synchronize()?;
        let mut args = Args::<8>::new(&simple_saxpy::KERNEL);
        args.slice("x", &x)?;
        args.slice_mut("y", &mut y)?;
        args.scalar(2.0f32);
        args.scalar(256u32);
        raw.extend(time_raw_launches(&simple_saxpy::KERNEL, &stream, config, args, BATCH)?);
        stream.synchronize()?;
    }
    let nanoseconds = |times: Vec<Duration>| median(times).as_secs_f64() * 1e9 / f64::from(BATCH);
    let ours = nanoseconds(ours);
    println!("| saxpy, 8 arguments | ns | of the driver's own |");
    println!("| --- | --- | --- |");
    if raw.is_empty() {
        println!("| `simple_saxpy::launch_on` | {ours:.0} | no driver, includes the run |\n");
        return Ok(());
    }
    let raw = nanoseconds(raw);
    println!("| `cuLaunchKernel` | {raw:.0} | 1.00 |");
    println!("| `simple_saxpy::launch_on` | {ours:.0} | {:.2} |\n", ours / raw);
    Ok(())
}

fn bandwidth(device: &Device, n: u32) -> Result<(), Failure> {
    let stream = device.stream();
    let x = device.alloc_from(&ramp(n))?;
    let gate = device.alloc_from(&ramp(n))?;
    let mut y = device.alloc_zeros::<f32>(n as usize)?;
    println!("## Elementwise kernels, bounds checked\n");
    println!("{n} elements of `f32`.\n");
    println!("| | ms | GB/s | of the copy |");
    println!("| --- | --- | --- | --- |");
    let mut copied = None;
    let mut row = |name: &str, arrays: u32, time: Duration| {
        let (ms, seconds) = (time.as_secs_f64() * 1e3, time.as_secs_f64());
        let rate = f64::from(arrays) * 4.0 * f64::from(n) / seconds / 1e9;
        let part = 100.0 * rate / *copied.get_or_insert(rate);
        println!("| {name} | {ms:.3} | {rate:.0} | {part:.1} % |");
    };
    row("copy within the device", 2, time(&stream, || Ok(y.copy_from_buffer(&x)?))?);
    let nvcc = device.load_ptx(include_str!("../../tests/golden/ptx/saxpy.sm_90.ptx"));
    if let Ok(kernel) = nvcc.and_then(|module| module.kernel("saxpy")) {
        let (grid, block) = ([n.div_ceil(256), 1, 1], [256, 1, 1]);
        let args = [Arg::from(n), 2.0f32.into(), (&x).into(), (&y).into()];
        let run = || Ok(kernel.launch(&stream, grid, block, &args)?);
        row("saxpy by nvcc, an element a thread, no checks", 3, time(&stream, run)?);
    }
    let simple = time(&stream, || Ok(simple_saxpy::launch(device, &x, &mut y, 2.0, n)?))?;
    row("saxpy, an element a thread", 3, simple);
    row(
        "`elementwise::saxpy`",
        3,
        time(&stream, || Ok(elementwise::saxpy(&stream, &mut y, 2.0, &x)?))?,
    );
    let simple = time(&stream, || Ok(simple_silu_gate::launch(device, &x, &gate, &mut y, n)?))?;
    row("silu gate, an element a thread", 3, simple);
    row(
        "`elementwise::silu_gate`",
        3,
        time(&stream, || Ok(elementwise::silu_gate(&stream, &mut y, &x, &gate)?))?,
    );
    device.synchronize()?;
    Ok(())
}

/// Values from -5 to 5.
fn ramp(n: u32) -> Vec<f32> {
    (0..n).map(|i| (i % 1001) as f32 / 100.0 - 5.0).collect()
}

/// Median time of the work on the device, after one run that is not counted.
fn time(
    stream: &Stream,
    mut work: impl FnMut() -> Result<(), Failure>,
) -> Result<Duration, Failure> {
    work()?;
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let start = stream.record()?;
        work()?;
        let end = stream.record()?;
        end.synchronize()?;
        times.push(start.elapsed(&end)?);
    }
    Ok(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
