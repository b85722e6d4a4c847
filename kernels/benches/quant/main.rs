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

mod convert;
#[path = "../harness/mod.rs"]
mod harness;
mod shape;

use firesteel::prelude::*;
use firesteel_kernels::quant::Format;
use serde_json::json;

use convert::{Conversion, Weights};
use harness::Failure;
use harness::options::Options;
use harness::page::Page;
use harness::turns::{Spread, take_turns};
use shape::Shape;

fn main() -> Result<(), Failure> {
    let (mut formats, mut shape) = (Vec::new(), None);
    let options = Options::parse(|option, value| {
        match option {
            "--format" => formats.push(value.parse()?),
            "--shape" => shape = Some(value.parse()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if formats.is_empty() {
        formats = Format::ALL.to_vec();
    }
    let device = Device::new(0)?;
    let stream = device.stream();
    let shape = shape.unwrap_or_else(|| Shape::usual(device.is_sim()));
    let weights = Weights::new(&stream, shape)?;
    let mut page = Page::new(&device, "quant", "Block formats")?;
    page.text(&format!(
        "{shape} normal random weights.\n\
         The contestants of a format and a copy of the weights as bf16 took turns, as graphs that go \
         round buffers which together are larger than the L2 cache.\n\
         Times are medians, with the tenth and ninetieth percentile.\n\
         Bytes are those that must be read and written."
    ));
    page.table(&["format", "", "ms", "p10 to p90", "G weights/s", "GB/s", "of the copy"]);
    for format in formats {
        eprintln!("{format}");
        let mut conversions = vec![weights.copy(&stream)?];
        conversions.extend(weights.conversions(&stream, format, &options.only)?);
        let (bytes, contestants): (Vec<_>, Vec<_>) = conversions
            .into_iter()
            .map(|Conversion { bytes, contestant }| (bytes, contestant))
            .unzip();
        let spreads = take_turns(&stream, &contestants, options.rounds)?;
        let rates: Vec<f64> =
            bytes.iter().zip(&spreads).map(|(&bytes, it)| bytes as f64 / it.median).collect();
        for ((contestant, &spread), &rate) in contestants.iter().zip(&spreads).zip(&rates) {
            row(&mut page, format, &contestant.name, shape, spread, (rate, rate / rates[0]));
        }
    }
    page.print(options.json.as_deref())
}

/// A line of the table: `rate` in bytes a second, and of the copy's.
fn row(
    page: &mut Page,
    format: Format,
    name: &str,
    shape: Shape,
    spread: Spread,
    (rate, of_copy): (f64, f64),
) {
    let Spread { median, low, high } = spread;
    let cells = [
        format.to_string(),
        name.to_owned(),
        format!("{:.4}", median * 1e3),
        format!("{:.4} to {:.4}", low * 1e3, high * 1e3),
        format!("{:.1}", shape.weights() as f64 / median / 1e9),
        format!("{:.0}", rate / 1e9),
        format!("{of_copy:.3}"),
    ];
    let figures = json!({
        "format": format.name(),
        "name": name,
        "shape": [shape.rows, shape.cols],
        "bytes": rate * median,
        "seconds": median,
        "seconds_p10": low,
        "seconds_p90": high,
        "of_copy": of_copy,
    });
    page.row(&cells, figures);
}
