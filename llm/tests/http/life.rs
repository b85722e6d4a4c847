//! What clients do to a server, and what happens when it has to go.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use firesteel_llm::{
    engine::{
        self,
        stub::{END, POISON, Stub},
    },
    http::{Options, Server},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{CHAT, TEXT, alphabet, chat, client::Running, get, post, server_with};

const NARROW: engine::Options = engine::Options { max_batch: 1, max_queue: 1, prefill_chunk: 256 };

fn long_stream() -> String {
    chat("hi", json!({ "stream": true })).to_string()
}

/// Waits until the engine is as busy as said.
async fn until_busy(server: &Server, running: usize, waiting: usize) {
    let want = engine::Load { running, waiting };
    let began = Instant::now();
    while server.runner().engine.load() != want {
        assert!(began.elapsed().as_secs() < 20, "{:?}", server.runner().engine.load());
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_free_their_places() {
    // A step takes a while, so that nobody is done before leaving.
    let model = Stub::new(|token| {
        thread::sleep(Duration::from_micros(200));
        97 + (token + 8) % 26
    });
    let model = Stub { context: 1_000_000, ..model };
    let limits = engine::Options { max_batch: 8, max_queue: 200, prefill_chunk: 256 };
    let running = Running::start(server_with(model, limits, Options::default())).await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(running.open(CHAT, &long_stream()).await);
    }
    sleep(Duration::from_millis(200)).await;
    until_busy(&running.server, 8, 192).await;
    drop(clients);
    let began = Instant::now();
    let answer = running.post(TEXT, r#"{"prompt": "a", "max_tokens": 3}"#).await;
    assert!(answer.contains("\"text\":\"bcd\""), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    until_busy(&running.server, 0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_says_so_at_once() {
    let (model, gate) = Stub::gated(|_| END);
    let options = Options { queue_timeout: Duration::from_millis(50), ..Options::default() };
    let server = server_with(model, NARROW, options);
    let ask = |server: &Arc<Server>| {
        let server = Arc::clone(server);
        tokio::spawn(async move { post(&server, CHAT, chat("hi", json!({}))).await })
    };
    let first = ask(&server);
    until_busy(&server, 1, 0).await;
    let second = ask(&server);
    until_busy(&server, 1, 1).await;
    let third = post(&server, CHAT, chat("hi", json!({}))).await;
    assert_eq!(third.error(), (429, "queue_full".to_owned(), None));
    assert_eq!(third.header("retry-after"), Some("1"));
    let second = second.await.unwrap();
    assert_eq!(second.error(), (503, "queue_timeout".to_owned(), None));
    assert_eq!(second.header("retry-after"), Some("1"));
    gate.open_wide();
    first.await.unwrap().ok();
    post(&server, CHAT, chat("hi", json!({}))).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_server_finishes_what_it_has() {
    let (model, gate) = Stub::gated(|_| END);
    let mut running = Running::start(server_with(model, NARROW, Options::default())).await;
    let mut client = running.open(CHAT, &long_stream()).await;
    client.wait_for("assistant").await;
    running.stop();
    while !running.server.runner().engine.is_closed() {
        sleep(Duration::from_millis(1)).await;
    }
    let ready = get(&running.server, "/health/ready").await;
    assert_eq!(ready.error().0, 503);
    assert!(ready.header("retry-after").is_some());
    let late = post(&running.server, CHAT, chat("hi", json!({}))).await;
    assert_eq!(late.error(), (503, "shutting_down".to_owned(), None));
    gate.open_wide();
    assert!(client.finish().await.contains("data: [DONE]"));
    assert!(running.ended().await, "everything was finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_has_a_bound() {
    let model = Stub::new(|token| {
        thread::sleep(Duration::from_millis(1));
        97 + (token + 8) % 26
    });
    let model = Stub { context: 1_000_000, ..model };
    let options = Options { drain: Duration::from_millis(50), ..Options::default() };
    let mut running = Running::start(server_with(model, NARROW, options)).await;
    let mut client = running.open(CHAT, &long_stream()).await;
    client.wait_for("\"content\":\"").await;
    running.stop();
    let text = client.finish().await;
    assert!(text.contains("\"error\"") && text.contains("data: [DONE]"), "the client is told");
    assert!(!running.ended().await, "something was cut short");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_answers_are_the_serial_ones() {
    let limits = engine::Options { max_batch: 4, max_queue: 100, prefill_chunk: 8 };
    let server = server_with(alphabet(), limits, Options::default());
    let body = |i: usize| {
        let prompt = "xyzab"[i % 5..].repeat(1 + i);
        json!({ "prompt": prompt, "max_tokens": 5 + i, "temperature": 1, "seed": i })
    };
    let text = |answer: Value| answer["choices"][0]["text"].as_str().unwrap().to_owned();
    let mut serial = Vec::new();
    for i in 0..20 {
        serial.push(text(post(&server, TEXT, body(i)).await.ok()));
    }
    let tasks: Vec<_> = (0..20)
        .map(|i| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { post(&server, TEXT, body(i)).await.ok() })
        })
        .collect();
    for (task, want) in tasks.into_iter().zip(serial) {
        assert_eq!(text(task.await.unwrap()), want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_the_requests_of_its_step_only() {
    let running =
        Running::start(server_with(alphabet(), engine::Options::default(), Options::default()))
            .await;
    for _ in 0..3 {
        let poisoned = running.post(TEXT, &json!({ "prompt": [POISON] }).to_string()).await;
        assert!(poisoned.starts_with("HTTP/1.1 500"), "{poisoned}");
        let answer = running.post(TEXT, r#"{"prompt": "a", "max_tokens": 3}"#).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_answered_although_it_is_still_coming() {
    let options = Options { max_body: 1000, ..Options::default() };
    let running = Running::start(server_with(alphabet(), NARROW, options)).await;
    let answer = running.post(CHAT, &" ".repeat(3000)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
