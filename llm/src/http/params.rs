//! Reading the fields of a request so that none is silently ignored.
//!
//! A handler takes every field that it implements; [`Fields::finish`] refuses what is left.
//! Fields that OpenAI has and this server has not are in [`NEUTRAL`] with the values that ask
//! for nothing.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::error::ApiError;

type Result<T> = std::result::Result<T, ApiError>;

/// Fields of OpenAI's requests that are not implemented, and their values without effect,
/// as JSON. `null` is one of them always.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("audio", &[]),
    ("best_of", &["1"]),
    ("function_call", &["\"none\"", "\"auto\""]),
    ("functions", &["[]"]),
    ("metadata", &["{}"]),
    ("modalities", &["[\"text\"]"]),
    ("parallel_tool_calls", &["true", "false"]),
    ("prediction", &[]),
    ("prompt_cache_key", &["\"\""]),
    ("prompt_cache_retention", &["\"in_memory\""]),
    ("reasoning_effort", &["\"medium\""]),
    ("response_format", &["{\"type\":\"text\"}"]),
    ("service_tier", &["\"auto\"", "\"default\""]),
    ("store", &["false"]),
    ("suffix", &["\"\""]),
    ("tool_choice", &["\"none\"", "\"auto\""]),
    ("tools", &["[]"]),
    ("verbosity", &["\"medium\""]),
    ("web_search_options", &[]),
];

/// The fields of a request that nobody has read yet.
#[derive(Debug)]
pub(super) struct Fields {
    map: Map<String, Value>,
    lenient: bool,
}

impl Fields {
    pub(super) fn new(map: Map<String, Value>, lenient: bool) -> Self {
        Self { map, lenient }
    }

    /// The value of a field; `null` counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|it| !it.is_null())
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

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>> {
        self.typed(name, "true or false", Value::as_bool)
    }

    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>> {
        self.typed(name, "a string", |it| it.as_str().map(str::to_owned))
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>> {
        self.typed(name, "an object", |it| it.as_object().cloned())
    }

    pub(super) fn signed(&mut self, name: &str) -> Result<Option<i64>> {
        self.typed(name, "an integer", |it| it.as_i64().or(it.as_u64().map(u64::cast_signed)))
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
        let neutral = |name: &str, value: &Value| {
            let row = NEUTRAL.iter().find(|row| row.0 == name);
            row.is_some_and(|row| value.is_null() || row.1.contains(&&*value.to_string()))
        };
        let left = self.map.into_iter().filter(|(name, value)| !neutral(name, value));
        let left: Vec<String> = left.map(|it| it.0).collect();
        match left.first() {
            Some(name) if !self.lenient => Err(unsupported(name)),
            Some(_) | None => Ok(left),
        }
    }
}

/// Token ids of an array.
pub(super) fn ids(value: &Value) -> Option<Vec<u32>> {
    let id = |it: &Value| it.as_u64().and_then(|it| u32::try_from(it).ok());
    value.as_array()?.iter().map(id).collect()
}

fn unsupported(name: &str) -> ApiError {
    let message = match NEUTRAL.iter().find(|row| row.0 == name) {
        Some((_, [])) => format!("`{name}` is not supported; help: leave it out"),
        Some((_, neutral)) => format!(
            "this value of `{name}` is not supported; help: leave it out, or send {}",
            neutral.join(" or ")
        ),
        None => format!("unknown parameter: `{name}`; help: leave it out"),
    };
    ApiError::new(StatusCode::BAD_REQUEST, "unsupported_parameter", message).at(name)
}

/// A field of the wrong type or out of range.
pub(super) fn wrong(name: &str, want: &str, got: &Value) -> ApiError {
    let mut got = got.to_string();
    if let Some((end, _)) = got.char_indices().nth(60) {
        got.truncate(end);
        got.push('…');
    }
    ApiError::invalid(name, format!("`{name}` must be {want}, got {got}"))
}
