//! The figures, as a page of the book and as JSON.

use std::path::Path;

use firesteel::prelude::*;
use serde_json::{Value, json};

use crate::case::Case;
use crate::harness::Failure;
use crate::harness::page::Page;
use crate::harness::turns::Spread;

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

    fn cells(&self) -> [String; 9] {
        let Self { case, name, .. } = self;
        let (shape, format, b) = (case.shape.to_string(), case.format.name(), case.b.name());
        let error = self.error.map_or_else(|| "not compared".to_owned(), |it| format!("{it:.1e}"));
        let figures = match self.spread {
            Some(Spread { median, low, high }) => {
                let (rate, unit) = self.rate(median);
                let [median, low, high] = [median, low, high].map(|it| it * 1e3);
                [
                    format!("{median:.4}"),
                    format!("{low:.4} to {high:.4}"),
                    format!("{rate:.1} {unit}"),
                    self.ratio.map_or_else(String::new, |it| format!("{it:.3}")),
                ]
            }
            None => ["wrong".to_owned(), String::new(), String::new(), String::new()],
        };
        let [median, range, rate, ratio] = figures;
        let (format, b, name) = (format.to_owned(), b.to_owned(), (*name).to_owned());
        [shape, format, b, name, median, range, rate, ratio, error]
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

/// All figures.
pub(crate) struct Report {
    page: Page,
    wrong: usize,
}

impl Report {
    pub(crate) fn new(device: &Device, cublas: Option<usize>) -> Result<Self> {
        let mut page = Page::new(device, "matmul", "Matrix products")?;
        page.with(match cublas {
            Some(version) => {
                let (major, minor, patch) = (version / 10_000, version / 100 % 100, version % 100);
                format!("cuBLASLt {major}.{minor}.{patch}")
            }
            None => "no cuBLASLt".to_owned(),
        });
        page.text(
            "All contestants of a shape took turns in one process, on normal random numbers.\n\
             Times are medians, with the tenth and ninetieth percentile.\n\
             The error is the relative distance from cuBLASLt's product (without it, from one on the \
             CPU in `f64`).",
        );
        page.table(&[
            "M x N x K",
            "format",
            "B",
            "kernel",
            "ms",
            "p10 to p90",
            "rate",
            "of cuBLASLt",
            "error",
        ]);
        Ok(Self { page, wrong: 0 })
    }

    pub(crate) fn add(&mut self, row: &Row) {
        self.wrong += usize::from(row.spread.is_none());
        self.page.row(&row.cells(), row.json());
    }

    /// How many products were wrong.
    pub(crate) fn wrong(&self) -> usize {
        self.wrong
    }

    /// Prints the page; the figures go to the file as JSON if there is one.
    pub(crate) fn print(&self, json: Option<&Path>) -> Result<(), Failure> {
        self.page.print(json)
    }
}
