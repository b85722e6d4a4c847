//! Models of random weights, written as GGUF files and as folders of safetensors.

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;

/// The dimensions of a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) layers: usize,
    pub(crate) hidden: usize,
    pub(crate) inner: usize,
    pub(crate) heads: usize,
    pub(crate) kv: usize,
    pub(crate) width: usize,
    pub(crate) vocab: usize,
    pub(crate) context: usize,
    pub(crate) theta: f32,
}

/// What sets an architecture apart, by its name in GGUF.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) head_norms: bool,
    pub(crate) bias: bool,
    /// Experts, those used, and their size.
    pub(crate) experts: Option<(usize, usize, usize)>,
    pub(crate) tied: bool,
}

/// A name in GGUF, one on the hub, and the numbers.
pub(crate) struct Weight {
    gguf: String,
    hub: String,
    shape: Vec<usize>,
    numbers: Vec<f32>,
}

/// Numbers that look random and are the same everywhere.
struct Numbers(u32);

impl Numbers {
    /// From -1 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Collects the weights of a model.
struct Writer {
    numbers: Numbers,
    weights: Vec<Weight>,
}

impl Writer {
    fn add(&mut self, gguf: String, hub: String, shape: &[usize], mean: f32, spread: f32) {
        let count = shape.iter().product();
        let numbers = (0..count).map(|_| mean + spread * self.numbers.next()).collect();
        self.weights.push(Weight { gguf, hub, shape: shape.to_vec(), numbers });
    }

    /// A matrix that keeps the size of what it multiplies.
    fn matrix(&mut self, gguf: String, hub: String, outputs: usize, inputs: usize) {
        self.add(gguf, hub, &[outputs, inputs], 0.0, (3.0 / inputs as f32).sqrt());
    }

    fn layer(&mut self, shape: &Shape, kind: &Kind, layer: usize) {
        let names = |gguf: &str, hub: &str| {
            let kind = if gguf.contains('.') { "" } else { ".weight" };
            let hub = format!("model.layers.{layer}.{hub}{kind}");
            (format!("blk.{layer}.{gguf}{kind}"), hub)
        };
        let &Shape { hidden, inner, heads, kv, width, .. } = shape;
        for (gguf, hub, size) in [
            ("attn_norm", "input_layernorm", hidden),
            ("ffn_norm", "post_attention_layernorm", hidden),
            ("attn_q_norm", "self_attn.q_norm", width),
            ("attn_k_norm", "self_attn.k_norm", width),
        ] {
            if kind.head_norms || size == hidden {
                let (gguf, hub) = names(gguf, hub);
                self.add(gguf, hub, &[size], 1.0, 0.3);
            }
        }
        for (gguf, hub, outputs, inputs) in [
            ("attn_q", "self_attn.q_proj", heads * width, hidden),
            ("attn_k", "self_attn.k_proj", kv * width, hidden),
            ("attn_v", "self_attn.v_proj", kv * width, hidden),
            ("attn_output", "self_attn.o_proj", hidden, heads * width),
            ("ffn_gate", "mlp.gate_proj", inner, hidden),
            ("ffn_up", "mlp.up_proj", inner, hidden),
            ("ffn_down", "mlp.down_proj", hidden, inner),
        ] {
            if kind.experts.is_some() && gguf.starts_with("ffn") {
                continue;
            }
            let (gguf_name, hub_name) = names(gguf, hub);
            self.matrix(gguf_name, hub_name, outputs, inputs);
            if kind.bias && ["attn_q", "attn_k", "attn_v"].contains(&gguf) {
                let (gguf, hub) = names(&format!("{gguf}.bias"), &format!("{hub}.bias"));
                self.add(gguf, hub, &[outputs], 0.0, 0.5);
            }
        }
        if let Some((count, _, inner)) = kind.experts {
            let (gguf, hub) = names("ffn_gate_inp", "mlp.gate");
            self.matrix(gguf, hub, count, hidden);
            for (part, outputs, inputs) in
                [("gate", inner, hidden), ("up", inner, hidden), ("down", hidden, inner)]
            {
                for expert in 0..count {
                    let hub = format!("mlp.experts.{expert}.{part}_proj");
                    let (gguf, hub) = names(&format!("ffn_{part}_exps"), &hub);
                    self.matrix(gguf, hub, outputs, inputs);
                }
            }
        }
    }
}

/// The weights of a random model.
pub(crate) fn weights(shape: &Shape, kind: &Kind, seed: u32) -> Vec<Weight> {
    let mut all = Writer { numbers: Numbers(seed), weights: Vec::new() };
    let &Shape { hidden, vocab, .. } = shape;
    let name = |gguf: &str, hub: &str| (format!("{gguf}.weight"), format!("{hub}.weight"));
    let (gguf, hub) = name("token_embd", "model.embed_tokens");
    all.add(gguf, hub, &[vocab, hidden], 0.0, 0.1);
    for layer in 0..shape.layers {
        all.layer(shape, kind, layer);
    }
    let (gguf, hub) = name("output_norm", "model.norm");
    all.add(gguf, hub, &[hidden], 1.0, 0.3);
    if !kind.tied {
        let (gguf, hub) = name("output", "lm_head");
        all.matrix(gguf, hub, vocab, hidden);
    }
    all.weights
}

fn metadata(shape: &Shape, kind: &Kind) -> HashMap<String, Value> {
    let size = |value: usize| Value::U32(value as u32);
    let keys = [
        ("block_count", size(shape.layers)),
        ("context_length", size(shape.context)),
        ("embedding_length", size(shape.hidden)),
        ("feed_forward_length", size(shape.inner)),
        ("attention.head_count", size(shape.heads)),
        ("attention.head_count_kv", size(shape.kv)),
        ("attention.key_length", size(shape.width)),
        ("attention.value_length", size(shape.width)),
        ("rope.dimension_count", size(shape.width)),
        ("rope.freq_base", Value::F32(shape.theta)),
        ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
    ];
    let mut all: HashMap<String, Value> =
        keys.into_iter().map(|(key, value)| (format!("{}.{key}", kind.name), value)).collect();
    let text = |value: &str| Value::String(value.to_owned());
    all.insert("general.architecture".to_owned(), text(kind.name));
    // candle's Qwen3 keeps its cache in this type.
    all.insert("general.dtype".to_owned(), Value::U32(0));
    all.insert("tokenizer.ggml.model".to_owned(), text("gpt2"));
    all
}

/// The bytes of a GGUF file whose matrices are in one format.
pub(crate) fn gguf(shape: &Shape, kind: &Kind, weights: &[Weight], format: GgmlDType) -> Vec<u8> {
    let tensors: Vec<(&str, QTensor)> = weights
        .iter()
        .map(|it| {
            let format = if it.shape.len() == 1 { GgmlDType::F32 } else { format };
            let tensor = Tensor::from_slice(&it.numbers, it.shape.as_slice(), &Device::Cpu);
            (it.gguf.as_str(), QTensor::quantize(&tensor.unwrap(), format).unwrap())
        })
        .collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let metadata = metadata(shape, kind);
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let mut file = Cursor::new(Vec::new());
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    file.into_inner()
}

/// The weights by their names on the hub, `f32`.
pub(crate) fn tensors(weights: &[Weight]) -> HashMap<String, Tensor> {
    let tensor =
        |it: &Weight| Tensor::from_slice(&it.numbers, it.shape.as_slice(), &Device::Cpu).unwrap();
    weights.iter().map(|it| (it.hub.clone(), tensor(it))).collect()
}

/// Writes a checkpoint as the hub has them, its weights in `dtype` and in two files.
pub(crate) fn folder(path: &Path, config: &serde_json::Value, weights: &[Weight], dtype: DType) {
    std::fs::create_dir_all(path).unwrap();
    std::fs::write(path.join("config.json"), config.to_string()).unwrap();
    std::fs::write(path.join("tokenizer.json"), "{}").unwrap();
    let (a, b) = weights.split_at(weights.len() / 2);
    for (name, part) in [("model-1-of-2", a), ("model-2-of-2", b)] {
        let tensors = tensors(part).into_iter();
        let tensors: HashMap<_, _> =
            tensors.map(|(name, it)| (name, it.to_dtype(dtype).unwrap())).collect();
        let file = path.join(format!("{name}.safetensors"));
        candle_core::safetensors::save(&tensors, file).unwrap();
    }
}
