//! The Firesteel compiler: a subset of Rust, as tokens, to PTX text.

#![forbid(unsafe_code)]

pub mod diag;
pub mod hir;
pub mod intrinsics;
mod short_float;
pub mod span;
pub mod value;
