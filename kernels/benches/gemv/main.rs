//! Vectors times quantised matrices, against the time in which their bytes can be read: prints a
//! page of the book.
//!
//! `cargo bench -p firesteel-kernels --bench gemv -- --json gemv.json > docs/src/benchmarks/gemv.md`
//!
//! A case is a shape, a format and a number of vectors. Products on copies of the matrix that
//! together are larger than the L2 cache are captured into a graph one behind the other; so are
//! reads of as many bytes by a kernel that does nothing else, with three grids, the fastest of
//! which is the floor. The two take turns. Times are the device's own, of a replay, divided by its
//! products: they contain the hand-over from one to the next.
//!
//! Then the products of a prompt, many vectors with the same matrices, against [`matmul`] with weights
//! that are `bf16` already.
//!
//! | option | meaning |
//! | --- | --- |
//! | `--format q4_K` | only this format; again for more |
//! | `--shape 4096x4096` | this shape (rows, columns) instead of the usual ones; again for more |
//! | `--batch 1` | this number of vectors; again for more |
//! | `--rounds 11` | replays of each |
//! | `--json PATH` | the figures as JSON too |
#![allow(clippy::print_stdout, reason = "its output is the report")]

use std::path::PathBuf;
use std::process::Command;

use firesteel::Graph;
use firesteel::prelude::*;
use firesteel_kernels::gemv::{
    Activations, QuantMatrix, dequantize, gemv, quant_matmul, quantize_activations,
};
use firesteel_kernels::matmul::{Product, matmul};
use firesteel_kernels::quant::Format;
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

/// Bytes of all copies of a matrix: several times an L2 cache.
const ROTATED: usize = 400 << 20;
/// Products of a graph.
const PRODUCTS: usize = 64;
const SHAPES: &[(usize, usize)] =
    &[(4096, 4096), (12288, 4096), (4096, 12288), (151_936, 4096), (1536, 8960), (4096, 2048)];
const FORMATS: &[Format] = &[
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q2K,
    Format::Q3K,
    Format::Q4K,
    Format::Q5K,
    Format::Q6K,
];

/// Reads everything once, 16 bytes at a time.
#[gpu_kernel(block_size = 512, unchecked)]
fn read_kernel(x: &[u32], out: &mut [u32], pieces: u32) {
    let stride = grid_dim_x() * 512;
    let mut at = block_idx_x() * 512 + thread_idx_x();
    let mut sum = 0u32;
    while at + stride * 3 < pieces {
        let a = load_vec4_stream(x, at * 4);
        let b = load_vec4_stream(x, (at + stride) * 4);
        let c = load_vec4_stream(x, (at + stride * 2) * 4);
        let d = load_vec4_stream(x, (at + stride * 3) * 4);
        sum ^= a.x ^ a.y ^ a.z ^ a.w ^ b.x ^ b.y ^ b.z ^ b.w;
        sum ^= c.x ^ c.y ^ c.z ^ c.w ^ d.x ^ d.y ^ d.z ^ d.w;
        at += stride * 4;
    }
    while at < pieces {
        let a = load_vec4_stream(x, at * 4);
        sum ^= a.x ^ a.y ^ a.z ^ a.w;
        at += stride;
    }
    if sum == 0x1234_5678 {
        out[0] = sum;
    }
}

#[derive(Debug)]
struct Options {
    formats: Vec<Format>,
    shapes: Vec<(usize, usize)>,
    batches: Vec<usize>,
    rounds: usize,
    json: Option<PathBuf>,
}

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        formats: Vec::new(),
        shapes: Vec::new(),
        batches: Vec::new(),
        rounds: 11,
        json: None,
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("`{arg}` needs a value"))?;
        match arg.as_str() {
            "--format" => options.formats.push(value.parse()?),
            "--shape" => {
                let (n, k) = value.split_once('x').ok_or("a shape is `rows x columns`")?;
                options.shapes.push((n.parse()?, k.parse()?));
            }
            "--batch" => options.batches.push(value.parse()?),
            "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
            "--json" => options.json = Some(value.into()),
            other => return Err(format!("there is no option `{other}`").into()),
        }
    }
    fn or<T: Clone>(given: &mut Vec<T>, usual: &[T]) {
        if given.is_empty() {
            given.extend_from_slice(usual);
        }
    }
    or(&mut options.formats, FORMATS);
    or(&mut options.shapes, SHAPES);
    or(&mut options.batches, &[1, 2, 4, 8]);
    Ok(options)
}

/// A line of the table: seconds of the medians.
struct Row {
    shape: (usize, usize),
    format: Format,
    batch: usize,
    bytes: usize,
    seconds: f64,
    spread: (f64, f64),
    floor: f64,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let device = Device::new(0)?;
    let stream = device.create_stream()?;
    let mut rows = Vec::new();
    for &shape in &options.shapes {
        for &format in &options.formats {
            let matrices = matrices(&device, &stream, shape, format)?;
            for &batch in &options.batches {
                let row = case(&stream, &matrices, batch, options.rounds)?;
                eprintln!("{}", line(&row));
                rows.push(row);
            }
        }
    }
    let mut prompts = Vec::new();
    for (n, k) in [(4096, 4096), (12288, 4096)] {
        for format in
            [Format::Q4K, Format::Q6K].into_iter().filter(|it| options.formats.contains(it))
        {
            for m in PROMPTS {
                prompts.push(prompt(&device, &stream, (m, n, k), format, options.rounds)?);
            }
        }
    }
    print(&device, &rows)?;
    print_prompts(&prompts);
    if let Some(path) = options.json {
        std::fs::write(path, format!("{:#}\n", json(&rows)))?;
    }
    Ok(())
}

/// Copies of a matrix, and as many bytes for the floor.
struct Matrices {
    shape: (usize, usize),
    format: Format,
    bytes: usize,
    copies: Vec<QuantMatrix>,
    products: usize,
    /// Reads of as many bytes as the products read, with several grids.
    reads: Vec<Graph>,
    /// What the reads read, and where they would write.
    _read: (Vec<GpuBuffer<u32>>, GpuBuffer<u32>),
}

fn matrices(
    device: &Device,
    stream: &Stream,
    (n, k): (usize, usize),
    format: Format,
) -> Result<Matrices, Failure> {
    let bytes = n * k / format.block_len() * format.block_bytes();
    let count = if device.is_sim() { 1 } else { ROTATED.div_ceil(bytes).clamp(2, PRODUCTS) };
    let products = if device.is_sim() { 1 } else { PRODUCTS.div_ceil(count) * count };
    // Any bytes will do, but for the exponents of the scales, which must not be those of infinity.
    let random = (0..bytes as u32).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8 & 0x5f);
    let blocks = stream.alloc_from(&random.collect::<Vec<u8>>())?;
    let copies = (0..count).map(|_| QuantMatrix::repack(stream, format, &blocks, (n, k)));
    let copies = copies.collect::<Result<Vec<_>, _>>()?;
    let sources = (0..count).map(|_| stream.alloc_zeros::<u32>(bytes.div_ceil(16) * 4));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let mut out = stream.alloc_zeros::<u32>(1)?;
    let multiprocessors = device.info()?.multiprocessors;
    let mut reads = Vec::new();
    for grid in [1, 2, 4].map(|blocks| blocks * multiprocessors) {
        reads.push(stream.capture(|| {
            (0..products).try_for_each(|at| {
                let config = LaunchConfig::new([grid, 1, 1]);
                let source = &sources[at % count];
                let pieces = (bytes / 16) as u32;
                // SAFETY: The pieces are those of the buffer.
                unsafe { read_kernel::launch_on(stream, config, source, &mut out, pieces) }
            })
        })?);
    }
    let _read = (sources, out);
    Ok(Matrices { shape: (n, k), format, bytes, copies, products, reads, _read })
}

fn case(stream: &Stream, of: &Matrices, batch: usize, rounds: usize) -> Result<Row, Failure> {
    let Matrices { shape: (n, k), format, bytes, ref copies, products, ref reads, .. } = *of;
    let x: Vec<f32> = (0..batch * k).map(|at| (at as f32 * 0.37).sin()).collect();
    let x = stream.alloc_from(&x)?;
    let mut vectors = Activations::new(stream, batch, k)?;
    quantize_activations(stream, &mut vectors, &x)?;
    let mut y = stream.alloc_zeros::<f32>(batch * n)?;
    gemv(stream, &mut y, &vectors, &copies[0])?;
    stream.synchronize()?;
    let ours = stream.capture(|| {
        let mut copies = copies.iter().cycle().take(products);
        copies.try_for_each(|matrix| gemv(stream, &mut y, &vectors, matrix))
    })?;
    let mut times = vec![Vec::new(); 1 + reads.len()];
    for round in 0..rounds + 2 {
        for (graph, times) in [&ours].into_iter().chain(reads).zip(&mut times) {
            let seconds = replay(stream, graph)? / products as f64;
            // The first two warm up.
            if round >= 2 {
                times.push(seconds);
            }
        }
    }
    times.iter_mut().for_each(|it| it.sort_by(f64::total_cmp));
    let at = |times: &[f64], part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    let (ours, reads) = (&times[0], &times[1..]);
    let floor = reads.iter().map(|it| at(it, 0.5)).fold(f64::INFINITY, f64::min);
    let spread = (at(ours, 0.1), at(ours, 0.9));
    Ok(Row { shape: (n, k), format, batch, bytes, seconds: at(ours, 0.5), spread, floor })
}

/// A product of a prompt: seconds with quantised weights, and with `bf16`.
struct Prompt {
    shape: (usize, usize, usize),
    format: Format,
    seconds: f64,
    plain: f64,
}

/// Vectors of a prompt.
const PROMPTS: [usize; 3] = [64, 512, 2048];

fn prompt(
    device: &Device,
    stream: &Stream,
    (m, n, k): (usize, usize, usize),
    format: Format,
    rounds: usize,
) -> Result<Prompt, Failure> {
    let (m, n, k) = if device.is_sim() { (m.min(64), 64, 256) } else { (m, n, k) };
    let calls = if device.is_sim() { 1 } else { 40 };
    let bytes = n * k / format.block_len() * format.block_bytes();
    let random = (0..bytes as u32).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8 & 0x5f);
    let blocks = stream.alloc_from(&random.collect::<Vec<u8>>())?;
    let w = QuantMatrix::repack(stream, format, &blocks, (n, k))?;
    let mut plain = stream.alloc_uninit::<bf16>(n * k)?;
    dequantize(stream, &mut plain, &w)?;
    let x: Vec<bf16> = (0..m * k).map(|at| bf16::from_f32((at as f32 * 0.37).sin())).collect();
    let x = stream.alloc_from(&x)?;
    let mut y = stream.alloc_uninit::<bf16>(m * n)?;
    let product = Product::new(m as u32, n as u32, k as u32);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds + 2 {
        for (quantised, times) in [true, false].into_iter().zip(&mut times) {
            let start = stream.record()?;
            for _ in 0..calls {
                if quantised {
                    quant_matmul(stream, &mut y, &x, &w, m)?;
                } else {
                    matmul(stream, &mut y, &x, &plain, &product)?;
                }
            }
            let end = stream.record()?;
            end.synchronize()?;
            if round >= 2 {
                times.push(start.elapsed(&end)?.as_secs_f64() / f64::from(calls));
            }
        }
    }
    times.iter_mut().for_each(|it| it.sort_by(f64::total_cmp));
    let [seconds, plain] = times.map(|it| it[it.len() / 2]);
    Ok(Prompt { shape: (m, n, k), format, seconds, plain })
}

fn print_prompts(prompts: &[Prompt]) {
    println!("\n## Prompts\n");
    println!("`quant_matmul` and `matmul` on the same weights in `bf16`, in turns.\n");
    println!("| vectors x rows x columns | format | µs | TFLOP/s | `matmul` µs | of `matmul` |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for Prompt { shape: (m, n, k), format, seconds, plain } in prompts {
        let rate = 2.0 * (m * n * k) as f64 / seconds / 1e12;
        let (us, plain_us, ratio) = (seconds * 1e6, plain * 1e6, plain / seconds);
        println!("| {m}x{n}x{k} | {format} | {us:.1} | {rate:.0} | {plain_us:.1} | {ratio:.2} |");
    }
}

/// The device's seconds of a graph.
fn replay(stream: &Stream, graph: &Graph) -> Result<f64, Failure> {
    let start = stream.record()?;
    graph.launch(stream)?;
    let end = stream.record()?;
    end.synchronize()?;
    Ok(start.elapsed(&end)?.as_secs_f64())
}

fn line(row: &Row) -> String {
    let Row { shape: (n, k), format, batch, bytes, seconds, spread: (low, high), floor } = row;
    let [us, low, high, floor_us] = [seconds, low, high, floor].map(|it| it * 1e6);
    let (rate, share) = (*bytes as f64 / seconds / 1e9, 100.0 * floor / seconds);
    format!(
        "| {n}x{k} | {format} | {batch} | {us:.2} | {low:.2} to {high:.2} | {rate:.0} | \
         {floor_us:.2} | {share:.0} % |"
    )
}

fn json(rows: &[Row]) -> serde_json::Value {
    let row = |row: &Row| {
        json!({
            "n": row.shape.0, "k": row.shape.1, "format": row.format.name(), "batch": row.batch,
            "bytes": row.bytes, "seconds": row.seconds, "seconds_p10": row.spread.0,
            "seconds_p90": row.spread.1, "floor_seconds": row.floor,
        })
    };
    rows.iter().map(row).collect()
}

fn print(device: &Device, rows: &[Row]) -> Result<(), Failure> {
    let info = device.info()?;
    let driver = Command::new("nvidia-smi")
        .args(["--query-gpu=driver_version", "--format=csv,noheader"])
        .output()
        .ok()
        .and_then(|it| String::from_utf8(it.stdout).ok())
        .and_then(|it| it.lines().next().map(|it| format!("driver {it}")));
    let driver = driver.unwrap_or_else(|| "no driver".to_owned());
    let args: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    println!("# Vectors times quantised matrices\n");
    println!("{}, {} SMs, {driver};", info.name, info.multiprocessors);
    println!("`cargo bench -p firesteel-kernels --bench gemv -- {}`,", args.join(" "));
    println!("{}.\n", time::OffsetDateTime::now_utc().date());
    println!("Products of {PRODUCTS} matrices or more in a graph, rotated over copies that exceed");
    println!("the L2 cache; the floor is a kernel that only reads as many bytes, in the same run.");
    println!("Vectors are quantised beforehand. Rates count the bytes of the blocks.\n");
    println!(
        "| rows x columns | format | vectors | µs | p10 to p90 | GB/s | floor µs | of floor |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    rows.iter().for_each(|row| println!("{}", line(row)));
    Ok(())
}
