//! The definitions and the functions of the CPU against golden data.

use firesteel_kernels::gdn::{Heads, cpu, reference};

use super::data::{close, doubles, of};
use super::golden::{self, File, transposed};

/// Both against the stored outputs, which are those of `f64` rounded to `f32`.
#[test]
fn delta_rule_is_that_of_golden_data() {
    let file = File::read("delta_rule.safetensors");
    for case in golden::cases() {
        let [key_heads, value_heads, key_dim, value_dim] = case.sizes;
        let heads = Heads { key_heads, value_heads, key_dim, value_dim };
        let get = |name: &str| file.get(&format!("{}.{name}", case.name));
        let [q, k, v, g, beta] = ["q", "k", "v", "g", "beta"].map(get);
        let len = heads.state_len();
        let state = file.find(&format!("{}.state_in", case.name));
        let state = state.unwrap_or_else(|| vec![0.0; case.batch * len]);
        let mut state = transposed(&state, key_dim as usize, value_dim as usize);
        let mut state_f32 = of::<f32>(&state);
        let (mut out, mut out_f32) = (Vec::new(), Vec::new());
        for sequence in 0..case.batch {
            let part = |x: &[f64]| {
                let len = x.len() / case.batch;
                x[sequence * len..][..len].to_vec()
            };
            let [q, k, v, g, beta] = [&q, &k, &v, &g, &beta].map(|x| part(x));
            let inputs = reference::Inputs { q: &q, k: &k, v: &v, g: &g, beta: &beta };
            let at = sequence * len..(sequence + 1) * len;
            out.extend(reference::gated_delta_rule_reference(
                &heads,
                &inputs,
                case.l2norm,
                &mut state[at.clone()],
            ));
            let [q, k, v, g, beta] = [&q, &k, &v, &g, &beta].map(|x| of::<f32>(x));
            let inputs = cpu::Inputs { q: &q, k: &k, v: &v, g: &g, beta: &beta };
            let mut y = vec![0.0; case.tokens * heads.values() as usize];
            cpu::gated_delta_rule(&heads, &inputs, case.l2norm, &mut state_f32[at], &mut y);
            out_f32.extend(doubles(&y));
        }
        let (want, want_state) = (get("o"), get("state_out"));
        let want_state = transposed(&want_state, key_dim as usize, value_dim as usize);
        close(&out, &want, 1e-6, format!("{}, f64", case.name));
        close(&state, &want_state, 1e-6, format!("{}, state, f64", case.name));
        close(&out_f32, &want, 1e-5, format!("{}, f32", case.name));
        close(&doubles(&state_f32), &want_state, 1e-5, format!("{}, state, f32", case.name));
    }
}

/// `[B, C, T]` of golden data as ours, `[B, T, C]`.
fn token_major(x: &[f64], channels: usize, tokens: usize) -> Vec<f64> {
    transposed(x, channels, tokens)
}

#[test]
fn conv_is_that_of_golden_data() {
    let file = File::read("pieces.safetensors");
    let (channels, tokens) = (96, 5);
    let get = |name: &str| file.get(&format!("conv_c96_t5_f32.{name}"));
    let x = token_major(&get("x"), channels, tokens);
    let w = get("w");
    let mut state = token_major(&get("state_in"), channels, 3);
    let mut state_f32 = of::<f32>(&state);
    let (want, want_state) = (get("y"), token_major(&get("state_out"), channels, 3));
    let want = token_major(&want, channels, tokens);
    let (mut y, mut y_f32) = (Vec::new(), Vec::new());
    for sequence in 0..2 {
        let x = &x[sequence * channels * tokens..][..channels * tokens];
        let at = sequence * 3 * channels..(sequence + 1) * 3 * channels;
        let state = &mut state[at.clone()];
        y.extend(reference::causal_conv1d_reference(x, &w, &[], channels, true, state));
        let (x, w) = (of::<f32>(x), of::<f32>(&w));
        let mut out = vec![0.0; x.len()];
        cpu::causal_conv1d(&x, &w, &[], channels, true, &mut state_f32[at], &mut out);
        y_f32.extend(doubles(&out));
    }
    close(&y, &want, 1e-6, "conv, f64");
    close(&state, &want_state, 1e-6, "conv, state, f64");
    close(&y_f32, &want, 1e-6, "conv, f32");
    close(&doubles(&state_f32), &want_state, 1e-6, "conv, state, f32");
}

#[test]
fn gating_is_that_of_golden_data() {
    let file = File::read("pieces.safetensors");
    let get = |name: &str| file.get(&format!("gate_f32.{name}"));
    let [a, b, a_log, dt_bias] = ["a", "b", "A_log", "dt_bias"].map(get);
    let (g, beta) = reference::gdn_gating_reference(&a, &b, &a_log, &dt_bias);
    close(&g, &get("g"), 1e-12, "g, f64");
    close(&beta, &get("beta"), 1e-12, "beta, f64");
    let [a, b, a_log, dt_bias] = [&a, &b, &a_log, &dt_bias].map(|x| of::<f32>(x));
    let (g, beta) = cpu::gdn_gating(&a, &b, &a_log, &dt_bias);
    close(&doubles(&g), &get("g"), 1e-6, "g, f32");
    close(&doubles(&beta), &get("beta"), 1e-6, "beta, f32");
}
