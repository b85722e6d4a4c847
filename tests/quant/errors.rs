//! What is wrong is said with numbers, and nothing is written.

use firesteel::half::f16;
use firesteel_kernels::quant::{self, Format, cpu};
use firesteel_kernels::shape::{Error, Result};

/// Packs on the host and by the kernel, both to blocks of 7; both must fail, and write nothing.
fn failures(format: Format, x: &[f16], cols: usize, bytes: usize) -> Result<[Error; 2]> {
    let device = crate::device();
    let untouched = vec![7; bytes];
    let mut blocks = device.alloc_from(&untouched)?;
    let x_there = device.alloc_from(x)?;
    let kernel =
        quant::quantize(&device.stream(), format, &mut blocks, &x_there, cols).unwrap_err();
    assert_eq!(blocks.to_host(&device)?, untouched);
    let mut blocks = untouched.clone();
    let host = cpu::quantize(format, &mut blocks, x, cols).unwrap_err();
    assert_eq!(blocks, untouched);
    Ok([kernel, host])
}

#[test]
fn rows_must_be_whole_blocks() -> Result<()> {
    for error in failures(Format::Q6K, &[f16::ONE; 512], 128, 420)? {
        assert!(matches!(error, Error::Row { format: "q6_K", block: 256, got: 128 }), "{error}");
    }
    for error in failures(Format::Q4_0, &[f16::ONE; 96], 0, 54)? {
        assert!(matches!(error, Error::Row { format: "q4_0", block: 32, got: 0 }), "{error}");
    }
    for error in failures(Format::Q4_0, &[f16::ONE; 96], 64, 54)? {
        assert!(matches!(error, Error::Shape { what: "x", want: 128, got: 96 }), "{error}");
    }
    Ok(())
}

#[test]
fn buffers_must_have_the_blocks_of_the_weights() -> Result<()> {
    for error in failures(Format::Q8_0, &[f16::ONE; 96], 96, 101)? {
        assert!(matches!(error, Error::Shape { what: "blocks", want: 102, got: 101 }), "{error}");
    }
    let device = crate::device();
    let blocks = device.alloc_zeros::<u8>(34)?;
    let mut y = device.alloc_zeros::<f32>(40)?;
    let error = quant::dequantize(&device.stream(), Format::Q8_0, &mut y, &blocks).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "y", want: 32, got: 40 }), "{error}");
    let mut y = device.alloc_zeros::<f32>(64)?;
    let error = quant::dequantize(&device.stream(), Format::Q8_0, &mut y, &blocks).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "blocks", want: 68, got: 34 }), "{error}");
    Ok(())
}

#[test]
fn the_first_weight_that_is_not_finite_is_named() -> Result<()> {
    for (first, value) in [(0, f16::INFINITY), (77, f16::NAN), (2303, f16::NEG_INFINITY)] {
        let mut x = vec![f16::MAX; 2304];
        x[first] = value;
        x[2303] = f16::NAN;
        for error in failures(Format::Q4_1, &x, 2304, 72 * 20)? {
            assert!(
                matches!(error, Error::NotFinite { what: "x", index } if index == first),
                "{error}"
            );
        }
    }
    Ok(())
}

#[test]
fn no_rows_are_no_work() -> Result<()> {
    let device = crate::device();
    let (x, mut blocks) = (device.alloc_zeros::<f32>(0)?, device.alloc_zeros::<u8>(0)?);
    quant::quantize(&device.stream(), Format::Q2K, &mut blocks, &x, 256)?;
    let mut y = device.alloc_zeros::<f32>(0)?;
    quant::dequantize(&device.stream(), Format::Q2K, &mut y, &blocks)
}
