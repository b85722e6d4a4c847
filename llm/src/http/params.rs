//! Reading the fields of a request so that none is silently ignored.
//!
//! [`PARAMETERS`] is the table of everything that OpenAI's requests have and of our additions.
//! A handler takes the fields that it implements; [`Fields::finish`] refuses what is left.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::{error::ApiError, wire::Kind};

type Result<T> = std::result::Result<T, ApiError>;

/// The endpoints that a parameter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Both,
    Chat,
    Text,
}

/// What this server makes of a parameter.
#[derive(Debug, Clone, Copy)]
enum Support {
    /// It does what it says: its values and its default.
    Full(&'static str),
    /// It is for the caller's own records and changes no answer.
    Label(fn(&Value) -> bool, &'static str),
    /// It is not implemented, and these values, as JSON, ask for nothing. `null` is one always.
    Neutral(&'static [&'static str]),
}

use On::{Both, Chat, Text};
use Support::{Full, Label, Neutral};

/// Name, endpoints, support; in the order of the alphabet.
const PARAMETERS: &[(&str, On, Support)] = &[
    ("audio", Chat, Neutral(&[])),
    ("best_of", Text, Neutral(&["1"])),
    ("chat_template_kwargs", Chat, Full("object: variables that the chat template sees")),
    ("echo", Text, Full("boolean (false): whether the prompt comes first; not with `logprobs`")),
    ("frequency_penalty", Both, Full("-2 to 2 (0)")),
    ("function_call", Chat, Neutral(&["\"none\"", "\"auto\""])),
    ("functions", Chat, Neutral(&["[]"])),
    ("logit_bias", Both, Full("object (empty): token id to -100 to 100")),
    ("logprobs", Chat, Full("boolean (false)")),
    ("logprobs", Text, Full("0 to 20 (null)")),
    ("max_completion_tokens", Chat, Full("1 to the context (what the context leaves)")),
    ("max_tokens", Chat, Full("the older name of `max_completion_tokens`")),
    ("max_tokens", Text, Full("1 to the context (16)")),
    ("messages", Chat, Full("array, required: at least one message, contents are text")),
    ("metadata", Chat, Label(Value::is_object, "an object")),
    ("min_p", Both, Full("0 to 1 (the model's, or 0)")),
    ("modalities", Chat, Neutral(&["[\"text\"]"])),
    ("model", Both, Full("string (the model that is served)")),
    ("n", Both, Full("1 to 128 (1)")),
    ("parallel_tool_calls", Chat, Neutral(&["true", "false"])),
    ("prediction", Chat, Neutral(&[])),
    ("presence_penalty", Both, Full("-2 to 2 (0)")),
    ("prompt", Text, Full("string, token ids, or an array of either; required")),
    ("prompt_cache_key", Chat, Label(Value::is_string, "a string")),
    ("prompt_cache_retention", Chat, Label(Value::is_string, "a string")),
    ("reasoning_effort", Chat, Neutral(&["\"medium\""])),
    ("repetition_penalty", Both, Full("0.01 to 10 (the model's, or 1)")),
    ("response_format", Chat, Neutral(&["{\"type\":\"text\"}"])),
    ("safety_identifier", Chat, Label(Value::is_string, "a string")),
    ("seed", Both, Full("integer (a different one each time); choice `i` of `n` adds `i`")),
    ("service_tier", Chat, Neutral(&["\"auto\"", "\"default\""])),
    ("stop", Both, Full("string or up to 16 of them (none)")),
    ("stop_token_ids", Both, Full("array of token ids (empty), besides the model's own")),
    ("store", Chat, Neutral(&["false"])),
    ("stream", Both, Full("boolean (false)")),
    ("stream_options", Both, Full("object, with `stream` only: `include_usage` (false)")),
    ("suffix", Text, Neutral(&["\"\""])),
    ("temperature", Both, Full("0 to 2 (the model's, or 1)")),
    ("tool_choice", Chat, Neutral(&["\"none\"", "\"auto\""])),
    ("tools", Chat, Neutral(&["[]"])),
    ("top_k", Both, Full("-1 or more (the model's, or 0); 0 and -1 keep all")),
    ("top_logprobs", Chat, Full("0 to 20 (0), with `logprobs` only")),
    ("top_p", Both, Full("0 to 1 (the model's, or 1)")),
    ("user", Both, Label(Value::is_string, "a string")),
    ("verbosity", Chat, Neutral(&["\"medium\""])),
    ("web_search_options", Chat, Neutral(&[])),
];

fn support(name: &str, kind: Option<Kind>) -> Option<Support> {
    let on = match kind? {
        Kind::Chat => Chat,
        Kind::Text => Text,
    };
    let row = PARAMETERS.iter().find(|row| row.0 == name && (row.1 == Both || row.1 == on));
    row.map(|row| row.2)
}

/// The fields of a request that nobody has read yet.
#[derive(Debug)]
pub(super) struct Fields {
    map: Map<String, Value>,
    kind: Option<Kind>,
    lenient: bool,
}

impl Fields {
    /// The fields of a request for an answer of this kind; `None` is for other requests.
    pub(super) fn new(map: Map<String, Value>, kind: Option<Kind>, lenient: bool) -> Self {
        Self { map, kind, lenient }
    }

    /// The value of a field; `null` counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        debug_assert!(
            self.kind.is_none() || matches!(support(name, self.kind), Some(Full(_))),
            "`{name}` is not in the table"
        );
        // Those that are left keep their order, so that the first wrong one is named.
        self.map.shift_remove(name).filter(|it| !it.is_null())
    }

    fn typed<T>(
        &mut self,
        name: &str,
        want: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| wrong(name, want, &value))
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<bool> {
        Ok(self.typed(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>> {
        self.typed(name, "a string", |it| it.as_str().map(str::to_owned))
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>> {
        self.typed(name, "an object", |it| it.as_object().cloned())
    }

    pub(super) fn signed(&mut self, name: &str, low: i64) -> Result<Option<i64>> {
        let want = match low {
            i64::MIN => "an integer".to_owned(),
            low => format!("an integer of at least {low}"),
        };
        self.typed(name, &want, |it| it.as_i64().filter(|it| *it >= low))
    }

    pub(super) fn number(&mut self, name: &str, low: f64, high: f64) -> Result<Option<f32>> {
        let want = format!("a number from {low} to {high}");
        let read = |it: &Value| it.as_f64().filter(|x| (low..=high).contains(x));
        Ok(self.typed(name, &want, read)?.map(|x| x as f32))
    }

    pub(super) fn integer(&mut self, name: &str, low: u64, high: u64) -> Result<Option<usize>> {
        let want = format!("an integer from {low} to {high}");
        let read = |it: &Value| it.as_u64().filter(|x| (low..=high).contains(x));
        Ok(self.typed(name, &want, read)?.map(|x| x as usize))
    }

    /// One string or up to `most` of them, none empty.
    pub(super) fn strings(&mut self, name: &str, most: usize) -> Result<Vec<String>> {
        let want = format!("a string or an array of up to {most} strings, none empty");
        let read = |it: &Value| {
            let values = it.as_array().map_or(std::slice::from_ref(it), Vec::as_slice);
            let text = |it: &Value| it.as_str().filter(|it| !it.is_empty()).map(str::to_owned);
            let texts = values.iter().map(text).collect::<Option<Vec<_>>>();
            texts.filter(|it| it.len() <= most)
        };
        Ok(self.typed(name, &want, read)?.unwrap_or_default())
    }

    /// Token ids.
    pub(super) fn ids(&mut self, name: &str) -> Result<Option<Vec<u32>>> {
        self.typed(name, "an array of token ids", ids)
    }

    /// Refuses what nobody took. In a lenient server the answer is the fields' names instead.
    pub(super) fn finish(self) -> Result<Vec<String>> {
        let mut ignored = Vec::new();
        for (name, value) in self.map {
            if value.is_null() {
                continue;
            }
            match support(&name, self.kind) {
                Some(Label(fits, _)) if fits(&value) => {}
                Some(Label(_, want)) => return Err(wrong(&name, want, &value)),
                Some(Neutral(neutral)) if neutral.contains(&&*value.to_string()) => {}
                _ if self.lenient => ignored.push(name),
                Some(Neutral(neutral)) => return Err(unsupported(&name, neutral)),
                Some(Full(_)) | None => return Err(unknown(&name)),
            }
        }
        Ok(ignored)
    }
}

/// Token ids of an array.
pub(super) fn ids(value: &Value) -> Option<Vec<u32>> {
    let id = |it: &Value| it.as_u64().and_then(|it| u32::try_from(it).ok());
    value.as_array()?.iter().map(id).collect()
}

/// A parameter, or a value of it, that this server does not implement.
pub(super) fn unsupported(name: &str, neutral: &[&str]) -> ApiError {
    let message = match neutral {
        [] => format!("`{name}` is not supported; help: leave it out"),
        neutral => format!(
            "this value of `{name}` is not supported; help: leave it out, or send {}",
            neutral.join(" or ")
        ),
    };
    ApiError::new(StatusCode::BAD_REQUEST, "unsupported_parameter", message).at(name)
}

/// A parameter that neither OpenAI nor this server has.
pub(super) fn unknown(name: &str) -> ApiError {
    let name = shortened(name.to_owned());
    let message = format!("unknown parameter: `{name}`; help: leave it out");
    ApiError::new(StatusCode::BAD_REQUEST, "unsupported_parameter", message).at(name)
}

/// A field of the wrong type or out of range.
pub(super) fn wrong(name: &str, want: &str, got: &Value) -> ApiError {
    let got = shortened(got.to_string());
    ApiError::invalid(name, format!("`{name}` must be {want}, got {got}"))
}

/// What a client sent, short enough for a message.
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(60) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The table of parameters in Markdown, as the manual shows it.
pub fn manual() -> String {
    let mut text = String::from("| parameter | endpoint | values (default) |\n|---|---|---|\n");
    for (name, on, support) in PARAMETERS {
        let on = match on {
            Both => "both",
            Chat => "chat",
            Text => "completions",
        };
        let values = match support {
            Full(values) => (*values).to_owned(),
            Label(_, want) => format!("{want}; for your own records, changes nothing"),
            Neutral([]) => "not supported".to_owned(),
            Neutral(values) => {
                let values: Vec<String> = values.iter().map(|it| format!("`{it}`")).collect();
                format!("not supported beyond {}", values.join(", "))
            }
        };
        text += &format!("| `{name}` | {on} | {values} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_shows_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/server.md");
        let have = std::fs::read_to_string(path).unwrap();
        let want = manual();
        assert!(have.contains(&want), "docs/src/server.md must contain:\n{want}");
    }

    #[test]
    fn the_table_is_sorted_and_without_doubles() {
        assert!(PARAMETERS.is_sorted_by_key(|row| row.0));
        for (i, (name, on, _)) in PARAMETERS.iter().enumerate() {
            let twin = |row: &&(&str, On, Support)| row.0 == *name && (row.1 == *on || *on == Both);
            assert_eq!(PARAMETERS[i + 1..].iter().find(twin).map(|row| row.0), None);
        }
    }
}
