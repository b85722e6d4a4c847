//! Fragments of matrices, and tiles that the matrix units read.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use super::{Int, MmaFactor, Scalar, device_only};

/// Declares the types.
macro_rules! fragments {
    ($($(#[doc = $doc:literal])* $Name:ident)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $Name<T> {
            _elem: PhantomData<T>,
        }
    )*};
}

fragments! {
    /// A part of a left factor: 16 rows, and 32 bytes along K (of `f64` 8 rows and 4 elements).
    FragA
    /// A part of a right factor: 32 bytes along K, and 8 columns (of `f64` 4 elements).
    FragB
    /// A part of a sum: 16 rows and 8 columns (of `f64` 8 rows). A lane has `c[0]` to `c[3]`, in
    /// row `lane / 4 + 8 * (i / 2)` and column `lane % 4 * 2 + i % 2`.
    FragC
    /// A tile of a factor in shared memory whose rows run along K.
    TileK
    /// A tile of a factor in shared memory whose rows run along M or N.
    TileMn
}

/// A sum of 64 rows and `N` columns in the registers of a warpgroup, four warps.
///
/// A thread has `c[0]` to `c[N / 2 - 1]`, in row `warp % 4 * 16 + lane / 4 + 8 * (i / 2 % 2)` and
/// column `i / 4 * 8 + lane % 4 * 2 + i % 2`. PTX ISA, `wgmma.mma_async`, "Register Fragments".
#[derive(Clone, Copy, Debug)]
pub struct WarpgroupC<T, const N: u32> {
    _elem: PhantomData<T>,
}

impl<T: Scalar> FragC<T> {
    /// All elements are zero.
    pub fn zero() -> Self {
        device_only()
    }
}

impl<T: Scalar, const N: u32> WarpgroupC<T, N> {
    /// All elements are zero.
    pub fn zero() -> Self {
        device_only()
    }
}

impl<T, I: Int> Index<I> for FragC<T> {
    type Output = T;

    fn index(&self, _: I) -> &T {
        device_only()
    }
}

impl<T, I: Int> IndexMut<I> for FragC<T> {
    fn index_mut(&mut self, _: I) -> &mut T {
        device_only()
    }
}

impl<T, I: Int, const N: u32> Index<I> for WarpgroupC<T, N> {
    type Output = T;

    fn index(&self, _: I) -> &T {
        device_only()
    }
}

impl<T, I: Int, const N: u32> IndexMut<I> for WarpgroupC<T, N> {
    fn index_mut(&mut self, _: I) -> &mut T {
        device_only()
    }
}

/// A left factor of `wgmma`: a tile in shared memory, or a [`FragA`] in each warp's registers.
#[diagnostic::on_unimplemented(message = "`{Self}` is no left factor of `{T}`")]
pub trait FactorA<T> {}

impl<T> FactorA<T> for TileK<T> {}
impl<T> FactorA<T> for TileMn<T> {}
impl<T> FactorA<T> for FragA<T> {}

/// A right factor of `wgmma`: a tile in shared memory.
#[diagnostic::on_unimplemented(message = "`{Self}` is no right factor of `{T}`")]
pub trait FactorB<T> {}

impl<T> FactorB<T> for TileK<T> {}
impl<T> FactorB<T> for TileMn<T> {}

/// The sum of products of `T` in a warpgroup's registers.
#[diagnostic::on_unimplemented(message = "`{Self}` does not sum products of `{T}`")]
pub trait WarpgroupSum<T> {}

impl<T: MmaFactor, const N: u32> WarpgroupSum<T> for WarpgroupC<T::Sum, N> {}
