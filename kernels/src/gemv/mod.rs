//! A few vectors times a matrix of quantised weights: `y [batch, n] = x [batch, k] w [n, k]ᵀ`, for
//! 1 to 8 vectors, which is what a language model does for each token that it writes.
//!
//! Weights are repacked once ([`QuantMatrix::repack`]) from ggml's blocks into panels of 16 rows by
//! 256 columns, which the tensor cores read without a detour; vectors are quantised to 8 bits as
//! ggml's Q8_1 ([`quantize_activations`]). Integers of a group of weights with a common scale are
//! multiplied and summed exactly; the scaling and all further sums are `f32`, in a fixed order, so
//! that a result is the same in every run.

mod activations;
mod kernel;
mod panel;
mod product;
mod repack;
mod unpack;

use firesteel::prelude::*;

pub use activations::{Activation, Activations, quantize_activations};
pub use product::{Float16, dequantize, quant_matmul};

use crate::quant::Format;
use crate::shape::{self, Error, Result};

/// A matrix of quantised weights in panels.
#[derive(Debug)]
pub struct QuantMatrix {
    words: GpuBuffer<u32>,
    format: Format,
    n: u32,
    k: u32,
}

/// Words of a format's panel: as many as its blocks have.
const fn panel_words(format: Format) -> usize {
    format.block_bytes() * (4096 / format.block_len()) / 4
}

impl QuantMatrix {
    /// Repacks `n` rows of `k` weights from ggml's blocks.
    ///
    /// # Errors
    /// If `k` is not a multiple of the block's weights, `blocks` has another length, or the format
    /// is one of activations; and those of the device.
    pub fn repack(
        stream: &Stream,
        format: Format,
        blocks: &GpuBuffer<u8>,
        (n, k): (usize, usize),
    ) -> Result<Self> {
        let len = format.block_len();
        if n == 0 || k == 0 || !k.is_multiple_of(len) {
            return Err(Error::Blocks { n, k, len, format });
        }
        shape::eq("blocks", n * k / len * format.block_bytes(), blocks.len())?;
        let words = n.div_ceil(16) * k.div_ceil(256) * panel_words(format);
        shape::count("words of the panels", words)?;
        let mut words = stream.alloc_uninit(words)?;
        let size = (n as u32, k as u32);
        let repack = match format {
            Format::Q4_0 => repack::q4_0,
            Format::Q4_1 => repack::q4_1,
            Format::Q5_0 => repack::q5_0,
            Format::Q5_1 => repack::q5_1,
            Format::Q8_0 => repack::q8_0,
            Format::Q2K => repack::q2_k,
            Format::Q3K => repack::q3_k,
            Format::Q4K => repack::q4_k,
            Format::Q5K => repack::q5_k,
            Format::Q6K => repack::q6_k,
            Format::Q8_1 | Format::Q8K => return Err(Error::Weights { format }),
        };
        repack(stream, blocks, &mut words, size)?;
        Ok(Self { words, format, n: size.0, k: size.1 })
    }

    /// The format of the weights.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.n as usize, self.k as usize)
    }

    /// The bytes that a product reads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.words.len() * 4
    }
}

/// `y [vectors, n] = x [vectors, k] w [n, k]ᵀ`.
///
/// # Errors
/// If lengths do not fit, or the device is older than sm_90; and those of the device.
pub fn gemv(
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
) -> Result<()> {
    shape::eq("columns of x", w.k as usize, x.k as usize)?;
    shape::eq("y", w.n as usize * x.vectors as usize, y.len())?;
    kernel::launch(stream, y, x, w)
}

/// The PTX of every instance of every kernel of this module.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let instances = kernel::gemv_kernel::INSTANCES.iter();
    let instances = instances.chain(activations::quantize_kernel::INSTANCES.iter());
    let instances = instances.chain(unpack::unpack_kernel::INSTANCES.iter());
    instances.map(|it| it.ptx()).chain(repack::PTX.iter().copied())
}
