//! Small operations against the bandwidth of a copy, in one process: prints a page of the book.
//!
//! `cargo bench -p firesteel-kernels --bench ops > docs/src/benchmarks/ops.md`
//!
//! Bytes are the fewest that an operation must read and write. Of a prompt's rows, the buffers of a
//! turn are together larger than the L2 cache; those of a few tokens stay in it, as they do in a model.
//!
//! | option | meaning |
//! | --- | --- |
//! | `--only TEXT` | only operations whose name holds the text |
//! | `--rounds 21` | turns of each contestant |
//! | `--json PATH` | the figures as JSON too |

mod cases;
#[path = "../harness/mod.rs"]
mod harness;

use firesteel::prelude::*;
use serde_json::json;

use cases::Rows;
use harness::Failure;
use harness::options::Options;
use harness::page::Page;
use harness::turns::{Spread, take_turns};

/// Elements of a row.
const N: usize = 4096;

fn main() -> Result<(), Failure> {
    let options = Options::parse(|_, _| Ok(false))?;
    let device = Device::new(0)?;
    let mut page = Page::new(&device, "ops", "Small operations")?;
    page.text(&format!(
        "Rows of {N} numbers of bf16; rope turns 32 heads of 128 of each.\n\
         The operations and a copy took turns, as graphs; times are medians, with the tenth and \
         ninetieth percentile, and hold the hand-over from one launch to the next.\n\
         Bytes are the fewest that must be read and written."
    ));
    page.table(&["", "rows", "µs", "p10 to p90", "GB/s", "of the copy"]);
    let sizes: &[usize] = if device.is_sim() { &[2] } else { &[8192, 32, 1] };
    for &rows in sizes {
        run(&device, &mut page, &options, rows)?;
    }
    page.print(options.json.as_deref())
}

/// All operations on so many rows.
fn run(device: &Device, page: &mut Page, options: &Options, rows: usize) -> Result<(), Failure> {
    let stream = device.stream();
    let cases = Rows::new(&stream, rows)?.cases(&stream, &options.only)?;
    let (bytes, contestants): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let spreads = take_turns(&stream, &contestants, options.rounds)?;
    let rate = |at: usize| bytes[at] as f64 / spreads[at].median;
    for (at, (contestant, &spread)) in contestants.iter().zip(&spreads).enumerate() {
        let Spread { median, low, high } = spread;
        let of_copy = rate(at) / rate(0);
        let cells = [
            contestant.name.clone(),
            rows.to_string(),
            format!("{:.2}", median * 1e6),
            spread.range_us(),
            format!("{:.0}", rate(at) / 1e9),
            format!("{of_copy:.3}"),
        ];
        let figures = json!({
            "name": contestant.name,
            "rows": rows,
            "bytes": bytes[at],
            "seconds": median,
            "seconds_p10": low,
            "seconds_p90": high,
            "of_copy": of_copy,
        });
        page.row(&cells, figures);
    }
    Ok(())
}
