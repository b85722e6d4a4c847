//! A page of the book with the figures of a run, and the same figures as JSON.

use std::path::Path;
use std::process::Command;

use firesteel::prelude::*;
use serde_json::{Value, json};

use super::Failure;

/// What ran where, by which command and when.
pub(crate) struct Provenance {
    device: String,
    driver: String,
    command: String,
    date: String,
}

impl Provenance {
    /// Of the benchmark `bench`, run now.
    pub(crate) fn of(device: &Device, bench: &str) -> Result<Self> {
        let info = device.info()?;
        let (major, minor) = info.compute_capability;
        let driver = match device.is_sim() {
            true => "no driver".to_owned(),
            false => {
                driver().map_or_else(|| "unknown driver".to_owned(), |it| format!("driver {it}"))
            }
        };
        Ok(Self {
            device: format!("{}, sm_{major}{minor}, {} SMs", info.name, info.multiprocessors),
            driver,
            command: command(bench),
            date: time::OffsetDateTime::now_utc().date().to_string(),
        })
    }
}

/// The command that was given, as one would type it.
fn command(bench: &str) -> String {
    let args: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let command = format!("cargo bench -p firesteel-kernels --bench {bench}");
    match args.as_slice() {
        [] => command,
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

/// Text and tables. Lines of tables also go to the standard error as they come.
pub(crate) struct Page {
    title: &'static str,
    provenance: Provenance,
    /// Libraries that took part, with their versions.
    with: Vec<String>,
    body: String,
    rows: Vec<Value>,
}

impl Page {
    /// An empty page of the benchmark `bench`.
    pub(crate) fn new(device: &Device, bench: &str, title: &'static str) -> Result<Self> {
        let provenance = Provenance::of(device, bench)?;
        Ok(Self { title, provenance, with: Vec::new(), body: String::new(), rows: Vec::new() })
    }

    /// Names a library that took part.
    pub(crate) fn with(&mut self, library: String) {
        self.with.push(library);
    }

    /// A paragraph, or a heading.
    pub(crate) fn text(&mut self, text: &str) {
        self.end_table();
        self.body += &format!("{text}\n\n");
    }

    /// Begins a table, after an empty line if there was one before.
    pub(crate) fn table(&mut self, columns: &[&str]) {
        self.end_table();
        self.body += &format!("| {} |\n", columns.join(" | "));
        self.body += &format!("|{}\n", " --- |".repeat(columns.len()));
    }

    /// An empty line behind a table.
    fn end_table(&mut self) {
        if self.body.ends_with("|\n") {
            self.body.push('\n');
        }
    }

    /// A line of the table, and what it says for programs.
    pub(crate) fn row(&mut self, cells: &[String], figures: Value) {
        let line = format!("| {} |", cells.join(" | "));
        eprintln!("{line}");
        self.body += &line;
        self.body.push('\n');
        self.rows.push(figures);
    }

    /// Prints the page; the figures go to the file as JSON if there is one.
    #[allow(clippy::print_stdout, reason = "a benchmark's output is the page")]
    pub(crate) fn print(&self, json: Option<&Path>) -> Result<(), Failure> {
        let Provenance { device, driver, command, date } = &self.provenance;
        let machine = [&[device.clone(), driver.clone()], self.with.as_slice()].concat();
        println!("# {}\n\n{};\n`{command}`,\n{date}.\n", self.title, machine.join(", "));
        println!("{}", self.body.trim_end());
        if let Some(path) = json {
            let report = json!({
                "device": device,
                "driver": driver,
                "with": self.with,
                "command": command,
                "date": date,
                "rows": self.rows,
            });
            std::fs::write(path, format!("{report:#}\n"))?;
        }
        Ok(())
    }
}
