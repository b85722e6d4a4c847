//! Which kernels a type has, and which of them is the fastest for a product.

use firesteel::TensorElement;
use firesteel::prelude::*;

use super::{OrderA, Path, Product, finish, mma, simt, stream, wgmma};
use crate::shape::{self, Result};

/// The types of which there are products.
pub trait Multiply: TensorElement + sealed::Launch {}

pub(super) mod sealed {
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
        /// Multiplies; lengths are those of the shape, and nothing is empty.
        fn launch(
            stream: &Stream,
            path: Path,
            c: &mut GpuBuffer<Self::Output>,
            a: &GpuBuffer<Self>,
            b: &GpuBuffer<Self>,
            bias: Option<&GpuBuffer<Self::Output>>,
            product: &Product,
        ) -> Result<()>;
        /// Adds `count` dense sums of parts of K and the terms beside the product.
        fn finish(
            stream: &Stream,
            c: &mut GpuBuffer<Self::Output>,
            parts: &GpuBuffer<f32>,
            bias: Option<&GpuBuffer<Self::Output>>,
            count: u32,
            product: &Product,
        ) -> Result<()>;
    }
}

/// A product in parts of K.
struct Parts {
    /// The parts as products.
    product: Product,
    /// Their sums.
    sums: GpuBuffer<f32>,
}

/// The product in parts, if a path is to split it.
fn parts<T>(stream: &Stream, path: Path, product: &Product) -> Result<Option<Parts>> {
    let cols = if let Path::Wgmma(cols) = path { cols } else { 128 };
    let auto = || -> Result<u32> {
        let multiprocessors = stream.device().info()?.multiprocessors;
        Ok(wgmma::splits::<T>(product, cols, multiprocessors))
    };
    let count = match product.splits {
        Some(count) => count,
        None => auto()?,
    };
    if count <= 1 {
        return Ok(None);
    }
    if !product.can_be_split() {
        let why = "K of one product alone is split, whose `n` is a multiple of 4";
        return Err(product.no(path, why));
    }
    let part = product.split(count, wgmma::SPAN / size_of::<T>() as u32);
    let len = part.batch as usize * product.m as usize * product.n as usize;
    shape::count("sums of parts of K", len)?;
    match stream.alloc_uninit(len) {
        Ok(sums) => Ok(Some(Parts { product: part, sums })),
        // Captured work cannot have memory of its own.
        Err(firesteel::Error::Capture { .. }) if product.splits.is_none() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Multiplies at once into C, or, if a path is to split K, in parts whose `sums` are added after.
fn at_once_or_in_parts<T: Multiply>(
    stream: &Stream,
    path: Path,
    c: &mut GpuBuffer<T::Output>,
    bias: Option<&GpuBuffer<T::Output>>,
    product: &Product,
    at_once: impl FnOnce(&mut GpuBuffer<T::Output>) -> Result<()>,
    in_parts: impl FnOnce(&mut GpuBuffer<f32>, &Product) -> Result<()>,
) -> Result<()> {
    match parts::<T>(stream, path, product)? {
        Some(Parts { product: part, mut sums }) => {
            in_parts(&mut sums, &part)?;
            T::finish(stream, c, &sums, bias, part.batch, product)
        }
        None => at_once(c),
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
        let split = wgmma::splits::<bf16>(product, 128, multiprocessors) > 1;
        return if split { Path::Wgmma(128) } else { wgmma_path(product, multiprocessors) };
    }
    Path::Mma
}

/// Wide tiles read less; narrow ones leave no multiprocessor idle in the last turn.
fn wgmma_path(product: &Product, multiprocessors: u32) -> Path {
    if product.order_a == OrderA::Km {
        return Path::Wgmma(128);
    }
    // Columns of a multiprocessor's tiles, one after the other, over the rate at which tiles of this
    // width are multiplied: narrow ones read more for each product.
    let time = |(cols, rate): (u32, u32)| {
        let tiles = product.m.div_ceil(wgmma::ROWS) * product.n.div_ceil(cols) * product.batch;
        u64::from(tiles.div_ceil(multiprocessors)) * u64::from(cols) * 100 / u64::from(rate)
    };
    let widths = [(256, 100), (128, 90), (64, 60)];
    let best = widths.into_iter().min_by_key(|width| time(*width));
    Path::Wgmma(best.map_or(256, |(cols, _)| cols))
}

/// [`sealed::Launch::finish`] by the kernel of the type of C.
macro_rules! finish {
    ($out:ident) => {
        fn finish(
            stream: &Stream,
            c: &mut GpuBuffer<$out>,
            parts: &GpuBuffer<f32>,
            bias: Option<&GpuBuffer<$out>>,
            count: u32,
            product: &Product,
        ) -> Result<()> {
            finish::$out(stream, c, parts, bias, count, product)
        }
    };
}

/// Dispatches the kernels of a 16-bit float.
macro_rules! halves {
    ($($half:ident, $sums:ident;)*) => {$(
        impl Multiply for $half {}

        impl sealed::Launch for $half {
            type Output = Self;

            finish!($half);

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
                bias: Option<&GpuBuffer<Self>>,
                product: &Product,
            ) -> Result<()> {
                match path {
                    Path::Wgmma(cols) => {
                        let at_once = |c: &mut GpuBuffer<Self>| {
                            wgmma::$half(stream, cols, c, a, b, bias, product)
                        };
                        if cols == 128 && product.order_a == OrderA::Mk {
                            at_once_or_in_parts::<Self>(
                                stream, path, c, bias, product, at_once,
                                |sums, part| wgmma::$sums(stream, cols, sums, a, b, None, part),
                            )
                        } else if product.splits.is_none_or(|parts| parts <= 1) {
                            at_once(c)
                        } else {
                            let why = "K is split for tiles of 128 columns and an A `[m, k]`";
                            Err(product.no(path, why))
                        }
                    }
                    Path::Stream => {
                        product.plain(path, bias.is_some())?;
                        stream::$half(stream, c, a, b, product)
                    }
                    Path::Mma => at_once_or_in_parts::<Self>(
                        stream, path, c, bias, product,
                        |c| mma::$half(stream, c, a, b, bias, product),
                        |sums, part| mma::$sums(stream, sums, a, b, None, part),
                    ),
                    Path::Simt => Err(product.no(path, "it multiplies `f32`")),
                }
            }
        }
    )*};
}

halves! {
    f16, f16_sums;
    bf16, bf16_sums;
}

/// The paths on the tensor cores of a type whose C is `f32`, perhaps in parts.
macro_rules! to_floats {
    ($name:ident, $stream:ident, $path:ident, $c:ident, $a:ident, $b:ident, $bias:ident, $product:ident) => {{
        let run = |c: &mut GpuBuffer<f32>, bias: Option<&GpuBuffer<f32>>, product: &Product| {
            match $path {
                Path::Wgmma(cols) => wgmma::$name($stream, cols, c, $a, $b, bias, product),
                Path::Mma | Path::Stream | Path::Simt => {
                    mma::$name($stream, c, $a, $b, bias, product)
                }
            }
        };
        at_once_or_in_parts::<$name>(
            $stream,
            $path,
            $c,
            $bias,
            $product,
            |c| run(c, $bias, $product),
            |sums, part| run(sums, None, part),
        )
    }};
}

impl Multiply for f32 {}

impl sealed::Launch for f32 {
    type Output = Self;

    finish!(f32);

    fn choose(product: &Product, _: bool, capability: (u32, u32), multiprocessors: u32) -> Path {
        if product.tf32 && capability.0 == 9 && wgmma::takes::<Self, Self>(product) {
            wgmma_path(product, multiprocessors)
        } else if product.tf32 && capability.0 >= 8 {
            Path::Mma
        } else {
            Path::Simt
        }
    }

    fn launch(
        stream: &Stream,
        path: Path,
        c: &mut GpuBuffer<Self>,
        a: &GpuBuffer<Self>,
        b: &GpuBuffer<Self>,
        bias: Option<&GpuBuffer<Self>>,
        product: &Product,
    ) -> Result<()> {
        match path {
            Path::Simt if product.splits.is_some_and(|parts| parts > 1) => {
                Err(product.no(path, "it does not split K"))
            }
            Path::Simt => simt::f32(stream, c, a, b, bias, product),
            Path::Wgmma(_) | Path::Mma if !product.tf32 => {
                Err(product.no(path, "it multiplies `f32` as TF32, which `Product::tf32` allows"))
            }
            Path::Wgmma(_) | Path::Mma => {
                to_floats!(f32, stream, path, c, a, b, bias, product)
            }
            Path::Stream => Err(product.no(path, "it multiplies 16-bit floats")),
        }
    }
}

impl Multiply for i8 {}

impl sealed::Launch for i8 {
    type Output = f32;

    finish!(f32);

    fn choose(product: &Product, _: bool, capability: (u32, u32), multiprocessors: u32) -> Path {
        if capability.0 == 9 && wgmma::takes::<Self, f32>(product) {
            wgmma_path(product, multiprocessors)
        } else {
            Path::Mma
        }
    }

    fn launch(
        stream: &Stream,
        path: Path,
        c: &mut GpuBuffer<f32>,
        a: &GpuBuffer<Self>,
        b: &GpuBuffer<Self>,
        bias: Option<&GpuBuffer<f32>>,
        product: &Product,
    ) -> Result<()> {
        match path {
            Path::Wgmma(_) | Path::Mma => to_floats!(i8, stream, path, c, a, b, bias, product),
            Path::Stream | Path::Simt => {
                Err(product.no(path, "integers of 8 bits are for the tensor cores"))
            }
        }
    }
}

impl Multiply for e4m3 {}

impl sealed::Launch for e4m3 {
    type Output = bf16;

    finish!(bf16);

    fn choose(product: &Product, _: bool, _: (u32, u32), multiprocessors: u32) -> Path {
        wgmma_path(product, multiprocessors)
    }

    fn launch(
        stream: &Stream,
        path: Path,
        c: &mut GpuBuffer<bf16>,
        a: &GpuBuffer<Self>,
        b: &GpuBuffer<Self>,
        bias: Option<&GpuBuffer<bf16>>,
        product: &Product,
    ) -> Result<()> {
        match path {
            Path::Wgmma(cols) if product.splits.is_none_or(|it| it <= 1) => {
                wgmma::e4m3(stream, cols, c, a, b, bias, product)
            }
            Path::Wgmma(_) => Err(product.no(path, "K of 8-bit floats is not split")),
            Path::Stream | Path::Mma | Path::Simt => {
                Err(product.no(path, "8-bit floats are for `wgmma`"))
            }
        }
    }
}
