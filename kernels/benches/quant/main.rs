//! Block formats against the bandwidth of a copy, in one process: prints a page of the book.
//!
//! `cargo bench -p firesteel-kernels --bench quant -- --json quant.json > docs/src/benchmarks/quant.md`
//!
//! Each part gives contestants of a format. What they compute is compared with the host first. Then
//! they and a copy within the device take turns in a new order each round. A turn is the replay of a
//! graph that goes round buffers which together are larger than the L2 cache; times are the device's
//! own, between events around the replay.
//!
//! | option | meaning |
//! | --- | --- |
//! | `--format q6_K` | only this format; again for more |
//! | `--shape 12288x4096` | rows and columns |
//! | `--only TEXT` | only contestants whose name holds the text |
//! | `--rounds 21` | turns of each contestant |
//! | `--json PATH` | the figures as JSON too |
#![allow(clippy::print_stdout, reason = "its output is the report")]

mod convert;
#[path = "../matmul/data.rs"]
#[allow(dead_code, reason = "the products' benchmark uses the rest")]
mod data;
mod measure;
mod options;
mod report;

use firesteel::prelude::*;

use convert::Weights;
use report::Report;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let options = options::parse(std::env::args().skip(1))?;
    let device = Device::new(0)?;
    let stream = device.stream();
    let shape = options.shape(device.is_sim());
    let weights = Weights::new(&stream, shape)?;
    let mut report = Report::new(&device, shape)?;
    for &format in &options.formats {
        eprintln!("{format}");
        let mut contestants = vec![weights.copy(&stream)?];
        contestants.extend(weights.conversions(&stream, format, &options.only)?);
        let rounds = if device.is_sim() { 1 } else { options.rounds };
        for (contestant, spread) in measure::interleaved(&stream, &contestants, rounds)? {
            report.add(format, contestant, spread);
        }
    }
    report.print();
    if let Some(path) = &options.json {
        std::fs::write(path, report.json())?;
    }
    Ok(())
}
