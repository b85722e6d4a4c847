//! PTX of another compiler: reads, verifies, and comes back the same after printing.

use std::path::Path;

use firesteel_ptx::{emit, parse, verify};

#[test]
fn every_foreign_file_parses_verifies_and_round_trips() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/ptx");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "ptx") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let module = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        verify(&module).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let printed = emit(&module);
        assert_eq!(parse(&printed).unwrap(), module, "{}:\n{printed}", path.display());
        count += 1;
    }
    assert_eq!(count, 30);
}
