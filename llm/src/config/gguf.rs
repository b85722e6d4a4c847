//! Configurations from the metadata of a GGUF file.

use super::{Config, Delta, Experts, RopeConfig};
use crate::error::{Error, Result};
use crate::models::Architecture;
use crate::models::layers::attention::Heads;
use crate::models::layers::delta_net::DeltaHeads;
use crate::models::layers::rope::{Pairs, Scaling};
use crate::weights::Weights;
use crate::weights::gguf::{Gguf, Header};

/// Where a file does not say which layers of a hybrid are attention.
const FULL_ATTENTION_INTERVAL: usize = 4;

/// The keys of one architecture.
struct Keys<'a> {
    header: &'a Header,
    architecture: &'a str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn size(&self, name: &str) -> Result<Option<usize>> {
        let size = self.header.unsigned(&self.key(name))?;
        // Too large for the machine is too large for the check, too.
        Ok(size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)))
    }

    fn must(&self, name: &str) -> Result<usize> {
        let missing = || Error::Missing { what: format!("key `{}`", self.key(name)) };
        self.size(name)?.ok_or_else(missing)
    }

    fn float(&self, name: &str) -> Result<Option<f64>> {
        self.header.float(&self.key(name))
    }

    fn scaling(&self) -> Result<Scaling> {
        let kind = self.header.text(&self.key("rope.scaling.type"))?.unwrap_or("none");
        let factor = self.float("rope.scaling.factor")?.unwrap_or(1.0);
        match kind {
            "none" => Ok(Scaling::None),
            "linear" => Ok(Scaling::Linear { factor }),
            "yarn" => Ok(Scaling::Yarn {
                factor,
                original: self.must("rope.scaling.original_context_length")? as f64,
                beta_fast: self.float("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                beta_slow: self.float("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
                attention: self.float("rope.scaling.yarn_attn_factor")?,
            }),
            other => Err(Error::Config {
                key: self.key("rope.scaling.type"),
                want: "`none`, `linear` or `yarn`",
                got: other.to_owned(),
            }),
        }
    }

    fn experts(&self, architecture: &Architecture) -> Result<Option<Experts>> {
        if !architecture.experts {
            return Ok(None);
        }
        Ok(Some(Experts {
            count: self.must("expert_count")?,
            used: self.must("expert_used_count")?,
            intermediate: self.must("expert_feed_forward_length")?,
            normalise: true,
            shared: match architecture.is_hybrid() {
                true => Some(self.must("expert_shared_feed_forward_length")?),
                false => None,
            },
        }))
    }

    fn delta(&self, architecture: &Architecture) -> Result<Option<DeltaHeads>> {
        let Some(order) = architecture.delta else { return Ok(None) };
        let value = self.must("ssm.time_step_rank")?;
        Ok(Some(DeltaHeads {
            key: self.must("ssm.group_count")?,
            value,
            key_width: self.must("ssm.state_size")?,
            value_width: self.must("ssm.inner_size")?.checked_div(value).unwrap_or(0),
            taps: self.must("ssm.conv_kernel")?,
            order,
        }))
    }
}

/// The configuration in a GGUF header.
pub(crate) fn from_gguf(file: &mut Gguf) -> Result<Config> {
    let name = file.header.text("general.architecture")?;
    let missing = || Error::Missing { what: "key `general.architecture`".to_owned() };
    let name = name.ok_or_else(missing)?.to_owned();
    let architecture = Architecture::from_gguf(&name)?;
    let keys = Keys { header: &file.header, architecture: &name };
    let hidden = keys.must("embedding_length")?;
    let query = keys.must("attention.head_count")?;
    let width = match keys.size("attention.key_length")? {
        Some(width) => width,
        None => hidden.checked_div(query).unwrap_or(0),
    };
    let value_width = keys.size("attention.value_length")?.unwrap_or(width);
    super::demand(value_width == width, "value width", "the width of keys", value_width)?;
    let kv = keys.size("attention.head_count_kv")?.unwrap_or(query);
    let embedding = file.shape("token_embd.weight");
    let rope = RopeConfig {
        width: keys.size("rope.dimension_count")?.unwrap_or(width),
        theta: keys.float("rope.freq_base")?.unwrap_or(10000.0),
        // The converter permutes the rows of the Llama family.
        pairs: if name == "llama" { Pairs::Adjacent } else { Pairs::Halves },
        scaling: keys.scaling()?,
    };
    // Layers that only draft tokens come last.
    let drafting = keys.size("nextn_predict_layers")?.unwrap_or(0);
    let layers = keys.must("block_count")?.saturating_sub(drafting);
    let delta = keys.delta(architecture)?;
    let interval = keys.size("full_attention_interval")?.unwrap_or(FULL_ATTENTION_INTERVAL);
    let recurrent = keys.key("attention.recurrent_layers");
    let mut config = Config {
        architecture,
        layers,
        hidden,
        intermediate: keys.must("feed_forward_length")?,
        heads: Heads { query, kv, width },
        vocab: embedding.and_then(|shape| shape.first().copied()).unwrap_or(0),
        context: keys.must("context_length")?,
        epsilon: keys.float("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5) as f32,
        rope,
        window: keys.size("attention.sliding_window")?.filter(|window| *window > 0),
        delta: None,
        norm_offset: 0.0,
        experts: keys.experts(architecture)?,
        tied: !file.has("output.weight"),
    }
    .checked()?;
    if let Some(heads) = delta {
        let mut listed = file.bools(&recurrent)?;
        listed.truncate(layers);
        let layers = if listed.is_empty() { super::recurrent(layers, interval) } else { listed };
        config.delta = Some(Delta { layers, heads });
        config = config.checked()?;
    }
    if file.has("rope_freqs.weight") {
        let factors = file.vector("rope_freqs.weight", config.rope.width / 2)?;
        config.rope.scaling = Scaling::Factors(factors);
    }
    Ok(config)
}
