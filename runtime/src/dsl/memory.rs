//! Memory as a kernel sees it.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use super::{Int, Lane, Scalar, device_only};

/// A slice parameter or a shared array: indexed by integers of any type.
#[derive(Debug)]
pub struct Slice<T> {
    elem: PhantomData<T>,
}

impl<T> Slice<T> {
    /// The number of elements.
    #[allow(clippy::len_without_is_empty, reason = "kernels compare lengths")]
    pub fn len(&self) -> usize {
        let _ = self.elem;
        device_only()
    }

    /// `&x[i]` in an argument. Atomics on one slice may stand inside each other, which a borrow
    /// would forbid.
    #[doc(hidden)]
    pub fn place<I: Int>(&self, _index: I) -> &'static T {
        device_only()
    }

    /// `&mut x[i]` in an argument.
    #[doc(hidden)]
    #[allow(clippy::mut_from_ref, reason = "never runs")]
    pub fn place_mut<I: Int>(&self, _index: I) -> &'static mut T {
        device_only()
    }
}

impl<T, I: Int> Index<I> for Slice<T> {
    type Output = T;

    fn index(&self, _: I) -> &T {
        device_only()
    }
}

impl<T, I: Int> IndexMut<I> for Slice<T> {
    fn index_mut(&mut self, _: I) -> &mut T {
        device_only()
    }
}

/// A parameter `&TensorMap<T, RANK>`: a tensor of `RANK` dimensions, the innermost first, of which
/// copies move whole boxes. The host makes it with
/// [`firesteel::TensorMap::tiled`](crate::TensorMap::tiled).
#[derive(Debug)]
pub struct TensorMap<T, const RANK: usize> {
    elem: PhantomData<T>,
}

/// A tensor map with any number of dimensions.
pub trait AnyRank<T>: super::sealed::Map {}

impl<T, const RANK: usize> super::sealed::Map for TensorMap<T, RANK> {}
impl<T, const RANK: usize> AnyRank<T> for TensorMap<T, RANK> {}

/// A scalar that has a vector of `N` lanes.
#[diagnostic::on_unimplemented(message = "there is no vector of {N} `{Self}`")]
pub trait Lanes<const N: usize>: Scalar {
    /// The vector.
    type Vector: Copy;
}

/// How long the L2 cache keeps what an access touches: made by `policy_evict_first` and its like,
/// taken by loads, stores and copies whose names end in `_policy`.
#[derive(Clone, Copy, Debug)]
pub struct CachePolicy {
    _sealed: (),
}

/// The threads among which an atomic operation is atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the block.
    Block,
    /// Those of the device.
    Device,
    /// Those of all devices and the host.
    System,
}

/// What an atomic operation orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Relaxed,
    /// Later accesses stay behind it.
    Acquire,
    /// Earlier accesses stay before it.
    Release,
    /// Both.
    AcqRel,
}

/// A slice or shared array as elements of another type: `let words = cast_slice::<u32>(bytes);`.
///
/// The view shows the same bytes, can be written if the memory can, and has as many elements as
/// fit whole; those of a static shared array must fill it. A slice must begin at a multiple of the
/// size of its new elements, as every buffer does. It is the value of a `let`.
pub fn cast_slice<T: Lane>(of: &Slice<impl Lane>) -> &'static mut Slice<T> {
    let _ = of;
    device_only()
}

/// `shared_mem!` and `dynamic_shared!`, as rustc sees them.
pub fn shared<T>(_len: usize) -> &'static mut Slice<T> {
    device_only()
}

/// An array in registers whose length is computed from the const parameters of a device function.
#[derive(Clone, Copy, Debug)]
pub struct Registers<T> {
    elem: PhantomData<T>,
}

impl<T> Registers<T> {
    /// The number of elements.
    #[allow(clippy::len_without_is_empty, reason = "device code compares lengths")]
    pub fn len(&self) -> usize {
        let _ = self.elem;
        device_only()
    }
}

impl<T, I: Int> Index<I> for Registers<T> {
    type Output = T;

    fn index(&self, _: I) -> &T {
        device_only()
    }
}

impl<T, I: Int> IndexMut<I> for Registers<T> {
    fn index_mut(&mut self, _: I) -> &mut T {
        device_only()
    }
}

/// `[value; N * 2]` in a device function with the const parameter `N`.
pub fn registers<T>(_value: T) -> Registers<T> {
    device_only()
}

/// The result of `f::<{ N * 2 }>(..)` in a device function with the const parameter `N`.
pub fn any<T>() -> T {
    device_only()
}

/// `value as B` where Rust's own `as` does not go: to and from the short floats.
pub fn cast<A: Scalar, B: Scalar>(_value: A) -> B {
    device_only()
}
