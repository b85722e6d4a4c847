//! The cross-crate tests, one module a layer (see `docs/src/architecture.md`).

mod foreign_ptx;
mod sanitizer;
mod tidy;
