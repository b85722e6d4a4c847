//! The frequencies of pairs, on the host in `f64`.

use std::f64::consts::PI;

/// How frequencies change to reach beyond the context of the training.
#[derive(Debug, Clone, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// All of them are divided by the factor. Chen et al., <https://arxiv.org/abs/2306.15595>.
    Linear {
        /// By which contexts become longer.
        factor: f64,
    },
    /// Low frequencies are divided by the factor, high ones stay, those between are blended: Llama
    /// 3.1, `apply_scaling` in Meta's `reference_impl/model.py`.
    Llama3 {
        /// By which contexts become longer.
        factor: f64,
        /// Wavelengths above `original / low` are low frequencies.
        low: f64,
        /// Wavelengths below `original / high` are high frequencies.
        high: f64,
        /// The context of the training.
        original: f64,
    },
    /// Blended over the index of the pair. Peng et al., <https://arxiv.org/abs/2309.00071>, equations
    /// 17 to 22.
    Yarn {
        /// By which contexts become longer.
        factor: f64,
        /// The context of the training.
        original: f64,
        /// Rotations over that context above which a pair stays; 32 in the paper.
        beta_fast: f64,
        /// Rotations over that context below which a pair is divided; 1 in the paper.
        beta_slow: f64,
        /// The factor on sines and cosines; by the paper's formula if absent.
        attention: Option<f64>,
    },
    /// Divided one by one, by what `rope_freqs.weight` of a GGUF file says.
    Factors(Vec<f32>),
}

impl Scaling {
    /// What multiplies sines and cosines.
    #[must_use]
    pub fn magnitude(&self) -> f64 {
        match self {
            Self::Yarn { factor, attention, .. } => attention.unwrap_or(0.1 * factor.ln() + 1.0),
            Self::None | Self::Linear { .. } | Self::Llama3 { .. } | Self::Factors(_) => 1.0,
        }
    }
}

/// Radians of each pair of `rotary` numbers from one position to the next.
#[must_use]
pub fn frequencies(rotary: usize, theta: f64, scaling: &Scaling) -> Vec<f64> {
    let plain = |pair: usize| theta.powf(-2.0 * pair as f64 / rotary as f64);
    let pairs = 0..rotary / 2;
    match scaling {
        Scaling::None => pairs.map(plain).collect(),
        Scaling::Linear { factor } => pairs.map(|pair| plain(pair) / factor).collect(),
        Scaling::Llama3 { factor, low, high, original } => pairs
            .map(|pair| {
                let frequency = plain(pair);
                // 1 for wavelengths below `original / high`, 0 for those above `original / low`.
                let turns = original * frequency / (2.0 * PI);
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (kept + (1.0 - kept) / factor)
            })
            .collect(),
        Scaling::Yarn { factor, original, beta_fast, beta_slow, .. } => {
            // The pair that makes so many rotations over the context.
            let pair_of = |rotations: f64| {
                rotary as f64 * (original / (rotations * 2.0 * PI)).ln() / (2.0 * theta.ln())
            };
            let from = pair_of(*beta_fast).floor().max(0.0);
            let to = pair_of(*beta_slow).ceil().min(rotary as f64 - 1.0);
            // Equal ends would divide by zero.
            let to = if to > from { to } else { from + 0.001 };
            pairs
                .map(|pair| {
                    let divided = ((pair as f64 - from) / (to - from)).clamp(0.0, 1.0);
                    plain(pair) * (divided / factor + 1.0 - divided)
                })
                .collect()
        }
        Scaling::Factors(factors) => {
            pairs.zip(factors).map(|(pair, factor)| plain(pair) / f64::from(*factor)).collect()
        }
    }
}
