//! The figures, as a page of the book and as JSON.

use std::process::Command;

use firesteel::prelude::*;
use firesteel_kernels::quant::Format;
use serde_json::{Value, json};

use crate::measure::{Contestant, Spread};
use crate::options::Shape;

/// A line of the table.
struct Row {
    format: Format,
    name: String,
    bytes: u64,
    spread: Spread,
    /// Bytes a second, over those of the copy.
    of_copy: f64,
}

/// All figures, and where they come from.
pub(crate) struct Report {
    device: String,
    driver: String,
    shape: Shape,
    /// Bytes a second of the copy that took turns with what comes next.
    copy: f64,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(device: &Device, shape: Shape) -> Result<Self> {
        let info = device.info()?;
        let (major, minor) = info.compute_capability;
        let driver = match device.is_sim() {
            true => "no driver".to_owned(),
            false => {
                driver().map_or_else(|| "unknown driver".to_owned(), |it| format!("driver {it}"))
            }
        };
        let device = format!("{}, sm_{major}{minor}, {} SMs", info.name, info.multiprocessors);
        Ok(Self { device, driver, shape, copy: f64::NAN, rows: Vec::new() })
    }

    /// Of each format the copy comes first.
    pub(crate) fn add(&mut self, format: Format, contestant: &Contestant, spread: Spread) {
        let rate = contestant.bytes as f64 / spread.median;
        if contestant.name.starts_with("copy") {
            self.copy = rate;
        }
        let row = Row {
            format,
            name: contestant.name.clone(),
            bytes: contestant.bytes,
            spread,
            of_copy: rate / self.copy,
        };
        eprintln!("  {}", row.line(self.shape));
        self.rows.push(row);
    }

    pub(crate) fn print(&self) {
        println!("# Block formats\n");
        println!("{}, {};", self.device, self.driver);
        println!("`{}`,", command());
        println!("{}.\n", time::OffsetDateTime::now_utc().date());
        println!("{} normal random weights.", self.shape);
        println!(
            "The contestants of a format and a copy of the weights as bf16 took turns, as graphs that go round buffers which together are larger than the L2 cache."
        );
        println!("Times are medians, with the tenth and ninetieth percentile.");
        println!("Bytes are those that must be read and written.\n");
        println!("| format | | ms | p10 to p90 | G weights/s | GB/s | of the copy |");
        println!("| --- | --- | --- | --- | --- | --- | --- |");
        for row in &self.rows {
            println!("{}", row.line(self.shape));
        }
    }

    pub(crate) fn json(&self) -> String {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let report = json!({
            "device": self.device,
            "driver": self.driver,
            "command": command(),
            "date": time::OffsetDateTime::now_utc().date().to_string(),
            "shape": [self.shape.rows, self.shape.cols],
            "rows": rows,
        });
        format!("{report:#}\n")
    }
}

impl Row {
    fn line(&self, shape: Shape) -> String {
        let Spread { median, low, high } = self.spread;
        let [ms, low, high] = [median, low, high].map(|it| it * 1e3);
        format!(
            "| {} | {} | {ms:.4} | {low:.4} to {high:.4} | {:.1} | {:.0} | {:.3} |",
            self.format,
            self.name,
            shape.weights() as f64 / median / 1e9,
            self.bytes as f64 / median / 1e9,
            self.of_copy,
        )
    }

    fn json(&self) -> Value {
        json!({
            "format": self.format.name(),
            "name": self.name,
            "bytes": self.bytes,
            "seconds": self.spread.median,
            "seconds_p10": self.spread.low,
            "seconds_p90": self.spread.high,
            "of_copy": self.of_copy,
        })
    }
}

/// The command that was given, as one would type it.
fn command() -> String {
    let args: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let command = "cargo bench -p firesteel-kernels --bench quant";
    match args.as_slice() {
        [] => command.to_owned(),
        args => format!("{command} -- {}", args.join(" ")),
    }
}

fn driver() -> Option<String> {
    let output = Command::new("nvidia-smi")
        .args(["--query-gpu=driver_version", "--format=csv,noheader"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().filter(|_| output.status.success()).map(str::to_owned)
}
