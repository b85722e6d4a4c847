//! Tests of the PTX library: each file is one promise.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod assembler;
mod draw;
mod foreign;
mod mistakes;
mod robust;
mod round_trip;
mod rules;

#[path = "../../tests/src/ptxas.rs"]
#[allow(dead_code, unreachable_pub, reason = "public in the package of the tests")]
mod ptxas;
