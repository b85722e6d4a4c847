//! The formats of weights: here each has a line in [`LAYOUTS`] and one in [`formats`], from which
//! its instances of the kernels, their launches and its repacking come.
//!
//! Where its scales lie as those of another format, that is all. Otherwise they are a new way of
//! [`header`](super::panel::header) and [`scale`](super::panel::scale), and of `word!` in
//! `repack.rs`.

use firesteel::prelude::*;

/// A scale for 32 columns.
#[gpu_const]
pub(super) const D: u32 = 0;
/// A scale and a minimum for 32 columns.
#[gpu_const]
pub(super) const DM: u32 = 1;
/// Scales and minima of 6 bits for 32 columns, scaled for 256.
#[gpu_const]
pub(super) const DM6: u32 = 2;
/// Scales of 8 bits for 16 columns, scaled for 256.
#[gpu_const]
pub(super) const D8: u32 = 3;
/// Scales of 6 bits for 16 columns, scaled for 256.
#[gpu_const]
pub(super) const D6: u32 = 4;
/// Scales and minima of 4 bits for 16 columns, scaled for 256.
#[gpu_const]
pub(super) const DM4: u32 = 5;
/// A scale of 32 bits for 256 columns.
#[gpu_const]
pub(super) const WIDE: u32 = 6;

/// Words of a panel's scales, for each way in which they lie.
#[gpu_const]
pub(super) const SCALES: [u32; 7] = [64, 128, 64, 72, 56, 80, 16];

/// Whether codes stand for weights from a minimum on, not around zero.
#[gpu_const]
pub(super) const MINIMA: [bool; 7] = [false, true, true, false, false, true, false];

/// Whether scales are for 16 columns, not for 32 or more.
#[gpu_const]
pub(super) const SHORT: [bool; 7] = [false, false, false, true, true, true, false];

/// For each of ggml's numbers the bits of a code in the low and in the high plane, and how scales
/// lie.
#[gpu_const]
pub(super) const LAYOUTS: [[u32; 3]; 16] = [
    [0, 0, 0],    // f32
    [0, 0, 0],    // f16
    [4, 0, D],    // Q4_0
    [4, 0, DM],   // Q4_1
    [0, 0, 0],    // no format
    [0, 0, 0],    // no format
    [4, 1, D],    // Q5_0
    [4, 1, DM],   // Q5_1
    [8, 0, D],    // Q8_0
    [8, 0, D],    // Q8_1
    [2, 0, DM4],  // Q2_K
    [2, 1, D6],   // Q3_K
    [4, 0, DM6],  // Q4_K
    [4, 1, DM6],  // Q5_K
    [4, 2, D8],   // Q6_K
    [8, 0, WIDE], // Q8_K
];

/// Calls a macro with the numbers of the layouts that kernels have instances for, then for each
/// format its variant, the number of its layout, its name, its block, and the way of its scales.
macro_rules! formats {
    ($then:ident) => {
        $then! {
            [2 3 6 7 8 10 11 12 13 14 15]
            Q4_0 = 2, q4_0, BlockQ4_0, d;
            Q4_1 = 3, q4_1, BlockQ4_1, dm;
            Q5_0 = 6, q5_0, BlockQ5_0, d;
            Q5_1 = 7, q5_1, BlockQ5_1, dm;
            Q8_0 = 8, q8_0, BlockQ8_0, d;
            Q8_1 = 8, q8_1, BlockQ8_1, d;
            Q2K = 10, q2_k, BlockQ2K, dm4;
            Q3K = 11, q3_k, BlockQ3K, d6;
            Q4K = 12, q4_k, BlockQ4K, dm6;
            Q5K = 13, q5_k, BlockQ5K, dm6;
            Q6K = 14, q6_k, BlockQ6K, d8;
            Q8K = 15, q8_k, BlockQ8K, wide;
        }
    };
}
pub(super) use formats;
