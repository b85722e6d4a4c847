//! Logits and greedy tokens of tiny models, against transformers and llama.cpp.

use super::{difference, golden, greedy, ids, json, open, open_folder};
use firesteel_llm::weights::Weights;
use firesteel_llm::weights::safetensors::Safetensors;

/// 8-bit activations against the same weights widened to `f32`.
const QUANTISED: f32 = 0.4;
/// The same weights in `f32` arithmetic.
const WIDENED: f32 = 5e-4;
/// Unquantised weights.
const UNQUANTISED: f32 = 2e-4;

/// One GGUF file: logits of every prompt, greedy tokens of those with clear margins.
fn gguf(model: &str, format: &str, tolerance: f32) {
    let mut loaded = open(&format!("models/{model}/{model}.{format}.gguf"));
    let golden_file = json(&format!("models/{model}/golden.json"));
    assert_eq!(loaded.description.quantisation, format);
    let mut stops = ids(&golden_file["eos_token_ids"]);
    stops.sort_unstable();
    assert_eq!(loaded.stop_ids, stops);
    let mut logits = Safetensors::open(&golden(&format!("models/{model}"))).unwrap();
    let (mut worst, mut compared) = (0.0_f32, 0);
    for (index, prompt) in golden_file["prompts"].as_array().unwrap().iter().enumerate() {
        let want = ids(&prompt["greedy_ids_to_stop"]);
        let tokens = ids(&prompt["token_ids"]);
        let (got_logits, got) = greedy(&mut *loaded.model, &tokens, want.len());
        let name = format!("{format}.p{index}.dequantised");
        if logits.has(&name) {
            let want = logits.vector(&name, loaded.model.vocab()).unwrap();
            worst = worst.max(difference(&got_logits, &want));
            compared += 1;
        }
        if prompt["greedy_robust"] == true {
            assert_eq!(got, want, "prompt {index}");
        }
    }
    println!("{model} {format}: {compared} prompts within {worst}");
    assert!(compared > 0 && worst <= tolerance, "{compared} compared, worst {worst}");
}

/// A folder of safetensors: logits and 24 greedy tokens of every prompt.
fn folder(model: &str) {
    let mut loaded = open_folder(model);
    let golden_file = json(&format!("models/{model}/golden.json"));
    assert_eq!(loaded.stop_ids, ids(&golden_file["eos_token_ids"]));
    let mut logits = Safetensors::open(&golden(&format!("models/{model}"))).unwrap();
    let mut worst = 0.0_f32;
    for (index, prompt) in golden_file["prompts"].as_array().unwrap().iter().enumerate() {
        let want = ids(&prompt["greedy_ids"]);
        let tokens = ids(&prompt["token_ids"]);
        let (got_logits, got) = greedy(&mut *loaded.model, &tokens, want.len());
        assert_eq!(got, want, "prompt {index}");
        let want = logits.vector(&format!("p{index}.last_logits"), loaded.model.vocab());
        worst = worst.max(difference(&got_logits, &want.unwrap()));
    }
    println!("{model}: within {worst}");
    assert!(worst <= UNQUANTISED, "worst {worst}");
}

#[test]
fn qwen3_q8_0() {
    gguf("qwen3-tiny", "Q8_0", QUANTISED);
}

#[test]
fn qwen3_q6_k() {
    gguf("qwen3-tiny", "Q6_K", QUANTISED);
}

#[test]
fn qwen3_q5_k_m() {
    gguf("qwen3-tiny", "Q5_K_M", QUANTISED);
}

#[test]
fn qwen3_q4_k_m() {
    gguf("qwen3-tiny", "Q4_K_M", QUANTISED);
}

#[test]
fn qwen3_safetensors() {
    folder("qwen3-tiny");
}

#[test]
fn qwen3_tied_f16() {
    gguf("qwen3-tiny-tied", "F16", WIDENED);
}

#[test]
fn llama_q4_k_m() {
    gguf("llama-tiny", "Q4_K_M", QUANTISED);
}

#[test]
fn llama_safetensors() {
    folder("llama-tiny");
}

#[test]
fn qwen3_moe_q6_k() {
    gguf("qwen3moe-tiny", "Q6_K", QUANTISED);
}

#[test]
fn qwen3_moe_safetensors() {
    folder("qwen3moe-tiny");
}

#[test]
fn qwen3_next_q4_k_m() {
    gguf("qwen3next-tiny", "Q4_K_M", QUANTISED);
}

#[test]
fn qwen3_next_safetensors() {
    folder("qwen3next-tiny");
}

#[test]
fn qwen3_5_q4_k_m() {
    gguf("qwen3_5-tiny", "Q4_K_M", QUANTISED);
}

#[test]
fn qwen3_5_safetensors() {
    folder("qwen3_5-tiny");
}
