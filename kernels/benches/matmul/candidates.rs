//! Who multiplies: one line a kernel.

use firesteel::prelude::*;

use firesteel_kernels::matmul;

use crate::case::{Case, Format, Matrix, Order, Shape};
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
pub(crate) const CANDIDATES: &[Candidate] = &[
    Candidate { name: "`matmul`", make: chosen },
    Candidate { name: "`mma.sync`", make: mma },
    Candidate { name: "an element a thread", make: naive },
];

/// What `matmul` chooses.
fn chosen(case: &Case) -> Option<Run> {
    Some(multiply(product_of(case)))
}

/// What machines before Hopper get.
fn mma(case: &Case) -> Option<Run> {
    if !matches!(case.format, Format::Bf16 | Format::F16 | Format::I8) || case.shape.is_skinny() {
        return None;
    }
    Some(multiply(product_of(case).path(matmul::Path::Mma)))
}

fn multiply(product: matmul::Product) -> Run {
    Box::new(move |stream, problem| match (&problem.a, &problem.b, &mut problem.c) {
        (Matrix::F32(a), Matrix::F32(b), Matrix::F32(c)) => {
            Ok(matmul::matmul(stream, c, a, b, &product)?)
        }
        (Matrix::Bf16(a), Matrix::Bf16(b), Matrix::Bf16(c)) => {
            Ok(matmul::matmul(stream, c, a, b, &product)?)
        }
        (Matrix::F16(a), Matrix::F16(b), Matrix::F16(c)) => {
            Ok(matmul::matmul(stream, c, a, b, &product)?)
        }
        (Matrix::E4m3(a), Matrix::E4m3(b), Matrix::Bf16(c)) => {
            Ok(matmul::matmul(stream, c, a, b, &product)?)
        }
        (Matrix::I8(a), Matrix::I8(b), Matrix::Sums(_, c)) => {
            Ok(matmul::matmul(stream, c, a, b, &product)?)
        }
        _ => Err("the matrices are not of the case's format".into()),
    })
}

/// The case as the library says it.
fn product_of(case: &Case) -> matmul::Product {
    let order = match case.b {
        Order::Nk => matmul::Order::Nk,
        Order::Kn => matmul::Order::Kn,
    };
    let Shape { m, n, k } = case.shape;
    let product = matmul::Product::new(m, n, k).order(order).fixed_b();
    match case.format {
        Format::Tf32 => product.tf32(),
        Format::F32 | Format::Bf16 | Format::F16 | Format::I8 | Format::E4m3 => product,
    }
}

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
