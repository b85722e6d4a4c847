//! Every example agrees with its reference, on the device under test.

use firesteel_examples::EXAMPLES;

#[test]
fn examples_agree_with_their_references() {
    let device = crate::device();
    for example in EXAMPLES {
        let outcome =
            (example.run)(&device).unwrap_or_else(|error| panic!("{}: {error}", example.name));
        assert!(outcome.passed(), "{}: {outcome:?}", example.name);
    }
}
