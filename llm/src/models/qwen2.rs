//! Qwen2 and Qwen2.5: queries, keys and values have a bias.
//!
//! Source: transformers, `models/qwen2/modeling_qwen2.py`.

use super::decoder::{Layer, Mixer};
use super::part::Part;
use super::{Architecture, Window};
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    gguf: Some("qwen2"),
    hub: "qwen2",
    window: Window::Refused,
    layer,
    ..Architecture::PLAIN
};

/// Layer of the blocks `attn_{q,k,v}` with bias, `attn_output`, `ffn_{gate,up,down}`.
fn layer(mut part: Part<'_>) -> Result<Layer> {
    let attention = part.attention_with_bias()?;
    let mlp = part.mlp()?;
    part.layer(Mixer::Attention(attention), mlp)
}
