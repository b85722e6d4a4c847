//! Bodies of requests: a JSON object, or an error that says what it is not.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header::CONTENT_TYPE},
};
use serde_json::{Map, Value};

use super::error::ApiError;

/// The object that a request carries.
#[derive(Debug)]
pub(super) struct Object(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let message = format!("the body must be `application/json`, got `{essence}`");
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiError::new(status, "unsupported_media_type", message));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let (status, message) = (rejection.status(), rejection.body_text());
            match status {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    ApiError::new(status, "request_too_large", "the body is too large")
                }
                _ => ApiError::new(StatusCode::BAD_REQUEST, "invalid_body", message),
            }
        })?;
        parse(&bytes).map(Self)
    }
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let invalid = |message| ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", message);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(invalid("the body must be a JSON object".to_owned())),
        Err(error) => Err(invalid(format!("the body is not valid JSON: {error}"))),
    }
}
