//! Matrix products: `C [m, n] = alpha A [m, k] B`, all row-major, B as `[n, k]` (a layer's weights)
//! or `[k, n]`.
//!
//! Sums are `f32`, in the order of the hardware (which adds products of `e4m3` with fewer bits); the
//! result is rounded once to the type of C, that of A and B, of `e4m3` `bf16`. The
//! error of an element is within `k 2^-23` of the sum of the absolute products (the tensor cores
//! truncate what they add), and half a unit in the last place of C.
//!
//! | path | types | machines | shapes |
//! | --- | --- | --- | --- |
//! | [`Path::Wgmma`] | `f16`, `bf16`, `e4m3` | sm_90 | rows of A, B and C of a multiple of 16 bytes; of `e4m3` B `[n, k]` |
//! | [`Path::Stream`] | `f16`, `bf16` | sm_90 | `m` up to 64, B `[n, k]`, `k` a multiple of 8 |
//! | [`Path::Mma`] | `f16`, `bf16` | sm_80 | any, B `[n, k]` |
//! | [`Path::Simt`] | `f32` | sm_70 | any, B `[n, k]` |

mod mma;
mod simt;
mod stream;
mod wgmma;

use firesteel::prelude::*;
use firesteel::{L2Promotion, Swizzle, TensorElement, TensorMap, Tiling};

use crate::shape::{self, Error, Result};

/// The PTX of every kernel of the family.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let wgmma = wgmma::wgmma_kernel::INSTANCES.iter();
    let stream = stream::stream_kernel::INSTANCES.iter();
    let mma = mma::mma_kernel::INSTANCES.iter();
    let simt = simt::simt_kernel::INSTANCES.iter();
    wgmma.chain(stream).chain(mma).chain(simt).map(|kernel| kernel.ptx())
}

/// How B lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Row-major `[n, k]`: each column of B is contiguous, as a layer's weights are.
    Nk,
    /// Row-major `[k, n]`.
    Kn,
}

/// The kernel that multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// `wgmma` and tensor copies; a block's tile has 128 rows and this many columns: 64, 128 or 256.
    Wgmma(u32),
    /// Reads B once, as fast as memory gives it.
    Stream,
    /// `mma.sync` and `cp.async`.
    Mma,
    /// The ordinary units.
    Simt,
}

/// What is to be multiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Product {
    /// Rows of A and C.
    pub m: u32,
    /// Columns of B and C.
    pub n: u32,
    /// Columns of A, rows of B.
    pub k: u32,
    /// How B lies in memory.
    pub order: Order,
    /// What the product is multiplied with.
    pub alpha: f32,
    /// Whether no kernel that may still run writes B, see [`Product::fixed_b`].
    pub fixed_b: bool,
}

impl Product {
    /// `C [m, n] = A [m, k] B [n, k]ᵀ`.
    #[must_use]
    pub const fn new(m: u32, n: u32, k: u32) -> Self {
        Self { m, n, k, order: Order::Nk, alpha: 1.0, fixed_b: false }
    }

    /// With B in another order.
    #[must_use]
    pub const fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Multiplied with `alpha`.
    #[must_use]
    pub const fn alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// B is not written by kernels that may still run on the stream, as weights are not: then
    /// [`Path::Stream`] begins to read it before they end. Of a B that one of them does write, it
    /// may see the values before.
    #[must_use]
    pub const fn fixed_b(self) -> Self {
        Self { fixed_b: true, ..self }
    }

    fn lengths(&self) -> [usize; 3] {
        let of = |rows: u32, columns: u32| rows as usize * columns as usize;
        [of(self.m, self.k), of(self.n, self.k), of(self.m, self.n)]
    }

    fn no(&self, path: Path, why: &'static str) -> Error {
        Error::Path { path, m: self.m, n: self.n, k: self.k, why }
    }
}

/// The product in `f64`, from the definition.
#[must_use]
pub fn matmul_reference(a: &[f64], b: &[f64], product: &Product) -> Vec<f64> {
    let [m, n, k] = [product.m, product.n, product.k].map(|it| it as usize);
    let at = |i: usize, j: usize| match product.order {
        Order::Nk => b[j * k + i],
        Order::Kn => b[i * n + j],
    };
    let alpha = f64::from(product.alpha);
    let dot = |row: usize, col: usize| (0..k).map(|i| a[row * k + i] * at(i, col)).sum::<f64>();
    (0..m * n).map(|it| alpha * dot(it / n, it % n)).collect()
}

/// The types of which there are products.
pub trait Multiply: TensorElement + sealed::Launch {}

/// `c = alpha a b`, on the path that is fastest on this device.
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
    let info = stream.device().info()?;
    let path = T::choose(product, info.compute_capability, info.multiprocessors);
    matmul_on(stream, path, c, a, b, product)
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
    let [len_a, len_b, len_c] = product.lengths();
    shape::eq("a", len_a, a.len())?;
    shape::eq("b", len_b, b.len())?;
    shape::eq("c", len_c, c.len())?;
    if len_c == 0 {
        return Ok(());
    }
    if product.k == 0 {
        return Ok(c.clear_on(stream)?);
    }
    // Kernels count elements in 32 bits.
    for (what, len) in [("a", len_a), ("b", len_b), ("c", len_c)] {
        shape::count(what, len)?;
    }
    T::launch(stream, path, c, a, b, product)
}

mod sealed {
    use firesteel::DeviceCopy;

    use super::{GpuBuffer, Path, Product, Result, Stream};

    /// What a type's kernels are.
    pub trait Launch: Sized {
        /// The type of C.
        type Output: DeviceCopy;
        /// The fastest path for a shape.
        fn choose(product: &Product, capability: (u32, u32), multiprocessors: u32) -> Path;
        /// Multiplies; lengths are those of the shape, and nothing is empty.
        fn launch(
            stream: &Stream,
            path: Path,
            c: &mut GpuBuffer<Self::Output>,
            a: &GpuBuffer<Self>,
            b: &GpuBuffer<Self>,
            product: &Product,
        ) -> Result<()>;
    }
}

/// The path for 16-bit floats.
fn choose_half(product: &Product, capability: (u32, u32), multiprocessors: u32) -> Path {
    let &Product { m, n, k, order, .. } = product;
    // `wgmma` is in no other machine.
    if capability.0 != 9 || !k.is_multiple_of(8) {
        return Path::Mma;
    }
    // With many rows each tile reads A again, which only few tiles can hide.
    if stream::takes(product).is_none() && (m <= 32 || n <= stream::ROWS * 4 * multiprocessors) {
        return Path::Stream;
    }
    if !n.is_multiple_of(8) {
        return if order == Order::Nk { Path::Mma } else { Path::Wgmma(256) };
    }
    wgmma_path(product, multiprocessors)
}

/// Wide tiles move less; narrow ones keep every multiprocessor busy.
fn wgmma_path(product: &Product, multiprocessors: u32) -> Path {
    let tiles = |cols: u32| product.m.div_ceil(wgmma::ROWS) * product.n.div_ceil(cols);
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

            fn choose(product: &Product, capability: (u32, u32), multiprocessors: u32) -> Path {
                choose_half(product, capability, multiprocessors)
            }

            fn launch(
                stream: &Stream,
                path: Path,
                c: &mut GpuBuffer<Self>,
                a: &GpuBuffer<Self>,
                b: &GpuBuffer<Self>,
                product: &Product,
            ) -> Result<()> {
                match path {
                    Path::Wgmma(cols) => wgmma::$half(stream, cols, c, a, b, product),
                    Path::Stream => stream::$half(stream, c, a, b, product),
                    Path::Mma => mma::$half(stream, c, a, b, product),
                    Path::Simt => Err(product.no(path, "it multiplies `f32`")),
                }
            }
        }
    )*};
}

halves!(f16, bf16);

impl Multiply for f32 {}

impl sealed::Launch for f32 {
    type Output = Self;

    fn choose(_: &Product, _: (u32, u32), _: u32) -> Path {
        Path::Simt
    }

    fn launch(
        stream: &Stream,
        path: Path,
        c: &mut GpuBuffer<Self>,
        a: &GpuBuffer<Self>,
        b: &GpuBuffer<Self>,
        product: &Product,
    ) -> Result<()> {
        match path {
            Path::Simt => simt::f32(stream, c, a, b, product),
            Path::Wgmma(_) | Path::Stream | Path::Mma => {
                Err(product.no(path, "it multiplies 16-bit floats"))
            }
        }
    }
}

impl Multiply for e4m3 {}

impl sealed::Launch for e4m3 {
    type Output = bf16;

    fn choose(product: &Product, _: (u32, u32), multiprocessors: u32) -> Path {
        wgmma_path(product, multiprocessors)
    }

    fn launch(
        stream: &Stream,
        path: Path,
        c: &mut GpuBuffer<bf16>,
        a: &GpuBuffer<Self>,
        b: &GpuBuffer<Self>,
        product: &Product,
    ) -> Result<()> {
        match path {
            Path::Wgmma(cols) => wgmma::e4m3(stream, cols, c, a, b, product),
            Path::Stream | Path::Mma | Path::Simt => {
                Err(product.no(path, "8-bit floats are for `wgmma`"))
            }
        }
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
    let tiling = tiling.swizzle(Swizzle::B128).l2_promotion(L2Promotion::B256);
    Ok(TensorMap::tiled(buffer, tiling)?)
}
