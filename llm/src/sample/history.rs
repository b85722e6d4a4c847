//! Penalties for tokens that occurred before, and biases.

use std::collections::{HashMap, HashSet};

use super::Params;

/// Which tokens occurred, kept from step to step: counting them anew each time would make a
/// long sequence quadratic.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The distinct tokens of prompt and generated text.
    seen: HashSet<u32>,
    /// How often each token was generated.
    counts: HashMap<u32, u32>,
    prompt: usize,
    generated: usize,
}

impl History {
    /// Takes in what was added to `prompt` and `generated` since the last call.
    pub(super) fn extend(&mut self, params: &Params, prompt: &[u32], generated: &[u32]) {
        if prompt.len() < self.prompt || generated.len() < self.generated {
            *self = Self::default();
        }
        if params.repetition_penalty != 1.0 {
            self.seen.extend(&prompt[self.prompt..]);
            self.seen.extend(&generated[self.generated..]);
        }
        if params.presence_penalty != 0.0 || params.frequency_penalty != 0.0 {
            for &id in &generated[self.generated..] {
                *self.counts.entry(id).or_default() += 1;
            }
        }
        (self.prompt, self.generated) = (prompt.len(), generated.len());
    }

    /// Applies the penalties of transformers (repetition) and OpenAI (presence and frequency,
    /// <https://platform.openai.com/docs/guides/text-generation>), then the biases. Tokens
    /// outside the vocabulary are passed over.
    pub(super) fn penalise(&self, params: &Params, logits: &mut [f32]) {
        for &id in &self.seen {
            if let Some(logit) = logits.get_mut(id as usize) {
                let factor = params.repetition_penalty;
                *logit = if *logit < 0.0 { *logit * factor } else { *logit / factor };
            }
        }
        for (&id, &count) in &self.counts {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit -= params.presence_penalty + count as f32 * params.frequency_penalty;
            }
        }
        for &(id, bias) in &params.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
    }
}
