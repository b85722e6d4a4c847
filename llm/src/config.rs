//! The dimensions of a model, from a GGUF header or a `config.json`.

mod gguf;
mod json;

pub(crate) use gguf::from_gguf;
pub(crate) use json::from_json;

use crate::error::{Error, Result};
use crate::models::Architecture;
use crate::models::layers::attention::Heads;
use crate::models::layers::rope::{Pairs, Scaling};

/// Larger than any dimension of a model; products of two of them fit 64 bits.
const LARGEST: usize = 1 << 24;

/// The dimensions of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which code runs it.
    pub architecture: Architecture,
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
}

impl Config {
    /// Checks what the layers rely on.
    fn checked(self) -> Result<Self> {
        let Heads { query, kv, width } = self.heads;
        let sizes = [
            ("layers", self.layers),
            ("hidden size", self.hidden),
            ("feed-forward size", self.intermediate),
            ("query heads", query),
            ("key/value heads", kv),
            ("head width", width),
            ("vocabulary", self.vocab),
            ("experts", self.experts.map_or(1, |it| it.count)),
            ("expert size", self.experts.map_or(1, |it| it.intermediate)),
            ("attention window", self.window.unwrap_or(1)),
            ("rope width", self.rope.width),
        ];
        for (key, size) in sizes {
            demand((1..=LARGEST).contains(&size), key, "1 to 2^24", size)?;
        }
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
        Ok(self)
    }
}

fn demand(holds: bool, key: &str, want: &'static str, got: impl ToString) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::Config { key: key.to_owned(), want, got: got.to_string() })
    }
}
