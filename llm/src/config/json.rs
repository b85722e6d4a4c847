//! Configurations from a hub checkpoint's `config.json`.

use super::{Config, Experts, RopeConfig};
use crate::error::{Error, Result};
use crate::models::Architecture;
use crate::models::layers::attention::Heads;
use crate::models::layers::rope::{Pairs, Scaling};
use serde::Deserialize;
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
    hidden_act: Option<String>,
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
}

/// The configuration in the text of a `config.json`.
pub(crate) fn from_json(path: &Path, text: &str) -> Result<Config> {
    let json = |source| Error::Json { path: path.to_owned(), source };
    let value: serde_json::Value = serde_json::from_str(text).map_err(json)?;
    // The architecture first: another one may lack fields, and that is not the news.
    let name = value.get("model_type").and_then(serde_json::Value::as_str).unwrap_or("unnamed");
    let architecture = Architecture::from_hub(name)?;
    let raw: Raw = serde_json::from_value(value).map_err(json)?;
    let query = raw.num_attention_heads;
    let width = raw.head_dim.unwrap_or(raw.hidden_size.checked_div(query).unwrap_or(0));
    let act = raw.hidden_act.as_deref().unwrap_or("silu");
    super::demand(act == "silu", "hidden_act", "`silu`", act)?;
    Config {
        architecture,
        layers: raw.num_hidden_layers,
        hidden: raw.hidden_size,
        intermediate: raw.intermediate_size,
        heads: Heads { query, kv: raw.num_key_value_heads.unwrap_or(query), width },
        vocab: raw.vocab_size,
        context: raw.max_position_embeddings,
        epsilon: raw.rms_norm_eps as f32,
        rope: rope(&raw, width)?,
        window: window(&raw, architecture)?,
        experts: experts(&raw, architecture)?,
        tied: raw.tie_word_embeddings,
    }
    .checked()
}

fn rope(raw: &Raw, width: usize) -> Result<RopeConfig> {
    let parameters = raw.rope_scaling.clone().or_else(|| raw.rope_parameters.clone());
    let parameters = parameters.unwrap_or_default();
    let theta = raw.rope_theta.or(parameters.rope_theta).unwrap_or(10000.0);
    let turning = width as f64 * raw.partial_rotary_factor.unwrap_or(1.0);
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

/// Mistral's window holds in every layer; Qwen's holds in some, if it is switched on.
fn window(raw: &Raw, architecture: Architecture) -> Result<Option<usize>> {
    match architecture {
        Architecture::Mistral => Ok(raw.sliding_window),
        Architecture::Llama => Ok(None),
        Architecture::Qwen2 | Architecture::Qwen3 | Architecture::Qwen3Moe => {
            let on = raw.use_sliding_window.unwrap_or(false) && raw.sliding_window.is_some();
            super::demand(!on, "use_sliding_window", "false", on)?;
            Ok(None)
        }
    }
}

fn experts(raw: &Raw, architecture: Architecture) -> Result<Option<Experts>> {
    if !architecture.has_experts() {
        return Ok(None);
    }
    let dense = raw.mlp_only_layers.len();
    super::demand(dense == 0, "mlp_only_layers", "no layers", dense)?;
    let step = raw.decoder_sparse_step.unwrap_or(1);
    super::demand(step == 1, "decoder_sparse_step", "1", step)?;
    let missing = |key: &str| Error::Missing { what: format!("key `{key}` in `config.json`") };
    Ok(Some(Experts {
        count: raw.num_experts.ok_or_else(|| missing("num_experts"))?,
        used: raw.num_experts_per_tok.ok_or_else(|| missing("num_experts_per_tok"))?,
        intermediate: raw.moe_intermediate_size.ok_or_else(|| missing("moe_intermediate_size"))?,
        normalise: raw.norm_topk_prob.unwrap_or(false),
    }))
}
