//! The `firesteel` binary, run as a user runs it.

mod answers;
mod failures;
mod gguf;
mod hub;
mod quantize;
mod settings;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A folder for one test, empty.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// The binary, with none of the settings of whoever runs the tests.
fn firesteel(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firesteel"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let ours = ["FIRESTEEL_", "HF_", "XDG_"];
        if ours.iter().any(|it| name.to_string_lossy().starts_with(it)) {
            command.env_remove(name);
        }
    }
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join("home");
    command.env("HOME", &nowhere).env("APPDATA", &nowhere);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn output(command: &mut Command) -> Output {
    command.output().expect("the binary runs")
}

/// What the binary writes to stdout; it must succeed.
fn succeed(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What the binary writes to stderr; it must end with this exit code.
#[track_caller]
fn fail(command: &mut Command, code: i32) -> String {
    let output = output(command);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}
