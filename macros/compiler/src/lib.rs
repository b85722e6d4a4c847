//! The Firesteel compiler: a subset of Rust, as tokens, to PTX text.
