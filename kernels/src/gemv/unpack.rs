//! Panels to weights, for products with many vectors.

use firesteel::prelude::*;

use super::QuantMatrix;
use super::formats::{self, LAYOUTS, MINIMA, formats};
use super::panel::{ANY, codes, header, scale, unit};
use crate::quant::Format;
use crate::shape::Result;

/// Byte `e` of four codes as a number.
#[gpu_fn]
fn number<const FORMAT: u32>(word: u32, e: u32) -> f32 {
    const SIGNED: bool = !MINIMA[LAYOUTS[FORMAT as usize][2] as usize];
    if SIGNED {
        ((word << (24 - 8 * e)) as i32 >> 24) as f32
    } else {
        (word >> (8 * e) & 255) as f32
    }
}

/// Four weights of a row: those of a word of codes, two a word.
#[gpu_fn]
fn four<const FORMAT: u32, const BF16: bool>(word: u32, (d, m): (f32, f32)) -> [u32; 2] {
    let mut weights = [0.0f32; 4];
    #[unroll]
    for e in 0..4u32 {
        weights[e] = number::<FORMAT>(word, e) * (d * unit::<FORMAT>()) - m;
    }
    let mut pairs = [0u32; 2];
    #[unroll]
    for i in 0..2u32 {
        let (a, b) = (weights[i * 2], weights[i * 2 + 1]);
        pairs[i] =
            if BF16 { bf16x2::from_f32(a, b).to_bits() } else { f16x2::from_f32(a, b).to_bits() };
    }
    pairs
}

#[gpu_fn]
fn unpack<const FORMAT: u32, const BF16: bool>(
    panels: &[u32],
    y: &mut [u32],
    first: u32,
    (rows, k, count): (u32, u32, u32),
) {
    const LOW: u32 = LAYOUTS[FORMAT as usize][0];
    const HIGH: u32 = LAYOUTS[FORMAT as usize][1];
    const SHORT: bool = formats::SHORT[LAYOUTS[FORMAT as usize][2] as usize];
    const SCALES: u32 = formats::SCALES[LAYOUTS[FORMAT as usize][2] as usize];
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
                    let (head, row) = (headers[h], g + h * 8);
                    let of_j = if SHORT {
                        scale::<FORMAT, true>(
                            panels,
                            of_w,
                            head,
                            row,
                            (step * 2 + half, step * 2 + half, ANY),
                        )
                    } else {
                        scale::<FORMAT, true>(panels, of_w, head, row, (step, step, ANY))
                    };
                    let word = codes::<LOW, HIGH, { !MINIMA[LAYOUTS[FORMAT as usize][2] as usize] }>(
                        (low[w], step % LOW_STEPS),
                        (high[w], step % HIGH_STEPS),
                    );
                    let two = four::<FORMAT, BF16>(word, of_j);
                    (pairs[half * 2], pairs[half * 2 + 1]) = (two[0], two[1]);
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

macro_rules! kernel {
    ([$($number:literal)*] $($formats:tt)*) => {
        /// A warp a panel: `y [rows, k]`, of the `rows` from group `first` on. `BF16` says which 16
        /// bits.
        #[gpu_kernel(
            block_size = 256,
            unchecked,
            instances(FORMAT = [$($number),*], BF16 = [false, true])
        )]
        pub(super) fn unpack_kernel<const FORMAT: u32, const BF16: bool>(
            panels: &[u32],
            y: &mut [u32],
            first: u32,
            rows: u32,
            k: u32,
            count: u32,
        ) {
            unpack::<FORMAT, BF16>(panels, y, first, (rows, k, count));
        }
    };
}
formats!(kernel);

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
        ([$($numbers:literal)*] $($format:ident = $number:literal, $($rest:ident),*;)*) => {
            match w.format {
                $(
                    // SAFETY: The matrix has the panels of these rows, and `y` room for them.
                    Format::$format => unsafe {
                        if BF16 {
                            launch_on::<$number, true>(
                                stream, config, words, y, first, rows, k, count,
                            )
                        } else {
                            launch_on::<$number, false>(
                                stream, config, words, y, first, rows, k, count,
                            )
                        }
                    },
                )*
            }
        };
    }
    Ok(formats!(launch)?)
}
