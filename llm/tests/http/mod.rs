//! The HTTP server: most of it as a router without a socket, over a model whose answers are
//! known beforehand.

mod answers;
mod client;
mod errors;
mod fuzz;
mod life;
mod parameters;
mod process;
mod story;
mod streams;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, Request, header::CONTENT_TYPE},
};
use firesteel_llm::{
    engine::{self, stub::Stub},
    http::{Options, Server, router},
    runner::Runner,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const TEXT: &str = "/v1/completions";

pub(crate) fn server(model: Stub) -> Arc<Server> {
    server_with(model, engine::Options::default(), Options::default())
}

pub(crate) fn server_with(model: Stub, engine: engine::Options, http: Options) -> Arc<Server> {
    Server::new(Runner::start(model.loaded(), engine).unwrap(), http)
}

/// A model that never stops spelling the alphabet.
pub(crate) fn alphabet() -> Stub {
    Stub::new(|token| 97 + (token + 8) % 26)
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|it| it.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The JSON of a success.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// Status, code and parameter of an error, whose envelope is complete.
    pub(crate) fn error(&self) -> (u16, String, Option<String>) {
        let json = self.json();
        let error = json["error"].as_object().unwrap_or_else(|| panic!("{json}"));
        let keys: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(keys, ["message", "type", "param", "code"]);
        assert!(!error["message"].as_str().unwrap().is_empty());
        let kind = match self.status {
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        assert_eq!(error["type"], kind);
        assert!(self.header("x-request-id").is_some());
        let code = error["code"].as_str().unwrap().to_owned();
        (self.status, code, error["param"].as_str().map(str::to_owned))
    }

    /// The JSON of the events of a stream, up to `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events: Vec<&str> = self.body.split_terminator("\n\n").collect();
        assert_eq!(events.pop(), Some("data: [DONE]"), "{}", self.body);
        let json =
            |event: &str| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        events.into_iter().filter(|it| !it.starts_with(": ")).map(json).collect()
    }
}

pub(crate) async fn send(server: &Arc<Server>, request: Request<Body>) -> Reply {
    let response = router(server).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    let body = String::from_utf8(body).expect("bodies are text");
    Reply { status: head.status.as_u16(), headers: head.headers, body }
}

pub(crate) fn request(path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header(CONTENT_TYPE, "application/json");
    request.body(body.into()).unwrap()
}

pub(crate) async fn post(server: &Arc<Server>, path: &str, body: Value) -> Reply {
    send(server, request(path, body.to_string())).await
}

pub(crate) async fn get(server: &Arc<Server>, path: &str) -> Reply {
    send(server, Request::get(path).body(Body::empty()).unwrap()).await
}

/// A chat of one message, with further fields.
pub(crate) fn chat(content: &str, fields: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": content }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}
