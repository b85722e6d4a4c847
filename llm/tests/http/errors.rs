//! Every way in which a request can be wrong, and what the client is told.

use axum::{body::Body, http::Request};
use firesteel_llm::{
    engine::{self, stub::POISON},
    http::Options,
};
use serde_json::{Value, json};

use super::{CHAT, TEXT, alphabet, chat, get, post, request, send, server, server_with};

/// Fields of a chat, the code and the parameter of the refusal with 400.
const CHATS: &[(&str, &str, &str)] = &[
    (r#"{"temperature": 2.1}"#, "invalid_value", "temperature"),
    (r#"{"temperature": "hot"}"#, "invalid_value", "temperature"),
    (r#"{"top_p": -0.1}"#, "invalid_value", "top_p"),
    (r#"{"min_p": 2}"#, "invalid_value", "min_p"),
    (r#"{"top_k": -2}"#, "invalid_value", "top_k"),
    (r#"{"top_k": 1.5}"#, "invalid_value", "top_k"),
    (r#"{"presence_penalty": 3}"#, "invalid_value", "presence_penalty"),
    (r#"{"frequency_penalty": -3}"#, "invalid_value", "frequency_penalty"),
    (r#"{"repetition_penalty": 0}"#, "invalid_value", "repetition_penalty"),
    (r#"{"n": 0}"#, "invalid_value", "n"),
    (r#"{"n": 129}"#, "invalid_value", "n"),
    (r#"{"n": 100}"#, "invalid_value", "n"),
    (r#"{"max_tokens": 0}"#, "invalid_value", "max_tokens"),
    (r#"{"max_completion_tokens": -1}"#, "invalid_value", "max_completion_tokens"),
    (
        r#"{"max_tokens": 1, "max_completion_tokens": 2}"#,
        "invalid_parameter_combination",
        "max_tokens",
    ),
    (r#"{"max_tokens": 999}"#, "context_length_exceeded", "messages"),
    (r#"{"logit_bias": {"x": 1}}"#, "invalid_value", "logit_bias"),
    (r#"{"logit_bias": {"300": 1}}"#, "invalid_value", "logit_bias"),
    (r#"{"logit_bias": {"1": 101}}"#, "invalid_value", "logit_bias.1"),
    (r#"{"logprobs": 3}"#, "invalid_value", "logprobs"),
    (r#"{"top_logprobs": 3}"#, "invalid_value", "top_logprobs"),
    (r#"{"logprobs": true, "top_logprobs": 21}"#, "invalid_value", "top_logprobs"),
    (r#"{"seed": 1.5}"#, "invalid_value", "seed"),
    (r#"{"stop": ["a", ""]}"#, "invalid_value", "stop"),
    (r#"{"stop": 7}"#, "invalid_value", "stop"),
    (r#"{"stop_token_ids": [300]}"#, "invalid_value", "stop_token_ids"),
    (r#"{"stream": "yes"}"#, "invalid_value", "stream"),
    (r#"{"stream_options": {}}"#, "invalid_value", "stream_options"),
    (
        r#"{"stream": true, "stream_options": {"include_usage": 1}}"#,
        "invalid_value",
        "stream_options.include_usage",
    ),
    (
        r#"{"stream": true, "stream_options": {"include_obfuscation": true}}"#,
        "unsupported_parameter",
        "stream_options.include_obfuscation",
    ),
    (
        r#"{"stream": true, "stream_options": {"x": 1}}"#,
        "unsupported_parameter",
        "stream_options.x",
    ),
    (r#"{"user": 7}"#, "invalid_value", "user"),
    (r#"{"chat_template_kwargs": []}"#, "invalid_value", "chat_template_kwargs"),
    (r#"{"tools": [{"type": "function"}]}"#, "unsupported_parameter", "tools"),
    (r#"{"tool_choice": "required"}"#, "unsupported_parameter", "tool_choice"),
    (r#"{"response_format": {"type": "json_object"}}"#, "unsupported_parameter", "response_format"),
    (r#"{"reasoning_effort": "high"}"#, "unsupported_parameter", "reasoning_effort"),
    (r#"{"store": true}"#, "unsupported_parameter", "store"),
    (r#"{"audio": {}}"#, "unsupported_parameter", "audio"),
    (r#"{"prompt": "x"}"#, "unsupported_parameter", "prompt"),
    (r#"{"temprature": 1}"#, "unsupported_parameter", "temprature"),
];

#[tokio::test]
async fn wrong_fields_are_named() {
    let server = server(alphabet());
    for (fields, code, param) in CHATS {
        let body = chat("hi", serde_json::from_str(fields).unwrap());
        let got = post(&server, CHAT, body).await.error();
        assert_eq!(got, (400, (*code).to_owned(), Some((*param).to_owned())), "{fields}");
    }
}

#[tokio::test]
async fn wrong_messages_are_named() {
    let server = server(alphabet());
    let message = |message: &str| format!(r#"{{"messages": [{message}]}}"#);
    let rows = [
        ("{}".to_owned(), "missing_required_parameter", "messages"),
        (r#"{"messages": null}"#.to_owned(), "missing_required_parameter", "messages"),
        (r#"{"messages": []}"#.to_owned(), "invalid_value", "messages"),
        (r#"{"messages": "hi"}"#.to_owned(), "invalid_value", "messages"),
        (message("7"), "invalid_value", "messages[0]"),
        (message(r#"{"content": "x"}"#), "missing_required_parameter", "messages[0].role"),
        (message(r#"{"role": "robot", "content": "x"}"#), "invalid_value", "messages[0].role"),
        (message(r#"{"role": "user"}"#), "missing_required_parameter", "messages[0].content"),
        (message(r#"{"role": "user", "content": 7}"#), "invalid_value", "messages[0].content"),
        (
            message(r#"{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}"#),
            "unsupported_parameter",
            "messages[0].content[0].type",
        ),
        (
            message(r#"{"role": "user", "content": [{"type": "text", "text": "x", "cache": 1}]}"#),
            "unsupported_parameter",
            "messages[0].content[0].cache",
        ),
        (
            message(r#"{"role": "user", "content": [{"text": "x"}]}"#),
            "missing_required_parameter",
            "messages[0].content[0].type",
        ),
        (
            message(r#"{"role": "user", "content": "x", "mood": 1}"#),
            "unsupported_parameter",
            "messages[0].mood",
        ),
    ];
    for (body, code, param) in rows {
        let got = send(&server, request(CHAT, body.clone())).await.error();
        assert_eq!(got, (400, code.to_owned(), Some(param.to_owned())), "{body}");
    }
}

#[tokio::test]
async fn wrong_prompts_are_named() {
    let server = server(alphabet());
    for (body, code, param) in [
        (json!({}), "missing_required_parameter", "prompt"),
        (json!({ "prompt": "" }), "invalid_value", "prompt"),
        (json!({ "prompt": [] }), "invalid_value", "prompt"),
        (json!({ "prompt": [[]] }), "invalid_value", "prompt"),
        (json!({ "prompt": [300] }), "invalid_value", "prompt"),
        (json!({ "prompt": [-1] }), "invalid_value", "prompt"),
        (json!({ "prompt": ["a", 1] }), "invalid_value", "prompt"),
        (json!({ "prompt": "x".repeat(1000) }), "context_length_exceeded", "prompt"),
        (json!({ "prompt": "x", "suffix": "y" }), "unsupported_parameter", "suffix"),
        (json!({ "prompt": "x", "best_of": 2 }), "unsupported_parameter", "best_of"),
        (json!({ "prompt": "x", "echo": true, "logprobs": 1 }), "invalid_value", "echo"),
        (json!({ "prompt": "x", "messages": [] }), "unsupported_parameter", "messages"),
    ] {
        let got = post(&server, TEXT, body.clone()).await.error();
        assert_eq!(got, (400, code.to_owned(), Some(param.to_owned())), "{body}");
    }
    for (path, body, param) in [
        ("/tokenize", json!({}), "prompt"),
        ("/tokenize", json!({ "prompt": "x", "messages": [] }), "messages"),
        ("/detokenize", json!({}), "tokens"),
        ("/detokenize", json!({ "tokens": [300] }), "tokens"),
        ("/detokenize", json!({ "tokens": [1], "x": 1 }), "x"),
    ] {
        let (status, _, got) = post(&server, path, body).await.error();
        assert_eq!((status, got.as_deref()), (400, Some(param)), "{path}");
    }
}

#[tokio::test]
async fn a_context_overflow_has_both_numbers() {
    let body = chat("hi", json!({ "max_tokens": 995 }));
    let message =
        post(&server(alphabet()), CHAT, body).await.json()["error"]["message"].to_string();
    assert!(
        message.contains("1000 tokens") && message.contains("1004 were requested"),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let server = server(alphabet());
    for body in ["", "{", "[]", "7", "nul", "{\"a\":1}x", "{\"messages\":[\"\\ud800\"]}"] {
        let got = send(&server, request(CHAT, body)).await.error();
        assert_eq!(got, (400, "invalid_json".to_owned(), None), "{body}");
    }
    let bytes = send(&server, request(CHAT, vec![0xff, 0xfe])).await.error();
    assert_eq!(bytes.1, "invalid_json");
    let deep = send(&server, request(CHAT, "[".repeat(100_000))).await.error();
    assert_eq!(deep.1, "invalid_json");
}

#[tokio::test]
async fn bodies_are_json_by_name() {
    let server = server(alphabet());
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request = Request::post(CHAT);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let got = send(&server, request.body(Body::from("{}")).unwrap()).await.error();
        assert_eq!(got, (415, "unsupported_media_type".to_owned(), None), "{kind:?}");
    }
    let packed = Request::post(CHAT)
        .header("content-type", "application/json; charset=utf-8")
        .header("content-encoding", "gzip");
    let got = send(&server, packed.body(Body::from("x")).unwrap()).await.error();
    assert_eq!((got.0, &*got.1), (415, "unsupported_encoding"));
}

#[tokio::test]
async fn routes_methods_and_sizes() {
    let options = Options { max_body: 100, ..Options::default() };
    let server = server_with(alphabet(), engine::Options::default(), options);
    for path in ["/v1", "/v1/embeddings", "/health", "/v1/chat/completions/"] {
        let (status, code, _) = get(&server, path).await.error();
        assert_eq!((status, &*code), (404, "not_found"), "{path}");
    }
    for (path, allow) in [(CHAT, "POST"), ("/tokenize", "POST")] {
        let reply = get(&server, path).await;
        assert_eq!(reply.error().1, "method_not_allowed");
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)));
    }
    let reply = post(&server, "/v1/models", json!({})).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET,HEAD")));
    let large = post(&server, CHAT, chat(&"x".repeat(100), json!({}))).await.error();
    assert_eq!(large, (413, "request_too_large".to_owned(), None));
}

#[tokio::test]
async fn other_models_do_not_exist() {
    let server = server(alphabet());
    for (path, body) in [
        (CHAT, chat("hi", json!({ "model": "gpt-7" }))),
        (TEXT, json!({ "prompt": "x", "model": "gpt-7" })),
        ("/tokenize", json!({ "prompt": "x", "model": "gpt-7" })),
    ] {
        let got = post(&server, path, body).await.error();
        assert_eq!(got, (404, "model_not_found".to_owned(), Some("model".to_owned())));
    }
}

#[tokio::test]
async fn keys_are_asked_for_where_there_are_any() {
    let api_keys = vec!["one".to_owned(), "two".to_owned()];
    let options = Options { api_keys, ..Options::default() };
    let server = server_with(alphabet(), engine::Options::default(), options);
    let models = |key: Option<&str>| {
        let mut request = Request::get("/v1/models");
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        send(&server, request.body(Body::empty()).unwrap())
    };
    for key in ["Bearer one", "Bearer two", "bearer two"] {
        models(Some(key)).await.ok();
    }
    for key in ["Bearer three", "Bearer on", "Bearer ", "Bearer onex"] {
        let reply = models(Some(key)).await;
        assert_eq!((reply.status, &*reply.error().1), (401, "invalid_api_key"), "{key}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    for key in [None, Some("one"), Some("Basic one")] {
        assert_eq!(models(key).await.error().1, "missing_api_key");
    }
    assert_eq!(get(&server, "/nowhere").await.status, 401);
    for open in ["/", "/health/live", "/health/ready"] {
        assert_eq!(get(&server, open).await.status, 200, "{open}");
    }
}

#[tokio::test]
async fn a_panic_of_the_engine_is_an_error_and_the_server_lives_on() {
    let server = server(alphabet());
    let got = post(&server, TEXT, json!({ "prompt": [POISON] })).await;
    assert_eq!(got.error(), (500, "internal_error".to_owned(), None));
    assert!(!got.body.contains("poisoned"), "what went wrong is in the log only");
    let body = json!({ "prompt": [97, POISON], "stream": true });
    let reply = post(&server, TEXT, body).await;
    let events = reply.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["error"]["code"], "internal_error");
    assert_eq!(post(&server, TEXT, json!({ "prompt": "a" })).await.status, 200);
}

#[tokio::test]
async fn every_response_has_a_request_id() {
    let server = server(alphabet());
    let with = |id: &str| {
        let request = Request::get("/health/live").header("x-request-id", id);
        send(&server, request.body(Body::empty()).unwrap())
    };
    assert_eq!(with("abc-1").await.header("x-request-id"), Some("abc-1"));
    for bad in ["", "two words", &"x".repeat(129)] {
        let reply = with(bad).await;
        assert!(reply.header("x-request-id").unwrap().starts_with("req-"), "{bad}");
    }
    let (one, two) = (get(&server, "/x").await, get(&server, "/x").await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn other_origins_are_let_in_by_name_only() {
    let preflight = |server| async move {
        let request = Request::options(CHAT)
            .header("origin", "https://example.org")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-stainless-lang");
        send(&server, request.body(Body::empty()).unwrap()).await
    };
    let closed = preflight(server(alphabet())).await;
    assert_eq!((closed.status, closed.header("access-control-allow-origin")), (405, None));
    let options =
        Options { cors: vec!["https://example.org".parse().unwrap()], ..Options::default() };
    let open = preflight(server_with(alphabet(), engine::Options::default(), options)).await;
    assert_eq!(open.status, 200);
    assert_eq!(open.header("access-control-allow-origin"), Some("https://example.org"));
    assert_eq!(open.header("access-control-allow-headers"), Some("x-stainless-lang"));
}

#[tokio::test]
async fn a_lenient_server_warns() {
    let options = Options { lenient: true, ..Options::default() };
    let server = server_with(alphabet(), engine::Options::default(), options);
    let tools: Value = json!([{ "type": "function" }]);
    let body = chat("hi", json!({ "tools": tools, "ünkn\nown": 1, "seed": 7, "max_tokens": 1 }));
    let reply = post(&server, CHAT, body).await;
    reply.ok();
    assert_eq!(reply.header("warning"), Some("299 firesteel \"ignored: tools, ?nkn?own\""));
    let plain = post(&server, CHAT, chat("hi", json!({ "max_tokens": 1 }))).await;
    assert_eq!(plain.header("warning"), None);
    let wrong = post(&server, CHAT, chat("hi", json!({ "temperature": 9 }))).await;
    assert_eq!(wrong.status, 400, "a wrong value stays wrong");
}
