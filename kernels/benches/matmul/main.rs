//! Matrix products against cuBLASLt, in one process: prints a page of the book.
//!
//! `cargo bench -p firesteel-kernels --bench matmul -- --json matmul.json > docs/src/benchmarks/matmul.md`
//!
//! Each case is a shape `C [M, N] = A [M, K] · B`, a format, and the order of B in memory. First
//! every contestant's product is compared with cuBLASLt's (without it, with one on the CPU). Then
//! all of them and cuBLASLt take turns, batch by batch and in a new order each round, so that each
//! works at the clock that the others' load leaves it. Times are the device's own, between events around a batch.
//!
//! | option | meaning |
//! | --- | --- |
//! | `--format bf16` | only this format; again for more |
//! | `--shape 4096x4096x4096` | this shape (M, N, K) instead of the usual ones; again for more |
//! | `--only TEXT` | only candidates whose name holds the text |
//! | `--rounds 21` | batches of each contestant |
//! | `--json PATH` | the figures as JSON too |
//!
//! cuBLASLt is opened at run time, from `FIRESTEEL_CUBLASLT` if that is set, and need not be there.

mod candidates;
mod case;
mod cublas;
#[path = "../harness/mod.rs"]
mod harness;
mod measure;
mod report;

use std::time::Duration;

use firesteel::prelude::*;

use candidates::CANDIDATES;
use case::{Case, Format, Problem};
use cublas::CublasLt;
use harness::Failure;
use harness::data::distance;
use harness::options::Options;
use measure::Contestant;
use report::{Report, Row};

/// What one batch should take, and the warm-up before the first.
const BATCH: Duration = Duration::from_millis(30);
const WARM_UP: Duration = Duration::from_millis(200);
/// Multiplications that the CPU can do as a reference.
const CPU_PRODUCT: u64 = 1 << 27;

fn main() -> Result<(), Failure> {
    let (mut formats, mut shapes) = (Vec::new(), Vec::new());
    let options = Options::parse(|option, value| {
        match option {
            "--format" => formats.push(Format::from_name(value)?),
            "--shape" => shapes.push(value.parse()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let device = Device::new(0)?;
    let stream = device.stream();
    let cublas = match stream.cuda_handle() {
        Some(_) => CublasLt::open(&device).map_err(|error| eprintln!("no cuBLASLt: {error}")).ok(),
        None => None,
    };
    let mut report = Report::new(&device, cublas.as_ref().map(CublasLt::version))?;
    for case in case::cases(&formats, &shapes, device.is_sim()) {
        run(&device, &stream, cublas.as_ref(), &case, &options, &mut report)?;
    }
    report.print(options.json.as_deref())?;
    match report.wrong() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} products are wrong").into()),
    }
}

/// Compares and measures all candidates for a case.
fn run(
    device: &Device,
    stream: &Stream,
    cublas: Option<&CublasLt>,
    case: &Case,
    options: &Options,
    report: &mut Report,
) -> Result<(), Failure> {
    let chosen = CANDIDATES.iter().filter(|it| it.name.contains(&options.only));
    let runs: Vec<_> = chosen.filter_map(|it| Some((it.name, (it.make)(case)?))).collect();
    if runs.is_empty() {
        return Ok(());
    }
    eprintln!("{case}");
    let mut problems = case::problems(device, case)?;
    let mut contestants = Vec::new();
    let want = match cublas {
        Some(cublas) => {
            let plan = cublas.best(stream, case, &mut problems[0])?;
            plan.run(stream, &mut problems[0])?;
            let want = problems[0].result(device)?;
            let run =
                Box::new(move |stream: &Stream, problem: &mut Problem| plan.run(stream, problem));
            contestants.push(Contestant::new("cuBLASLt", run));
            Some(want)
        }
        None if case.shape.multiplications() <= CPU_PRODUCT => {
            Some(problems[0].reference(device, case)?)
        }
        None => None,
    };
    let mut errors = vec![0.0; contestants.len()];
    for (name, mut run) in runs {
        problems[0].clear(stream)?;
        run(stream, &mut problems[0])?;
        stream.synchronize()?;
        let got = problems[0].result(device)?;
        let error = want.as_ref().map(|want| distance(&got, want));
        if error.is_some_and(|it| it.is_nan() || it > case.format.tolerance()) {
            report.add(&Row::wrong(case, name, error));
            continue;
        }
        errors.push(error.unwrap_or(f64::NAN));
        contestants.push(Contestant::new(name, run));
    }
    let rounds = if device.is_sim() { 1 } else { options.rounds };
    let times = measure::interleaved(stream, &mut contestants, &mut problems, rounds)?;
    let cublas_median = cublas.and_then(|_| times.first()).map(|it| it.median);
    for ((contestant, spread), error) in contestants.iter().zip(times).zip(errors) {
        report.add(&Row::timed(case, contestant.name, spread, cublas_median, error));
    }
    Ok(())
}
