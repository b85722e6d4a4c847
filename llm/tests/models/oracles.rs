//! Random models against candle's own, which share the quantised products with ours and nothing
//! else. An oracle is made afresh for each sequence: some keep their cache.

use super::random::{self, Kind, Shape};
use super::{best, difference, step};
use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models as candle;
use firesteel_llm::load::{Loaded, load};
use serde_json::json;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const SHAPE: Shape = Shape {
    layers: 2,
    hidden: 256,
    inner: 512,
    heads: 4,
    kv: 2,
    width: 64,
    vocab: 320,
    context: 128,
    theta: 10_000.0,
};
pub(crate) const LLAMA: Kind =
    Kind { name: "llama", head_norms: false, bias: false, experts: None, tied: false };
const QWEN2: Kind = Kind { name: "qwen2", bias: true, tied: true, ..LLAMA };
const QWEN3: Kind = Kind { name: "qwen3", head_norms: true, ..LLAMA };
const QWEN3_MOE: Kind =
    Kind { name: "qwen3moe", head_norms: true, experts: Some((8, 2, 256)), ..LLAMA };

/// The same products in `f32`, other orders of the sums.
const UNQUANTISED: f32 = 2e-4;
/// A sum that differs in its last bit may round an activation to the next of its 255 steps.
const QUANTISED: f32 = 0.15;

/// A prompt, a second chunk of it, and tokens one by one.
const SEQUENCE: [&[u32]; 5] =
    [&[17, 300, 4, 4, 99, 256, 31, 8, 9, 10, 11, 12], &[77, 1, 140, 9, 2], &[5], &[319], &[0]];

type Oracle = Box<dyn FnMut(&Tensor, usize) -> candle_core::Result<Tensor>>;

/// Logits after each piece of the sequence, ours and the oracle's.
fn compare(what: &str, mut loaded: Loaded, mut oracle: Oracle, tolerance: f32) {
    let mut state = loaded.model.new_state();
    let mut worst = 0.0_f32;
    for tokens in SEQUENCE {
        let input = Tensor::new(tokens, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let want = oracle(&input, state.len()).unwrap().flatten_all().unwrap();
        let want: Vec<f32> = want.to_dtype(DType::F32).unwrap().to_vec1().unwrap();
        let got = step(&mut *loaded.model, &mut state, tokens);
        worst = worst.max(difference(&got, &want));
        let largest = want.iter().copied().fold(f32::MIN, f32::max);
        // What the two choose may differ where it is a tie.
        assert!(largest - want[best(&got) as usize] <= tolerance, "{what}: other choice");
    }
    println!("{what}: within {worst}");
    assert!(worst <= tolerance, "{what}: {worst}");
}

/// A path of its own for each call.
pub(crate) fn scratch() -> PathBuf {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let name = format!("oracle-{}-{call}", std::process::id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn load_bytes(bytes: &[u8]) -> Loaded {
    let path = scratch();
    std::fs::write(&path, bytes).unwrap();
    let loaded = load(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    loaded
}

fn content(bytes: &[u8]) -> (gguf_file::Content, Cursor<Vec<u8>>) {
    let mut file = Cursor::new(bytes.to_vec());
    (gguf_file::Content::read(&mut file).unwrap(), file)
}

/// The oracle of a GGUF file.
fn quantised(kind: &Kind, bytes: &[u8]) -> Oracle {
    let (content, mut file) = content(bytes);
    let (file, cpu) = (&mut file, &Device::Cpu);
    match kind.name {
        "llama" => {
            let it = candle::quantized_llama::ModelWeights::from_gguf(content, file, cpu);
            let mut it = it.unwrap();
            Box::new(move |tokens, at| it.forward(tokens, at))
        }
        "qwen2" => {
            let it = candle::quantized_qwen2::ModelWeights::from_gguf(content, file, cpu);
            let mut it = it.unwrap();
            Box::new(move |tokens, at| it.forward(tokens, at))
        }
        "qwen3" => {
            let it = candle::quantized_qwen3::ModelWeights::from_gguf(content, file, cpu);
            let mut it = it.unwrap();
            Box::new(move |tokens, at| it.forward(tokens, at))
        }
        other => unreachable!("no oracle for {other}"),
    }
}

fn gguf(kind: &Kind, formats: &[GgmlDType]) {
    let weights = random::weights(&SHAPE, kind, 1);
    for format in formats {
        let bytes = random::gguf(&SHAPE, kind, &weights, *format);
        let what = format!("{} {format:?}", kind.name);
        let tolerance = match format {
            GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 => UNQUANTISED,
            _ => QUANTISED,
        };
        compare(&what, load_bytes(&bytes), quantised(kind, &bytes), tolerance);
    }
}

#[test]
fn qwen3_gguf_of_every_format_is_candles() {
    gguf(
        &QWEN3,
        &[
            GgmlDType::F32,
            GgmlDType::F16,
            GgmlDType::BF16,
            GgmlDType::Q4_0,
            GgmlDType::Q4_1,
            GgmlDType::Q5_0,
            GgmlDType::Q5_1,
            GgmlDType::Q8_0,
            GgmlDType::Q2K,
            GgmlDType::Q3K,
            GgmlDType::Q4K,
            GgmlDType::Q5K,
            GgmlDType::Q6K,
        ],
    );
}

#[test]
fn llama_gguf_is_candles() {
    gguf(&LLAMA, &[GgmlDType::F32, GgmlDType::Q8_0, GgmlDType::Q4K]);
}

#[test]
fn qwen2_gguf_is_candles() {
    gguf(&QWEN2, &[GgmlDType::F32, GgmlDType::Q8_0, GgmlDType::Q6K]);
}

/// What the configurations of all models say.
pub(crate) fn config(kind: &Kind) -> serde_json::Value {
    json!({
        "num_hidden_layers": SHAPE.layers,
        "hidden_size": SHAPE.hidden,
        "intermediate_size": SHAPE.inner,
        "num_attention_heads": SHAPE.heads,
        "num_key_value_heads": SHAPE.kv,
        "head_dim": SHAPE.width,
        "vocab_size": SHAPE.vocab,
        "max_position_embeddings": SHAPE.context,
        "rms_norm_eps": 1e-6,
        "rope_theta": SHAPE.theta,
        "tie_word_embeddings": kind.tied,
        "hidden_act": "silu",
        "attention_bias": false,
        "use_sliding_window": false,
        "max_window_layers": SHAPE.layers,
    })
}

/// A checkpoint with what `more` says, against the oracle that `make` makes.
fn folder(
    kind: &Kind,
    model_type: &str,
    more: serde_json::Value,
    make: impl FnOnce(serde_json::Value, VarBuilder<'static>) -> Oracle,
) {
    let weights = random::weights(&SHAPE, kind, 2);
    let mut config = config(kind);
    config["model_type"] = model_type.into();
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    let path = scratch();
    random::folder(&path, &config, &weights, DType::F32);
    let loaded = load(&path).unwrap();
    std::fs::remove_dir_all(path).unwrap();
    let tensors = random::tensors(&weights);
    let oracle = make(config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu));
    compare(model_type, loaded, oracle, UNQUANTISED);
}

fn llama(config: serde_json::Value, weights: VarBuilder<'static>) -> Oracle {
    let config: candle::llama::LlamaConfig = serde_json::from_value(config).unwrap();
    let config = config.into_config(false);
    let mut cache = candle::llama::Cache::new(true, DType::F32, &config, &Device::Cpu).unwrap();
    let it = candle::llama::Llama::load(weights, &config).unwrap();
    Box::new(move |tokens, at| it.forward(tokens, at, &mut cache))
}

#[test]
fn llama_safetensors_are_candles() {
    folder(&LLAMA, "llama", json!({}), llama);
    let scaling = json!({
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    });
    folder(&LLAMA, "llama", json!({ "rope_scaling": scaling }), llama);
}

#[test]
fn mistral_safetensors_are_candles() {
    folder(&LLAMA, "mistral", json!({ "sliding_window": null }), |mut config, weights| {
        config["use_flash_attn"] = false.into();
        let config: candle::mistral::Config = serde_json::from_value(config).unwrap();
        let mut it = candle::mistral::Model::new(&config, weights).unwrap();
        Box::new(move |tokens, at| it.forward(tokens, at))
    });
}

/// candle's window is one longer than transformers', so this is the oracle: through one layer,
/// and with positions that only count relative to each other, a token within a window is the
/// last of a text of that length.
#[test]
fn a_window_is_what_its_tokens_are_alone() {
    let (shape, path) = (Shape { layers: 1, ..SHAPE }, scratch());
    let mut config = config(&LLAMA);
    config["num_hidden_layers"] = 1.into();
    config["model_type"] = "mistral".into();
    config["sliding_window"] = 7.into();
    random::folder(&path, &config, &random::weights(&shape, &LLAMA, 3), DType::F32);
    let mut model = load(&path).unwrap().model;
    std::fs::remove_dir_all(path).unwrap();
    let (mut long, mut short) = (model.new_state(), model.new_state());
    step(&mut *model, &mut long, &SEQUENCE[0][..2]);
    let got = step(&mut *model, &mut long, &SEQUENCE[0][2..]);
    let want = step(&mut *model, &mut short, &SEQUENCE[0][5..]);
    assert!(difference(&got, &want) <= UNQUANTISED);
    let mut longer = model.new_state();
    let other = step(&mut *model, &mut longer, &SEQUENCE[0][6..]);
    assert!(difference(&got, &other) > UNQUANTISED);
}

#[test]
fn qwen2_safetensors_are_candles() {
    folder(&QWEN2, "qwen2", json!({}), |mut config, weights| {
        config["sliding_window"] = SHAPE.context.into();
        let config: candle::qwen2::Config = serde_json::from_value(config).unwrap();
        let mut it = candle::qwen2::ModelForCausalLM::new(&config, weights).unwrap();
        Box::new(move |tokens, at| it.forward(tokens, at))
    });
}

#[test]
fn qwen3_safetensors_are_candles() {
    folder(&QWEN3, "qwen3", json!({}), |config, weights| {
        let config: candle::qwen3::Config = serde_json::from_value(config).unwrap();
        let mut it = candle::qwen3::ModelForCausalLM::new(&config, weights).unwrap();
        Box::new(move |tokens, at| it.forward(tokens, at))
    });
}

#[test]
fn qwen3_moe_safetensors_are_candles() {
    for normalise in [true, false] {
        let more = json!({
            "num_experts": 8,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 256,
            "norm_topk_prob": normalise,
            "decoder_sparse_step": 1,
        });
        folder(&QWEN3_MOE, "qwen3_moe", more, |config, weights| {
            let config: candle::qwen3_moe::Config = serde_json::from_value(config).unwrap();
            let mut it = candle::qwen3_moe::ModelForCausalLM::new(&config, weights).unwrap();
            Box::new(move |tokens, at| it.forward(tokens, at))
        });
    }
}
