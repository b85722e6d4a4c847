//! What the hardware demands of a tensor map.
//!
//! Source: CUDA Driver API, `cuTensorMapEncodeTiled`. That the tensor lies in its buffer is our own
//! demand: the copies stay within the tensor, and so within the buffer.

use std::fmt;

use super::{ElementKind, Tensor, Tiling};
use crate::error::{Error, Result};

/// Bytes that addresses, strides and rows of a box are multiples of.
const ALIGNMENT: u64 = 16;
const MAX_RANK: usize = 5;
const MAX_DIM: u64 = 1 << 32;
/// In bytes.
const MAX_STRIDE: u64 = 1 << 40;
const MAX_BOX: u32 = 256;

/// What is wrong with the shape of a tensor map. Dimensions count from the innermost, which is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the messages name")]
pub enum TensorMapFault {
    /// Not 1 to 5 dimensions.
    Rank { got: usize },
    /// A tensor of no or of too many elements along a dimension.
    Dimension { dim: usize, got: u64 },
    /// A box of no or of too many elements along a dimension.
    Box { dim: usize, got: u32 },
    /// Rows of a box that are no multiple of 16 bytes.
    BoxRow { elements: u32, bytes: u64 },
    /// Rows of a box longer than the swizzle.
    SwizzledRow { bytes: u64, most: u64 },
    /// Elements of a row that are not neighbours.
    InnerStride { got: u64 },
    /// A stride that is no multiple of 16 bytes or too large.
    Stride { dim: usize, elements: u64, bytes: Option<u64> },
    /// A beginning that is no multiple of 16 bytes.
    Offset { elements: u64, bytes: u64 },
    /// A tensor that reaches beyond its buffer.
    Bounds { want: Option<u64>, got: u64 },
    /// NaN asked for outside of a tensor of integers.
    NanFill,
}

impl TensorMapFault {
    fn help(&self) -> &'static str {
        match self {
            Self::Rank { .. } => "merge dimensions that lie behind each other",
            Self::Dimension { .. } => "do not launch for an empty tensor",
            Self::Box { .. } => "move the tile with several copies",
            Self::BoxRow { .. } => "make it wider",
            Self::SwizzledRow { .. } => {
                "move the tile with several copies, or take a wider swizzle"
            }
            Self::InnerStride { .. } => "name the dimension first whose elements are neighbours",
            Self::Stride { .. } => "pad the rows of the buffer, or use several maps",
            Self::Offset { .. } => "begin at a row of the buffer, padded if need be",
            Self::Bounds { .. } => {
                "compare offset, dimensions and strides with the buffer's length"
            }
            Self::NanFill => "leave `nan_fill` out, and zeros are read",
        }
    }

    fn message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let multiple = "which must be a multiple of 16";
        match self {
            Self::Rank { got } => {
                write!(f, "a tensor map has 1 to {MAX_RANK} dimensions, got {got}")
            }
            Self::Dimension { dim, got } => {
                write!(f, "dimension {dim} of a tensor map has 1 to 2^32 elements, got {got}")
            }
            Self::Box { dim, got } => {
                write!(f, "a box has 1 to {MAX_BOX} elements along dimension {dim}, got {got}")
            }
            Self::BoxRow { elements, bytes } => write!(
                f,
                "a box of {elements} elements along dimension 0 has rows of {bytes} bytes, {multiple}"
            ),
            Self::SwizzledRow { bytes, most } => write!(
                f,
                "a box with a swizzle of {most} bytes has rows of at most as many, got {bytes}"
            ),
            Self::InnerStride { got } => {
                write!(f, "the stride of dimension 0 must be 1, got {got}")
            }
            Self::Stride { dim, elements, bytes: Some(bytes) } if *bytes < MAX_STRIDE => write!(
                f,
                "the stride of dimension {dim}, {elements} elements, is {bytes} bytes, {multiple}"
            ),
            Self::Stride { dim, elements, .. } => write!(
                f,
                "the stride of dimension {dim}, {elements} elements, must be less than 2^40 bytes"
            ),
            Self::Offset { elements, bytes } => {
                write!(f, "a tensor at element {elements} begins at byte {bytes}, {multiple}")
            }
            Self::Bounds { want: Some(want), got } => {
                write!(f, "the tensor needs {want} elements, and its buffer has {got}")
            }
            Self::Bounds { want: None, got } => {
                write!(f, "the tensor ends beyond 64 bits, and its buffer has {got} elements")
            }
            Self::NanFill => write!(f, "integers have no NaN to read outside of the tensor"),
        }
    }
}

impl fmt::Display for TensorMapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message(f)?;
        write!(f, "\nhelp: {}", self.help())
    }
}

/// The tensor in bytes, if the hardware can do it and the buffer of `len` elements holds it.
pub(super) fn tensor<const RANK: usize>(
    address: u64,
    len: u64,
    kind: ElementKind,
    tiling: &Tiling<RANK>,
) -> Result<Tensor> {
    shape(address, len, kind, tiling).map_err(|fault| Error::TensorMap(Box::new(fault)))
}

fn shape<const RANK: usize>(
    address: u64,
    len: u64,
    kind: ElementKind,
    tiling: &Tiling<RANK>,
) -> Result<Tensor, TensorMapFault> {
    if !(1..=MAX_RANK).contains(&RANK) {
        return Err(TensorMapFault::Rank { got: RANK });
    }
    for (dim, &got) in tiling.dims.iter().enumerate() {
        if got == 0 || got > MAX_DIM {
            return Err(TensorMapFault::Dimension { dim, got });
        }
    }
    boxes(kind, tiling)?;
    let strides = tiling.strides.unwrap_or_else(|| dense(&tiling.dims));
    let bytes = stride_bytes(kind, &strides)?;
    bounds(len, tiling, &strides)?;
    let offset = tiling.offset * kind.bytes();
    if !(address + offset).is_multiple_of(ALIGNMENT) {
        return Err(TensorMapFault::Offset { elements: tiling.offset, bytes: offset });
    }
    if tiling.nan_fill && !kind.is_float() {
        return Err(TensorMapFault::NanFill);
    }
    let mut tensor = Tensor {
        address: address + offset,
        kind,
        rank: RANK as u32,
        dims: [1; 5],
        strides: [0; 4],
        box_dims: [1; 5],
        swizzle: tiling.swizzle,
        l2_promotion: tiling.l2_promotion,
        nan_fill: tiling.nan_fill,
    };
    tensor.dims[..RANK].copy_from_slice(&tiling.dims);
    tensor.strides[..RANK - 1].copy_from_slice(&bytes[1..]);
    tensor.box_dims[..RANK].copy_from_slice(&tiling.box_dims);
    Ok(tensor)
}

fn boxes<const RANK: usize>(
    kind: ElementKind,
    tiling: &Tiling<RANK>,
) -> Result<(), TensorMapFault> {
    for (dim, &got) in tiling.box_dims.iter().enumerate() {
        if got == 0 || got > MAX_BOX {
            return Err(TensorMapFault::Box { dim, got });
        }
    }
    let elements = tiling.box_dims[0];
    let bytes = u64::from(elements) * kind.bytes();
    if !bytes.is_multiple_of(ALIGNMENT) {
        return Err(TensorMapFault::BoxRow { elements, bytes });
    }
    match tiling.swizzle.span() {
        Some(most) if bytes > most => Err(TensorMapFault::SwizzledRow { bytes, most }),
        Some(_) | None => Ok(()),
    }
}

/// The strides of a tensor without gaps; one that overflows is too large for `stride_bytes`.
fn dense<const RANK: usize>(dims: &[u64; RANK]) -> [u64; RANK] {
    let mut strides = [1; RANK];
    for dim in 1..RANK {
        strides[dim] = dims[dim - 1].saturating_mul(strides[dim - 1]);
    }
    strides
}

fn stride_bytes<const RANK: usize>(
    kind: ElementKind,
    strides: &[u64; RANK],
) -> Result<[u64; RANK], TensorMapFault> {
    if strides[0] != 1 {
        return Err(TensorMapFault::InnerStride { got: strides[0] });
    }
    let mut all = [kind.bytes(); RANK];
    for (dim, &elements) in strides.iter().enumerate().skip(1) {
        let bytes = elements.checked_mul(kind.bytes());
        match bytes.filter(|it| *it < MAX_STRIDE && it.is_multiple_of(ALIGNMENT)) {
            Some(bytes) => all[dim] = bytes,
            None => return Err(TensorMapFault::Stride { dim, elements, bytes }),
        }
    }
    Ok(all)
}

/// Whether the last element is in the buffer.
fn bounds<const RANK: usize>(
    len: u64,
    tiling: &Tiling<RANK>,
    strides: &[u64; RANK],
) -> Result<(), TensorMapFault> {
    let mut steps = tiling.dims.iter().zip(strides);
    let last = steps.try_fold(tiling.offset, |sum, (dim, stride)| {
        sum.checked_add((dim - 1).checked_mul(*stride)?)
    });
    let want = last.and_then(|it| it.checked_add(1));
    match want {
        Some(want) if want <= len => Ok(()),
        Some(_) | None => Err(TensorMapFault::Bounds { want, got: len }),
    }
}
