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

/// The architectures that there is code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Llama 2 and 3.
    Llama,
    /// Mistral 7B and its kin.
    Mistral,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen3, dense.
    Qwen3,
    /// Qwen3 with a mixture of experts.
    Qwen3Moe,
    /// Qwen3-Next: Gated DeltaNet and attention, with a mixture of experts.
    Qwen3Next,
    /// Qwen3.5, dense: Gated DeltaNet and attention.
    Qwen3_5,
}

/// What the registry knows of an architecture.
struct Row {
    architecture: Architecture,
    /// `general.architecture` in GGUF files. Those of Mistral say `llama`.
    gguf: Option<&'static str>,
    /// `model_type` in `config.json`.
    hub: &'static str,
    layer: decoder::LoadLayer,
}

const ARCHITECTURES: [Row; 7] = [
    Row {
        architecture: Architecture::Llama,
        gguf: Some("llama"),
        hub: "llama",
        layer: llama::layer,
    },
    Row { architecture: Architecture::Mistral, gguf: None, hub: "mistral", layer: mistral::layer },
    Row {
        architecture: Architecture::Qwen2,
        gguf: Some("qwen2"),
        hub: "qwen2",
        layer: qwen2::layer,
    },
    Row {
        architecture: Architecture::Qwen3,
        gguf: Some("qwen3"),
        hub: "qwen3",
        layer: qwen3::layer,
    },
    Row {
        architecture: Architecture::Qwen3Moe,
        gguf: Some("qwen3moe"),
        hub: "qwen3_moe",
        layer: qwen3_moe::layer,
    },
    Row {
        architecture: Architecture::Qwen3Next,
        gguf: Some("qwen3next"),
        hub: "qwen3_next",
        layer: qwen3_next::layer,
    },
    Row {
        architecture: Architecture::Qwen3_5,
        gguf: Some("qwen35"),
        hub: "qwen3_5",
        layer: qwen3_5::layer,
    },
];

impl Architecture {
    pub(crate) fn from_gguf(name: &str) -> Result<Self> {
        Self::find(name, |row| row.gguf)
    }

    pub(crate) fn from_hub(name: &str) -> Result<Self> {
        Self::find(name, |row| Some(row.hub))
    }

    fn find(name: &str, column: fn(&Row) -> Option<&'static str>) -> Result<Self> {
        let row = ARCHITECTURES.iter().find(|row| column(row) == Some(name));
        row.map(|row| row.architecture).ok_or_else(|| {
            let names: Vec<&str> = ARCHITECTURES.iter().filter_map(column).collect();
            Error::Architecture { got: name.to_owned(), supported: names.join(", ") }
        })
    }

    /// The name that `config.json` files use.
    pub fn name(self) -> &'static str {
        ARCHITECTURES.iter().find(|row| row.architecture == self).map_or("", |row| row.hub)
    }

    pub(crate) fn has_experts(self) -> bool {
        match self {
            Self::Qwen3Moe | Self::Qwen3Next => true,
            Self::Llama | Self::Mistral | Self::Qwen2 | Self::Qwen3 | Self::Qwen3_5 => false,
        }
    }

    /// Whether some layers are Gated DeltaNet.
    pub(crate) fn is_hybrid(self) -> bool {
        match self {
            Self::Qwen3Next | Self::Qwen3_5 => true,
            Self::Llama | Self::Mistral | Self::Qwen2 | Self::Qwen3 | Self::Qwen3Moe => false,
        }
    }
}

/// Reads the weights of the model that the configuration describes.
pub fn load(config: Config, weights: &mut dyn Weights) -> Result<Box<dyn Model>> {
    let row = ARCHITECTURES.iter().find(|row| row.architecture == config.architecture);
    let layer = row.map_or(qwen3::layer as decoder::LoadLayer, |row| row.layer);
    Ok(Box::new(decoder::Decoder::load(config, weights, layer)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_architectures_name_the_known() {
        let error = Architecture::from_gguf("gpt7").unwrap_err().to_string();
        assert!(error.contains("`gpt7`") && error.contains("llama, qwen2, qwen3"), "{error}");
        assert_eq!(Architecture::from_hub("mistral").unwrap(), Architecture::Mistral);
    }

    #[test]
    fn every_architecture_has_a_row() {
        for row in &ARCHITECTURES {
            assert_eq!(row.architecture.name(), row.hub);
        }
    }
}
