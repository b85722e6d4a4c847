//! `POST /v1/chat/completions`, <https://platform.openai.com/docs/api-reference/chat/create>

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    Server,
    body::Object,
    error::ApiError,
    generate::{self, Prompt, Task},
    messages,
    params::Fields,
    sampling,
    wire::Kind,
};
use crate::text::Reasoning;

type Result<T> = std::result::Result<T, ApiError>;

pub(super) async fn create(
    State(server): State<Arc<Server>>,
    Object(map): Object,
) -> Result<Response> {
    let fields = Fields::new(map, Some(Kind::Chat), server.options.lenient);
    let task = server.off_the_loop(move |server| read(fields, server)).await?;
    generate::answer(&server, task).await
}

fn read(mut fields: Fields, server: &Server) -> Result<Task> {
    let runner = &server.runner;
    let mut common = sampling::take(&mut fields, runner)?;
    common.params.logprobs = logprobs(&mut fields)?;
    let max_tokens = max_tokens(&mut fields, runner.engine.context() as u64)?;
    let messages = messages::take(&mut fields)?;
    let kwargs = fields.object("chat_template_kwargs")?.unwrap_or_default();
    let ignored = fields.finish()?;
    let text = runner.render(&messages, &kwargs)?;
    let ids = runner.encode_chat(&text)?;
    let reasoning = Some(Reasoning::opens(&text));
    let prompts = vec![Prompt { ids, before: String::new(), reasoning }];
    Ok(Task { kind: Kind::Chat, prompts, common, max_tokens, ignored })
}

fn logprobs(fields: &mut Fields) -> Result<Option<usize>> {
    let logprobs = fields.boolean("logprobs")?;
    match (logprobs, fields.integer("top_logprobs", 0, 20)?) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let message = "`top_logprobs` needs `logprobs`; help: add \"logprobs\": true";
            Err(ApiError::invalid("top_logprobs", message))
        }
    }
}

fn max_tokens(fields: &mut Fields, context: u64) -> Result<Option<usize>> {
    // A number beyond the context is answered with both numbers, hence the generous limit.
    let most = context.max(1 << 31);
    let old = fields.integer("max_tokens", 1, most)?;
    let new = fields.integer("max_completion_tokens", 1, most)?;
    match (old, new) {
        (Some(old), Some(new)) if old != new => {
            let message = format!(
                "`max_tokens` is {old} and `max_completion_tokens` is {new}; help: send one of them"
            );
            let code = "invalid_parameter_combination";
            Err(ApiError::new(StatusCode::BAD_REQUEST, code, message).at("max_tokens"))
        }
        (old, new) => Ok(new.or(old)),
    }
}
