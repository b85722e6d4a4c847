//! The hub's names of tensors, for their names in GGUF.

const OF_LAYER: [(&str, &str); 29] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_qkv", "linear_attn.in_proj_qkv"),
    ("attn_gate", "linear_attn.in_proj_z"),
    ("ssm_in", "linear_attn.in_proj_qkvz"),
    ("ssm_ba", "linear_attn.in_proj_ba"),
    ("ssm_beta", "linear_attn.in_proj_b"),
    ("ssm_alpha", "linear_attn.in_proj_a"),
    ("ssm_conv1d", "linear_attn.conv1d"),
    ("ssm_norm", "linear_attn.norm"),
    ("ssm_out", "linear_attn.out_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("ffn_gate_inp", "mlp.gate"),
    ("ffn_gate_exps", "mlp.experts.#.gate_proj"),
    ("ffn_up_exps", "mlp.experts.#.up_proj"),
    ("ffn_down_exps", "mlp.experts.#.down_proj"),
    ("ffn_gate_inp_shexp", "mlp.shared_expert_gate"),
    ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
    ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
    ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
];

/// The hub's name of a tensor; `prefix` is what those of the decoder begin with.
pub(super) fn of_tensor(name: &str, prefix: &str) -> String {
    match name {
        "token_embd.weight" => return format!("{prefix}embed_tokens.weight"),
        "output_norm.weight" => return format!("{prefix}norm.weight"),
        "output.weight" => return "lm_head.weight".to_owned(),
        _ => {}
    }
    match name.split('.').collect::<Vec<_>>()[..] {
        ["blk", layer, "ssm_a_log"] => format!("{prefix}layers.{layer}.linear_attn.A_log"),
        ["blk", layer, "ssm_dt", "bias"] => format!("{prefix}layers.{layer}.linear_attn.dt_bias"),
        ["blk", layer, part, kind] => format!("{prefix}layers.{layer}.{}.{kind}", of_part(part)),
        _ => name.to_owned(),
    }
}

/// The hub stores experts one by one.
pub(super) fn of_expert(name: &str, expert: usize, prefix: &str) -> String {
    of_tensor(name, prefix).replace('#', &expert.to_string())
}

/// The name in GGUF of a tensor of the hub, and which expert's it is; `hybrid` is whether some layers
/// are Gated DeltaNet, whose second norm has a name of its own.
pub(crate) fn to_gguf(name: &str, prefix: &str, hybrid: bool) -> Option<(String, Option<usize>)> {
    if name == "lm_head.weight" {
        return Some(("output.weight".to_owned(), None));
    }
    let name = name.strip_prefix(prefix)?;
    match name {
        "embed_tokens.weight" => return Some(("token_embd.weight".to_owned(), None)),
        "norm.weight" => return Some(("output_norm.weight".to_owned(), None)),
        _ => {}
    }
    let (layer, name) = name.strip_prefix("layers.")?.split_once('.')?;
    match name {
        "linear_attn.A_log" => return Some((format!("blk.{layer}.ssm_a"), None)),
        "linear_attn.dt_bias" => return Some((format!("blk.{layer}.ssm_dt.bias"), None)),
        _ => {}
    }
    let (part, kind) = name.rsplit_once('.')?;
    let expert = part.split('.').find_map(|it| it.parse::<usize>().ok());
    let part = expert.map_or_else(|| part.to_owned(), |it| part.replace(&format!(".{it}."), ".#."));
    let unlike = if hybrid { "ffn_norm" } else { "post_attention_norm" };
    let found = OF_LAYER.iter().find(|(gguf, hub)| *hub == part && *gguf != unlike)?;
    Some((format!("blk.{layer}.{}.{kind}", found.0), expert))
}

fn of_part(part: &str) -> &str {
    OF_LAYER.iter().find(|(gguf, _)| *gguf == part).map_or(part, |(_, hub)| hub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_hubs() {
        assert_eq!(of_tensor("output.weight", "model."), "lm_head.weight");
        let name = of_tensor("blk.7.attn_q.bias", "model.");
        assert_eq!(name, "model.layers.7.self_attn.q_proj.bias");
        let name = of_tensor("blk.7.ssm_dt.bias", "model.language_model.");
        assert_eq!(name, "model.language_model.layers.7.linear_attn.dt_bias");
        let name = of_expert("blk.1.ffn_up_exps.weight", 3, "model.");
        assert_eq!(name, "model.layers.1.mlp.experts.3.up_proj.weight");
    }

    #[test]
    fn names_lead_back() {
        for (gguf, _) in OF_LAYER {
            let gguf = format!("blk.12.{gguf}.weight");
            let hub = of_expert(&gguf, 3, "model.");
            let expert = hub.contains("experts.").then_some(3);
            let hybrid = gguf.contains("post_attention_norm");
            assert_eq!(to_gguf(&hub, "model.", hybrid), Some((gguf, expert)));
        }
        for gguf in
            ["token_embd.weight", "output.weight", "output_norm.weight", "blk.0.ssm_dt.bias"]
        {
            let hub = of_tensor(gguf, "model.");
            assert_eq!(to_gguf(&hub, "model.", true), Some((gguf.to_owned(), None)));
        }
        assert_eq!(to_gguf("model.layers.0.self_attn.rotary_emb.inv_freq", "model.", false), None);
    }
}
