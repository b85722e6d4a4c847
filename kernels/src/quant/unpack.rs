//! Unpacking: a thread has eight neighbouring weights of a block.

/// The kernel of a format. Its file has `eight(words, at, i)`: the weights `i` to `i + 7` of the
/// block whose bytes begin at byte `at` of shared memory.
macro_rules! unpack {
    ($len:literal weights in $bytes:literal bytes) => {
        #[gpu_kernel(
            block_size = 256,
            unchecked,
            instances((KIND = 0, T = f32), (KIND = 1, T = f16), (KIND = 2, T = bf16))
        )]
        pub(super) fn dequantize_kernel<const KIND: u32, T: Float>(
            y: &mut [T],
            blocks: &[u8],
            n_blocks: u32,
        ) {
            let words = shared_mem![u32; 2048 / $len * $bytes / 4];
            let first = block_idx_x() * (RUN / $len);
            let n = (n_blocks - first).min(RUN / $len);
            copy_in(words, blocks, first as usize * $bytes, n * $bytes);
            bar_sync();
            let (own, i) = (thread_idx_x() / ($len / 8), thread_idx_x() % ($len / 8) * 8);
            if own < n {
                let at = (first + own) as usize * $len + i as usize;
                store8::<KIND, T>(y, at, eight(words, own * $bytes, i));
            }
        }
    };
}
pub(super) use unpack;
