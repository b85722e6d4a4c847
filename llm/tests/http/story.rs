//! The model in the box, served.

use std::sync::Arc;

use firesteel_llm::{
    engine,
    http::{Options, Server},
    load::builtin,
    runner::Runner,
};
use serde_json::{Value, json};

use super::{CHAT, chat, post};

fn story() -> Arc<Server> {
    let runner = Runner::start(builtin().unwrap(), engine::Options::default()).unwrap();
    Server::new(runner, Options::default())
}

fn body(i: u64) -> Value {
    let question = ["Tell me a story about a dog.", "Hello", "What can you do?"][i as usize % 3];
    chat(question, json!({ "max_tokens": 12, "seed": i, "logprobs": true, "top_logprobs": 2 }))
}

async fn ask(server: &Arc<Server>, i: u64) -> Value {
    post(server, CHAT, body(i)).await.ok()["choices"].clone()
}

#[tokio::test]
async fn one_request_after_another_equals_fresh_servers() {
    let server = story();
    for i in [0, 1] {
        assert_eq!(ask(&server, i).await, ask(&story(), i).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_answers_are_the_serial_ones() {
    let server = story();
    let mut serial = Vec::new();
    for i in 0..5 {
        serial.push(ask(&server, i).await);
    }
    let task = |i| {
        let server = Arc::clone(&server);
        tokio::spawn(async move { ask(&server, i).await })
    };
    let tasks: Vec<_> = (0..5).map(task).collect();
    for (task, want) in tasks.into_iter().zip(serial) {
        assert_eq!(task.await.unwrap(), want);
    }
}

#[tokio::test]
async fn a_seed_decides_and_seeds_differ() {
    let server = story();
    let text = |i: u64, n: u64| {
        let server = Arc::clone(&server);
        let fields = json!({ "max_tokens": 16, "seed": i, "n": n, "temperature": 1.5 });
        async move { post(&server, CHAT, chat("Tell me a story.", fields)).await.ok() }
    };
    let both = text(7, 2).await;
    let choice = |answer: &Value, i: usize| answer["choices"][i]["message"]["content"].clone();
    assert_eq!(choice(&text(7, 1).await, 0), choice(&both, 0));
    assert_eq!(choice(&text(8, 1).await, 0), choice(&both, 1), "choice `i` has seed + i");
    assert_ne!(choice(&both, 0), choice(&both, 1));
}

#[tokio::test]
async fn it_says_hello() {
    let server = story();
    let fields = json!({ "temperature": 0, "max_tokens": 60 });
    let answer = post(&server, CHAT, chat("Hello", fields)).await.ok();
    assert_eq!(answer["model"], "story-qwen3");
    let choice = &answer["choices"][0];
    let text = choice["message"]["content"].as_str().unwrap();
    assert!(text.len() > 10 && text.is_ascii(), "{text}");
    assert_eq!(choice["finish_reason"], "stop");
}
