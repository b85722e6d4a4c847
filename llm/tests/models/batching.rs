//! A sequence gets the same bits, however its tokens come and whoever else is in the batch.

use super::{ids, json, open, step};
use firesteel_llm::error::Error;
use firesteel_llm::models::{Model, Slice};

const FILES: [(&str, &str); 10] = [
    ("qwen3-tiny", "/qwen3-tiny.Q8_0.gguf"),
    ("qwen3-tiny", "/qwen3-tiny.Q6_K.gguf"),
    ("qwen3-tiny", "/qwen3-tiny.Q5_K_M.gguf"),
    ("qwen3-tiny", "/qwen3-tiny.Q4_K_M.gguf"),
    ("qwen3-tiny-tied", "/qwen3-tiny-tied.F16.gguf"),
    ("llama-tiny", ""),
    ("llama-tiny", "/llama-tiny.Q4_K_M.gguf"),
    ("qwen3moe-tiny", "/qwen3moe-tiny.Q6_K.gguf"),
    ("qwen3next-tiny", "/qwen3next-tiny.Q4_K_M.gguf"),
    ("qwen3_5-tiny", "/qwen3_5-tiny.Q4_K_M.gguf"),
];

/// The prompts of a model's golden data, some of them.
fn prompts(model: &str) -> Vec<Vec<u32>> {
    let golden = json(&format!("models/{model}/golden.json"));
    let prompts = golden["prompts"].as_array().unwrap();
    [0, 6, 8, 17, 23].iter().map(|index| ids(&prompts[*index]["token_ids"])).collect()
}

fn alone(model: &mut dyn Model, prompt: &[u32], next: u32) -> [Vec<f32>; 2] {
    let mut state = model.new_state();
    [step(model, &mut state, prompt), step(model, &mut state, &[next])]
}

#[test]
fn chunks_are_the_whole() {
    for (model, file) in FILES {
        let mut loaded = open(&format!("models/{model}{file}"));
        let model_ref = &mut *loaded.model;
        let prompt = &prompts(model)[4];
        let want = alone(model_ref, prompt, 7);
        for chunk in [1, 7, 64] {
            let mut state = model_ref.new_state();
            let mut logits = Vec::new();
            for tokens in prompt.chunks(chunk) {
                logits = step(model_ref, &mut state, tokens);
            }
            assert_eq!(logits, want[0], "{model}{file} in chunks of {chunk}");
            assert_eq!(step(model_ref, &mut state, &[7]), want[1], "{model}{file} {chunk}");
        }
    }
}

#[test]
fn a_batch_is_each_alone() {
    for (model, file) in FILES {
        let mut loaded = open(&format!("models/{model}{file}"));
        let model_ref = &mut *loaded.model;
        let prompts = prompts(model);
        let want: Vec<_> = prompts.iter().map(|it| alone(model_ref, it, 7)).collect();
        let mut states: Vec<_> = prompts.iter().map(|_| model_ref.new_state()).collect();
        for tokens in [prompts.clone(), vec![vec![7]; prompts.len()]].iter().zip(0..) {
            let (tokens, round) = tokens;
            let mut batch: Vec<_> = states
                .iter_mut()
                .zip(tokens)
                .map(|(state, tokens)| Slice { tokens, state, logits: true })
                .collect();
            let got = model_ref.forward(&mut batch).unwrap();
            for (got, want) in got.iter().zip(&want) {
                assert!(got == &want[round], "{model}{file}, round {round}");
            }
        }
    }
}

#[test]
fn only_the_slices_that_ask_get_logits() {
    let mut loaded = open("models/qwen3-tiny/qwen3-tiny.Q8_0.gguf");
    let model = &mut *loaded.model;
    let mut alone = model.new_state();
    let want = step(model, &mut alone, &[1, 2]);
    let (mut a, mut b) = (model.new_state(), model.new_state());
    let mut batch = [
        Slice { tokens: &[5, 6, 7], state: &mut a, logits: false },
        Slice { tokens: &[1, 2], state: &mut b, logits: true },
    ];
    assert_eq!(model.forward(&mut batch).unwrap(), [want]);
    assert_eq!((a.len(), b.len()), (3, 2));
}

#[test]
fn a_truncated_state_continues_as_if_nothing_had_followed() {
    let mut loaded = open("models/qwen3-tiny/qwen3-tiny.Q8_0.gguf");
    let model = &mut *loaded.model;
    let mut state = model.new_state();
    step(model, &mut state, &[1, 2, 3]);
    let want = step(model, &mut state, &[4]);
    step(model, &mut state, &[5, 6, 7, 8]);
    assert!(state.truncate(3));
    assert_eq!(step(model, &mut state, &[4]), want);
    assert!(state.bytes() > 0);
}

#[test]
fn a_recurrent_state_goes_back_to_its_beginning_only() {
    let mut loaded = open("models/qwen3_5-tiny/qwen3_5-tiny.Q4_K_M.gguf");
    let model = &mut *loaded.model;
    let mut state = model.new_state();
    let want = step(model, &mut state, &[1, 2, 3]);
    let mut whole = state.clone();
    assert!(!state.truncate(2));
    assert_eq!(step(model, &mut state, &[4]), step(model, &mut whole, &[4]));
    assert!(state.truncate(0));
    assert_eq!(step(model, &mut state, &[1, 2, 3]), want);
}

#[test]
fn mistakes_are_errors_and_leave_the_state_alone() {
    let mut loaded = open("models/qwen3-tiny/qwen3-tiny.Q8_0.gguf");
    let mut other = open("models/qwen3-tiny-tied/qwen3-tiny-tied.F16.gguf");
    let model = &mut *loaded.model;
    let mut state = model.new_state();
    step(model, &mut state, &[1, 2]);
    let mut run = |tokens: &[u32]| {
        model.forward(&mut [Slice { tokens, state: &mut state, logits: true }]).unwrap_err()
    };
    assert!(matches!(run(&[512]), Error::Token { vocab: 512, got: 512 }));
    assert!(matches!(run(&[]), Error::EmptySlice));
    assert!(matches!(run(&vec![0; 2047]), Error::Context { limit: 2048, got: 2049 }));
    assert_eq!(state.len(), 2);
    let mut batch = [Slice { tokens: &[1], state: &mut state, logits: true }];
    assert!(matches!(other.model.forward(&mut batch), Err(Error::ForeignState)));
}
