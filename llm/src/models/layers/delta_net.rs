//! Gated DeltaNet: attention whose memory is one matrix a head, of one size however long the
//! sequence. Each token fades the matrix, reads it with its key, and writes the difference
//! between its value and what it read.
//!
//! Sources: Gated Delta Networks, <https://arxiv.org/abs/2412.06464>, equation 10; transformers,
//! `models/qwen3_next/modeling_qwen3_next.py`, `Qwen3NextGatedDeltaNet`.
//!
//! `R` rows of the batch, `T` tokens of one sequence, `Hk` and `Hv` key and value heads, `K` and
//! `V` their widths, `C = 2·Hk·K + Hv·V` channels of the convolution: queries, keys, values.

use super::kernels;
use super::linear::Linear;
use super::norm::RmsNorm;
use crate::error::Result;
use crate::models::Slice;
use crate::state::Recurrent;

/// Keeps the length of a query or key of zeros above zero.
const LENGTH_EPSILON: f32 = 1e-6;

/// The dimensions of a Gated DeltaNet layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaHeads {
    /// Heads of queries and keys, `Hk`.
    pub key: usize,
    /// Heads of values, `Hv`: a multiple of `Hk`.
    pub value: usize,
    /// Numbers in a query or key, `K`.
    pub key_width: usize,
    /// Numbers in a value, `V`.
    pub value_width: usize,
    /// Tokens that the convolution sees.
    pub taps: usize,
    /// Which key head a value head uses.
    pub order: HeadOrder,
}

/// How value heads are arranged over the key heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadOrder {
    /// All value heads of key head 0 first.
    Grouped,
    /// Value head 0 of every key head first: GGUF files of Qwen3.5.
    Tiled,
}

impl DeltaHeads {
    /// Channels of the convolution, `C`.
    pub fn channels(&self) -> usize {
        2 * self.key * self.key_width + self.values()
    }

    /// Numbers in the values of a token, `Hv·V`.
    pub fn values(&self) -> usize {
        self.value * self.value_width
    }

    /// Value heads of each key head.
    fn group(&self) -> usize {
        self.value / self.key
    }

    fn key_of(&self, value: usize) -> usize {
        match self.order {
            HeadOrder::Grouped => value / self.group(),
            HeadOrder::Tiled => value % self.key,
        }
    }
}

/// What makes queries, keys, values and `z`, the gate on the output.
pub enum Inputs {
    /// `[C]` and `[Hv·V]`.
    Apart {
        /// Queries, keys, values, all heads of each in turn.
        qkv: Linear,
        /// The gate.
        z: Linear,
    },
    /// Of every key head its query, its key, its group's values and its group's gates.
    ByKeyHead(Linear),
}

/// What makes `b` and `a`: how much a token writes, and how much it fades.
pub enum Gates {
    /// `[Hv]` each.
    Apart {
        /// How much a token writes.
        b: Linear,
        /// How much it fades.
        a: Linear,
    },
    /// Of every key head, its group's `b` and its group's `a`.
    ByKeyHead(Linear),
}

/// A Gated DeltaNet layer.
pub struct DeltaNet {
    pub(crate) heads: DeltaHeads,
    pub(crate) inputs: Inputs,
    pub(crate) gates: Gates,
    /// `[taps, C]`; the last tap meets the newest token.
    pub(crate) conv: Vec<f32>,
    /// `-exp(A_log)`, `[Hv]`.
    pub(crate) decay: Vec<f32>,
    /// Added to `a`, `[Hv]`.
    pub(crate) decay_bias: Vec<f32>,
    /// Over each head of the output.
    pub(crate) norm: RmsNorm,
    pub(crate) output: Linear,
    /// Its place among the recurrent layers of a state.
    pub(crate) cache: usize,
}

/// How one value head of one token treats its matrix.
#[derive(Clone, Copy)]
struct Gate {
    /// What remains of the matrix, 0 to 1.
    keep: f32,
    /// How much of the difference is written, 0 to 1.
    write: f32,
}

impl DeltaNet {
    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        let linears = match &self.inputs {
            Inputs::Apart { qkv, z } => qkv.parameters() + z.parameters(),
            Inputs::ByKeyHead(all) => all.parameters(),
        };
        let gates = match &self.gates {
            Gates::Apart { b, a } => b.parameters() + a.parameters(),
            Gates::ByKeyHead(all) => all.parameters(),
        };
        let vectors = self.conv.len() + self.decay.len() + self.decay_bias.len();
        linears + gates + vectors + self.norm.parameters() + self.output.parameters()
    }

    /// Passes the rows `x` through the states.
    pub(crate) fn forward(&self, x: &[f32], batch: &mut [Slice<'_>]) -> Result<Vec<f32>> {
        let (qkv, z) = self.project(x)?; // [R, C], [R, Hv·V]
        let gates = self.gates(x)?; // [R, Hv]
        let mut y = Vec::with_capacity(z.len()); // [R, Hv·V]
        let (channels, values) = (self.heads.channels(), self.heads.value);
        let mut row = 0;
        for slice in batch {
            let rows = row..row + slice.tokens.len();
            let state = &mut slice.state.recurrent[self.cache];
            let qkv = &qkv[rows.start * channels..rows.end * channels];
            let qkv = self.convolve(qkv, &mut state.conv);
            let gates = &gates[rows.start * values..rows.end * values];
            y.extend(recur(&self.heads, &qkv, gates, &mut state.matrices));
            row = rows.end;
        }
        self.norm.apply(&mut y);
        for (y, z) in y.iter_mut().zip(&z) {
            *y *= kernels::silu(*z);
        }
        self.output.forward(&y)
    }

    fn project(&self, x: &[f32]) -> Result<(Vec<f32>, Vec<f32>)> {
        match &self.inputs {
            Inputs::Apart { qkv, z } => Linear::forward_all([qkv, z], x).map(|[qkv, z]| (qkv, z)),
            Inputs::ByKeyHead(all) => Ok(self.by_kind(&all.forward(x)?)),
        }
    }

    /// Rows by key head to rows by kind: queries, keys, values; and the gates.
    fn by_kind(&self, rows: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let heads = &self.heads;
        let (key, values) = (heads.key_width, heads.group() * heads.value_width);
        let head = 2 * key + 2 * values;
        let (mut qkv, mut z) = (Vec::new(), Vec::new());
        for row in rows.chunks_exact(heads.key * head) {
            let parts = [0..key, key..2 * key, 2 * key..2 * key + values];
            for part in parts {
                row.chunks_exact(head).for_each(|it| qkv.extend_from_slice(&it[part.clone()]));
            }
            row.chunks_exact(head).for_each(|it| z.extend_from_slice(&it[2 * key + values..]));
        }
        (qkv, z)
    }

    fn gates(&self, x: &[f32]) -> Result<Vec<Gate>> {
        let [b, a] = match &self.gates {
            Gates::Apart { b, a } => Linear::forward_all([b, a], x)?,
            Gates::ByKeyHead(all) => {
                let rows = all.forward(x)?;
                let groups = rows.chunks_exact(self.heads.group());
                let every_second = |skip| groups.clone().skip(skip).step_by(2).flatten().copied();
                [every_second(0).collect(), every_second(1).collect()]
            }
        };
        let per_head = self.decay.iter().zip(&self.decay_bias).cycle();
        let gates = b.iter().zip(a).zip(per_head);
        Ok(gates.map(|((b, a), (decay, bias))| Gate::new(*b, a, *decay, *bias)).collect())
    }

    /// The causal convolution of each channel, then `silu`, then queries and keys to unit length.
    fn convolve(&self, x: &[f32], state: &mut [f32]) -> Vec<f32> {
        let channels = self.heads.channels();
        let seen = [&*state, x].concat(); // [taps - 1 + T, C]
        let mut y = vec![0.0; x.len()]; // [T, C]
        // An exponential weighs as much as some multiplications.
        let cost = x.len() * (self.heads.taps + 16);
        kernels::for_each(y.chunks_exact_mut(channels).zip(0..).collect(), cost, |(y, row)| {
            convolve(y, &seen[row * channels..], &self.conv);
            self.unit_length(y);
        });
        state.copy_from_slice(&seen[x.len()..]);
        y
    }

    fn unit_length(&self, row: &mut [f32]) {
        let (queries, keys) = (self.heads.key, 2 * self.heads.key);
        let width = self.heads.key_width;
        let scores = 1.0 / (width as f32).sqrt();
        for (index, head) in row.chunks_exact_mut(width).take(keys).enumerate() {
            let scale = unit_scale(head) * if index < queries { scores } else { 1.0 };
            head.iter_mut().for_each(|it| *it *= scale);
        }
    }
}

impl Gate {
    fn new(b: f32, a: f32, decay: f32, bias: f32) -> Self {
        let keep = (decay * kernels::softplus(a + bias)).exp();
        Self { keep, write: kernels::sigmoid(b) }
    }
}

/// What brings a head to unit length.
fn unit_scale(head: &[f32]) -> f32 {
    1.0 / (kernels::dot(head, head) + LENGTH_EPSILON).sqrt()
}

/// One token: `y = silu(Σ taps[i] · seen[i])`, over the rows of `seen` from the oldest on.
fn convolve(y: &mut [f32], seen: &[f32], taps: &[f32]) {
    let channels = y.len();
    for (taps, x) in taps.chunks_exact(channels).zip(seen.chunks_exact(channels)) {
        for ((y, tap), x) in y.iter_mut().zip(taps).zip(x) {
            *y += tap * x;
        }
    }
    y.iter_mut().for_each(|y| *y = kernels::silu(*y));
}

/// One value head of one sequence.
struct Task<'a> {
    head: usize,
    /// `[V, K]`.
    matrix: &'a mut [f32],
    /// `[T, V]`.
    out: &'a mut [f32],
}

/// The recurrence over `T` tokens: `qkv` `[T, C]`, `gates` `[T, Hv]`, `matrices` `[Hv, V, K]`.
/// Returns `[T, Hv·V]`.
fn recur(heads: &DeltaHeads, qkv: &[f32], gates: &[Gate], matrices: &mut [f32]) -> Vec<f32> {
    let tokens = gates.len() / heads.value;
    if tokens == 0 {
        return Vec::new();
    }
    let (width, matrix) = (heads.value_width, heads.value_width * heads.key_width);
    let mut by_head = vec![0.0; tokens * heads.values()]; // [Hv, T, V]
    let parts = matrices.chunks_exact_mut(matrix).zip(by_head.chunks_exact_mut(tokens * width));
    let tasks = parts.zip(0..).map(|((matrix, out), head)| Task { head, matrix, out }).collect();
    kernels::for_each(tasks, 3 * tokens * heads.value * matrix, |task: Task<'_>| {
        task.run(heads, qkv, gates);
    });
    if tokens == 1 {
        return by_head;
    }
    let row = |token| {
        by_head.chunks_exact(tokens * width).flat_map(move |it| &it[token * width..][..width])
    };
    (0..tokens).flat_map(row).copied().collect()
}

impl Task<'_> {
    fn run(self, heads: &DeltaHeads, qkv: &[f32], gates: &[Gate]) {
        let (key_width, width) = (heads.key_width, heads.value_width);
        let query = heads.key_of(self.head) * key_width;
        let key = query + heads.key * key_width;
        let value = 2 * heads.key * key_width + self.head * width;
        let gates = gates.iter().skip(self.head).step_by(heads.value);
        let rows = qkv.chunks_exact(heads.channels()).zip(gates);
        for ((row, gate), out) in rows.zip(self.out.chunks_exact_mut(width)) {
            let (query, key) = (&row[query..][..key_width], &row[key..][..key_width]);
            let columns = self.matrix.chunks_exact_mut(key_width);
            for ((column, value), out) in columns.zip(&row[value..][..width]).zip(out) {
                let read = gate.keep * kernels::dot(column, key);
                let write = gate.write * (value - read);
                for (it, key) in column.iter_mut().zip(key) {
                    *it = *it * gate.keep + write * key;
                }
                *out = kernels::dot(column, query);
            }
        }
    }
}

impl Recurrent {
    /// Numbers of its two parts: the convolution's and the matrices'.
    pub(crate) fn sizes(heads: &DeltaHeads) -> (usize, usize) {
        ((heads.taps - 1) * heads.channels(), heads.values() * heads.key_width)
    }
}

#[cfg(test)]
mod tests;
