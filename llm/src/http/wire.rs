//! The JSON of answers.
//!
//! <https://platform.openai.com/docs/api-reference/chat/object> and its neighbours.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::{
    answer::{Delta, Entry},
    runner,
};

/// Which of the two endpoints answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Text,
}

/// What all parts of one answer have in common.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    kind: Kind,
    id: String,
    created: u64,
    model: String,
    logprobs: bool,
    /// Whether chunks carry the field `usage`.
    pub(super) include_usage: bool,
}

/// A complete choice.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub(super) delta: Delta,
    pub(super) reason: &'static str,
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

fn usage(prompt: usize, completion: usize) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    })
}

impl Reply {
    pub(super) fn new(kind: Kind, model: &str, logprobs: bool, include_usage: bool) -> Self {
        let prefix = match kind {
            Kind::Chat => "chatcmpl",
            Kind::Text => "cmpl",
        };
        let id = format!("{prefix}-{:016x}", runner::random());
        Self { kind, id, created: now(), model: model.to_owned(), logprobs, include_usage }
    }

    fn object(&self, chunk: bool, choices: Vec<Value>) -> Map<String, Value> {
        let object = match (self.kind, chunk) {
            (Kind::Chat, true) => "chat.completion.chunk",
            (Kind::Chat, false) => "chat.completion",
            (Kind::Text, _) => "text_completion",
        };
        let mut map = Map::new();
        map.insert("id".into(), self.id.as_str().into());
        map.insert("object".into(), object.into());
        map.insert("created".into(), self.created.into());
        map.insert("model".into(), self.model.as_str().into());
        map.insert("choices".into(), choices.into());
        map
    }

    fn chunk(&self, choice: Value) -> String {
        let mut map = self.object(true, vec![choice]);
        if self.include_usage {
            map.insert("usage".into(), Value::Null);
        }
        Value::Object(map).to_string()
    }

    /// The chunk that opens a choice.
    pub(super) fn first(&self, index: usize) -> Option<String> {
        let delta = json!({ "role": "assistant", "content": "" });
        (self.kind == Kind::Chat).then(|| {
            self.chunk(json!({
                "index": index, "delta": delta, "logprobs": null, "finish_reason": null,
            }))
        })
    }

    /// A chunk of text. `offset` is how many characters came before it.
    pub(super) fn delta(&self, index: usize, delta: &Delta, offset: usize) -> String {
        let logprobs = self.logprobs_of(&delta.entries, offset);
        match self.kind {
            Kind::Chat => {
                let mut fields = Map::new();
                if !delta.reasoning.is_empty() {
                    fields.insert("reasoning_content".into(), delta.reasoning.as_str().into());
                }
                if !delta.content.is_empty() || delta.reasoning.is_empty() {
                    fields.insert("content".into(), delta.content.as_str().into());
                }
                self.chunk(json!({
                    "index": index, "delta": fields, "logprobs": logprobs, "finish_reason": null,
                }))
            }
            Kind::Text => self.chunk(json!({
                "index": index, "text": delta.content, "logprobs": logprobs,
                "finish_reason": null,
            })),
        }
    }

    /// The chunk that closes a choice.
    pub(super) fn finish(&self, index: usize, reason: &str) -> String {
        self.chunk(match self.kind {
            Kind::Chat => json!({
                "index": index, "delta": {}, "logprobs": null, "finish_reason": reason,
            }),
            Kind::Text => json!({
                "index": index, "text": "", "logprobs": null, "finish_reason": reason,
            }),
        })
    }

    /// The chunk that tells the usage; it has no choices.
    pub(super) fn usage(&self, prompt: usize, completion: usize) -> String {
        let mut map = self.object(true, Vec::new());
        map.insert("usage".into(), usage(prompt, completion));
        Value::Object(map).to_string()
    }

    /// The answer in one piece.
    pub(super) fn whole(&self, wholes: Vec<Whole>, prompt: usize, completion: usize) -> Value {
        let choices = wholes.into_iter().enumerate().map(|(index, it)| self.choice(index, it));
        let mut map = self.object(false, choices.collect());
        map.insert("usage".into(), usage(prompt, completion));
        Value::Object(map)
    }

    fn choice(&self, index: usize, whole: Whole) -> Value {
        let Whole { delta, reason } = whole;
        let logprobs = self.logprobs_of(&delta.entries, 0);
        match self.kind {
            Kind::Chat => {
                let content = delta.content;
                let mut message =
                    json!({ "role": "assistant", "content": content, "refusal": null });
                if !delta.reasoning.is_empty() {
                    message["reasoning_content"] = delta.reasoning.into();
                }
                json!({
                    "index": index, "message": message, "logprobs": logprobs,
                    "finish_reason": reason,
                })
            }
            Kind::Text => json!({
                "index": index, "text": delta.content, "logprobs": logprobs,
                "finish_reason": reason,
            }),
        }
    }

    fn logprobs_of(&self, entries: &[Entry], offset: usize) -> Value {
        match (self.logprobs, self.kind) {
            (false, _) => Value::Null,
            (true, Kind::Chat) => json!({ "content": entries, "refusal": null }),
            (true, Kind::Text) => text_logprobs(entries, offset),
        }
    }
}

/// The older shape: parallel arrays.
fn text_logprobs(entries: &[Entry], mut offset: usize) -> Value {
    let mut offsets = Vec::with_capacity(entries.len());
    for entry in entries {
        offsets.push(offset);
        offset += entry.chosen.token.chars().count();
    }
    let top = |entry: &Entry| -> Map<String, Value> {
        entry.top_logprobs.iter().map(|it| (it.token.clone(), it.logprob.into())).collect()
    };
    json!({
        "tokens": entries.iter().map(|it| &it.chosen.token).collect::<Vec<_>>(),
        "token_logprobs": entries.iter().map(|it| it.chosen.logprob).collect::<Vec<_>>(),
        "top_logprobs": entries.iter().map(top).collect::<Vec<_>>(),
        "text_offset": offsets,
    })
}
