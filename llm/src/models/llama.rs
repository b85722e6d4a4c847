//! Llama 2 and 3: the plain decoder.
//!
//! Source: transformers, `models/llama/modeling_llama.py`.

use super::Architecture;
use super::decoder::{Layer, Mixer};
use super::part::Part;
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { gguf: Some("llama"), hub: "llama", ..Architecture::PLAIN };

/// Layer of the blocks `attn_{q,k,v,output}`, `ffn_{gate,up,down}`.
pub(super) fn layer(mut part: Part<'_>) -> Result<Layer> {
    let attention = part.attention()?;
    let mlp = part.mlp()?;
    part.layer(Mixer::Attention(attention), mlp)
}
