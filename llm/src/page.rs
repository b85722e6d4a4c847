// stub
//! The chat page.

/// The page.
pub const HTML: &str = "<!doctype html><title>firesteel</title>";
