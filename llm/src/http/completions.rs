//! `POST /v1/completions`, <https://platform.openai.com/docs/api-reference/completions/create>

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde_json::Value;

use super::{
    Server,
    body::Object,
    error::ApiError,
    generate::{self, Prompt, Task},
    params::{Fields, ids, wrong},
    sampling,
    wire::Kind,
};
use crate::runner::Runner;

type Result<T> = std::result::Result<T, ApiError>;

pub(super) async fn create(
    State(server): State<Arc<Server>>,
    Object(map): Object,
) -> Result<Response> {
    let fields = Fields::new(map, Some(Kind::Text), server.options.lenient);
    let task = server.off_the_loop(move |server| read(fields, server)).await?;
    generate::answer(&server, task).await
}

fn read(mut fields: Fields, server: &Server) -> Result<Task> {
    let runner = &server.runner;
    let mut common = sampling::take(&mut fields, runner)?;
    common.params.logprobs = fields.integer("logprobs", 0, 20)?;
    let max_tokens = Some(fields.integer("max_tokens", 1, 1 << 31)?.unwrap_or(16));
    let echo = fields.boolean("echo")?;
    if echo && common.params.logprobs.is_some() {
        let message = "`echo` with `logprobs` is not supported; help: leave one of them out";
        return Err(ApiError::invalid("echo", message));
    }
    let value = fields.take("prompt").ok_or_else(|| ApiError::missing("prompt"))?;
    let ignored = fields.finish()?;
    let prompts = prompts(&value, runner, echo)?;
    Ok(Task { kind: Kind::Text, prompts, common, max_tokens, ignored })
}

/// A prompt is text or token ids; a request has one or an array of them.
fn prompts(value: &Value, runner: &Runner, echo: bool) -> Result<Vec<Prompt>> {
    let bad = || {
        let want = "a string, an array of token ids, or an array of one of these, none empty";
        wrong("prompt", want, value)
    };
    let one = |value: &Value| {
        let ids = match value.as_str() {
            Some(text) => {
                runner.tokenizer.encode(text, true).map_err(crate::runner::Error::from)?
            }
            None => ids(value).ok_or_else(bad)?,
        };
        if ids.is_empty() {
            return Err(bad());
        }
        let text = || match value.as_str() {
            Some(text) => text.to_owned(),
            None => runner.tokenizer.decode(&ids),
        };
        let before = if echo { text() } else { String::new() };
        Ok(Prompt { ids, before, reasoning: None })
    };
    match value.as_array() {
        Some(many) if many.iter().any(|it| it.is_string() || it.is_array()) => {
            many.iter().map(one).collect()
        }
        Some(_) | None => Ok(vec![one(value)?]),
    }
}
