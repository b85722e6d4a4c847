//! The table of parameters, as the manual has it and as the server acts.

use serde_json::{Value, json};

use super::{CHAT, TEXT, alphabet, chat, post, server};

#[test]
fn the_manual_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/server.md");
    let have = std::fs::read_to_string(path).unwrap();
    let want = firesteel_llm::http::parameters();
    assert!(have.contains(&want), "docs/src/server.md must contain:\n{want}");
}

#[tokio::test]
async fn neutral_values_and_nulls_are_accepted() {
    let server = server(alphabet());
    let chats: Value = json!({
        "audio": null, "frequency_penalty": 0, "function_call": "none", "functions": [],
        "logit_bias": {}, "logprobs": false, "max_completion_tokens": 1, "max_tokens": 1,
        "metadata": { "a": "b" }, "modalities": ["text"], "model": "stub", "n": 1,
        "parallel_tool_calls": true, "prediction": null, "presence_penalty": 0,
        "prompt_cache_key": "k", "reasoning_effort": "medium",
        "response_format": { "type": "text" }, "safety_identifier": "s", "seed": null,
        "service_tier": "auto", "stop": null, "store": false, "stream": false,
        "stream_options": null, "temperature": 1, "tool_choice": "auto", "tools": [],
        "top_logprobs": null, "top_p": 1, "user": "u", "verbosity": "medium",
        "web_search_options": null, "top_k": -1, "min_p": 0, "repetition_penalty": 1,
        "stop_token_ids": [], "chat_template_kwargs": {}, "unheard_of": null,
    });
    post(&server, CHAT, chat("hi", chats)).await.ok();
    let text: Value = json!({
        "prompt": "x", "best_of": 1, "echo": false, "frequency_penalty": 0, "logit_bias": null,
        "logprobs": null, "max_tokens": 1, "n": 1, "presence_penalty": 0, "seed": -1, "stop": [],
        "stream": false, "suffix": "", "temperature": 0, "top_p": 1, "user": "u",
    });
    post(&server, TEXT, text).await.ok();
}

#[tokio::test]
async fn messages_in_all_shapes_reach_the_template() {
    let server = server(alphabet());
    let messages = json!([
        { "role": "developer", "content": "a" },
        { "role": "user", "content": [
            { "type": "text", "text": "b" }, { "type": "text", "text": "c" },
        ] },
        { "role": "assistant", "content": null, "tool_calls": [], "refusal": null,
          "annotations": [], "audio": null, "function_call": null },
        { "role": "tool", "content": "d", "tool_call_id": "1" },
    ]);
    let tokens = post(&server, "/tokenize", json!({ "messages": messages })).await.ok();
    let text = post(&server, "/detokenize", json!({ "tokens": tokens["tokens"] })).await.ok();
    assert_eq!(text["prompt"], "system: a\nuser: bc\nassistant: \ntool: d\n");
}
