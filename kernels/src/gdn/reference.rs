//! The definitions in `f64`: slow, obvious, and what everything else is compared with.

use super::{Heads, L2_EPS};

/// What the recurrence takes, in `f64`.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// `[T, H_k, K]`.
    pub q: &'a [f64],
    /// `[T, H_k, K]`.
    pub k: &'a [f64],
    /// `[T, H_v, V]`.
    pub v: &'a [f64],
    /// Logarithms of the decay, `[T, H_v]`.
    pub g: &'a [f64],
    /// Strengths of the writes, `[T, H_v]`.
    pub beta: &'a [f64],
}

/// `x / sqrt(Σ x² + 1e-6)`.
#[must_use]
pub fn l2norm_reference(x: &[f64]) -> Vec<f64> {
    let norm = (x.iter().map(|x| x * x).sum::<f64>() + L2_EPS).sqrt();
    x.iter().map(|x| x / norm).collect()
}

/// The gated delta rule of one sequence, a token after the other: the outputs `[T, H_v, V]`, with
/// `state` `[H_v, V, K]` moved on.
///
/// Yang, Kautz, Hatamizadeh, 2024, "Gated Delta Networks: Improving Mamba2 with Delta Rule",
/// equation 10, `S_t = S_{t-1} (α_t (I - β_t k_t k_tᵀ)) + β_t v_t k_tᵀ`, with `α = exp(g)`, and the
/// output `S_t q_t`.
#[must_use]
pub fn gated_delta_rule_reference(
    heads: &Heads,
    inputs: &Inputs<'_>,
    l2norm: bool,
    state: &mut [f64],
) -> Vec<f64> {
    let [n_keys, n_values, key, value] =
        [heads.key_heads, heads.value_heads, heads.key_dim, heads.value_dim].map(|it| it as usize);
    let scale = 1.0 / (key as f64).sqrt();
    let tokens = inputs.g.len() / n_values;
    let mut out = vec![0.0; tokens * n_values * value];
    for (token, head) in (0..tokens * n_values).map(|it| (it / n_values, it % n_values)) {
        let of_key = (token * n_keys + head / (n_values / n_keys)) * key;
        let prepared = |x: &[f64]| {
            let x = &x[of_key..of_key + key];
            if l2norm { l2norm_reference(x) } else { x.to_vec() }
        };
        let (q, k) = (prepared(inputs.q), prepared(inputs.k));
        let at = token * n_values + head;
        let (decay, beta) = (inputs.g[at].exp(), inputs.beta[at]);
        for row in 0..value {
            let s = &mut state[(head * value + row) * key..][..key];
            s.iter_mut().for_each(|s| *s *= decay);
            let old: f64 = s.iter().zip(&k).map(|(s, k)| s * k).sum();
            let change = beta * (inputs.v[at * value + row] - old);
            s.iter_mut().zip(&k).for_each(|(s, k)| *s += change * k);
            out[at * value + row] = scale * s.iter().zip(&q).map(|(s, q)| s * q).sum::<f64>();
        }
    }
    out
}

/// `ln(1 + exp(x))`, for any `x`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `g = -exp(A_log) softplus(a + dt_bias)` and `beta = sigmoid(b)` of `[T, H_v]`. As `g` in
/// `Qwen3NextGatedDeltaNet` of Hugging Face's transformers.
#[must_use]
pub fn gdn_gating_reference(
    a: &[f64],
    b: &[f64],
    a_log: &[f64],
    dt_bias: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let n_heads = a_log.len();
    let g = a.iter().enumerate().map(|(at, a)| {
        let head = at % n_heads;
        -a_log[head].exp() * softplus(a + dt_bias[head])
    });
    (g.collect(), b.iter().map(|b| 1.0 / (1.0 + (-b).exp())).collect())
}

/// The causal convolution of each channel of one sequence with SiLU: `[T, C]` of `x` `[T, C]`,
/// `weight` `[C, W]`, whose last tap meets the newest token, `bias` `[C]` or empty, and `state`
/// `[W - 1, C]`, the inputs before the first, oldest first, which is moved on. As
/// `causal_conv1d_fn` of Dao's causal-conv1d.
#[must_use]
pub fn causal_conv1d_reference(
    x: &[f64],
    weight: &[f64],
    bias: &[f64],
    channels: usize,
    silu: bool,
    state: &mut [f64],
) -> Vec<f64> {
    let width = weight.len() / channels;
    let all: Vec<f64> = state.iter().chain(x).copied().collect();
    let y = (0..x.len()).map(|at| {
        let channel = at % channels;
        let taps = (0..width).map(|tap| weight[channel * width + tap] * all[at + tap * channels]);
        let sum = taps.sum::<f64>() + bias.get(channel).copied().unwrap_or(0.0);
        if silu { sum / (1.0 + (-sum).exp()) } else { sum }
    });
    let y = y.collect();
    state.copy_from_slice(&all[x.len()..]);
    y
}

/// `rmsnorm(x) weight silu(z)` of rows as long as `weight`, as `Qwen3NextRMSNormGated` of Hugging
/// Face's transformers.
#[must_use]
pub fn gated_rms_norm_reference(x: &[f64], z: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
    let row = |(x, z): (&[f64], &[f64])| {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + eps).sqrt();
        let each = x.iter().zip(z).zip(weight);
        each.map(|((x, z), w)| x * scale * w * z / (1.0 + (-z).exp())).collect::<Vec<_>>()
    };
    x.chunks(weight.len()).zip(z.chunks(weight.len())).flat_map(row).collect()
}
