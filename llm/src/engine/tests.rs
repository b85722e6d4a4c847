//! The engine over a model whose next token follows from the last one.

use std::sync::{Arc, Mutex};

use super::{
    stub::{POISON, Stub},
    *,
};

fn job(prompt: &[u32], max_tokens: usize) -> Job {
    let params = sample::Params { temperature: 0.0, ..Default::default() };
    Job { prompt: prompt.to_vec(), params, max_tokens, stop_ids: vec![100] }
}

fn collect(mut handle: Handle) -> (Vec<u32>, Event) {
    let mut ids = Vec::new();
    loop {
        match handle.blocking_recv().unwrap() {
            Event::Started => {}
            Event::Token(choice) => ids.push(choice.id),
            end @ (Event::Done(_) | Event::Failed(_)) => return (ids, end),
        }
    }
}

fn options(max_batch: usize, max_queue: usize) -> Options {
    Options { max_batch, max_queue, prefill_chunk: 4 }
}

#[test]
fn answers_end_at_their_length_or_stop_token() {
    let engine = Engine::start(Box::new(Stub::new(|t| t + 1)), options(2, 2));
    let long = collect(engine.submit(job(&[5], 3)).unwrap());
    assert_eq!(long, (vec![6, 7, 8], Event::Done(FinishReason::Length)));
    let stopped = collect(engine.submit(job(&[97], 9)).unwrap());
    assert_eq!(stopped, (vec![98, 99], Event::Done(FinishReason::Stop)));
}

#[test]
fn the_context_ends_an_answer() {
    let model = Stub { context: 5, ..Stub::new(|t| t + 1) };
    let engine = Engine::start(Box::new(model), options(1, 1));
    let got = collect(engine.submit(job(&[1, 2, 3], 9)).unwrap());
    assert_eq!(got, (vec![4, 5], Event::Done(FinishReason::Length)));
    let rejected = engine.submit(job(&[1; 5], 9)).unwrap_err();
    assert_eq!(rejected, Rejected::TooLong { context: 5, got: 5 });
}

#[test]
fn prompts_are_read_in_chunks_while_others_decode() {
    let (model, gate) = Stub::gated(|t| t + 1);
    let log = Arc::new(Mutex::default());
    let model = Stub { log: Some(Arc::clone(&log)), ..model };
    let engine = Engine::start(Box::new(model), options(2, 0));
    let jobs = vec![job(&[1], 4), job(&[9; 10], 1)];
    let handles = engine.submit_all(jobs).unwrap();
    gate.open(100);
    let ids: Vec<_> = handles.into_iter().map(|it| collect(it).0).collect();
    assert_eq!(ids, [vec![2, 3, 4, 5], vec![10]]);
    let log: Vec<Vec<usize>> = log.lock().unwrap().clone();
    assert_eq!(log, [vec![1, 4], vec![1, 4], vec![1, 2], vec![1]]);
}

#[test]
fn requests_join_between_steps() {
    let (model, gate) = Stub::gated(|t| t + 1);
    let log = Arc::new(Mutex::default());
    let model = Stub { log: Some(Arc::clone(&log)), ..model };
    let engine = Engine::start(Box::new(model), options(2, 0));
    let mut first = engine.submit(job(&[1], 3)).unwrap();
    gate.open(1);
    assert_eq!(first.blocking_recv(), Some(Event::Started));
    assert!(matches!(first.blocking_recv(), Some(Event::Token(_))));
    let second = engine.submit(job(&[50], 2)).unwrap();
    gate.open(100);
    assert_eq!(collect(second).0, [51, 52]);
    assert_eq!(collect(first).0, [3, 4]);
    let log: Vec<Vec<usize>> = log.lock().unwrap().clone();
    assert!(log.contains(&vec![1, 1]), "they shared a step");
}

#[test]
fn a_dropped_handle_frees_its_place_within_one_step() {
    let (model, gate) = Stub::gated(|_| 1);
    let engine = Engine::start(Box::new(model), options(1, 1));
    let mut first = engine.submit(job(&[1], 900)).unwrap();
    assert_eq!(first.blocking_recv(), Some(Event::Started));
    let mut second = engine.submit(job(&[2], 1)).unwrap();
    drop(first);
    gate.open(1); // The step that was under way.
    assert_eq!(second.blocking_recv(), Some(Event::Started));
}

#[test]
fn a_full_queue_rejects_and_a_dropped_waiter_makes_room() {
    let (model, gate) = Stub::gated(|_| 1);
    let engine = Engine::start(Box::new(model), options(1, 1));
    let mut first = engine.submit(job(&[1], 1)).unwrap();
    assert_eq!(first.blocking_recv(), Some(Event::Started));
    let second = engine.submit(job(&[1], 1)).unwrap();
    let full = engine.submit(job(&[1], 1)).unwrap_err();
    assert_eq!(full, Rejected::Full { running: 1, waiting: 1 });
    drop(second);
    let third = engine.submit(job(&[1], 1)).unwrap();
    gate.open(2);
    assert_eq!(collect(third).0, [1]);
}

#[test]
fn a_panic_fails_the_step_and_the_engine_lives_on() {
    let engine = Engine::start(Box::new(Stub::new(|t| t + 1)), options(2, 2));
    let (ids, end) = collect(engine.submit(job(&[POISON], 3)).unwrap());
    assert!(ids.is_empty());
    assert_eq!(end, Event::Failed("the model panicked: poisoned".to_owned()));
    assert_eq!(collect(engine.submit(job(&[5], 1)).unwrap()).0, [6]);
}

#[test]
fn concurrent_output_equals_serial_output() {
    let next = |t: u32| (t * 7 + 3) % 90;
    let engine = Engine::start(Box::new(Stub::new(next)), options(3, 99));
    let jobs: Vec<Job> = (0..20).map(|i| job(&vec![i; 1 + i as usize], 5)).collect();
    let serial: Vec<_> =
        jobs.iter().map(|it| collect(engine.submit(it.clone()).unwrap())).collect();
    let together: Vec<_> = engine.submit_all(jobs).unwrap().into_iter().map(collect).collect();
    assert_eq!(together, serial);
}

#[test]
fn draining_finishes_what_runs_and_takes_nothing_more() {
    let (model, gate) = Stub::gated(|_| 1);
    let engine = Engine::start(Box::new(model), options(1, 1));
    let handle = engine.submit(job(&[1], 3)).unwrap();
    assert!(!engine.drain(Duration::from_millis(1)), "the gate is closed");
    assert_eq!(engine.submit(job(&[1], 3)).unwrap_err(), Rejected::Draining);
    gate.open(3);
    assert!(engine.drain(Duration::from_secs(60)));
    assert_eq!(collect(handle).0, [1, 1, 1]);
}

#[test]
fn foreign_tokens_are_rejected() {
    let engine = Engine::start(Box::new(Stub::new(|t| t)), options(1, 1));
    assert_eq!(engine.submit(job(&[], 1)).unwrap_err(), Rejected::EmptyPrompt);
    let got = engine.submit(job(&[300], 1)).unwrap_err();
    assert_eq!(got, Rejected::Token { vocab: 300, got: 300 });
}
