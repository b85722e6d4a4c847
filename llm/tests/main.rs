//! Tests of the crate from outside.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics has failed, and one that passes may say by how much"
)]

mod http;
mod models;
mod templates;
