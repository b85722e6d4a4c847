//! Unpacking: a thread has four times eight neighbouring weights.
//!
//! Of blocks of 32 weights they are of different blocks, at the same place, so that addresses differ
//! by constants alone. Of blocks of 256 they are 32 apart, so that they share bytes and scales.

/// The kernel of a format with 32 weights a block. Its file has `eight(words, skip, at, i)`: the
/// weights from `i` on of the block whose bytes begin at byte `at` behind the first `skip` words of
/// shared memory.
macro_rules! unpack {
    ($len:literal weights in $bytes:literal bytes) => {
        #[gpu_kernel(
            block_size = 256,
            unchecked,
            arch = "sm_80",
            instances((KIND = 0, T = f32), (KIND = 1, T = f16), (KIND = 2, T = bf16))
        )]
        pub(super) fn dequantize_kernel<const KIND: u32, T: Float>(
            y: &mut [T],
            blocks: &[u8],
            n_blocks: u32,
        ) {
            let words = shared_mem![u32; UNITS * RUN / $len * $bytes / 4];
            let first = block_idx_x() * (UNITS * RUN / $len);
            let n = (n_blocks - first).min(UNITS * RUN / $len);
            let bytes = first as usize * $bytes;
            copy_in::<{ UNITS * RUN / $len * $bytes }>(words, blocks, bytes, n * $bytes);
            bar_sync();
            let (own, i) = (thread_idx_x() / ($len / 8), thread_idx_x() % ($len / 8) * 8);
            let at = first as usize * $len + thread_idx_x() as usize * 8;
            #[unroll]
            for unit in 0..UNITS {
                if own + unit * (RUN / $len) < n {
                    let w = eight(words, unit * (RUN / $len * $bytes / 4), own * $bytes, i);
                    store8::<KIND, T>(y, at + (unit * RUN) as usize, w);
                }
            }
        }
    };
}
pub(super) use unpack;

/// The kernel of a format with 256 weights a block. Its file has `eight(words, at, i, j)`: the weights
/// from `i + 32 j` on of the block whose bytes begin at byte `at` of shared memory, `i` being in the
/// first quarter of a half of the block.
macro_rules! unpack_columns {
    ($bytes:literal bytes) => {
        #[gpu_kernel(
            block_size = 256,
            unchecked,
            arch = "sm_80",
            instances((KIND = 0, T = f32), (KIND = 1, T = f16), (KIND = 2, T = bf16))
        )]
        pub(super) fn dequantize_kernel<const KIND: u32, T: Float>(
            y: &mut [T],
            blocks: &[u8],
            n_blocks: u32,
        ) {
            let words = shared_mem![u32; UNITS * RUN / 256 * $bytes / 4];
            let first = block_idx_x() * (UNITS * RUN / 256);
            let n = (n_blocks - first).min(UNITS * RUN / 256);
            let bytes = first as usize * $bytes;
            copy_in::<{ UNITS * RUN / 256 * $bytes }>(words, blocks, bytes, n * $bytes);
            bar_sync();
            let own = thread_idx_x() / 8;
            let i = thread_idx_x() % 8 / 4 * 128 + thread_idx_x() % 4 * 8;
            if own < n {
                let at = (first + own) as usize * 256 + i as usize;
                #[unroll]
                for j in 0..4u32 {
                    let w = eight(words, own * $bytes, i, j);
                    store8::<KIND, T>(y, at + (32 * j) as usize, w);
                }
            }
        }
    };
}
pub(super) use unpack_columns;
