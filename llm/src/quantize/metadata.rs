//! Keys of a GGUF file from a checkpoint of the hub.
//!
//! Source: llama.cpp, `convert_hf_to_gguf.py` and `gguf-py/gguf/constants.py`.

use serde_json::Value;
use std::path::Path;

use super::convert::is_llama;
use super::{Error, Result, tokens};
use crate::config::Config;
use crate::load::folder;
use crate::models::layers::attention::Heads;
use crate::models::layers::rope::Scaling;
use crate::weights::gguf::write::Entry;

/// Keys in the making.
pub(super) struct Keys {
    pub(super) entries: Vec<(String, Entry)>,
    architecture: &'static str,
}

impl Keys {
    pub(super) fn put(&mut self, key: &str, value: Entry) {
        self.entries.push((key.to_owned(), value));
    }

    /// A number of the architecture.
    fn size(&mut self, key: &str, value: usize) -> Result<()> {
        let key = format!("{}.{key}", self.architecture);
        let value =
            u32::try_from(value).map_err(|_| Error::TooLarge { key: key.clone(), value })?;
        self.entries.push((key, Entry::U32(value)));
        Ok(())
    }

    fn float(&mut self, key: &str, value: f64) {
        self.entries.push((format!("{}.{key}", self.architecture), Entry::F32(value as f32)));
    }

    fn own(&mut self, key: &str, value: Entry) {
        self.entries.push((format!("{}.{key}", self.architecture), value));
    }
}

/// What a file says about a checkpoint, but for the formats of its tensors.
pub(super) fn of_folder(path: &Path, config: &Config) -> Result<Vec<(String, Entry)>> {
    let architecture = config.architecture.gguf.unwrap_or("llama");
    let mut keys = Keys { entries: Vec::new(), architecture };
    keys.put("general.architecture", Entry::Text(architecture.to_owned()));
    keys.put("general.type", Entry::Text("model".to_owned()));
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = absolute.file_name().map_or_else(String::new, |it| it.to_string_lossy().into());
    keys.put("general.name", Entry::Text(name));
    dimensions(&mut keys, config)?;
    hybrid(&mut keys, config, &folder::json(&path.join("config.json"))?)?;
    scaling(&mut keys, &config.rope.scaling)?;
    sampling(&mut keys, &folder::json(&path.join("generation_config.json"))?);
    tokens::put(&mut keys, path, config)?;
    Ok(keys.entries)
}

fn dimensions(keys: &mut Keys, config: &Config) -> Result<()> {
    let Heads { query, kv, width } = config.heads;
    keys.size("block_count", config.layers)?;
    keys.size("context_length", config.context)?;
    keys.size("embedding_length", config.hidden)?;
    keys.size("feed_forward_length", config.intermediate)?;
    keys.size("attention.head_count", query)?;
    keys.size("attention.head_count_kv", kv)?;
    keys.float("rope.freq_base", config.rope.theta);
    keys.float("attention.layer_norm_rms_epsilon", f64::from(config.epsilon));
    keys.size("attention.key_length", width)?;
    keys.size("attention.value_length", width)?;
    if is_llama(config) {
        keys.size("vocab_size", config.vocab)?;
    }
    if is_llama(config) || config.delta.is_some() {
        keys.size("rope.dimension_count", config.rope.width)?;
    }
    if let Some(window) = config.window {
        keys.size("attention.sliding_window", window)?;
    }
    if let Some(experts) = config.experts {
        keys.size("expert_count", experts.count)?;
        keys.size("expert_used_count", experts.used)?;
        keys.size("expert_feed_forward_length", experts.intermediate)?;
        if let Some(shared) = experts.shared {
            keys.size("expert_shared_feed_forward_length", shared)?;
        }
    }
    Ok(())
}

/// Gated DeltaNet, and positions in several directions, of which text uses one.
fn hybrid(keys: &mut Keys, config: &Config, raw: &Value) -> Result<()> {
    let Some(delta) = &config.delta else { return Ok(()) };
    let text = raw.get("text_config").unwrap_or(raw);
    let rope = [&text["rope_parameters"], &text["rope_scaling"]];
    let sections = rope.iter().find_map(|it| it["mrope_section"].as_array());
    if let Some(sections) = sections {
        let mut sections: Vec<i32> =
            sections.iter().filter_map(|it| i32::try_from(it.as_i64()?).ok()).collect();
        sections.resize(4, 0);
        keys.own("rope.dimension_sections", Entry::Integers(sections));
    }
    let heads = delta.heads;
    keys.size("ssm.conv_kernel", heads.taps)?;
    keys.size("ssm.state_size", heads.key_width)?;
    keys.size("ssm.group_count", heads.key)?;
    keys.size("ssm.time_step_rank", heads.value)?;
    keys.size("ssm.inner_size", heads.values())?;
    keys.own("attention.recurrent_layers", Entry::Bools(delta.layers.clone()));
    // Layers of attention end a period; the list above says where they are if they do not.
    let interval = delta.layers.iter().position(|it| !it).map_or(config.layers, |it| it + 1);
    keys.size("full_attention_interval", interval)
}

fn scaling(keys: &mut Keys, scaling: &Scaling) -> Result<()> {
    let named = |keys: &mut Keys, name: &str, factor: f64| {
        keys.own("rope.scaling.type", Entry::Text(name.to_owned()));
        keys.float("rope.scaling.factor", factor);
    };
    match scaling {
        // The last two are a tensor.
        Scaling::None | Scaling::Llama3 { .. } | Scaling::Factors(_) => {}
        Scaling::Linear { factor } => named(keys, "linear", *factor),
        Scaling::Yarn { factor, original, beta_fast, beta_slow, attention } => {
            named(keys, "yarn", *factor);
            keys.size("rope.scaling.original_context_length", *original as usize)?;
            keys.float("rope.scaling.yarn_beta_fast", *beta_fast);
            keys.float("rope.scaling.yarn_beta_slow", *beta_slow);
            if let Some(attention) = attention {
                keys.float("rope.scaling.yarn_attn_factor", *attention);
            }
        }
    }
    Ok(())
}

/// How the model's makers sample.
fn sampling(keys: &mut Keys, generation: &Value) {
    let defaults = folder::defaults(generation);
    if let Some(top_k) = defaults.top_k.and_then(|it| i32::try_from(it).ok()) {
        keys.put("general.sampling.top_k", Entry::I32(top_k));
    }
    for (key, value) in [
        ("general.sampling.temp", defaults.temperature),
        ("general.sampling.top_p", defaults.top_p),
        ("general.sampling.min_p", defaults.min_p),
        ("general.sampling.penalty_repeat", defaults.repetition_penalty),
    ] {
        if let Some(value) = value {
            keys.put(key, Entry::F32(value));
        }
    }
}
