//! Attention: `o = softmax(scale q kᵀ) v` for each query head, of which several share a head of keys
//! and values (Ainslie and others, "GQA", 2023).
//!
//! | module | what |
//! | --- | --- |
//! | [`prefill`] | many queries of each sequence: prompts, and parts of them on top of a cache |

pub mod prefill;
