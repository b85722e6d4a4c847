//! Splits PTX text into words, strings and punctuation, with their places.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, number, directive or opcode: letters, digits and `_ $ % .`, and `::`.
    Word,
    /// A string; its text is without the quotes.
    Text,
    /// One character of punctuation.
    Punct,
    /// The end of the text.
    End,
    /// A character that PTX does not know, or a string without an end.
    Stray,
}

/// A token and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Token<'_> {
    pub(crate) fn is_punct(&self, text: &str) -> bool {
        self.kind == Kind::Punct && self.text == text
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: u32,
    column: u32,
}

/// The tokens of `text`, the last of which is [`Kind::End`].
pub(crate) fn lex(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { rest: text, line: 1, column: 1 };
    let mut tokens = Vec::with_capacity(text.len() / 5);
    loop {
        lexer.skip_blank();
        let token = lexer.token();
        tokens.push(token);
        if token.kind == Kind::End {
            return tokens;
        }
    }
}

impl<'a> Lexer<'a> {
    /// Takes `bytes` bytes, keeping count of lines and columns.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for c in taken.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        taken
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            let bytes = if blank > 0 {
                blank
            } else if self.rest.starts_with("//") {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else if self.rest.starts_with("/*") {
                self.rest.find("*/").map_or(self.rest.len(), |at| at + 2)
            } else {
                return;
            };
            self.take(bytes);
        }
    }

    fn token(&mut self) -> Token<'a> {
        let (line, column) = (self.line, self.column);
        let token = |kind, text| Token { kind, text, line, column };
        let Some(first) = self.rest.chars().next() else {
            return token(Kind::End, "");
        };
        let word = word_len(self.rest);
        if word > 0 {
            return token(Kind::Word, self.take(word));
        }
        if first == '"' {
            return match self.rest[1..].find('"') {
                Some(end) => token(Kind::Text, &self.take(end + 2)[1..=end]),
                None => token(Kind::Stray, self.take(self.rest.len())),
            };
        }
        let kind = if first.is_ascii_punctuation() { Kind::Punct } else { Kind::Stray };
        token(kind, self.take(first.len_utf8()))
    }
}

/// Length of the word that `text` starts with; a single colon ends a word, a double one not.
fn word_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_alphanumeric() || b"_$%.".contains(&byte) {
            at += 1;
        } else if byte == b':' && bytes.get(at + 1) == Some(&b':') && at > 0 {
            at += 2;
        } else {
            break;
        }
    }
    at
}
