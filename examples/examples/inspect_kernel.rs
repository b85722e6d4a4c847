//! Prints what kernels take on the device, and their PTX.
//!
//! `cargo run -p firesteel-examples --example inspect_kernel -- saxpy`

#![allow(clippy::print_stdout, reason = "its output is the report")]

use std::process::ExitCode;

use firesteel::Device;
use firesteel_examples::{EXAMPLES, Example};

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Inspects the named kernels, with their PTX, or all of them without.
fn run(names: &[String]) -> Result<(), String> {
    let device = Device::new(0).map_err(|error| error.to_string())?;
    let known = |name: &String| EXAMPLES.iter().find(|it| it.name == name);
    if let Some(unknown) = names.iter().find(|name| known(name).is_none()) {
        let all: Vec<&str> = EXAMPLES.iter().map(|it| it.name).collect();
        return Err(format!("no kernel `{unknown}`; there are {}", all.join(", ")));
    }
    let chosen: Vec<&Example> = match names {
        [] => EXAMPLES.iter().collect(),
        names => names.iter().filter_map(known).collect(),
    };
    for example in chosen {
        let info = (example.info)(&device).map_err(|error| error.to_string())?;
        println!("{info}\n");
        if !names.is_empty() {
            println!("{}", example.ptx);
        }
    }
    Ok(())
}
