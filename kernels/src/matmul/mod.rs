//! Matrix products: `C [m, n] = alpha A [m, k] B + bias + beta C`, all row-major, A as `[m, k]` or
//! `[k, m]`, B as `[n, k]` (a layer's weights) or `[k, n]`; one product or a batch of them, their
//! rows one after the other or with strides.
//!
//! Sums are `f32`, in the order of the hardware (which adds products of `e4m3` with fewer bits); to
//! them come the bias, a value a column, and `beta C`, also in `f32`, and the result is rounded once
//! to the type of C, that of A and B, of `e4m3` `bf16`. The error of an element is within
//! `k 2^-23` of the sum of the absolute products (the tensor cores truncate what they add) and
//! `3 2^-24` of the absolute terms, and half a unit in the last place of C.
//!
//! | path | types | machines | shapes |
//! | --- | --- | --- | --- |
//! | [`Path::Wgmma`] | `f16`, `bf16`, `e4m3` | sm_90 | rows of A, B and C of a multiple of 16 bytes; of `e4m3` A `[m, k]` and B `[n, k]` |
//! | [`Path::Stream`] | `f16`, `bf16` | sm_90 | `m` up to 64, B `[n, k]`, `k` a multiple of 8; one dense product alone |
//! | [`Path::Mma`] | `f16`, `bf16` | sm_80 | any, A `[m, k]`, B `[n, k]`; one dense product alone |
//! | [`Path::Simt`] | `f32` | sm_70 | any |
//!
//! The bodies of the kernels are device functions that take what is done with the sums as a closure:
//! [`wgmma_product`], [`simt_product`].

mod finish;
mod mma;
mod product;
mod simt;
mod stream;
mod wgmma;

use firesteel::prelude::*;
use firesteel::{L2Promotion, Swizzle, TensorElement, TensorMap, Tiling};

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

/// The types of which there are products.
pub trait Multiply: TensorElement + sealed::Launch {}

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
    run(stream, c, a, b, &stream.alloc_uninit(0)?, product)
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
    run(stream, c, a, b, bias, product)
}

/// With an empty `bias` if there is none.
fn run<T: Multiply>(
    stream: &Stream,
    c: &mut GpuBuffer<T::Output>,
    a: &GpuBuffer<T>,
    b: &GpuBuffer<T>,
    bias: &GpuBuffer<T::Output>,
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
        return T::finish(stream, c, &stream.alloc_uninit(0)?, bias, 0, product);
    }
    let info = stream.device().info()?;
    let path = product.path.unwrap_or_else(|| {
        T::choose(product, !bias.is_empty(), info.compute_capability, info.multiprocessors)
    });
    T::launch(stream, path, c, a, b, bias, product)
}

mod sealed {
    use firesteel::DeviceCopy;

    use super::{GpuBuffer, Path, Product, Result, Stream};

    /// What a type's kernels are.
    pub trait Launch: Sized {
        /// The type of C.
        type Output: DeviceCopy;
        /// The fastest path for a shape.
        fn choose(
            product: &Product,
            has_bias: bool,
            capability: (u32, u32),
            multiprocessors: u32,
        ) -> Path;
        /// Multiplies; lengths are those of the shape, and nothing but `bias` is empty.
        fn launch(
            stream: &Stream,
            path: Path,
            c: &mut GpuBuffer<Self::Output>,
            a: &GpuBuffer<Self>,
            b: &GpuBuffer<Self>,
            bias: &GpuBuffer<Self::Output>,
            product: &Product,
        ) -> Result<()>;
        /// Adds `count` dense sums of parts of K and the terms beside the product.
        fn finish(
            stream: &Stream,
            c: &mut GpuBuffer<Self::Output>,
            parts: &GpuBuffer<f32>,
            bias: &GpuBuffer<Self::Output>,
            count: u32,
            product: &Product,
        ) -> Result<()>;
    }
}

/// The path for 16-bit floats.
fn choose_half(
    product: &Product,
    has_bias: bool,
    capability: (u32, u32),
    multiprocessors: u32,
) -> Path {
    // `wgmma` is in no other machine.
    if capability.0 != 9 {
        return Path::Mma;
    }
    if product.plain(Path::Stream, has_bias).is_ok() && stream::takes(product).is_none() {
        return Path::Stream;
    }
    if wgmma::takes::<bf16, bf16>(product) {
        return wgmma_path(product, multiprocessors);
    }
    Path::Mma
}

/// Wide tiles move less; narrow ones keep every multiprocessor busy.
fn wgmma_path(product: &Product, multiprocessors: u32) -> Path {
    if product.order_a == OrderA::Km {
        return Path::Wgmma(128);
    }
    let tiles =
        |cols: u32| product.m.div_ceil(wgmma::ROWS) * product.n.div_ceil(cols) * product.batch;
    let busy = |cols: u32| tiles(cols) * 10 >= multiprocessors * 9;
    let cols = [256, 128].into_iter().find(|cols| busy(*cols));
    Path::Wgmma(cols.unwrap_or(64))
}

/// Dispatches the kernels of a 16-bit float.
macro_rules! halves {
    ($($half:ident),*) => {$(
        impl Multiply for $half {}

        impl sealed::Launch for $half {
            type Output = Self;

            fn choose(
                product: &Product,
                has_bias: bool,
                capability: (u32, u32),
                multiprocessors: u32,
            ) -> Path {
                choose_half(product, has_bias, capability, multiprocessors)
            }

            fn launch(
                stream: &Stream,
                path: Path,
                c: &mut GpuBuffer<Self>,
                a: &GpuBuffer<Self>,
                b: &GpuBuffer<Self>,
                bias: &GpuBuffer<Self>,
                product: &Product,
            ) -> Result<()> {
                match path {
                    Path::Wgmma(cols) => wgmma::$half(stream, cols, c, a, b, bias, product),
                    Path::Stream => {
                        product.plain(path, !bias.is_empty())?;
                        stream::$half(stream, c, a, b, product)
                    }
                    Path::Mma => {
                        product.plain(path, !bias.is_empty())?;
                        mma::$half(stream, c, a, b, product)
                    }
                    Path::Simt => Err(product.no(path, "it multiplies `f32`")),
                }
            }

            fn finish(
                stream: &Stream,
                c: &mut GpuBuffer<Self>,
                parts: &GpuBuffer<f32>,
                bias: &GpuBuffer<Self>,
                count: u32,
                product: &Product,
            ) -> Result<()> {
                finish::$half(stream, c, parts, bias, count, product)
            }
        }
    )*};
}

halves!(f16, bf16);

impl Multiply for f32 {}

impl sealed::Launch for f32 {
    type Output = Self;

    fn choose(_: &Product, _: bool, _: (u32, u32), _: u32) -> Path {
        Path::Simt
    }

    fn launch(
        stream: &Stream,
        path: Path,
        c: &mut GpuBuffer<Self>,
        a: &GpuBuffer<Self>,
        b: &GpuBuffer<Self>,
        bias: &GpuBuffer<Self>,
        product: &Product,
    ) -> Result<()> {
        match path {
            Path::Simt => simt::f32(stream, c, a, b, bias, product),
            Path::Wgmma(_) | Path::Stream | Path::Mma => {
                Err(product.no(path, "it multiplies 16-bit floats"))
            }
        }
    }

    fn finish(
        stream: &Stream,
        c: &mut GpuBuffer<Self>,
        parts: &GpuBuffer<Self>,
        bias: &GpuBuffer<Self>,
        count: u32,
        product: &Product,
    ) -> Result<()> {
        finish::f32(stream, c, parts, bias, count, product)
    }
}

impl Multiply for e4m3 {}

impl sealed::Launch for e4m3 {
    type Output = bf16;

    fn choose(product: &Product, _: bool, _: (u32, u32), multiprocessors: u32) -> Path {
        wgmma_path(product, multiprocessors)
    }

    fn launch(
        stream: &Stream,
        path: Path,
        c: &mut GpuBuffer<bf16>,
        a: &GpuBuffer<Self>,
        b: &GpuBuffer<Self>,
        bias: &GpuBuffer<bf16>,
        product: &Product,
    ) -> Result<()> {
        match path {
            Path::Wgmma(cols) => wgmma::e4m3(stream, cols, c, a, b, bias, product),
            Path::Stream | Path::Mma | Path::Simt => {
                Err(product.no(path, "8-bit floats are for `wgmma`"))
            }
        }
    }

    fn finish(
        stream: &Stream,
        c: &mut GpuBuffer<bf16>,
        parts: &GpuBuffer<f32>,
        bias: &GpuBuffer<bf16>,
        count: u32,
        product: &Product,
    ) -> Result<()> {
        finish::bf16(stream, c, parts, bias, count, product)
    }
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
