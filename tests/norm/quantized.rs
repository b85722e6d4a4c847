//! Norms whose results are quantised: products with them have the bits of those with norms in `f32`
//! that are quantised after.

use firesteel::Device;
use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::gemv::{Activations, QuantMatrix, gemv, gemv_experts, quantize_activations};
use firesteel_kernels::norm::{Norm, add_rms_norm_quantized, rms_norm, rms_norm_quantized};
use firesteel_kernels::quant::{self, Format};
use firesteel_kernels::shape::{Error, Result};

use super::{EPS, Type, typed};

/// A product with vectors, whose bits tell theirs.
fn product(device: &Device, w: &QuantMatrix, x: &Activations, len: usize) -> Result<Vec<f32>> {
    let mut y = device.alloc_zeros::<f32>(len)?;
    gemv(&device.stream(), &mut y, x, w)?;
    Ok(y.to_host(device)?)
}

fn check<T: Type>(n: usize, vectors: usize) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let rows = 16;
    let weights = device.alloc_from(&data::floats(1, rows * n))?;
    let mut blocks = device.alloc_zeros::<u8>(rows * n / 32 * Format::Q5_1.block_bytes())?;
    quant::quantize(&stream, Format::Q5_1, &mut blocks, &weights, n)?;
    let w = QuantMatrix::repack(&stream, Format::Q5_1, &blocks, (rows, n))?;
    let x: Vec<T> = typed(&data::floats(2, vectors * n));
    let old: Vec<T> = typed(&data::floats(3, vectors * n));
    let weight = device.alloc_from(&data::floats(4, n))?;
    let norm = Norm::new(vectors, n, EPS);

    let sums: Vec<T> =
        x.iter().zip(&old).map(|(x, old)| T::nearest((*x).into() + (*old).into())).collect();
    let dx = device.alloc_from(&x)?;
    let mut sum = device.alloc_from(&old)?;
    let (mut plain, mut added) =
        (Activations::new(&stream, vectors, n)?, Activations::new(&stream, vectors, n)?);
    rms_norm_quantized(&stream, &mut plain, &dx, &weight, &norm)?;
    add_rms_norm_quantized(&stream, &mut added, &mut sum, &dx, &weight, &norm)?;
    let sum = sum.to_host(&device)?;
    assert!(sum.iter().zip(&sums).all(|(got, want)| (*got).into() == (*want).into()), "{n}");

    for (got, x) in [(plain, x), (added, sums)] {
        let x: Vec<f32> = x.into_iter().map(Into::into).collect();
        let x = device.alloc_from(&x)?;
        let mut normed = device.alloc_zeros::<f32>(vectors * n)?;
        rms_norm(&stream, &mut normed, &x, &weight, &norm)?;
        let mut want = Activations::new(&stream, vectors, n)?;
        quantize_activations(&stream, &mut want, &normed)?;
        let got = product(&device, &w, &got, vectors * rows)?;
        let want = product(&device, &w, &want, vectors * rows)?;
        assert_eq!(got, want, "{n} {vectors}");
    }
    Ok(())
}

#[test]
fn norms_are_quantised_as_after() -> Result<()> {
    for vectors in [1, 3, 8] {
        check::<f32>(1056, vectors)?;
        check::<bf16>(4096, vectors)?;
    }
    check::<f16>(5120, 2)?;
    check::<f32>(2048, 4)
}

#[test]
fn vectors_apart_are_quantised() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (rows, n, vectors) = (16, 1280, 3);
    let weights = device.alloc_from(&data::floats(1, rows * n))?;
    let mut blocks = device.alloc_zeros::<u8>(rows * n / 32 * Format::Q8_0.block_bytes())?;
    quant::quantize(&stream, Format::Q8_0, &mut blocks, &weights, n)?;
    let w = QuantMatrix::repack(&stream, Format::Q8_0, &blocks, (rows, n))?.of_experts(1)?;
    let x = device.alloc_from(&data::floats(2, vectors * n))?;
    let weight = device.alloc_from(&data::floats(4, n))?;
    let norm = Norm::new(vectors, n, EPS);
    let mut got = Activations::apart(&stream, vectors, n)?;
    rms_norm_quantized(&stream, &mut got, &x, &weight, &norm)?;
    let mut normed = device.alloc_zeros::<f32>(vectors * n)?;
    rms_norm(&stream, &mut normed, &x, &weight, &norm)?;
    let mut want = Activations::apart(&stream, vectors, n)?;
    quantize_activations(&stream, &mut want, &normed)?;
    let experts = device.alloc_zeros::<u32>(vectors)?;
    let product = |x: &Activations| -> Result<Vec<f32>> {
        let mut y = device.alloc_zeros::<f32>(vectors * rows)?;
        gemv_experts(&stream, &mut y, x, &w, &experts, 1)?;
        Ok(y.to_host(&device)?)
    };
    assert_eq!(product(&got)?, product(&want)?);
    Ok(())
}

#[test]
fn rows_that_cannot_be_quantised_are_an_error() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    for (n, why) in [(1028, "multiples of 8"), (8224, "more than 8192")] {
        let mut to = Activations::new(&stream, 1, n)?;
        let (x, weight) = (device.alloc_zeros::<f32>(n)?, device.alloc_zeros::<f32>(n)?);
        let norm = Norm::new(1, n, EPS);
        let error = rms_norm_quantized(&stream, &mut to, &x, &weight, &norm).unwrap_err();
        assert!(matches!(error, Error::Layout { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    let mut to = Activations::new(&stream, 2, 32)?;
    let (x, weight) = (device.alloc_zeros::<f32>(32)?, device.alloc_zeros::<f32>(32)?);
    let norm = Norm::new(1, 32, EPS);
    let error = rms_norm_quantized(&stream, &mut to, &x, &weight, &norm).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "vectors", want: 1, got: 2 }), "{error}");
    Ok(())
}
