//! Qwen3, dense: queries and keys are normalised head by head.
//!
//! Source: transformers, `models/qwen3/modeling_qwen3.py`.

use super::decoder::{Layer, Mixer};
use super::part::Part;
use super::{Architecture, Window};
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    gguf: Some("qwen3"),
    hub: "qwen3",
    window: Window::Refused,
    layer,
    ..Architecture::PLAIN
};

/// Layer of the blocks `attn_{q,k,v,output}`, `attn_{q,k}_norm`, `ffn_{gate,up,down}`.
fn layer(mut part: Part<'_>) -> Result<Layer> {
    let mut attention = part.attention()?;
    attention.norms = Some(part.head_norms()?);
    let mlp = part.mlp()?;
    part.layer(Mixer::Attention(attention), mlp)
}
