//! The PTX of Firesteel: intermediate representation, printer, parser and verifier, from one table of instructions.

pub mod channel;
