//! The choice of the next token from its logits.
//!
//! The order is that of transformers' logits processors: penalties and biases, temperature,
//! `top_k`, `top_p`, `min_p`, then one draw. Every number at its neutral value changes nothing,
//! and no parameter has another default than the neutral one.
//!
//! A draw depends on the seed, on the number of tokens generated so far, and on the logits:
//! never on other sequences, nor on how often the sampler was called before.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

mod filter;
mod history;
#[cfg(test)]
mod tests;

use filter::Kept;
use history::History;

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Divides the logits. 0 is greedy: the largest logit, of equal ones the lowest id.
    pub temperature: f32,
    /// Keeps the `top_k` largest logits and those equal to the last of them. 0 keeps all.
    pub top_k: usize,
    /// Keeps the most probable tokens whose probabilities together reach `top_p`. 1 keeps all.
    pub top_p: f32,
    /// Keeps tokens at least `min_p` times as probable as the most probable. 0 keeps all.
    pub min_p: f32,
    /// Subtracted once from the logit of every token generated before. 0 is neutral.
    pub presence_penalty: f32,
    /// Subtracted for every time that a token was generated before. 0 is neutral.
    pub frequency_penalty: f32,
    /// Divides positive and multiplies negative logits of the tokens of the prompt and of those
    /// generated, once each. 1 is neutral.
    pub repetition_penalty: f32,
    /// Added to the logits of single tokens, after the penalties.
    pub logit_bias: Vec<(u32, f32)>,
    /// The seed of the draws.
    pub seed: u64,
    /// Asks for the log-probability of the chosen token and of this many of the most probable.
    pub logprobs: Option<usize>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            logit_bias: Vec::new(),
            seed: 0,
            logprobs: None,
        }
    }
}

impl Params {
    /// Whether the logits reach the filters as the model made them.
    fn leaves_logits(&self) -> bool {
        self.presence_penalty == 0.0
            && self.frequency_penalty == 0.0
            && self.repetition_penalty == 1.0
            && self.logit_bias.is_empty()
    }

    /// Whether only the most probable token can be chosen. A temperature that is no number
    /// counts as 0: a draw from it would have no meaning.
    fn is_greedy(&self) -> bool {
        self.temperature.is_nan()
            || self.temperature <= 0.0
            || self.top_k == 1
            || self.top_p <= 0.0
            || self.min_p >= 1.0
    }
}

/// A chosen token.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The token.
    pub id: u32,
    /// Its log-probability under the model's own distribution, before penalties and
    /// temperature. 0 unless [`Params::logprobs`] asks for it: the sum over the vocabulary
    /// that it needs costs as much as the choice itself.
    pub logprob: f32,
    /// The most probable tokens and their log-probabilities, best first; as many as
    /// [`Params::logprobs`] says.
    pub top: Vec<(u32, f32)>,
}

/// Chooses the tokens of one sequence.
#[derive(Debug)]
pub struct Sampler {
    params: Params,
    history: History,
    rng: ChaCha12Rng,
    /// The logits after penalties, kept between calls for their memory.
    scratch: Vec<f32>,
}

impl Sampler {
    /// A sampler of one sequence.
    pub fn new(params: Params) -> Self {
        let rng = ChaCha12Rng::seed_from_u64(params.seed);
        Self { params, history: History::default(), rng, scratch: Vec::new() }
    }

    /// What it was made with.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Chooses the token that follows `prompt` and `generated`, given its logits.
    ///
    /// `generated` grows from call to call. A logit that is not a number counts as impossible,
    /// an infinite one as the largest number; with no logits at all the choice is token 0.
    pub fn sample(&mut self, logits: &[f32], prompt: &[u32], generated: &[u32]) -> Choice {
        let mut scratch = std::mem::take(&mut self.scratch);
        let processed = if self.params.leaves_logits() {
            logits
        } else {
            scratch.clear();
            scratch.extend_from_slice(logits);
            self.history.extend(&self.params, prompt, generated);
            self.history.penalise(&self.params, &mut scratch);
            &scratch
        };
        let id = self.choose(processed, generated.len());
        self.scratch = scratch;
        let (logprob, top) = match self.params.logprobs {
            Some(count) => logprobs(logits, id, count),
            None => (0.0, Vec::new()),
        };
        Choice { id, logprob, top }
    }

    fn choose(&mut self, logits: &[f32], step: usize) -> u32 {
        let (best, largest) = filter::argmax(logits);
        if self.params.is_greedy() || largest == f32::NEG_INFINITY {
            return best;
        }
        let kept = filter::keep(logits, largest, &self.params);
        draw(&kept, self.uniform(step)).unwrap_or(best)
    }

    /// A number in [0, 1) with 53 random bits, the one of this step.
    fn uniform(&mut self, step: usize) -> f64 {
        // Two words a step. The place in the stream is set, not reached, so that a sequence
        // that was put aside and resumed with a fresh sampler goes on as it would have.
        self.rng.set_word_pos(2 * step as u128);
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The token at `uniform` of the way through the weights.
fn draw(kept: &Kept, uniform: f64) -> Option<u32> {
    let total: f64 = kept.iter().map(|&(_, weight)| f64::from(weight)).sum();
    let mut left = uniform * total;
    let mut last = None;
    for &(id, weight) in kept {
        if weight <= 0.0 {
            continue;
        }
        last = Some(id);
        left -= f64::from(weight);
        if left < 0.0 {
            break;
        }
    }
    // Rounding can leave a trace of `left` after the last token, whose share it then is.
    last
}

/// The log-probability of `id` and those of the `count` most probable tokens.
fn logprobs(logits: &[f32], id: u32, count: usize) -> (f32, Vec<(u32, f32)>) {
    let (_, largest) = filter::argmax(logits);
    let sum: f64 = logits.iter().map(|&it| f64::from((filter::finite(it) - largest).exp())).sum();
    let of = |logit: f32| {
        let value = f64::from(filter::finite(logit)) - f64::from(largest) - sum.ln();
        // JSON has no infinities; this is what OpenAI's server writes for "impossible".
        if value.is_finite() { value.max(-9999.0) as f32 } else { -9999.0 }
    };
    let chosen = logits.get(id as usize).map_or(-9999.0, |&logit| of(logit));
    let top = filter::largest(logits, count);
    (chosen, top.into_iter().map(|id| (id, of(logits[id as usize]))).collect())
}
