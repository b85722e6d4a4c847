//! The kernel library of Firesteel, all of it in its own language.
//!
//! Each family is a module: its layouts and formulas, a CPU reference that is slow, obvious and
//! cited, the kernel, and a safe host function that validates shapes.
//!
//! | module | what |
//! | --- | --- |
//! | [`attention`] | attention of prompts, and of new tokens over a cache |
//! | [`elementwise`] | scaled sums and gated activations |
//! | [`embedding`] | rows of tables of embeddings |
//! | [`gdn`] | linear attention with a gated delta rule |
//! | [`gemv`] | a few vectors times quantised weights |
//! | [`kv`] | the cache of keys and values |
//! | [`matmul`] | matrix products |
//! | [`moe`] | mixtures of experts: the router, and rows in the order of experts |
//! | [`norm`] | norms of rows, and what a transformer does beside them |
//! | [`quant`] | weights in blocks of few bits |
//! | [`rope`] | rotary position embeddings |
//! | [`rows`] | where rows lie |
//! | [`sample`] | the choice of the next token |
//! | [`softmax`] | softmax of rows |

pub mod attention;
pub mod elementwise;
pub mod embedding;
pub mod gdn;
pub mod gemv;
pub mod kv;
pub mod matmul;
pub mod moe;
pub mod norm;
pub mod quant;
pub mod rope;
pub mod rows;
pub mod sample;
pub mod shape;
pub mod softmax;

/// The PTX of every kernel of the library.
pub const PTX: &[&str] = &[elementwise::saxpy_kernel::PTX, elementwise::silu_gate_kernel::PTX];
