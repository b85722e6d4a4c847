//! Rotary position embeddings: pairs of numbers of a head turn by an angle that grows with the
//! position.
//!
//! Sources: RoFormer, <https://arxiv.org/abs/2104.09864>; YaRN,
//! <https://arxiv.org/abs/2309.00071>, equations 17 to 22; Llama 3's scaling as in Meta's
//! `llama3/reference_impl/model.py`, `apply_scaling`.

use std::f64::consts::PI;

/// Which numbers of a head form a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// `i` and `i + half`: GPT-NeoX, and everything on the hub.
    Halves,
    /// `2i` and `2i + 1`: GGUF files of the Llama family, whose rows are permuted to suit.
    Adjacent,
}

/// How frequencies change to reach beyond the context of the training.
#[derive(Debug, Clone, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// All of them are divided by the factor.
    Linear {
        /// By which contexts become longer.
        factor: f64,
    },
    /// Low frequencies are divided by the factor, high ones stay, those between are blended.
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
    /// Blended over the index of the dimension, with scores scaled to match.
    Yarn {
        /// By which contexts become longer.
        factor: f64,
        /// The context of the training.
        original: f64,
        /// Rotations over that context above which a dimension stays.
        beta_fast: f64,
        /// Rotations over that context below which a dimension is divided.
        beta_slow: f64,
        /// The factor on sines and cosines; by the paper's formula if absent.
        attention: Option<f64>,
    },
    /// Divided one by one, by what `rope_freqs.weight` says.
    Factors(Vec<f32>),
}

/// Positions to angles, and their use.
pub struct Rope {
    pairs: Pairs,
    frequencies: Vec<f64>,
    magnitude: f64,
}

/// Cosines and sines of the rows of a batch, `[rows, pairs]` each.
pub(crate) struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// Over the first `width` numbers of each head.
    pub fn new(width: usize, theta: f64, pairs: Pairs, scaling: &Scaling) -> Self {
        let frequencies = (0..width / 2).map(|pair| theta.powf(-2.0 * pair as f64 / width as f64));
        let mut frequencies: Vec<f64> = frequencies.collect();
        let mut magnitude = 1.0;
        match scaling {
            Scaling::None => {}
            Scaling::Linear { factor } => frequencies.iter_mut().for_each(|it| *it /= factor),
            Scaling::Llama3 { factor, low, high, original } => {
                for frequency in &mut frequencies {
                    *frequency = llama3(*frequency, *factor, *low, *high, *original);
                }
            }
            Scaling::Yarn { factor, original, beta_fast, beta_slow, attention } => {
                let (from, to) = yarn_range(width, theta, *original, *beta_fast, *beta_slow);
                for (pair, frequency) in frequencies.iter_mut().enumerate() {
                    let ramp = ((pair as f64 - from) / (to - from)).clamp(0.0, 1.0);
                    *frequency *= ramp / factor + (1.0 - ramp);
                }
                magnitude = attention.unwrap_or(0.1 * factor.ln() + 1.0);
            }
            Scaling::Factors(factors) => {
                for (frequency, factor) in frequencies.iter_mut().zip(factors) {
                    *frequency /= f64::from(*factor);
                }
            }
        }
        Self { pairs, frequencies, magnitude }
    }

    /// Radians of each pair from one position to the next.
    pub(crate) fn frequencies(&self) -> &[f64] {
        &self.frequencies
    }

    pub(crate) fn angles(&self, positions: &[usize]) -> Angles {
        let mut cos = Vec::with_capacity(positions.len() * self.frequencies.len());
        let mut sin = Vec::with_capacity(cos.capacity());
        for position in positions {
            for frequency in &self.frequencies {
                // As everybody else, the angle is rounded to 32 bits before its sine is taken.
                let angle = (*position as f32) * (*frequency as f32);
                let (s, c) = f64::from(angle).sin_cos();
                cos.push((c * self.magnitude) as f32);
                sin.push((s * self.magnitude) as f32);
            }
        }
        Angles { cos, sin }
    }

    /// Turns rows of `heads` heads each.
    pub(crate) fn apply(&self, x: &mut [f32], heads: usize, head_dim: usize, angles: &Angles) {
        let half = self.frequencies.len();
        let angles = angles.cos.chunks_exact(half).zip(angles.sin.chunks_exact(half));
        for (row, (cos, sin)) in x.chunks_exact_mut(heads * head_dim).zip(angles) {
            for head in row.chunks_exact_mut(head_dim) {
                match self.pairs {
                    Pairs::Halves => turn_halves(&mut head[..2 * half], cos, sin),
                    Pairs::Adjacent => turn_adjacent(&mut head[..2 * half], cos, sin),
                }
            }
        }
    }
}

fn turn_halves(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (a, b) = head.split_at_mut(cos.len());
    for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

fn turn_adjacent(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ((pair, cos), sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, b * cos + a * sin];
    }
}

fn llama3(frequency: f64, factor: f64, low: f64, high: f64, original: f64) -> f64 {
    let wavelength = 2.0 * PI / frequency;
    if wavelength < original / high {
        frequency
    } else if wavelength > original / low {
        frequency / factor
    } else {
        let smooth = (original / wavelength - low) / (high - low);
        (1.0 - smooth) * frequency / factor + smooth * frequency
    }
}

/// The dimensions between which YaRN blends.
fn yarn_range(width: usize, theta: f64, original: f64, fast: f64, slow: f64) -> (f64, f64) {
    let at = |rotations: f64| {
        width as f64 * (original / (rotations * 2.0 * PI)).ln() / (2.0 * theta.ln())
    };
    let (from, to) = (at(fast).floor().max(0.0), at(slow).ceil().min(width as f64 - 1.0));
    // Equal ends would divide by zero.
    (from, if to > from { to } else { from + 0.001 })
}

#[cfg(test)]
mod tests;
