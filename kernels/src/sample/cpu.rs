//! The choice on the host: once as the kernel makes it, once in `f64` by the definition.

use super::params::Params;
use super::weight::{ONE, host_factor, host_finite, host_weight};
use super::{philox, weight};

/// What changes the logits of a row before the choice, besides its parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowContext<'a> {
    /// The tokens of the prompt.
    pub prompt: &'a [u32],
    /// Those generated after it.
    pub generated: &'a [u32],
    /// What is added to the logits of single tokens.
    pub bias: &'a [(u32, f32)],
    /// Words of 32 tokens each, the first in the lowest bit: those that may be chosen.
    pub mask: Option<&'a [u32]>,
}

/// The logits of a row after penalties (transformers: repetition; OpenAI: presence, frequency),
/// biases and the mask, in that order. NaN counts as negative infinity, infinity as the largest
/// number.
#[must_use]
pub fn processed_reference(logits: &[f32], params: &Params, context: &RowContext<'_>) -> Vec<f32> {
    let mut out = logits.to_vec();
    for (id, x) in out.iter_mut().enumerate() {
        let is_this = |it: &&u32| **it as usize == id;
        let times = context.generated.iter().filter(is_this).count();
        if times > 0 || context.prompt.iter().any(|it| *it as usize == id) {
            let factor = params.repetition_penalty;
            *x = if *x < 0.0 { *x * factor } else { *x / factor };
        }
        if times > 0 {
            *x -= params.presence_penalty + times as f32 * params.frequency_penalty;
        }
        for &(_, value) in context.bias.iter().filter(|it| it.0 as usize == id) {
            *x += value;
        }
        let allowed = context.mask.is_none_or(|mask| mask[id / 32] >> (id % 32) & 1 != 0);
        *x = if allowed { host_finite(*x) } else { f32::NEG_INFINITY };
    }
    out
}

/// The tokens of a row in the order of falling logits, of equal ones the lowest id first, as far as
/// `top_k` keeps them.
fn ordered(logits: &[f32], top_k: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    let k = top_k as usize;
    if k > 0 && k < order.len() {
        let least = logits[order[k - 1]];
        order.retain(|&id| logits[id] >= least);
    }
    order
}

/// The token that [`sample`](super::sample()) chooses, to the bit, by a full sort of integer weights:
/// penalties, biases, mask, temperature, `top_k`, `top_p`, `min_p`, one draw.
#[must_use]
pub fn sample_reference(logits: &[f32], params: &Params, context: &RowContext<'_>) -> u32 {
    let logits = processed_reference(logits, params, context);
    let order = ordered(&logits, params.top_k);
    let largest = logits[order[0]];
    if largest == f32::NEG_INFINITY {
        return 0;
    }
    if params.is_greedy() {
        return order[0] as u32;
    }
    let kept = kept(&logits, &order, params);
    let total: u64 = kept.iter().map(|it| it.1).sum();
    let random = philox::random(params.seed, params.step);
    draw(kept, params.top_p, scaled(random, total))
}

/// Tokens that the filters leave and their weights, in the order of `order`.
fn kept(logits: &[f32], order: &[usize], params: &Params) -> Vec<(u32, u64)> {
    let (largest, factor) = (logits[order[0]], host_factor(params.temperature));
    let weight = |&id: &usize| (id as u32, host_weight(largest - logits[id], factor));
    let mut kept: Vec<(u32, u64)> = order.iter().map(weight).collect();
    if params.top_p < 1.0 {
        let total: u64 = kept.iter().map(|it| it.1).sum();
        let want = (f64::from(params.top_p) * total as f64).ceil() as u64;
        let want = want.clamp(1, total);
        let mut sum = 0;
        let cut = kept.iter().position(|it| {
            sum += it.1;
            sum >= want
        });
        kept.truncate(cut.map_or(kept.len(), |cut| cut + 1));
    }
    let least = (f64::from(params.min_p) * ONE as f64).ceil() as u64;
    kept.retain(|it| it.1 >= least);
    kept
}

/// `random / 2^64` of `total`.
fn scaled(random: u64, total: u64) -> u64 {
    ((u128::from(random) * u128::from(total)) >> 64) as u64
}

/// The token in which `target` falls: by falling logits if `top_p` sorted them, else by ids.
fn draw(mut kept: Vec<(u32, u64)>, top_p: f32, target: u64) -> u32 {
    let sorted = top_p < 1.0;
    if !sorted {
        kept.sort_by_key(|it| it.0);
    }
    let mut sum = 0;
    let at = kept.iter().position(|it| {
        sum += it.1;
        sum > target
    });
    kept[at.unwrap_or(kept.len() - 1)].0
}

/// The probability of each token, as [`sample_reference`] draws.
#[must_use]
pub fn probabilities_reference(
    logits: &[f32],
    params: &Params,
    context: &RowContext<'_>,
) -> Vec<f64> {
    let logits = processed_reference(logits, params, context);
    let order = ordered(&logits, params.top_k);
    let mut out = vec![0.0; logits.len()];
    if params.is_greedy() {
        out[order[0]] = 1.0;
        return out;
    }
    let kept = kept(&logits, &order, params);
    let total: u64 = kept.iter().map(|it| it.1).sum();
    kept.iter().for_each(|&(id, own)| out[id as usize] = own as f64 / total as f64);
    out
}

/// The choice of `uniform` in 0 to 1 by the definition of the filters in `f64`, and how far
/// `uniform` is from the nearest bound of that token: the order of transformers' logits processors,
/// Holtzman and others, 2020, "The curious case of neural text degeneration" for `top_p`, Nguyen
/// and others, 2024, "Turning up the heat" for `min_p`.
#[must_use]
pub fn exact_reference(
    logits: &[f32],
    params: &Params,
    context: &RowContext<'_>,
    uniform: f64,
) -> (u32, f64) {
    let logits = processed_reference(logits, params, context);
    let order = ordered(&logits, params.top_k);
    let scaled = |id: usize| {
        (f64::from(logits[id]) - f64::from(logits[order[0]])) / f64::from(params.temperature)
    };
    let mut kept: Vec<(usize, f64)> = order.iter().map(|&id| (id, scaled(id).exp())).collect();
    if params.top_p < 1.0 {
        let want = f64::from(params.top_p) * kept.iter().map(|it| it.1).sum::<f64>();
        let mut sum = 0.0;
        let cut = kept.iter().position(|it| {
            sum += it.1;
            sum >= want
        });
        kept.truncate(cut.map_or(kept.len(), |cut| cut + 1));
    }
    kept.retain(|it| it.1 >= f64::from(params.min_p));
    if params.top_p >= 1.0 {
        kept.sort_by_key(|it| it.0);
    }
    let total: f64 = kept.iter().map(|it| it.1).sum();
    let mut sum = 0.0;
    for &(id, own) in &kept {
        let from = sum / total;
        sum += own;
        if sum / total > uniform {
            return (id as u32, (uniform - from).min(sum / total - uniform));
        }
    }
    (kept[kept.len() - 1].0 as u32, 0.0)
}

/// The number in 0 to 1 that a step of a seed draws.
#[must_use]
pub fn uniform_reference(seed: u64, step: u32) -> f64 {
    philox::random(seed, step) as f64 / 2.0_f64.powi(64)
}

/// `exp(-distance / temperature)` as the kernel has it.
#[must_use]
pub fn weight_reference(distance: f32, temperature: f32) -> f64 {
    weight::host_weight(distance, host_factor(temperature)) as f64 / ONE as f64
}
