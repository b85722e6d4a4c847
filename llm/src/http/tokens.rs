//! `POST /tokenize` and `POST /detokenize`, in the shape that vLLM gave them.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    Server,
    body::Object,
    error::ApiError,
    messages,
    params::{Fields, wrong},
};
use crate::runner;

type Result<T> = std::result::Result<T, ApiError>;

/// The tokens of a text, or of a chat with its template around it.
pub(super) async fn tokenize(
    State(server): State<Arc<Server>>,
    Object(map): Object,
) -> Result<Json<Value>> {
    let fields = Fields::new(map, None, server.options.lenient);
    server.off_the_loop(move |server| encode(fields, server)).await
}

fn encode(mut fields: Fields, server: &Server) -> Result<Json<Value>> {
    let runner = &server.runner;
    model(&mut fields, server)?;
    let add_special = fields.take("add_special_tokens").unwrap_or(Value::Bool(true));
    let Value::Bool(add_special) = add_special else {
        return Err(wrong("add_special_tokens", "true or false", &add_special));
    };
    let with_text = fields.boolean("return_token_strs")?;
    let ids = match fields.string("prompt")? {
        Some(text) => {
            fields.finish()?;
            runner.tokenizer.encode(&text, add_special).map_err(runner::Error::from)?
        }
        None => {
            let messages = messages::take(&mut fields).map_err(|error| match error.code {
                Some("missing_required_parameter")
                    if error.param.as_deref() == Some("messages") =>
                {
                    ApiError::missing("prompt")
                }
                _ => error,
            })?;
            let kwargs = fields.object("chat_template_kwargs")?.unwrap_or_default();
            fields.finish()?;
            runner.encode_chat(&runner.render(&messages, &kwargs)?)?
        }
    };
    let mut answer = json!({
        "count": ids.len(),
        "max_model_len": runner.engine.context(),
        "tokens": ids,
    });
    if with_text {
        let text = |id: &u32| runner.tokenizer.decode(std::slice::from_ref(id));
        answer["token_strs"] = ids.iter().map(text).collect();
    }
    Ok(Json(answer))
}

/// The text of tokens, special ones spelled out.
pub(super) async fn detokenize(
    State(server): State<Arc<Server>>,
    Object(map): Object,
) -> Result<Json<Value>> {
    let mut fields = Fields::new(map, None, server.options.lenient);
    model(&mut fields, &server)?;
    let ids = fields.ids("tokens")?.ok_or_else(|| ApiError::missing("tokens"))?;
    fields.finish()?;
    let vocab = server.runner.engine.vocab();
    if let Some(id) = ids.iter().find(|it| **it as usize >= vocab) {
        let message = format!("`tokens` must be below {vocab}, got {id}");
        return Err(ApiError::invalid("tokens", message));
    }
    Ok(Json(json!({ "prompt": server.runner.tokenizer.decode(&ids) })))
}

fn model(fields: &mut Fields, server: &Server) -> Result<()> {
    let have = &server.runner.name;
    match fields.string("model")? {
        Some(model) if model != *have => Err(ApiError::unknown_model(&model, have)),
        Some(_) | None => Ok(()),
    }
}
