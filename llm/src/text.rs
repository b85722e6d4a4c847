//! From tokens to the text that a client may see, as they come.
//!
//! What was sent cannot be taken back, so nothing is sent that the next token could change: no
//! part of a UTF-8 character, and no text that may become a stop string. The result does not
//! depend on where the tokens part the text.

use std::sync::Arc;

use crate::tokenizer::Tokenizer;

mod reasoning;
#[cfg(test)]
mod tests;

pub use reasoning::{Parts, Reasoning};

/// What a token adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Text to send; often empty.
    pub text: String,
    /// Whether a stop string is complete. The text ends in front of it, and is the last.
    pub stopped: bool,
}

/// Turns the tokens of one sequence into text.
#[derive(Debug)]
pub struct Streamer {
    tokenizer: Arc<Tokenizer>,
    stop: Vec<String>,
    /// The first bytes of a character.
    bytes: Vec<u8>,
    /// Text that is the beginning of a stop string.
    held: String,
    stopped: bool,
}

impl Streamer {
    /// A streamer that ends before the first of the strings of `stop`. Empty ones never occur.
    pub fn new(tokenizer: Arc<Tokenizer>, mut stop: Vec<String>) -> Self {
        stop.retain(|it| !it.is_empty());
        Self { tokenizer, stop, bytes: Vec::new(), held: String::new(), stopped: false }
    }

    /// Takes the next token. Special tokens have no text, but one that a stop string spells
    /// out ends the text. After a stop nothing more comes.
    pub fn push(&mut self, id: u32) -> Step {
        if self.stopped {
            return Step { text: String::new(), stopped: true };
        }
        let tokenizer = Arc::clone(&self.tokenizer);
        let bytes = tokenizer.bytes_of(id);
        if !tokenizer.is_special(id) {
            return self.feed(bytes);
        }
        if !self.stop.iter().any(|it| it.as_bytes() == bytes) {
            return Step::default();
        }
        let text = self.finish();
        self.stopped = true;
        Step { text, stopped: true }
    }

    /// What was held back, once no more tokens come. The bytes of an unfinished character
    /// become U+FFFD.
    pub fn finish(&mut self) -> String {
        if self.stopped {
            return String::new();
        }
        if !self.bytes.is_empty() {
            self.held.push(char::REPLACEMENT_CHARACTER);
            self.bytes.clear();
        }
        let step = self.scan();
        step.text + &std::mem::take(&mut self.held)
    }

    fn feed(&mut self, bytes: &[u8]) -> Step {
        self.bytes.extend_from_slice(bytes);
        self.take_characters();
        self.scan()
    }

    /// Moves the complete characters of `bytes` to `held`, and U+FFFD for what can become none.
    fn take_characters(&mut self) {
        let mut at = 0;
        loop {
            let rest = &self.bytes[at..];
            let (valid, broken) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), Some(0)),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            self.held.push_str(&String::from_utf8_lossy(&rest[..valid]));
            at += valid;
            match broken {
                // Complete, or complete but for a character that may still be completed.
                Some(0) | None => break,
                Some(length) => {
                    self.held.push(char::REPLACEMENT_CHARACTER);
                    at += length;
                }
            }
        }
        self.bytes.drain(..at);
    }

    /// Takes from `held` what may be sent.
    fn scan(&mut self) -> Step {
        if let Some(start) = self.first_stop() {
            self.stopped = true;
            self.bytes.clear();
            let mut text = std::mem::take(&mut self.held);
            text.truncate(start);
            return Step { text, stopped: true };
        }
        let keep = self.beginning_of_stop();
        let held = self.held.split_off(keep);
        Step { text: std::mem::replace(&mut self.held, held), stopped: false }
    }

    /// Where the stop string starts that is complete first; of two that end at one place the
    /// longer. (The one that *starts* first would depend on how much text came at once.)
    fn first_stop(&self) -> Option<usize> {
        let found = |stop: &String| self.held.find(stop).map(|start| (start + stop.len(), start));
        self.stop.iter().filter_map(found).min().map(|(_, start)| start)
    }

    /// Where the longest suffix of `held` starts that is the beginning of a stop string.
    fn beginning_of_stop(&self) -> usize {
        let longest = self.stop.iter().map(String::len).max().unwrap_or(0);
        let first = (self.held.len() + 1).saturating_sub(longest);
        let begins = |&at: &usize| {
            let suffix = self.held.get(at..);
            suffix.is_some_and(|suffix| self.stop.iter().any(|stop| stop.starts_with(suffix)))
        };
        (first..self.held.len()).find(begins).unwrap_or(self.held.len())
    }
}

/// How many bytes at the end of `text` are the beginning of `tag`.
fn overlap(text: &str, tag: &str) -> usize {
    let lengths = (1..tag.len().min(text.len() + 1)).rev();
    lengths.into_iter().find(|&it| text.ends_with(&tag[..it])).unwrap_or(0)
}
