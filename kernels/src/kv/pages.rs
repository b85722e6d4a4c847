//! Copies of whole pages, for sequences that go on from a page that others read.

use firesteel::prelude::*;

use super::{KvLayer, Pages};
use crate::shape::{self, Error, Result};

/// Copies page `pairs[2 i]` to page `pairs[2 i + 1]`, for each `i`, block `y` the pair of that
/// number. A page has `words` pieces of 16 bytes.
#[gpu_kernel(block_size = 256, arch = "sm_90", instances(T = [f16, bf16, e4m3, i8, f32]))]
pub(super) fn copy_kernel<T: Scalar>(pages: &mut [T], pairs: &[u32], words: u32) {
    let all = cast_slice::<u32>(pages);
    let i = block_idx_x() * 256 + thread_idx_x();
    if i < words {
        let from = pairs[block_idx_y() * 2] as usize * words as usize + i as usize;
        let to = pairs[block_idx_y() * 2 + 1] as usize * words as usize + i as usize;
        let four = load_vec4(all, from * 4);
        store_vec4(all, to * 4, four);
    }
}

/// Copies pages of keys and values in each of the layers, `pairs` being the page to copy and that
/// which becomes its copy, one pair after the other. No page may be copied to that another pair
/// names.
///
/// # Errors
/// [`Error::Multiple`] for half a pair, and those of the device, such as a page that a layer does
/// not have.
pub fn copy_pages(stream: &Stream, layers: &mut [KvLayer], pairs: &GpuBuffer<u32>) -> Result<()> {
    if !pairs.len().is_multiple_of(2) {
        return Err(Error::Multiple { what: "pairs of pages", multiple: 2, got: pairs.len() });
    }
    let count = shape::count("pairs of pages", pairs.len() / 2)?;
    for layer in layers {
        let pages = layer.shape.pages;
        for half in [&mut layer.k, &mut layer.v] {
            match half {
                Pages::F16(it) => copy::<f16>(stream, it, (pages, pairs, count))?,
                Pages::Bf16(it) => copy::<bf16>(stream, it, (pages, pairs, count))?,
                Pages::E4m3(it, _) => copy::<e4m3>(stream, it, (pages, pairs, count))?,
                Pages::Q8(it, scales) => {
                    copy::<i8>(stream, it, (pages, pairs, count))?;
                    copy::<f32>(stream, scales, (pages, pairs, count))?;
                }
            }
        }
    }
    Ok(())
}

/// A type whose pages can be copied.
trait Copied: DeviceCopy {
    fn launch(
        stream: &Stream,
        config: LaunchConfig,
        pages: &mut GpuBuffer<Self>,
        pairs: &GpuBuffer<u32>,
        words: u32,
    ) -> Result<()>;
}

macro_rules! copied {
    ($($ty:ident)*) => {$(
        impl Copied for $ty {
            fn launch(
                stream: &Stream,
                config: LaunchConfig,
                pages: &mut GpuBuffer<Self>,
                pairs: &GpuBuffer<u32>,
                words: u32,
            ) -> Result<()> {
                Ok(copy_kernel::launch_on::<$ty>(stream, config, pages, pairs, words)?)
            }
        }
    )*};
}

copied!(f16 bf16 e4m3 i8 f32);

fn copy<T: Copied>(
    stream: &Stream,
    buffer: &mut GpuBuffer<T>,
    (pages, pairs, count): (usize, &GpuBuffer<u32>, u32),
) -> Result<()> {
    let words = shape::count("a page", buffer.len() / pages * size_of::<T>() / 16)?;
    let config = LaunchConfig::new([words.div_ceil(256), count, 1]);
    T::launch(stream, config, buffer, pairs, words)
}
