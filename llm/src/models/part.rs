//! Building the parts of one layer from its weights.

use super::decoder::{Feed, Layer, Mixer};
use super::layers::attention::{Attention, Heads};
use super::layers::delta_net::{DeltaHeads, DeltaNet, Gates, Inputs};
use super::layers::linear::Linear;
use super::layers::mlp::Mlp;
use super::layers::moe::{Moe, Shared};
use super::layers::norm::RmsNorm;
use crate::config::{Config, Experts};
use crate::error::{Error, Result};
use crate::weights::Weights;

/// The weights of one layer, while it is built.
pub(crate) struct Part<'a> {
    config: &'a Config,
    weights: &'a mut dyn Weights,
    index: usize,
}

impl<'a> Part<'a> {
    pub(crate) fn new(config: &'a Config, weights: &'a mut dyn Weights, index: usize) -> Self {
        Self { config, weights, index }
    }

    fn name(&self, name: &str) -> String {
        format!("blk.{}.{name}", self.index)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.weights.has(&self.name(name))
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        self.weights.linear(&self.name(&format!("{name}.weight")), outputs, inputs)
    }

    /// A matrix on the numbers between layers.
    pub(crate) fn hidden_linear(&mut self, name: &str, outputs: usize) -> Result<Linear> {
        self.linear(name, outputs, self.config.hidden)
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>> {
        self.weights.vector(&self.name(name), len)
    }

    fn norm(&mut self, name: &str, len: usize) -> Result<RmsNorm> {
        let weight = self.vector(&format!("{name}.weight"), len)?;
        Ok(RmsNorm::new(weight, self.config.norm_offset, self.config.epsilon))
    }

    /// The place of this layer's memory among those of its kind.
    fn cache(&self) -> usize {
        let kind = self.config.is_recurrent(self.index);
        (0..self.index).filter(|layer| self.config.is_recurrent(*layer) == kind).count()
    }

    /// Attention of the blocks `attn_{q,k,v,output}`.
    pub(crate) fn attention(&mut self) -> Result<Attention> {
        let Heads { query, width, .. } = self.config.heads;
        self.attention_of(query * width, false)
    }

    /// The same, with gates on its output in `attn_q`, and with head norms.
    pub(crate) fn gated_attention(&mut self) -> Result<Attention> {
        let Heads { query, width, .. } = self.config.heads;
        let attention = self.attention_of(2 * query * width, true)?;
        Ok(Attention { norms: Some(self.head_norms()?), ..attention })
    }

    fn attention_of(&mut self, queries: usize, gated: bool) -> Result<Attention> {
        let (Heads { query, kv, width }, hidden) = (self.config.heads, self.config.hidden);
        Ok(Attention {
            heads: self.config.heads,
            query: self.linear("attn_q", queries, hidden)?,
            key: self.linear("attn_k", kv * width, hidden)?,
            value: self.linear("attn_v", kv * width, hidden)?,
            output: self.linear("attn_output", hidden, query * width)?,
            norms: None,
            gated,
            cache: self.cache(),
            window: self.config.window,
        })
    }

    pub(crate) fn attention_with_bias(&mut self) -> Result<Attention> {
        let Heads { query, kv, width } = self.config.heads;
        let attention = self.attention()?;
        let mut bias = |name: &str, heads: usize| {
            self.vector(&format!("{name}.bias"), heads * width).map(Some)
        };
        Ok(Attention {
            query: attention.query.with_bias(bias("attn_q", query)?),
            key: attention.key.with_bias(bias("attn_k", kv)?),
            value: attention.value.with_bias(bias("attn_v", kv)?),
            ..attention
        })
    }

    pub(crate) fn head_norms(&mut self) -> Result<(RmsNorm, RmsNorm)> {
        let width = self.config.heads.width;
        Ok((self.norm("attn_q_norm", width)?, self.norm("attn_k_norm", width)?))
    }

    /// The dimensions of Gated DeltaNet, if this layer is one.
    pub(crate) fn delta_heads(&self) -> Option<DeltaHeads> {
        let delta = self.config.delta.as_ref()?;
        self.config.is_recurrent(self.index).then_some(delta.heads)
    }

    /// Inputs of the blocks `attn_qkv` and `attn_gate`.
    pub(crate) fn delta_inputs(&mut self, heads: &DeltaHeads) -> Result<Inputs> {
        let hidden = self.config.hidden;
        let qkv = self.linear("attn_qkv", heads.channels(), hidden)?;
        Ok(Inputs::Apart { qkv, z: self.linear("attn_gate", heads.values(), hidden)? })
    }

    /// Gated DeltaNet of the blocks `ssm_{conv1d,a,dt,norm,out}`.
    pub(crate) fn delta_net(
        &mut self,
        heads: DeltaHeads,
        inputs: Inputs,
        gates: Gates,
    ) -> Result<DeltaNet> {
        let (channels, taps) = (heads.channels(), heads.taps);
        let conv = self.name("ssm_conv1d.weight");
        let conv = self.weights.numbers(&conv, &[channels, taps])?;
        let tap = |tap: usize| conv.iter().skip(tap).step_by(taps).copied();
        // This norm's weights are stored as they are in every format.
        let norm = self.vector("ssm_norm.weight", heads.value_width)?;
        Ok(DeltaNet {
            inputs,
            gates,
            conv: (0..taps).flat_map(tap).collect(),
            decay: self.decay(heads.value)?,
            decay_bias: self.vector("ssm_dt.bias", heads.value)?,
            norm: RmsNorm::new(norm, 0.0, self.config.epsilon),
            output: self.linear("ssm_out", self.config.hidden, heads.values())?,
            cache: self.cache(),
            heads,
        })
    }

    /// `-exp(A_log)`: GGUF files hold the result, the hub's the logarithm.
    fn decay(&mut self, heads: usize) -> Result<Vec<f32>> {
        if self.has("ssm_a") {
            return self.vector("ssm_a", heads);
        }
        let logs = self.vector("ssm_a_log", heads)?;
        Ok(logs.into_iter().map(|it| -it.exp()).collect())
    }

    pub(crate) fn mlp(&mut self) -> Result<Feed> {
        let (hidden, inner) = (self.config.hidden, self.config.intermediate);
        Ok(Feed::Mlp(Box::new(Mlp {
            gate: self.linear("ffn_gate", inner, hidden)?,
            up: self.linear("ffn_up", inner, hidden)?,
            down: self.linear("ffn_down", hidden, inner)?,
        })))
    }

    pub(crate) fn experts(&mut self) -> Result<Feed> {
        let missing = || Error::Missing { what: "number of experts".to_owned() };
        let Experts { count, used, intermediate, normalise, shared } =
            self.config.experts.ok_or_else(missing)?;
        let hidden = self.config.hidden;
        let [gates, ups, downs] = ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"]
            .map(|name| self.name(&format!("{name}.weight")));
        let gates = self.weights.experts(&gates, count, intermediate, hidden)?;
        let ups = self.weights.experts(&ups, count, intermediate, hidden)?;
        let downs = self.weights.experts(&downs, count, hidden, intermediate)?;
        let experts = gates.into_iter().zip(ups).zip(downs);
        let experts = experts.map(|((gate, up), down)| Mlp { gate, up, down }).collect();
        let router = self.linear("ffn_gate_inp", count, hidden)?;
        let shared = shared.map(|inner| self.shared_expert(inner)).transpose()?;
        Ok(Feed::Moe(Box::new(Moe { router, experts, used, normalise, hidden, shared })))
    }

    fn shared_expert(&mut self, inner: usize) -> Result<Shared> {
        let hidden = self.config.hidden;
        let mlp = Mlp {
            gate: self.linear("ffn_gate_shexp", inner, hidden)?,
            up: self.linear("ffn_up_shexp", inner, hidden)?,
            down: self.linear("ffn_down_shexp", hidden, inner)?,
        };
        Ok(Shared { mlp, gate: self.vector("ffn_gate_inp_shexp.weight", hidden)? })
    }

    pub(crate) fn layer(&mut self, mixer: Mixer, feed: Feed) -> Result<Layer> {
        let hidden = self.config.hidden;
        let mixer_norm = self.norm("attn_norm", hidden)?;
        // llama.cpp names the same norm after its place in the hybrids.
        let hybrid = self.config.delta.is_some();
        let name = if hybrid { "post_attention_norm" } else { "ffn_norm" };
        Ok(Layer { mixer_norm, mixer, feed_norm: self.norm(name, hidden)?, feed })
    }
}
