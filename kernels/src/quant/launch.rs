//! The host's side: what is checked, and the kernels of each format and type of elements.

use firesteel::Plain;
use firesteel::prelude::*;

use super::Format;
use crate::shape::{self, Error, Result};

/// What the kernels pack and unpack: `f32`, `f16` or `bf16`.
pub trait Element: Plain + Into<f32> + Launch {
    /// The nearest number of the type.
    fn nearest(x: f32) -> Self;
}

impl Element for f32 {
    fn nearest(x: f32) -> Self {
        x
    }
}

impl Element for f16 {
    fn nearest(x: f32) -> Self {
        Self::from_f32(x)
    }
}

impl Element for bf16 {
    fn nearest(x: f32) -> Self {
        Self::from_f32(x)
    }
}

/// The kernels for a type of elements. Implemented for three, of which there are instances.
#[doc(hidden)]
pub trait Launch: Sized + DeviceCopy {
    /// Packs `count` blocks.
    fn quantize(
        to: (&Stream, Format, u32),
        blocks: &mut GpuBuffer<u8>,
        x: &GpuBuffer<Self>,
    ) -> firesteel::Result<()>;

    /// Unpacks `count` blocks.
    fn dequantize(
        to: (&Stream, Format, u32),
        y: &mut GpuBuffer<Self>,
        blocks: &GpuBuffer<u8>,
    ) -> firesteel::Result<()>;

    /// Finds the first weight that is not finite.
    fn find(
        stream: &Stream,
        found: &mut GpuBuffer<u64>,
        x: &GpuBuffer<Self>,
    ) -> firesteel::Result<()>;
}

/// The kernels of all formats for a type of elements.
macro_rules! launch {
    ($ty:ident, $kind:literal: $($variant:ident, $module:ident;)*) => {
        impl launch::Launch for $ty {
            fn quantize(
                (stream, format, count): (&Stream, Format, u32),
                blocks: &mut GpuBuffer<u8>,
                x: &GpuBuffer<Self>,
            ) -> firesteel::Result<()> {
                let config = launch::runs(format, count, 1);
                // SAFETY: The caller compared the lengths: `x` has the weights of `count` blocks,
                // and `blocks` their bytes. No index is beyond these, and a byte has one writer.
                unsafe {
                    match format {
                        $(Format::$variant => $module::quantize_kernel::launch_on::<$kind, $ty>(
                            stream, config, blocks, x, count,
                        ),)*
                    }
                }
            }

            fn dequantize(
                (stream, format, count): (&Stream, Format, u32),
                y: &mut GpuBuffer<Self>,
                blocks: &GpuBuffer<u8>,
            ) -> firesteel::Result<()> {
                let config = launch::runs(format, count, stage::UNITS);
                // SAFETY: The caller compared the lengths: `blocks` has the bytes of `count` blocks,
                // and `y` room for their weights. No index is beyond these, and a weight has one
                // writer.
                unsafe {
                    match format {
                        $(Format::$variant => $module::dequantize_kernel::launch_on::<$kind, $ty>(
                            stream, config, y, blocks, count,
                        ),)*
                    }
                }
            }

            fn find(
                stream: &Stream,
                found: &mut GpuBuffer<u64>,
                x: &GpuBuffer<Self>,
            ) -> firesteel::Result<()> {
                let config = LaunchConfig::new([(x.len().div_ceil(2048) as u32).min(2048), 1, 1]);
                // SAFETY: The kernel compares each index with the length of `x`; `found` has an
                // element, which is changed by atomics alone.
                unsafe { finite::find_kernel::launch_on::<$kind, $ty>(stream, config, found, x) }
            }
        }
    };
}
pub(super) use launch;

/// A block of threads for so many runs of blocks.
pub(super) fn runs(format: Format, count: u32, units: u32) -> LaunchConfig {
    let blocks_of_run = super::stage::RUN / format.block_len() as u32;
    LaunchConfig::new([count.div_ceil(units * blocks_of_run), 1, 1])
}

/// The blocks of rows with `cols` weights each, of which there are `len` in all.
pub(super) fn count(format: Format, len: usize, cols: usize) -> Result<usize> {
    let block = format.block_len();
    if cols == 0 || !cols.is_multiple_of(block) {
        return Err(Error::Row { format: format.name(), block, got: cols });
    }
    shape::eq("x", len.next_multiple_of(cols), len)?;
    Ok(len / block)
}

/// Packs the rows of `x`, of `cols` weights each, to the bytes that ggml's `quantize_row_*_ref`
/// gives: row after row, a row's blocks in their order.
///
/// The weights are looked at before anything is written, so this waits for the device and cannot be
/// captured; [`quantize_finite`] does neither.
///
/// ```
/// use firesteel::prelude::*;
/// use firesteel_kernels::quant::{self, Format};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = Device::sim();
/// let stream = device.stream();
/// let x = device.alloc_from(&[1.0f32; 512])?;
/// let mut blocks = device.alloc_zeros::<u8>(2 * Format::Q6K.block_bytes())?;
/// quant::quantize(&stream, Format::Q6K, &mut blocks, &x, 256)?;
/// let mut y = device.alloc_zeros::<bf16>(512)?;
/// quant::dequantize(&stream, Format::Q6K, &mut y, &blocks)?;
/// assert!(y.to_host(&device)?.iter().all(|y| (y.to_f32() - 1.0).abs() < 0.02));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If a row is no multiple of a block, a length does not fit, a weight is not finite, or the device
/// cannot. Then nothing was written.
pub fn quantize<T: Element>(
    stream: &Stream,
    format: Format,
    blocks: &mut GpuBuffer<u8>,
    x: &GpuBuffer<T>,
    cols: usize,
) -> Result<()> {
    let count = packed(format, blocks, x, cols)?;
    if count == 0 {
        return Ok(());
    }
    let mut found = stream.alloc_from(&[u64::MAX])?;
    T::find(stream, &mut found, x)?;
    stream.synchronize()?;
    let mut first = [0];
    found.copy_to(&mut first)?;
    if first != [u64::MAX] {
        return Err(Error::NotFinite { what: "x", index: first[0] as usize });
    }
    Ok(T::quantize((stream, format, count), blocks, x)?)
}

/// [`quantize`] for weights that are known to be finite: only puts work on the stream. What becomes
/// of a block with a weight that is not finite is left open.
///
/// # Errors
/// As [`quantize`], but for the weights.
pub fn quantize_finite<T: Element>(
    stream: &Stream,
    format: Format,
    blocks: &mut GpuBuffer<u8>,
    x: &GpuBuffer<T>,
    cols: usize,
) -> Result<()> {
    let count = packed(format, blocks, x, cols)?;
    Ok(T::quantize((stream, format, count), blocks, x)?)
}

/// The number of blocks, after a look at all lengths.
fn packed<T: Element>(
    format: Format,
    blocks: &GpuBuffer<u8>,
    x: &GpuBuffer<T>,
    cols: usize,
) -> Result<u32> {
    let count = count(format, x.len(), cols)?;
    shape::eq("blocks", count * format.block_bytes(), blocks.len())?;
    shape::count("x", x.len())?;
    shape::count("blocks", count)
}

/// Unpacks blocks to the weights that ggml's `dequantize_row_*` gives, rounded once to the type of
/// `y`.
///
/// # Errors
/// If `y` does not end with a block, a length does not fit, or the device cannot.
pub fn dequantize<T: Element>(
    stream: &Stream,
    format: Format,
    y: &mut GpuBuffer<T>,
    blocks: &GpuBuffer<u8>,
) -> Result<()> {
    let count = shape::count("y", y.len())? / format.block_len() as u32;
    shape::eq("y", count as usize * format.block_len(), y.len())?;
    shape::eq("blocks", count as usize * format.block_bytes(), blocks.len())?;
    Ok(T::dequantize((stream, format, count), y, blocks)?)
}
