//! Gated DeltaNet against its definition in `f64`, and that against golden data.

mod chunked;
mod data;
mod golden;
mod pieces;
mod recurrence;
mod reference;

use firesteel_kernels::gdn;
use firesteel_tests::ptxas;

#[test]
fn gdn_kernels_assemble_without_spills() {
    for text in gdn::ptx() {
        ptxas::demand(text, &[]);
    }
}
