//! What a model thinks before it answers, apart from the answer.

use super::overlap;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// A piece of text, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// Inside `<think>…</think>`: OpenAI clients know it as `reasoning_content`.
    pub reasoning: String,
    /// The answer.
    pub content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Only white space so far; a tag may follow.
    Start,
    /// Behind `<think>`, with white space only so far.
    Opened,
    Inside,
    /// Behind `</think>`, with white space only so far.
    Closed,
    Content,
}

/// Splits text that starts with a `<think>` block while it streams.
///
/// The white space around the tags belongs to neither part. A block that does not come first
/// is content, as is a tag that nothing opened.
#[derive(Debug)]
pub struct Reasoning {
    place: Place,
    held: String,
}

impl Reasoning {
    /// `opened` tells whether the prompt ends inside a block, see [`Reasoning::opens`].
    pub fn new(opened: bool) -> Self {
        let place = if opened { Place::Opened } else { Place::Start };
        Self { place, held: String::new() }
    }

    /// Whether a prompt ends with an open tag, as some templates make it.
    pub fn opens(prompt: &str) -> bool {
        prompt.trim_end().ends_with(OPEN)
    }

    /// Sorts the next piece. What may belong to a tag is held back.
    pub fn push(&mut self, text: &str) -> Parts {
        let mut parts = Parts::default();
        self.held.push_str(text);
        while self.advance(&mut parts) {}
        parts
    }

    /// What was held back, once no more text comes.
    pub fn finish(&mut self) -> Parts {
        let held = std::mem::take(&mut self.held);
        let mut parts = Parts::default();
        match self.place {
            Place::Start | Place::Content => parts.content = held,
            Place::Opened | Place::Inside => parts.reasoning = held.trim_end().to_owned(),
            Place::Closed => {}
        }
        parts
    }

    /// Goes on to the next place, if the text held reaches it.
    fn advance(&mut self, parts: &mut Parts) -> bool {
        match self.place {
            Place::Start => self.start(),
            Place::Opened => self.skip_space(Place::Inside),
            Place::Inside => self.inside(&mut parts.reasoning),
            Place::Closed => self.skip_space(Place::Content),
            Place::Content => {
                parts.content.push_str(&std::mem::take(&mut self.held));
                false
            }
        }
    }

    fn start(&mut self) -> bool {
        let text = self.held.trim_start();
        if let Some(rest) = text.strip_prefix(OPEN) {
            self.held = rest.to_owned();
            self.place = Place::Opened;
            return true;
        }
        if OPEN.starts_with(text) {
            return false;
        }
        self.place = Place::Content;
        true
    }

    fn skip_space(&mut self, next: Place) -> bool {
        let space = self.held.len() - self.held.trim_start().len();
        self.held.drain(..space);
        if self.held.is_empty() {
            return false;
        }
        self.place = next;
        true
    }

    fn inside(&mut self, out: &mut String) -> bool {
        if let Some(at) = self.held.find(CLOSE) {
            out.push_str(self.held[..at].trim_end());
            self.held.drain(..at + CLOSE.len());
            self.place = Place::Closed;
            return true;
        }
        let end = self.held.len() - overlap(&self.held, CLOSE);
        // White space is sent only when something follows it.
        let end = self.held[..end].trim_end().len();
        out.extend(self.held.drain(..end));
        false
    }
}
