//! Tests of the crate from outside.

mod http;
mod models;
mod templates;
