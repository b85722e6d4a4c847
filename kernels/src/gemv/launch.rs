//! The launch of the kernel: its instance, its grid, and the places of its rings.

use firesteel::prelude::*;

use super::dp4a::dp4a_kernel;
use super::formats::{self, LAYOUTS, formats};
use super::kernel::{ADD, PAIRS, PARTS, PLACES, gemv_kernel};
use super::{Activations, Groups, QuantMatrix};
use crate::quant::Format;
use crate::shape::{Error, Result};

/// Warps of a block, and of one that is not to share its multiprocessor and has fewer rounds so.
const WARPS: [u32; 2] = [16, 18];
/// Bytes that a block reads of a long product.
const LONG: u32 = 1 << 20;

/// Bytes of a block that are little to compute with.
const LITTLE: u32 = 96 << 10;

/// What a product is besides its vectors and its matrix.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Variant<'a> {
    /// A value for each row.
    pub(super) bias: Option<&'a GpuBuffer<f32>>,
    /// Results are added to `y`.
    pub(super) add: bool,
    /// The expert of each pair of a vector and an expert, and how many there are for a vector.
    pub(super) experts: Option<(&'a GpuBuffer<u32>, u32)>,
}

/// What both kernels take.
struct Operands<'a> {
    w: &'a QuantMatrix,
    x: &'a Activations,
    bias: &'a GpuBuffer<f32>,
    experts: &'a GpuBuffer<u32>,
    /// Rows of `y`, panels of a row, groups of rows, pairs of a vector and an expert.
    n: u32,
    panels: u32,
    groups: u32,
    pairs: u32,
    flags: u32,
    top_k: u32,
}

/// Chooses the instance and launches it; lengths are right.
pub(super) fn launch(
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
    variant: Variant<'_>,
) -> Result<()> {
    let (n, pairs) = match variant.experts {
        Some((experts, _)) => (w.n / w.experts, experts.len() as u32),
        None => (w.n, 1),
    };
    let none = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
    let (experts, top_k) = variant.experts.unwrap_or((&none.1, 0));
    let add = if variant.add { ADD } else { 0 };
    let flags = match w.groups {
        Groups::Rows => add,
        Groups::Pairs => add | PAIRS,
    };
    let (panels, groups) = (w.k.div_ceil(256), n.div_ceil(w.groups.rows()));
    let bias = variant.bias.unwrap_or(&none.0);
    let of = Operands { w, x, bias, experts, n, panels, groups, pairs, flags, top_k };
    if super::has_mma(stream)? { by_mma(stream, y, &of) } else { by_dp4a(stream, y, &of) }
}

fn by_mma(stream: &Stream, y: &mut GpuBuffer<f32>, of: &Operands<'_>) -> Result<()> {
    let Operands { w, x, bias, experts, n, panels, groups, pairs, flags, top_k } = *of;
    let info = stream.device().info()?;
    let blocks = groups.min(info.multiprocessors.div_ceil(pairs));
    let block = Block {
        panels: panels * groups.div_ceil(blocks),
        idle: blocks * pairs < info.multiprocessors,
    };
    let Rings { warps, places, shared } = rings(info.limits.shared_per_block, x, w, block)?;
    let config = LaunchConfig::new([blocks, pairs, 1])
        .with_dynamic_shared(shared)
        .with_programmatic_dependent_launch();
    macro_rules! launch {
        ([$($numbers:literal)*] $($format:ident = $number:literal, $($rest:ident),*;)*) => {
            match (w.format, x.batch, warps) {
                $(
                    (Format::$format, 1, 18) => launch!($number, 1, 18),
                    (Format::$format, 1, _) => launch!($number, 1, 16),
                    (Format::$format, 2, 18) => launch!($number, 2, 18),
                    (Format::$format, 2, _) => launch!($number, 2, 16),
                    (Format::$format, 4, _) => launch!($number, 4, 16),
                    (Format::$format, _, _) => launch!($number, 8, 16),
                )*
            }
        };
        ($number:literal, $batch:literal, $warps:literal) => {
            // SAFETY: The matrix has its panels, the vectors their words, `y` a value for each row
            // and vector, `bias` one for each row or none; each pair has an expert, which the
            // kernel compares with their number; dynamic shared memory holds the rings and the
            // vectors. Of vectors that lie apart, a block has one.
            unsafe {
                gemv_kernel::launch_on::<$number, $batch, $warps>(
                    stream,
                    config,
                    &w.words,
                    &x.words,
                    y,
                    bias,
                    experts,
                    n,
                    panels,
                    x.vectors.min(x.batch),
                    places,
                    flags,
                    top_k,
                    w.experts,
                )
            }
        };
    }
    Ok(formats!(launch)?)
}

fn by_dp4a(stream: &Stream, y: &mut GpuBuffer<f32>, of: &Operands<'_>) -> Result<()> {
    let Operands { w, x, bias, experts, n, panels, groups, pairs, flags, top_k } = *of;
    let config = LaunchConfig::new([groups, pairs, 1]);
    macro_rules! launch {
        ([$($numbers:literal)*] $($format:ident = $number:literal, $($rest:ident),*;)*) => {
            match (w.format, x.batch) {
                $(
                    (Format::$format, 1) => launch!($number, 1),
                    (Format::$format, 2) => launch!($number, 2),
                    (Format::$format, 4) => launch!($number, 4),
                    (Format::$format, _) => launch!($number, 8),
                )*
            }
        };
        ($number:literal, $batch:literal) => {
            // SAFETY: As that of the other kernel, but for the dynamic shared memory, of which
            // there is none.
            unsafe {
                dp4a_kernel::launch_on::<$number, $batch>(
                    stream,
                    config,
                    &w.words,
                    &x.words,
                    y,
                    bias,
                    experts,
                    n,
                    panels,
                    x.vectors.min(x.batch),
                    flags,
                    top_k,
                    w.experts,
                )
            }
        };
    }
    Ok(formats!(launch)?)
}

/// What a block does.
#[derive(Clone, Copy)]
struct Block {
    /// Panels in all.
    panels: u32,
    /// Multiprocessors are left over.
    idle: bool,
}

/// The rings of a block.
struct Rings {
    warps: u32,
    /// Places of a warp's ring.
    places: u32,
    /// The bytes of all rings and vectors.
    shared: u32,
}

fn rings(limit: u32, x: &Activations, w: &QuantMatrix, block: Block) -> Result<Rings> {
    let panel = super::panel_words(w.format) as u32 * 4;
    let scales = LAYOUTS[super::repack::layout(w.format)][2] as usize;
    let runs = match (formats::MINIMA[scales], formats::SHORT[scales]) {
        (false, _) => 1,
        (true, false) => 2,
        (true, true) => 3,
    };
    let vectors = if x.batch >= 4 { w.k.div_ceil(256) * x.batch * (8 + runs) * 32 } else { 0 };
    // As many places as there are panels, or whole ones for each warp.
    let fit = |bytes: u32, warps: u32| {
        let barriers = warps * PLACES + PARTS + 4;
        let fixed = 2 * warps * 16 * x.batch * 4 + barriers * 8 + 128 + vectors;
        let panels = bytes.saturating_sub(fixed) / panel;
        let rounds = block.panels.div_ceil(warps);
        let all = panels >= block.panels && rounds <= PLACES;
        if all { rounds } else { (panels / warps).min(PLACES) }
    };
    let half = limit / 2 - 1024;
    let [warps, more] = WARPS;
    let rounds = block.panels.div_ceil(warps);
    // A matrix that leaves multiprocessors idle leaves those to the next kernel, unless there is
    // little to compute and room for all of it beside another block.
    let together = x.batch == 1 && block.panels * panel <= LITTLE;
    // Otherwise the next kernel's blocks begin to read while these are at work, if half of a
    // multiprocessor's memory is left for them; a long product is faster with all of it.
    let alone = if block.idle { !together } else { rounds * warps * panel > LONG };
    let places = fit(half, warps);
    if !alone && places != 0 {
        let shared = (places * warps).min(block.panels) * panel + vectors;
        return Ok(Rings { warps, places, shared });
    }
    let fewer = x.batch <= 2 && block.idle && block.panels.div_ceil(more) < rounds;
    let warps = if fewer { more } else { warps };
    let places = fit(limit, warps);
    if places == 0 {
        return Err(Error::LongVectors { vectors: x.vectors as usize, k: w.k as usize });
    }
    let shared = (places * warps).min(block.panels) * panel + vectors;
    // More than half of the memory, so that no other block of this kernel comes beside this one.
    let least = if block.idle { half } else { 0 };
    Ok(Rings { warps, places, shared: shared.max(least) })
}
