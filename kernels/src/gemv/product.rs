//! Many vectors times quantised weights, in one of two ways: by the kernel that unpacks in registers
//! ([`prompt`]), or a run of rows is unpacked to 16 bits, which stay in the L2 cache, and multiplied as
//! any matrix; then the next.

use firesteel::prelude::*;

use super::prompt::{self, Workspace, quant_matmul_in};
use super::{QuantMatrix, check_pairs, unpack};
use crate::matmul::{Multiply, Product, matmul};
use crate::shape::{self, Result};

/// Vectors up to which the weights are unpacked in registers: by each tile of vectors anew, which for
/// more of them takes longer than to unpack them once.
const MOST: usize = 512;
/// Bytes of unpacked rows at once.
const RUN: usize = 32 << 20;

/// The types that weights are unpacked to.
pub trait Float16: Multiply<Output = Self> + sealed::Kind {}

mod sealed {
    /// Which of the two.
    pub trait Kind {
        /// `bf16`, not `f16`.
        const BF16: bool;
    }
}

macro_rules! types {
    ($($name:ident, $is_bf16:literal;)*) => {$(
        impl Float16 for $name {}

        impl sealed::Kind for $name {
            const BF16: bool = $is_bf16;
        }
    )*};
}

types! {
    f16, false;
    bf16, true;
}

/// The buffer's elements from `first` on, `len` of them, as another type.
///
/// # Safety
/// They must be elements of the buffer, which must not be used while this one is, and be made of
/// bits that are `U`s.
pub(super) unsafe fn part<T: DeviceCopy, U: DeviceCopy>(
    of: &GpuBuffer<T>,
    first: usize,
    len: usize,
) -> Result<GpuBuffer<U>> {
    let address = of.address() + (first * size_of::<T>()) as u64;
    // SAFETY: As the caller says.
    Ok(unsafe { GpuBuffer::from_raw(of.device(), address, len)? })
}

/// Unpacks rows `rows` of a matrix; the first is a multiple of 16.
fn unpack_rows<T: Float16>(
    stream: &Stream,
    y: &mut GpuBuffer<T>,
    w: &QuantMatrix,
    first: usize,
    rows: usize,
) -> Result<()> {
    let len = rows * w.k as usize;
    // SAFETY: `y` has so many elements, is borrowed for this call, and all bits are numbers.
    let mut words = unsafe { part::<T, u32>(y, 0, len / 2)? };
    let first = (first / 16) as u32;
    if T::BF16 {
        unpack::launch::<true>(stream, &mut words, w, first)
    } else {
        unpack::launch::<false>(stream, &mut words, w, first)
    }
}

/// `y [n, k]`: the weights of a matrix in panels, each rounded once to the type of `y`.
///
/// # Errors
/// If `y` has another length, and those of the device.
pub fn dequantize<T: Float16>(
    stream: &Stream,
    y: &mut GpuBuffer<T>,
    w: &QuantMatrix,
) -> Result<()> {
    let (n, k) = w.shape();
    check_pairs("dequantize", w, false)?;
    shape::eq("y", n * k, y.len())?;
    unpack_rows(stream, y, w, 0, n)
}

/// `y [m, n] = x [m, k] w [n, k]ᵀ`, row-major, for any number of vectors: those of a prompt. Weights
/// are rounded to the type of `x`; sums are `f32`, as those of [`matmul`].
///
/// With compute capability 9.0, up to 512 vectors of `bf16` take the way of [`quant_matmul_in`]; the
/// others unpack the weights, which needs up to 32 MiB of the stream's memory.
///
/// # Errors
/// If a length does not fit; while work is captured, since that cannot have memory of its own; and
/// those of the device.
pub fn quant_matmul<T: Float16 + DeviceCopy>(
    stream: &Stream,
    y: &mut GpuBuffer<T>,
    x: &GpuBuffer<T>,
    w: &QuantMatrix,
    m: usize,
) -> Result<()> {
    let (n, k) = w.shape();
    check_pairs("quant_matmul", w, false)?;
    shape::eq("x", m * k, x.len())?;
    shape::eq("y", m * n, y.len())?;
    if T::BF16 && m <= MOST && prompt::has_machine(stream)? {
        // SAFETY: The type is `bf16`, and `y` is borrowed for this call.
        let mut y = unsafe { part::<T, bf16>(y, 0, m * n)? };
        // SAFETY: The type is `bf16`.
        let x = unsafe { part::<T, bf16>(x, 0, m * k)? };
        let mut workspace = Workspace::new(stream, m, w.k as usize)?;
        return quant_matmul_in(stream, &mut workspace, &mut y, &x, w, m);
    }
    let rows = (RUN / (2 * k) / 256 * 256).clamp(256, n.next_multiple_of(256));
    let mut weights = stream.alloc_uninit::<T>(rows.min(n) * k)?;
    for first in (0..n).step_by(rows) {
        let rows = rows.min(n - first);
        unpack_rows(stream, &mut weights, w, first, rows)?;
        let product = Product::new(shape::count("m", m)?, rows as u32, w.k);
        let product = product.row_strides([w.k, w.k, w.n]);
        // SAFETY: The rows of these columns are within `y`, which is borrowed for this call.
        let mut y = unsafe { part::<T, T>(y, first, m * n - first)? };
        // SAFETY: The unpacked rows are within `weights`, which only this loop uses.
        let weights = unsafe { part::<T, T>(&weights, 0, rows * k)? };
        matmul(stream, &mut y, x, &weights, &product)?;
    }
    Ok(())
}
