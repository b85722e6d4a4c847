//! The figures, as a page of the book and as JSON.

use std::process::Command;

use firesteel::prelude::*;
use serde_json::{Value, json};

use crate::case::Case;
use crate::measure::Spread;

/// A line of the table.
pub(crate) struct Row {
    case: Case,
    name: &'static str,
    /// None if the product was wrong.
    spread: Option<Spread>,
    /// cuBLASLt's time over this one.
    ratio: Option<f64>,
    /// Relative distance from the right product; none if there was none to compare with.
    error: Option<f64>,
}

impl Row {
    pub(crate) fn wrong(case: &Case, name: &'static str, error: Option<f64>) -> Self {
        Self { case: *case, name, spread: None, ratio: None, error }
    }

    pub(crate) fn timed(
        case: &Case,
        name: &'static str,
        spread: Spread,
        cublas: Option<f64>,
        error: f64,
    ) -> Self {
        let ratio = cublas.map(|it| it / spread.median);
        let error = (!error.is_nan()).then_some(error);
        Self { case: *case, name, spread: Some(spread), ratio, error }
    }

    /// Operations (or, with few tokens, bytes) a second, and their unit.
    fn rate(&self, seconds: f64) -> (f64, &'static str) {
        match self.case.shape.is_skinny() {
            true => (self.case.bytes() as f64 / seconds / 1e9, "GB/s"),
            false => (2.0 * self.case.shape.multiplications() as f64 / seconds / 1e12, "TFLOP/s"),
        }
    }

    fn line(&self) -> String {
        let Self { case, name, .. } = self;
        let (shape, format, b) = (case.shape, case.format.name(), case.b.name());
        let error = self.error.map_or_else(|| "not compared".to_owned(), |it| format!("{it:.1e}"));
        let Some(Spread { median, low, high }) = self.spread else {
            return format!("| {shape} | {format} | {b} | {name} | wrong | | | | {error} |");
        };
        let (rate, unit) = self.rate(median);
        let ratio = self.ratio.map_or_else(String::new, |it| format!("{it:.3}"));
        let [median, low, high] = [median, low, high].map(|it| it * 1e3);
        format!(
            "| {shape} | {format} | {b} | {name} | {median:.4} | {low:.4} to {high:.4} | \
             {rate:.1} {unit} | {ratio} | {error} |"
        )
    }

    fn json(&self) -> Value {
        let seconds = |of: fn(Spread) -> f64| self.spread.map(of);
        let shape = self.case.shape;
        json!({
            "m": shape.m, "n": shape.n, "k": shape.k,
            "format": self.case.format.name(),
            "b": self.case.b.name(),
            "name": self.name,
            "seconds": seconds(|it| it.median),
            "seconds_p10": seconds(|it| it.low),
            "seconds_p90": seconds(|it| it.high),
            "rate": self.spread.map(|it| self.rate(it.median).0),
            "unit": self.rate(1.0).1,
            "of_cublaslt": self.ratio,
            "error": self.error,
        })
    }
}

/// All figures, and where they come from.
pub(crate) struct Report {
    device: String,
    driver: String,
    cublas: Option<usize>,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(device: &Device, cublas: Option<usize>) -> Result<Self> {
        let info = device.info()?;
        let (major, minor) = info.compute_capability;
        let driver = match device.is_sim() {
            true => "no driver".to_owned(),
            false => {
                driver().map_or_else(|| "unknown driver".to_owned(), |it| format!("driver {it}"))
            }
        };
        let device = format!("{}, sm_{major}{minor}, {} SMs", info.name, info.multiprocessors);
        Ok(Self { device, driver, cublas, rows: Vec::new() })
    }

    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("  {}", row.line());
        self.rows.push(row);
    }

    /// How many products were wrong.
    pub(crate) fn wrong(&self) -> usize {
        self.rows.iter().filter(|it| it.spread.is_none()).count()
    }

    fn library(&self) -> String {
        match self.cublas {
            Some(version) => {
                let (major, minor, patch) = (version / 10_000, version / 100 % 100, version % 100);
                format!("cuBLASLt {major}.{minor}.{patch}")
            }
            None => "no cuBLASLt".to_owned(),
        }
    }

    pub(crate) fn print(&self) {
        println!("# Matrix products\n");
        println!("{}, {}, {};", self.device, self.driver, self.library());
        println!("`{}`,", command());
        println!("{}.\n", time::OffsetDateTime::now_utc().date());
        println!("All contestants of a shape took turns in one process, on normal random numbers.");
        println!("Times are medians, with the tenth and ninetieth percentile.");
        println!(
            "The error is the relative distance from cuBLASLt's product (without it, from one on the CPU in `f64`).\n"
        );
        println!(
            "| M x N x K | format | B | kernel | ms | p10 to p90 | rate | of cuBLASLt | error |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for row in &self.rows {
            println!("{}", row.line());
        }
    }

    pub(crate) fn json(&self) -> String {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let report = json!({
            "device": self.device,
            "driver": self.driver,
            "cublaslt": self.cublas,
            "command": command(),
            "date": time::OffsetDateTime::now_utc().date().to_string(),
            "rows": rows,
        });
        format!("{report:#}\n")
    }
}

/// The command that was given, as one would type it.
fn command() -> String {
    let args: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let command = "cargo bench -p firesteel-kernels --bench matmul";
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
