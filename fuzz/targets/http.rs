//! Bodies come from anybody: whatever they are, the answer is a success or an error envelope
//! that blames the client, and it comes.
//!
//! The first line of the input is the path, the rest the body.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::Body,
    http::{Request, header::CONTENT_TYPE},
};
use firesteel_llm::{
    engine::{self, stub},
    http::{Options, Server, router},
    runner::Runner,
};
use http_body_util::BodyExt;
use tower::ServiceExt;

const PATHS: [&str; 4] = ["/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"];

fn server() -> &'static Router {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER.get_or_init(|| {
        // Poison is for other tests: here a 500 is a fault.
        let next = |token| (token + 1) % 256;
        let model = stub::Stub { poison: None, context: 200, ..stub::Stub::new(next) };
        let runner = Runner::start(model.loaded(), engine::Options::default());
        let runner = runner.expect("the stub is sound");
        router(&Server::new(runner, Options { max_body: 1 << 16, ..Options::default() }))
    })
}

/// One run.
pub(crate) fn http(input: &[u8]) {
    static RUNTIME: OnceLock<Arc<tokio::runtime::Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        Arc::new(built.expect("there is a thread"))
    });
    let mut parts = input.splitn(2, |it| *it == b'\n');
    let path = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let path = PATHS.iter().find(|it| **it == path).unwrap_or(&PATHS[0]);
    let body = parts.next().unwrap_or_default().to_vec();
    let request = Request::post(*path).header(CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(body)).expect("the request is sound");
    runtime.block_on(async {
        let response = server().clone().oneshot(request).await.expect("a router cannot fail");
        let status = response.status();
        let body = response.into_body().collect().await.expect("bodies cannot fail").to_bytes();
        let body = std::str::from_utf8(&body).expect("bodies are text");
        assert!(status.is_success() || status.is_client_error(), "{status}: {body}");
        if status.is_client_error() {
            let json: serde_json::Value = serde_json::from_str(body).expect("errors are JSON");
            assert!(json["error"]["message"].is_string() && json["error"]["code"].is_string());
        } else if body.starts_with("data: ") {
            assert!(body.ends_with("data: [DONE]\n\n") && !body.contains("\"error\""), "{body}");
        }
    });
}
