//! What kernels can call.
//!
//! These functions and types exist for rustc and for the reader: a kernel's body is checked
//! against them, and their documentation is what an editor shows. They work in kernels only; on
//! the host they panic. A kernel sees all of them without importing anything.
//!
//! The methods of scalars (`x.mul_add(a, b)`, `n.count_ones()`) are Rust's own.

mod matrix;
mod memory;

pub use crate::narrow::{e4m3, e5m2};
pub use crate::nibbles::{i4x8, u4x8};
pub use crate::pair::{bf16x2, f16x2};
pub use half::{bf16, f16};

pub use matrix::{FactorA, FactorB, FragA, FragB, FragC, TileK, TileMn, WarpgroupC, WarpgroupSum};
pub use memory::{AnyRank, CachePolicy, Lanes, Order, Scope, Slice, TensorMap, cast_slice};
#[doc(hidden)]
pub use memory::{Registers, any, cast, registers, shared};

mod sealed {
    /// Scalars are a closed set: the compiler knows each.
    pub trait Sealed {}
    /// There is one type of tensor maps.
    pub trait Map {}
    macro_rules! seal {
        ($($scalar:ty),*) => { $(impl Sealed for $scalar {})* };
    }
    seal!(bool, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64);
    seal!(super::f16, super::bf16, super::e4m3, super::e5m2);
    seal!(super::f16x2, super::bf16x2, super::i4x8, super::u4x8);
}

/// The body of everything here.
fn device_only() -> ! {
    panic!("this function works in kernels only")
}

firesteel_macros::__intrinsics!();
