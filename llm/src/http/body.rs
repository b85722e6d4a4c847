//! Bodies of requests: a JSON object, or an error that says what it is not.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};
use serde_json::{Map, Value};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::{Server, error::ApiError};

type Result<T> = std::result::Result<T, ApiError>;

/// A body that takes longer holds memory for nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// A body that is too large is read on up to so many times the limit: a client that is still
/// writing when the connection closes never sees the answer.
const COURTESY: usize = 4;

/// The object that a request carries.
#[derive(Debug)]
pub(super) struct Object(pub(super) Map<String, Value>);

impl FromRequest<Arc<Server>> for Object {
    type Rejection = ApiError;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self> {
        check_type(request.headers())?;
        let read = read(request.into_body(), server.options.max_body);
        let bytes = timeout(PATIENCE, read).await.unwrap_or_else(|_| {
            let message = format!("the body took longer than {} seconds", PATIENCE.as_secs());
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message))
        })?;
        parse(&bytes).map(Self)
    }
}

/// Demands JSON by name. Besides being honest this keeps foreign web pages out, which can send
/// plain text to any server without asking.
fn check_type(headers: &HeaderMap) -> Result<()> {
    let value = |name| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let unsupported =
        |code, message| Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, message));
    let kind = value(CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let message = format!("the body must be `application/json`, got `{kind}`");
        return unsupported("unsupported_media_type", message);
    }
    let coding = value(CONTENT_ENCODING);
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        let message = format!("compressed bodies are not supported, got `{coding}`");
        return unsupported("unsupported_encoding", message);
    }
    Ok(())
}

async fn read(body: Body, limit: usize) -> Result<Vec<u8>> {
    let (mut bytes, mut total) = (Vec::new(), 0_usize);
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| {
            let message = format!("the body broke off: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_body", message)
        })?;
        total = total.saturating_add(frame.len());
        if total <= limit {
            bytes.extend_from_slice(&frame);
        } else if total / COURTESY > limit {
            break;
        }
    }
    if total > limit {
        let message = format!("the body must have at most {limit} bytes, got more");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message));
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>> {
    let invalid = |message| ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", message);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(invalid("the body must be a JSON object".to_owned())),
        Err(error) => Err(invalid(format!("the body is not valid JSON: {error}"))),
    }
}
