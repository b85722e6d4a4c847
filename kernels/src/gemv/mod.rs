//! A few vectors times a matrix of quantised weights: `y [batch, n] = x [batch, k] w [n, k]ᵀ`, for
//! 1 to 8 vectors, which is what a language model does for each token that it writes.
//!
//! Weights are repacked once ([`QuantMatrix::repack`]) from ggml's blocks into panels of 16 rows by
//! 256 columns, which the tensor cores read without a detour (before sm_90, `dp4a` does); vectors
//! are quantised to 8 bits as
//! ggml's Q8_1 ([`quantize_activations`]). Integers of a group of weights with a common scale are
//! multiplied and summed exactly; the scaling and all further sums are `f32`, in a fixed order, so
//! that a result is the same in every run.

mod activations;
mod dp4a;
mod experts;
mod formats;
mod kernel;
mod launch;
mod panel;
mod product;
mod prompt;
mod repack;
mod unpack;

use firesteel::prelude::*;

pub use activations::{Activation, Activations, quantize_activations};
pub use experts::{gemv_experts, gemv_experts_silu_mul};
pub use product::{Float16, dequantize, quant_matmul};
pub use prompt::{
    Routes, Workspace, quant_matmul_experts, quant_matmul_experts_silu_mul, quant_matmul_in,
    quant_matmul_silu_mul,
};

use self::launch::Variant;
use crate::quant::Format;
use crate::shape::{self, Error, Result};

/// A matrix of quantised weights in panels.
#[derive(Debug)]
pub struct QuantMatrix {
    words: GpuBuffer<u32>,
    format: Format,
    /// Rows; with pairs, those of gate, and as many are those of up.
    n: u32,
    k: u32,
    groups: Groups,
    /// Experts that the rows are those of.
    experts: u32,
}

/// How the rows of the product lie in groups of 16 rows of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Groups {
    /// Each is one.
    Rows,
    /// A group is 8 of gate, then the same 8 of up.
    Pairs,
}

impl Groups {
    /// Rows of the product that a group makes.
    const fn rows(self) -> u32 {
        match self {
            Self::Rows => 16,
            Self::Pairs => 8,
        }
    }
}

/// Words of a format's panel.
const fn panel_words(format: Format) -> usize {
    let [low, high, scales] = formats::LAYOUTS[repack::layout(format)];
    ((low + high) * 128 + formats::SCALES[scales as usize]) as usize
}

impl QuantMatrix {
    /// Repacks `n` rows of `k` weights from ggml's blocks.
    ///
    /// # Errors
    /// If `k` is not a multiple of the block's weights, or `blocks` has another length; and those of
    /// the device.
    pub fn repack(
        stream: &Stream,
        format: Format,
        blocks: &GpuBuffer<u8>,
        (n, k): (usize, usize),
    ) -> Result<Self> {
        Self::stack(stream, format, &[(blocks, n)], k)
    }

    /// Repacks several matrices of rows of `k` weights into one, the rows of each behind those of
    /// the one before: a product with it is one with all of them, such as query, key and value. The
    /// number of rows goes with the blocks; all but the last must have a multiple of 16.
    ///
    /// # Errors
    /// [`Error::Rows`] for another number of rows, and those of [`QuantMatrix::repack`].
    pub fn stack(
        stream: &Stream,
        format: Format,
        parts: &[(&GpuBuffer<u8>, usize)],
        k: usize,
    ) -> Result<Self> {
        let n: usize = parts.iter().map(|(_, rows)| rows).sum();
        if parts.is_empty() {
            return Err(Error::Blocks { n, k, len: format.block_len(), format });
        }
        for (at, &(blocks, rows)) in parts.iter().enumerate() {
            check_blocks("blocks", format, blocks, (rows, k))?;
            if at + 1 < parts.len() && !rows.is_multiple_of(16) {
                return Err(Error::Rows { what: "a part of a matrix", multiple: 16, got: rows });
            }
        }
        let matrix = Self::alloc(stream, format, (n, k), Groups::Rows)?;
        let mut first = 0;
        for &(blocks, rows) in parts {
            let len = rows.div_ceil(16) * k.div_ceil(256) * panel_words(format);
            // SAFETY: The panels of these rows are within those of all, which nothing else uses.
            let mut words = unsafe { product::part::<u32, u32>(&matrix.words, first, len)? };
            repack::repack(
                stream,
                format,
                blocks,
                &mut words,
                (rows as u32, matrix.k),
                Groups::Rows,
            )?;
            first += len;
        }
        Ok(matrix)
    }

    /// Repacks two matrices of `n` rows of `k` weights for [`gemv_silu_mul`]: gate and up. The work
    /// needs memory for a copy of their blocks.
    ///
    /// # Errors
    /// Those of [`QuantMatrix::repack`].
    pub fn repack_pair(
        stream: &Stream,
        format: Format,
        gate: &GpuBuffer<u8>,
        up: &GpuBuffer<u8>,
        (n, k): (usize, usize),
    ) -> Result<Self> {
        check_blocks("gate", format, gate, (n, k))?;
        check_blocks("up", format, up, (n, k))?;
        let mut matrix = Self::alloc(stream, format, (n, k), Groups::Pairs)?;
        let both = stream.alloc_uninit::<u8>(gate.len() * 2)?;
        for (half, from) in [gate, up].into_iter().enumerate() {
            // SAFETY: The bytes are half of those of `both`, which nothing else uses meanwhile.
            let mut to = unsafe { product::part::<u8, u8>(&both, half * from.len(), from.len())? };
            to.copy_from_buffer_on(stream, from)?;
        }
        let size = (matrix.n, matrix.k);
        repack::repack(stream, format, &both, &mut matrix.words, size, Groups::Pairs)?;
        Ok(matrix)
    }

    /// The matrix as one of `experts` experts, each of as many rows, for [`gemv_experts`].
    ///
    /// # Errors
    /// [`Error::Experts`] if the rows of one are no multiple of 16, or of 8 if they are pairs.
    pub fn of_experts(mut self, experts: usize) -> Result<Self> {
        let (rows, multiple) = (self.n as usize, self.groups.rows() as usize);
        let whole =
            experts.checked_mul(multiple).is_some_and(|it| it != 0 && rows.is_multiple_of(it));
        if !whole {
            return Err(Error::Experts { rows, experts, multiple });
        }
        self.experts = experts as u32;
        Ok(self)
    }

    /// A matrix whose panels are not yet written.
    fn alloc(
        stream: &Stream,
        format: Format,
        (n, k): (usize, usize),
        groups: Groups,
    ) -> Result<Self> {
        shape::count("rows", n * 2)?;
        let words = n.div_ceil(groups.rows() as usize) * k.div_ceil(256) * panel_words(format);
        shape::count("words of the panels", words)?;
        let words = stream.alloc_uninit(words)?;
        Ok(Self { words, format, n: n as u32, k: k as u32, groups, experts: 1 })
    }

    /// The format of the weights.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Rows and columns; of a pair, those of one of the two.
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

/// The blocks of a matrix are as many as it has.
fn check_blocks(
    what: &'static str,
    format: Format,
    blocks: &GpuBuffer<u8>,
    (n, k): (usize, usize),
) -> Result<()> {
    let len = format.block_len();
    if n == 0 || k == 0 || !k.is_multiple_of(len) {
        return Err(Error::Blocks { n, k, len, format });
    }
    shape::eq(what, n * k / len * format.block_bytes(), blocks.len())
}

/// What [`gemv_with`] does with the sums besides writing them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    bias: Option<&'a GpuBuffer<f32>>,
    add: bool,
}

impl<'a> Epilogue<'a> {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `bias [n]` to the result of each vector.
    #[must_use]
    pub fn bias(mut self, bias: &'a GpuBuffer<f32>) -> Self {
        self.bias = Some(bias);
        self
    }

    /// Adds the results to what `y` holds, as a residual is added.
    #[must_use]
    pub fn add(mut self) -> Self {
        self.add = true;
        self
    }
}

/// `y [vectors, n] = x [vectors, k] w [n, k]ᵀ`.
///
/// # Errors
/// If lengths do not fit, or the matrix is one of pairs; and those of the device.
pub fn gemv(
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
) -> Result<()> {
    gemv_with(stream, y, x, w, Epilogue::new())
}

/// [`gemv`](gemv()) with a bias, or added to what `y` holds, in the same launch.
///
/// # Errors
/// As [`gemv`](gemv()), and if the bias has another length.
pub fn gemv_with(
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
    epilogue: Epilogue<'_>,
) -> Result<()> {
    check("gemv", y, x, w, Groups::Rows)?;
    if let Some(bias) = epilogue.bias {
        shape::eq("bias", w.n as usize, bias.len())?;
    }
    let variant = Variant { bias: epilogue.bias, add: epilogue.add, experts: None };
    launch::launch(stream, y, x, w, variant)
}

/// `y [vectors, n] = silu(gate · x) * (up · x)`, of a matrix of [`QuantMatrix::repack_pair`].
///
/// # Errors
/// As [`gemv`](gemv()), and if the matrix is not one of pairs.
pub fn gemv_silu_mul(
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
) -> Result<()> {
    check("gemv_silu_mul", y, x, w, Groups::Pairs)?;
    launch::launch(stream, y, x, w, Variant::default())
}

/// Operands fit a product of vectors that lie together.
fn check(
    what: &'static str,
    y: &GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
    groups: Groups,
) -> Result<()> {
    check_groups(what, w, groups)?;
    if x.vectors > x.batch {
        let why = "its vectors lie apart";
        return Err(Error::Layout { what, why, help: "make them with `Activations::new`" });
    }
    shape::eq("columns of x", w.k as usize, x.k as usize)?;
    shape::eq("y", w.n as usize * x.vectors as usize, y.len())
}

/// The matrix is one of pairs if it is to be.
fn check_groups(what: &'static str, w: &QuantMatrix, groups: Groups) -> Result<()> {
    if w.groups == groups {
        return Ok(());
    }
    let (why, help) = match groups {
        Groups::Pairs => {
            ("its rows are no pairs of gate and up", "make it with `QuantMatrix::repack_pair`")
        }
        Groups::Rows => {
            ("its rows are pairs of gate and up", "repack the two on their own, or take `silu_mul`")
        }
    };
    Err(Error::Layout { what, why, help })
}

/// [`check_groups`] for whole matrices.
fn check_pairs(what: &'static str, w: &QuantMatrix, pairs: bool) -> Result<()> {
    check_groups(what, w, if pairs { Groups::Pairs } else { Groups::Rows })
}

/// Whether the device multiplies on its tensor cores and begins kernels early.
fn has_mma(stream: &Stream) -> Result<bool> {
    Ok(stream.device().info()?.compute_capability.0 >= 9)
}

/// The PTX of every instance of every kernel of this module.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let instances = kernel::gemv_kernel::INSTANCES.iter();
    let instances = instances.chain(activations::quantize_kernel::INSTANCES.iter());
    let instances = instances.chain(activations::quantize_alone_kernel::INSTANCES.iter());
    let instances = instances.chain(unpack::unpack_kernel::INSTANCES.iter());
    let instances = instances.chain(dp4a::dp4a_kernel::INSTANCES.iter());
    instances.map(|it| it.ptx()).chain(repack::PTX.iter().copied()).chain(prompt::ptx())
}
