//! RMS norm: `x / sqrt(mean(x²) + ε) · w`.

use super::kernels;

/// The weights of an RMS norm, over rows of their length.
pub struct RmsNorm {
    weight: Vec<f32>,
    epsilon: f32,
}

impl RmsNorm {
    /// With weights that are stored less `offset`.
    pub(crate) fn new(mut weight: Vec<f32>, offset: f32, epsilon: f32) -> Self {
        weight.iter_mut().for_each(|it| *it += offset);
        Self { weight, epsilon }
    }

    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        self.weight.len()
    }

    /// The norm of every row.
    pub(crate) fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mut y = x.to_vec();
        self.apply(&mut y);
        y
    }

    /// Replaces every row by its norm.
    pub(crate) fn apply(&self, x: &mut [f32]) {
        for row in x.chunks_exact_mut(self.weight.len()) {
            let mean = kernels::dot(row, row) / row.len() as f32;
            let scale = 1.0 / (mean + self.epsilon).sqrt();
            for (x, weight) in row.iter_mut().zip(&self.weight) {
                *x = *x * scale * weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_scaled_to_unit_mean_square() {
        let norm = RmsNorm::new(vec![0.0, 1.0], 1.0, 0.0);
        assert_eq!(norm.forward(&[3.0, 3.0, -5.0, 5.0]), [1.0, 2.0, -1.0, 2.0]);
    }
}
