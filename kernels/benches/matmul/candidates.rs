//! Who multiplies: one line a kernel.

use firesteel::prelude::*;

use crate::case::{Case, Format, Matrix, Order};
use crate::measure::Run;

/// A kernel and the cases that it takes.
pub(crate) struct Candidate {
    /// What the tables call it.
    pub(crate) name: &'static str,
    /// Gets it ready for a case: what puts one product on a stream. None if it does not take the
    /// case.
    pub(crate) make: fn(&Case) -> Option<Run>,
}

/// All of them, in the order of the tables.
pub(crate) const CANDIDATES: &[Candidate] =
    &[Candidate { name: "an element a thread", make: naive }];

/// The product as one writes it first.
#[gpu_kernel(block_size = (32, 8))]
fn product(a: &[f32], b: &[f32], c: &mut [f32], m: u32, n: u32, k: u32) {
    let column = block_idx_x() * 32 + thread_idx_x();
    let row = block_idx_y() * 8 + thread_idx_y();
    if row < m && column < n {
        let mut sum = 0.0f32;
        for i in 0..k {
            sum = a[row * k + i].mul_add(b[i * n + column], sum);
        }
        c[row * n + column] = sum;
    }
}

/// Products that it finishes in reasonable time.
const NAIVE: u64 = 1 << 33;

fn naive(case: &Case) -> Option<Run> {
    let shape = case.shape;
    if case.format != Format::F32 || case.b != Order::Kn || shape.multiplications() > NAIVE {
        return None;
    }
    Some(Box::new(move |stream, problem| {
        let (Matrix::F32(a), Matrix::F32(b), Matrix::F32(c)) =
            (&problem.a, &problem.b, &mut problem.c)
        else {
            return Err("the matrices are not of the case's format".into());
        };
        let config = Grid::cover_2d([shape.n, shape.m], [32, 8]);
        Ok(product::launch_on(stream, config, a, b, c, shape.m, shape.n, shape.k)?)
    }))
}
