//! What compiles and what must not.
//!
//! `pass/` holds kernels that are modules of this test: if it builds, they pass, without a warning.
//! `fail/<topic>/<mistake>.rs` each hold one mistake; the message is beside it.

#![deny(warnings)]

#[path = "../pass/kaio.rs"]
mod kaio;
#[path = "../pass/language.rs"]
mod language;
#[path = "../pass/memory.rs"]
mod memory;
#[path = "../pass/methods.rs"]
mod methods;
mod ptx;

#[test]
fn wrong_kernels_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*/*.rs");
}
