//! What surrounds every handler: request ids, logs, the envelope, keys.

use std::{any::Any, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tracing::Instrument;

use super::{Server, error::ApiError};
use crate::runner;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id, and makes sure that whatever is not a success is an envelope.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let matched = request.extensions().get::<MatchedPath>();
    // Unknown paths are the client's invention and must not become labels.
    let route = matched.map_or_else(|| "other".to_owned(), |it| it.as_str().to_owned());
    let is_probe = route == "/metrics" || route.starts_with("/health/");
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request", id = id.to_str().unwrap_or_default(), %method, path = request.uri().path()
    );
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        response = in_envelope(response);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    let (status, seconds) = (response.status().as_u16(), began.elapsed());
    let labels = [("route", route.clone()), ("status", status.to_string())];
    metrics::counter!("firesteel_http_requests_total", &labels).increment(1);
    metrics::histogram!("firesteel_http_request_seconds", "route" => route).record(seconds);
    let ms = seconds.as_millis() as u64;
    // Probes come every second and would drown the rest.
    span.in_scope(|| match is_probe {
        true => tracing::debug!(status, ms, "responded"),
        false => tracing::info!(status, ms, "responded"),
    });
    response
}

/// The client's own id, if it is short and plain, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |it: &&HeaderValue| {
        let bytes = it.as_bytes();
        (1..=128).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    let fresh = || {
        let id = format!("req-{:016x}", runner::random());
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("req"))
    };
    headers.get(REQUEST_ID).filter(plain).cloned().unwrap_or_else(fresh)
}

/// The router's own errors have no body.
fn in_envelope(response: Response) -> Response {
    let json = HeaderValue::from_static("application/json");
    if response.headers().get(header::CONTENT_TYPE) == Some(&json) {
        return response;
    }
    let status = response.status();
    let (code, message) = match status {
        StatusCode::NOT_FOUND => ("not_found", "there is no such route; help: see /v1/models"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method_not_allowed", "the route has no such method; help: see the header `allow`")
        }
        _ => ("http_error", status.canonical_reason().unwrap_or("the request failed")),
    };
    let mut enveloped = ApiError::new(status, code, message).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        enveloped.headers_mut().insert(header::ALLOW, allow.clone());
    }
    enveloped
}

/// The response to a panic in a handler.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    let text = owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    ApiError::internal(&format!("a handler panicked: {text}")).into_response()
}

/// Asks for a key, where there is one. Health and the page, which has a field for it, are open.
pub(super) async fn authorize(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let keys = &server.options.api_keys;
    if keys.is_empty() || path == "/" || path.starts_with("/health/") {
        return next.run(request).await;
    }
    let value = request.headers().get(header::AUTHORIZATION);
    let got = value.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let got = got.split_once(' ').filter(|it| it.0.eq_ignore_ascii_case("bearer"));
    let known = got.is_some_and(|(_, got)| keys.iter().any(|key| same(key, got.trim())));
    if known { next.run(request).await } else { unauthorized(got.is_some()) }
}

fn unauthorized(has_key: bool) -> Response {
    let (code, message) = match has_key {
        true => ("invalid_api_key", "the API key is not one of this server's"),
        false => {
            ("missing_api_key", "an API key is needed; help: send `Authorization: Bearer KEY`")
        }
    };
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, code, message).into_response();
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Compares in a time that tells nothing about where they differ.
fn same(key: &str, got: &str) -> bool {
    let differ = key.bytes().zip(got.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    key.len() == got.len() && std::hint::black_box(differ) == 0
}

/// Lets pages of these origins use the server.
pub(super) fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let any = origins.iter().any(|it| it == "*");
    let origins = if any { AllowOrigin::any() } else { AllowOrigin::list(origins.to_vec()) };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([axum::http::Method::GET, axum::http::Method::POST])
        // OpenAI's own client for browsers sends a dozen headers about itself.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([REQUEST_ID, header::RETRY_AFTER, header::WARNING])
}
