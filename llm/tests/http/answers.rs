//! Answers in one piece.

use firesteel_llm::engine::stub::Stub;
use serde_json::{Value, json};

use super::{CHAT, TEXT, alphabet, chat, get, post, server};

/// Without what differs each time.
fn plain(mut answer: Value) -> Value {
    let map = answer.as_object_mut().unwrap();
    assert!(map["id"].as_str().unwrap().contains("cmpl-"));
    assert!(map["created"].as_u64().unwrap() > 1_600_000_000);
    assert!(map["system_fingerprint"].as_str().unwrap().starts_with("firesteel-"));
    for key in ["id", "created", "system_fingerprint"] {
        map.remove(key);
    }
    answer
}

#[tokio::test]
async fn a_chat_is_answered_in_openais_shape() {
    let server = server(Stub::saying("hé🙂!"));
    let body = chat("hi", json!({ "model": "stub" }));
    let want = json!({
        "object": "chat.completion",
        "model": "stub",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": "hé🙂!", "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 8,
            "total_tokens": 17,
            "completion_tokens_details": { "reasoning_tokens": 0 },
        },
    });
    assert_eq!(plain(post(&server, CHAT, body).await.ok()), want);
}

#[tokio::test]
async fn a_completion_is_answered_in_openais_shape() {
    let server = server(alphabet());
    let body = json!({ "prompt": "a", "max_tokens": 3, "echo": true });
    let want = json!({
        "object": "text_completion",
        "model": "stub",
        "choices": [{ "index": 0, "text": "abcd", "logprobs": null, "finish_reason": "length" }],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 3,
            "total_tokens": 4,
            "completion_tokens_details": { "reasoning_tokens": 0 },
        },
    });
    assert_eq!(plain(post(&server, TEXT, body).await.ok()), want);
}

#[tokio::test]
async fn completions_have_sixteen_tokens_unless_told_otherwise() {
    let answer = post(&server(alphabet()), TEXT, json!({ "prompt": "z" })).await.ok();
    assert_eq!(answer["choices"][0]["text"], "abcdefghijklmnop");
}

#[tokio::test]
async fn every_prompt_has_n_choices() {
    let body = json!({ "prompt": ["a", "k"], "n": 2, "max_tokens": 2 });
    let answer = post(&server(alphabet()), TEXT, body).await.ok();
    let choices = answer["choices"].as_array().unwrap();
    let got: Vec<_> = choices.iter().map(|it| (&it["index"], &it["text"])).collect();
    let want = [(0, "bc"), (1, "bc"), (2, "lm"), (3, "lm")].map(|it| (json!(it.0), json!(it.1)));
    assert_eq!(got, want.iter().map(|it| (&it.0, &it.1)).collect::<Vec<_>>());
    assert_eq!(answer["usage"]["prompt_tokens"], 2, "a prompt counts once");
}

#[tokio::test]
async fn prompts_may_be_token_ids() {
    let server = server(alphabet());
    for (prompt, want) in [(json!([97]), vec!["b"]), (json!([[97], [98]]), vec!["b", "c"])] {
        let answer = post(&server, TEXT, json!({ "prompt": prompt, "max_tokens": 1 })).await.ok();
        let choices = answer["choices"].as_array().unwrap();
        assert_eq!(choices.iter().map(|it| &it["text"]).collect::<Vec<_>>(), want);
    }
}

#[tokio::test]
async fn stop_strings_end_the_text_in_front_of_them() {
    let server = server(alphabet());
    for (stop, want) in [(json!("de"), "bc"), (json!(["zz", "d"]), "bc"), (json!("xyz"), "bcdef")] {
        let body = json!({ "prompt": "a", "max_tokens": 5, "stop": stop });
        let answer = post(&server, TEXT, body).await.ok();
        assert_eq!(answer["choices"][0]["text"], want);
        let reason = if want == "bc" { "stop" } else { "length" };
        assert_eq!(answer["choices"][0]["finish_reason"], reason);
    }
}

#[tokio::test]
async fn stop_tokens_end_the_text() {
    let body = json!({ "prompt": "a", "stop_token_ids": [100] });
    let answer = post(&server(alphabet()), TEXT, body).await.ok();
    assert_eq!(answer["choices"][0]["text"], "bc");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_bias_chooses_the_token() {
    let body = json!({ "prompt": "a", "max_tokens": 2, "logit_bias": { "120": 100 } });
    let answer = post(&server(alphabet()), TEXT, body).await.ok();
    assert_eq!(answer["choices"][0]["text"], "xx");
}

#[tokio::test]
async fn thoughts_are_apart_from_the_answer() {
    let server = server(Stub::saying("ab</think>c"));
    let body = chat("hi", json!({ "chat_template_kwargs": { "think": true } }));
    let answer = post(&server, CHAT, body).await.ok();
    let message = &answer["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("c"), &json!("ab")));
    let tokens = answer["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64();
    assert_eq!(tokens, Some(2));
}

#[tokio::test]
async fn log_probabilities_of_a_chat() {
    let server = server(Stub::saying("hé"));
    let body = chat("hi", json!({ "logprobs": true, "top_logprobs": 1 }));
    let answer = post(&server, CHAT, body).await.ok();
    let content = answer["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(content.len(), 3, "half a character is a token too");
    assert_eq!(content[0]["token"], "h");
    assert_eq!(content[1]["bytes"], json!([0xc3]));
    for entry in content {
        assert!(entry["logprob"].as_f64().unwrap().abs() < 1e-6, "the model has no doubt");
        assert_eq!(entry["top_logprobs"].as_array().unwrap().len(), 1);
        assert_eq!(entry["top_logprobs"][0]["bytes"], entry["bytes"]);
    }
}

#[tokio::test]
async fn log_probabilities_of_a_completion() {
    let body = json!({ "prompt": "a", "max_tokens": 9, "logprobs": 2, "stop": "d" });
    let answer = post(&server(alphabet()), TEXT, body).await.ok();
    let logprobs = &answer["choices"][0]["logprobs"];
    assert_eq!(logprobs["tokens"], json!(["b", "c"]), "the stop string has none");
    assert_eq!(logprobs["text_offset"], json!([0, 1]));
    assert_eq!(logprobs["top_logprobs"][0].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn tokens_and_back() {
    let server = server(alphabet());
    let body = json!({ "prompt": "hé", "return_token_strs": true });
    let answer = post(&server, "/tokenize", body).await.ok();
    assert_eq!(answer["tokens"], json!([0x68, 0xc3, 0xa9]));
    assert_eq!((&answer["count"], &answer["max_model_len"]), (&json!(3), &json!(1000)));
    assert_eq!(answer["token_strs"][0], "h");
    let body = json!({ "tokens": answer["tokens"] });
    assert_eq!(post(&server, "/detokenize", body).await.ok(), json!({ "prompt": "hé" }));
    let answer = post(&server, "/tokenize", chat("hi", json!({}))).await.ok();
    assert_eq!(answer["count"], 9, "the template is counted");
}

#[tokio::test]
async fn the_model_is_listed() {
    let server = server(alphabet());
    let list = get(&server, "/v1/models").await.ok();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][0]["id"], "stub");
    assert_eq!(get(&server, "/v1/models/stub").await.ok(), list["data"][0]);
    let (status, code, _) = get(&server, "/v1/models/org/other").await.error();
    assert_eq!((status, &*code), (404, "model_not_found"));
}

#[tokio::test]
async fn the_page_is_served_with_its_policy() {
    let reply = get(&server(alphabet()), "/").await;
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(reply.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert_eq!(reply.body, firesteel_llm::page::HTML);
}

#[tokio::test]
async fn metrics_are_histograms_with_buckets() {
    let server = server(alphabet());
    post(&server, TEXT, json!({ "prompt": "a" })).await.ok();
    let reply = get(&server, "/metrics").await;
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in [
        "# TYPE firesteel_inter_token_seconds histogram",
        "firesteel_inter_token_seconds_bucket{le=\"0.01\"}",
        "firesteel_time_to_first_token_seconds_bucket{le=\"+Inf\"}",
        "firesteel_request_seconds_count",
        "firesteel_generated_tokens_total",
        "firesteel_requests_running",
        "firesteel_http_requests_total{route=\"/v1/completions\",status=\"200\"}",
    ] {
        assert!(reply.body.contains(line), "`{line}` is not in\n{}", reply.body);
    }
}
