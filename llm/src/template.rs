// stub
//! Chat templates.

use serde_json::{Map, Value};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// A template.
#[derive(Debug)]
pub struct Template;

impl Template {
    /// From its source.
    pub fn new(_: &str, _: Option<String>, _: Option<String>) -> Result<Self, Error> {
        Ok(Self)
    }

    /// The prompt.
    pub fn render(
        &self,
        messages: &Value,
        _tools: Option<&Value>,
        _add_generation_prompt: bool,
        _kwargs: &Map<String, Value>,
    ) -> Result<String, Error> {
        let messages = messages.as_array().into_iter().flatten();
        Ok(messages.filter_map(|it| it["content"].as_str()).collect::<Vec<_>>().join("\n"))
    }
}
