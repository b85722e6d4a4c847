//! Streamed answers, byte by byte.

use std::time::Duration;

use axum::body::Body;
use firesteel_llm::{
    engine::{self, stub::Stub},
    http::{Options, router},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{CHAT, TEXT, alphabet, chat, post, request, server, server_with};

/// The choices of the chunks of a chat.
fn chunk(id: &Value, created: &Value, choices: &str, rest: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "data: {{\"id\":{id},\"object\":\"chat.completion.chunk\",\"created\":{created},\
         \"model\":\"stub\",\"system_fingerprint\":\"firesteel-{version}\",\
         \"choices\":[{choices}]{rest}}}\n\n"
    )
}

#[tokio::test]
async fn a_stream_has_openais_order() {
    let server = server(Stub::saying("hé🙂!"));
    for include_usage in [false, true] {
        let options = json!({ "include_usage": include_usage });
        let body = chat("hi", json!({ "stream": true, "stream_options": options }));
        let reply = post(&server, CHAT, body).await;
        assert_eq!(reply.header("content-type"), Some("text/event-stream"));
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        let events = reply.events();
        let (id, created) = (&events[0]["id"], &events[0]["created"]);
        let rest = if include_usage { ",\"usage\":null" } else { "" };
        let delta = |delta: &str, reason: &str| {
            let choice = format!(
                "{{\"index\":0,\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":{reason}}}"
            );
            chunk(id, created, &choice, rest)
        };
        let mut want = delta("\"role\":\"assistant\",\"content\":\"\"", "null");
        for text in ["h", "é", "🙂", "!"] {
            want += &delta(&format!("\"content\":\"{text}\""), "null");
        }
        want += &delta("", "\"stop\"");
        if include_usage {
            let usage = ",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":8,\
                         \"total_tokens\":17,\
                         \"completion_tokens_details\":{\"reasoning_tokens\":0}}";
            want += &chunk(id, created, "", usage);
        }
        want += "data: [DONE]\n\n";
        assert_eq!(reply.body, want);
    }
}

#[tokio::test]
async fn streamed_text_is_the_whole_text() {
    let server = server(alphabet());
    for fields in [
        json!({ "max_tokens": 40 }),
        json!({ "max_tokens": 40, "stop": "mno" }),
        json!({ "max_tokens": 40, "stop": ["q", "nop"], "logprobs": true }),
        json!({ "max_tokens": 40, "n": 3 }),
    ] {
        let whole = post(&server, CHAT, chat("hi", fields.clone())).await.ok();
        let mut fields = fields;
        fields["stream"] = json!(true);
        let events = post(&server, CHAT, chat("hi", fields)).await.events();
        for choice in whole["choices"].as_array().unwrap() {
            let own: Vec<&Value> = events.iter().map(|it| &it["choices"][0]).collect();
            let own: Vec<&&Value> =
                own.iter().filter(|it| it["index"] == choice["index"]).collect();
            let text: String =
                own.iter().filter_map(|it| it["delta"]["content"].as_str()).collect();
            assert_eq!(text, choice["message"]["content"].as_str().unwrap());
            assert_eq!(own[0]["delta"]["role"], "assistant");
            assert!(own[1..].iter().all(|it| it["delta"].get("role").is_none()));
            assert_eq!(own[own.len() - 1]["finish_reason"], choice["finish_reason"]);
            let entries: Vec<Value> = own
                .iter()
                .filter_map(|it| it["logprobs"]["content"].as_array())
                .flatten()
                .cloned()
                .collect();
            let want = choice["logprobs"]["content"].as_array().cloned().unwrap_or_default();
            assert_eq!(entries, want);
        }
    }
}

#[tokio::test]
async fn thoughts_stream_apart() {
    let server = server(Stub::saying("ab</think>c"));
    let kwargs = json!({ "think": true });
    let body = chat("hi", json!({ "stream": true, "chat_template_kwargs": kwargs }));
    let events = post(&server, CHAT, body).await.events();
    let field = |name: &str| -> Vec<String> {
        let field = |it: &Value| it["choices"][0]["delta"][name].as_str().map(str::to_owned);
        events.iter().filter_map(field).collect()
    };
    assert_eq!(field("reasoning_content"), ["a", "b"]);
    assert_eq!(field("content"), ["", "c"]);
}

#[tokio::test]
async fn completions_stream_their_offsets() {
    let body = json!({ "prompt": "ab", "max_tokens": 2, "echo": true, "stream": true });
    let events = post(&server(alphabet()), TEXT, body).await.events();
    let texts: Vec<_> =
        events.iter().map(|it| it["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["ab", "c", "d", ""]);
    let body = json!({ "prompt": "a", "max_tokens": 2, "logprobs": 0, "stream": true });
    let events = post(&server(alphabet()), TEXT, body).await.events();
    let offset = |it: &Value| it["choices"][0]["logprobs"]["text_offset"][0].as_u64();
    assert_eq!(events.iter().filter_map(offset).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let (model, gate) = Stub::gated(|_| firesteel_llm::engine::stub::END);
    let options = Options { keep_alive: Duration::from_millis(10), ..Options::default() };
    let server = server_with(model, engine::Options::default(), options);
    let body = chat("hi", json!({ "stream": true })).to_string();
    let response = router(&server).oneshot(request(CHAT, Body::from(body))).await.unwrap();
    let mut body = response.into_body();
    let mut frames = Vec::new();
    while frames.len() < 3 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        frames.push(String::from_utf8(frame.to_vec()).unwrap());
    }
    assert!(frames[0].contains("assistant"));
    assert_eq!(frames[1..], [": keep-alive\n\n", ": keep-alive\n\n"]);
    gate.open_wide();
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
}
