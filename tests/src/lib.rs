//! Cross-crate tests of Firesteel.

pub mod ptxas;
