//! Tensor maps: how the bulk copies of a kernel see a buffer as a tensor.

mod check;
#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use half::{bf16, f16};

use crate::backend::Queue;
use crate::buffer::{GpuBuffer, Memory};
use crate::cuda;
use crate::element::DeviceCopy;
use crate::error::Result;
use crate::narrow::{e4m3, e5m2};
use crate::sim::tensor_map as sim;

pub use check::TensorMapFault;

/// A scalar that tensor maps know: every [`DeviceCopy`] type but `bool`.
pub trait TensorElement: DeviceCopy {
    /// What it is to the copies.
    #[doc(hidden)]
    const KIND: ElementKind;
}

/// The element types that the copies tell apart.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the type of its name")]
pub enum ElementKind {
    U8,
    U16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

impl ElementKind {
    /// Bytes of an element.
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether there is a NaN of it.
    pub(crate) const fn is_float(self) -> bool {
        match self {
            Self::F16 | Self::Bf16 | Self::F32 | Self::F64 => true,
            Self::U8 | Self::U16 | Self::U32 | Self::I32 | Self::U64 | Self::I64 => false,
        }
    }
}

macro_rules! elements {
    ($($ty:ty: $kind:ident;)*) => { $(
        impl TensorElement for $ty {
            const KIND: ElementKind = ElementKind::$kind;
        }
    )* };
}

// Copies move the bytes of the types that the driver does not name, so theirs are those of an
// integer of their size.
elements! {
    u8: U8; i8: U8; e4m3: U8; e5m2: U8;
    u16: U16; i16: U16;
    u32: U32; i32: I32;
    u64: U64; i64: I64; usize: U64; isize: I64;
    f16: F16; bf16: Bf16; f32: F32; f64: F64;
}

/// How the bytes of a box lie in shared memory, so that no two rows of a column share a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Swizzle {
    /// One row after the other.
    #[default]
    None,
    /// The halves of 32 bytes change places.
    B32,
    /// The quarters of 64 bytes change places.
    B64,
    /// The eighths of 128 bytes change places: what `wgmma` reads fastest.
    B128,
}

impl Swizzle {
    /// Most bytes of a box along the innermost dimension.
    pub(crate) const fn span(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::B32 => Some(32),
            Self::B64 => Some(64),
            Self::B128 => Some(128),
        }
    }
}

/// How many bytes the L2 cache fetches at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum L2Promotion {
    /// As many as are asked for.
    #[default]
    None,
    /// 64.
    B64,
    /// 128.
    B128,
    /// 256.
    B256,
}

/// The shape of a tensor in a buffer, and of the boxes that one copy moves.
///
/// As in CUDA the innermost dimension, whose elements are neighbours, comes first: a row-major
/// matrix of `m` rows and `k` columns has the dimensions `[k, m]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling<const RANK: usize> {
    pub(crate) dims: [u64; RANK],
    pub(crate) box_dims: [u32; RANK],
    /// In elements; those of a dense tensor where `None`.
    pub(crate) strides: Option<[u64; RANK]>,
    pub(crate) offset: u64,
    pub(crate) swizzle: Swizzle,
    pub(crate) l2_promotion: L2Promotion,
    pub(crate) nan_fill: bool,
}

impl<const RANK: usize> Tiling<RANK> {
    /// A dense tensor of these dimensions from the beginning of a buffer, moved in boxes of these
    /// dimensions, without a swizzle.
    #[must_use]
    pub const fn new(dims: [u64; RANK], box_dims: [u32; RANK]) -> Self {
        Self {
            dims,
            box_dims,
            strides: None,
            offset: 0,
            swizzle: Swizzle::None,
            l2_promotion: L2Promotion::None,
            nan_fill: false,
        }
    }

    /// Elements from one index of each dimension to the next; the first is 1. Of a row-major
    /// matrix: `[1, columns in memory]`.
    #[must_use]
    pub const fn strides(self, elements: [u64; RANK]) -> Self {
        Self { strides: Some(elements), ..self }
    }

    /// The element of the buffer where the tensor begins.
    #[must_use]
    pub const fn offset(self, elements: u64) -> Self {
        Self { offset: elements, ..self }
    }

    /// How the boxes lie in shared memory.
    #[must_use]
    pub const fn swizzle(self, swizzle: Swizzle) -> Self {
        Self { swizzle, ..self }
    }

    /// How much the L2 cache fetches at once.
    #[must_use]
    pub const fn l2_promotion(self, promotion: L2Promotion) -> Self {
        Self { l2_promotion: promotion, ..self }
    }

    /// What lies outside of the tensor reads as NaN instead of zero.
    #[must_use]
    pub const fn nan_fill(self) -> Self {
        Self { nan_fill: true, ..self }
    }

    /// Bytes of a box: what a copy adds to the transaction count of its barrier, whether or not
    /// part of the box lies outside of the tensor.
    #[must_use]
    pub fn box_bytes<T: TensorElement>(&self) -> u64 {
        self.box_dims.iter().map(|&it| u64::from(it)).product::<u64>() * T::KIND.bytes()
    }
}

/// A tensor in a buffer, as an argument `&TensorMap<T, RANK>` of a kernel that copies boxes of it
/// to shared memory.
///
/// ```
/// use firesteel::{Device, Swizzle, TensorMap, Tiling};
///
/// # fn main() -> firesteel::Result<()> {
/// let device = Device::sim();
/// let a = device.alloc_zeros::<f32>(64 * 100)?; // 64 rows of 100 columns
/// let boxes = Tiling::new([100, 64], [32, 16]).swizzle(Swizzle::B128);
/// let map = TensorMap::tiled(&a, boxes)?;
/// assert_eq!(map.tiling().box_bytes::<f32>(), 2048);
/// # Ok(())
/// # }
/// ```
pub struct TensorMap<'a, T, const RANK: usize> {
    map: Map,
    tiling: Tiling<RANK>,
    buffer: PhantomData<&'a GpuBuffer<T>>,
}

impl<'a, T: TensorElement, const RANK: usize> TensorMap<'a, T, RANK> {
    /// The tensor of this shape in the buffer.
    ///
    /// # Errors
    /// [`Error::TensorMap`](crate::Error::TensorMap) for a shape that the hardware does not do or
    /// that reaches beyond the buffer, [`Error::DriverTooOld`](crate::Error::DriverTooOld) before
    /// CUDA 12.0, and errors of the driver, such as that of a device before compute capability 9.0.
    pub fn tiled(buffer: &'a GpuBuffer<T>, tiling: Tiling<RANK>) -> Result<Self> {
        let map = Map::new(buffer, &tiling)?;
        Ok(Self { map, tiling, buffer: PhantomData })
    }
}

impl<T, const RANK: usize> TensorMap<'_, T, RANK> {
    /// The shape.
    #[must_use]
    pub fn tiling(&self) -> &Tiling<RANK> {
        &self.tiling
    }

    pub(crate) fn map(&self) -> &Map {
        &self.map
    }
}

impl<T, const RANK: usize> fmt::Debug for TensorMap<'_, T, RANK> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TensorMap").field("tiling", &self.tiling).finish_non_exhaustive()
    }
}

/// As [`TensorMap`], for an argument `&mut TensorMap<T, RANK>` of a kernel that copies boxes from
/// shared memory to the tensor.
pub struct TensorMapMut<'a, T, const RANK: usize> {
    map: Map,
    tiling: Tiling<RANK>,
    buffer: PhantomData<&'a mut GpuBuffer<T>>,
}

impl<'a, T: TensorElement, const RANK: usize> TensorMapMut<'a, T, RANK> {
    /// The tensor of this shape in the buffer.
    ///
    /// # Errors
    /// As [`TensorMap::tiled`].
    pub fn tiled(buffer: &'a mut GpuBuffer<T>, tiling: Tiling<RANK>) -> Result<Self> {
        let map = Map::new(buffer, &tiling)?;
        Ok(Self { map, tiling, buffer: PhantomData })
    }
}

impl<T, const RANK: usize> TensorMapMut<'_, T, RANK> {
    /// The shape.
    #[must_use]
    pub fn tiling(&self) -> &Tiling<RANK> {
        &self.tiling
    }

    pub(crate) fn map(&self) -> &Map {
        &self.map
    }
}

impl<T, const RANK: usize> fmt::Debug for TensorMapMut<'_, T, RANK> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TensorMapMut").field("tiling", &self.tiling).finish_non_exhaustive()
    }
}

/// The 128 bytes that a kernel is passed, where the driver and PTX want them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Words(pub(crate) [u64; 16]);

/// An encoded map, and the memory that it leads to.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) words: Words,
    pub(crate) memory: Arc<Memory>,
}

impl Map {
    fn new<T: TensorElement, const RANK: usize>(
        buffer: &GpuBuffer<T>,
        tiling: &Tiling<RANK>,
    ) -> Result<Self> {
        let tensor = check::tensor(buffer.address(), buffer.len() as u64, T::KIND, tiling)?;
        let words = match &buffer.memory().home().queue {
            Queue::Cuda(stream) => cuda::encode_tiled(stream.context(), &tensor)?,
            Queue::Sim(_) => simulated(&tensor),
        };
        Ok(Self { words, memory: Arc::clone(buffer.memory()) })
    }
}

/// A checked map, its arrays filled up for the largest rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) address: u64,
    pub(crate) kind: ElementKind,
    pub(crate) rank: u32,
    pub(crate) dims: [u64; 5],
    /// In bytes, of all dimensions but the innermost.
    pub(crate) strides: [u64; 4],
    pub(crate) box_dims: [u32; 5],
    pub(crate) swizzle: Swizzle,
    pub(crate) l2_promotion: L2Promotion,
    pub(crate) nan_fill: bool,
}

/// The map as the simulator reads it.
fn simulated(tensor: &Tensor) -> Words {
    let element = match tensor.kind {
        ElementKind::U8 => sim::Element::U8,
        ElementKind::U16 => sim::Element::U16,
        ElementKind::U32 => sim::Element::U32,
        ElementKind::I32 => sim::Element::S32,
        ElementKind::U64 => sim::Element::U64,
        ElementKind::I64 => sim::Element::S64,
        ElementKind::F16 => sim::Element::F16,
        ElementKind::Bf16 => sim::Element::BF16,
        ElementKind::F32 => sim::Element::F32,
        ElementKind::F64 => sim::Element::F64,
    };
    let swizzle = match tensor.swizzle {
        Swizzle::None => sim::Swizzle::None,
        Swizzle::B32 => sim::Swizzle::B32,
        Swizzle::B64 => sim::Swizzle::B64,
        Swizzle::B128 => sim::Swizzle::B128,
    };
    let map = sim::TensorMap {
        address: tensor.address,
        element,
        rank: tensor.rank,
        dims: tensor.dims,
        strides: tensor.strides,
        box_dims: tensor.box_dims,
        element_strides: [1; 5],
        swizzle,
        nan_fill: tensor.nan_fill,
    };
    Words(map.to_words())
}
