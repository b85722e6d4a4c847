//! The chat page that the server shows at `/`: one HTML document that needs nothing else.

/// The document.
pub const HTML: &str = include_str!("page.html");
