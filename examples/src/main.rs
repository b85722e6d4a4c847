//! Runs the kernels on the GPU, or on the simulator, and compares them with their references.

#![allow(clippy::print_stdout, reason = "a table is what this program is for")]

use std::process::ExitCode;

use firesteel::Device;
use firesteel_examples::{EXAMPLES, Example};

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the named examples, or all; whether all agree with their references.
fn run(names: &[String]) -> Result<bool, String> {
    let chosen = choose(names)?;
    let device = Device::new(0).map_err(|error| error.to_string())?;
    let info = device.info().map_err(|error| error.to_string())?;
    println!("running on {}\n", info.name);
    println!("{:<16} {:>9}  {:>9}  {:>9}", "kernel", "elements", "error", "allowed");
    let mut good = true;
    for example in chosen {
        let outcome =
            (example.run)(&device).map_err(|error| format!("{}: {error}", example.name))?;
        let verdict = if outcome.passed() { "agrees" } else { "DIFFERS" };
        good &= outcome.passed();
        println!(
            "{:<16} {:>9}  {:>9.1e}  {:>9.1e}  {verdict:<7}  {}",
            example.name, outcome.elements, outcome.error, outcome.allowed, example.about
        );
    }
    Ok(good)
}

fn choose(names: &[String]) -> Result<Vec<&'static Example>, String> {
    if names.is_empty() {
        return Ok(EXAMPLES.iter().collect());
    }
    let find = |name: &String| {
        EXAMPLES.iter().find(|it| it.name == name).ok_or_else(|| {
            let known: Vec<&str> = EXAMPLES.iter().map(|it| it.name).collect();
            format!("no example `{name}`; there are {}", known.join(", "))
        })
    };
    names.iter().map(find).collect()
}
