//! Models: one file for each architecture, built from shared layers.

pub mod decoder;
pub mod layers;
mod llama;
mod mistral;
mod part;
mod qwen2;
mod qwen3;
mod qwen3_5;
mod qwen3_moe;
mod qwen3_next;

use self::decoder::LoadLayer;
use self::layers::delta_net::HeadOrder;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::state::State;
use crate::weights::Weights;

/// A model that continues sequences.
pub trait Model: Send {
    /// The number of tokens that there are, and of logits.
    fn vocab(&self) -> usize;

    /// The longest sequence, in tokens.
    fn context(&self) -> usize;

    /// The state of an empty sequence.
    fn new_state(&self) -> State;

    /// Appends the tokens of every slice to its sequence. Returns the logits after the last
    /// token of the slices that ask for them, in order.
    ///
    /// Slices share the matrix products. What a sequence gets is the same, bit for bit, whatever
    /// else is in the batch and however its tokens are divided among calls.
    fn forward(&mut self, batch: &mut [Slice<'_>]) -> Result<Vec<Vec<f32>>>;
}

/// The next tokens of a sequence.
pub struct Slice<'a> {
    /// The tokens; their positions begin at `state.len()`.
    pub tokens: &'a [u32],
    /// What the sequence holds so far.
    pub state: &'a mut State,
    /// Whether the logits after the last token are wanted.
    pub logits: bool,
}

/// An architecture: its names, and what its configuration has that the plain decoder's has not.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// `general.architecture` in GGUF files. Those of Mistral say `llama`.
    pub(crate) gguf: Option<&'static str>,
    /// `model_type` in `config.json`.
    pub(crate) hub: &'static str,
    /// Whether the feed-forward layers are mixtures of experts.
    pub(crate) experts: bool,
    /// If some layers are Gated DeltaNet: the order of their value heads in GGUF files.
    pub(crate) delta: Option<HeadOrder>,
    /// What `sliding_window` in `config.json` means.
    pub(crate) window: Window,
    /// Builds a layer.
    pub(crate) layer: LoadLayer,
}

/// What an architecture makes of `sliding_window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// Nothing.
    Ignored,
    /// It holds in every layer.
    Everywhere,
    /// It holds in some layers, if it is switched on, which there is no code for.
    Refused,
}

/// Every architecture that there is code for.
static ARCHITECTURES: [&Architecture; 7] = [
    &llama::ARCHITECTURE,
    &mistral::ARCHITECTURE,
    &qwen2::ARCHITECTURE,
    &qwen3::ARCHITECTURE,
    &qwen3_moe::ARCHITECTURE,
    &qwen3_next::ARCHITECTURE,
    &qwen3_5::ARCHITECTURE,
];

impl Architecture {
    /// Llama's, which the others differ from.
    pub(crate) const PLAIN: Self = Self {
        gguf: None,
        hub: "",
        experts: false,
        delta: None,
        window: Window::Ignored,
        layer: llama::layer,
    };

    pub(crate) fn from_gguf(name: &str) -> Result<&'static Self> {
        Self::find(name, |it| it.gguf)
    }

    pub(crate) fn from_hub(name: &str) -> Result<&'static Self> {
        Self::find(name, |it| Some(it.hub))
    }

    fn find(name: &str, column: fn(&Self) -> Option<&'static str>) -> Result<&'static Self> {
        let found = ARCHITECTURES.into_iter().find(|it| column(it) == Some(name));
        found.ok_or_else(|| {
            let names: Vec<&str> = ARCHITECTURES.into_iter().filter_map(column).collect();
            Error::Architecture { got: name.to_owned(), supported: names.join(", ") }
        })
    }

    /// The name that `config.json` files use.
    pub fn name(&self) -> &'static str {
        self.hub
    }

    /// Whether some layers are Gated DeltaNet.
    pub(crate) fn is_hybrid(&self) -> bool {
        self.delta.is_some()
    }
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.hub == other.hub
    }
}

/// Reads the weights of the model that the configuration describes.
pub fn load(config: Config, weights: &mut dyn Weights) -> Result<Box<dyn Model>> {
    let layer = config.architecture.layer;
    Ok(Box::new(decoder::Decoder::load(config, weights, layer)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_architectures_name_the_known() {
        let error = Architecture::from_gguf("gpt7").unwrap_err().to_string();
        assert!(error.contains("`gpt7`") && error.contains("llama, qwen2, qwen3"), "{error}");
        assert_eq!(Architecture::from_hub("mistral").unwrap().name(), "mistral");
    }

    #[test]
    fn names_are_given_once() {
        for (i, it) in ARCHITECTURES.iter().enumerate() {
            for other in &ARCHITECTURES[i + 1..] {
                assert_ne!(it.hub, other.hub);
                assert!(it.gguf.is_none() || it.gguf != other.gguf, "{:?}", it.gguf);
            }
        }
    }
}
