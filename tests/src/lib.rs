//! Cross-crate tests of Firesteel.

pub mod device;
pub mod ptxas;
