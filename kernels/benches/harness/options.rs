//! The command line.

use std::path::PathBuf;

use super::Failure;

/// What every benchmark understands.
#[derive(Debug)]
pub(crate) struct Options {
    /// What the name of a contestant must hold.
    pub(crate) only: String,
    /// Turns of each contestant.
    pub(crate) rounds: usize,
    /// Where the figures go as JSON.
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments. `own` gets an option that only this benchmark has, and its value; it
    /// tells whether there is such an option.
    pub(crate) fn parse(
        mut own: impl FnMut(&str, &str) -> Result<bool, Failure>,
    ) -> Result<Self, Failure> {
        let mut options = Self { only: String::new(), rounds: 21, json: None };
        // What cargo adds.
        let mut args = std::env::args().skip(1).filter(|it| it != "--bench");
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("`{arg}` needs a value"))?;
            match arg.as_str() {
                "--only" => options.only = value,
                "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
                "--json" => options.json = Some(value.into()),
                other if own(other, &value)? => {}
                other => return Err(format!("there is no option `{other}`").into()),
            }
        }
        Ok(options)
    }
}
