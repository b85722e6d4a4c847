//! Qwen3.5, dense: Gated DeltaNet in most layers and gated attention in the others.
//!
//! Source: transformers, `models/qwen3_5/modeling_qwen3_5.py`. Of the vision part nothing is
//! read; positions of text are plain ones.

use super::decoder::{Layer, Mixer};
use super::layers::delta_net::{Gates, HeadOrder};
use super::part::Part;
use super::{Architecture, Window};
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    gguf: Some("qwen35"),
    hub: "qwen3_5",
    // As llama.cpp's converter leaves them.
    delta: Some(HeadOrder::Tiled),
    window: Window::Refused,
    layer,
    ..Architecture::PLAIN
};

/// Layer of the blocks of [`Part::delta_net`] with `attn_qkv`, `attn_gate`, `ssm_beta` and
/// `ssm_alpha`; or of gated attention.
fn layer(mut part: Part<'_>) -> Result<Layer> {
    let mixer = match part.delta_heads() {
        Some(heads) => {
            let inputs = part.delta_inputs(&heads)?;
            let b = part.hidden_linear("ssm_beta", heads.value)?;
            let a = part.hidden_linear("ssm_alpha", heads.value)?;
            Mixer::DeltaNet(part.delta_net(heads, inputs, Gates::Apart { b, a })?)
        }
        None => Mixer::Attention(part.gated_attention()?),
    };
    let mlp = part.mlp()?;
    part.layer(mixer, mlp)
}
