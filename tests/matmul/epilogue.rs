//! Kernels of this crate around the products of the library.

use firesteel::prelude::*;
use firesteel_examples::data;
use firesteel_kernels::matmul::{
    Order, Product, WgmmaArguments, matmul_reference, mma_product, simt_product, wgmma_product,
};
use firesteel_kernels::shape::Result;

use super::doubles;

/// The tanh form of Hendrycks and Gimpel, "Gaussian Error Linear Units", section 2.
#[gpu_fn]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh())
}

#[gpu_kernel(block_size = 384, arch = "sm_90", min_blocks = 1)]
fn gelu_layer(
    x: &TensorMap<bf16, 3>,
    w: &TensorMap<bf16, 3>,
    y: &mut TensorMap<bf16, 3>,
    bias: &[f32],
    m: u32,
    n: u32,
    k: u32,
) {
    let one = (1, 0, 0, 0);
    wgmma_product::<64, false, false, true, bf16, bf16>(
        x,
        w,
        y,
        (m, n, k),
        one,
        0.0,
        |s, _, col| gelu(s + bias[col]),
    );
}

/// A scale of each column, and beside the product what C holds.
#[gpu_kernel(block_size = 128, arch = "sm_80", min_blocks = 2)]
fn scaled_columns(
    a: &[bf16],
    b: &[bf16],
    c: &mut [f32],
    scales: &[f32],
    m: u32,
    n: u32,
    k: u32,
    beta: f32,
) {
    let (of_a, of_b) = ((0, k, 1), (0, 1, n));
    mma_product::<true, false, true, bf16, f32>(
        a,
        b,
        c,
        (m, n, k, 0),
        of_a,
        of_b,
        (0, n),
        beta,
        |x, _, col| x * scales[col],
    );
}

/// Scales of rows, and of columns, and only what is on the diagonal or below it.
#[gpu_kernel(block_size = 256, min_blocks = 2)]
fn scaled_triangle(
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    row_scales: &[f32],
    col_scales: &[f32],
    m: u32,
    n: u32,
    k: u32,
) {
    let (of_a, of_b) = ((0, k, 1), (0, k, 1));
    simt_product::<false, false, false>(
        a,
        b,
        c,
        (m, n, k),
        of_a,
        of_b,
        (0, n),
        0.0,
        |x, row, col| if col <= row { x * row_scales[row] * col_scales[col] } else { 0.0 },
    );
}

#[test]
fn a_layer_ends_in_gelu() -> Result<()> {
    let device = crate::device();
    let product = Product::new(130, 72, 72);
    let of =
        |seed, len| data::floats(seed, len).into_iter().map(bf16::from_f32).collect::<Vec<_>>();
    let (x, w, bias) = (of(1, 130 * 72), of(2, 72 * 72), data::floats(3, 72));
    let (a, b) = (device.alloc_from(&x)?, device.alloc_from(&w)?);
    let (mut y, terms) = (device.alloc_zeros(130 * 72)?, device.alloc_from(&bias)?);
    let WgmmaArguments { a, b, mut c, config } =
        WgmmaArguments::new(&device.stream(), 64, &mut y, &a, &b, &product)?;
    gelu_layer::launch_on(&device.stream(), config, &a, &b, &mut c, &terms, 130, 72, 72)?;
    let (x, w, bias) = (doubles(x), doubles(w), doubles(bias));
    let sums = matmul_reference(&[0.0; 130 * 72], &x, &w, &bias, &product);
    let want = sums
        .iter()
        .map(|x| 0.5 * x * (1.0 + (0.797_884_560_8 * (x + 0.044_715 * x.powi(3))).tanh()));
    for (got, want) in y.to_host(&device)?.into_iter().zip(want) {
        let got = f64::from(got);
        // Half a unit of `bf16`; sums of 72 products below 1, and a function at most 1.2 as steep.
        let allowed = want.abs() / 256.0 + 1.2 * 73.0 * 73.0 / 8_388_608.0;
        assert!((got - want).abs() <= allowed, "{got} instead of {want}");
    }
    Ok(())
}

#[test]
fn columns_are_scaled_and_added_to_c() -> Result<()> {
    let device = crate::device();
    let [m, n, k] = [130usize, 40, 24];
    let product = Product::new(130, 40, 24).order(Order::Kn);
    let of =
        |seed, len| data::floats(seed, len).into_iter().map(bf16::from_f32).collect::<Vec<_>>();
    let (a, b) = (of(1, m * k), of(2, n * k));
    let (scales, old) = (data::floats(3, n), data::floats(4, m * n));
    let (x, y) = (device.alloc_from(&a)?, device.alloc_from(&b)?);
    let (s, mut c) = (device.alloc_from(&scales)?, device.alloc_from(&old)?);
    let config = LaunchConfig::new([2, 1, 1]);
    let stream = device.stream();
    scaled_columns::launch_on(&stream, config, &x, &y, &mut c, &s, 130, 40, 24, 0.5)?;
    let sums = matmul_reference(&vec![0.0; m * n], &doubles(a), &doubles(b), &[], &product);
    for (at, (got, sum)) in c.to_host(&device)?.into_iter().zip(sums).enumerate() {
        let want = sum * f64::from(scales[at % n]) + 0.5 * f64::from(old[at]);
        // Sums of 24 products below 1, and the roundings of three terms.
        let allowed = 25.0 * 24.0 / 8_388_608.0;
        assert!((f64::from(got) - want).abs() <= allowed, "{got} instead of {want}");
    }
    Ok(())
}

#[test]
fn an_epilogue_knows_row_and_column() -> Result<()> {
    let device = crate::device();
    let [m, n, k] = [33, 21, 9];
    let product = Product::new(m, n, k);
    let (m, n, k) = (m as usize, n as usize, k as usize);
    let (a, b) = (data::floats(1, m * k), data::floats(2, n * k));
    let (rows, cols) = (data::floats(3, m), data::floats(4, n));
    let (x, y) = (device.alloc_from(&a)?, device.alloc_from(&b)?);
    let (r, s) = (device.alloc_from(&rows)?, device.alloc_from(&cols)?);
    let mut c = device.alloc_from(&vec![f32::NAN; m * n])?;
    let config = LaunchConfig::new([1, 1, 1]);
    let stream = device.stream();
    scaled_triangle::launch_on(&stream, config, &x, &y, &mut c, &r, &s, 33, 21, 9)?;
    let sums = matmul_reference(&vec![0.0; m * n], &doubles(a), &doubles(b), &[], &product);
    for (at, (got, sum)) in c.to_host(&device)?.into_iter().zip(sums).enumerate() {
        let (row, col) = (at / n, at % n);
        let want = if col <= row { sum * f64::from(rows[row]) * f64::from(cols[col]) } else { 0.0 };
        assert!((f64::from(got) - want).abs() <= 20.0 / 16_777_216.0 * 9.0, "{got} not {want}");
    }
    Ok(())
}
