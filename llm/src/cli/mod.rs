//! The command line: `firesteel serve`, `chat`, `run`, `bench` and their like.
//!
//! The value of an option comes from the command line, else from the environment
//! (`--max-tokens` is `FIRESTEEL_MAX_TOKENS`), else from the configuration file, else it is the
//! default that `--help` shows. See [`config`].
//!
//! Answers go to stdout; what is said about them goes to stderr. How a command ends is an exit
//! code, see [`failure`].

#![allow(clippy::print_stdout, reason = "a command answers on stdout")]

mod bench;
mod chat;
mod config;
mod devices;
mod failure;
mod inspect;
mod model;
mod progress;
mod pull;
mod quantize;
mod run;
mod sampling;
mod serve;
mod terminal;
mod tokenize;

use std::{ffi::OsString, io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use self::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  firesteel serve                              an OpenAI server and a chat page, with the model
                                               in the box, at http://127.0.0.1:8080
  firesteel chat                               the same model, in this terminal
  firesteel run \"Tell me a story about a dog.\"
  firesteel run -m qwen3-0.6b-q8_0.gguf --seed 7 --max-tokens 100 \"Why is the sky blue?\"
  firesteel chat -m hf:Qwen/Qwen3-0.6B-GGUF    a model of the Hugging Face Hub, fetched once
  firesteel inspect model.gguf                 what is in a file

Settings:
  An option --max-tokens is also the environment variable FIRESTEEL_MAX_TOKENS, and the key
  max-tokens of the configuration file: at its top for every command, or in a table such as
  [serve] for one. The command line comes first, then the environment, then the file.

Exit codes:
  0 done    1 another failure    2 wrong usage or configuration    3 no such file
  4 not a model    5 damaged or cut short    6 unsupported architecture or format
  7 not enough memory    8 port in use    9 damaged tokenizer    10 download failed";

/// Runs and serves language models.
#[derive(Debug, Parser)]
#[command(name = "firesteel", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Global {
    /// The configuration file. One that is named must exist
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter such as
    /// `warn,firesteel_llm::http=debug`
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Global options")]
    log: Option<String>,
    /// Shows no progress
    #[arg(long, short, global = true, help_heading = "Global options")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves a model over HTTP, as OpenAI's API and as a chat page.
    Serve(serve::Args),
    /// Talks with a model in the terminal.
    Chat(chat::Args),
    /// Answers one prompt on stdout.
    Run(run::Args),
    /// Measures how fast a model reads prompts and writes answers.
    Bench(bench::Args),
    /// Shows what a model's files hold.
    Inspect(inspect::Args),
    /// Lists the devices that kernels can run on.
    Devices,
    /// Shows the tokens of a text.
    Tokenize(tokenize::Args),
    /// Fetches a model from the Hugging Face Hub.
    Pull(pull::Args),
    /// Writes a model as a GGUF file of quantised weights.
    Quantize(quantize::Args),
}

impl Command {
    /// What is logged unless `--log` says otherwise: a server's log is its life, another
    /// command's would stand between its answers.
    fn log(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            Self::Chat(_)
            | Self::Run(_)
            | Self::Bench(_)
            | Self::Inspect(_)
            | Self::Devices
            | Self::Tokenize(_)
            | Self::Pull(_)
            | Self::Quantize(_) => "warn",
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // A reader that leaves early (`firesteel inspect … | head`) is no fault of ours.
    match parse(std::env::args_os()).and_then(execute) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Cli, Failure> {
    let cli: Cli = config::parse(line.into_iter().collect())?;
    progress::allow(!cli.global.quiet);
    let filter = cli.global.log.as_deref().unwrap_or(cli.command.log());
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| Failure::Usage(format!("--log `{filter}`: {error}")))?;
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    log.with_writer(std::io::stderr).init();
    Ok(cli)
}

fn execute(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Chat(args) => chat::run(args),
        Command::Run(args) => run::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Devices => devices::run(),
        Command::Tokenize(args) => tokenize::run(&args),
        Command::Pull(args) => pull::run(&args),
        Command::Quantize(args) => quantize::run(&args),
    }
}
