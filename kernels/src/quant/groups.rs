//! Packing of blocks whose groups have scales of their own: a thread finds the scale of a group,
//! the threads of a block agree on the scale of the scales, and each codes its group again.
//!
//! The steps are functions of the format, which host and kernel share:
//!
//! | function | what |
//! | --- | --- |
//! | `fit(x, codes)` | scale and minimum of a group, and codes for the case that the scale's code is 0 |
//! | `head(widest, most)` | the scale of the scales, from the widest scale and the largest minimum; both are rounded to `f16` before the next steps |
//! | `group(head, fit)` | the codes of scale and minimum as a word |
//! | `encode(head, group, x, codes)` | the codes of the weights |
//! | `byte(b, code, group, head)` | byte `b` of the block |

use firesteel::prelude::*;

/// The scale that sets that of the scales: the largest, or the first of the widest.
#[gpu_fn]
pub fn wider<const SIGNED: bool>(widest: f32, scale: f32) -> f32 {
    let is_wider = if SIGNED { scale.abs() > widest.abs() } else { scale > widest };
    if is_wider { scale } else { widest }
}

/// Packing for a format: `kernel` and the host's `pack`.
macro_rules! groups {
    ($block:ident, $n:literal in $groups:literal, signed: $signed:literal, $bytes:literal bytes, $threads:literal threads) => {
        impl $block {
            /// Packs weights.
            #[must_use]
            pub fn pack(x: &[f32; 256]) -> Self {
                let mut codes = [[0u32; $n]; $groups];
                let mut fits = [(0.0f32, 0.0f32); $groups];
                let (groups, _) = x.as_chunks::<$n>();
                for ((x, codes), found) in groups.iter().zip(&mut codes).zip(&mut fits) {
                    *found = fit(x, codes);
                }
                let widest = fits.iter().fold(0.0, |it, fit| {
                    wider::<$signed>(it, fit.0)
                });
                let most = fits.iter().fold(0.0, |it, fit| {
                    wider::<false>(it, fit.1)
                });
                let head = head(widest, most);
                let (d, dmin) = (f16::from_f32(head.d), f16::from_f32(head.dmin));
                let head = Head { d: d.to_f32(), dmin: dmin.to_f32(), ..head };
                let scales = fits.map(|found| group(head, found));
                for ((x, codes), scale) in groups.iter().zip(&mut codes).zip(scales) {
                    encode(head, scale, x, codes);
                }
                let bits = u32::from(d.to_bits()) | u32::from(dmin.to_bits()) << 16;
                let code = |i: u32| codes[i as usize / $n][i as usize % $n];
                let scale = |j: u32| scales[j as usize];
                let bytes: [u8; $bytes] =
                    std::array::from_fn(|b| byte(b as u32, code, scale, bits) as u8);
                Block::from_bytes(&bytes)
            }
        }

        /// Packs: a thread has a group.
        #[gpu_kernel(
            block_size = $threads,
            unchecked,
            instances((KIND = 0, T = f32), (KIND = 1, T = f16), (KIND = 2, T = bf16))
        )]
        pub(super) fn quantize_kernel<const KIND: u32, T: Float>(
            blocks: &mut [u8],
            x: &[T],
            n_blocks: u32,
        ) {
            let codes = shared_mem![u32; $threads * $n / 4];
            let scales = shared_mem![u32; $threads];
            let heads = shared_mem![u32; $threads / $groups];
            let thread = thread_idx_x();
            let first = block_idx_x() * ($threads / $groups);
            let at = (block_idx_x() * $threads + thread) as usize * $n;
            let mut own = [0.0f32; $n];
            #[unroll]
            for k in 0..$n / 8 {
                let eight = load8::<KIND, T>(x, at + k as usize * 8);
                for i in 0..8 {
                    own[k * 8 + i] = eight[i];
                }
            }
            let mut codes_of_own = [0u32; $n];
            let found = fit(&own, &mut codes_of_own);
            let mut widest = 0.0f32;
            let mut most = 0.0f32;
            for j in 0..$groups {
                widest = wider::<$signed>(widest, shfl_sync_idx(found.0, j, $groups));
                most = wider::<false>(most, shfl_sync_idx(found.1, j, $groups));
            }
            let head = head(widest, most);
            let (d, dmin) = (f16::from_f32(head.d), f16::from_f32(head.dmin));
            let head = Head { d: d.to_f32(), dmin: dmin.to_f32(), ..head };
            let scale = group(head, found);
            encode(head, scale, &own, &mut codes_of_own);
            #[unroll]
            for k in 0..$n / 4 {
                let low = codes_of_own[k * 4] | codes_of_own[k * 4 + 1] << 8;
                let high = codes_of_own[k * 4 + 2] | codes_of_own[k * 4 + 3] << 8;
                codes[thread * ($n / 4) + k] = low | high << 16;
            }
            scales[thread] = scale;
            if thread % $groups == 0 {
                heads[thread / $groups] = d.to_bits() as u32 | (dmin.to_bits() as u32) << 16;
            }
            bar_sync();
            let halves = cast_slice::<u16>(blocks);
            let n = (n_blocks - first).min($threads / $groups);
            let mut half = thread;
            while half < n * ($bytes / 2) {
                let (block, b) = (half / ($bytes / 2), half % ($bytes / 2) * 2);
                let head = heads[block];
                let low = byte(
                    b,
                    |i| byte_at(codes, 0, block * 256 + i),
                    |j| scales[block * $groups + j],
                    head,
                );
                let high = byte(
                    b + 1,
                    |i| byte_at(codes, 0, block * 256 + i),
                    |j| scales[block * $groups + j],
                    head,
                );
                let to = first as usize * ($bytes / 2) + half as usize;
                halves[to] = (low | high << 8) as u16;
                half += $threads;
            }
        }
    };
}
pub(super) use groups;
