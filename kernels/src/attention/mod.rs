//! Attention: `o = softmax(scale q kᵀ) v` for each query head, of which several share a head of keys
//! and values (Ainslie and others, "GQA", 2023).
//!
//! | module | what |
//! | --- | --- |
//! | [`decode`] | a few new tokens of each sequence, over the pages of a cache |
//! | [`prefill`] | many queries of each sequence: prompts, and parts of them on top of a cache |

pub mod decode;
pub mod prefill;
