//! The dimensions of a model, from a GGUF header or a `config.json`.

mod gguf;
mod json;

pub(crate) use gguf::from_gguf;
pub(crate) use json::from_json;

use crate::error::{Error, Result};
use crate::models::Architecture;
use crate::models::layers::attention::Heads;
use crate::models::layers::delta_net::DeltaHeads;
use crate::models::layers::rope::{Pairs, Scaling};

/// Larger than any dimension of a model; products of two of them fit 64 bits.
const LARGEST: usize = 1 << 24;

/// More layers than any model has.
const MOST_LAYERS: usize = 1 << 12;

/// The dimensions of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which code runs it.
    pub architecture: &'static Architecture,
    /// Layers.
    pub layers: usize,
    /// Numbers of a token between the layers.
    pub hidden: usize,
    /// Numbers inside a feed-forward layer.
    pub intermediate: usize,
    /// Heads of attention.
    pub heads: Heads,
    /// Tokens that there are.
    pub vocab: usize,
    /// The longest sequence.
    pub context: usize,
    /// The epsilon of the norms.
    pub epsilon: f32,
    /// Positions.
    pub rope: RopeConfig,
    /// How many positions back a token sees, if not all.
    pub window: Option<usize>,
    /// Gated DeltaNet in place of attention, if some layers have it.
    pub delta: Option<Delta>,
    /// What is added to the weights of norms: 1 where the file stores them around zero.
    pub norm_offset: f32,
    /// Experts, if feed-forward layers have them.
    pub experts: Option<Experts>,
    /// Whether the output matrix is the embedding's.
    pub tied: bool,
}

/// Rotary position embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    /// Numbers of a head that turn.
    pub width: usize,
    /// The base of the frequencies.
    pub theta: f64,
    /// Which numbers form a pair.
    pub pairs: Pairs,
    /// How long contexts are reached.
    pub scaling: Scaling,
}

/// Gated DeltaNet.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    /// Of each layer, whether it is one.
    pub layers: Vec<bool>,
    /// The dimensions of such a layer.
    pub heads: DeltaHeads,
}

/// A mixture of experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experts {
    /// Experts that there are.
    pub count: usize,
    /// Experts for each token.
    pub used: usize,
    /// Numbers inside an expert.
    pub intermediate: usize,
    /// Whether the weights of the chosen are scaled to sum to one.
    pub normalise: bool,
    /// Numbers inside the expert that serves every token, if there is one.
    pub shared: Option<usize>,
}

impl Config {
    /// Checks what the layers rely on.
    fn checked(self) -> Result<Self> {
        let Heads { query, kv, width } = self.heads;
        let sizes = [
            ("hidden size", self.hidden),
            ("feed-forward size", self.intermediate),
            ("query heads", query),
            ("key/value heads", kv),
            ("head width", width),
            ("vocabulary", self.vocab),
            ("experts", self.experts.map_or(1, |it| it.count)),
            ("expert size", self.experts.map_or(1, |it| it.intermediate)),
            ("shared expert size", self.experts.and_then(|it| it.shared).unwrap_or(1)),
            ("attention window", self.window.unwrap_or(1)),
            ("rope width", self.rope.width),
        ];
        for (key, size) in sizes {
            demand((1..=LARGEST).contains(&size), key, "1 to 2^24", size)?;
        }
        demand((1..=MOST_LAYERS).contains(&self.layers), "layers", "1 to 4096", self.layers)?;
        demand(self.context > 0, "context length", "at least 1", self.context)?;
        demand(query % kv == 0, "query heads", "a multiple of the key/value heads", query)?;
        let rope = &self.rope;
        let fits = rope.width.is_multiple_of(2) && rope.width <= width;
        demand(fits, "rope width", "an even number up to the head width", rope.width)?;
        let theta = rope.theta.is_finite() && rope.theta > 1.0;
        demand(theta, "rope base", "a number above 1", rope.theta)?;
        let epsilon = self.epsilon.is_finite() && self.epsilon >= 0.0;
        demand(epsilon, "norm epsilon", "a number that is not negative", self.epsilon)?;
        if let Some(Experts { count, used, .. }) = self.experts {
            demand((1..=count).contains(&used), "experts used", "1 to the experts", used)?;
        }
        if let Some(delta) = &self.delta {
            delta.check(self.layers)?;
        }
        Ok(self)
    }

    /// Whether a layer is Gated DeltaNet.
    pub(crate) fn is_recurrent(&self, layer: usize) -> bool {
        self.delta.as_ref().is_some_and(|delta| delta.layers.get(layer) == Some(&true))
    }
}

impl Delta {
    fn check(&self, layers: usize) -> Result<()> {
        let DeltaHeads { key, value, key_width, value_width, taps, .. } = self.heads;
        let sizes = [
            ("linear key heads", key),
            ("linear value heads", value),
            ("linear key width", key_width),
            ("linear value width", value_width),
        ];
        for (name, size) in sizes {
            demand((1..=1 << 16).contains(&size), name, "1 to 2^16", size)?;
        }
        demand((2..=64).contains(&taps), "convolution kernel", "2 to 64", taps)?;
        demand(value % key == 0, "linear value heads", "a multiple of the key heads", value)?;
        let listed = self.layers.len();
        demand(listed == layers, "layers with a kind", "all layers", listed)
    }
}

/// Of each layer, whether it is recurrent, if every `interval`-th is attention.
fn recurrent(layers: usize, interval: usize) -> Vec<bool> {
    (1..=layers).map(|layer| !layer.is_multiple_of(interval)).collect()
}

fn demand(holds: bool, key: &str, want: &'static str, got: impl ToString) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::Config { key: key.to_owned(), want, got: got.to_string() })
    }
}
