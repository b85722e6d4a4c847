//! Where something stands in the user's source: from its first token to its last.

use proc_macro2::Span;
use syn::spanned::Spanned;

/// The first and the last token of a piece of source.
///
/// Two spans and not one, because stable Rust cannot join spans: an error is drawn from the
/// span of its first token to that of its last, see [`crate::diag`].
#[derive(Clone, Copy, Debug)]
pub struct SpanRange {
    /// The first token.
    pub start: Span,
    /// The last token; the first again for a lone token.
    pub end: Span,
}

impl SpanRange {
    /// The range that a syntax node covers.
    pub fn of(node: &impl quote::ToTokens) -> Self {
        let mut spans = node.to_token_stream().into_iter().map(|token| token.span());
        let start = spans.next().unwrap_or_else(|| node.span());
        Self { start, end: spans.last().unwrap_or(start) }
    }

    /// From the first token of `self` to the last of `last`.
    #[must_use]
    pub fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }

    /// The line of the first token, counted from 1; 0 where the compiler does not say.
    pub fn line(self) -> u32 {
        u32::try_from(self.start.start().line).unwrap_or(0)
    }

    /// The path of the file, as rustc gives it.
    pub fn file(self) -> String {
        self.start.file()
    }

    /// The column of the first token, counted from 1.
    pub fn column(self) -> u32 {
        u32::try_from(self.start.start().column).map_or(0, |column| column + 1)
    }
}

impl From<Span> for SpanRange {
    fn from(span: Span) -> Self {
        Self { start: span, end: span }
    }
}
