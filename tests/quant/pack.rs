//! Packing: ggml's bytes, on the host and by kernels.

use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::quant::{self, Element, Format, cpu};
use firesteel_kernels::shape::Result;

use super::golden::Rows;

/// What the kernel packs.
fn by_kernel<T: Element>(format: Format, x: &[T], cols: usize) -> Result<Vec<u8>> {
    let device = crate::device();
    let mut blocks = device.alloc_zeros(x.len() / format.block_len() * format.block_bytes())?;
    quant::quantize(&device.stream(), format, &mut blocks, &device.alloc_from(x)?, cols)?;
    Ok(blocks.to_host(&device)?)
}

/// What the host packs.
fn by_host<T: Element>(format: Format, x: &[T], cols: usize) -> Result<Vec<u8>> {
    let mut blocks = vec![0; x.len() / format.block_len() * format.block_bytes()];
    cpu::quantize(format, &mut blocks, x, cols)?;
    Ok(blocks)
}

/// The first block that differs.
fn first_difference(format: Format, want: &[u8], got: &[u8]) -> Option<usize> {
    let bytes = format.block_bytes();
    let mut pairs = want.chunks(bytes).zip(got.chunks(bytes));
    pairs.position(|(want, got)| want != got)
}

fn all_are_those_of_ggml(by: fn(Format, &[f32], usize) -> Result<Vec<u8>>) -> Result<()> {
    let golden = Rows::read();
    for &format in Format::ALL {
        for row in golden.rows().iter().filter(|row| row.is_exact()) {
            let (want, got) = (golden.packed(format, row), by(format, &row.x, row.x.len())?);
            assert_eq!(first_difference(format, want, &got), None, "{format} of {}", row.name);
            assert_eq!(want.len(), got.len());
        }
    }
    Ok(())
}

#[test]
fn the_host_gives_the_bytes_of_ggml() -> Result<()> {
    all_are_those_of_ggml(by_host)
}

#[test]
fn kernels_give_the_bytes_of_ggml() -> Result<()> {
    all_are_those_of_ggml(by_kernel)
}

/// Weights of all sizes, down to denormals, among them zeros of both signs and ties.
fn weights(n: usize) -> Vec<f32> {
    let words = data::words(9, n);
    let mut x = data::floats(8, n);
    for (i, block) in x.chunks_mut(256).enumerate() {
        let scale = [1.0, 3e-5, 1e4, 1e-16, 2e-38, 1e-40, 0.0, 1.0][i % 8];
        for (weight, word) in block.iter_mut().zip(&words) {
            *weight *= scale;
            // In halves and quarters, so that codes lie half way.
            if i % 8 == 7 {
                *weight = ((word % 17) as f32 - 8.0) / 4.0;
            }
        }
    }
    x
}

/// The kernel and the host, for each type of weights, and runs of blocks that are not full.
fn kernels_and_the_host_agree<T: Element>() -> Result<()> {
    let x: Vec<T> = weights(2048 + 256 * 3).into_iter().map(T::nearest).collect();
    for &format in Format::ALL {
        for n in [x.len(), format.block_len()] {
            let (want, got) = (by_host(format, &x[..n], n)?, by_kernel(format, &x[..n], n)?);
            assert_eq!(first_difference(format, &want, &got), None, "{n} weights as {format}");
        }
    }
    Ok(())
}

#[test]
fn kernels_and_the_host_agree_on_f32() -> Result<()> {
    kernels_and_the_host_agree::<f32>()
}

#[test]
fn kernels_and_the_host_agree_on_f16() -> Result<()> {
    kernels_and_the_host_agree::<f16>()
}

#[test]
fn kernels_and_the_host_agree_on_bf16() -> Result<()> {
    kernels_and_the_host_agree::<bf16>()
}
