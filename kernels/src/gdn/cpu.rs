//! The same operations for a CPU, in `f32`, on all cores.

use rayon::prelude::*;

use super::{Heads, L2_EPS};

/// What the recurrence takes. Layouts are those of [`Inputs`](super::reference::Inputs).
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// `[T, H_k, K]`.
    pub q: &'a [f32],
    /// `[T, H_k, K]`.
    pub k: &'a [f32],
    /// `[T, H_v, V]`.
    pub v: &'a [f32],
    /// Logarithms of the decay, `[T, H_v]`.
    pub g: &'a [f32],
    /// Strengths of the writes, `[T, H_v]`.
    pub beta: &'a [f32],
}

/// Sums in eight parts, which the compiler keeps in a vector.
fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut parts = [0.0f32; 8];
    for (x, y) in x.chunks_exact(8).zip(y.chunks_exact(8)) {
        for i in 0..8 {
            parts[i] += x[i] * y[i];
        }
    }
    parts.iter().sum()
}

/// The gated delta rule of one sequence: `out` `[T, H_v, V]`, with `state` `[H_v, V, K]` moved on.
/// Heads are computed at the same time; every sum is an `f32`.
///
/// # Panics
/// If a length does not fit `heads`, whose `key_dim` must be a multiple of 8.
pub fn gated_delta_rule(
    heads: &Heads,
    inputs: &Inputs<'_>,
    l2norm: bool,
    state: &mut [f32],
    out: &mut [f32],
) {
    let [n_keys, n_values, key, value] =
        [heads.key_heads, heads.value_heads, heads.key_dim, heads.value_dim].map(|it| it as usize);
    assert_eq!(key % 8, 0, "`key_dim` must be a multiple of 8, got {key}");
    let tokens = inputs.g.len() / n_values;
    let keys = tokens * n_keys * key;
    let values = tokens * n_values * value;
    assert_eq!((inputs.q.len(), inputs.k.len()), (keys, keys), "lengths of `q` and `k`");
    assert_eq!((inputs.v.len(), out.len()), (values, values), "lengths of `v` and `out`");
    assert_eq!(inputs.beta.len(), inputs.g.len(), "lengths of `beta` and `g`");
    assert_eq!(state.len(), n_values * value * key, "length of `state`");
    let scale = 1.0 / (key as f32).sqrt();
    let prepared = |x: &[f32], factor: f32| -> Vec<f32> {
        let norm = if l2norm { (dot(x, x) + L2_EPS as f32).sqrt() } else { 1.0 };
        x.iter().map(|x| x / norm * factor).collect()
    };
    let head_outputs: Vec<Vec<f32>> = state
        .par_chunks_mut(value * key)
        .enumerate()
        .map(|(head, state)| {
            let mut outputs = Vec::with_capacity(tokens * value);
            for token in 0..tokens {
                let of_key = (token * n_keys + head / (n_values / n_keys)) * key;
                let q = prepared(&inputs.q[of_key..of_key + key], scale);
                let k = prepared(&inputs.k[of_key..of_key + key], 1.0);
                let at = token * n_values + head;
                let (decay, beta) = (inputs.g[at].exp(), inputs.beta[at]);
                for (s, v) in state.chunks_exact_mut(key).zip(&inputs.v[at * value..]) {
                    let change = beta * (v - decay * dot(s, &k));
                    for (s, k) in s.iter_mut().zip(&k) {
                        *s = decay * *s + change * k;
                    }
                    outputs.push(dot(s, &q));
                }
            }
            outputs
        })
        .collect();
    out.par_chunks_mut(n_values * value).enumerate().for_each(|(token, out)| {
        for (out, outputs) in out.chunks_exact_mut(value).zip(&head_outputs) {
            out.copy_from_slice(&outputs[token * value..][..value]);
        }
    });
}

/// `g = -exp(A_log) softplus(a + dt_bias)` and `beta = sigmoid(b)` of `[T, H_v]`.
#[must_use]
pub fn gdn_gating(a: &[f32], b: &[f32], a_log: &[f32], dt_bias: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let n_heads = a_log.len();
    let g = a.par_iter().enumerate().map(|(at, a)| {
        let x = a + dt_bias[at % n_heads];
        -a_log[at % n_heads].exp() * (x.max(0.0) + (-x.abs()).exp().ln_1p())
    });
    (g.collect(), b.par_iter().map(|b| 1.0 / (1.0 + (-b).exp())).collect())
}

/// The causal convolution of each channel of one sequence with SiLU, as
/// [`causal_conv1d_reference`](super::reference::causal_conv1d_reference).
///
/// # Panics
/// If `state` is not `[W - 1, C]`, or `y` not as long as `x`.
pub fn causal_conv1d(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    channels: usize,
    silu: bool,
    state: &mut [f32],
    y: &mut [f32],
) {
    let width = weight.len() / channels;
    let old = (width - 1) * channels;
    assert_eq!((state.len(), y.len()), (old, x.len()), "lengths of `state` and `y`");
    let input = |at: usize| if at < old { state[at] } else { x[at - old] };
    y.par_chunks_mut(channels).enumerate().for_each(|(token, y)| {
        for (channel, y) in y.iter_mut().enumerate() {
            let mut sum = bias.get(channel).copied().unwrap_or(0.0);
            for tap in 0..width {
                let tapped = weight[channel * width + tap];
                sum += tapped * input((token + tap) * channels + channel);
            }
            *y = if silu { sum / (1.0 + (-sum).exp()) } else { sum };
        }
    });
    let last: Vec<f32> = (x.len()..x.len() + old).map(input).collect();
    state.copy_from_slice(&last);
}

/// `rmsnorm(x) weight silu(z)` in place, of rows as long as `weight`.
pub fn gated_rms_norm(x: &mut [f32], z: &[f32], weight: &[f32], eps: f32) {
    let width = weight.len();
    x.par_chunks_mut(width).zip(z.par_chunks(width)).for_each(|(x, z)| {
        let mean = x.iter().map(|x| x * x).sum::<f32>() / width as f32;
        let scale = 1.0 / (mean + eps).sqrt();
        for ((x, z), w) in x.iter_mut().zip(z).zip(weight) {
            *x *= scale * w * z / (1.0 + (-z).exp());
        }
    });
}
