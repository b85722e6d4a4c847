//! Weights in blocks of few bits: ggml's formats, to the bit.
//!
//! Each format is a file: the block as a struct with ggml's bytes, its codes and its weights. Kernels
//! and the host read blocks by these same methods.
//!
//! A weight is `scale * (code - OFFSET)`, with a minimum where the format has one, in the order of
//! operations of ggml's scalar code, each rounded on its own: the same bits everywhere.

pub mod cpu;
mod finite;
mod fit;
mod format;
mod groups;
mod head;
mod lanes;
mod launch;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod q8_1;
mod q8_k;
mod round;
mod scales;
mod stage;
mod unpack;

use firesteel::prelude::*;

pub use format::{Block, UnknownFormat, Visitor};
pub use launch::{Element, dequantize, quantize, quantize_finite};
pub use scales::{min_of, scale_of};

format::formats! {
    Q4_0, q4_0, BlockQ4_0, "q4_0", 2;
    Q4_1, q4_1, BlockQ4_1, "q4_1", 3;
    Q5_0, q5_0, BlockQ5_0, "q5_0", 6;
    Q5_1, q5_1, BlockQ5_1, "q5_1", 7;
    Q8_0, q8_0, BlockQ8_0, "q8_0", 8;
    Q8_1, q8_1, BlockQ8_1, "q8_1", 9;
    Q2K, q2_k, BlockQ2K, "q2_K", 10;
    Q3K, q3_k, BlockQ3K, "q3_K", 11;
    Q4K, q4_k, BlockQ4K, "q4_K", 12;
    Q5K, q5_k, BlockQ5K, "q5_K", 13;
    Q6K, q6_k, BlockQ6K, "q6_K", 14;
    Q8K, q8_k, BlockQ8K, "q8_K", 15;
}
