//! Panels to weights, for products with many vectors.

use firesteel::prelude::*;

use super::QuantMatrix;
use super::panel::{Q2_K, Q3_K, Q4_1, Q4_K, Q5_1, Q5_K, Q6_K, codes, header, scale, unit};
use crate::quant::Format;
use crate::shape::{Error, Result};

/// Byte `e` of four codes as a number.
#[gpu_fn]
fn number<const SIGNED: bool>(word: u32, e: u32) -> f32 {
    if SIGNED {
        ((word << (24 - 8 * e)) as i32 >> 24) as f32
    } else {
        (word >> (8 * e) & 255) as f32
    }
}

/// A warp a panel: `y [rows, k]`, of the `rows` from group `first` on. `BF16` says which 16 bits.
#[gpu_kernel(
    block_size = 256,
    unchecked,
    instances(
        (FORMAT = 2, LOW = 4, HIGH = 0),
        (FORMAT = 3, LOW = 4, HIGH = 0),
        (FORMAT = 6, LOW = 4, HIGH = 1),
        (FORMAT = 7, LOW = 4, HIGH = 1),
        (FORMAT = 8, LOW = 8, HIGH = 0),
        (FORMAT = 10, LOW = 2, HIGH = 0),
        (FORMAT = 11, LOW = 2, HIGH = 1),
        (FORMAT = 12, LOW = 4, HIGH = 0),
        (FORMAT = 13, LOW = 4, HIGH = 1),
        (FORMAT = 14, LOW = 4, HIGH = 2),
        BF16 = [false, true]
    )
)]
pub(super) fn unpack_kernel<
    const FORMAT: u32,
    const LOW: u32,
    const HIGH: u32,
    const BF16: bool,
>(
    panels: &[u32],
    y: &mut [u32],
    first: u32,
    rows: u32,
    k: u32,
    count: u32,
) {
    const SIGNED: bool =
        !(FORMAT == Q4_1 || FORMAT == Q5_1 || FORMAT == Q2_K || FORMAT == Q4_K || FORMAT == Q5_K);
    const SHORT: bool = FORMAT == Q2_K || FORMAT == Q3_K || FORMAT == Q6_K;
    const SCALES: u32 = if FORMAT == Q2_K {
        80
    } else if FORMAT == Q3_K {
        56
    } else if FORMAT == Q6_K {
        72
    } else if FORMAT == Q4_1 || FORMAT == Q5_1 {
        128
    } else {
        64
    };
    const PANEL: u32 = (LOW + HIGH) * 128 + SCALES;
    const LOW_STEPS: u32 = 8 / LOW;
    const HIGH_STEPS: u32 = if HIGH == 0 { 1 } else { 8 / HIGH };
    let number_of = block_idx_x() * 8 + thread_idx_x() / 32;
    if number_of < count {
        let lane = thread_idx_x() % 32;
        let (g, t) = (lane / 4, lane % 4);
        let of_row = k.div_ceil(256);
        let here = (first * of_row + number_of) * PANEL;
        let (row, column) = (number_of / of_row * 16 + g, number_of % of_row * 256);
        let of_w = here + (LOW + HIGH) * 128;
        let headers =
            [header::<FORMAT, true>(panels, of_w, g), header::<FORMAT, true>(panels, of_w, g + 8)];
        let mut low = [0u32; 4];
        let mut high = [0u32; 4];
        #[unroll]
        for step in 0..8u32 {
            let from = here + lane * 4;
            if step % LOW_STEPS == 0 {
                let piece = load_vec4(panels, from + step / LOW_STEPS * 128);
                low = [piece.x, piece.y, piece.z, piece.w];
            }
            if HIGH != 0 && step % HIGH_STEPS == 0 {
                let piece = load_vec4(panels, from + (LOW + step / HIGH_STEPS) * 128);
                high = [piece.x, piece.y, piece.z, piece.w];
            }
            #[unroll]
            for h in 0..2u32 {
                let mut pairs = [0u32; 4];
                #[unroll]
                for half in 0..2u32 {
                    let w = h + half * 2;
                    let (d, m) = if SHORT {
                        let group = step * 2 + half;
                        let row = g + h * 8;
                        scale::<FORMAT, true>(panels, of_w, headers[h], row, step / 4 * 8, group)
                    } else {
                        scale::<FORMAT, true>(panels, of_w, headers[h], g + h * 8, step, step)
                    };
                    let word = codes::<LOW, HIGH, SIGNED>(
                        (low[w], step % LOW_STEPS),
                        (high[w], step % HIGH_STEPS),
                    );
                    let mut weights = [0.0f32; 4];
                    #[unroll]
                    for e in 0..4u32 {
                        let code = number::<SIGNED>(word, e);
                        weights[e] = code * (d * unit::<FORMAT>()) - m;
                    }
                    #[unroll]
                    for i in 0..2u32 {
                        let (a, b) = (weights[i * 2], weights[i * 2 + 1]);
                        pairs[half * 2 + i] = if BF16 {
                            bf16x2::from_f32(a, b).to_bits()
                        } else {
                            f16x2::from_f32(a, b).to_bits()
                        };
                    }
                }
                let row = row + h * 8;
                let at = column + step * 32;
                if row < rows && at < k {
                    let to = (row as usize * k as usize + at as usize) / 2;
                    if SHORT {
                        store_vec2(y, to + t as usize * 2, u32x2::new(pairs[0], pairs[1]));
                        store_vec2(y, to + 8 + t as usize * 2, u32x2::new(pairs[2], pairs[3]));
                    } else {
                        let four = u32x4::new(pairs[0], pairs[1], pairs[2], pairs[3]);
                        store_vec4(y, to + t as usize * 4, four);
                    }
                }
            }
        }
    }
}

/// Unpacks rows from group `first` on into all of `y [rows, k]`, two weights a word.
pub(super) fn launch<const BF16: bool>(
    stream: &Stream,
    y: &mut GpuBuffer<u32>,
    w: &QuantMatrix,
    first: u32,
) -> Result<()> {
    use unpack_kernel::launch_on;
    let rows = (y.len() * 2 / w.k as usize) as u32;
    let count = rows.div_ceil(16) * w.k.div_ceil(256);
    let config = LaunchConfig::new([count.div_ceil(8), 1, 1]);
    let (words, k) = (&w.words, w.k);
    macro_rules! launch {
        ($format:literal, $low:literal, $high:literal) => {
            // SAFETY: The matrix has the panels of these rows, and `y` room for them.
            unsafe {
                if BF16 {
                    launch_on::<$format, $low, $high, true>(
                        stream, config, words, y, first, rows, k, count,
                    )
                } else {
                    launch_on::<$format, $low, $high, false>(
                        stream, config, words, y, first, rows, k, count,
                    )
                }
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
