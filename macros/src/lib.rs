//! The attributes of Firesteel: the proc-macro shell around its compiler.

#![forbid(unsafe_code)]
