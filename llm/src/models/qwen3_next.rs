//! Qwen3-Next: Gated DeltaNet in most layers, gated attention in the others, and a mixture of
//! experts, one of which serves every token.
//!
//! Source: transformers, `models/qwen3_next/modeling_qwen3_next.py`.

use super::decoder::{Layer, Mixer};
use super::layers::delta_net::{Gates, HeadOrder, Inputs};
use super::part::Part;
use super::{Architecture, Window};
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    gguf: Some("qwen3next"),
    hub: "qwen3_next",
    experts: true,
    delta: Some(HeadOrder::Grouped),
    window: Window::Refused,
    layer,
};

/// Layer of the blocks of [`Part::delta_net`] with `ssm_ba` and either `attn_qkv`, `attn_gate`
/// or, as on the hub, `ssm_in`; or of gated attention.
fn layer(mut part: Part<'_>) -> Result<Layer> {
    let mixer = match part.delta_heads() {
        Some(heads) => {
            let inputs = match part.has("ssm_in.weight") {
                true => {
                    let outputs = heads.channels() + heads.values();
                    Inputs::ByKeyHead(part.hidden_linear("ssm_in", outputs)?)
                }
                false => part.delta_inputs(&heads)?,
            };
            let gates = Gates::ByKeyHead(part.hidden_linear("ssm_ba", 2 * heads.value)?);
            Mixer::DeltaNet(part.delta_net(heads, inputs, gates)?)
        }
        None => Mixer::Attention(part.gated_attention()?),
    };
    let experts = part.experts()?;
    part.layer(mixer, experts)
}
