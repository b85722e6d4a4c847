//! Rows of a table of embeddings: `out [tokens, n]` holds row `ids[t]` of `table [vocabulary, n]`, of
//! floats or in the blocks of a [format](crate::quant), in the bytes that GGUF files have.
//!
//! Numbers are those of the table, rounded once to the type of `out`. The kernels are checked: an id
//! beyond the table is a fault that the next synchronisation reports, with the index.

use firesteel::prelude::*;

use crate::quant::Format;
use crate::shape::{self, Error, Result};

/// Elements of a row that a block copies, four a thread.
#[gpu_const]
const PART: u32 = 1024;

/// A block copies a part of a row.
#[gpu_kernel(block_size = 256, instances(E = [f32, f16, bf16], T = [f32, f16, bf16]))]
fn embed_kernel<E: Float, T: Float>(out: &mut [T], table: &[E], ids: &[u32], n: u32) {
    let token = block_idx_x();
    let from = ids[token] as usize * n as usize;
    let to = token as usize * n as usize;
    let first = block_idx_y() * PART + thread_idx_x();
    for i in 0..4u32 {
        let at = first + i * 256;
        if at < n {
            out[to + at as usize] = T::from_f32(table[from + at as usize].to_f32());
        }
    }
}

/// The kernels for tables of a type, and results of type `T`.
#[doc(hidden)]
pub trait Launch<T>: Sized {
    /// Launches; lengths are right.
    fn embed(
        stream: &Stream,
        config: LaunchConfig,
        out: &mut GpuBuffer<T>,
        table: &GpuBuffer<Self>,
        ids: &GpuBuffer<u32>,
        n: u32,
    ) -> firesteel::Result<()>;
}

macro_rules! pairs {
    ($($e:ident: $($t:ident)*;)*) => {$($(
        impl Launch<$t> for $e {
            fn embed(
                stream: &Stream,
                config: LaunchConfig,
                out: &mut GpuBuffer<$t>,
                table: &GpuBuffer<Self>,
                ids: &GpuBuffer<u32>,
                n: u32,
            ) -> firesteel::Result<()> {
                embed_kernel::launch_on::<$e, $t>(stream, config, out, table, ids, n)
            }
        }
    )*)*};
}

pairs! {
    f32: f32 f16 bf16;
    f16: f32 f16 bf16;
    bf16: f32 f16 bf16;
}

/// The kernels of all formats, for results of a type.
#[doc(hidden)]
pub trait LaunchBlocks: Sized {
    /// Launches; lengths are right.
    fn embed_blocks(
        to: (&Stream, LaunchConfig, Format),
        out: &mut GpuBuffer<Self>,
        blocks: &GpuBuffer<u8>,
        ids: &GpuBuffer<u32>,
        n: u32,
    ) -> firesteel::Result<()>;
}

macro_rules! launch {
    ($ty:ident: $($variant:ident, $module:ident, $block:ident;)*) => {
        impl LaunchBlocks for $ty {
            fn embed_blocks(
                (stream, config, format): (&Stream, LaunchConfig, Format),
                out: &mut GpuBuffer<Self>,
                blocks: &GpuBuffer<u8>,
                ids: &GpuBuffer<u32>,
                n: u32,
            ) -> firesteel::Result<()> {
                match format {
                    $(Format::$variant => {
                        let (at, len) = (blocks.address(), blocks.len() / format.block_bytes());
                        // SAFETY: The buffer is borrowed for this call and has the bytes of so many
                        // blocks, of which all are blocks, from an even address on.
                        let blocks = unsafe { GpuBuffer::from_raw(blocks.device(), at, len)? };
                        $module::embed_kernel::launch_on::<$ty>(stream, config, out, &blocks, ids, n)
                    })*
                }
            }
        }
    };
}

/// The kernels of each format.
macro_rules! formats {
    ($($variant:ident, $module:ident, $block:ident;)*) => {
        $(mod $module {
            use firesteel::prelude::*;

            use super::PART;
            use crate::quant::$block;

            /// A block unpacks a part of a row.
            #[gpu_kernel(block_size = 256, instances(T = [f32, f16, bf16]))]
            pub(super) fn embed_kernel<T: Float>(
                out: &mut [T],
                blocks: &[$block],
                ids: &[u32],
                n: u32,
            ) {
                let token = block_idx_x();
                let from = ids[token] as usize * (n / $block::LEN) as usize;
                let to = token as usize * n as usize;
                let first = block_idx_y() * PART + thread_idx_x();
                for i in 0..4u32 {
                    let at = first + i * 256;
                    if at < n {
                        let block = from + (at / $block::LEN) as usize;
                        let weight = blocks[block].weight(at % $block::LEN);
                        out[to + at as usize] = T::from_f32(weight);
                    }
                }
            }
        })*

        launch!(f32: $($variant, $module, $block;)*);
        launch!(f16: $($variant, $module, $block;)*);
        launch!(bf16: $($variant, $module, $block;)*);

        /// The PTX of every kernel.
        pub fn ptx() -> impl Iterator<Item = &'static str> {
            let kernels = embed_kernel::INSTANCES.iter();
            $(let kernels = kernels.chain($module::embed_kernel::INSTANCES.iter());)*
            kernels.map(|kernel| kernel.ptx())
        }
    };
}

formats! {
    Q4_0, q4_0, BlockQ4_0;
    Q4_1, q4_1, BlockQ4_1;
    Q5_0, q5_0, BlockQ5_0;
    Q5_1, q5_1, BlockQ5_1;
    Q8_0, q8_0, BlockQ8_0;
    Q8_1, q8_1, BlockQ8_1;
    Q2K, q2_k, BlockQ2K;
    Q3K, q3_k, BlockQ3K;
    Q4K, q4_k, BlockQ4K;
    Q5K, q5_k, BlockQ5K;
    Q6K, q6_k, BlockQ6K;
    Q8K, q8_k, BlockQ8K;
}

/// Compares lengths; the launch for as many rows as ids, if there is anything to do.
fn config(
    out: usize,
    (table, row): (usize, usize),
    ids: usize,
    n: usize,
) -> Result<Option<LaunchConfig>> {
    shape::eq("out", ids * n, out)?;
    let tokens = shape::count("ids", ids)?;
    let n = shape::count("elements of a row", n)?;
    if tokens == 0 || n == 0 {
        return Ok(None);
    }
    shape::eq("table", table.next_multiple_of(row), table)?;
    Ok(Some(LaunchConfig::new([tokens, n.div_ceil(PART), 1])))
}

/// `out [tokens, n]`: the rows `ids [tokens]` of `table`, whose rows have `n` elements.
///
/// ```
/// use firesteel::prelude::*;
/// use firesteel_kernels::embedding::embed;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = Device::sim();
/// let table = device.alloc_from(&[1.0f32, 2.0, 3.0, 4.0])?;
/// let (ids, mut out) = (device.alloc_from(&[1u32])?, device.alloc_zeros::<bf16>(2)?);
/// embed(&device.stream(), &mut out, &table, &ids, 2)?;
/// assert_eq!(out.to_host(&device)?, [3.0, 4.0].map(bf16::from_f32));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If `out` is not as many rows as there are ids, `table` is not whole rows, or the device cannot.
pub fn embed<E: Launch<T> + DeviceCopy, T: DeviceCopy>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    table: &GpuBuffer<E>,
    ids: &GpuBuffer<u32>,
    n: usize,
) -> Result<()> {
    let Some(config) = config(out.len(), (table.len(), n), ids.len(), n)? else { return Ok(()) };
    Ok(E::embed(stream, config, out, table, ids, n as u32)?)
}

/// [`embed`] from a table in blocks of a format, whose weights are those of
/// [`dequantize`](crate::quant::dequantize), to the bit.
///
/// # Errors
/// If a row is no multiple of a block, and those of [`embed`].
pub fn embed_quantized<T: LaunchBlocks + DeviceCopy>(
    stream: &Stream,
    format: Format,
    out: &mut GpuBuffer<T>,
    blocks: &GpuBuffer<u8>,
    ids: &GpuBuffer<u32>,
    n: usize,
) -> Result<()> {
    let block = format.block_len();
    if n == 0 || !n.is_multiple_of(block) {
        return Err(Error::Row { format: format.name(), block, got: n });
    }
    if !blocks.address().is_multiple_of(4) {
        let why = "it does not begin at a multiple of 4 bytes";
        let help = "copy it to a buffer of its own";
        return Err(Error::Layout { what: "embed_quantized", why, help });
    }
    let row = n / block * format.block_bytes();
    let Some(config) = config(out.len(), (blocks.len(), row), ids.len(), n)? else {
        return Ok(());
    };
    Ok(T::embed_blocks((stream, config, format), out, blocks, ids, n as u32)?)
}
