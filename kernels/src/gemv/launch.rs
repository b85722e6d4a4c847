//! The launch of the kernel: its instance, its grid, and the places of its rings.

use firesteel::prelude::*;

use super::kernel::{ADD, PAIRS, PLACES, WARPS, gemv_kernel};
use super::{Activations, QuantMatrix};
use crate::quant::Format;
use crate::shape::{Error, Result};

/// Bytes that a block reads of a long product.
const LONG: u32 = 1 << 20;

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

/// Chooses the instance and launches it; lengths are right.
pub(super) fn launch(
    stream: &Stream,
    y: &mut GpuBuffer<f32>,
    x: &Activations,
    w: &QuantMatrix,
    variant: Variant<'_>,
) -> Result<()> {
    use gemv_kernel::launch_on;
    let info = stream.device().info()?;
    if info.compute_capability.0 < 9 {
        return Err(Error::Machine { what: "gemv", needs: (9, 0), got: info.compute_capability });
    }
    let (n, pairs) = match variant.experts {
        Some((experts, _)) => (w.n / w.experts, experts.len() as u32),
        None => (w.n, 1),
    };
    let (panels, groups) = (w.k.div_ceil(256), n.div_ceil(w.rows_of_group()));
    let blocks = groups.min(info.multiprocessors.div_ceil(pairs));
    let rounds = (panels * groups.div_ceil(blocks)).div_ceil(WARPS);
    let idle = blocks * pairs < info.multiprocessors;
    let (places, shared) = places(info.limits.shared_per_block, x, w, (rounds, idle))?;
    let config = LaunchConfig::new([blocks, pairs, 1])
        .with_dynamic_shared(shared)
        .with_programmatic_dependent_launch();
    let none = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
    let (bias, (experts, top_k)) =
        (variant.bias.unwrap_or(&none.0), variant.experts.unwrap_or((&none.1, 0)));
    let flags = if variant.add { ADD } else { 0 } | if w.pairs { PAIRS } else { 0 };
    let (weights, count) = (&w.words, w.experts);
    // Of vectors that lie apart, a block has one.
    let (x, vectors, batch) = (&x.words, x.vectors.min(x.batch), x.batch);
    macro_rules! launch {
        ($format:literal, $low:literal, $high:literal) => {
            launch!($format, $low, $high, 1 2 4 8)
        };
        ($format:literal, $low:literal, $high:literal, $($batch:literal)*) => {
            match batch {
                $(
                    // SAFETY: The matrix has its panels, the vectors their words, `y` a value for
                    // each row and vector, `bias` one for each row or none; each pair has an
                    // expert, which the kernel compares with their number; dynamic shared memory
                    // holds the rings and the vectors.
                    $batch => unsafe {
                        launch_on::<$format, $low, $high, $batch>(
                            stream, config, weights, x, y, bias, experts, n, panels, vectors,
                            places, flags, top_k, count,
                        )
                    },
                )*
                _ => unreachable!("there are 1, 2, 4 or 8 vectors"),
            }
        };
    }
    match w.format {
        Format::Q4_0 => launch!(2, 4, 0),
        Format::Q4_1 => launch!(3, 4, 0),
        Format::Q5_0 => launch!(6, 4, 1),
        Format::Q5_1 => launch!(7, 4, 1),
        Format::Q8_0 => launch!(8, 8, 0),
        Format::Q2K => launch!(10, 2, 0),
        Format::Q3K => launch!(11, 2, 1),
        Format::Q4K => launch!(12, 4, 0),
        Format::Q5K => launch!(13, 4, 1),
        Format::Q6K => launch!(14, 4, 2),
        Format::Q8_1 | Format::Q8K => return Err(Error::Weights { format: w.format }),
    }?;
    Ok(())
}

/// Places of a warp's ring for a product of so many rounds, and the bytes of all rings and vectors.
fn places(
    limit: u32,
    x: &Activations,
    w: &QuantMatrix,
    (rounds, idle): (u32, bool),
) -> Result<(u32, u32)> {
    let place = WARPS * super::panel_words(w.format) as u32 * 4;
    // The next kernel's blocks begin to read while these are at work, if half of a multiprocessor's
    // memory is left for them; a long product is faster with all of it.
    let vectors = if x.batch >= 4 { w.k.div_ceil(256) * x.batch * 352 } else { 0 };
    let fixed = 2 * WARPS * 16 * x.batch * 4 + (WARPS * PLACES + 5) * 8 + 128 + vectors;
    let half = (limit / 2 - 1024).saturating_sub(fixed) / place;
    let all = limit.saturating_sub(fixed) / place;
    // A matrix that leaves multiprocessors idle leaves those to the next kernel.
    let alone = half == 0 || idle || rounds * place > LONG;
    let places = if alone { all } else { half };
    let places = places.min(rounds).min(PLACES);
    if places == 0 {
        return Err(Error::LongVectors { vectors: x.vectors as usize, k: w.k as usize });
    }
    Ok((places, places * place + vectors))
}
