//! Pages in shared memory, and their keys and values as the tensor cores take them.
//!
//! A page of one head is 64 rows of `D` numbers, as in memory; but where rows are a multiple of 128
//! bytes, pieces of 16 bytes are swizzled within each 128, as a tensor copy does it.
//!
//! Numbers of 8 bits are unpacked to `f16` on their way to the tensor cores. A product sums over
//! pairs of neighbours; of 8 bits a lane reads four neighbours at once, so that the sum takes them in
//! another order, which the queries follow ([`place`]); and of values a lane reads two neighbours
//! which become one column each of two products ([`column`]).

use firesteel::prelude::*;

/// Where piece `piece` of 16 bytes of row `row` of a page begins, in elements.
#[gpu_fn]
pub(super) fn at<const D: u32, T: Lane>(row: u32, piece: u32) -> u32 {
    const EACH: u32 = 16 / T::BYTES;
    if D * T::BYTES % 128 == 0 {
        let line = row * (D * T::BYTES / 128) + piece / 8;
        (line * 8 + (piece % 8 ^ line % 8)) * EACH
    } else {
        row * D + piece * EACH
    }
}

/// Where element `e` of a query stands in shared memory.
#[gpu_fn]
pub(super) fn place<T: Lane>(e: u32) -> u32 {
    if T::BYTES == 1 {
        let four = e % 16 / 4;
        e / 16 * 16 + four * 2 + e % 2 + e % 4 / 2 * 8
    } else {
        e
    }
}

/// Four numbers of 8 bits as two pairs of `f16`.
#[gpu_fn]
fn unpack<const Q8: bool>(word: u32) -> [u32; 2] {
    if Q8 {
        // A byte below the exponent of 1024 is 1024 more.
        let bytes = word ^ 0x8080_8080;
        let offset = f16x2::from_f32(-1152.0, -1152.0);
        let low = f16x2::from_bits(prmt(bytes, 0x6464_6464, 0x4140)) + offset;
        let high = f16x2::from_bits(prmt(bytes, 0x6464_6464, 0x4342)) + offset;
        [low.to_bits(), high.to_bits()]
    } else {
        let (low, high) = (unpack_e4m3x2(word as u16), unpack_e4m3x2((word >> 16) as u16));
        [low.to_bits(), high.to_bits()]
    }
}

/// Elements `16 step` and on of the keys of 16 tokens from `token` on, 8 tokens each.
#[gpu_fn]
pub(super) fn keys<const D: u32, const Q8: bool, T: Lane, C: Half + Lane>(
    pages: &[T],
    page: u32,
    (token, step): (u32, u32),
) -> [FragB<C>; 2] {
    let lane = thread_idx_x() % 32;
    if T::BYTES == 2 {
        let halves = cast_slice::<C>(pages);
        let row = token + lane % 8 + lane / 16 * 8;
        let (a, b) = ldmatrix_b2(halves, page + at::<D, T>(row, step * 2 + lane / 8 % 2));
        [a, b]
    } else {
        let words = cast_slice::<u32>(pages);
        let first = (page + at::<D, T>(token + lane / 4, step)) / 4 + lane % 4;
        let last = (page + at::<D, T>(token + 8 + lane / 4, step)) / 4 + lane % 4;
        [frag_b(unpack::<Q8>(words[first])), frag_b(unpack::<Q8>(words[last]))]
    }
}

/// 16 elements from `16 piece` on of the values of 16 tokens from `token` on, for two products.
#[gpu_fn]
pub(super) fn values<const D: u32, const Q8: bool, T: Lane, C: Half + Lane>(
    pages: &[T],
    page: u32,
    (token, piece): (u32, u32),
) -> [[u32; 2]; 2] {
    let lane = thread_idx_x() % 32;
    if T::BYTES == 2 {
        let halves = cast_slice::<C>(pages);
        let row = token + lane % 16;
        let (a, b) = ldmatrix_b2_trans(halves, page + at::<D, T>(row, piece * 2 + lane / 16));
        [frag_b_words(a), frag_b_words(b)]
    } else {
        let pairs = cast_slice::<u16>(pages);
        let mut of = [0u32; 4];
        #[unroll]
        for i in 0..4u32 {
            let row = token + lane % 4 * 2 + i % 2 + i / 2 * 8;
            of[i] = pairs[(page + at::<D, T>(row, piece)) / 2 + lane / 4] as u32;
        }
        let a = unpack::<Q8>(prmt(of[0], of[1], 0x5140));
        let b = unpack::<Q8>(prmt(of[2], of[3], 0x5140));
        [[a[0], b[0]], [a[1], b[1]]]
    }
}

/// Of the sums of two products, of the values' elements from `16 piece` on: pair `i`, 0 or 1, of
/// neighbours that a lane has in the row `half * 8` further down, and the first one's element.
#[gpu_fn]
pub(super) fn column<T: Lane>(
    sums: [[f32; 4]; 2],
    (piece, i, half): (u32, u32, u32),
) -> (u32, f32, f32) {
    let t = thread_idx_x() % 4;
    if T::BYTES == 2 {
        (piece * 16 + i * 8 + t * 2, sums[i][half * 2], sums[i][half * 2 + 1])
    } else {
        (piece * 16 + t * 4 + i * 2, sums[0][half * 2 + i], sums[1][half * 2 + i])
    }
}
