//! The operations, each on its own buffers. What they compute is looked at before they are timed.

use firesteel::prelude::*;
use firesteel_kernels::elementwise::{Activation, activation_reference, add, gated, gated_halves};
use firesteel_kernels::norm::{
    Norm, add_rms_norm, gated_rms_norm, layer_norm, rms_norm, rms_norm_reference,
};
use firesteel_kernels::rope::{Axes, Heads, Pairing, Rope, Scaling, rope};
use firesteel_kernels::softmax::{Softmax, softmax, softmax_reference};

use crate::N;
use crate::harness::Failure;
use crate::harness::data::Host;
use crate::harness::turns::Contestant;

/// The fewest bytes that an operation moves, and who does it.
pub(crate) type Case = (u64, Contestant);

/// Operands of so many rows: as many of each as a turn goes round.
pub(crate) struct Rows {
    rows: usize,
    x: Vec<GpuBuffer<bf16>>,
    y: Vec<GpuBuffer<bf16>>,
    out: Vec<GpuBuffer<bf16>>,
    weight: GpuBuffer<f32>,
    host: Vec<bf16>,
}

const EPS: f32 = 1e-6;
const HEAD: usize = 128;

fn wide(x: &[bf16]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// The last row is near what it should be.
fn demand(got: &[bf16], want: &[f64], what: &str) -> Result<(), Failure> {
    let got = wide(&got[got.len() - want.len()..]);
    let most = want.iter().fold(0.0f64, |most, it| most.max(it.abs()));
    let error = got.iter().zip(want).map(|(got, want)| (got - want).abs()).fold(0.0, f64::max);
    if error <= 0.004 * most { Ok(()) } else { Err(format!("{what}: {error} of {most}").into()) }
}

impl Rows {
    pub(crate) fn new(stream: &Stream, rows: usize) -> Result<Self> {
        // Of few rows the launches are what counts, so there are many in a graph.
        let count = if rows > 1000 { 3 } else { 32 };
        let host = Host::normal(1, rows * N).bf16();
        let other = Host::normal(2, rows * N).bf16();
        let some = |of: &[bf16]| -> Result<Vec<GpuBuffer<bf16>>> {
            (0..count).map(|_| stream.alloc_from(of)).collect()
        };
        let (x, y, out) = (some(&host)?, some(&other)?, some(&host)?);
        Ok(Self { rows, x, y, out, weight: stream.alloc_from(&vec![1.0; N])?, host })
    }

    /// A case of so many operands' bytes.
    fn case(
        &self,
        stream: &Stream,
        (name, tensors): (&str, u64),
        work: impl FnMut(usize) -> Result<(), Failure>,
    ) -> Result<Case, Failure> {
        let bytes = tensors * (self.rows * N * size_of::<bf16>()) as u64;
        Ok((bytes, Contestant::new(stream, name, self.x.len(), work)?))
    }

    /// The copy, then the operations whose names hold the text.
    pub(crate) fn cases(mut self, stream: &Stream, only: &str) -> Result<Vec<Case>, Failure> {
        let copy = {
            let (x, mut out) = (&self.x, std::mem::take(&mut self.out));
            let copy = self.case(stream, ("copy within the device", 2), |i| {
                Ok(out[i].copy_from_buffer_on(stream, &x[i])?)
            })?;
            self.out = out;
            copy
        };
        let mut all = vec![copy];
        all.extend(self.norms(stream)?);
        all.extend(self.others(stream)?);
        let of_copy = all.remove(0);
        all.retain(|(_, it)| it.name.contains(only));
        all.insert(0, of_copy);
        Ok(all)
    }

    fn last(&self) -> Vec<f64> {
        wide(&self.host[self.host.len() - N..])
    }

    fn norms(&mut self, stream: &Stream) -> Result<Vec<Case>, Failure> {
        let (norm, mut out) = (Norm::new(self.rows, N, EPS), std::mem::take(&mut self.out));
        let mut sums = std::mem::take(&mut self.y);
        let (x, weight) = (&self.x, &self.weight);
        let rms = self.case(stream, ("RMSNorm", 2), |i| {
            Ok(rms_norm(stream, &mut out[i], &x[i], weight, &norm)?)
        })?;
        let got = out[0].to_host(weight.device())?;
        let ones = vec![1.0; N];
        let want = rms_norm_reference(&self.last(), &ones, f64::from(EPS), 0.0);
        demand(&got, &want, "RMSNorm")?;
        let added = self.case(stream, ("sum and RMSNorm", 4), |i| {
            Ok(add_rms_norm(stream, &mut out[i], &mut sums[i], &x[i], weight, &norm)?)
        })?;
        let layer = self.case(stream, ("LayerNorm", 2), |i| {
            Ok(layer_norm(stream, &mut out[i], &x[i], weight, None, &norm)?)
        })?;
        let heads = Norm::new(self.rows * N / HEAD, HEAD, EPS);
        let of_head = stream.alloc_from(&[1.0; HEAD])?;
        let of_heads = self.case(stream, ("RMSNorm of heads of 128", 2), |i| {
            Ok(rms_norm(stream, &mut out[i], &x[i], &of_head, &heads)?)
        })?;
        let gates = &sums;
        let gated = self.case(stream, ("gated RMSNorm of heads of 128", 3), |i| {
            Ok(gated_rms_norm(stream, &mut out[i], &x[i], &gates[i], &of_head, &heads)?)
        })?;
        (self.out, self.y) = (out, sums);
        Ok(vec![rms, added, layer, of_heads, gated])
    }

    fn others(&mut self, stream: &Stream) -> Result<Vec<Case>, Failure> {
        let mut out = std::mem::take(&mut self.out);
        let (x, y) = (&self.x, &self.y);
        let silu = self.case(stream, ("SiLU * up", 3), |i| {
            Ok(gated(stream, &mut out[i], &x[i], &y[i], Activation::Silu)?)
        })?;
        let up = wide(&y[0].to_host(self.weight.device())?);
        let want = self.last().into_iter().zip(&up[up.len() - N..]);
        let want: Vec<f64> =
            want.map(|(x, up)| activation_reference(Activation::Silu, x) * up).collect();
        demand(&out[0].to_host(self.weight.device())?, &want, "SiLU * up")?;
        let gelu = self.case(stream, ("GELU * up", 3), |i| {
            Ok(gated(stream, &mut out[i], &x[i], &y[i], Activation::Gelu)?)
        })?;
        // Rows of half the length, so that both halves are an operand.
        let mut halves: Vec<GpuBuffer<bf16>> = Vec::new();
        for _ in x {
            halves.push(stream.alloc_zeros(self.rows * N / 2)?);
        }
        let (bytes, fused) = self.case(stream, ("SiLU * up of halves of rows", 3), |i| {
            Ok(gated_halves(stream, &mut halves[i], &x[i], N / 2, Activation::Silu)?)
        })?;
        let fused = (bytes / 2, fused);
        let of = Softmax::new(self.rows, N);
        let soft = self.case(stream, ("softmax", 2), |i| {
            Ok(softmax(stream, &mut out[i], None, &x[i], &of)?)
        })?;
        let (want, _) = softmax_reference(&self.last());
        demand(&out[0].to_host(self.weight.device())?, &want, "softmax")?;
        let sum = self.case(stream, ("sum", 3), |i| Ok(add(stream, &mut out[i], &x[i])?))?;
        let table = Rope::new(stream, HEAD, 1e6, Pairing::Halves, &Scaling::None, Axes::One)?;
        let positions: Vec<u32> = (0..self.rows as u32).collect();
        let positions = stream.alloc_from(&positions)?;
        let turned = self.case(stream, ("rope", 2), |i| {
            let heads = Heads::new(&mut out[i], N / HEAD, HEAD);
            Ok(rope(stream, &table, heads, None, &positions)?)
        })?;
        self.out = out;
        Ok(vec![silu, gelu, fused, soft, sum, turned])
    }
}
