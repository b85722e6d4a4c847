//! Qwen3 with a mixture of experts in every layer.
//!
//! Source: transformers, `models/qwen3_moe/modeling_qwen3_moe.py`.

use super::decoder::{Layer, Mixer};
use super::part::Part;
use super::{Architecture, Window};
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    gguf: Some("qwen3moe"),
    hub: "qwen3_moe",
    experts: true,
    window: Window::Refused,
    layer,
    ..Architecture::PLAIN
};

/// Layer of the blocks `attn_{q,k,v,output}`, `attn_{q,k}_norm`, `ffn_gate_inp` and
/// `ffn_{gate,up,down}_exps`.
fn layer(mut part: Part<'_>) -> Result<Layer> {
    let mut attention = part.attention()?;
    attention.norms = Some(part.head_norms()?);
    let experts = part.experts()?;
    part.layer(Mixer::Attention(attention), experts)
}
