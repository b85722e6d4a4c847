//! The `firesteel` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    firesteel_llm::cli::main()
}
