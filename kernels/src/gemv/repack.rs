//! Blocks as ggml has them to panels: a warp a panel, each lane the words that it will read.

use firesteel::prelude::*;

use super::Groups;
use super::formats::{self, LAYOUTS, formats};
use super::panel::{d_word, d6_word, d8_word, dm_word, dm4_word, dm6_word};
use crate::quant::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K,
    BlockQ8_0, BlockQ8_1, BlockQ8K, Format,
};
use crate::shape::Result;

/// Where the blocks of a panel are.
#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Place {
    /// The rows that rows 0 and 8 of the panel are.
    rows: [u32; 2],
    first_column: u32,
    /// The last rows that rows 0 to 7 and 8 to 15 may be.
    last: [u32; 2],
    k: u32,
    /// Weights of a block.
    len: u32,
}

#[gpu_struct]
impl Place {
    /// The block of a row and a column of the panel. Beyond the last it is the last: what comes of
    /// it is not stored, or multiplied by zero.
    fn at(&self, row: u32, column: u32) -> u32 {
        let row = if row < 8 {
            (self.rows[0] + row).min(self.last[0])
        } else {
            (self.rows[1] + (row - 8)).min(self.last[1])
        };
        let column = (self.first_column + column).min(self.k - 1);
        row * (self.k / self.len) + column / self.len
    }
}

/// The bits `FROM..FROM + BITS` of the codes that word `w` of a piece holds for this lane.
#[gpu_fn]
fn plane_word<const BITS: u32, const FROM: u32, const SHORT: bool>(
    piece: u32,
    w: u32,
    code: impl Fn(u32, u32) -> u32,
) -> u32 {
    let (g, t) = (thread_idx_x() % 32 / 4, thread_idx_x() % 4);
    let mut word = 0u32;
    #[no_unroll]
    for i in 0..8 / BITS {
        #[no_unroll]
        for e in 0..4u32 {
            let of_step = if SHORT { w / 2 * 16 + t * 4 + e } else { t * 8 + w / 2 * 4 + e };
            let column = (piece * (8 / BITS) + i) * 32 + of_step;
            let bits = code(g + w % 2 * 8, column) >> FROM & ((1 << BITS) - 1);
            word |= bits << (e * 8 + i * BITS);
        }
    }
    word
}

/// A format's module: its kernel, and how it is launched.
macro_rules! module {
    (
        $number:literal, $name:ident, $block:ident,
        |$blocks:ident, $place:ident, $i:ident| $word:expr
    ) => {
        mod $name {
            use super::*;

            #[gpu_kernel(block_size = 128, unchecked)]
            pub(super) fn repack_kernel(
                $blocks: &[$block],
                words: &mut [u32],
                n: u32,
                k: u32,
                panels: u32,
                count: u32,
                pairs: u32,
            ) {
                const LOW: u32 = LAYOUTS[$number][0];
                const HIGH: u32 = LAYOUTS[$number][1];
                const SCALES: u32 = formats::SCALES[LAYOUTS[$number][2] as usize];
                const SHORT: bool = formats::SHORT[LAYOUTS[$number][2] as usize];
                // The highest bit of numbers around zero, so that they are in two's complement.
                const FLIP: u32 = if formats::MINIMA[LAYOUTS[$number][2] as usize] {
                    0
                } else {
                    1 << (LOW + HIGH - 1)
                };
                let panel = block_idx_x() * 4 + thread_idx_x() / 32;
                if panel < count {
                    let lane = thread_idx_x() % 32;
                    let (group, first_column) = (panel / panels, panel % panels * 256);
                    let (rows, last) = if pairs != 0 {
                        ([group * 8, n + group * 8], [n - 1, n * 2 - 1])
                    } else {
                        ([group * 16, group * 16 + 8], [n - 1; 2])
                    };
                    let $place = Place { rows, first_column, last, k, len: $block::LEN };
                    let to = panel * ((LOW + HIGH) * 128 + SCALES);
                    #[no_unroll]
                    for at in 0..LOW * 4 {
                        words[to + at / 4 * 128 + lane * 4 + at % 4] =
                            plane_word::<LOW, 0, SHORT>(at / 4, at % 4, |row, column| {
                                $blocks[$place.at(row, column)].code(column % $block::LEN) ^ FLIP
                            });
                    }
                    if HIGH != 0 {
                        #[no_unroll]
                        for at in 0..HIGH * 4 {
                            const BITS: u32 = if HIGH == 0 { 1 } else { HIGH };
                            words[to + (LOW + at / 4) * 128 + lane * 4 + at % 4] =
                                plane_word::<BITS, LOW, SHORT>(at / 4, at % 4, |row, column| {
                                    $blocks[$place.at(row, column)].code(column % $block::LEN)
                                        ^ FLIP
                                });
                        }
                    }
                    let mut $i = lane;
                    while $i < SCALES {
                        words[to + (LOW + HIGH) * 128 + $i] = $word;
                        $i += 32;
                    }
                }
            }

            pub(super) fn launch(
                stream: &Stream,
                blocks: &GpuBuffer<u8>,
                words: &mut GpuBuffer<u32>,
                (n, k): (u32, u32),
                groups: Groups,
            ) -> Result<()> {
                let panels = k.div_ceil(256);
                let count = n.div_ceil(groups.rows()) * panels;
                let config = LaunchConfig::new([count.div_ceil(4), 1, 1]);
                let len = blocks.len() / size_of::<$block>();
                let pairs = u32::from(groups == Groups::Pairs);
                // SAFETY: The bytes are `len` blocks, which have no invalid values, and begin at
                // an address of the allocator; the buffer is not written while this one is
                // used. There are blocks for every row, and room for every panel.
                unsafe {
                    let blocks = GpuBuffer::from_raw(stream.device(), blocks.address(), len)?;
                    repack_kernel::launch_on(
                        stream, config, &blocks, words, n, k, panels, count, pairs,
                    )?;
                }
                Ok(())
            }
        }
    };
}

/// A format's module, by how its scales lie: the closure is word `i` of a panel's.
macro_rules! way {
    (d, $number:literal, $name:ident, $block:ident) => {
        module!($number, $name, $block, |blocks, place, i| d_word(i, |row, j| blocks
            [place.at(row, j * 32)]
        .d
        .to_bits() as u32));
    };
    (dm, $number:literal, $name:ident, $block:ident) => {
        module!($number, $name, $block, |blocks, place, i| dm_word(
            i,
            |row, j| blocks[place.at(row, j * 32)].d.to_bits() as u32,
            |row, j| blocks[place.at(row, j * 32)].m.to_bits() as u32,
        ));
    };
    (dm6, $number:literal, $name:ident, $block:ident) => {
        module!($number, $name, $block, |blocks, place, i| dm6_word(
            i,
            |row| blocks[place.at(row, 0)].d.to_bits() as u32,
            |row| blocks[place.at(row, 0)].dmin.to_bits() as u32,
            |row, j| blocks[place.at(row, 0)].scale(j),
            |row, j| blocks[place.at(row, 0)].min(j),
        ));
    };
    (d8, $number:literal, $name:ident, $block:ident) => {
        module!($number, $name, $block, |blocks, place, i| d8_word(
            i,
            |row| blocks[place.at(row, 0)].d.to_bits() as u32,
            |row, j| (blocks[place.at(row, 0)].scales[j] as i32 + 128) as u32,
        ));
    };
    (d6, $number:literal, $name:ident, $block:ident) => {
        module!($number, $name, $block, |blocks, place, i| d6_word(
            i,
            |row| blocks[place.at(row, 0)].d.to_bits() as u32,
            |row, j| (blocks[place.at(row, 0)].scale(j) + 32) as u32,
        ));
    };
    (dm4, $number:literal, $name:ident, $block:ident) => {
        module!($number, $name, $block, |blocks, place, i| dm4_word(
            i,
            |row| blocks[place.at(row, 0)].d.to_bits() as u32,
            |row| blocks[place.at(row, 0)].dmin.to_bits() as u32,
            |row, j| blocks[place.at(row, 0)].scales[j] as u32,
        ));
    };
    (wide, $number:literal, $name:ident, $block:ident) => {
        module!($number, $name, $block, |blocks, place, i| blocks[place.at(i, 0)].d.to_bits());
    };
}

macro_rules! repack {
    ([$($numbers:literal)*] $($format:ident = $number:literal, $name:ident, $block:ident, $way:ident;)*) => {
        $(way!($way, $number, $name, $block);)*

        /// Writes the panels of blocks, of which there are enough.
        pub(super) fn repack(
            stream: &Stream,
            format: Format,
            blocks: &GpuBuffer<u8>,
            words: &mut GpuBuffer<u32>,
            size: (u32, u32),
            groups: Groups,
        ) -> Result<()> {
            match format {
                $(Format::$format => $name::launch(stream, blocks, words, size, groups),)*
            }
        }

        /// The number of the layout of a format.
        pub(super) const fn layout(format: Format) -> usize {
            match format {
                $(Format::$format => $number,)*
            }
        }

        /// The PTX of the kernels.
        pub(super) const PTX: &[&str] = &[$($name::repack_kernel::PTX),*];
    };
}
formats!(repack);
