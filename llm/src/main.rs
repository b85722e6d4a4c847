//! The `firesteel` command.

#![allow(clippy::print_stdout, reason = "a command answers on stdout")]

use clap::{Parser, Subcommand};

/// NVIDIA GPU kernels in stable Rust, and what runs on them.
#[derive(Debug, Parser)]
#[command(name = "firesteel", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the devices that kernels can run on.
    Devices,
}

fn main() {
    match Cli::parse().command {
        Command::Devices => devices(),
    }
}

fn devices() {
    for firesteel::DeviceEntry { id, info, .. } in firesteel::devices() {
        let (major, minor) = info.compute_capability;
        let memory = info.total_memory as f64 / (1_u64 << 30) as f64;
        println!("{:<8} {}, sm_{major}{minor}, {memory:.0} GiB", id.to_string(), info.name);
    }
}
