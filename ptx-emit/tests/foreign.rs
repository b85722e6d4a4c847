//! PTX of another compiler: reads, verifies, and comes back the same after printing.

use std::path::Path;

use firesteel_ptx::{emit, parse, verify};

/// Paths and texts of the golden files, in order.
pub(crate) fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/ptx");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let ptx = paths.filter(|path| path.extension().is_some_and(|it| it == "ptx"));
    let mut files: Vec<(String, String)> = ptx
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() >= 30, "only {} files", files.len());
    files
}

#[test]
fn every_foreign_file_parses_verifies_and_round_trips() {
    for (path, text) in files() {
        let module = parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        verify(&module).unwrap_or_else(|error| panic!("{path}: {error}"));
        let printed = emit(&module);
        assert_eq!(parse(&printed).unwrap(), module, "{path}:\n{printed}");
    }
}
