//! The gated feed-forward layer: `down(silu(gate(x)) * up(x))`.

use super::kernels;
use super::linear::Linear;
use crate::error::Result;

/// A gated feed-forward layer.
pub struct Mlp {
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// Numbers whose activation is one thread's piece; an exponential weighs as much as some
/// multiplications.
const PIECE: usize = 4096;
const EXPONENTIAL: usize = 16;

impl Mlp {
    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        [&self.gate, &self.up, &self.down].iter().map(|it| it.parameters()).sum()
    }

    pub(crate) fn forward(&self, x: &[f32]) -> Result<Vec<f32>> {
        let [mut gate, up] = Linear::forward_all([&self.gate, &self.up], x)?;
        let cost = gate.len() * EXPONENTIAL;
        let pieces = gate.chunks_mut(PIECE).zip(up.chunks(PIECE)).collect();
        kernels::for_each(pieces, cost, |(gate, up): (&mut [f32], &[f32])| {
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = kernels::silu(*gate) * up;
            }
        });
        self.down.forward(&gate)
    }
}
