//! The command line.

use std::path::PathBuf;

use crate::Failure;
use crate::case::{Format, Shape};

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    /// The formats; none for all.
    pub(crate) formats: Vec<Format>,
    /// The shapes; none for the usual ones.
    pub(crate) shapes: Vec<Shape>,
    /// What the name of a candidate must hold.
    pub(crate) only: String,
    pub(crate) rounds: usize,
    pub(crate) json: Option<PathBuf>,
}

/// Reads the arguments.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options {
        formats: Vec::new(),
        shapes: Vec::new(),
        only: String::new(),
        rounds: 21,
        json: None,
    };
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        // What cargo adds.
        if arg == "--bench" {
            continue;
        }
        let value = args.next().ok_or_else(|| format!("`{arg}` needs a value"))?;
        match arg.as_str() {
            "--format" => options.formats.push(Format::from_name(&value)?),
            "--shape" => options.shapes.push(value.parse()?),
            "--only" => options.only = value,
            "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
            "--json" => options.json = Some(value.into()),
            other => return Err(format!("there is no option `{other}`").into()),
        }
    }
    Ok(options)
}
