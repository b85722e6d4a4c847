//! The decoder that all architectures share: embedding, layers of attention and feed-forward with
//! norms before each, a last norm, the output matrix.
//!
//! `D` is the hidden size, rows are the tokens of all slices of a batch.

use super::layers::attention::{Attention, Heads};
use super::layers::kernels;
use super::layers::linear::Linear;
use super::layers::mlp::Mlp;
use super::layers::moe::Moe;
use super::layers::norm::RmsNorm;
use super::layers::rope::Rope;
use super::{Model, Slice};
use crate::config::{Config, Experts};
use crate::error::{Error, Result};
use crate::state::{State, StateShape};
use crate::weights::Weights;

/// A model of the common form.
pub(crate) struct Decoder {
    config: Config,
    embedding: Linear,
    layers: Vec<Layer>,
    norm: RmsNorm,
    /// Absent where the embedding serves.
    output: Option<Linear>,
    rope: Rope,
}

/// A layer.
pub(crate) struct Layer {
    attention_norm: RmsNorm,
    attention: Attention,
    feed_norm: RmsNorm,
    feed: Feed,
}

/// What follows the attention.
pub(crate) enum Feed {
    Mlp(Mlp),
    Moe(Moe),
}

/// Builds one layer of an architecture.
pub(crate) type LoadLayer = fn(Part<'_>) -> Result<Layer>;

/// The weights of one layer, while it is built.
pub(crate) struct Part<'a> {
    pub(crate) config: &'a Config,
    weights: &'a mut dyn Weights,
    index: usize,
}

impl Part<'_> {
    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let name = format!("blk.{}.{name}.weight", self.index);
        self.weights.linear(&name, outputs, inputs)
    }

    fn norm(&mut self, name: &str, len: usize) -> Result<RmsNorm> {
        let weight = self.weights.vector(&format!("blk.{}.{name}.weight", self.index), len)?;
        Ok(RmsNorm::new(weight, self.config.epsilon))
    }

    pub(crate) fn attention(&mut self) -> Result<Attention> {
        let (Heads { query, kv, width }, hidden) = (self.config.heads, self.config.hidden);
        Ok(Attention {
            heads: self.config.heads,
            query: self.linear("attn_q", query * width, hidden)?,
            key: self.linear("attn_k", kv * width, hidden)?,
            value: self.linear("attn_v", kv * width, hidden)?,
            output: self.linear("attn_output", hidden, query * width)?,
            norms: None,
            window: self.config.window,
        })
    }

    pub(crate) fn attention_with_bias(&mut self) -> Result<Attention> {
        let Heads { query, kv, width } = self.config.heads;
        let attention = self.attention()?;
        let mut bias = |name: &str, heads: usize| {
            let name = format!("blk.{}.{name}.bias", self.index);
            self.weights.vector(&name, heads * width).map(Some)
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

    pub(crate) fn mlp(&mut self) -> Result<Feed> {
        let (hidden, inner) = (self.config.hidden, self.config.intermediate);
        Ok(Feed::Mlp(Mlp {
            gate: self.linear("ffn_gate", inner, hidden)?,
            up: self.linear("ffn_up", inner, hidden)?,
            down: self.linear("ffn_down", hidden, inner)?,
        }))
    }

    pub(crate) fn experts(&mut self) -> Result<Feed> {
        let missing = || Error::Missing { what: "number of experts".to_owned() };
        let Experts { count, used, intermediate, normalise } =
            self.config.experts.ok_or_else(missing)?;
        let hidden = self.config.hidden;
        let name = |name: &str| format!("blk.{}.{name}.weight", self.index);
        let gates = self.weights.experts(&name("ffn_gate_exps"), count, intermediate, hidden)?;
        let ups = self.weights.experts(&name("ffn_up_exps"), count, intermediate, hidden)?;
        let downs = self.weights.experts(&name("ffn_down_exps"), count, hidden, intermediate)?;
        let experts = gates.into_iter().zip(ups).zip(downs);
        let experts = experts.map(|((gate, up), down)| Mlp { gate, up, down }).collect();
        let router = self.linear("ffn_gate_inp", count, hidden)?;
        Ok(Feed::Moe(Moe { router, experts, used, normalise, hidden }))
    }

    pub(crate) fn layer(&mut self, attention: Attention, feed: Feed) -> Result<Layer> {
        let hidden = self.config.hidden;
        let attention_norm = self.norm("attn_norm", hidden)?;
        Ok(Layer { attention_norm, attention, feed_norm: self.norm("ffn_norm", hidden)?, feed })
    }
}

impl Decoder {
    pub(crate) fn load(
        config: Config,
        weights: &mut dyn Weights,
        load_layer: LoadLayer,
    ) -> Result<Self> {
        let (vocab, hidden) = (config.vocab, config.hidden);
        let embedding = weights.linear("token_embd.weight", vocab, hidden)?;
        let mut layers = Vec::new();
        for index in 0..config.layers {
            layers.push(load_layer(Part { config: &config, weights: &mut *weights, index })?);
        }
        let norm = RmsNorm::new(weights.vector("output_norm.weight", hidden)?, config.epsilon);
        let output = match config.tied {
            true => None,
            false => Some(weights.linear("output.weight", vocab, hidden)?),
        };
        let rope = &config.rope;
        let rope = Rope::new(rope.width, rope.theta, rope.pairs, &rope.scaling);
        Ok(Self { embedding, layers, norm, output, rope, config })
    }

    fn state_shape(&self) -> StateShape {
        let Heads { kv, width, .. } = self.config.heads;
        StateShape { layers: self.layers.len(), kv_heads: kv, head_dim: width }
    }

    /// All that can be wrong with a batch, before any state changes.
    fn check(&self, batch: &[Slice<'_>]) -> Result<()> {
        for slice in batch {
            if slice.state.shape != self.state_shape() {
                return Err(Error::ForeignState);
            }
            if slice.tokens.is_empty() && slice.logits {
                return Err(Error::EmptySlice);
            }
            let (limit, got) = (self.config.context, slice.state.len + slice.tokens.len());
            if got > limit {
                return Err(Error::Context { limit, got });
            }
            let vocab = self.config.vocab;
            if let Some(got) = slice.tokens.iter().copied().find(|id| *id as usize >= vocab) {
                return Err(Error::Token { vocab, got });
            }
        }
        Ok(())
    }

    /// The last rows of the slices that want logits.
    fn wanted(&self, x: &[f32], batch: &[Slice<'_>]) -> Vec<f32> {
        let (mut wanted, mut end) = (Vec::new(), 0);
        for slice in batch {
            end += slice.tokens.len() * self.config.hidden;
            if slice.logits {
                wanted.extend_from_slice(&x[end - self.config.hidden..end]);
            }
        }
        wanted
    }
}

impl Model for Decoder {
    fn vocab(&self) -> usize {
        self.config.vocab
    }

    fn context(&self) -> usize {
        self.config.context
    }

    fn new_state(&self) -> State {
        State::new(self.state_shape())
    }

    fn forward(&mut self, batch: &mut [Slice<'_>]) -> Result<Vec<Vec<f32>>> {
        self.check(batch)?;
        let tokens: Vec<u32> = batch.iter().flat_map(|slice| slice.tokens).copied().collect();
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let places = |slice: &Slice<'_>| slice.state.len..slice.state.len + slice.tokens.len();
        let angles = self.rope.angles(&batch.iter().flat_map(places).collect::<Vec<_>>());
        let mut x = self.embedding.rows(&tokens)?; // [rows, D]
        for (index, layer) in self.layers.iter().enumerate() {
            let h = layer.attention_norm.forward(&x);
            let h = layer.attention.forward(&h, &self.rope, &angles, batch, index)?;
            kernels::add(&mut x, &h);
            let h = layer.feed_norm.forward(&x);
            let h = match &layer.feed {
                Feed::Mlp(it) => it.forward(&h)?,
                Feed::Moe(it) => it.forward(&h)?,
            };
            kernels::add(&mut x, &h);
        }
        let x = self.norm.forward(&self.wanted(&x, batch));
        batch.iter_mut().for_each(|slice| slice.state.len += slice.tokens.len());
        if x.is_empty() {
            return Ok(Vec::new());
        }
        let logits = self.output.as_ref().unwrap_or(&self.embedding).forward(&x)?;
        Ok(logits.chunks_exact(self.config.vocab).map(<[f32]>::to_vec).collect())
    }
}
