//! Unpacking: ggml's weights, on the host and by kernels.

use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::quant::{self, Element, Format, cpu};
use firesteel_kernels::shape::Result;

use super::golden::{Rows, fnv1a64};

/// Bits of weights, for comparisons that tell zeros and NaNs apart.
fn bits<T: Element>(weights: &[T]) -> Vec<u32> {
    weights.iter().map(|&weight| Into::<f32>::into(weight).to_bits()).collect()
}

#[test]
fn weights_are_those_of_ggml() -> Result<()> {
    let golden = Rows::read();
    for &format in Format::ALL {
        for row in golden.rows().iter().filter(|row| row.is_exact()) {
            let mut weights = vec![0.0f32; row.x.len()];
            cpu::dequantize(format, &mut weights, golden.packed(format, row))?;
            let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
            assert_eq!(golden.digest(format, row), fnv1a64(&bytes), "{format} of {}", row.name);
        }
    }
    Ok(())
}

/// Kernels read many bytes at a time; `Block::weight`, one weight at a time, is the measure. Scales
/// of random bytes may be NaN, of which no bit is promised.
fn kernels_give_the_weights_of_the_host<T: Element>() -> Result<()> {
    let device = crate::device();
    for &format in Format::ALL {
        // Runs of 2048 weights: a part of one, one, and one and a half with an odd number of blocks.
        for n_blocks in
            [1, 2048, 3072 + format.block_len()].map(|n: usize| n.div_ceil(format.block_len()))
        {
            let mut bytes: Vec<u8> = data::words(5, n_blocks * format.block_bytes())
                .iter()
                .map(|&it| it as u8)
                .collect();
            finite_scales(format, &mut bytes);
            let mut want = vec![T::nearest(0.0); n_blocks * format.block_len()];
            cpu::dequantize(format, &mut want, &bytes)?;
            let blocks = device.alloc_from(&bytes)?;
            let mut y = device.alloc_zeros::<T>(want.len())?;
            quant::dequantize(&device.stream(), format, &mut y, &blocks)?;
            let got = y.to_host(&device)?;
            assert!(bits(&got) == bits(&want), "{n_blocks} blocks of {format}");
        }
    }
    Ok(())
}

/// Clears a bit of the exponents of all scales, so that none is infinite or NaN.
fn finite_scales(format: Format, bytes: &mut [u8]) {
    // The last byte of each scale.
    let scales: &[usize] = match format {
        Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => &[1],
        Format::Q4_1 | Format::Q5_1 | Format::Q8_1 | Format::Q4K | Format::Q5K => &[1, 3],
        Format::Q2K => &[81, 83],
        Format::Q3K => &[109],
        Format::Q6K => &[209],
        Format::Q8K => &[3],
    };
    for block in bytes.chunks_exact_mut(format.block_bytes()) {
        scales.iter().for_each(|&at| block[at] &= !0x40);
    }
}

#[test]
fn kernels_give_the_weights_of_the_host_as_f32() -> Result<()> {
    kernels_give_the_weights_of_the_host::<f32>()
}

#[test]
fn kernels_give_the_weights_of_the_host_as_f16() -> Result<()> {
    kernels_give_the_weights_of_the_host::<f16>()
}

#[test]
fn kernels_give_the_weights_of_the_host_as_bf16() -> Result<()> {
    kernels_give_the_weights_of_the_host::<bf16>()
}
