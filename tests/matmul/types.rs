//! Products of types that are multiplied in another: integers of 8 bits, and `f32` as TF32.

use firesteel_kernels::matmul::{Path, Product, matmul};
use firesteel_kernels::shape::{Error, Result};

use super::layouts::ORDERS;
use super::{check, check_terms, shapes};

#[test]
fn wgmma_multiplies_bytes() -> Result<()> {
    for [m, n, k] in shapes(&[1, 70], &[8, 72], &[16, 144]) {
        for cols in [64, 128, 256] {
            check::<i8>(Some(Path::Wgmma(cols)), &Product::new(m, n, k))?;
        }
    }
    let product = Product::new(70, 72, 272).alpha(1.0 / 127.0);
    check_terms::<i8>(Some(Path::Wgmma(128)), &product.beta(-0.5), true)?;
    check_terms::<i8>(Some(Path::Wgmma(64)), &product.batch(2), true)
}

#[test]
fn wgmma_multiplies_floats_as_tf32() -> Result<()> {
    for [m, n, k] in shapes(&[1, 70], &[8, 72], &[8, 100]) {
        for cols in [64, 128, 256] {
            check::<f32>(Some(Path::Wgmma(cols)), &Product::new(m, n, k).tf32())?;
        }
    }
    let product = Product::new(70, 72, 40).alpha(0.5).beta(2.0).tf32();
    check_terms::<f32>(Some(Path::Wgmma(128)), &product, true)
}

#[test]
fn mma_multiplies_bytes_and_tf32_in_every_order() -> Result<()> {
    for (order_a, order) in ORDERS {
        // Rows of no whole pieces, of a part of a stage, and of more stages than there are.
        for [m, n, k] in [[17, 33, 19], [144, 272, 80], [48, 144, 528]] {
            let product = Product::new(m, n, k).order_a(order_a).order(order);
            check::<i8>(Some(Path::Mma), &product)?;
            check::<f32>(Some(Path::Mma), &product.tf32())?;
        }
        let product = Product::new(132, 48, 272).order_a(order_a).order(order);
        let product = product.alpha(0.25).beta(2.0);
        check_terms::<i8>(Some(Path::Mma), &product, true)?;
        check_terms::<f32>(Some(Path::Mma), &product.batch(2).tf32(), true)?;
    }
    Ok(())
}

#[test]
fn floats_are_multiplied_as_tf32_only_where_that_is_asked_for() -> Result<()> {
    let device = crate::device();
    let (a, b) = (device.alloc_zeros::<f32>(64)?, device.alloc_zeros::<f32>(64)?);
    let mut c = device.alloc_zeros::<f32>(64)?;
    let product = Product::new(8, 8, 8).path(Path::Wgmma(64));
    let error = matmul(&device.stream(), &mut c, &a, &b, &product).unwrap_err();
    assert!(matches!(error, Error::Path { path: Path::Wgmma(64), .. }), "{error}");
    assert!(error.to_string().contains("which `Product::tf32` allows"), "{error}");
    check::<f32>(None, &Product::new(9, 7, 5).tf32())
}
