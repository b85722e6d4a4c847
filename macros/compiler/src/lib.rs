//! The Firesteel compiler: a subset of Rust, as tokens, to PTX text.

pub mod diag;
pub mod hir;
pub mod intrinsics;
pub mod span;
pub mod value;
