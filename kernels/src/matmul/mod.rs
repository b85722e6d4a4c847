//! Matrix products: `C [m, n] = alpha A [m, k] B + bias + beta C`, all row-major, A as `[m, k]` or
//! `[k, m]`, B as `[n, k]` (a layer's weights) or `[k, n]`; one product or a batch of them, their
//! rows one after the other or with strides.
//!
//! Sums are `f32` (of `i8` `i32`, which wrap), in the order of the hardware (which adds products of
//! `e4m3` with fewer bits). To them come the bias, a value a column, and `beta C`, also in `f32`,
//! and the result is rounded once to the type of C: that of A and B, of `e4m3` `bf16`, of `i8`
//! `f32`. The error of an element is within `k 2^-23` of the sum of the absolute products (the
//! tensor cores truncate what they add), `3 2^-24` of the absolute terms, and half a unit in the
//! last place of C; of `f32` as TF32 ([`Product::tf32`]) `2^-9` of the sum of the absolute products
//! comes to that.
//!
//! | path | types | machines | shapes |
//! | --- | --- | --- | --- |
//! | [`Path::Wgmma`] | `f16`, `bf16`, `e4m3`, `i8`, `f32` as TF32 | sm_90 | rows of A, B and C of a multiple of 16 bytes; but of 16-bit types A `[m, k]` and B `[n, k]` |
//! | [`Path::Stream`] | `f16`, `bf16` | sm_90 | `m` up to 64, B `[n, k]`, `k` a multiple of 8; one dense product alone |
//! | [`Path::Mma`] | `f16`, `bf16`, `i8`, `f32` as TF32 | sm_80 | any |
//! | [`Path::Simt`] | `f32` | sm_70 | any |
//!
//! The bodies of the kernels are device functions that take what is done with the sums as a closure:
//! [`wgmma_product`], [`mma_product`], [`simt_product`].

mod dispatch;
mod factor;
mod finish;
mod mma;
mod product;
mod simt;
mod stream;
mod tiles;
mod wgmma;

use firesteel::prelude::*;
use firesteel::{L2Promotion, Swizzle, TensorElement, TensorMap, Tiling};

pub use dispatch::Multiply;
pub use mma::mma_product;
pub use product::{Order, OrderA, Product, matmul_reference};
pub use simt::simt_product;
pub use wgmma::{WgmmaArguments, wgmma_product};

#[cfg(doc)]
use crate::shape::Error;
use crate::shape::{self, Result};

/// The PTX of every kernel of the family.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let wgmma = wgmma::wgmma_kernel::INSTANCES.iter();
    let stream = stream::stream_kernel::INSTANCES.iter();
    let mma = mma::mma_kernel::INSTANCES.iter();
    let simt = simt::simt_kernel::INSTANCES.iter();
    let finish = finish::finish_kernel::INSTANCES.iter();
    wgmma.chain(stream).chain(mma).chain(simt).chain(finish).map(|kernel| kernel.ptx())
}

/// The kernel that multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// `wgmma` and tensor copies; a block's tile has 128 rows and this many columns: 64, 128 or 256,
    /// of an A `[k, m]` 128.
    Wgmma(u32),
    /// Reads B once, as fast as memory gives it.
    Stream,
    /// `mma.sync` and `cp.async`.
    Mma,
    /// The ordinary units.
    Simt,
}

/// `c = alpha a b + beta c`, on the path that is fastest on this device.
///
/// # Errors
/// If a length differs from the shape, if no path takes shape and device, and what keeps the launch
/// from starting.
pub fn matmul<T: Multiply>(
    stream: &Stream,
    c: &mut GpuBuffer<T::Output>,
    a: &GpuBuffer<T>,
    b: &GpuBuffer<T>,
    product: &Product,
) -> Result<()> {
    run(stream, c, a, b, None, product)
}

/// [`matmul`] on a path of the caller's choice.
///
/// # Errors
/// As [`matmul`]; [`Error::Path`] says what the path does not take.
pub fn matmul_on<T: Multiply>(
    stream: &Stream,
    path: Path,
    c: &mut GpuBuffer<T::Output>,
    a: &GpuBuffer<T>,
    b: &GpuBuffer<T>,
    product: &Product,
) -> Result<()> {
    matmul(stream, c, a, b, &product.path(path))
}

/// `c = alpha a b + bias + beta c`, `bias` having a value for each column of C.
///
/// # Errors
/// As [`matmul`].
pub fn matmul_bias<T: Multiply>(
    stream: &Stream,
    c: &mut GpuBuffer<T::Output>,
    a: &GpuBuffer<T>,
    b: &GpuBuffer<T>,
    bias: &GpuBuffer<T::Output>,
    product: &Product,
) -> Result<()> {
    shape::eq("bias", product.n as usize, bias.len())?;
    run(stream, c, a, b, Some(bias), product)
}

fn run<T: Multiply>(
    stream: &Stream,
    c: &mut GpuBuffer<T::Output>,
    a: &GpuBuffer<T>,
    b: &GpuBuffer<T>,
    bias: Option<&GpuBuffer<T::Output>>,
    product: &Product,
) -> Result<()> {
    product.check([a.len(), b.len(), c.len()])?;
    if product.m == 0 || product.n == 0 || product.batch == 0 {
        return Ok(());
    }
    // Kernels count elements in 32 bits.
    for (what, len) in [("a", a.len()), ("b", b.len()), ("c", c.len())] {
        shape::count(what, len)?;
    }
    if product.k == 0 {
        return T::finish(stream, c, &GpuBuffer::empty(stream)?, bias, 0, product);
    }
    let info = stream.device().info()?;
    let path = product.path.unwrap_or_else(|| {
        T::choose(product, bias.is_some(), info.compute_capability, info.multiprocessors)
    });
    T::launch(stream, path, c, a, b, bias, product)
}

/// The map of a row-major matrix, copied in swizzled boxes of 128 bytes a row.
fn boxes<T: TensorElement>(
    buffer: &GpuBuffer<T>,
    [rows, columns]: [u32; 2],
    box_rows: u32,
) -> Result<TensorMap<'_, T, 2>> {
    let columns_of_box = wgmma::SPAN / size_of::<T>() as u32;
    let tiling = Tiling::new([u64::from(columns), u64::from(rows)], [columns_of_box, box_rows]);
    let tiling = tiling.swizzle(Swizzle::B128).l2_promotion(L2Promotion::B128);
    Ok(TensorMap::tiled(buffer, tiling)?)
}
