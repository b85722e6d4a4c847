//! Grouped-query attention over the keys and values of each sequence.

use super::kernels;
use super::linear::Linear;
use super::norm::RmsNorm;
use super::rope::{Angles, Rope};
use crate::error::Result;
use crate::models::Slice;
use crate::state::KvHead;

/// The dimensions of an attention layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key/value heads, each shared by a group of query heads.
    pub kv: usize,
    /// Numbers in a head.
    pub width: usize,
}

/// An attention layer.
pub struct Attention {
    pub(crate) heads: Heads,
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) output: Linear,
    /// Norms of each head of queries and keys.
    pub(crate) norms: Option<(RmsNorm, RmsNorm)>,
    /// Whether the query matrix gives each head a gate on its output, after its query.
    pub(crate) gated: bool,
    /// Its place among the attention layers of a state.
    pub(crate) cache: usize,
    /// How many positions back a token sees, itself included.
    pub(crate) window: Option<usize>,
}

/// The query heads of one token that share a key/value head.
struct Task<'a> {
    out: &'a mut [f32],
    query: &'a [f32],
    kv: &'a KvHead,
    first: usize,
    end: usize,
}

impl Attention {
    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        let linears = [&self.query, &self.key, &self.value, &self.output];
        let norms = self.norms.iter().map(|(q, k)| q.parameters() + k.parameters());
        linears.iter().map(|it| it.parameters()).sum::<usize>() + norms.sum::<usize>()
    }

    /// Appends keys and values of the rows `x` to the states, and attends.
    pub(crate) fn forward(
        &self,
        x: &[f32],
        rope: &Rope,
        angles: &Angles,
        batch: &mut [Slice<'_>],
    ) -> Result<Vec<f32>> {
        let Heads { query: heads, kv, width } = self.heads;
        let [q, mut k, v] = Linear::forward_all([&self.query, &self.key, &self.value], x)?;
        let (mut q, gate) = if self.gated { split(&q, width) } else { (q, Vec::new()) };
        if let Some((q_norm, k_norm)) = &self.norms {
            q_norm.apply(&mut q);
            k_norm.apply(&mut k);
        }
        rope.apply(&mut q, heads, width, angles);
        rope.apply(&mut k, kv, width, angles);
        self.append(&k, &v, batch);
        let mut y = self.attend(&q, batch);
        for (y, gate) in y.iter_mut().zip(&gate) {
            *y *= kernels::sigmoid(*gate);
        }
        self.output.forward(&y)
    }

    fn append(&self, k: &[f32], v: &[f32], batch: &mut [Slice<'_>]) {
        let width = self.heads.width;
        let mut rows =
            k.chunks_exact(self.heads.kv * width).zip(v.chunks_exact(self.heads.kv * width));
        for slice in batch {
            for (k, v) in rows.by_ref().take(slice.tokens.len()) {
                let parts = k.chunks_exact(width).zip(v.chunks_exact(width));
                for (head, (k, v)) in slice.state.layers[self.cache].iter_mut().zip(parts) {
                    head.keys.extend_from_slice(k);
                    head.values.extend_from_slice(v);
                }
            }
        }
    }

    fn attend(&self, q: &[f32], batch: &[Slice<'_>]) -> Vec<f32> {
        let mut out = vec![0.0; q.len()];
        let group = self.heads.query / self.heads.kv * self.heads.width;
        let mut pieces = out.chunks_exact_mut(group).zip(q.chunks_exact(group));
        let (mut tasks, mut cost) = (Vec::new(), 0);
        for slice in batch {
            for position in slice.state.len..slice.state.len + slice.tokens.len() {
                let end = position + 1;
                let first = self.window.map_or(0, |window| end.saturating_sub(window));
                for (kv, (out, query)) in slice.state.layers[self.cache].iter().zip(&mut pieces) {
                    cost += 2 * group * (end - first);
                    tasks.push(Task { out, query, kv, first, end });
                }
            }
        }
        let width = self.heads.width;
        kernels::for_each(tasks, cost, |task| task.run(width));
        out
    }
}

/// Heads of `2 * width` to their first and second halves.
fn split(x: &[f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let halves = |skip| x.chunks_exact(width).skip(skip).step_by(2).flatten().copied().collect();
    (halves(0), halves(1))
}

impl Task<'_> {
    fn run(self, width: usize) {
        let span = self.first * width..self.end * width;
        let (keys, values) = (&self.kv.keys[span.clone()], &self.kv.values[span]);
        let len = self.end - self.first;
        let scale = 1.0 / (width as f32).sqrt();
        let mut scores = vec![0.0; self.query.len() / width * len]; // [heads, len]
        for (index, key) in keys.chunks_exact(width).enumerate() {
            for (head, query) in self.query.chunks_exact(width).enumerate() {
                scores[head * len + index] = kernels::dot(query, key) * scale;
            }
        }
        scores.chunks_exact_mut(len).for_each(kernels::softmax);
        for (index, value) in values.chunks_exact(width).enumerate() {
            for (head, out) in self.out.chunks_exact_mut(width).enumerate() {
                kernels::axpy(out, scores[head * len + index], value);
            }
        }
    }
}
