//! What the benchmarks share: random data, contestants that take turns, the command line, and the
//! page of the book that each prints.
#![allow(dead_code, reason = "each benchmark uses a part")]

pub(crate) mod data;
pub(crate) mod options;
pub(crate) mod page;
pub(crate) mod turns;

/// Whatever ends a benchmark.
pub(crate) type Failure = Box<dyn std::error::Error>;
