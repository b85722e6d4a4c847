//! The cross-crate tests, one module a layer (see `docs/src/architecture.md`).

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod attention;
mod dsl;
mod examples;
mod foreign_ptx;
mod gdn;
mod gemv;
mod golden;
mod instructions;
mod kernels;
mod kv;
mod matmul;
mod moe;
mod norm;
mod ops;
mod quant;
mod runtime;
mod sample;
mod sanitizer;
mod tidy;

use firesteel::Device;

/// The device under test: that of `FIRESTEEL_DEVICE`, or the simulator with every check on.
fn device() -> Device {
    match std::env::var_os("FIRESTEEL_DEVICE") {
        Some(_) => Device::from_env().unwrap(),
        None => Device::sim(),
    }
}

/// The PTX of a kernel's source text.
fn compile(attr: &str, item: &str) -> String {
    let tokens = |text: &str| text.parse().unwrap();
    let compiled = firesteel_compiler::compile(tokens(attr), tokens(item));
    compiled.unwrap_or_else(|diags| panic!("{diags:#?}\n{item}")).ptx
}
