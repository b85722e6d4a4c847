//! The one map from what went wrong to a status and OpenAI's error JSON.
//!
//! Faults of the server are logged in full and shown as one neutral sentence.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{engine::Rejected, runner};

/// An answer that is not 2xx.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(super) struct ApiError {
    /// The status.
    pub(super) status: StatusCode,
    /// OpenAI's kind of error.
    pub(super) kind: &'static str,
    /// What a program can compare.
    pub(super) code: Option<&'static str>,
    /// The field at fault.
    pub(super) param: Option<String>,
    /// What a person can read.
    pub(super) message: String,
    /// Seconds after which trying again makes sense.
    pub(super) retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let kind = match status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            it if it.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let code = Some(code);
        Self { status, kind, code, param: None, message: message.into(), retry_after: None }
    }

    pub(super) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_value", message).at(param)
    }

    pub(super) fn missing(param: &str) -> Self {
        let message = format!("missing required parameter: `{param}`");
        Self::new(StatusCode::BAD_REQUEST, "missing_required_parameter", message).at(param)
    }

    pub(super) fn context(context: usize, prompt: usize, answer: usize) -> Self {
        let message = format!(
            "this model's maximum context length is {context} tokens, but {} were requested \
             ({prompt} in the prompt, {answer} for the answer); help: shorten the prompt or \
             lower `max_tokens`",
            prompt + answer
        );
        Self::new(StatusCode::BAD_REQUEST, "context_length_exceeded", message).at("messages")
    }

    pub(super) fn unknown_model(got: &str, have: &str) -> Self {
        let message = format!("the model `{got}` does not exist; help: this server has `{have}`");
        Self::new(StatusCode::NOT_FOUND, "model_not_found", message).at("model")
    }

    pub(super) fn queue_timeout() -> Self {
        let message = "the server is overloaded: the request waited too long; help: try again";
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "queue_timeout", message);
        Self { retry_after: Some(1), ..error }
    }

    /// A fault of ours. `cause` is logged, not shown.
    pub(super) fn internal(cause: &str) -> Self {
        tracing::error!(%cause, "a request failed");
        let message = "the server had an error while processing the request";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    pub(super) fn at(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The envelope.
    pub(super) fn envelope(&self) -> Value {
        let Self { message, kind, param, code, .. } = self;
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }
}

impl From<Rejected> for ApiError {
    fn from(rejected: Rejected) -> Self {
        let message = rejected.to_string();
        match rejected {
            Rejected::Full { .. } => Self {
                retry_after: Some(1),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", message)
            },
            Rejected::Draining => Self {
                retry_after: Some(5),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message)
            },
            Rejected::EmptyPrompt | Rejected::Token { .. } => Self::invalid("prompt", message),
            Rejected::TooLong { context, got } => Self::context(context, got, 1),
        }
    }
}

impl From<runner::Error> for ApiError {
    fn from(error: runner::Error) -> Self {
        // A template that fails on some messages works on others, so it is the request's fault.
        let param = match error {
            runner::Error::Template(_) => "messages",
            runner::Error::Tokenizer(_) => "prompt",
        };
        Self::invalid(param, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.envelope())).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
