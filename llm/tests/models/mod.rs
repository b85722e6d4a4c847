//! Models against the golden data of `tests/golden`, whose `README.md` states the tolerances.

mod batching;
mod goldens;
mod mutations;
mod story;

use firesteel_llm::load::{Loaded, load};
use firesteel_llm::models::{Model, Slice};
use firesteel_llm::state::State;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(crate) fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(path)
}

pub(crate) fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden(path)).unwrap()).unwrap()
}

pub(crate) fn open(path: &str) -> Loaded {
    load(&golden(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Token ids of a JSON array.
pub(crate) fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Appends tokens to a sequence: the logits after the last.
pub(crate) fn step(model: &mut dyn Model, state: &mut State, tokens: &[u32]) -> Vec<f32> {
    model.forward(&mut [Slice { tokens, state, logits: true }]).unwrap().remove(0)
}

/// The best token; of equals the first.
pub(crate) fn best(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    best as u32
}

/// The largest difference of two rows of logits.
pub(crate) fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Continues a prompt by `count` tokens: the logits after the prompt, and the tokens.
pub(crate) fn greedy(model: &mut dyn Model, prompt: &[u32], count: usize) -> (Vec<f32>, Vec<u32>) {
    let mut state = model.new_state();
    let first = step(model, &mut state, prompt);
    let mut tokens = vec![best(&first)];
    while tokens.len() < count {
        tokens.push(best(&step(model, &mut state, &tokens[tokens.len() - 1..])));
    }
    (first, tokens)
}
