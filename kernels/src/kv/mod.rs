//! The cache of keys and values, in pages of 64 tokens that any sequence may own.
//!
//! | letter | what |
//! | --- | --- |
//! | `P` | pages of a layer |
//! | `H` | heads of keys and values |
//! | `D` | elements of a head |
//!
//! A layer has keys and values, each `[P, H, PAGE, D]`: the tokens of a page and a head lie
//! together, so one copy fetches them. A sequence's block table names its pages in order: its token
//! `t` is in cell `t % PAGE` of page `table[t / PAGE]`. A slot is a cell's number among all,
//! `page * PAGE + cell`.
//!
//! | format | a number is | and stands for |
//! | --- | --- | --- |
//! | [`KvFormat::F16`], [`KvFormat::Bf16`] | 16 bits | itself |
//! | [`KvFormat::E4m3`] | 8 bits | itself times the layer's scale of keys or values |
//! | [`KvFormat::Q8`] | an `i8` | itself times the scale of its token and head, an `f32` of `[P, H, PAGE]` |
//!
//! [`write()`] puts the keys and values of new tokens there, [`gather`] reads those of a sequence,
//! [`copy_pages`] copies pages that sequences share until one writes. Cells that no token was written
//! to may hold anything: no kernel of this crate lets them into a result.

mod gather;
mod pages;
mod reference;
mod write;

use std::fmt;

use firesteel::prelude::*;

pub use gather::{GatherElement, gather};
pub use pages::copy_pages;
pub use reference::write_reference;
pub use write::{HeadNorm, Heads, NewTokens, Rope, WriteElement, write};

use crate::shape::{self, Error, Result};

/// Tokens of a page.
#[gpu_const]
pub const PAGE: u32 = 64;

/// The slot of a token that is not written.
#[gpu_const]
pub const NO_SLOT: u32 = u32::MAX;

/// What keys and values are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvFormat {
    /// `f16`.
    F16,
    /// `bf16`.
    Bf16,
    /// `e4m3` with a scale for each layer.
    E4m3,
    /// `i8` with a scale for each token and head.
    Q8,
}

impl KvFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F16, Self::Bf16, Self::E4m3, Self::Q8];

    /// The types of the queries that go with it.
    pub(crate) const fn queries(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::E4m3 | Self::Q8 => "f16 or bf16",
        }
    }

    /// Bytes of a token's keys of one head of `head_dim` elements, scales included.
    #[must_use]
    pub const fn head_bytes(self, head_dim: usize) -> usize {
        match self {
            Self::F16 | Self::Bf16 => head_dim * 2,
            Self::E4m3 => head_dim,
            Self::Q8 => head_dim + 4,
        }
    }
}

impl fmt::Display for KvFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::E4m3 => "e4m3",
            Self::Q8 => "q8",
        })
    }
}

/// The size of a layer's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KvShape {
    /// Pages of [`PAGE`] tokens.
    pub pages: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Elements of a head: a multiple of 16, at most 256.
    pub head_dim: usize,
}

impl KvShape {
    /// Elements of the keys, or of the values: `[pages, kv_heads, PAGE, head_dim]`.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows() * self.head_dim
    }

    /// Whether there is no element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cells of all pages and heads.
    pub(crate) const fn rows(&self) -> usize {
        self.pages * self.kv_heads * PAGE as usize
    }

    fn check(&self) -> Result<()> {
        let Self { pages, kv_heads, head_dim } = *self;
        shape::range("pages", (1, usize::MAX), pages)?;
        shape::range("heads of keys and values", (1, usize::MAX), kv_heads)?;
        shape::range("elements of a head", (16, 256), head_dim)?;
        if !head_dim.is_multiple_of(16) {
            let what = "a head";
            return Err(Error::Multiple { what, multiple: 16, got: head_dim });
        }
        // Copies count cells with a sign.
        let rows = pages.saturating_mul(kv_heads).saturating_mul(PAGE as usize);
        shape::range("cells of a layer", (1, i32::MAX as usize), rows)
    }
}

/// The keys of a layer, or its values.
#[derive(Debug)]
pub enum Pages {
    /// Of [`KvFormat::F16`].
    F16(GpuBuffer<f16>),
    /// Of [`KvFormat::Bf16`].
    Bf16(GpuBuffer<bf16>),
    /// Of [`KvFormat::E4m3`], with the factor by which a number is multiplied when it is read.
    E4m3(GpuBuffer<e4m3>, f32),
    /// Of [`KvFormat::Q8`], with a factor for each cell: `[pages, kv_heads, PAGE]`.
    Q8(GpuBuffer<i8>, GpuBuffer<f32>),
}

impl Pages {
    fn zeros(stream: &Stream, format: KvFormat, shape: &KvShape) -> Result<Self> {
        let (len, cells) = (shape.len(), shape.rows());
        Ok(match format {
            KvFormat::F16 => Self::F16(stream.alloc_zeros(len)?),
            KvFormat::Bf16 => Self::Bf16(stream.alloc_zeros(len)?),
            KvFormat::E4m3 => Self::E4m3(stream.alloc_zeros(len)?, 1.0),
            KvFormat::Q8 => Self::Q8(stream.alloc_zeros(len)?, stream.alloc_zeros(cells)?),
        })
    }

    /// What the numbers are.
    #[must_use]
    pub fn format(&self) -> KvFormat {
        match self {
            Self::F16(_) => KvFormat::F16,
            Self::Bf16(_) => KvFormat::Bf16,
            Self::E4m3(..) => KvFormat::E4m3,
            Self::Q8(..) => KvFormat::Q8,
        }
    }

    fn check(&self, what: &'static str, shape: &KvShape) -> Result<()> {
        let len = match self {
            Self::F16(it) => it.len(),
            Self::Bf16(it) => it.len(),
            Self::E4m3(it, _) => it.len(),
            Self::Q8(it, scales) => {
                shape::eq("scales of the cells", shape.rows(), scales.len())?;
                it.len()
            }
        };
        shape::eq(what, shape.len(), len)
    }

    fn set_scale(&mut self, to: f32) {
        match self {
            Self::E4m3(_, scale) => *scale = to,
            Self::F16(_) | Self::Bf16(_) | Self::Q8(..) => {}
        }
    }
}

/// The keys and values of one layer of a model.
#[derive(Debug)]
pub struct KvLayer {
    pub(crate) k: Pages,
    pub(crate) v: Pages,
    pub(crate) shape: KvShape,
}

impl KvLayer {
    /// A layer of zeros.
    ///
    /// # Errors
    /// [`Error::Range`] or [`Error::Multiple`] for a shape that the kernels do not take, and those
    /// of the device.
    pub fn new(stream: &Stream, format: KvFormat, shape: KvShape) -> Result<Self> {
        shape.check()?;
        let (k, v) = (Pages::zeros(stream, format, &shape)?, Pages::zeros(stream, format, &shape)?);
        Ok(Self { k, v, shape })
    }

    /// A layer of pages that are there.
    ///
    /// # Errors
    /// Those of [`KvLayer::new`], [`Error::Shape`] if a length is not that of the shape, and
    /// [`Error::KvFormat`] if the two have not the same format.
    pub fn from_pages(k: Pages, v: Pages, shape: KvShape) -> Result<Self> {
        shape.check()?;
        k.check("keys", &shape)?;
        v.check("values", &shape)?;
        if k.format() != v.format() {
            let what = "values";
            return Err(Error::KvFormat { what, want: k.format(), got: v.format() });
        }
        Ok(Self { k, v, shape })
    }

    /// The same layer with these factors of its keys and values, where [`KvFormat::E4m3`] is read:
    /// a number is divided by them as it is written. They are 1 before.
    #[must_use]
    pub fn with_scales(mut self, k: f32, v: f32) -> Self {
        self.k.set_scale(k);
        self.v.set_scale(v);
        self
    }

    /// The keys.
    #[must_use]
    pub fn k(&self) -> &Pages {
        &self.k
    }

    /// The values.
    #[must_use]
    pub fn v(&self) -> &Pages {
        &self.v
    }

    /// Keys and values as they are read and written.
    #[must_use]
    pub fn pages_mut(&mut self) -> (&mut Pages, &mut Pages) {
        (&mut self.k, &mut self.v)
    }

    /// The size.
    #[must_use]
    pub fn shape(&self) -> KvShape {
        self.shape
    }

    /// What keys and values are stored as.
    #[must_use]
    pub fn format(&self) -> KvFormat {
        self.k.format()
    }
}

/// The PTX of every instance of every kernel of this module.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let instances = write::write_kernel::INSTANCES.iter();
    let instances = instances.chain(gather::gather_kernel::INSTANCES.iter());
    instances.chain(pages::copy_kernel::INSTANCES.iter()).map(|it| it.ptx())
}
