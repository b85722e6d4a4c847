//! The launches, and the memory that they need.

use firesteel::prelude::*;
use firesteel::{L2Promotion, Swizzle, TensorMap, Tiling};

use super::super::formats::formats;
use super::super::product::part;
use super::super::{Groups, QuantMatrix};
use super::arrange::arrange_kernel;
use super::kernel::prompt_kernel;
use super::plan::{Plan, Size};
use super::store::PAIRS;
use crate::quant::Format;
use crate::shape::{self, Result};

/// Memory of products of many vectors: the vectors as the kernel reads them, and sums.
#[derive(Debug)]
pub struct Workspace {
    arranged: GpuBuffer<u32>,
    partial: GpuBuffer<f32>,
    /// How many parts of a tile are done: none, between two products.
    counters: GpuBuffer<u32>,
}

impl Workspace {
    /// For products of at most `vectors` of `k` values.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(stream: &Stream, vectors: usize, k: usize) -> Result<Self> {
        // Rows of whole pieces are copied from where they are.
        let slots = if k.is_multiple_of(64) { 0 } else { vectors.next_multiple_of(8) };
        Self::of_slots(stream, slots, vectors, k)
    }

    /// For products of at most `rows` of vectors of `k` values with experts.
    ///
    /// # Errors
    /// Those of the device.
    pub fn for_experts(stream: &Stream, rows: usize, experts: usize, k: usize) -> Result<Self> {
        Self::of_slots(stream, (rows / 8 + experts) * 8, 0, k)
    }

    fn of_slots(stream: &Stream, slots: usize, vectors: usize, k: usize) -> Result<Self> {
        let words = slots * k.next_multiple_of(256) / 2;
        shape::count("words of the vectors", words)?;
        let multiprocessors = stream.device().info()?.multiprocessors as usize;
        // Two tiles of each, or four small ones; those of experts have no parts.
        let partial = match vectors {
            0 => 0,
            1..=64 => multiprocessors * (4 * 64 * 64),
            _ => multiprocessors * (2 * 128 * 128),
        };
        Ok(Self {
            arranged: stream.alloc_uninit(words)?,
            partial: stream.alloc_uninit(partial)?,
            counters: stream.alloc_zeros(partial / 1024)?,
        })
    }
}

/// What a product is besides its vectors and its matrix.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Variant<'a> {
    /// Where the rows of each expert begin, and where the last one's end.
    pub(super) offsets: Option<&'a GpuBuffer<u32>>,
    /// The pair of each row, and how many pairs a vector has.
    pub(super) from: Option<(&'a GpuBuffer<u32>, usize)>,
    /// The row of the result of each row.
    pub(super) to: Option<&'a GpuBuffer<u32>>,
    /// What each row's result is multiplied by.
    pub(super) factors: Option<&'a GpuBuffer<f32>>,
}

/// Arranges the vectors and multiplies them; lengths are right.
pub(super) fn launch(
    stream: &Stream,
    workspace: &mut Workspace,
    y: &mut GpuBuffer<bf16>,
    (x, w): (&GpuBuffer<bf16>, &QuantMatrix),
    rows: u32,
    variant: Variant<'_>,
) -> Result<()> {
    let experts = variant.offsets.map_or(0, |_| w.experts);
    let slots = if experts == 0 { rows.next_multiple_of(8) } else { (rows / 8 + experts) * 8 };
    let size = Size {
        rows,
        usual: rows.div_ceil(w.experts),
        groups: (w.n / w.experts).div_ceil(w.groups.rows()),
        panels: w.k.div_ceil(256),
        experts,
    };
    let multiprocessors = stream.device().info()?.multiprocessors;
    let plan = Plan::new(size, multiprocessors, workspace.partial.len());
    let arranged = experts != 0 || !w.k.is_multiple_of(64);
    if arranged {
        arrange(stream, workspace, (x, w), (plan, size, slots), variant)?;
    }
    multiply(stream, workspace, arranged, y, (x, w), (plan, size, slots), variant)
}

/// The first launch.
fn arrange(
    stream: &Stream,
    workspace: &mut Workspace,
    (x, w): (&GpuBuffer<bf16>, &QuantMatrix),
    (plan, size, slots): (Plan, Size, u32),
    variant: Variant<'_>,
) -> Result<()> {
    let words = slots as usize * size.panels as usize * 128;
    shape::at_least("words of the workspace", words, workspace.arranged.len())?;
    let config = LaunchConfig::new([(words / 4).div_ceil(256) as u32, 1, 1])
        .with_programmatic_dependent_launch();
    let none = GpuBuffer::empty(stream)?;
    let offsets = variant.offsets.unwrap_or(&none);
    let (from, top_k) = variant.from.unwrap_or((&none, 1));
    let top_k = shape::count("top_k", top_k)?;
    let vectors = (x.len() / w.k as usize) as u32;
    let (arranged, k) = (&mut workspace.arranged, w.k);
    let (Size { rows, panels, .. }, tokens) = (size, plan.tokens);
    // SAFETY: All bits of the vectors are words, and nothing writes them meanwhile.
    let x = unsafe { part::<bf16, u32>(x, 0, x.len() / 2)? };
    // SAFETY: Vectors and slots are compared with how many there are.
    unsafe {
        arrange_kernel::launch_on(
            stream, config, &x, arranged, offsets, from, top_k, vectors, rows, slots, panels,
            tokens, k,
        )?;
    }
    Ok(())
}

/// The map of the vectors, copied in swizzled boxes of 128 bytes a row.
fn boxes(x: &GpuBuffer<bf16>, k: u32, tokens: u32) -> Result<TensorMap<'_, bf16, 2>> {
    let rows = x.len() as u64 / u64::from(k);
    let tiling = Tiling::new([u64::from(k), rows], [64, tokens]);
    let tiling = tiling.swizzle(Swizzle::B128).l2_promotion(L2Promotion::B128);
    Ok(TensorMap::tiled(x, tiling)?)
}

/// The second, or the only one.
fn multiply(
    stream: &Stream,
    workspace: &mut Workspace,
    arranged: bool,
    y: &mut GpuBuffer<bf16>,
    (x, w): (&GpuBuffer<bf16>, &QuantMatrix),
    (plan, size, slots): (Plan, Size, u32),
    variant: Variant<'_>,
) -> Result<()> {
    let Size { rows, groups, panels, .. } = size;
    let n = w.n / w.experts;
    let (tiles, units) = (plan.along(size), plan.tiles(size) * plan.parts);
    let blocks = units.min(stream.device().info()?.multiprocessors);
    let config = LaunchConfig::new([blocks, 1, 1]).with_programmatic_dependent_launch();
    let none = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
    let (offsets, to) = (variant.offsets.unwrap_or(&none.0), variant.to.unwrap_or(&none.0));
    let factors = variant.factors.unwrap_or(&none.1);
    let flags = match w.groups {
        Groups::Rows => 0,
        Groups::Pairs => PAIRS,
    };
    let last = (y.len() / n as usize) as u32;
    let (weights, parts) = (&w.words, plan.parts);
    let len = if arranged { workspace.arranged.len() * 2 } else { 0 };
    // SAFETY: All bits are numbers, and only this product uses the workspace.
    let slots_of = unsafe { part::<u32, bf16>(&workspace.arranged, 0, len)? };
    // A kernel that takes arranged vectors does not look at the map, whose rows might be too short.
    let map =
        if arranged { boxes(&slots_of, 64, plan.tokens)? } else { boxes(x, w.k, plan.tokens)? };
    let (x, x_slots, partial, counters) =
        (&map, &slots_of, &mut workspace.partial, &mut workspace.counters);
    macro_rules! launch {
        ([$($numbers:literal)*] $($format:ident = $number:literal, $($rest:ident),*;)*) => {
            match (w.format, plan.tokens) {
                $(
                    (Format::$format, 32) => launch!($number, 32),
                    (Format::$format, 64) => launch!($number, 64),
                    (Format::$format, _) => launch!($number, 128),
                )*
            }
        };
        ($number:literal, $tokens:literal) => {
            // SAFETY: The matrix has its panels, the arranged vectors their slots, the workspace a
            // place for each part of a tile; rows of `y` are compared with how many there are.
            unsafe {
                prompt_kernel::launch_on::<$number, $tokens>(
                    stream, config, weights, x, x_slots, y, partial, counters, offsets, to, factors,
                    n, rows, groups, panels, slots, last, tiles, parts, units, flags,
                )
            }
        };
    }
    Ok(formats!(launch)?)
}
