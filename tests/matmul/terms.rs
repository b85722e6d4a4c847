//! What is added to a product: a bias, and what C holds.

use firesteel::e4m3;
use firesteel::half::{bf16, f16};
use firesteel_kernels::matmul::{Path, Product, matmul_bias};
use firesteel_kernels::shape::{Error, Result};

use super::check_terms;

#[test]
fn wgmma_adds_a_bias_and_c() -> Result<()> {
    let product = Product::new(70, 72, 40);
    for cols in [64, 128, 256] {
        check_terms::<bf16>(Some(Path::Wgmma(cols)), &product.alpha(0.5).beta(-1.5), true)?;
    }
    check_terms::<f16>(Some(Path::Wgmma(128)), &product.beta(2.0), false)?;
    check_terms::<e4m3>(Some(Path::Wgmma(64)), &Product::new(70, 72, 48), true)?;
    // More chunks of C than buffers, in more tiles than blocks.
    check_terms::<bf16>(Some(Path::Wgmma(128)), &Product::new(200, 392, 72).beta(1.0), true)
}

#[test]
fn floats_are_added_to_a_bias_and_c() -> Result<()> {
    for [m, n, k] in [[17, 33, 5], [40, 132, 20]] {
        let product = Product::new(m, n, k).alpha(3.0);
        check_terms::<f32>(None, &product, true)?;
        check_terms::<f32>(None, &product.beta(0.25), false)?;
        check_terms::<f32>(None, &product.beta(-1.0), true)?;
    }
    Ok(())
}

#[test]
fn a_sum_over_nothing_leaves_the_terms() -> Result<()> {
    let product = Product::new(5, 9, 0);
    check_terms::<bf16>(None, &product, false)?;
    check_terms::<f16>(None, &product.beta(3.0), true)?;
    check_terms::<f32>(None, &product.batch(3).row_strides([0, 0, 11]).beta(0.5), true)
}

#[test]
fn a_bias_of_another_length_is_an_error() -> Result<()> {
    let device = crate::device();
    let (a, b) = (device.alloc_zeros::<f32>(12)?, device.alloc_zeros::<f32>(15)?);
    let (mut c, bias) = (device.alloc_zeros::<f32>(20)?, device.alloc_zeros::<f32>(4)?);
    let product = Product::new(4, 5, 3);
    let error = matmul_bias(&device.stream(), &mut c, &a, &b, &bias, &product).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "bias", want: 5, got: 4 }), "{error}");
    Ok(())
}
