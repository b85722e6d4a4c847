//! The decoder that all architectures share: embedding, layers that mix tokens and then feed each
//! forward, with norms before both, a last norm, the output matrix.
//!
//! `D` is the hidden size, rows are the tokens of all slices of a batch.

use super::layers::attention::{Attention, Heads};
use super::layers::delta_net::DeltaNet;
use super::layers::kernels;
use super::layers::linear::Linear;
use super::layers::mlp::Mlp;
use super::layers::moe::Moe;
use super::layers::norm::RmsNorm;
use super::layers::rope::Rope;
use super::part::Part;
use super::{Model, Slice};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::state::{Recurrent, State, StateShape};
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
    pub(crate) mixer_norm: RmsNorm,
    pub(crate) mixer: Mixer,
    pub(crate) feed_norm: RmsNorm,
    pub(crate) feed: Feed,
}

/// How tokens of a sequence learn of each other. Each holds the index of its own memory.
pub(crate) enum Mixer {
    Attention(Attention),
    DeltaNet(DeltaNet),
}

/// What follows the mixer.
pub(crate) enum Feed {
    Mlp(Box<Mlp>),
    Moe(Box<Moe>),
}

/// Builds one layer of an architecture.
pub(crate) type LoadLayer = fn(Part<'_>) -> Result<Layer>;

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
            layers.push(load_layer(Part::new(&config, &mut *weights, index))?);
        }
        let norm = weights.vector("output_norm.weight", hidden)?;
        let norm = RmsNorm::new(norm, config.norm_offset, config.epsilon);
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
        let delta = self.config.delta.as_ref();
        let recurrent = delta.map_or(0, |it| it.layers.iter().filter(|it| **it).count());
        let (conv, matrices) = delta.map_or((0, 0), |it| Recurrent::sizes(&it.heads));
        let layers = self.layers.len() - recurrent;
        StateShape { layers, kv_heads: kv, head_dim: width, recurrent, conv, matrices }
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
        for layer in &self.layers {
            let h = layer.mixer_norm.forward(&x);
            let h = match &layer.mixer {
                Mixer::Attention(it) => it.forward(&h, &self.rope, &angles, batch)?,
                Mixer::DeltaNet(it) => it.forward(&h, batch)?,
            };
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
