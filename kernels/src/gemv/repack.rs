//! Blocks as ggml has them to panels: a warp a panel, each lane the words that it will read.

use firesteel::prelude::*;

use super::panel::{d_word, dm_word, k4_word, q2_word, q3_word, q6_word};
use crate::quant::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K,
    BlockQ8_0,
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

/// The kernel of a format. The last argument is word `i` of a panel's scales.
macro_rules! format {
    (
        $kernel:ident, $host:ident, $block:ident, ($low:literal, $high:literal), $short:literal,
        $scales:literal, |$blocks:ident, $place:ident, $i:ident| $word:expr
    ) => {
        #[gpu_kernel(block_size = 128, unchecked)]
        fn $kernel(
            $blocks: &[$block],
            words: &mut [u32],
            n: u32,
            k: u32,
            panels: u32,
            count: u32,
            pairs: u32,
        ) {
            // Numbers with a sign come as they are, in two's complement.
            const FLIP: u32 = if $low == 8 { 128 } else { 0 };
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
                let to = panel * (($low + $high) * 128 + $scales);
                #[no_unroll]
                for at in 0..$low * 4u32 {
                    words[to + at / 4 * 128 + lane * 4 + at % 4] =
                        plane_word::<$low, 0, $short>(at / 4, at % 4, |row, column| {
                            $blocks[$place.at(row, column)].code(column % $block::LEN) ^ FLIP
                        });
                }
                if $high != 0 {
                    #[no_unroll]
                    for at in 0..$high * 4u32 {
                        const BITS: u32 = if $high == 0 { 1 } else { $high };
                        words[to + ($low + at / 4) * 128 + lane * 4 + at % 4] =
                            plane_word::<BITS, $low, $short>(at / 4, at % 4, |row, column| {
                                $blocks[$place.at(row, column)].code(column % $block::LEN)
                            });
                    }
                }
                let mut $i = lane;
                while $i < $scales {
                    words[to + ($low + $high) * 128 + $i] = $word;
                    $i += 32;
                }
            }
        }

        pub(super) fn $host(
            stream: &Stream,
            blocks: &GpuBuffer<u8>,
            words: &mut GpuBuffer<u32>,
            (n, k): (u32, u32),
            pairs: bool,
        ) -> Result<()> {
            let panels = k.div_ceil(256);
            let count = n.div_ceil(if pairs { 8 } else { 16 }) * panels;
            let config = LaunchConfig::new([count.div_ceil(4), 1, 1]);
            let len = blocks.len() / size_of::<$block>();
            // SAFETY: The bytes are `len` blocks, which have no invalid values, and begin at an
            // address of the allocator; the buffer is not written while this one is used. There
            // are blocks for every row, and room for every panel.
            unsafe {
                let blocks = GpuBuffer::from_raw(stream.device(), blocks.address(), len)?;
                let pairs = u32::from(pairs);
                $kernel::launch_on(stream, config, &blocks, words, n, k, panels, count, pairs)?;
            }
            Ok(())
        }
    };
}

format!(repack_q4_0, q4_0, BlockQ4_0, (4, 0), false, 64, |blocks, place, i| d_word(i, |row, j| {
    blocks[place.at(row, j * 32)].d.to_bits() as u32
}));
format!(repack_q5_0, q5_0, BlockQ5_0, (4, 1), false, 64, |blocks, place, i| d_word(i, |row, j| {
    blocks[place.at(row, j * 32)].d.to_bits() as u32
}));
format!(repack_q8_0, q8_0, BlockQ8_0, (8, 0), false, 64, |blocks, place, i| d_word(i, |row, j| {
    blocks[place.at(row, j * 32)].d.to_bits() as u32
}));
format!(repack_q4_1, q4_1, BlockQ4_1, (4, 0), false, 128, |blocks, place, i| dm_word(
    i,
    |row, j| blocks[place.at(row, j * 32)].d.to_bits() as u32,
    |row, j| blocks[place.at(row, j * 32)].m.to_bits() as u32,
));
format!(repack_q5_1, q5_1, BlockQ5_1, (4, 1), false, 128, |blocks, place, i| dm_word(
    i,
    |row, j| blocks[place.at(row, j * 32)].d.to_bits() as u32,
    |row, j| blocks[place.at(row, j * 32)].m.to_bits() as u32,
));
format!(repack_q4_k, q4_k, BlockQ4K, (4, 0), false, 64, |blocks, place, i| k4_word(
    i,
    |row| blocks[place.at(row, 0)].d.to_bits() as u32,
    |row| blocks[place.at(row, 0)].dmin.to_bits() as u32,
    |row, j| blocks[place.at(row, 0)].scale(j),
    |row, j| blocks[place.at(row, 0)].min(j),
));
format!(repack_q5_k, q5_k, BlockQ5K, (4, 1), false, 64, |blocks, place, i| k4_word(
    i,
    |row| blocks[place.at(row, 0)].d.to_bits() as u32,
    |row| blocks[place.at(row, 0)].dmin.to_bits() as u32,
    |row, j| blocks[place.at(row, 0)].scale(j),
    |row, j| blocks[place.at(row, 0)].min(j),
));
format!(repack_q6_k, q6_k, BlockQ6K, (4, 2), true, 72, |blocks, place, i| q6_word(
    i,
    |row| blocks[place.at(row, 0)].d.to_bits() as u32,
    |row, j| blocks[place.at(row, 0)].scales[j] as u32 & 255,
));
format!(repack_q3_k, q3_k, BlockQ3K, (2, 1), true, 56, |blocks, place, i| q3_word(
    i,
    |row| blocks[place.at(row, 0)].d.to_bits() as u32,
    |row, j| (blocks[place.at(row, 0)].scale(j) + 32) as u32,
));
format!(repack_q2_k, q2_k, BlockQ2K, (2, 0), true, 80, |blocks, place, i| q2_word(
    i,
    |row| blocks[place.at(row, 0)].d.to_bits() as u32,
    |row| blocks[place.at(row, 0)].dmin.to_bits() as u32,
    |row, j| blocks[place.at(row, 0)].scales[j] as u32,
));

/// The PTX of the kernels.
pub(super) const PTX: &[&str] = &[
    repack_q4_0::PTX,
    repack_q4_1::PTX,
    repack_q5_0::PTX,
    repack_q5_1::PTX,
    repack_q8_0::PTX,
    repack_q2_k::PTX,
    repack_q3_k::PTX,
    repack_q4_k::PTX,
    repack_q5_k::PTX,
    repack_q6_k::PTX,
];
