//! Mixture of experts: each row goes through the few feed-forward layers that its router scores
//! highest.

use super::kernels;
use super::linear::Linear;
use super::mlp::Mlp;
use crate::error::Result;

/// A mixture of experts.
pub struct Moe {
    pub(crate) router: Linear,
    pub(crate) experts: Vec<Mlp>,
    /// Experts for each row.
    pub(crate) used: usize,
    /// Whether the weights of the chosen experts are scaled to sum to one.
    pub(crate) normalise: bool,
    pub(crate) hidden: usize,
    pub(crate) shared: Option<Shared>,
}

/// The expert that serves every row, as far as its gate opens.
pub struct Shared {
    pub(crate) mlp: Mlp,
    pub(crate) gate: Vec<f32>,
}

impl Moe {
    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        let shared = self.shared.iter().map(|it| it.mlp.parameters() + it.gate.len());
        let experts = self.experts.iter().map(Mlp::parameters);
        self.router.parameters() + experts.chain(shared).sum::<usize>()
    }

    pub(crate) fn forward(&self, x: &[f32]) -> Result<Vec<f32>> {
        let mut scores = self.router.forward(x)?;
        let chosen: Vec<Vec<(usize, f32)>> = scores
            .chunks_exact_mut(self.experts.len())
            .map(|scores| {
                kernels::softmax(scores);
                choose(scores, self.used, self.normalise)
            })
            .collect();
        let mut out = vec![0.0; x.len()];
        // In order of the experts, so that a row's sum does not depend on the other rows.
        for (index, expert) in self.experts.iter().enumerate() {
            let weight = |(row, chosen): (usize, &Vec<(usize, f32)>)| {
                chosen.iter().find(|(expert, _)| *expert == index).map(|(_, weight)| (row, *weight))
            };
            let rows: Vec<(usize, f32)> = chosen.iter().enumerate().filter_map(weight).collect();
            if rows.is_empty() {
                continue;
            }
            let at = |row: usize| row * self.hidden..(row + 1) * self.hidden;
            let gathered: Vec<f32> =
                rows.iter().flat_map(|(row, _)| &x[at(*row)]).copied().collect();
            let y = expert.forward(&gathered)?;
            for ((row, weight), y) in rows.iter().zip(y.chunks_exact(self.hidden)) {
                kernels::axpy(&mut out[at(*row)], *weight, y);
            }
        }
        if let Some(Shared { mlp, gate }) = &self.shared {
            let y = mlp.forward(x)?;
            let rows = out.chunks_exact_mut(self.hidden).zip(x.chunks_exact(self.hidden));
            for ((out, x), y) in rows.zip(y.chunks_exact(self.hidden)) {
                kernels::axpy(out, kernels::sigmoid(kernels::dot(gate, x)), y);
            }
        }
        Ok(out)
    }
}

/// The `used` best experts and their weights; of equals the first.
fn choose(scores: &[f32], used: usize, normalise: bool) -> Vec<(usize, f32)> {
    let mut order: Vec<(usize, f32)> = scores.iter().copied().enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.truncate(used);
    if normalise {
        let sum: f32 = order.iter().map(|(_, weight)| weight).sum();
        order.iter_mut().for_each(|(_, weight)| *weight /= sum);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_chosen() {
        assert_eq!(choose(&[0.125, 0.5, 0.25, 0.125], 2, false), [(1, 0.5), (2, 0.25)]);
        assert_eq!(choose(&[0.25, 0.25, 0.5], 2, true), [(2, 2.0 / 3.0), (0, 1.0 / 3.0)]);
    }
}
