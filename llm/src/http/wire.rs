//! The JSON of answers.
//!
//! <https://platform.openai.com/docs/api-reference/chat/object> and its neighbours.
//! A chunk is written straight into the buffer that goes to the socket: what all chunks of an
//! answer share is serialised once.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    answer::{Delta, Entry},
    runner,
};

/// Clients compare it to learn whether the same seed means the same text.
const FINGERPRINT: &str = concat!("firesteel-", env!("CARGO_PKG_VERSION"));

/// Which of the two endpoints answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Text,
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

/// Tokens of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tokens {
    pub(super) prompt: usize,
    pub(super) completion: usize,
    pub(super) reasoning: usize,
}

#[derive(Debug, Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    completion_tokens_details: Details,
}

#[derive(Debug, Serialize)]
struct Details {
    reasoning_tokens: usize,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        let Tokens { prompt, completion, reasoning } = tokens;
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt + completion,
            completion_tokens_details: Details { reasoning_tokens: reasoning },
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Choice<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<ChatDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'a str>,
}

#[derive(Debug, Default, Serialize)]
struct ChatDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Logprobs<'a> {
    Chat { content: &'a [Entry], refusal: Option<&'a [Entry]> },
    Text(Columns<'a>),
}

/// The older shape: parallel arrays.
#[derive(Debug, Default, Serialize)]
struct Columns<'a> {
    tokens: Vec<&'a str>,
    token_logprobs: Vec<f32>,
    top_logprobs: Vec<Map<String, Value>>,
    text_offset: Vec<usize>,
}

impl<'a> Columns<'a> {
    /// `offset` is how many characters of text came before.
    fn of(entries: &'a [Entry], mut offset: usize) -> Self {
        let mut columns = Self::default();
        for Entry { chosen, top_logprobs } in entries {
            columns.tokens.push(&chosen.token);
            columns.token_logprobs.push(chosen.logprob);
            columns.text_offset.push(offset);
            offset += chosen.token.chars().count();
            // The chosen token is among them even when it is none of the likeliest.
            let all = top_logprobs.iter().chain([chosen]);
            columns
                .top_logprobs
                .push(all.map(|it| (it.token.clone(), it.logprob.into())).collect());
        }
        columns
    }
}

#[derive(Debug, Serialize)]
struct Whole<'a> {
    id: &'a str,
    object: &'a str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'a str,
    choices: Vec<Choice<'a>>,
    usage: Usage,
}

/// What all parts of one answer have in common.
#[derive(Debug)]
pub(super) struct Reply {
    kind: Kind,
    id: String,
    created: u64,
    model: String,
    logprobs: bool,
    /// Whether chunks carry the field `usage`.
    pub(super) include_usage: bool,
    /// A chunk up to its choices.
    head: String,
}

/// Appends JSON. Our types have no map with odd keys and no failing part.
fn append(out: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

impl Reply {
    pub(super) fn new(kind: Kind, model: &str, logprobs: bool, include_usage: bool) -> Self {
        let (prefix, object) = match kind {
            Kind::Chat => ("chatcmpl", "chat.completion.chunk"),
            Kind::Text => ("cmpl", "text_completion"),
        };
        let id = format!("{prefix}-{:016x}", runner::random());
        let created = now();
        let name = Value::from(model);
        let head = format!(
            "data: {{\"id\":\"{id}\",\"object\":\"{object}\",\"created\":{created},\
             \"model\":{name},\"system_fingerprint\":\"{FINGERPRINT}\",\"choices\":["
        );
        Self { kind, id, created, model: model.to_owned(), logprobs, include_usage, head }
    }

    fn chunk(&self, out: &mut Vec<u8>, choice: &Choice<'_>) {
        out.extend_from_slice(self.head.as_bytes());
        append(out, choice);
        let end: &[u8] = if self.include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" };
        out.extend_from_slice(end);
    }

    /// Writes the chunk that opens a choice.
    pub(super) fn first(&self, out: &mut Vec<u8>, index: usize) {
        if self.kind == Kind::Chat {
            let (role, content) = (Some("assistant"), Some(""));
            let delta = Some(ChatDelta { role, content, reasoning_content: None });
            self.chunk(out, &Choice { index, delta, ..Choice::default() });
        }
    }

    /// Writes a chunk of text. `offset` is how many characters came before it.
    pub(super) fn delta(&self, out: &mut Vec<u8>, index: usize, delta: &Delta, offset: usize) {
        let logprobs = self.logprobs_of(&delta.entries, offset);
        let choice = Choice { index, logprobs, ..Choice::default() };
        match self.kind {
            Kind::Chat => {
                let reasoning_content = some(&delta.reasoning);
                let content = some(&delta.content).or(reasoning_content.is_none().then_some(""));
                let delta = Some(ChatDelta { role: None, content, reasoning_content });
                self.chunk(out, &Choice { delta, ..choice });
            }
            Kind::Text => self.chunk(out, &Choice { text: Some(&delta.content), ..choice }),
        }
    }

    /// Writes the chunk that closes a choice.
    pub(super) fn finish(&self, out: &mut Vec<u8>, index: usize, reason: &str) {
        let choice = Choice { index, finish_reason: Some(reason), ..Choice::default() };
        match self.kind {
            Kind::Chat => {
                self.chunk(out, &Choice { delta: Some(ChatDelta::default()), ..choice });
            }
            Kind::Text => self.chunk(out, &Choice { text: Some(""), ..choice }),
        }
    }

    /// Writes the chunk that tells the usage; it has no choices.
    pub(super) fn usage(&self, out: &mut Vec<u8>, tokens: Tokens) {
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(b"],\"usage\":");
        append(out, &Usage::from(tokens));
        out.extend_from_slice(b"}\n\n");
    }

    /// The answer in one piece, of the choices and the reasons of their ends.
    pub(super) fn whole(&self, choices: &[(Delta, &'static str)], tokens: Tokens) -> Vec<u8> {
        let whole = Whole {
            id: &self.id,
            object: if self.kind == Kind::Chat { "chat.completion" } else { "text_completion" },
            created: self.created,
            model: &self.model,
            system_fingerprint: FINGERPRINT,
            choices: choices.iter().enumerate().map(|(i, it)| self.choice(i, it)).collect(),
            usage: tokens.into(),
        };
        let mut out = Vec::new();
        append(&mut out, &whole);
        out
    }

    fn choice<'a>(&self, index: usize, (delta, reason): &'a (Delta, &'static str)) -> Choice<'a> {
        let chat = self.kind == Kind::Chat;
        let message = Message {
            role: "assistant",
            content: &delta.content,
            refusal: None,
            reasoning_content: some(&delta.reasoning),
        };
        Choice {
            index,
            delta: None,
            message: chat.then_some(message),
            text: (!chat).then_some(&delta.content),
            logprobs: self.logprobs_of(&delta.entries, 0),
            finish_reason: Some(reason),
        }
    }

    fn logprobs_of<'a>(&self, entries: &'a [Entry], offset: usize) -> Option<Logprobs<'a>> {
        self.logprobs.then(|| match self.kind {
            Kind::Chat => Logprobs::Chat { content: entries, refusal: None },
            Kind::Text => Logprobs::Text(Columns::of(entries, offset)),
        })
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
