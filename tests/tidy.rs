//! The house rules that no lint knows.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Files that may be longer than [`LONGEST`]: tables.
const TABLES: &[&str] = &[
    // The table of intrinsics.
    "macros/compiler/src/intrinsics/table.rs",
    // The table of instructions.
    "ptx-emit/src/isa.rs",
];

/// Lines after which a file is to be split.
const LONGEST: usize = 700;

/// Blocks of `unsafe` in the whole tree, so that growth is a visible line in a diff.
const UNSAFE_FOLDERS: &[&str] = &["runtime/src/cuda/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of the tree that end in `.rs`, with their text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.sort();
    assert!(found.len() > 30, "only {} sources found", found.len());
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let relative = format!("{prefix}{name}");
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, &format!("{relative}/"), found);
            }
        } else if name.ends_with(".rs") {
            found.push((relative, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn files_fit_in_a_readers_head() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= LONGEST || TABLES.contains(&path.as_str()),
            "{path} has {lines} lines: split it by topic"
        );
    }
}

#[test]
fn comments_tell_no_history() {
    // Written in halves so that this file does not match itself.
    let words =
        [["TO", "DO"], ["FIX", "ME"], ["used ", "to be"], ["no ", "longer"], ["pha", "se 1"]];
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else { continue };
            for word in &words {
                let word = word.concat();
                assert!(!comment.contains(&word), "{path}:{}: `{word}`: {line}", number + 1);
            }
        }
    }
}

#[test]
fn unsafe_has_its_place() {
    for (path, text) in sources() {
        let allowed = UNSAFE_FOLDERS.iter().any(|folder| path.starts_with(folder));
        let blocks = text.lines().filter(|line| line.contains("unsafe {")).count();
        let documented = text.matches("SAFETY:").count();
        let mistake = path.starts_with("ui-tests/fail/");
        assert!(blocks <= documented || mistake, "{path}: {blocks} unsafe blocks undocumented");
        if !allowed && path.starts_with("runtime/src/sim/") {
            assert_eq!(blocks, 0, "{path}: the simulator is safe Rust");
        }
    }
}

#[test]
fn every_crate_forbids_or_confines_unsafe() {
    for path in ["ptx-emit/src/lib.rs", "macros/compiler/src/lib.rs", "macros/src/lib.rs"] {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{path} does not forbid unsafe code");
    }
}

#[test]
fn no_path_of_a_machine_is_in_the_tree() {
    let output = Command::new("git")
        .args(["grep", "-nIE", "(^|[^a-z.])/(root|home|Users)/[a-z]", "--", ".", ":!Cargo.lock"])
        .current_dir(root())
        .output();
    // Without git (a source archive) there is nothing to ask.
    let Ok(output) = output else { return };
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(found.is_empty(), "{found}");
}
