//! What a server says about itself: models, health, metrics, and the page.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::{Value, json};

use super::{Server, error::ApiError};
use crate::page;

type Result<T> = std::result::Result<T, ApiError>;

/// `GET /`: the chat page.
pub(super) async fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, page::policy()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The next version of the program has another page.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, page::HTML)
}

fn entry(server: &Server) -> Value {
    json!({
        "id": server.runner.name,
        "object": "model",
        "created": server.created,
        "owned_by": "firesteel",
        "max_model_len": server.runner.engine.context(),
    })
}

/// `GET /v1/models`, <https://platform.openai.com/docs/api-reference/models/list>
pub(super) async fn models(State(server): State<Arc<Server>>) -> Json<Value> {
    Json(json!({ "object": "list", "data": [entry(&server)] }))
}

/// `GET /v1/models/{id}`. Ids may have slashes.
pub(super) async fn model(
    State(server): State<Arc<Server>>,
    id: std::result::Result<Path<String>, PathRejection>,
) -> Result<Json<Value>> {
    let Path(id) = id.map_err(|error| ApiError::invalid("model", error.body_text()))?;
    if id != server.runner.name {
        return Err(ApiError::unknown_model(&id, &server.runner.name));
    }
    Ok(Json(entry(&server)))
}

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /health/ready`: requests are taken.
pub(super) async fn ready(State(server): State<Arc<Server>>) -> Result<Json<Value>> {
    let engine = &server.runner.engine;
    if engine.is_closed() {
        return Err(crate::engine::Rejected::Draining.into());
    }
    let load = engine.load();
    Ok(Json(json!({ "status": "ok", "running": load.running, "waiting": load.waiting })))
}

/// `GET /metrics`, in Prometheus' text form.
pub(super) async fn metrics(State(server): State<Arc<Server>>) -> impl IntoResponse {
    let load = server.runner.engine.load();
    metrics::gauge!("firesteel_requests_running").set(load.running as f64);
    metrics::gauge!("firesteel_requests_waiting").set(load.waiting as f64);
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (StatusCode::OK, kind, server.metrics.render())
}
