// stub
//! Sampling.

/// Parameters.
#[derive(Debug, Clone)]
pub struct Params {
    /// Temperature; zero is greedy.
    pub temperature: f32,
    /// Top k; zero is off.
    pub top_k: usize,
    /// Top p; one is off.
    pub top_p: f32,
    /// Min p; zero is off.
    pub min_p: f32,
    /// Presence penalty.
    pub presence_penalty: f32,
    /// Frequency penalty.
    pub frequency_penalty: f32,
    /// Repetition penalty; one is off.
    pub repetition_penalty: f32,
    /// Logit bias.
    pub logit_bias: Vec<(u32, f32)>,
    /// Seed.
    pub seed: u64,
    /// Alternatives to report.
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

/// A chosen token.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The token.
    pub id: u32,
    /// Its logprob.
    pub logprob: f32,
    /// The likeliest.
    pub top: Vec<(u32, f32)>,
}

/// A sampler.
#[derive(Debug)]
pub struct Sampler {
    params: Params,
}

impl Sampler {
    /// With these parameters.
    pub fn new(params: Params) -> Self {
        Self { params }
    }

    /// Samples.
    pub fn sample(&mut self, logits: &[f32], _prompt: &[u32], _generated: &[u32]) -> Choice {
        let mut order: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
        for (id, bias) in &self.params.logit_bias {
            order[*id as usize].1 += bias;
        }
        let sum: f32 = logits.iter().map(|x| x.exp()).sum();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        let top = order.iter().take(self.params.logprobs.unwrap_or(0));
        let top = top.map(|&(id, x)| (id, x - sum.ln())).collect();
        Choice { id: order[0].0, logprob: order[0].1 - sum.ln(), top }
    }
}
