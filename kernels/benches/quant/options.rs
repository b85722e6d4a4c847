//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use firesteel_kernels::quant::Format;

use crate::Failure;

/// A matrix of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

impl Shape {
    pub(crate) fn weights(self) -> usize {
        self.rows * self.cols
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.cols)
    }
}

impl FromStr for Shape {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let sizes: Vec<usize> = text.split('x').map(str::parse).collect::<Result<_, _>>()?;
        match sizes.as_slice() {
            [rows, cols] if !sizes.contains(&0) => Ok(Self { rows: *rows, cols: *cols }),
            _ => Err(format!("a shape is ROWSxCOLUMNS, got `{text}`").into()),
        }
    }
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) formats: Vec<Format>,
    shape: Option<Shape>,
    /// What the name of a contestant must hold.
    pub(crate) only: String,
    pub(crate) rounds: usize,
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// That of the command line, or the usual one; the simulator gets a small one.
    pub(crate) fn shape(&self, simulated: bool) -> Shape {
        let usual = if simulated { [3, 1024] } else { [12288, 4096] };
        self.shape.unwrap_or(Shape { rows: usual[0], cols: usual[1] })
    }
}

/// Reads the arguments.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options =
        Options { formats: Vec::new(), shape: None, only: String::new(), rounds: 21, json: None };
    let mut args = args;
    while let Some(arg) = args.next() {
        // What cargo adds.
        if arg == "--bench" {
            continue;
        }
        let value = args.next().ok_or_else(|| format!("`{arg}` needs a value"))?;
        match arg.as_str() {
            "--format" => options.formats.push(value.parse()?),
            "--shape" => options.shape = Some(value.parse()?),
            "--only" => options.only = value,
            "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
            "--json" => options.json = Some(value.into()),
            other => return Err(format!("there is no option `{other}`").into()),
        }
    }
    if options.formats.is_empty() {
        options.formats = Format::ALL.to_vec();
    }
    Ok(options)
}
