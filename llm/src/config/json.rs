//! Configurations from a hub checkpoint's `config.json`.

use super::{Config, Delta, Experts, RopeConfig};
use crate::error::{Error, Result};
use crate::models::layers::attention::Heads;
use crate::models::layers::delta_net::{DeltaHeads, HeadOrder};
use crate::models::layers::rope::{Pairs, Scaling};
use crate::models::{Architecture, Window};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// The fields that are read; their meaning is that of transformers' configuration classes.
#[derive(Debug, Deserialize)]
struct Raw {
    num_hidden_layers: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<Rope>,
    rope_parameters: Option<Rope>,
    partial_rotary_factor: Option<f64>,
    sliding_window: Option<usize>,
    #[serde(default)]
    use_sliding_window: Option<bool>,
    #[serde(default)]
    tie_word_embeddings: bool,
    num_experts: Option<usize>,
    num_experts_per_tok: Option<usize>,
    moe_intermediate_size: Option<usize>,
    norm_topk_prob: Option<bool>,
    #[serde(default)]
    mlp_only_layers: Vec<usize>,
    decoder_sparse_step: Option<usize>,
    shared_expert_intermediate_size: Option<usize>,
    hidden_act: Option<String>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    layer_types: Option<Vec<String>>,
    full_attention_interval: Option<usize>,
    linear_num_key_heads: Option<usize>,
    linear_num_value_heads: Option<usize>,
    linear_key_head_dim: Option<usize>,
    linear_value_head_dim: Option<usize>,
    linear_conv_kernel_dim: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Rope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    attention_factor: Option<f64>,
    partial_rotary_factor: Option<f64>,
}

/// The configuration in the text of a `config.json`.
pub(crate) fn from_json(path: &Path, text: &str) -> Result<Config> {
    let json = |source| Error::Json { path: path.to_owned(), source };
    let value: Value = serde_json::from_str(text).map_err(json)?;
    // The architecture first: another one may lack fields, and that is not the news.
    let name = value.get("model_type").and_then(Value::as_str).unwrap_or("unnamed");
    let architecture = Architecture::from_hub(name)?;
    let raw: Raw = serde_json::from_value(of_text(value)).map_err(json)?;
    let query = raw.num_attention_heads;
    let width = raw.head_dim.unwrap_or(raw.hidden_size.checked_div(query).unwrap_or(0));
    let act = raw.hidden_act.as_deref().unwrap_or("silu");
    super::demand(act == "silu", "hidden_act", "`silu`", act)?;
    super::demand(!raw.attention_bias, "attention_bias", "false", raw.attention_bias)?;
    super::demand(!raw.mlp_bias, "mlp_bias", "false", raw.mlp_bias)?;
    let hybrid = architecture.is_hybrid();
    Config {
        architecture,
        layers: raw.num_hidden_layers,
        hidden: raw.hidden_size,
        intermediate: raw.intermediate_size,
        heads: Heads { query, kv: raw.num_key_value_heads.unwrap_or(query), width },
        vocab: raw.vocab_size,
        context: raw.max_position_embeddings,
        epsilon: raw.rms_norm_eps as f32,
        rope: rope(&raw, width, if hybrid { 0.25 } else { 1.0 })?,
        window: window(&raw, architecture)?,
        delta: if hybrid { Some(delta(&raw)?) } else { None },
        norm_offset: if hybrid { 1.0 } else { 0.0 },
        experts: experts(&raw, architecture)?,
        tied: raw.tie_word_embeddings,
    }
    .checked()
}

/// The part for the decoder: checkpoints that also see nest it.
fn of_text(mut value: Value) -> Value {
    let tied = value.get("tie_word_embeddings").cloned();
    let Some(Value::Object(mut text)) = value.get_mut("text_config").map(Value::take) else {
        return value;
    };
    if let Some(tied) = tied {
        text.entry("tie_word_embeddings").or_insert(tied);
    }
    Value::Object(text)
}

fn missing(key: &str) -> Error {
    Error::Missing { what: format!("key `{key}` in `config.json`") }
}

fn delta(raw: &Raw) -> Result<Delta> {
    let size = |value: Option<usize>, key| value.ok_or_else(|| missing(key));
    let layers = match &raw.layer_types {
        Some(kinds) => kinds.iter().map(|kind| is_linear(kind)).collect::<Result<_>>()?,
        // Before the check of sizes, so bounded here.
        None => super::recurrent(
            raw.num_hidden_layers.min(super::MOST_LAYERS),
            raw.full_attention_interval.unwrap_or(4),
        ),
    };
    let heads = DeltaHeads {
        key: size(raw.linear_num_key_heads, "linear_num_key_heads")?,
        value: size(raw.linear_num_value_heads, "linear_num_value_heads")?,
        key_width: size(raw.linear_key_head_dim, "linear_key_head_dim")?,
        value_width: size(raw.linear_value_head_dim, "linear_value_head_dim")?,
        taps: size(raw.linear_conv_kernel_dim, "linear_conv_kernel_dim")?,
        order: HeadOrder::Grouped,
    };
    Ok(Delta { layers, heads })
}

fn is_linear(kind: &str) -> Result<bool> {
    let known = ["linear_attention", "full_attention"].contains(&kind);
    super::demand(known, "layer_types", "`linear_attention` or `full_attention`", kind)?;
    Ok(kind == "linear_attention")
}

fn rope(raw: &Raw, width: usize, part: f64) -> Result<RopeConfig> {
    let parameters = raw.rope_scaling.clone().or_else(|| raw.rope_parameters.clone());
    let parameters = parameters.unwrap_or_default();
    let theta = raw.rope_theta.or(parameters.rope_theta).unwrap_or(10000.0);
    let part = raw.partial_rotary_factor.or(parameters.partial_rotary_factor).unwrap_or(part);
    let turning = width as f64 * part;
    let scaling = scaling(&parameters, raw.max_position_embeddings as f64)?;
    Ok(RopeConfig { width: turning as usize, theta, pairs: Pairs::Halves, scaling })
}

fn scaling(rope: &Rope, context: f64) -> Result<Scaling> {
    let factor = rope.factor.unwrap_or(1.0);
    let original = rope.original_max_position_embeddings.unwrap_or(context);
    match rope.rope_type.as_deref().unwrap_or("default") {
        "default" => Ok(Scaling::None),
        "linear" => Ok(Scaling::Linear { factor }),
        "llama3" => Ok(Scaling::Llama3 {
            factor,
            low: rope.low_freq_factor.unwrap_or(1.0),
            high: rope.high_freq_factor.unwrap_or(4.0),
            original,
        }),
        "yarn" => Ok(Scaling::Yarn {
            factor,
            original,
            beta_fast: rope.beta_fast.unwrap_or(32.0),
            beta_slow: rope.beta_slow.unwrap_or(1.0),
            attention: rope.attention_factor,
        }),
        other => Err(Error::Config {
            key: "rope_type".to_owned(),
            want: "`default`, `linear`, `llama3` or `yarn`",
            got: other.to_owned(),
        }),
    }
}

fn window(raw: &Raw, architecture: &Architecture) -> Result<Option<usize>> {
    match architecture.window {
        Window::Everywhere => Ok(raw.sliding_window),
        Window::Ignored => Ok(None),
        Window::Refused => {
            let on = raw.use_sliding_window.unwrap_or(false) && raw.sliding_window.is_some();
            super::demand(!on, "use_sliding_window", "false", on)?;
            Ok(None)
        }
    }
}

fn experts(raw: &Raw, architecture: &Architecture) -> Result<Option<Experts>> {
    if !architecture.experts {
        return Ok(None);
    }
    let dense = raw.mlp_only_layers.len();
    super::demand(dense == 0, "mlp_only_layers", "no layers", dense)?;
    let step = raw.decoder_sparse_step.unwrap_or(1);
    super::demand(step == 1, "decoder_sparse_step", "1", step)?;
    let shared = raw.shared_expert_intermediate_size;
    Ok(Some(Experts {
        count: raw.num_experts.ok_or_else(|| missing("num_experts"))?,
        used: raw.num_experts_per_tok.ok_or_else(|| missing("num_experts_per_tok"))?,
        intermediate: raw.moe_intermediate_size.ok_or_else(|| missing("moe_intermediate_size"))?,
        normalise: raw.norm_topk_prob.unwrap_or(architecture.is_hybrid()),
        shared: shared.filter(|_| architecture.is_hybrid()),
    }))
}
