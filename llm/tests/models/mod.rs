//! Models against the golden data of `tests/golden`, whose `README.md` states the tolerances.

mod batching;
mod goldens;
mod mutations;
mod oracles;
mod random;
mod story;

use firesteel_llm::load::{Loaded, load};
use firesteel_llm::models::{Model, Slice};
use firesteel_llm::state::State;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(path)
}

pub(crate) fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden(path)).unwrap()).unwrap()
}

pub(crate) fn open(path: &str) -> Loaded {
    load(&golden(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A folder of safetensors, unpacked where it is stored packed.
pub(crate) fn open_folder(model: &str) -> Loaded {
    let stored = golden(&format!("models/{model}"));
    let Ok(packed) = std::fs::File::open(stored.join("model.safetensors.gz")) else {
        return open(&format!("models/{model}"));
    };
    // Of its own for each caller: tests run side by side.
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("{model}-{}-{call}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
    {
        std::fs::copy(stored.join(file), folder.join(file)).unwrap();
    }
    let mut unpacked = std::fs::File::create(folder.join("model.safetensors")).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut unpacked).unwrap();
    let loaded = load(&folder).unwrap_or_else(|error| panic!("{model}: {error}"));
    std::fs::remove_dir_all(&folder).unwrap();
    loaded
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
