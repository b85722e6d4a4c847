//! The router: the experts of each token and their weights.

use firesteel::prelude::*;

use crate::shape::{self, Result};

/// Experts that a kernel can choose among: 16 for each lane of a warp.
const MAX_EXPERTS: usize = 512;
/// Experts that it can choose.
const MAX_TOP_K: usize = 16;

/// A flag: scores are sigmoids, not a softmax.
#[gpu_const]
const SIGMOID: u32 = 1;
/// A flag: weights are divided by their sum.
#[gpu_const]
const NORMALIZE: u32 = 2;

/// How a logit becomes the score of an expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoring {
    /// `exp(x) / Σ exp(x)` over all experts: Mixtral, Qwen3.
    Softmax,
    /// `1 / (1 + exp(-x))`: DeepSeek-V3, GLM-4.5.
    Sigmoid,
}

/// What a router does with its logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Routing {
    /// Experts of a token.
    pub top_k: usize,
    /// The scores.
    pub scoring: Scoring,
    /// Weights are divided by their sum, so that they add up to 1.
    pub normalize: bool,
    /// What weights are multiplied by in the end: DeepSeek's `routed_scaling_factor`.
    pub scale: f32,
}

/// A logit without NaN, which nothing is less than, and without positive infinity.
#[gpu_fn]
fn finite(x: f32) -> f32 {
    x.max(f32::NEG_INFINITY).min(f32::MAX)
}

/// A number whose order among unsigned ones is that of `x` among floats; above 0, and the same for
/// both zeros.
#[gpu_fn]
fn ordered(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    if bits >> 31 != 0 { !bits } else { bits | 0x8000_0000 }
}

/// A warp a token: lane `l` has the experts `l`, `l + 32` and so on, `PER` of them.
#[gpu_kernel(
    block_size = 128,
    arch = "sm_80",
    unchecked,
    instances(PER = [2, 4, 8, 16], T = [f16, bf16, f32])
)]
pub(super) fn route_kernel<const PER: u32, T: Float>(
    experts: &mut [u32],
    weights: &mut [f32],
    logits: &[T],
    bias: &[f32],
    tokens: u32,
    count: u32,
    top_k: u32,
    flags: u32,
    scale: f32,
) {
    let (token, lane) = (block_idx_x() * 4 + thread_idx_x() / 32, thread_idx_x() % 32);
    if token >= tokens {
        return;
    }
    let first = token * count;
    let mut values = [f32::NEG_INFINITY; PER as usize];
    let mut largest = f32::NEG_INFINITY;
    #[unroll]
    for i in 0..PER {
        if i * 32 + lane < count {
            values[i] = finite(logits[first + i * 32 + lane].to_f32());
            largest = largest.max(values[i]);
        }
    }
    let mut sum = 0.0f32;
    if flags & SIGMOID == 0 {
        largest = warp_reduce_max(largest);
        #[unroll]
        for i in 0..PER {
            sum += (values[i] - largest).exp();
        }
        sum = warp_reduce_sum(sum);
    }
    // Without a bias the order of the scores is that of the logits, which are exact.
    let mut keys = [0u32; PER as usize];
    #[unroll]
    for i in 0..PER {
        let expert = i * 32 + lane;
        if expert < count {
            let mut score = values[i];
            if bias.len() != 0 {
                score = if flags & SIGMOID != 0 {
                    1.0 / (1.0 + (-score).exp())
                } else {
                    (score - largest).exp() / sum
                };
                score = finite(score + bias[expert]);
            }
            keys[i] = ordered(score);
        }
    }
    let mut mine = 0u32;
    for round in 0..top_k {
        let mut best = 0u32;
        #[unroll]
        for i in 0..PER {
            best = best.max(keys[i]);
        }
        let best = redux_max(best);
        let mut at = u32::MAX;
        #[unroll]
        for i in 0..PER {
            if keys[i] == best {
                at = at.min(i * 32 + lane);
            }
        }
        let chosen = redux_min(at);
        #[unroll]
        for i in 0..PER {
            if i * 32 + lane == chosen {
                keys[i] = 0;
            }
        }
        if round == lane {
            mine = chosen;
        }
    }
    let mut weight = 0.0f32;
    if lane < top_k {
        // Read again: which register of which lane has it, is known only now.
        let value = finite(logits[first + mine].to_f32());
        weight = if flags & SIGMOID != 0 {
            1.0 / (1.0 + (-value).exp())
        } else {
            (value - largest).exp() / sum
        };
    }
    if flags & NORMALIZE != 0 {
        // As DeepSeek-V3's reference, so that sigmoids that are all 0 do not become NaN.
        weight /= warp_reduce_sum(weight) + 1e-20;
    }
    if lane < top_k {
        experts[token * top_k + lane] = mine;
        weights[token * top_k + lane] = weight * scale;
    }
}

/// The experts of each token and their weights in `f64`, as [`route`] defines them, by a full
/// sort. DeepSeek-AI, 2024, "DeepSeek-V3 technical report", equations 13 to 16, without groups;
/// transformers, `Qwen3MoeTopKRouter`.
#[must_use]
pub fn route_reference(
    logits: &[f32],
    bias: Option<&[f32]>,
    experts: usize,
    routing: &Routing,
) -> (Vec<u32>, Vec<f64>) {
    let (mut chosen, mut weights) = (Vec::new(), Vec::new());
    for logits in logits.chunks(experts) {
        let finite = |x: f32| if x.is_nan() { f64::NEG_INFINITY } else { x.min(f32::MAX).into() };
        let logits: Vec<f64> = logits.iter().map(|&x| finite(x)).collect();
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
        let score = |e: usize| match routing.scoring {
            Scoring::Softmax => (logits[e] - largest).exp() / sum,
            Scoring::Sigmoid => 1.0 / (1.0 + (-logits[e]).exp()),
        };
        let rank = |e: usize| match bias {
            Some(bias) => score(e) + f64::from(bias[e]),
            None => logits[e],
        };
        let mut order: Vec<usize> = (0..experts).collect();
        order.sort_by(|&a, &b| rank(b).total_cmp(&rank(a)).then(a.cmp(&b)));
        order.truncate(routing.top_k);
        let sum: f64 = order.iter().map(|&e| score(e)).sum();
        let by = if routing.normalize { sum + 1e-20 } else { 1.0 };
        weights.extend(order.iter().map(|&e| score(e) / by * f64::from(routing.scale)));
        chosen.extend(order.iter().map(|&e| e as u32));
    }
    (chosen, weights)
}

/// `experts [T, K]` and `weights [T, K]`: the `K` experts of the largest scores of each token, best
/// first, of equal ones the lowest index first, and their scores.
///
/// `logits [T, E]` are what the router's matrix gives. With a `bias [E]`, experts are chosen by
/// their score plus their bias; the weights are the scores alone (DeepSeek-AI, 2024, "DeepSeek-V3
/// technical report", equation 16). A logit that is NaN counts as negative infinity, an infinite
/// one as the largest number; where all of a softmax are negative infinity, the weights are NaN.
///
/// All is computed in `f32`, each weight to `(4 + |x - max|) * 2^-23` of itself. Without a bias the
/// choice is exact.
///
/// # Errors
/// [`Error::Range`](shape::Error::Range) for more than 512 experts, or a `top_k` that is not 1 to 16 or more than there
/// are experts; [`Error::Shape`](shape::Error::Shape) if an operand has another length; and those of the device.
pub fn route<T: RouterLogit>(
    stream: &Stream,
    experts: &mut GpuBuffer<u32>,
    weights: &mut GpuBuffer<f32>,
    logits: &GpuBuffer<T>,
    bias: Option<&GpuBuffer<f32>>,
    count: usize,
    routing: &Routing,
) -> Result<()> {
    shape::range("experts", (1, MAX_EXPERTS), count)?;
    let top_k = routing.top_k;
    shape::range("top_k", (1, MAX_TOP_K.min(count)), top_k)?;
    let tokens = logits.len() / count;
    shape::eq("logits", tokens * count, logits.len())?;
    shape::eq("experts", tokens * top_k, experts.len())?;
    shape::eq("weights", tokens * top_k, weights.len())?;
    if let Some(bias) = bias {
        shape::eq("bias", count, bias.len())?;
    }
    shape::count("logits", logits.len())?;
    let none = GpuBuffer::empty(stream)?;
    T::launch(stream, (experts, weights), (logits, bias.unwrap_or(&none)), count, routing)
}

/// The types that the logits of a router have.
pub trait RouterLogit: sealed::Launch {}

mod sealed {
    use super::{GpuBuffer, Result, Routing, Stream};

    /// What a type's kernel is.
    pub trait Launch: firesteel::DeviceCopy + Sized {
        /// Routes; lengths are right.
        fn launch(
            stream: &Stream,
            to: (&mut GpuBuffer<u32>, &mut GpuBuffer<f32>),
            from: (&GpuBuffer<Self>, &GpuBuffer<f32>),
            count: usize,
            routing: &Routing,
        ) -> Result<()>;
    }
}

macro_rules! launches {
    ($($type:ident)*) => { $(
        impl RouterLogit for $type {}

        impl sealed::Launch for $type {
            fn launch(
                stream: &Stream,
                (experts, weights): (&mut GpuBuffer<u32>, &mut GpuBuffer<f32>),
                (logits, bias): (&GpuBuffer<Self>, &GpuBuffer<f32>),
                count: usize,
                routing: &Routing,
            ) -> Result<()> {
                let (tokens, count) = ((logits.len() / count) as u32, count as u32);
                let config = LaunchConfig::new([tokens.div_ceil(4), 1, 1]);
                let sigmoid = if routing.scoring == Scoring::Sigmoid { SIGMOID } else { 0 };
                let flags = sigmoid | if routing.normalize { NORMALIZE } else { 0 };
                let (top_k, scale) = (routing.top_k as u32, routing.scale);
                macro_rules! launch {
                    ($per:literal) => {
                        // SAFETY: There are `tokens * count` logits, `tokens * top_k` experts and
                        // weights, no bias or one an expert, and at most `$per * 32` experts.
                        unsafe {
                            route_kernel::launch_on::<$per, $type>(
                                stream, config, experts, weights, logits, bias, tokens, count,
                                top_k, flags, scale,
                            )
                        }
                    };
                }
                match count.div_ceil(32) {
                    0..=2 => launch!(2),
                    3..=4 => launch!(4),
                    5..=8 => launch!(8),
                    _ => launch!(16),
                }?;
                Ok(())
            }
        }
    )* };
}

launches!(f16 bf16 f32);
