//! Products of integers of 4 bits.

use firesteel::prelude::*;

use crate::device;

/// Words along K: 64 integers.
const STEP: usize = 8;

macro_rules! products {
    ($($name:ident $test:ident $ty:ident $byte:ident, $low:literal;)*) => { $(
        /// One warp: 16 by 8 by 64, the left factor through `ldmatrix`, the right one word by word.
        #[gpu_kernel(block_size = 32, arch = "sm_80")]
        fn $name(a: &[$ty], b: &[$ty], c: &mut [i32]) {
            let left = shared_mem![$ty; 128];
            let lane = lane_id();
            cp_async_16(&mut left[lane * 4], &a[lane * 4]);
            cp_async_commit();
            cp_async_wait(0);
            bar_sync();
            let x = ldmatrix_a(left, lane % 16 * 8 + lane / 16 * 4);
            let at = lane / 4 * 8 + lane % 4;
            let y = frag_b::<$ty>([b[at].to_bits(), b[at + 4].to_bits()]);
            let mut sum = FragC::<i32>::zero();
            mma(&mut sum, x, y);
            mma(&mut sum, x, y);
            for i in 0..4u32 {
                c[(lane / 4 + 8 * (i / 2)) * 8 + lane % 4 * 2 + i % 2] = sum[i];
            }
        }

        #[test]
        fn $test() {
            let device = device();
            let make = |rows: usize, seed: u32| -> Vec<$ty> {
                let mut state = seed;
                let mut next = || {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((state >> 24) % 16) as $byte + $low
                };
                (0..rows * STEP).map(|_| $ty::new(std::array::from_fn(|_| next()))).collect()
            };
            let (a, b) = (make(16, 1), make(8, 2));
            let (x, y) = (device.alloc_from(&a).unwrap(), device.alloc_from(&b).unwrap());
            let mut c = device.alloc_zeros::<i32>(16 * 8).unwrap();
            $name::launch(&device, &x, &y, &mut c, (1, 1, 1)).unwrap();
            let row = |of: &[$ty], i: usize| -> Vec<i32> {
                let words = &of[i * STEP..][..STEP];
                words.iter().flat_map(|it| it.to_array()).map(i32::from).collect()
            };
            let want = (0..16 * 8).map(|at| {
                let (row, column) = (row(&a, at / 8), row(&b, at % 8));
                2 * row.iter().zip(column).map(|(x, y)| x * y).sum::<i32>()
            });
            assert_eq!(c.to_host(&device).unwrap(), want.collect::<Vec<_>>());
        }
    )* };
}

products! {
    signed signed_nibbles_are_multiplied i4x8 i8, -8;
    unsigned unsigned_nibbles_are_multiplied u4x8 u8, 0;
}
