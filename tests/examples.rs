//! Every example agrees with its reference, on the device under test.

use firesteel_examples::{EXAMPLES, own_format};
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

#[test]
fn a_format_of_ones_own_assembles() {
    for ptx in own_format::PTX {
        ptxas::demand(ptx, MACHINES);
    }
}

#[test]
fn a_format_of_ones_own_packs_to_the_bit_and_multiplies() -> firesteel::Result<()> {
    let report = own_format::run(&crate::device())?;
    assert_eq!(report.differences, 0);
    assert!(report.product.passed(), "{report:?}");
    // Errors are spread evenly over a step of 1 / 31 or less, so their root mean square is 0.0093 or
    // less; that of the weights is 0.577.
    assert!((0.01..0.02).contains(&report.loss), "{report:?}");
    assert_eq!(report.bytes, (70 * 1376 / 32 * 26, 70 * 1376 * 4));
    Ok(())
}
