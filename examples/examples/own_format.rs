//! Runs a block format of one's own: see `docs/src/guides/own-format.md`.
//!
//! `cargo run -p firesteel-examples --example own_format`

#![allow(clippy::print_stdout, reason = "its output is the report")]

use std::process::ExitCode;

use firesteel::{Device, Result};
use firesteel_examples::own_format::{self, Report};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the kernels agree with the host.
fn run() -> Result<bool> {
    let device = Device::new(0)?;
    let Report { differences, product, loss, bytes: (packed, wide) } = own_format::run(&device)?;
    println!("running on {}", device.info()?.name);
    println!("size         {packed} bytes, {wide} as f32");
    println!("loss         {:.2} % of the weights", loss * 100.0);
    println!("differences  {differences} between kernels and host");
    println!("product      error {:.1e}, allowed {:.1e}", product.error, product.allowed);
    Ok(differences == 0 && product.passed())
}
