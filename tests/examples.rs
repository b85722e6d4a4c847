//! Every example agrees with its reference, on the device under test.

use firesteel_examples::EXAMPLES;
use firesteel_tests::ptxas::{self, MACHINES};

#[test]
fn examples_assemble_for_old_and_new_machines() {
    for example in EXAMPLES {
        ptxas::demand(example.ptx, MACHINES);
    }
}

#[test]
fn examples_agree_with_their_references() {
    let device = crate::device();
    for example in EXAMPLES {
        let outcome =
            (example.run)(&device).unwrap_or_else(|error| panic!("{}: {error}", example.name));
        assert!(outcome.passed(), "{}: {outcome:?}", example.name);
    }
}
