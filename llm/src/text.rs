// stub
//! Text of tokens, as they come.

use std::sync::Arc;

use crate::tokenizer::Tokenizer;

/// What a token adds.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// The text.
    pub text: String,
    /// Whether a stop string was found.
    pub stopped: bool,
}

/// Tokens in, text out.
#[derive(Debug)]
pub struct Streamer {
    tokenizer: Arc<Tokenizer>,
    stop: Vec<String>,
    held: String,
}

impl Streamer {
    /// With these stop strings.
    pub fn new(tokenizer: Arc<Tokenizer>, stop: Vec<String>) -> Self {
        Self { tokenizer, stop, held: String::new() }
    }

    /// One more token.
    pub fn push(&mut self, id: u32) -> Step {
        self.held += &self.tokenizer.decode(&[id]);
        if let Some(at) = self.stop.iter().filter_map(|it| self.held.find(it.as_str())).min() {
            return Step { text: std::mem::take(&mut self.held)[..at].to_owned(), stopped: true };
        }
        let held = |n: &usize| self.stop.iter().any(|it| it.starts_with(&self.held[*n..]));
        let keep = (0..self.held.len()).find(held).unwrap_or(self.held.len());
        let rest = self.held.split_off(keep);
        Step { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// The rest.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// A piece of an answer.
#[derive(Debug, Default, PartialEq)]
pub struct Split {
    /// Thoughts.
    pub reasoning: String,
    /// The answer.
    pub content: String,
}

/// Splits thoughts from the answer.
#[derive(Debug)]
pub struct Reasoning {
    open: bool,
}

impl Reasoning {
    /// `open`: the prompt ended inside a thought.
    pub fn new(open: bool) -> Self {
        Self { open }
    }

    /// A piece of text.
    pub fn push(&mut self, text: &str) -> Split {
        if !self.open {
            return Split { content: text.to_owned(), ..Split::default() };
        }
        let Some((reasoning, content)) = text.split_once("</think>") else {
            return Split { reasoning: text.to_owned(), ..Split::default() };
        };
        self.open = false;
        Split { reasoning: reasoning.into(), content: content.into() }
    }

    /// The rest.
    pub fn finish(&mut self) -> Split {
        Split::default()
    }
}
