//! What kernels add to a build: a crate with and without them, built by cargo.
//!
//! `cargo bench -p firesteel --bench build > docs/src/benchmarks/build.md`

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How many kernels the crate has.
const KERNELS: u32 = 100;
const REPEATS: usize = 5;
const KERNEL: &str = include_str!("../../examples/src/kernels/layer_norm.rs");

type Failure = Box<dyn std::error::Error>;

/// The kernel of the example, under the name `{name}`.
fn kernel(name: &str) -> Option<String> {
    let start = KERNEL.find("#[gpu_kernel")?;
    let end = start + KERNEL[start..].find("\n}\n")? + 3;
    Some(KERNEL[start..end].replace("fn layer_norm", &format!("fn {name}")))
}

fn write_source(crate_folder: &Path, kernels: u32) -> Result<(), Failure> {
    let mut source = String::from("pub use firesteel::prelude::*;\n");
    for number in 0..kernels {
        source += &kernel(&format!("kernel_{number}")).ok_or("the example has no kernel")?;
    }
    Ok(std::fs::write(crate_folder.join("src/lib.rs"), source)?)
}

fn build(crate_folder: &Path, profile: &str) -> Result<Duration, Failure> {
    let start = Instant::now();
    let cargo = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", profile])
        .current_dir(crate_folder)
        .env_remove("CARGO_TARGET_DIR")
        .status()?;
    if !cargo.success() {
        return Err(format!("cargo: {cargo}").into());
    }
    Ok(start.elapsed())
}

/// The median over some builds, in which only the crate itself is compiled.
fn measure(crate_folder: &Path, profile: &str, kernels: u32) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        write_source(crate_folder, kernels)?;
        times.push(build(crate_folder, profile)?);
    }
    times.sort();
    Ok(times[REPEATS / 2])
}

#[allow(clippy::print_stdout, reason = "its output is the report")]
fn main() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("firesteel-build-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"kernels\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\nfiresteel = {{ path = {:?} }}\n\
         [profile.dev.build-override]\nopt-level = 3\n\
         [profile.release.build-override]\nopt-level = 3\n",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::write(folder.join("Cargo.toml"), manifest)?;
    let lines = kernel("k").ok_or("the example has no kernel")?.lines().count();
    println!("# Building kernels\n");
    println!("`cargo bench -p firesteel --bench build`: a crate of {KERNELS} copies of the");
    println!(
        "`layer_norm` of the examples ({lines} lines), against the same crate without them.\n"
    );
    println!("| profile | without | with | a kernel |");
    println!("| --- | --- | --- | --- |");
    for profile in ["dev", "release"] {
        write_source(&folder, 0)?;
        build(&folder, profile)?;
        let (without, with) = (measure(&folder, profile, 0)?, measure(&folder, profile, KERNELS)?);
        let each = with.saturating_sub(without) / KERNELS;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!("| {profile} | {:.0} ms | {:.0} ms | {:.1} ms |", ms(without), ms(with), ms(each));
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
