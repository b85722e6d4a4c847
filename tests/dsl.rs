//! The language: what a kernel computes is what rustc computes from the same tokens.

mod faults;
mod generate;
mod kaio;
mod random;
