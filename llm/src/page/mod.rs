//! The chat page that the server shows at `/`.
//!
//! One document that asks nobody but its own server: style and script are inside of it. The
//! script never parses HTML (it builds nodes from text), which lets [`policy`] forbid it.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

macro_rules! style {
    () => {
        include_str!("page.css")
    };
}
macro_rules! script {
    () => {
        concat!(include_str!("markdown.js"), include_str!("chat.js"))
    };
}

/// The document.
pub const HTML: &str = concat!(
    include_str!("head.html"),
    "<style>",
    style!(),
    "</style>\n",
    include_str!("body.html"),
    "<script type=\"module\">",
    script!(),
    "</script>\n</body>\n</html>\n"
);

/// The value of the header `Content-Security-Policy` that the document needs: this style and
/// this script, requests to this server, nothing else.
pub fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
        format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; \
             connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            hash(style!()),
            hash(script!())
        )
    });
    &POLICY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_needs_nothing_else() {
        for outside in ["http:", "src=\"/", "url(", "@import", "innerHTML", " onclick=", "eval("] {
            let found = HTML.find(outside).filter(|&at| !HTML[at..].starts_with("http://www.w3"));
            assert_eq!(found, None, "{outside}");
        }
        // An element that the policy's hash does not cover would be dropped by the browser.
        assert_eq!(HTML.matches("<script").count(), 1);
        assert_eq!(HTML.matches("<style").count(), 1);
        assert!(!HTML.contains(" style=\""));
    }

    #[test]
    fn the_document_is_small() {
        assert!(HTML.len() < 40_000, "{}", HTML.len());
    }
}
