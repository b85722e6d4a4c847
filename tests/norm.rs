//! Norms of rows, against `f64`.

mod quantized;

use firesteel::Device;
use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::norm::{
    self, Norm, add_rms_norm, gated_rms_norm, gated_rms_norm_reference, layer_norm,
    layer_norm_reference, rms_norm, rms_norm_in_place, rms_norm_reference,
};
use firesteel_kernels::quant;
use firesteel_kernels::rows::{Element, Rows};
use firesteel_kernels::shape::{Error, Result};
use firesteel_tests::ptxas;

use crate::golden::Tensors;

#[test]
fn kernels_assemble_without_spills() {
    for text in norm::ptx() {
        ptxas::demand(text, &[]);
    }
}

/// A type of rows, and how far from a number the nearest of the type is.
pub(crate) trait Type: Element + quant::Element {
    fn half_step(x: f64) -> f64;
}

impl Type for f32 {
    fn half_step(x: f64) -> f64 {
        x.abs() * 2.0_f64.powi(-24)
    }
}

impl Type for f16 {
    fn half_step(x: f64) -> f64 {
        x.abs() * 2.0_f64.powi(-11) + 2.0_f64.powi(-25)
    }
}

impl Type for bf16 {
    fn half_step(x: f64) -> f64 {
        x.abs() * 2.0_f64.powi(-8)
    }
}

pub(crate) fn typed<T: Type>(x: &[f32]) -> Vec<T> {
    x.iter().map(|x| T::nearest(*x)).collect()
}

pub(crate) fn wide<T: Type>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| f64::from(Into::<f32>::into(*x))).collect()
}

/// `got` is `want`, computed in `f32` and rounded once.
fn demand<T: Type>(got: &[T], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let most = want.iter().fold(0.0f64, |most, it| most.max(it.abs()));
    for (at, (got, want)) in wide(got).iter().zip(want).enumerate() {
        let allowed = T::half_step(*want) * 1.01 + 1e-6 * most;
        assert!((got - want).abs() <= allowed, "{what} at {at}: {got}, {want}");
    }
}

/// A row for each share of the threads, and rows of any length.
const LENGTHS: &[usize] = &[8, 64, 128, 256, 1000, 2048, 2056, 4096, 5120, 100, 1, 8200];
const EPS: f32 = 1e-5;

/// Values of rows of very different sizes.
fn values(seed: u64, rows: usize, n: usize) -> Vec<f32> {
    let mut x = data::floats(seed, rows * n);
    x[..n].iter_mut().for_each(|x| *x *= 100.0);
    x[(rows - 1) * n..].iter_mut().for_each(|x| *x *= 1e-3);
    x
}

fn check_norms<T: Type>(device: &Device) -> Result<()> {
    let stream = device.stream();
    for &n in LENGTHS {
        let rows = if n < 300 { 70 } else { 3 };
        let x: Vec<T> = typed(&values(1, rows, n));
        let (weight, bias) = (data::floats(2, n), data::floats(3, n));
        let (dx, dw) = (device.alloc_from(&x)?, device.alloc_from(&weight)?);
        let db = device.alloc_from(&bias)?;
        let mut out = device.alloc_zeros::<T>(rows * n)?;
        let norm = Norm::new(rows, n, EPS);
        let check = |what: &str, got: Vec<T>, want: &dyn Fn(&[f64]) -> Vec<f64>| {
            for (row, (x, got)) in x.chunks(n).zip(got.chunks(n)).enumerate() {
                demand(got, &want(&wide(x)), &format!("{what} {n} row {row}"));
            }
        };
        let eps = f64::from(EPS);
        rms_norm(&stream, &mut out, &dx, &dw, &norm)?;
        check("rms", out.to_host(device)?, &|x| rms_norm_reference(x, &weight, eps, 0.0));
        rms_norm(&stream, &mut out, &dx, &dw, &norm.one_plus_weight())?;
        check("1 + w", out.to_host(device)?, &|x| rms_norm_reference(x, &weight, eps, 1.0));
        layer_norm(&stream, &mut out, &dx, &dw, Some(&db), &norm)?;
        check("layer", out.to_host(device)?, &|x| layer_norm_reference(x, &weight, &bias, eps));
        layer_norm(&stream, &mut out, &dx, &dw, None, &norm)?;
        let none = vec![0.0; n];
        check("no bias", out.to_host(device)?, &|x| layer_norm_reference(x, &weight, &none, eps));
    }
    Ok(())
}

fn check_gated<T: Type>(device: &Device) -> Result<()> {
    let stream = device.stream();
    for &n in LENGTHS {
        let rows = if n < 300 { 70 } else { 3 };
        let x: Vec<T> = typed(&values(4, rows, n));
        let gate: Vec<f32> = data::floats(5, rows * n).iter().map(|x| 20.0 * x).collect();
        let gate: Vec<T> = typed(&gate);
        let weight = data::floats(6, n);
        let mut out = device.alloc_zeros::<T>(rows * n)?;
        let (dx, dg) = (device.alloc_from(&x)?, device.alloc_from(&gate)?);
        let dw = device.alloc_from(&weight)?;
        gated_rms_norm(&stream, &mut out, &dx, &dg, &dw, &Norm::new(rows, n, EPS))?;
        let got = out.to_host(device)?;
        for (row, got) in got.chunks(n).enumerate() {
            let part = row * n..(row + 1) * n;
            let (x, gate) = (wide(&x[part.clone()]), wide(&gate[part]));
            let want = gated_rms_norm_reference(&x, &gate, &weight, f64::from(EPS));
            demand(got, &want, &format!("gated {n} row {row}"));
        }
    }
    Ok(())
}

/// The sum is that of the type, and the norm is one of that sum, to the bit.
fn check_adds<T: Type + PartialEq + std::fmt::Debug>(device: &Device) -> Result<()> {
    let stream = device.stream();
    for &n in LENGTHS {
        let rows = 3;
        let x: Vec<T> = typed(&values(7, rows, n));
        let old: Vec<T> = typed(&data::floats(8, rows * n));
        let (dx, weight) = (device.alloc_from(&x)?, device.alloc_from(&data::floats(9, n))?);
        let mut sum = device.alloc_from(&old)?;
        let (mut out, mut want) =
            (device.alloc_zeros::<T>(rows * n)?, device.alloc_zeros::<T>(rows * n)?);
        let norm = Norm::new(rows, n, EPS);
        add_rms_norm(&stream, &mut out, &mut sum, &dx, &weight, &norm)?;
        let both = x.iter().zip(&old).map(|(x, old)| T::nearest((*x).into() + (*old).into()));
        assert_eq!(sum.to_host(device)?, both.collect::<Vec<T>>(), "{n}");
        rms_norm(&stream, &mut want, &sum, &weight, &norm)?;
        let (got, want) = (out.to_host(device)?, want.to_host(device)?);
        for (got, want) in got.chunks(n).zip(want.chunks(n)) {
            // Of short rows a plain norm adds the squares in another order.
            if n <= 1024 {
                demand(got, &wide(want), &format!("added {n}"));
            } else {
                assert_eq!(got, want, "{n}");
            }
        }
    }
    Ok(())
}

#[test]
fn rows_of_f32_are_normed() -> Result<()> {
    check_norms::<f32>(&crate::device())?;
    check_gated::<f32>(&crate::device())?;
    check_adds::<f32>(&crate::device())
}

#[test]
fn rows_of_f16_are_normed() -> Result<()> {
    check_norms::<f16>(&crate::device())?;
    check_gated::<f16>(&crate::device())?;
    check_adds::<f16>(&crate::device())
}

#[test]
fn rows_of_bf16_are_normed() -> Result<()> {
    check_norms::<bf16>(&crate::device())?;
    check_gated::<bf16>(&crate::device())?;
    check_adds::<bf16>(&crate::device())
}

/// More rows than blocks at once, so that threads work on several.
#[test]
fn many_rows_are_normed() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let multiprocessors = device.info()?.multiprocessors as usize;
    for (rows, n) in [(multiprocessors * 8 * 3 + 5, 2048), (multiprocessors * 8 * 32 * 2 + 9, 64)] {
        let base = data::floats(1, n);
        let factor = |row: usize| (row % 13) as f32 - 6.0;
        let x: Vec<f32> = (0..rows * n).map(|at| base[at % n] * factor(at / n)).collect();
        let (x, weight) = (device.alloc_from(&x)?, device.alloc_from(&vec![1.0; n])?);
        let mut out = device.alloc_zeros::<f32>(rows * n)?;
        rms_norm(&stream, &mut out, &x, &weight, &Norm::new(rows, n, 1e-12))?;
        let want = rms_norm_reference(&wide(&base), &vec![1.0; n], 0.0, 0.0);
        for (row, got) in out.to_host(&device)?.chunks(n).enumerate() {
            let sign = f64::from(factor(row)).signum() * f64::from(factor(row) != 0.0);
            let want: Vec<f64> = want.iter().map(|it| it * sign).collect();
            demand(got, &want, &format!("{n} row {row}"));
        }
    }
    Ok(())
}

/// Queries and keys in the result of a fused product are normed where they are, and nothing else is
/// touched.
#[test]
fn heads_of_a_fused_product_are_normed_in_place() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (tokens, heads, keys) = (5, 4, 2);
    for n in [128, 100] {
        let stride = (heads + 2 * keys) * n;
        let old = data::floats(1, tokens * stride);
        let weight = data::floats(2, n);
        let (mut x, w) = (device.alloc_from(&old)?, device.alloc_from(&weight)?);
        let norm = Norm::new(tokens * heads, n, EPS).heads(heads);
        rms_norm_in_place(&stream, &mut x, &w, &norm.x(Rows::strided(n, 0, stride)))?;
        let norm = Norm::new(tokens * keys, n, EPS).heads(keys);
        rms_norm_in_place(&stream, &mut x, &w, &norm.x(Rows::strided(n, heads * n, stride)))?;
        let got = x.to_host(&device)?;
        for (at, (got, old)) in got.chunks(n).zip(old.chunks(n)).enumerate() {
            if at % (heads + 2 * keys) < heads + keys {
                let want = rms_norm_reference(&wide(old), &weight, f64::from(EPS), 0.0);
                demand(got, &want, &format!("{n} head {at}"));
            } else {
                assert_eq!(got, old, "{n} head {at}");
            }
        }
    }
    Ok(())
}

#[test]
fn golden_norms_are_met() -> Result<()> {
    let device = crate::device();
    let tensors = Tensors::read("ops/basic.safetensors");
    golden_case::<f32>(&device, &tensors, "rmsnorm_5x256_f32", 1e-6, 1e-6)?;
    golden_case::<bf16>(&device, &tensors, "rmsnorm_3x64_bf16", 1e-6, 8e-3)?;
    golden_case::<f16>(&device, &tensors, "rmsnorm_4x100_f16", 1e-5, 1e-3)?;
    golden_gated::<f32>(&device, &tensors, "gated_rmsnorm_64_f32", 1e-6)?;
    golden_gated::<bf16>(&device, &tensors, "gated_rmsnorm_128_bf16", 8e-3)
}

/// The largest error of a row is within `most` of its largest number.
pub(crate) fn near<T: Type>(got: &[T], want: &[f32], n: usize, most: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in wide(got).chunks(n).zip(wide(want).chunks(n)) {
        let largest = want.iter().fold(0.0f64, |most, it| most.max(it.abs()));
        let errors = got.iter().zip(want).map(|(got, want)| (got - want).abs());
        let error = errors.fold(0.0, f64::max);
        assert!(error <= most * largest, "{what}: {error} of {largest}");
    }
}

fn golden_case<T: Type>(
    device: &Device,
    tensors: &Tensors,
    name: &str,
    eps: f32,
    most: f64,
) -> Result<()> {
    let part = |part: &str| tensors.floats(&format!("{name}.{part}"));
    let n = tensors.row(&format!("{name}.x"));
    let (x, weight) = (typed::<T>(&part("x")), device.alloc_from(&part("w"))?);
    let mut out = device.alloc_zeros::<T>(x.len())?;
    let norm = Norm::new(x.len() / n, n, eps);
    let x = device.alloc_from(&x)?;
    rms_norm(&device.stream(), &mut out, &x, &weight, &norm)?;
    near(&out.to_host(device)?, &part("y"), n, most, name);
    rms_norm(&device.stream(), &mut out, &x, &weight, &norm.one_plus_weight())?;
    near(&out.to_host(device)?, &part("y_one_plus_w"), n, most, name);
    Ok(())
}

fn golden_gated<T: Type>(device: &Device, tensors: &Tensors, name: &str, most: f64) -> Result<()> {
    let part = |part: &str| tensors.floats(&format!("{name}.{part}"));
    let n = tensors.row(&format!("{name}.x"));
    let x = device.alloc_from(&typed::<T>(&part("x")))?;
    let gate = device.alloc_from(&typed::<T>(&part("z")))?;
    let weight = device.alloc_from(&part("w"))?;
    let mut out = device.alloc_zeros::<T>(x.len())?;
    let norm = Norm::new(x.len() / n, n, 1e-6);
    gated_rms_norm(&device.stream(), &mut out, &x, &gate, &weight, &norm)?;
    near(&out.to_host(device)?, &part("y"), n, most, name);
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (x, mut out) = (device.alloc_zeros::<f32>(64)?, device.alloc_zeros::<f32>(64)?);
    let weight = device.alloc_zeros::<f32>(16)?;
    let mut run = |norm: Norm| rms_norm(&stream, &mut out, &x, &weight, &norm);
    let error = run(Norm::new(4, 8, EPS)).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "weight", want: 8, got: 16 }), "{error}");
    let error = run(Norm::new(5, 16, EPS)).unwrap_err();
    assert!(matches!(error, Error::Short { what: "x", want: 80, got: 64 }), "{error}");
    let error = run(Norm::new(4, 16, EPS).heads(3)).unwrap_err();
    assert!(matches!(error, Error::RowsOfHeads { rows: 4, heads: 3 }), "{error}");
    let error = run(Norm::new(4, 16, EPS).heads(0)).unwrap_err();
    assert!(matches!(error, Error::RowsOfHeads { rows: 4, heads: 0 }), "{error}");
    let error = run(Norm::new(4, 16, EPS).out(Rows::strided(16, 0, 12))).unwrap_err();
    assert!(matches!(error, Error::RowStride { what: "out", want: 16, got: 12 }), "{error}");
    run(Norm::new(0, 16, EPS))?;
    run(Norm::new(4, 16, EPS))
}
